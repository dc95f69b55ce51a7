"""ЗаказКлиента: an order of the application (PROTOCOL §11.7)."""

from __future__ import annotations

from onec_pipelines.entities.outgoing.maps import DELIVERY_WAYS, PAYMENT_FORMS, PAYMENT_STAGES, SUPPLY_OPTIONS
from onec_pipelines.steps.push.declaration import Attribute, Kind, Outgoing, Owner, Rows

LINES = Rows(
    wire="Товары",
    fact="lines",
    identity="code",
    cancelled="cancelled",
    attributes=(
        Attribute(wire=("КодСтроки",), fact="code", kind=Kind.INTEGER, filled=True),
        Attribute(wire=("КлючСвязи",), fact="link", kind=Kind.INTEGER, owner=Owner.ONCE),
        Attribute(wire=("Номенклатура_Key",), fact="product", kind=Kind.REF, filled=True),
        Attribute(wire=("Характеристика_Key",), fact="variant", kind=Kind.REF),
        Attribute(wire=("Упаковка_Key",), fact="package", kind=Kind.REF),
        Attribute(wire=("КоличествоУпаковок",), fact="packages", kind=Kind.NUMBER, scale=3, filled=True),
        Attribute(wire=("Количество",), fact="quantity", kind=Kind.NUMBER, scale=3, filled=True),
        Attribute(wire=("ВидЦены_Key",), fact="price_type", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("Цена",), fact="price", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("ПроцентРучнойСкидки",), fact="discount_percent", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("СуммаРучнойСкидки",), fact="discount", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("СуммаБонусныхБалловКСписанию",), fact="bonus_points", kind=Kind.NUMBER, scale=2),
        Attribute(
            wire=("СуммаБонусныхБалловКСписаниюВВалюте",), fact="bonus_amount", kind=Kind.NUMBER, scale=2
        ),
        Attribute(wire=("Сумма",), fact="amount", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("СтавкаНДС_Key",), fact="vat_rate", kind=Kind.REF, filled=True, twin="vat_name"),
        Attribute(
            wire=("СтавкаНДС",),
            fact="vat_name",
            kind=Kind.ENUM,
            enum="СтавкиНДС",
            filled=True,
            twin="vat_rate",
        ),
        Attribute(wire=("СуммаНДС",), fact="vat", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("СуммаСНДС",), fact="amount_with_vat", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("Отменено",), fact="cancelled", kind=Kind.FLAG),
        Attribute(wire=("ПричинаОтмены_Key",), fact="cancel_reason", kind=Kind.REF),
        Attribute(wire=("Склад_Key",), fact="warehouse", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("ДатаОтгрузки",), fact="ship_date", kind=Kind.MOMENT, owner=Owner.ONCE),
        Attribute(
            wire=("ВариантОбеспечения",),
            fact="supply",
            kind=Kind.ENUM,
            enum="ВариантыОбеспечения",
            names=SUPPLY_OPTIONS,
            owner=Owner.ONCE,
        ),
    ),
)

STAGES = Rows(
    wire="ЭтапыГрафикаОплаты",
    fact="stages",
    identity="percent",
    attributes=(
        Attribute(
            wire=("ВариантОплаты",),
            fact="variant",
            kind=Kind.ENUM,
            enum="ВариантыОплатыКлиентом",
            names=PAYMENT_STAGES,
            owner=Owner.ONCE,
        ),
        Attribute(wire=("ДатаПлатежа",), fact="date", kind=Kind.MOMENT, owner=Owner.ONCE),
        Attribute(wire=("ПроцентПлатежа",), fact="percent", kind=Kind.NUMBER),
        Attribute(wire=("СуммаПлатежа",), fact="amount", kind=Kind.NUMBER, scale=2),
    ),
)

