"""Records of ЦеныНоменклатуры(25): which price was valid from when (PROTOCOL §11.4).

A record is known by its document, its period and its dimensions, so that posting the document anew changes
prices and nothing else.
"""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.entities.document_parts import exact
from onec_pipelines.spec import Column, ColumnType, Entity, Field, Source, Target, ref

PRICE_HISTORY = Entity(
    name="price_history",
    title_ru="История цен номенклатуры",
    description="Every price that was ever set, from when it is valid, by price list.",
    group="history",
    source=Source(
        resources=(
            "InformationRegister_ЦеныНоменклатуры25_RecordType",
            "InformationRegister_ЦеныНоменклатуры_RecordType",
        ),
        window="valid_from",
        narrow="product_ref",
    ),
    key=(
        "recorder_ref",
        "valid_from",
        "price_type_ref",
        "product_ref",
        "variant_ref",
        "pricing_variant_ref",
        "series_ref",
        "package_ref",
    ),
    fields=(
        Field(
            name="recorder_ref",
            source=("Recorder", "Recorder_Key"),
            type=ColumnType.GUID,
            transform="guid_or_null",
            required=False,
            doc="The document that set the price",
        ),
        Field(name="recorder_type", source=("Recorder_Type",), required=False),
        Field(name="line_number", source=("LineNumber",), type=ColumnType.INTEGER, required=False),
        Field(
            name="is_active",
            source=("Active",),
            type=ColumnType.BOOLEAN,
            required=False,
            doc="False while the document is not posted",
        ),
        Field(name="valid_from", source=("Period",), type=ColumnType.TIMESTAMP, nullable=False),
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
            minimum=Decimal(0),
            nullable=False,
        ),
        ref("currency_ref", "Валюта_Key", to="currencies", required=False),
    ),
    target=Target(
        table="shop.price_history",
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
            exact("price"),
            Column(name="currency_id", reference="currency_ref"),
            Column(name="valid_from", copy="valid_from"),
            Column(
                name="is_deleted",
                sql="c.deleted_at IS NOT NULL OR c.is_active IS FALSE",
                inputs=("is_active",),
                doc="Gone from 1C, or its document is not posted",
            ),
        ),
    ),
    depends_on=("price_types", "products", "variants", "pricing_variants", "units", "currencies"),
    has_ids=False,
)
