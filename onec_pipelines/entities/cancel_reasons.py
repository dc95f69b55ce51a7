"""ПричиныОтменыЗаказовКлиентов: why lines of orders were cancelled (PROTOCOL §11.7)."""

from __future__ import annotations

from onec_pipelines.spec import IS_DELETED, OBJECT_FIELDS, Column, ColumnType, Entity, Field, Source, Target

CANCEL_REASONS = Entity(
    name="cancel_reasons",
    title_ru="Причины отмены заказов клиентов",
    description="Why lines of orders were cancelled.",
    group="dictionaries",
    source=Source(resources=("Catalog_ПричиныОтменыЗаказовКлиентов",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(
            name="is_for_customers",
            source=("ДоступнаДляУказанияКлиентом",),
            type=ColumnType.BOOLEAN,
            required=False,
        ),
    ),
    target=Target(
        table="shop.cancel_reasons",
        columns=(
            Column(name="name", copy="name"),
            Column(
                name="is_for_customers", copy="is_for_customers", doc="Customers may choose it themselves"
            ),
            IS_DELETED,
        ),
    ),
    optional=True,
)
