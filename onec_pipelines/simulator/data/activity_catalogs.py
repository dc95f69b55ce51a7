"""Steps with catalogs and independent registers: goods, customers, barcodes, rates.

Also deletions and empty saves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from onec_pipelines.simulator.data.activity_clerk import Clerk, Step
from onec_pipelines.simulator.data.barcodes import BARCODES, check_digit
from onec_pipelines.simulator.data.contacts import email, phone
from onec_pipelines.simulator.data.customers import PARTNER
from onec_pipelines.simulator.data.dictionaries import CURRENCY
from onec_pipelines.simulator.data.plan import NOMENCLATURE, kind_path
from onec_pipelines.simulator.data.sales_rows import ORDER
from onec_pipelines.simulator.data.tables import EMPTY_DATE, ZERO_GUID, numbered
from onec_pipelines.simulator.data.words.goods import KINDS
from onec_pipelines.simulator.source import Row

_RATES = "InformationRegister_КурсыВалют"
_NEW_BARCODES = 469_000_000_000


def _new_product(clerk: Clerk) -> Step:
    """Enter a new product of some kind."""
    kind = KINDS[clerk.draw(len(KINDS))]
    ref = clerk.world.ref
    unit = ref("Catalog_УпаковкиЕдиницыИзмерения", kind.unit)
    name = f"{kind.noun} Новинка NV-{clerk.number:05d}"
    row: Row = {
        "Ref_Key": clerk.new_key(NOMENCLATURE),
        "Description": name,
        "НаименованиеПолное": f"{name}, поступление {clerk.now:%d.%m.%Y}",
        "Code": f"НН-{clerk.number:08d}",
        "Артикул": f"NV-{clerk.number:05d}",
        "IsFolder": False,
        "DeletionMark": False,
        "Parent_Key": ref(NOMENCLATURE, kind_path(kind)),
        "ВидНоменклатуры_Key": ref("Catalog_ВидыНоменклатуры", kind_path(kind)),
        "ТипНоменклатуры": "Товар",
        "ЕдиницаИзмерения_Key": unit,
        "СтавкаНДС_Key": ref("Catalog_СтавкиНДС", kind.vat),
        "ИспользованиеХарактеристик": "НеИспользовать",
        "Качество": "Новый",
        "ВесЧислитель": Decimal(kind.grams[0]).scaleb(-3),
        "ВесЗнаменатель": 1,
        "ВесИспользовать": True,
        "ВесЕдиницаИзмерения_Key": ref("Catalog_УпаковкиЕдиницыИзмерения", "166"),
        "Описание": f"{name}. Новое поступление.",
    }
    clerk.create(NOMENCLATURE, row)
    return clerk.done()


def _edit_product(clerk: Clerk) -> Step:
    """Change the name, the description or the weight of a product."""
    row = clerk.pick(NOMENCLATURE, where={"IsFolder": False})
    if row is None:
        return clerk.done()
    changes: list[Row] = [
        {"Описание": f"{row['Description']}. Исправлено {clerk.now:%d.%m.%Y}."},
        {"НаименованиеПолное": f"{row['Description']} (ред. {clerk.number})"},
        {"ВесЧислитель": Decimal(1 + clerk.draw(9999)).scaleb(-3)},
    ]
    clerk.change(NOMENCLATURE, (row["Ref_Key"],), **changes[clerk.draw(len(changes))])
    return clerk.done()


def _move_product(clerk: Clerk) -> Step:
    """Put a product into another folder."""
    row = clerk.pick(NOMENCLATURE, where={"IsFolder": False})
    if row is not None:
        kind = KINDS[clerk.draw(len(KINDS))]
        clerk.change(
            NOMENCLATURE, (row["Ref_Key"],), Parent_Key=clerk.world.ref(NOMENCLATURE, kind_path(kind))
        )
    return clerk.done()


def _mark(clerk: Clerk) -> Step:
    """Mark a product for deletion."""
    row = clerk.pick(NOMENCLATURE, where={"IsFolder": False, "DeletionMark": False})
    if row is not None:
        clerk.change(NOMENCLATURE, (row["Ref_Key"],), DeletionMark=True)
    return clerk.done()


def _unmark(clerk: Clerk) -> Step:
    """Take the deletion mark off a product."""
    row = clerk.pick(NOMENCLATURE, where={"IsFolder": False, "DeletionMark": True})
    if row is not None:
        clerk.change(NOMENCLATURE, (row["Ref_Key"],), DeletionMark=False)
    return clerk.done()


def _delete(clerk: Clerk) -> Step:
    """Delete a product physically.

    Its prices, barcodes and stock stay and point to nothing, as in real bases.
    """
    row = clerk.pick(NOMENCLATURE, where={"IsFolder": False})
    if row is not None:
        clerk.delete(NOMENCLATURE, (row["Ref_Key"],))
    return clerk.done()


def _save(clerk: Clerk) -> Step:
    """Save an object without changing it: only its version grows."""
    entity = (NOMENCLATURE, PARTNER, ORDER)[clerk.draw(3)]
    row = clerk.pick(entity)
    if row is not None:
        clerk.change(entity, (row["Ref_Key"],))
    return clerk.done()


def _new_customer(clerk: Clerk) -> Step:
    """Enter a new private customer."""
    name = f"Новиков Покупатель {clerk.number}"
    contacts = [
        phone(clerk.world, "ТелефонПартнера", "999", clerk.draw(10**7)),
        email(clerk.world, "EmailПартнера", f"new{clerk.number}@example.ru"),
    ]
    row: Row = {
        "Ref_Key": clerk.new_key(PARTNER),
        "Description": name,
        "НаименованиеПолное": name,
        "Code": f"НП-{clerk.number:08d}",
        "Parent_Key": ZERO_GUID,
        "DeletionMark": False,
        "ЮрФизЛицо": "ЧастноеЛицо",
        "Клиент": True,
        "Пол": "Мужской",
        "ДатаРождения": EMPTY_DATE,
        "ДатаРегистрации": f"{clerk.now:%Y-%m-%d}T00:00:00",
        "ГруппаДоступа_Key": clerk.world.ref("Catalog_ГруппыДоступаПартнеров", "Клиенты"),
        "КонтактнаяИнформация": numbered(contacts),
    }
    clerk.create(PARTNER, row)
    return clerk.done()


def _edit_customer(clerk: Clerk) -> Step:
    """Replace the contact information of a customer by a new telephone."""
    row = clerk.pick(PARTNER)
    if row is not None:
        contacts = numbered([phone(clerk.world, "ТелефонПартнера", "901", clerk.draw(10**7))])
        clerk.change(PARTNER, (row["Ref_Key"],), КонтактнаяИнформация=contacts)
    return clerk.done()


def _new_barcode(clerk: Clerk) -> Step:
    """Give a product one more barcode."""
    row = clerk.pick(NOMENCLATURE, where={"IsFolder": False})
    if row is not None:
        digits = str(_NEW_BARCODES + clerk.number)
        code = digits + check_digit(digits)
        record = {
            "Штрихкод": code,
            "Номенклатура_Key": row["Ref_Key"],
            "Характеристика_Key": ZERO_GUID,
            "Упаковка_Key": ZERO_GUID,
        }
        clerk.create(BARCODES, record, code)
    return clerk.done()


def _drop_barcode(clerk: Clerk) -> Step:
    """Remove a barcode."""
    table = clerk.shop.tables[BARCODES]
    if len(table):
        place = clerk.draw(len(table))
        code = table.rows(place, place + 1)[0]["Штрихкод"]
        if clerk.living.get(BARCODES, (code,)) is not None:
            clerk.delete(BARCODES, (code,))
    return clerk.done()


def _rate(clerk: Clerk) -> Step:
    """Load the dollar's rate of the day, or correct it if it is loaded."""
    dollar = clerk.world.ref(CURRENCY, "840")
    key = (f"{clerk.now:%Y-%m-%d}T00:00:00", dollar)
    value = Decimal(750_000 + clerk.draw(200_000)).scaleb(-4)
    if clerk.living.get(_RATES, key) is not None:
        clerk.change(_RATES, key, Курс=value)
    else:
        record = {"Period": key[0], "Валюта_Key": dollar, "Курс": value, "Кратность": 1}
        clerk.create(_RATES, record, *key)
    return clerk.done()


CATALOG_STEPS: Mapping[str, Callable[[Clerk], Step]] = {
    "new product": _new_product,
    "edited product": _edit_product,
    "moved product": _move_product,
    "deletion mark": _mark,
    "deletion mark taken off": _unmark,
    "physical deletion": _delete,
    "no-op save": _save,
    "new customer": _new_customer,
    "edited customer": _edit_customer,
    "new barcode": _new_barcode,
    "removed barcode": _drop_barcode,
    "currency rate": _rate,
}
