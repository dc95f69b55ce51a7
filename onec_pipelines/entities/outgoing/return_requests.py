"""ЗаявкаНаВозвратТоваровОтКлиента: a return that a customer asked for (PROTOCOL §11.8)."""

from __future__ import annotations

from onec_pipelines.entities.outgoing.maps import COMPENSATIONS
from onec_pipelines.steps.push.declaration import Attribute, Kind, Outgoing, Owner, Rows

_STATUSES = "СтатусыЗаявокНаВозвратТоваровОтКлиентов"

LINES = Rows(
    wire="ВозвращаемыеТовары",
    fact="lines",
    identity="code",
    cancelled="cancelled",
    attributes=(
        Attribute(wire=("КодСтроки",), fact="code", kind=Kind.INTEGER, filled=True),
        Attribute(wire=("Номенклатура_Key",), fact="product", kind=Kind.REF, filled=True),
        Attribute(wire=("Характеристика_Key",), fact="variant", kind=Kind.REF),
        Attribute(wire=("Упаковка_Key",), fact="package", kind=Kind.REF),
        Attribute(wire=("КоличествоУпаковок",), fact="packages", kind=Kind.NUMBER, scale=3),
        Attribute(wire=("Количество",), fact="quantity", kind=Kind.NUMBER, scale=3, filled=True),
        Attribute(wire=("Цена",), fact="price", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("Сумма",), fact="amount", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("СтавкаНДС_Key",), fact="vat_rate", kind=Kind.REF, twin="vat_name"),
        Attribute(wire=("СтавкаНДС",), fact="vat_name", kind=Kind.ENUM, enum="СтавкиНДС", twin="vat_rate"),
        Attribute(wire=("СуммаНДС",), fact="vat", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("СуммаСНДС",), fact="amount_with_vat", kind=Kind.NUMBER, scale=2),
        Attribute(wire=("Отменено",), fact="cancelled", kind=Kind.FLAG),
        Attribute(wire=("ДокументРеализации",), fact="sale", kind=Kind.COMPOSITE),
    ),
)

RETURN_REQUESTS = Outgoing(
    name="return_requests",
    title="return request",
    resource="Document_ЗаявкаНаВозвратТоваровОтКлиента",
    entity="return_requests",
    identity=("sale", "date"),
    settled=(("Статус", "Выполнена"),),
    total=("СуммаДокумента", "ВозвращаемыеТовары", "СуммаСНДС"),
    attributes=(
        Attribute(wire=("Date",), fact="date", kind=Kind.MOMENT, owner=Owner.ONCE, filled=True),
        Attribute(wire=("Партнер_Key",), fact="partner", kind=Kind.REF, owner=Owner.ONCE, filled=True),
        Attribute(wire=("Контрагент_Key",), fact="counterparty", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(
            wire=("Организация_Key",), fact="organization", kind=Kind.REF, owner=Owner.ONCE, filled=True
        ),
        Attribute(wire=("Соглашение_Key",), fact="agreement", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("Договор_Key",), fact="contract", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("Валюта_Key",), fact="currency", kind=Kind.REF, owner=Owner.ONCE, filled=True),
        Attribute(wire=("Склад_Key",), fact="warehouse", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("ЦенаВключаетНДС",), fact="price_includes_vat", kind=Kind.FLAG, owner=Owner.ONCE),
        Attribute(
            wire=("НалогообложениеНДС",),
            fact="taxation",
            kind=Kind.ENUM,
            enum="ТипыНалогообложенияНДС",
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
            wire=("Статус",), fact="status", kind=Kind.ENUM, enum=_STATUSES, owner=Owner.ONCE, filled=True
        ),
        Attribute(wire=("Статус",), fact="closed_status", kind=Kind.ENUM, enum=_STATUSES, owner=Owner.FORCED),
        Attribute(
            wire=("ХозяйственнаяОперация",),
            fact="operation",
            kind=Kind.ENUM,
            enum="ХозяйственныеОперации",
            owner=Owner.ONCE,
        ),
        Attribute(
            wire=("СпособКомпенсации",),
            fact="compensation",
            kind=Kind.ENUM,
            enum="СпособыКомпенсацииВозвратовТоваров",
            names=COMPENSATIONS,
        ),
        Attribute(wire=("ПричинаВозврата",), fact="reason", max_length=300),
        Attribute(wire=("Комментарий",), fact="comment", personal=True),
        Attribute(
            wire=("ДокументРеализации",), fact="sale", kind=Kind.COMPOSITE, owner=Owner.ONCE, filled=True
        ),
        Attribute(wire=("СуммаДокумента",), fact="total", kind=Kind.NUMBER, scale=2, owner=Owner.ONCE),
        Attribute(
            wire=("ВозвращаемыеТоварыМаксимальныйКодСтроки",),
            fact="max_line_code",
            kind=Kind.INTEGER,
            owner=Owner.ONCE,
        ),
    ),
    sections=(LINES,),
)
