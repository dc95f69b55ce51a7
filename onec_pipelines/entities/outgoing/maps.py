"""The application's words and the names of 1C's enumeration members they become. Only the tables.

Of several names the first that the base's release has is used (PROTOCOL §11.1, §11.6-§11.8). The words are those into which
`steps/code_tables.py` translates what 1C says, so that an order comes back in the words in which it went out.
"""

from __future__ import annotations

PAYMENT_FORMS: dict[str, tuple[str, ...]] = {
    "cash": ("Наличная",),
    "card": ("ПлатежнаяКарта",),
    "card_online": ("ПлатежнаяКарта",),
    "fast_payment": ("СистемаБыстрыхПлатежей", "ПлатежнаяКарта"),
    "bank_transfer": ("Безналичная",),
    "invoice": ("Безналичная",),
    "bonus_points": ("БонусныеБаллы",),
    "gift_certificate": ("ПодарочныйСертификат",),
    "offset": ("Взаимозачет",),
}
"""`payment_method` of an order → ФормыОплаты."""

PAYMENT_STAGES: dict[str, tuple[str, ...]] = {
    "cash": ("КредитПослеОтгрузки",),
    "card": ("КредитПослеОтгрузки",),
    "card_online": ("ПредоплатаДоОтгрузки",),
    "fast_payment": ("ПредоплатаДоОтгрузки",),
    "bank_transfer": ("ПредоплатаДоОтгрузки",),
    "invoice": ("КредитПослеОтгрузки",),
    "bonus_points": ("ПредоплатаДоОтгрузки",),
    "gift_certificate": ("ПредоплатаДоОтгрузки",),
    "offset": ("КредитПослеОтгрузки",),
}
"""`payment_method` of an order → when its one stage of payment is due (ВариантыОплатыКлиентом)."""

DELIVERY_WAYS: dict[str, tuple[str, ...]] = {
    "pickup": ("Самовывоз",),
    "to_customer": ("ДоКлиента",),
    "courier": ("ДоКлиентаКурьером", "ДоКлиента"),
    "carrier": ("СиламиПеревозчика",),
    "carrier_to_address": ("СиламиПеревозчикаПоАдресу", "СиламиПеревозчика"),
    "carrier_to_pickup_point": ("СиламиПеревозчикаДоПунктаПередачи", "СиламиПеревозчика"),
}
"""`delivery_method` of an order → СпособыДоставки."""

SUPPLY_OPTIONS: dict[str, tuple[str, ...]] = {
    "to_supply": ("КОбеспечению", "Требуется"),
    "ship": ("Отгрузить",),
    "from_warehouse": ("СоСклада",),
    "reserve_as_received": ("РезервироватьПоМереПоступления", "КОбеспечению", "Требуется"),
    "not_needed": ("НеТребуется",),
}
"""The default `supply` of a store → ВариантыОбеспечения of a line."""

COMPENSATIONS: dict[str, tuple[str, ...]] = {
    "refund": ("ВернутьДенежныеСредства",),
    "replacement": ("ЗаменитьТовары",),
    "advance": ("ОставитьВКачествеАванса",),
}
"""`compensation` of a return → СпособыКомпенсацииВозвратовТоваров."""

PARTNER_KINDS: dict[str, tuple[str, ...]] = {
    "person": ("ЧастноеЛицо",),
    "company": ("Компания",),
    "entrepreneur": ("Компания",),
}
"""`kind` of a customer → КомпанияЧастноеЛицо (of the partner)."""

COUNTERPARTY_KINDS: dict[str, tuple[str, ...]] = {
    "person": ("ФизЛицо",),
    "company": ("ЮрЛицо",),
    "entrepreneur": ("ИндивидуальныйПредприниматель",),
}
"""`kind` of a customer → ЮрФизЛицо (of the counterparty)."""

LEGAL_SIDES: dict[str, tuple[str, ...]] = {
    "person": ("ФизическоеЛицо",),
    "company": ("ЮридическоеЛицо",),
    "entrepreneur": ("ФизическоеЛицо",),
}
"""`kind` of a customer → ЮридическоеФизическоеЛицо (of the counterparty)."""

GENDERS: dict[str, tuple[str, ...]] = {"male": ("Мужской",), "female": ("Женский",)}
"""`gender` of a customer → ПолФизическогоЛица."""
