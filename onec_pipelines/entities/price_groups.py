"""ЦеновыеГруппы: groups of products to which a discount may be narrowed (PROTOCOL §11.4)."""

from __future__ import annotations

from onec_pipelines.spec import IS_DELETED, OBJECT_FIELDS, Column, Entity, Field, Source, Target

PRICE_GROUPS = Entity(
    name="price_groups",
    title_ru="Ценовые группы",
    description="Groups of products for pricing and discounts.",
    group="discounts",
    source=Source(resources=("Catalog_ЦеновыеГруппы",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="description", source=("Описание",), transform="clean_long_text", required=False),
    ),
    target=Target(
        table="shop.price_groups",
        columns=(
            Column(name="name", copy="name"),
            Column(name="description", copy="description"),
            IS_DELETED,
        ),
    ),
    optional=True,
)
