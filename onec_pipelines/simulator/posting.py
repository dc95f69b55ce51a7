"""What posting does to registers: a small model of UT 11's prices, receipts, orders, sales and returns.

Checks give the Russian texts of the configuration (PROTOCOL §4.6); nothing is written here, `writing.py` does
that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from onec_pipelines.simulator.base import Base, Movements, decimal
from onec_pipelines.simulator.data.chain import POINTS
from onec_pipelines.simulator.data.loyalty import points_of
from onec_pipelines.simulator.dialect import TRANSLATED
from onec_pipelines.simulator.errors import OdataError, internal
from onec_pipelines.simulator.kinds import UNDEFINED, ZERO_GUID
from onec_pipelines.simulator.presentations import of_row, spaced
from onec_pipelines.simulator.shape import NAMESPACE
from onec_pipelines.simulator.source import Row

ORDER = "Document_ЗаказКлиента"
SALE = "Document_РеализацияТоваровУслуг"
RETURN = "Document_ВозвратТоваровОтКлиента"
RECEIPT = "Document_ПриобретениеТоваровУслуг"
PRICES = "Document_УстановкаЦенНоменклатуры"
STOCK = "AccumulationRegister_ТоварыНаСкладах"
SUPPLY = "AccumulationRegister_ЗапасыИПотребности"
SHIPPING = "AccumulationRegister_РаспоряженияНаОтгрузку"
TO_SHIP = "AccumulationRegister_ТоварыКОтгрузке"
PRICE = "InformationRegister_ЦеныНоменклатуры"
PRICE_25 = "InformationRegister_ЦеныНоменклатуры25"
MODELLED = TRANSLATED | {STOCK, SUPPLY, SHIPPING, TO_SHIP, PRICE, PRICE_25, POINTS}
_DIMENSIONS = (
    "Номенклатура_Key",
    "Характеристика_Key",
    "Назначение_Key",
    "Склад_Key",
    "Помещение_Key",
    "Серия_Key",
)
_REQUIRED = {
    ORDER: ("Партнер_Key", "Контрагент_Key", "Организация_Key", "Соглашение_Key", "Валюта_Key", "Статус"),
    SALE: ("Партнер_Key", "Контрагент_Key", "Организация_Key", "Валюта_Key", "Склад_Key"),
    RETURN: ("Партнер_Key", "Организация_Key", "Валюта_Key", "Склад_Key"),
    RECEIPT: ("Партнер_Key", "Организация_Key", "Склад_Key"),
}
_GOODS = {ORDER: "Товары", SALE: "Товары", RETURN: "Товары", RECEIPT: "Товары"}


@dataclass(frozen=True, kw_only=True)
class Record:
    """One movement before it is numbered."""

    register: str
    values: Row


def refuse(base: Base, name: str, row: Row, reason: str) -> OdataError:
    """A refusal to post, in the words of the configuration."""
    return internal(f'Не удалось провести документ "{of_row(base.meta(name), row)}".\n{reason}')


def check(base: Base, name: str, row: Row) -> None:
    """The checks of filling, which run only when a document is posted (PROTOCOL §4).

    Raises OdataError 500/-1.
    """
    if row.get("DeletionMark"):
        raise refuse(base, name, row, "Помеченный на удаление документ не может быть проведен.")
    for field in _REQUIRED.get(name, ()):
        if row.get(field) in {None, "", ZERO_GUID}:
            raise refuse(base, name, row, f'Поле "{spaced(field.removesuffix("_Key"))}" не заполнено.')
    section = _GOODS.get(name)
    if section is not None:
        _check_goods(base, name, row, section)


def _check_goods(base: Base, name: str, row: Row, section: str) -> None:
    lines = row.get(section) or []
    if not lines:
        raise refuse(base, name, row, f'Не введено ни одной строки в список "{spaced(section)}".')
    for line in lines:
        place = line.get("LineNumber", 0)
        if line.get("Номенклатура_Key") in {None, ZERO_GUID}:
            text = f'Не заполнена колонка "Номенклатура" в строке {place} списка "{spaced(section)}".'
            raise refuse(base, name, row, text)
        if decimal(line.get("Количество")) <= 0:
            text = f'Не заполнена колонка "Количество" в строке {place} списка "{spaced(section)}".'
            raise refuse(base, name, row, text)


def records(base: Base, name: str, row: Row) -> list[Record]:
    """The movements of a document that passed the checks; none for documents the model does not know."""
    make = _MAKERS.get(name)
    made = make(row, base) if make is not None else ()
    return [
        Record(register=register, values=values)
        for one in made
        for register, values in base.dialect.records(one.register, one.values)
    ]


def check_stock(base: Base, movements: Movements, name: str, row: Row, made: list[Record]) -> None:
    """The control of balances: a sale may not take more than there is. Raises OdataError 500/-1."""
    taken: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    for one in made:
        if one.register == STOCK and one.values["RecordType"] == "Expense":
            taken[tuple(str(one.values[part]) for part in _DIMENSIONS)] += decimal(one.values["ВНаличии"])
    if not taken:
        return
    left = movements.left(STOCK, _DIMENSIONS, "ВНаличии")
    for key in taken:
        taken[key] -= left(key)
    for key, missing in taken.items():
        if missing > 0:
            goods = base.resolve("Catalog_Номенклатура", key[0])
            title = str(goods["Description"]) if goods else key[0]
            text = f'Номенклатура: "{title}". Превышен остаток товара на складе на {missing.normalize():f}.'
            raise refuse(base, name, row, text)


def _stock(row: Row, line: Row, *, receipt: bool) -> Iterator[Record]:
    quantity = decimal(line.get("Количество"))
    place = _place(row, line)
    head: Row = {"RecordType": "Receipt" if receipt else "Expense", "ВНаличии": quantity}
    goods = {
        "Номенклатура_Key": line["Номенклатура_Key"],
        "Характеристика_Key": line.get("Характеристика_Key", ZERO_GUID),
        "Назначение_Key": line.get("Назначение_Key", ZERO_GUID),
    }
    stock = {**goods, "Склад_Key": place, "Помещение_Key": ZERO_GUID, "Серия_Key": ZERO_GUID}
    yield Record(register=STOCK, values={**head, **stock, "КОтгрузке": 0})
    yield Record(
        register=SUPPLY,
        values={**head, **goods, **_supply_place(place), "Заказ": "", "Заказ_Type": UNDEFINED},
    )


def _supply_place(place: str) -> Row:
    return {"Склад": place, "Склад_Type": f"{NAMESPACE}.Catalog_Склады"}


def _place(row: Row, line: Row) -> str:
    own = str(line.get("Склад_Key") or ZERO_GUID)
    return own if own != ZERO_GUID else str(row.get("Склад_Key") or ZERO_GUID)


def _receipt(row: Row, _base: Base) -> Iterator[Record]:
    for line in row.get("Товары") or ():
        yield from _stock(row, line, receipt=True)


def _sale(row: Row, base: Base) -> Iterator[Record]:
    if row.get("Статус") == "КПредоплате":
        return
    for line in row.get("Товары") or ():
        yield from _stock(row, line, receipt=False)
        order = _order_of(row, line)
        if order:
            supplied = _supply_of(base, order, line)
            yield from _demand(row, {**line, "ВариантОбеспечения": supplied}, order, sign="Expense")
    yield from _points(row, base)


def _points(row: Row, base: Base) -> Iterator[Record]:
    """What a sale with a loyalty card earns; a card without a programme earns nothing (PROTOCOL §11.9)."""
    card = base.resolve("Catalog_КартыЛояльности", str(row.get("КартаЛояльности_Key") or ZERO_GUID))
    if card is None:
        return
    kind = base.resolve("Catalog_ВидыКартЛояльности", str(card.get("Owner_Key"))) or {}
    program = str(kind.get("БонуснаяПрограммаЛояльности_Key") or ZERO_GUID)
    earned = points_of(sum((decimal(line.get("Сумма")) for line in row.get("Товары") or ()), Decimal(0)))
    if program == ZERO_GUID or not earned:
        return
    account = {"БонуснаяПрограммаЛояльности_Key": program, "Партнер_Key": card.get("Партнер_Key", ZERO_GUID)}
    yield Record(
        register=POINTS,
        values={"RecordType": "Receipt", **account, "Начислено": earned, "ДатаНачалаДействия": row["Date"]},
    )


def _supply_of(base: Base, order: str, line: Row) -> str:
    """How the ordered line of these goods is supplied; a sale frees what its order reserved."""
    ordered = base.resolve(ORDER, order) or {}
    for one in ordered.get("Товары") or ():
        if all(one.get(name) == line.get(name) for name in ("Номенклатура_Key", "Характеристика_Key")):
            return str(one.get("ВариантОбеспечения") or "")
    return "СоСклада"


def order_of(row: Row) -> str:
    """The order a sale belongs to by its header, or an empty text."""
    return _order_of(row, {})


def _order_of(row: Row, line: Row) -> str:
    for part in (line, row):
        if str(part.get("ЗаказКлиента_Type", "")).endswith(ORDER) and part.get("ЗаказКлиента"):
            return str(part["ЗаказКлиента"])
    return ""


def _order(row: Row, _base: Base) -> Iterator[Record]:
    if row.get("Статус") == "НеСогласован":
        return
    for line in row.get("Товары") or ():
        if not line.get("Отменено"):
            yield from _demand(row, line, str(row["Ref_Key"]), sign="Receipt")


def _demand(row: Row, line: Row, order: str, *, sign: str) -> Iterator[Record]:
    quantity = decimal(line.get("Количество"))
    goods: Row = {
        "Номенклатура_Key": line["Номенклатура_Key"],
        "Характеристика_Key": line.get("Характеристика_Key", ZERO_GUID),
    }
    place, type_ = _place(row, line), f"{NAMESPACE}.{ORDER}"
    reserve = "РезервироватьНаСкладе" if line.get("ВариантОбеспечения") in _FROM_STOCK else "КОбеспечению"
    supply = {**goods, **_supply_place(place), "Заказ": order, "Заказ_Type": type_}
    yield Record(
        register=SUPPLY, values={"RecordType": sign, **supply, "Заказано": quantity, reserve: quantity}
    )
    signed = quantity if sign == "Receipt" else -quantity
    shipping = {
        **goods,
        "Распоряжение": order,
        "Распоряжение_Type": type_,
        "Склад_Key": place,
        "Серия_Key": ZERO_GUID,
    }
    kind = "Заказано" if sign == "Receipt" else "КОформлению"
    yield Record(register=SHIPPING, values={**shipping, "КодСтроки": line.get("КодСтроки", 0), kind: signed})
    if reserve == "РезервироватьНаСкладе":
        dispatch = {"ДокументОтгрузки": order, "ДокументОтгрузки_Type": type_, "Склад_Key": place, **goods}
        receiver = {"Получатель": row.get("Партнер_Key"), "Получатель_Type": f"{NAMESPACE}.Catalog_Партнеры"}
        yield Record(
            register=TO_SHIP, values={"RecordType": sign, **dispatch, **receiver, "ВРезерве": quantity}
        )


_FROM_STOCK = frozenset(("Отгрузить", "СоСклада"))


def _prices(row: Row, base: Base) -> Iterator[Record]:
    if row.get("Статус") == "НеСогласован":
        return
    for section, register in (("Товары", PRICE), ("Товары2_5", PRICE_25)):
        for line in row.get(section) or ():
            values = {
                name: value
                for name, value in line.items()
                if name not in {"LineNumber", "ЦенаИзмененаВручную"}
            }
            if values.get("Валюта_Key", ZERO_GUID) == ZERO_GUID:
                kind = base.resolve("Catalog_ВидыЦен", str(line.get("ВидЦены_Key"))) or {}
                values["Валюта_Key"] = kind.get("ВалютаЦены_Key", ZERO_GUID)
            yield Record(register=register, values=values)


_MAKERS: dict[str, Callable[[Row, Base], Iterator[Record]]] = {
    ORDER: _order,
    SALE: _sale,
    RETURN: _receipt,
    RECEIPT: _receipt,
    PRICES: _prices,
}
