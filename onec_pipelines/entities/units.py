"""УпаковкиЕдиницыИзмерения: units of measure (by OKEI code) and the packages of products, as exact fractions (PROTOCOL §11.2)."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    Source,
    Target,
    Way,
    ref,
)

UNITS = Entity(
    name="units",
    title_ru="Единицы измерения и упаковки",
    description="Units by OKEI code and packages; a package holds numerator/denominator of its base unit.",
    group="dictionaries",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_УпаковкиЕдиницыИзмерения",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="full_name", source=("НаименованиеПолное",), transform="clean_text", required=False),
        Field(name="okei_code", source=("Code",), transform="strip", required=False, max_length=4),
        Field(
            name="international_code",
            source=("МеждународноеСокращение",),
            transform="clean_text",
            required=False,
        ),
        Field(name="measure", source=("ТипИзмеряемойВеличины",), transform="measure", required=False),
        Field(
            name="owner_ref",
            source=("Owner",),
            type=ColumnType.GUID,
            transform="guid_or_null",
            required=False,
        ),
        Field(name="owner_type", source=("Owner_Type",), required=False),
        ref("base_unit_ref", "ЕдиницаИзмерения_Key", to="units", required=False),
        Field(
            name="numerator",
            source=("Числитель",),
            type=ColumnType.DECIMAL,
            minimum=Decimal(0),
            required=False,
        ),
        Field(
            name="denominator",
            source=("Знаменатель",),
            type=ColumnType.DECIMAL,
            minimum=Decimal(0),
            required=False,
        ),
    ),
    target=Target(
        table="shop.units",
        columns=(
            Column(name="name", copy="name"),
            Column(name="full_name", copy="full_name"),
            Column(
                name="okei_code",
                sql="CASE WHEN c.okei_code ~ '^[0-9]{3,4}$' THEN c.okei_code END",
                inputs=("okei_code",),
                doc="Only real OKEI codes; packages of products carry codes of their own",
            ),
            Column(name="international_code", copy="international_code"),
            Column(name="measure", copy="measure"),
            Column(name="base_unit_id", reference="base_unit_ref"),
            Column(name="numerator", sql="coalesce(nullif(c.numerator, 0), 1)", inputs=("numerator",)),
            Column(name="denominator", sql="coalesce(nullif(c.denominator, 0), 1)", inputs=("denominator",)),
            IS_DELETED,
        ),
    ),
)
