"""ЗначенияСвойствОбъектов: the list values that an attribute may take (PROTOCOL §11.2)."""

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
    Way,
    ref,
)

ATTRIBUTE_VALUES = Entity(
    name="attribute_values",
    title_ru="Значения реквизитов",
    description="List values of additional attributes.",
    group="dictionaries",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_ЗначенияСвойствОбъектов",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        ref("attribute_ref", "Owner_Key", to="attributes", required=False),
    ),
    target=Target(
        table="shop.attribute_values",
        where="c.is_folder IS NOT TRUE",
        columns=(
            Column(name="attribute_id", reference="attribute_ref"),
            Column(name="name", copy="name"),
            IS_DELETED,
        ),
    ),
    depends_on=("attributes",),
    optional=True,
)
