"""Discounts and special offers.

What they are, on what conditions, and since when they are switched on (PROTOCOL §11.4).
"""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.simulator.data.dictionaries import CURRENCY, folder, head
from onec_pipelines.simulator.data.tables import UNDEFINED, ZERO_GUID, ListTable, by_presentation, numbered
from onec_pipelines.simulator.data.words.fixed import WAREHOUSES
from onec_pipelines.simulator.data.world import World, stamp
from onec_pipelines.simulator.source import Row

DISCOUNT = "Catalog_СкидкиНаценки"
CONDITION = "Catalog_УсловияПредоставленияСкидокНаценок"
ACTIVITY = "InformationRegister_ДействиеСкидокНаценок"
_WAY_TYPE = "StandardODATA.СпособыПредоставленияСкидокНаценок"
# Description, folder, way, value, condition, price group, switched on (days ago), switched off (days ago, 0
# = still on)
_DISCOUNTS = (
    ("Второй товар в подарок", "Акции", "Подарок", 1, "", "", 200, 150),
    ("Оптовикам от 50 000", "Постоянные", "Процент", 7, "Сумма от 50 000", "", 350, 0),
    ("По бонусной карте", "Постоянные", "Процент", 5, "Есть карта", "", 300, 0),
    ("Распродажа сезонных товаров", "Акции", "Процент", 30, "", "Сезонные товары", 40, 0),
    ("Скидка 500 рублей", "Акции", "Сумма", 500, "Сумма от 50 000", "", 90, 60),
    ("Черная пятница", "Акции", "Процент", 20, "", "Акционные товары", 210, 205),
)


def _discounts(world: World) -> ListTable:
    rows = [folder(world, DISCOUNT, name, name) for name in ("Акции", "Постоянные")]
    for name, parent, way, value, condition, group, _, _ in _DISCOUNTS:
        rows.append(
            {
                **head(world, DISCOUNT, name, name),
                "IsFolder": False,
                "Parent_Key": world.ref(DISCOUNT, parent),
                "СпособПредоставления": way,
                "СпособПредоставления_Type": _WAY_TYPE,
                "ЗначениеСкидкиНаценки": value,
                "ВалютаПредоставления_Key": world.ref(CURRENCY, "643") if way == "Сумма" else ZERO_GUID,
                "ВариантСовместногоПрименения": "Максимум",
                "УсловияПредоставления": numbered(
                    [{"УсловиеПредоставления_Key": world.ref(CONDITION, condition)}] if condition else []
                ),
                "ЦеновыеГруппы": numbered(
                    [
                        {
                            "ЦеноваяГруппа_Key": world.ref("Catalog_ЦеновыеГруппы", group),
                            "ЗначениеСкидкиНаценки": value,
                        }
                    ]
                    if group
                    else []
                ),
            }
        )
    if world.broken:
        rows.append(
            {
                **head(world, DISCOUNT, "!broken", "Скидка 120 % (ошибка)"),
                "IsFolder": False,
                "Parent_Key": world.gone(3),
                "СпособПредоставления": "",
                "СпособПредоставления_Type": UNDEFINED,
                "ЗначениеСкидкиНаценки": 120,
            }
        )
        world.flag(DISCOUNT, world.ref(DISCOUNT, "!broken"), "no way of giving, more than everything")
    return by_presentation(DISCOUNT, rows)


def _conditions(world: World) -> ListTable:
    rows: list[Row] = [
        {
            **head(world, CONDITION, "Сумма от 50 000", "Сумма от 50 000"),
            "УсловиеПредоставления": "ЗаРазовыйОбъемПродаж",
            "УсловиеПредоставления_Type": "UnavailableEnums.УсловияПредоставленияСкидокНаценок",
            "ЗначениеУсловияОграничения": 50_000,
            "ТипСравнения": "БольшеИлиРавно",
            "ВалютаОграничения_Key": world.ref(CURRENCY, "643"),
        },
        {
            **head(world, CONDITION, "Есть карта", "Есть карта"),
            "УсловиеПредоставления": "ПоВидуКартЛояльности",
            "УсловиеПредоставления_Type": "UnavailableEnums.УсловияПредоставленияСкидокНаценок",
            "ВидКартыЛояльности_Key": world.ref("Catalog_ВидыКартЛояльности", "Бонусная"),
        },
    ]
    return by_presentation(CONDITION, [{**row, "IsFolder": False, "Parent_Key": ZERO_GUID} for row in rows])


def _activity(world: World) -> ListTable:
    rows: list[Row] = []
    for name, _, _, _, _, _, started, ended in _DISCOUNTS:
        for place, (warehouse, sort, _) in enumerate(WAREHOUSES):
            if sort != "РозничныйМагазин" and "опт" not in name.lower():
                continue
            source = {
                "Источник": world.ref("Catalog_Склады", warehouse),
                "Источник_Type": "StandardODATA.Catalog_Склады",
                "СкидкаНаценка_Key": world.ref(DISCOUNT, name),
            }
            rows.append({"Period": stamp(world.days_ago(started)), **source, "Статус": "Действует"})
            if ended:
                rows.append(
                    {
                        "Period": stamp(world.days_ago(ended)),
                        **source,
                        "Статус": "НеДействует",
                        "Комментарий": f"закрыта {place}",
                    }
                )
    rows.sort(key=lambda row: (row["Period"], row["Источник"], row["СкидкаНаценка_Key"]))
    return ListTable(ACTIVITY, rows, key=("Period", "Источник", "СкидкаНаценка_Key", "Источник_Type"))


def tables(world: World) -> Iterator[ListTable]:
    """Give all tables of this module."""
    yield _discounts(world)
    yield _conditions(world)
    yield _activity(world)
