"""КонтактнаяИнформация of partners and counterparties: the rows we write, one of each kind (PROTOCOL §11.6)."""

from __future__ import annotations

from onec_pipelines.steps.push.declaration import Attribute, Kind, Owner, Rows

CONTACTS = Rows(
    wire="КонтактнаяИнформация",
    fact="contacts",
    identity="kind",
    attributes=(
        Attribute(
            wire=("Тип",),
            fact="type",
            kind=Kind.ENUM,
            enum="ТипыКонтактнойИнформации",
            owner=Owner.ONCE,
            filled=True,
        ),
        Attribute(wire=("Вид_Key",), fact="kind", kind=Kind.REF, filled=True),
        Attribute(wire=("ВидДляСписка_Key",), fact="list_kind", kind=Kind.REF, owner=Owner.ONCE),
        Attribute(wire=("Представление",), fact="presentation", max_length=500, personal=True, filled=True),
        Attribute(wire=("Значение",), fact="value", personal=True, twin="presentation"),
        Attribute(wire=("АдресЭП",), fact="email", max_length=100, personal=True),
        Attribute(wire=("ДоменноеИмяСервера",), fact="domain", max_length=100),
        Attribute(wire=("НомерТелефона",), fact="phone", max_length=20, personal=True),
        Attribute(wire=("НомерТелефонаБезКодов",), fact="phone_local", max_length=20, personal=True),
    ),
)
