"""Names of 1C's enumerations → our codes, as plain tables. `transforms.py` makes the transforms of them.

An unknown name passes as it is: our codes are lower-case Latin, so that `integ.unknown_codes` can count what
no table knows.
"""

from __future__ import annotations

from collections.abc import Mapping

CODE_TABLES: Mapping[str, Mapping[str, str]] = {
    # PROTOCOL §11.7: Статус of ЗаказКлиента
    "order_status": {
        "НеСогласован": "draft",
        "КОбеспечению": "to_supply",
        "КОтгрузке": "to_ship",
        "Закрыт": "closed",
    },
    # PROTOCOL §11.7: СостоянияЗаказовКлиентов
    "order_state": {
        "ОжидаетсяСогласование": "awaiting_approval",
        "ОжидаетсяАвансДоОбеспечения": "awaiting_advance",
        "ГотовКОбеспечению": "ready_to_supply",
        "ОжидаетсяПредоплатаДоОтгрузки": "awaiting_prepayment",
        "ОжидаетсяОбеспечение": "awaiting_supply",
        "ГотовКОтгрузке": "ready_to_ship",
        "ВПроцессеОтгрузки": "shipping",
        "ОжидаетсяОплатаПослеОтгрузки": "awaiting_payment",
        "ОжидаетсяПереходПраваСобственности": "awaiting_ownership",
        "ГотовКЗакрытию": "ready_to_close",
        "Закрыт": "closed",
    },
    # PROTOCOL §11.7: Статус of РеализацияТоваровУслуг
    "shipment_status": {"КПредоплате": "awaiting_prepayment", "ВПути": "in_transit", "Отгружено": "shipped"},
    # PROTOCOL §11.8: Статус of ЗаявкаНаВозвратТоваровОтКлиента
    "return_request_status": {
        "НеСогласована": "draft",
        "КВозврату": "to_return",
        "КОбеспечению": "to_supply",
        "КОтгрузке": "to_ship",
        "Выполнена": "done",
        "Отклонена": "rejected",
    },
    # PROTOCOL §11.7: ФормаОплаты
    "payment_form": {
        "Наличная": "cash",
        "Безналичная": "bank_transfer",
        "ПлатежнаяКарта": "card",
        "Взаимозачет": "offset",
        "БонусныеБаллы": "bonus_points",
        "ПодарочныйСертификат": "gift_certificate",
        "СистемаБыстрыхПлатежей": "fast_payment",
    },
    # ХозяйственныеОперации of a receipt of money; those that are not listed are no payments of customers
    "payment_operation": {
        "ПоступлениеОплатыОтКлиента": "bank_transfer",
        "ПоступлениеОплатыОтКлиентаПоПлатежнойКарте": "card",
    },
    # СпособыДоставки: members as `$metadata` of 11.4 and 11.5.20 names them
    "delivery_method": {
        "Самовывоз": "pickup",
        "ДоКлиента": "to_customer",
        "ДоКлиентаКурьером": "courier",
        "СиламиПеревозчика": "carrier",
        "СиламиПеревозчикаПоАдресу": "carrier_to_address",
        "СиламиПеревозчикаДоПунктаПередачи": "carrier_to_pickup_point",
        "СиламиПеревозчикаДоНашегоСклада": "carrier_to_warehouse",
        "СиламиПоставщикаДоНашегоСклада": "supplier_to_warehouse",
        "НашимиСиламиСАдресаОтправителя": "own_from_sender",
        "ПоручениеЭкспедиторуСоСклада": "forwarder_from_warehouse",
        "ПоручениеЭкспедиторуНаСклад": "forwarder_to_warehouse",
        "ПоручениеЭкспедиторуВПункте": "forwarder_at_point",
        "КПолучателюОпределяетСлужбаДоставки": "service_to_recipient",
        "ОтОтправителяОпределяетСлужбаДоставки": "service_from_sender",
        "ОпределяетсяВРаспоряжении": "as_in_order",
    },
    # СпособыКомпенсацииВозвратовТоваров, the same way
    "compensation": {
        "ВернутьДенежныеСредства": "refund",
        "ЗаменитьТовары": "replacement",
        "ОставитьВКачествеАванса": "advance",
    },
    # PROTOCOL §11.7: ВариантОбеспечения of a line; before 11.5 also ИзЗаказов, Обособленно…
    "supply_option": {
        "Отгрузить": "ship",
        "ОтгрузитьОбособленно": "ship_separately",
        "СоСклада": "from_warehouse",
        "РезервироватьПоМереПоступления": "reserve_as_received",
        "КОбеспечению": "to_supply",
        "Требуется": "to_supply",
        "ИзЗаказов": "from_purchase_orders",
        "Обособленно": "separately",
        "НеТребуется": "not_needed",
        "ПереданРанее": "handed_over_before",
    },
}
"""Name of the transform → name in 1C → our code."""
