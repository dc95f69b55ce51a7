"""ЦеныНоменклатуры(25): the current price of a product or variant in each price list (PROTOCOL §11.4)."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import (
    Column,
    ColumnType,
    Entity,
    Field,
    Limit,
    Measure,
    Reading,
    Source,
    Split,
    Target,
    ref,
)

PRICES = Entity(
    name="prices",
    title_ru="Цены номенклатуры",
    description="Current prices by price list; a price of pricing 2.5 belongs to a pricing variant.",
    group="prices",
    source=Source(
        resources=(
            "InformationRegister_ЦеныНоменклатуры25_RecordType",
            "InformationRegister_ЦеныНоменклатуры_RecordType",
        ),
        reading=Reading.WHOLE,
        function="SliceLast",
        narrow="product_ref",
        split=Split(
            entity="price_types",
            field="ВидЦены_Key",
            where="is_folder IS NOT TRUE AND deletion_mark IS NOT TRUE",
        ),
    ),
    key=("price_type_ref", "product_ref", "variant_ref", "pricing_variant_ref", "series_ref", "package_ref"),
    fields=(
        ref("price_type_ref", "ВидЦены_Key", to="price_types", nullable=False),
        ref("product_ref", "Номенклатура_Key", to="products", nullable=False),
        ref("variant_ref", "Характеристика_Key", to="variants", required=False),
        ref("pricing_variant_ref", "ХарактеристикаЦО_Key", to="pricing_variants", required=False),
        ref("series_ref", "СерияЦО_Key", required=False),
        ref("package_ref", "УпаковкаЦО_Key", to="units", required=False),
        ref("unit_ref", "Упаковка_Key", to="units", required=False),
        Field(
            name="price",
            source=("Цена",),
            type=ColumnType.DECIMAL,
            scale=2,
            minimum=Decimal(0),
            maximum=Decimal("9999999999999.99"),
            nullable=False,
        ),
        ref("currency_ref", "Валюта_Key", to="currencies", required=False),
        Field(name="valid_from", source=("Period",), type=ColumnType.TIMESTAMP, nullable=False),
    ),
    target=Target(
        table="shop.prices",
        where="c.series_ref IS NULL",
        columns=(
            Column(name="price_type_id", reference="price_type_ref", required=True),
            Column(name="product_id", reference="product_ref", required=True),
            Column(name="variant_id", reference="variant_ref", required=True),
            Column(name="pricing_variant_id", reference="pricing_variant_ref", required=True),
            Column(name="package_id", reference="package_ref", required=True),
            Column(
                name="unit_id", reference="unit_ref", doc="NULL = the unit in which the product is stored"
            ),
            Column(name="price", copy="price"),
            Column(name="currency_id", reference="currency_ref"),
            Column(name="valid_from", copy="valid_from"),
            Column(name="is_deleted", sql="c.deleted_at IS NOT NULL"),
        ),
    ),
    depends_on=("price_types", "products", "variants", "pricing_variants", "units", "currencies"),
    limits=(Limit(name="price_fall", measure=Measure.FALL, column="price", share=Decimal("0.5"), rows=20),),
    has_ids=False,
)
