"""Steps with documents: prices, receipts, orders and what becomes of them, shipments, payments, returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from onec_pipelines.simulator.data.activity_clerk import Clerk, Step
from onec_pipelines.simulator.data.company import AGREEMENT, ORGANISATION, PRIORITY, USER
from onec_pipelines.simulator.data.customers import CONTRACTOR, PARTNER
from onec_pipelines.simulator.data.dictionaries import CURRENCY, VAT
from onec_pipelines.simulator.data.plan import NOMENCLATURE
from onec_pipelines.simulator.data.prices import PRICE_DOCUMENT, PRICE_KIND
from onec_pipelines.simulator.data.receipts import RECEIPT
from onec_pipelines.simulator.data.sales_rows import ORDER, PAYMENT, RETURN, SALE
from onec_pipelines.simulator.data.tables import EMPTY_DATE, UNDEFINED, ZERO_GUID, numbered
from onec_pipelines.simulator.data.variants import Keys
from onec_pipelines.simulator.data.warehouses import WAREHOUSE
from onec_pipelines.simulator.data.words import words
from onec_pipelines.simulator.data.words.fixed import WAREHOUSES
from onec_pipelines.simulator.data.world import stamp
from onec_pipelines.simulator.source import Row

_CENT = Decimal("0.01")
_VAT = {"НДС20": 20, "НДС10": 10}
_NEXT = {"НеСогласован": "КОбеспечению", "КОбеспечению": "КОтгрузке", "КОтгрузке": "Закрыт"}
_LOOKS = 8
_LONG_AGO = 200  # days that a back-dated document may go back


def _head(clerk: Clerk, entity: str, moment: datetime) -> Row:
    """Give the head of a new document; its number comes from a counter of the shop's other till."""
    return {
        "Ref_Key": clerk.new_key(entity),
        "Number": f"СМ00-{clerk.number + 1:06d}",
        "Date": stamp(moment),
        "DeletionMark": False,
        "Posted": False,
        "Комментарий": clerk.kind if moment < clerk.world.now else "",
    }


def _moment(clerk: Clerk) -> datetime:
    """Give the date of a document: now, or long ago if the step is a back-dated one."""
    back = 5 + clerk.draw(_LONG_AGO) if clerk.kind.startswith("back-dated") else 0
    return clerk.now - timedelta(days=back)


def _reprice(clerk: Clerk) -> Step:
    """Set new prices of some products in one document."""
    moment, guids = _moment(clerk), clerk.world.guids(NOMENCLATURE)
    kind = ("Розничная", "Оптовая")[clerk.draw(2)]
    lines = [
        {
            "Номенклатура_Key": guids.make(item),
            "ХарактеристикаЦО_Key": ZERO_GUID,
            "СерияЦО_Key": ZERO_GUID,
            "УпаковкаЦО_Key": ZERO_GUID,
            "Упаковка_Key": ZERO_GUID,
            "ВидЦены_Key": clerk.world.ref(PRICE_KIND, kind),
            "Цена": Decimal(1000 + clerk.draw(5_000_000)).scaleb(-2),
            "Валюта_Key": clerk.world.ref(CURRENCY, "643"),
        }
        for item in sorted({clerk.draw(clerk.world.products) for _ in range(1 + clerk.draw(20))})
    ]
    row = {
        **_head(clerk, PRICE_DOCUMENT, moment),
        "Статус": "Согласован",
        "Согласован": True,
        "Товары2_5": numbered(lines),
        "ВидыЦен": numbered([{"ВидЦены_Key": clerk.world.ref(PRICE_KIND, kind)}]),
    }
    clerk.create(PRICE_DOCUMENT, row)
    clerk.post(PRICE_DOCUMENT, row["Ref_Key"])
    return clerk.done()


