"""РеализацияТоваровУслуг: what was sold and handed over, the purchase history of customers (PROTOCOL §11.7)."""

from __future__ import annotations

from onec_pipelines.entities.document_parts import (
    DISCOUNT_COLUMNS,
    DISCOUNT_FIELDS,
    DOCUMENT_COLUMNS,
    DOCUMENT_FIELDS,
    GOODS_COLUMNS,
    GOODS_ENTITIES,
    GOODS_FIELDS,
    GOODS_JOINS,
    PARTY_COLUMNS,
    PARTY_ENTITIES,
    PARTY_FIELDS,
    composite,
    link,
)
from onec_pipelines.spec import IS_DELETED, Column, Entity, Field, Section, Source, Target, ref

ORDER_LINK = link("order_id", "order", to="orders", kind="ЗаказКлиента")

LINES = Section(
    name="lines",
    source="Товары",
    fields=(*GOODS_FIELDS, *DISCOUNT_FIELDS, *composite("order", "ЗаказКлиента")),
    required=True,
)

SHIPMENTS = Entity(
    name="shipments",
    title_ru="Реализации товаров и услуг",
    description="Sales with lines and the orders they fulfil: the purchase history.",
    group="sales",
    source=Source(resources=("Document_РеализацияТоваровУслуг",), window="date"),
    fields=(
        *DOCUMENT_FIELDS,
        *PARTY_FIELDS,
        *composite("order", "ЗаказКлиента"),
        Field(name="status", source=("Статус",), transform="shipment_status", required=False),
        Field(name="payment_form", source=("ФормаОплаты",), transform="payment_form", required=False),
        ref("card_ref", "КартаЛояльности_Key", to="loyalty_cards", required=False),
    ),
    sections=(LINES,),
    target=Target(
        table="shop.purchases",
        columns=(
            *DOCUMENT_COLUMNS,
            *PARTY_COLUMNS,
            ORDER_LINK,
            Column(name="status", copy="status"),
            Column(name="payment_form", copy="payment_form"),
            Column(
                name="is_purchase",
                sql="c.is_posted AND NOT c.deletion_mark AND c.deleted_at IS NULL",
                inputs=("is_posted", "deletion_mark"),
                doc="Only a posted document counts as a purchase",
            ),
            Column(name="loyalty_card_id", reference="card_ref"),
            IS_DELETED,
        ),
        children=(
            Target(
                table="shop.purchase_lines",
                section="lines",
                joins=GOODS_JOINS,
                reads=("vat_rates",),
                columns=(*GOODS_COLUMNS, *DISCOUNT_COLUMNS, ORDER_LINK),
            ),
        ),
    ),
    depends_on=(*PARTY_ENTITIES, *GOODS_ENTITIES, "price_types", "loyalty_cards", "orders"),
)
