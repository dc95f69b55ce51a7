"""ЗаказКлиента: what customers ordered, with lines (PROTOCOL §11.7). Holds personal data: address and comments."""

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
)
from onec_pipelines.spec import (
    IS_DELETED,
    Column,
    ColumnType,
    Entity,
    Field,
    Section,
    Source,
    Target,
    ref,
)

LINES = Section(
    name="lines",
    source="Товары",
    fields=(
        *GOODS_FIELDS,
        *DISCOUNT_FIELDS,
        Field(name="is_cancelled", source=("Отменено",), type=ColumnType.BOOLEAN, required=False),
        ref("cancel_reason_ref", "ПричинаОтмены_Key", to="cancel_reasons", required=False),
        Field(name="ship_date", source=("ДатаОтгрузки",), type=ColumnType.TIMESTAMP, required=False),
        Field(
            name="supply_option", source=("ВариантОбеспечения",), transform="supply_option", required=False
        ),
        Field(name="content", source=("Содержание",), transform="clean_text", required=False),
    ),
    required=True,
)

ORDERS = Entity(
    name="orders",
    title_ru="Заказы клиентов",
    description="Orders of customers with lines, status, payment and delivery.",
    group="sales",
    source=Source(resources=("Document_ЗаказКлиента",), window="date"),
    fields=(
        *DOCUMENT_FIELDS,
        *PARTY_FIELDS,
        Field(name="status", source=("Статус",), transform="order_status"),
        Field(name="is_approved", source=("Согласован",), type=ColumnType.BOOLEAN, required=False),
        Field(
            name="customer_number",
            source=("НомерПоДаннымКлиента",),
            transform="strip",
            required=False,
            doc="The number that the site gave the order",
        ),
        Field(
            name="customer_date", source=("ДатаПоДаннымКлиента",), type=ColumnType.TIMESTAMP, required=False
        ),
        Field(name="payment_form", source=("ФормаОплаты",), transform="payment_form", required=False),
        Field(
            name="delivery_method", source=("СпособДоставки",), transform="delivery_method", required=False
        ),
        Field(
            name="delivery_address",
            source=("АдресДоставки",),
            transform="clean_text",
            required=False,
            pii=True,
        ),
        Field(
            name="delivery_notes",
            source=("ДополнительнаяИнформацияПоДоставке",),
            transform="clean_long_text",
            required=False,
            pii=True,
        ),
        Field(name="ship_date", source=("ДатаОтгрузки",), type=ColumnType.TIMESTAMP, required=False),
        ref("card_ref", "КартаЛояльности_Key", to="loyalty_cards", required=False),
    ),
    sections=(LINES,),
    target=Target(
        table="shop.orders",
        columns=(
            *DOCUMENT_COLUMNS,
            *PARTY_COLUMNS,
            Column(name="status", copy="status", doc="A name of 1C that we have no code for stands as it is"),
            Column(name="is_approved", copy="is_approved"),
            Column(name="customer_number", copy="customer_number"),
            Column(name="customer_date", copy="customer_date"),
            Column(name="payment_form", copy="payment_form"),
            Column(name="delivery_method", copy="delivery_method"),
            Column(name="delivery_address", copy="delivery_address"),
            Column(name="delivery_notes", copy="delivery_notes"),
            Column(name="ship_date", copy="ship_date"),
            Column(name="loyalty_card_id", reference="card_ref"),
            IS_DELETED,
        ),
        children=(
            Target(
                table="shop.order_lines",
                section="lines",
                joins=GOODS_JOINS,
                reads=("vat_rates",),
                columns=(
                    *GOODS_COLUMNS,
                    *DISCOUNT_COLUMNS,
                    Column(name="is_cancelled", copy="is_cancelled"),
                    Column(name="cancel_reason_id", reference="cancel_reason_ref"),
                    Column(name="ship_date", copy="ship_date"),
                    Column(name="supply_option", copy="supply_option"),
                    Column(
                        name="content", copy="content", doc="Text of the line in place of the product's name"
                    ),
                ),
            ),
        ),
    ),
    depends_on=(*PARTY_ENTITIES, *GOODS_ENTITIES, "price_types", "loyalty_cards", "cancel_reasons"),
)