def _goods(clerk: Clerk, count: int, place: int) -> list[Row]:
    """Give lines of different stock-keeping units by chance, with prices and VAT."""
    shop = clerk.shop
    lines: list[Row] = []
    for sku in sorted({shop.receipts.unit(place, clerk.draw(1 << 40)) for _ in range(count)}):
        group, item, variant = shop.plan.sku(sku)
        quantity = Decimal(1 + clerk.draw(3))
        price = Decimal(group.kind.price[0] + clerk.draw(group.kind.price[1] - group.kind.price[0]))
        amount, percent = price * quantity, _VAT[group.kind.vat]
        lines.append(
            {
                "Номенклатура_Key": clerk.world.guids(NOMENCLATURE).make(item),
                "Характеристика_Key": Keys(clerk.world).key(group, item, variant),
                "Количество": quantity,
                "КоличествоУпаковок": quantity,
                "Цена": price,
                "Сумма": amount,
                "СтавкаНДС_Key": clerk.world.ref(VAT, group.kind.vat),
                "СуммаНДС": (amount * percent / (100 + percent)).quantize(_CENT, ROUND_HALF_UP),
                "СуммаСНДС": amount,
                "КодСтроки": len(lines) + 1,
                "Склад_Key": _warehouse(clerk, place),
            }
        )
    return lines


def _total(lines: list[Row]) -> Decimal:
    return sum((line["Сумма"] for line in lines if not line.get("Отменено")), Decimal(0))


def _warehouse(clerk: Clerk, place: int) -> str:
    return clerk.world.ref(WAREHOUSE, WAREHOUSES[place][0])


def _books(clerk: Clerk) -> Row:
    return {
        "Организация_Key": clerk.world.ref(ORGANISATION, "ТД"),
        "Валюта_Key": clerk.world.ref(CURRENCY, "643"),
        "ЦенаВключаетНДС": True,
        "НалогообложениеНДС": "ПродажаОблагаетсяНДС",
    }


def _parties(clerk: Clerk, number: int) -> Row:
    return {
        "Партнер_Key": clerk.world.guids(PARTNER).make(number),
        "Контрагент_Key": clerk.world.guids(CONTRACTOR).make(number),
    }


def _receipt(clerk: Clerk) -> Step:
    """Take goods from a supplier into one warehouse."""
    place, suppliers = clerk.draw(len(WAREHOUSES)), clerk.shop.customers.suppliers
    lines = _goods(clerk, 3 + clerk.draw(8), place)
    for line in lines:
        line["Количество"] = line["КоличествоУпаковок"] = Decimal(10 + clerk.draw(90))
        line["Сумма"] = line["СуммаСНДС"] = line["Цена"] * line["Количество"]
    row = {
        **_head(clerk, RECEIPT, _moment(clerk)),
        **_books(clerk),
        **_parties(clerk, suppliers[clerk.draw(len(suppliers))]),
        "Склад_Key": _warehouse(clerk, place),
        "ХозяйственнаяОперация": "ЗакупкаУПоставщика",
        "Согласован": True,
        "СуммаДокумента": _total(lines),
        "Товары": numbered(lines),
    }
    clerk.create(RECEIPT, row)
    clerk.post(RECEIPT, row["Ref_Key"])
    return clerk.done()


