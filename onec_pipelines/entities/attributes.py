"""ДополнительныеРеквизитыИСведения: the additional attributes that products and variants may have (PROTOCOL §11.2)."""

from __future__ import annotations

from onec_pipelines.spec import IS_DELETED, OBJECT_FIELDS, Column, ColumnType, Entity, Field, Source, Target

ATTRIBUTES = Entity(
    name="attributes",
    title_ru="Дополнительные реквизиты",
    description="Additional attributes of products and variants (plan of characteristic types).",
    group="dictionaries",
    source=Source(resources=("ChartOfCharacteristicTypes_ДополнительныеРеквизитыИСведения",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="full_name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="title", source=("Заголовок",), transform="clean_text", required=False),
        Field(name="is_info", source=("ЭтоДополнительноеСведение",), type=ColumnType.BOOLEAN, required=False),
    ),
    target=Target(
        table="shop.attributes",
        columns=(
            Column(name="name", sql="coalesce(c.title, c.full_name)", inputs=("title", "full_name")),
            IS_DELETED,
        ),
    ),
    optional=True,
)
