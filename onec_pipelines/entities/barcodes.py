"""ШтрихкодыНоменклатуры: barcodes of products, variants and packages; the key differs by release (PROTOCOL §11.1)."""

from __future__ import annotations

from onec_pipelines.spec import Column, Entity, Field, Source, Target, ref

BARCODES = Entity(
    name="barcodes",
    title_ru="Штрихкоды номенклатуры",
    description="Barcodes of products, variants and packages.",
    group="catalog",
    source=Source(resources=("InformationRegister_ШтрихкодыНоменклатуры",), narrow="product_ref"),
    key=("barcode", "product_ref", "variant_ref", "unit_ref", "series_ref"),
    fields=(
        Field(name="barcode", source=("Штрихкод",), transform="strip", nullable=False, max_length=200),
        ref("product_ref", "Номенклатура_Key", to="products", nullable=False),
        ref("variant_ref", "Характеристика_Key", to="variants", required=False),
        ref("unit_ref", "Упаковка_Key", to="units", required=False),
        ref("series_ref", "Серия_Key", required=False),
    ),
    target=Target(
        table="shop.barcodes",
        columns=(
            Column(name="barcode", copy="barcode"),
            Column(name="product_id", reference="product_ref", required=True),
            Column(name="variant_id", reference="variant_ref", required=True),
            Column(name="unit_id", reference="unit_ref"),
            Column(
                name="is_valid_ean",
                sql="integ.is_ean(c.barcode)",
                inputs=("barcode",),
                doc="The check digit of an EAN-8 or EAN-13 is right",
            ),
            Column(name="is_deleted", sql="c.deleted_at IS NOT NULL"),
        ),
    ),
    depends_on=("products", "variants", "units"),
    has_ids=False,
)
