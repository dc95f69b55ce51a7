"""СостоянияЗаказовКлиентов: what 1C makes of an order's shipments and payments (PROTOCOL §11.7).

1C recomputes the register in the background, it has no DataVersion and no exchange plan tells of it, so that
it is read whole and compared here, or, where that is too much, only the states of orders that are not closed.
"""

from __future__ import annotations

from onec_pipelines.entities.document_parts import composite, exact, money
from onec_pipelines.spec import Column, ColumnType, Entity, Field, Follow, Source, Target, Way

ORDER_REF, ORDER_TYPE = composite("order", "Заказ")

ORDER_STATES = Entity(
    name="order_states",
    title_ru="Состояния заказов клиентов",
    description="Derived state of each order: what it waits for, how much of it is paid and shipped.",
    group="sales",
    source=Source(
        resources=("InformationRegister_СостоянияЗаказовКлиентов",),
        narrow="order_ref",
        narrow_type="Document_ЗаказКлиента",
        follow=Follow(
            entity="orders",
            where=(
                "NOT EXISTS (SELECT FROM clean.order_states s WHERE s.system_name = c.system_name"
                " AND s.order_ref = c.ref AND s.deleted_at IS NULL AND s.state = 'closed')"
            ),
        ),
    ),
    key=("order_ref", "order_type"),
    fields=(
        ORDER_REF,
        ORDER_TYPE,
        Field(name="state", source=("Состояние",), transform="order_state"),
        Field(name="event_date", source=("ДатаСобытия",), type=ColumnType.TIMESTAMP, required=False),
        money("paid_amount", "СуммаОплаты", required=False),
        money("paid_percent", "ПроцентОплаты", required=False),
        money("shipped_amount", "СуммаОтгрузки", required=False),
        money("shipped_percent", "ПроцентОтгрузки", required=False),
        money("debt_amount", "СуммаДолга", required=False),
        money("debt_percent", "ПроцентДолга", required=False),
        Field(
            name="has_differences",
            source=("ЕстьРасхожденияОрдерНакладная",),
            type=ColumnType.BOOLEAN,
            required=False,
        ),
    ),
    target=Target(
        table="shop.order_states",
        # The register keeps the states of return requests as well.
        where="c.order_type LIKE '%%.Document_ЗаказКлиента'",
        columns=(
            Column(
                name="order_id",
                reference="order_ref",
                entity="orders",
                required=True,
            ),
            Column(name="state", copy="state"),
            Column(name="event_date", copy="event_date"),
            exact("paid_amount"),
            exact("paid_percent"),
            exact("shipped_amount"),
            exact("shipped_percent"),
            exact("debt_amount"),
            exact("debt_percent"),
            Column(
                name="has_differences",
                copy="has_differences",
                doc="The warehouse shipped something else than the invoice says",
            ),
            Column(name="is_deleted", sql="c.deleted_at IS NOT NULL"),
        ),
    ),
    depends_on=("orders",),
    # Exact, and eleven narrow columns; a large base sets ONEC_READING=order_states=windows and follows what is open,
    # because 1C may pay or ship a closed order on.
    way=Way.SNAPSHOT,
    has_ids=False,
    optional=True,
)