ORDERS = Outgoing(
    name="orders",
    title="order",
    resource="Document_ЗаказКлиента",
    entity="orders",
    natural_key="НомерПоДаннымКлиента",
    identity=("external_date", "partner"),
    posts=True,
    settled=(("Статус", "Закрыт"),),
    total=("СуммаДокумента", "Товары", "СуммаСНДС"),
    attributes=(
        Attribute(wire=("Date",), fact="date", kind=Kind.MOMENT, owner=Owner.ONCE, filled=True),
        Attribute(wire=("Партнер_Key",), fact="partner", kind=Kind.REF, owner=Owner.ONCE, filled=True),
        Attribute(
            wire=("Контрагент_Key",), fact="counterparty", kind=Kind.REF, owner=Owner.ONCE, filled=True
        ),
        Attribute(
            wire=("Организация_Key",), fact="organization", kind=Kind.REF, owner=Owner.ONCE, filled=True
        ),
        Attribute(wire=("Соглашение_Key",), fact="agreement", kind=Kind.REF, owner=Owner.ONCE, filled=True),
        Attribute(wire=("Договор_Key",), fact="contract", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("Валюта_Key",), fact="currency", kind=Kind.REF, owner=Owner.ONCE, filled=True),
        Attribute(wire=("Склад_Key",), fact="warehouse", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("Менеджер_Key",), fact="manager", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("Приоритет_Key",), fact="priority", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("ЦенаВключаетНДС",), fact="price_includes_vat", kind=Kind.FLAG, owner=Owner.ONCE),
        Attribute(
            wire=("Статус",),
            fact="status",
            kind=Kind.ENUM,
            enum="СтатусыЗаказовКлиентов",
            owner=Owner.ONCE,
            filled=True,
        ),
        Attribute(
            wire=("Статус",),
            fact="closed_status",
            kind=Kind.ENUM,
            enum="СтатусыЗаказовКлиентов",
            owner=Owner.FORCED,
        ),
        Attribute(
            wire=("НалогообложениеНДС",),
            fact="taxation",
            kind=Kind.ENUM,
            enum="ТипыНалогообложенияНДС",
            owner=Owner.ONCE,
        ),
        Attribute(
            wire=("ХозяйственнаяОперация",),
            fact="operation",
            kind=Kind.ENUM,
            enum="ХозяйственныеОперации",
            owner=Owner.ONCE,
        ),
        Attribute(
            wire=("ПорядокРасчетов",),
            fact="settlement",
            kind=Kind.ENUM,
            enum="ПорядокРасчетов",
            owner=Owner.ONCE,
        ),
        Attribute(
            wire=("ФормаОплаты",),
            fact="payment_method",
            kind=Kind.ENUM,
            enum="ФормыОплаты",
            names=PAYMENT_FORMS,
            filled=True,
        ),
        Attribute(
            wire=("СпособДоставки",),
            fact="delivery_method",
            kind=Kind.ENUM,
            enum="СпособыДоставки",
            names=DELIVERY_WAYS,
            filled=True,
        ),
        Attribute(wire=("АдресДоставки",), fact="delivery_address", max_length=500, personal=True),
        Attribute(wire=("ВремяДоставкиС",), fact="delivery_from", kind=Kind.MOMENT),
        Attribute(wire=("ВремяДоставкиПо",), fact="delivery_to", kind=Kind.MOMENT),
        Attribute(wire=("ДополнительнаяИнформацияПоДоставке",), fact="delivery_comment", personal=True),
        Attribute(wire=("ДатаОтгрузки",), fact="ship_date", kind=Kind.MOMENT, owner=Owner.ONCE),
        Attribute(
            wire=("НомерПоДаннымКлиента",),
            fact="external_number",
            max_length=50,
            owner=Owner.ONCE,
            filled=True,
        ),
        Attribute(
            wire=("ДатаПоДаннымКлиента",),
            fact="external_date",
            kind=Kind.MOMENT,
            owner=Owner.ONCE,
            filled=True,
        ),
        Attribute(wire=("СуммаДокумента",), fact="total", kind=Kind.NUMBER, scale=2, owner=Owner.ONCE),
        Attribute(wire=("СкидкиРассчитаны",), fact="discounts_counted", kind=Kind.FLAG, owner=Owner.ONCE),
        Attribute(wire=("Комментарий",), fact="comment", personal=True),
        Attribute(wire=("ДополнительнаяИнформация",), fact="contact", personal=True),
        Attribute(wire=("КартаЛояльности_Key",), fact="loyalty_card", kind=Kind.REF),
        Attribute(wire=("МаксимальныйКодСтроки",), fact="max_line_code", kind=Kind.INTEGER),
    ),
    sections=(LINES, STAGES),
)
