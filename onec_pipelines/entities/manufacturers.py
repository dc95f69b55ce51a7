"""Производители: who makes the products."""

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

MANUFACTURERS = Entity(
    name="manufacturers",
    title_ru="Производители",
    description="Manufacturers of products.",
    group="dictionaries",
    source=Source(resources=("Catalog_Производители",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False, max_length=150),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        ref("parent_ref", "Parent_Key", required=False),
    ),
    target=Target(
        table="shop.manufacturers",
        natural_keys=(NaturalKey(columns=("name",)),),
        where="c.is_folder IS NOT TRUE",
        columns=(Column(name="name", copy="name"), IS_DELETED),
    ),
)
