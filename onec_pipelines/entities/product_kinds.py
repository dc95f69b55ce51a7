"""ВидыНоменклатуры: kinds of products, which own common variants and attribute sets (PROTOCOL §11.2)."""

from __future__ import annotations

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    Source,
    Target,
    ref,
)

PRODUCT_KINDS = Entity(
    name="product_kinds",
    title_ru="Виды номенклатуры",
    description="Kinds of products; a kind may own the variants common to its products.",
    group="dictionaries",
    source=Source(resources=("Catalog_ВидыНоменклатуры",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False, max_length=150),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        ref("parent_ref", "Parent_Key", to="product_kinds", required=False),
        Field(name="product_type", source=("ТипНоменклатуры",), transform="product_type"),
        Field(
            name="variant_policy",
            source=("ИспользованиеХарактеристик",),
            transform="variant_policy",
            required=False,
        ),
        ref("variant_owner_ref", "ВладелецХарактеристик_Key", to="product_kinds", required=False),
    ),
    target=Target(
        table="shop.product_kinds",
        columns=(
            Column(name="name", copy="name"),
            Column(name="parent_id", reference="parent_ref"),
            Column(name="is_folder", sql="coalesce(c.is_folder, false)", inputs=("is_folder",)),
            Column(name="product_type", copy="product_type"),
            Column(name="variant_policy", copy="variant_policy"),
            Column(name="variant_owner_id", reference="variant_owner_ref"),
            IS_DELETED,
        ),
    ),
)
