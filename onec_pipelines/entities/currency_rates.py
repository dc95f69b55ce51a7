"""КурсыВалют: the rate of a currency on a day, in the accounting currency for `multiplicity` units (PROTOCOL §11.10)."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import Column, ColumnType, Entity, Field, Source, Target

CURRENCY_RATES = Entity(
    name="currency_rates",
    title_ru="Курсы валют",
    description="Rate of a currency on a day, in the accounting currency for `multiplicity` units.",
    group="dictionaries",
    source=Source(resources=("InformationRegister_КурсыВалют",), narrow="currency_ref"),
    key=("period", "currency_ref"),
    fields=(
        Field(name="period", source=("Period",), type=ColumnType.TIMESTAMP, nullable=False),
        Field(
            name="currency_ref",
            source=("Валюта_Key",),
            type=ColumnType.GUID,
            references="currencies",
            nullable=False,
        ),
        Field(
            name="rate",
            source=("Курс",),
            type=ColumnType.DECIMAL,
            scale=4,
            minimum=Decimal(0),
            maximum=Decimal("99999999999.9999"),
            nullable=False,
        ),
        Field(
            name="multiplicity",
            source=("Кратность",),
            type=ColumnType.INTEGER,
            minimum=Decimal(1),
            nullable=False,
        ),
    ),
    target=Target(
        table="shop.currency_rates",
        columns=(
            Column(name="currency_id", reference="currency_ref", required=True),
            Column(name="valid_from", copy="period"),
            Column(name="rate", copy="rate"),
            Column(name="multiplicity", copy="multiplicity"),
            Column(name="is_deleted", sql="c.deleted_at IS NOT NULL", inputs=()),
        ),
    ),
    depends_on=("currencies",),
    has_ids=False,
)
