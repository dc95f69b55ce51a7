"""Марки: the brands of products."""

from __future__ import annotations

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    NaturalKey,
    Source,
    Target,
    ref,
)

BRANDS = Entity(
    name="brands",
    title_ru="Марки (бренды)",
    description="Brands of products and who makes them.",
    group="dictionaries",
    source=Source(resources=("Catalog_Марки",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False, max_length=150),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        ref("manufacturer_ref", "Производитель_Key", to="manufacturers", required=False),
    ),
    target=Target(
        table="shop.brands",
        natural_keys=(NaturalKey(columns=("name",)),),
        where="c.is_folder IS NOT TRUE",
        columns=(
            Column(name="name", copy="name"),
            Column(name="manufacturer_id", reference="manufacturer_ref"),
            IS_DELETED,
        ),
    ),
    depends_on=("manufacturers",),
)
