"""Склады: where stock is kept (PROTOCOL §11.5)."""

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

WAREHOUSES = Entity(
    name="warehouses",
    title_ru="Склады",
    description="Warehouses and shops where stock is kept.",
    group="stock",
    source=Source(resources=("Catalog_Склады",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        Field(name="warehouse_type", source=("ТипСклада",), transform="warehouse_type", required=False),
        ref("retail_price_type_ref", "РозничныйВидЦены_Key", to="price_types", required=False),
    ),
    target=Target(
        table="shop.warehouses",
        natural_keys=(NaturalKey(columns=("name",)),),
        where="c.is_folder IS NOT TRUE",
        columns=(
            Column(name="name", copy="name"),
            Column(name="warehouse_type", copy="warehouse_type"),
            Column(name="retail_price_type_id", reference="retail_price_type_ref"),
            IS_DELETED,
        ),
    ),
    depends_on=("price_types",),
)
