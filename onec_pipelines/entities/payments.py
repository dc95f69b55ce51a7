"""ПоступлениеБезналичныхДенежныхСредств: money of customers that came to the bank, by order (PROTOCOL §11.7).

Cash orders, card operations and receipts are documents of their own that neither release's composition
publishes here; how much of an order is paid by whatever means is in `order_states`. The same document also
takes loans, taxes and returns of suppliers: only operations with customers go to the shop.
"""

from __future__ import annotations

from onec_pipelines.entities.document_parts import (
    DOCUMENT_COLUMNS,
    DOCUMENT_FIELDS,
    composite,
    exact,
    link,
    money,
)
from onec_pipelines.spec import IS_DELETED, Column, ColumnType, Entity, Field, Section, Source, Target, ref

OF_CUSTOMERS = "c.payment_form IN ('bank_transfer', 'card')"

LINES = Section(
    name="lines",
    source="РасшифровкаПлатежа",
    fields=(
        ref("customer_ref", "Партнер_Key", to="customers", required=False),
        money("amount", "Сумма"),
        *composite("basis", "ОснованиеПлатежа"),
        *composite("order", "Заказ"),
    ),
)

PAYMENTS = Entity(
    name="payments",
    title_ru="Поступления безналичных денежных средств",
    description="Payments of customers that came to the bank: when, how much, for which order.",
    group="sales",
    source=Source(resources=("Document_ПоступлениеБезналичныхДенежныхСредств",), window="date"),
    fields=(
        *DOCUMENT_FIELDS,
        Field(name="payment_form", source=("ХозяйственнаяОперация",), transform="payment_operation"),
        ref("customer_ref", "Партнер_Key", to="customers", required=False),
        ref("counterparty_ref", "Контрагент_Key", to="counterparties", required=False),
        ref("organization_ref", "Организация_Key", to="organizations", required=False),
        ref("currency_ref", "Валюта_Key", to="currencies", required=False),
        money("amount", "СуммаДокумента"),
        Field(name="bank_number", source=("НомерВходящегоДокумента",), transform="strip", required=False),
        Field(
            name="bank_date", source=("ДатаВходящегоДокумента",), type=ColumnType.TIMESTAMP, required=False
        ),
        Field(name="is_at_bank", source=("ПроведеноБанком",), type=ColumnType.BOOLEAN, required=False),
    ),
    sections=(LINES,),
    target=Target(
        table="shop.payments",
        # What became another operation stays in sight, to be marked.
        where=(
            f"{OF_CUSTOMERS} OR EXISTS (SELECT FROM integ.external_id_mappings k WHERE k.system_name = c.system_name"
            " AND k.entity_type = 'payments' AND k.external_id = c.row_key)"
        ),
        columns=(
            *DOCUMENT_COLUMNS,
            Column(name="payment_form", copy="payment_form"),
            Column(name="customer_id", reference="customer_ref"),
            Column(name="counterparty_id", reference="counterparty_ref"),
            Column(name="organization_id", reference="organization_ref"),
            Column(name="currency_id", reference="currency_ref"),
            exact("amount"),
            Column(name="bank_number", copy="bank_number"),
            Column(name="bank_date", copy="bank_date"),
            Column(name="is_at_bank", copy="is_at_bank", doc="ПроведеноБанком: the money has come"),
            Column(
                name="is_deleted",
                sql=f"{IS_DELETED.sql} OR NOT coalesce({OF_CUSTOMERS}, false)",
                inputs=("deletion_mark", "payment_form"),
                doc="Marked for deletion in 1C, gone from it, or no customer's payment any more",
            ),
        ),
        children=(
            Target(
                table="shop.payment_lines",
                section="lines",
                columns=(
                    Column(name="customer_id", reference="customer_ref"),
                    exact("amount"),
                    link("order_id", "basis", to="orders", kind="ЗаказКлиента"),
                    Column(
                        name="settled_order_id",
                        reference="order_ref",
                        entity="orders",
                        when="c.order_type LIKE '%%.Document_ЗаказКлиента'",
                        doc="Заказ of releases up to 11.4",
                    ),
                    link("purchase_id", "basis", to="shipments", kind="РеализацияТоваровУслуг"),
                ),
            ),
        ),
    ),
    depends_on=("customers", "counterparties", "organizations", "currencies", "orders", "shipments"),
    optional=True,
)