def _order(clerk: Clerk) -> Step:
    """Take a new order; half of them are not agreed upon yet and stay unposted."""
    place, legal = clerk.draw(len(WAREHOUSES)), clerk.shop.customers.legal
    lines = _goods(clerk, 1 + clerk.draw(5), place)
    for line in lines:
        line.update(
            ВидЦены_Key=clerk.world.ref(PRICE_KIND, "Розничная"),
            КлючСвязи=line["КодСтроки"],
            ВариантОбеспечения="Отгрузить",
            Отменено=False,
        )
    agreed = clerk.draw(2) == 0
    row = {
        **_head(clerk, ORDER, clerk.now),
        **_books(clerk),
        **_parties(clerk, legal.at(clerk.draw(len(legal)))),
        "Соглашение_Key": clerk.world.ref(AGREEMENT, "Розница"),
        "Склад_Key": _warehouse(clerk, place),
        "Статус": "КОбеспечению" if agreed else "НеСогласован",
        "Согласован": agreed,
        "ХозяйственнаяОперация": "РеализацияКлиенту",
        "СпособДоставки": "Самовывоз",
        "ФормаОплаты": "Безналичная",
        "НомерПоДаннымКлиента": f"WEB-{900_000 + clerk.number}",
        "ДатаПоДаннымКлиента": stamp(clerk.now),
        "ДатаОтгрузки": stamp(clerk.now + timedelta(days=1)),
        "Приоритет_Key": clerk.world.ref(PRIORITY, "Средний"),
        "Автор": clerk.world.ref(USER, "Обмен с сайтом"),
        "Автор_Type": f"StandardODATA.{USER}",
        "ДокументОснование": "",
        "ДокументОснование_Type": UNDEFINED,
        "МаксимальныйКодСтроки": len(lines),
        "СуммаДокумента": _total(lines),
        "Товары": numbered(lines),
    }
    clerk.create(ORDER, row)
    if agreed:
        clerk.post(ORDER, row["Ref_Key"])
    return clerk.done()


def _move_on(clerk: Clerk) -> Step:
    """Move an order to its next status.

    A closed order whose lines were not shipped has them cancelled first.
    """
    status = ("НеСогласован", "КОбеспечению", "КОтгрузке")[clerk.draw(3)]
    order = clerk.pick(ORDER, where={"Статус": status, "DeletionMark": False}, recent=True)
    if order is None:
        return clerk.done()
    changes: dict[str, Any] = {"Статус": _NEXT[status], "Согласован": True}
    if _NEXT[status] == "Закрыт" and not _is_shipped(clerk, order):
        lines = [{**_bare(line), "Отменено": True} for line in order["Товары"]]
        changes.update(Товары=lines, СуммаДокумента=0)
    clerk.change(ORDER, (order["Ref_Key"],), **changes)
    clerk.post(ORDER, order["Ref_Key"])
    return clerk.done()


def _bare(line: Row) -> Row:
    return {name: value for name, value in line.items() if name != "Ref_Key"}


def _sale_of(clerk: Clerk, order: Row) -> str | None:
    """Give the key of the sale of an order: a sale has its order's number, whoever made it."""
    for prefix in ("", "activity "):
        number = clerk.world.guids(f"{prefix}{ORDER}").number(order["Ref_Key"])
        if number is not None:
            return clerk.world.guids(f"{prefix}{SALE}").make(number)
    return None


def _is_shipped(clerk: Clerk, order: Row) -> bool:
    key = _sale_of(clerk, order)
    sale = clerk.living.get(SALE, (key,)) if key is not None else None
    return bool(sale and sale.get("Posted"))


def _unshipped(clerk: Clerk) -> tuple[Row | None, str | None]:
    """Give an order that is ready and has no sale yet, and the key its sale will have."""
    for _ in range(_LOOKS):
        order = clerk.pick(
            ORDER, where={"Статус": "КОтгрузке", "Posted": True, "DeletionMark": False}, recent=True
        )
        key = _sale_of(clerk, order) if order is not None else None
        if key is not None and clerk.living.get(SALE, (key,)) is None:
            return order, key
    return None, None


def _ship(clerk: Clerk) -> Step:
    """Ship an order that is ready; the base may refuse for want of stock."""
    order, key = _unshipped(clerk)
    if order is None or key is None:
        return clerk.done()
    reference = {"ЗаказКлиента": order["Ref_Key"], "ЗаказКлиента_Type": f"StandardODATA.{ORDER}"}
    wanted = (
        "Номенклатура_Key",
        "Характеристика_Key",
        "Количество",
        "КоличествоУпаковок",
        "Цена",
        "Сумма",
        "СтавкаНДС_Key",
        "СтавкаНДС",
    )
    more = ("СуммаНДС", "СуммаСНДС", "КодСтроки", "КлючСвязи", "Склад_Key", "ВидЦены_Key")
    kept = [line for line in order["Товары"] if not line.get("Отменено")]
    if not kept:
        return clerk.done()
    lines = [
        {**{name: line[name] for name in (*wanted, *more) if name in line}, **reference} for line in kept
    ]
    same = ("Партнер_Key", "Контрагент_Key", "Организация_Key", "Соглашение_Key", "Валюта_Key", "Склад_Key")
    row = {
        **_head(clerk, SALE, clerk.now),
        **_books(clerk),
        **{name: order[name] for name in same if name in order},
        **reference,
        "Ref_Key": key,
        "Статус": "Отгружено",
        "РеализацияПоЗаказам": True,
        "ХозяйственнаяОперация": "РеализацияКлиенту",
        "СуммаДокумента": _total(lines),
        "Товары": numbered(lines),
    }
    clerk.create(SALE, row)
    clerk.post(SALE, key)
    return clerk.done()


