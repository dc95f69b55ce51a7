"""ВидыКонтактнойИнформации: what a base calls its telephones, e-mails and addresses (PROTOCOL §11.6)."""

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
)

CONTACT_KINDS = Entity(
    name="contact_kinds",
    title_ru="Виды контактной информации",
    description="Kinds of contact information: work telephone, delivery address.",
    group="customers",
    source=Source(resources=("Catalog_ВидыКонтактнойИнформации",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        Field(name="contact_type", source=("Тип",), transform="contact_type"),
        Field(name="predefined_name", source=("PredefinedDataName",), transform="clean_text", required=False),
    ),
    target=Target(
        table="shop.contact_kinds",
        where="c.is_folder IS NOT TRUE",
        columns=(
            Column(name="name", copy="name"),
            Column(name="contact_type", copy="contact_type"),
            Column(name="predefined_name", copy="predefined_name"),
            IS_DELETED,
        ),
    ),
    optional=True,
)
