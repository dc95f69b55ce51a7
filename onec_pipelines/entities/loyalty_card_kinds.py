"""ВидыКартЛояльности: kinds of loyalty cards, with the programme to which their points belong (PROTOCOL §11.9)."""

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

LOYALTY_CARD_KINDS = Entity(
    name="loyalty_card_kinds",
    title_ru="Виды карт лояльности",
    description="Kinds of loyalty cards: programme, validity, personal or not.",
    group="loyalty",
    source=Source(resources=("Catalog_ВидыКартЛояльности",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="status", source=("Статус",), transform="card_status", required=False),
        Field(name="starts_at", source=("ДатаНачалаДействия",), type=ColumnType.TIMESTAMP, required=False),
        Field(name="ends_at", source=("ДатаОкончанияДействия",), type=ColumnType.TIMESTAMP, required=False),
        Field(name="is_personal", source=("Персонализирована",), type=ColumnType.BOOLEAN, required=False),
        Field(name="card_type", source=("ТипКарты",), transform="clean_text", required=False),
        ref("program_ref", "БонуснаяПрограммаЛояльности_Key", to="loyalty_programs", required=False),
    ),
    target=Target(
        table="shop.loyalty_card_kinds",
        columns=(
            Column(name="name", copy="name"),
            Column(name="status", copy="status"),
            Column(name="starts_at", copy="starts_at", doc="NULL = from the beginning"),
            Column(name="ends_at", copy="ends_at", doc="NULL = without an end"),
            Column(name="is_personal", sql="coalesce(c.is_personal, false)", inputs=("is_personal",)),
            Column(name="card_type", copy="card_type"),
            Column(name="program_id", reference="program_ref"),
            IS_DELETED,
        ),
    ),
    depends_on=("loyalty_programs",),
    optional=True,
)