def _pay(clerk: Clerk) -> Step:
    """Receive the money for an order by bank transfer."""
    order = clerk.pick(ORDER, where={"Posted": True, "ФормаОплаты": "Безналичная"})
    if order is None or not order["СуммаДокумента"]:
        return clerk.done()
    total = order["СуммаДокумента"]
    row = {
        **_head(clerk, PAYMENT, clerk.now),
        "Организация_Key": order["Организация_Key"],
        "Контрагент_Key": order["Контрагент_Key"],
        "Валюта_Key": order["Валюта_Key"],
        "ХозяйственнаяОперация": "ПоступлениеОплатыОтКлиента",
        "СуммаДокумента": total,
        "ПроведеноБанком": True,
        "ДатаПроведенияБанком": stamp(clerk.now),
        "РасшифровкаПлатежа": numbered(
            [
                {
                    "Партнер_Key": order["Партнер_Key"],
                    "Сумма": total,
                    "СуммаВзаиморасчетов": total,
                    "ОснованиеПлатежа": order["Ref_Key"],
                    "ОснованиеПлатежа_Type": f"StandardODATA.{ORDER}",
                }
            ]
        ),
    }
    clerk.create(PAYMENT, row)
    clerk.post(PAYMENT, row["Ref_Key"])
    return clerk.done()


def _return(clerk: Clerk) -> Step:
    """Take one line of a sale back."""
    sale = clerk.pick(SALE, where={"Posted": True})
    if sale is None or not sale["Товары"]:
        return clerk.done()
    line = {name: value for name, value in _bare(sale["Товары"][0]).items() if name in _RETURNED}
    sold = {"ДокументРеализации": sale["Ref_Key"], "ДокументРеализации_Type": f"StandardODATA.{SALE}"}
    same = ("Партнер_Key", "Контрагент_Key", "Организация_Key", "Соглашение_Key", "Валюта_Key", "Склад_Key")
    row = {
        **_head(clerk, RETURN, clerk.now),
        **_books(clerk),
        **{name: sale[name] for name in same if name in sale},
        **sold,
        "ХозяйственнаяОперация": "ВозвратТоваровОтКлиента",
        "ПричинаВозврата": "Не подошло",
        "СпособКомпенсации": "ВернутьДенежныеСредства",
        "СуммаДокумента": line["Сумма"],
        "НомерВходящегоДокумента": "",
        "ДатаВходящегоДокумента": EMPTY_DATE,
        "Товары": numbered([{**line, "КодСтроки": 1, **sold}]),
    }
    clerk.create(RETURN, row)
    clerk.post(RETURN, row["Ref_Key"])
    return clerk.done()


_RETURNED = words(
    "Номенклатура_Key Характеристика_Key Упаковка_Key КоличествоУпаковок Количество Цена Сумма СтавкаНДС_Key СтавкаНДС "
    "СуммаНДС СуммаСНДС"
)
TRADE_STEPS: Mapping[str, Callable[[Clerk], Step]] = {
    "price change": _reprice,
    "back-dated price change": _reprice,
    "receipt": _receipt,
    "back-dated receipt": _receipt,
    "new order": _order,
    "order moves on": _move_on,
    "shipment": _ship,
    "payment": _pay,
    "return": _return,
}
