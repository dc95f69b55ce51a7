"""СтавкиНДС: VAT rates as a catalog (UT 11.5); releases up to 11.4 keep only the enumeration (PROTOCOL §11.10)."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import IS_DELETED, OBJECT_FIELDS, Column, ColumnType, Entity, Field, Source, Target

VAT_RATES = Entity(
    name="vat_rates",
    title_ru="Ставки НДС",
    description="VAT rates: percent, and whether the rate is a calculated one (20/120).",
    group="dictionaries",
    source=Source(resources=("Catalog_СтавкиНДС",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False, max_length=150),
        Field(name="code", source=("ПеречислениеСтавкаНДС",), transform="clean_text", required=False),
        Field(
            name="percent",
            source=("Ставка",),
            type=ColumnType.DECIMAL,
            scale=2,
            minimum=Decimal(0),
            maximum=Decimal(100),
        ),
        Field(name="is_calculated", source=("РасчетнаяСтавка",), type=ColumnType.BOOLEAN, required=False),
    ),
    target=Target(
        table="shop.vat_rates",
        columns=(
            Column(name="name", copy="name"),
            Column(name="code", copy="code"),
            Column(name="percent", copy="percent"),
            Column(name="is_calculated", sql="coalesce(c.is_calculated, false)", inputs=("is_calculated",)),
            IS_DELETED,
        ),
    ),
    optional=True,
)
