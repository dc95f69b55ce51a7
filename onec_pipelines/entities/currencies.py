"""Валюты: the currencies of prices, by numeric ISO 4217 code (PROTOCOL §11.10)."""

from __future__ import annotations

from onec_pipelines.spec import IS_DELETED, OBJECT_FIELDS, Column, Entity, Field, NaturalKey, Source, Target

CURRENCIES = Entity(
    name="currencies",
    title_ru="Валюты",
    description="Currencies of prices, by numeric ISO 4217 code.",
    group="dictionaries",
    source=Source(resources=("Catalog_Валюты",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="numeric_code", source=("Code",), nullable=False, transform="strip", max_length=3),
        Field(name="symbol", source=("Description",), transform="clean_text", max_length=10),
        Field(
            name="name", source=("НаименованиеПолное",), transform="clean_text", required=False, max_length=50
        ),
    ),
    target=Target(
        table="shop.currencies",
        natural_keys=(NaturalKey(columns=("numeric_code",)),),
        columns=(
            Column(
                name="code",
                sql="integ.currency_letter_code(c.numeric_code)",
                inputs=("numeric_code",),
                doc="ISO 4217 letters; NULL for a numeric code we do not know",
            ),
            Column(name="numeric_code", copy="numeric_code"),
            Column(name="symbol", copy="symbol"),
            Column(name="name", copy="name"),
            IS_DELETED,
        ),
    ),
)
