"""Категории: the folders of Номенклатура as a tree; cycles are cut and orphans hang at the root (PROTOCOL §11.2)."""

from __future__ import annotations

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    Entity,
    Field,
    NaturalKey,
    Source,
    Target,
    Way,
    ref,
)

CATEGORIES = Entity(
    name="categories",
    title_ru="Категории (группы номенклатуры)",
    description="Tree of product folders, with path and depth; a cycle is cut and an orphan hangs at the root.",
    group="catalog",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_Номенклатура",), only=("IsFolder", True)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False, max_length=150),
        Field(name="code", source=("Code",), transform="strip", required=False),
        ref("parent_ref", "Parent_Key", to="categories"),
    ),
    target=Target(
        table="shop.categories",
        natural_keys=(NaturalKey(columns=("name", "parent_id")),),
        columns=(
            Column(name="name", copy="name"),
            Column(name="code", copy="code"),
            Column(name="parent_id", reference="parent_ref"),
            IS_DELETED,
        ),
        finish="SELECT integ.refresh_category_tree()",
    ),
)
