"""Short catalogs around the goods.

Currencies and rates, VAT, countries, brands, kinds, categories, attributes, price kinds, stores.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from onec_pipelines.simulator.data.attributes import PROPERTY, VALUE
from onec_pipelines.simulator.data.plan import kind_path
from onec_pipelines.simulator.data.tables import EMPTY_DATE, ZERO_GUID, ListTable, by_presentation, numbered
from onec_pipelines.simulator.data.words.fixed import (
    COUNTRIES,
    CURRENCIES,
    PRICE_GROUPS,
    PROPERTIES,
    VAT_RATES,
)
from onec_pipelines.simulator.data.words.goods import BRANDS, COMMON, KINDS, NO_VARIANTS
from onec_pipelines.simulator.data.words.item_only import ITEM_ONLY
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row

CURRENCY = "Catalog_Валюты"
VAT = "Catalog_СтавкиНДС"
BRAND = "Catalog_Марки"
MAKER = "Catalog_Производители"
KIND = "Catalog_ВидыНоменклатуры"
SETS = "Catalog_НаборыДополнительныхРеквизитовИСведений"
CATEGORY = "Catalog_ТоварныеКатегории"
_VERSION = "AAAAAAAAAAI="
_RATE_DAYS = 365
_TYPE_NAMES = {"number": "Число", "string": "Строка", "boolean": "Булево", "date": "Дата", "text": "Строка"}


def head(world: World, entity: str, name: str, description: str) -> Row:
    """Give the first attributes of a catalog object known by name."""
    return {
        "Ref_Key": world.ref(entity, name),
        "DataVersion": _VERSION,
        "Description": description,
        "DeletionMark": False,
    }


def folder(world: World, entity: str, name: str, description: str, parent: str = "") -> Row:
    """Give a folder of a short catalog: what applies to items only is null."""
    return {
        **dict.fromkeys(ITEM_ONLY.get(entity, ())),
        **head(world, entity, name, description),
        "IsFolder": True,
        "Parent_Key": world.ref(entity, parent) if parent else ZERO_GUID,
    }


def currencies(world: World) -> ListTable:
    """Give `Catalog_Валюты`: Code is the numeric ISO code (PROTOCOL §11.10)."""
    return by_presentation(
        CURRENCY,
        [
            {
                **head(world, CURRENCY, code, name),
                "Code": code,
                "НаименованиеПолное": full,
                "ЗагружаетсяИзИнтернета": loaded,
                "СпособУстановкиКурса": "ЗагрузкаИзИнтернета" if loaded else "РучнойВвод",
                "ПараметрыПрописи": "рубль, рубля, рублей, м, копейка, копейки, копеек, ж, 2"
                if code == "643"
                else "",
            }
            for code, name, full, _, _, loaded in CURRENCIES
        ],
    )


def rate(world: World, code: str, days: int) -> Decimal:
    """Give the exchange rate of a currency so many days ago, four decimals: a slow wave with daily noise."""
    entry = next(entry for entry in CURRENCIES if entry[0] == code)
    if code == "643":
        return Decimal(1)
    noise = world.chance(days, f"rate {code}") % 200 - 100
    wave = (days * 7) % 400 - 200
    return (Decimal(entry[3]) * (10_000 + wave + noise) / 10_000).quantize(Decimal("0.0001"))


def rates(world: World) -> ListTable:
    """Give `InformationRegister_КурсыВалют`.

    One record per working day and currency for a year, and 1C's first ones of 1980.
    """
    rows: list[Row] = [
        {
            "Period": "1980-01-01T00:00:00",
            "Валюта_Key": world.ref(CURRENCY, entry[0]),
            "Курс": 1,
            "Кратность": 1,
        }
        for entry in CURRENCIES
    ]
    for days in range(_RATE_DAYS, -1, -1):
        day = world.today - timedelta(days=days)
        if day.weekday() in (0, 6):  # the bank sets rates for Tuesday to Saturday
            continue
        rows.extend(
            {
                "Period": f"{day.isoformat()}T00:00:00",
                "Валюта_Key": world.ref(CURRENCY, entry[0]),
                "Курс": rate(world, entry[0], days),
                "Кратность": entry[4],
            }
            for entry in CURRENCIES
            if entry[5]
        )
    if world.broken:
        dollar = world.ref(CURRENCY, "840")
        last = "3999-12-31T00:00:00"
        rows.append({"Period": last, "Валюта_Key": dollar, "Курс": 0, "Кратность": 0})
        world.flags.append(("InformationRegister_КурсыВалют", (last, dollar), "zero rate in year 3999"))
    return ListTable("InformationRegister_КурсыВалют", rows, key=("Period", "Валюта_Key"))


def vat_rates(world: World) -> ListTable:
    """Give `Catalog_СтавкиНДС` with base and computed rates that know each other."""
    computed = {base: name for name, _, _, is_computed, base in VAT_RATES if is_computed}
    return by_presentation(
        VAT,
        [
            {
                **head(world, VAT, name, title),
                "Predefined": False,
                "ПеречислениеСтавкаНДС": name,
                "Ставка": Decimal(percent) if "." in percent else int(percent),
                "РасчетнаяСтавка": is_computed,
                "Страна_Key": world.ref("Catalog_СтраныМира", "643"),
                "СоответствующаяБазоваяСтавка_Key": world.ref(VAT, base) if base else ZERO_GUID,
                "СоответствующаяРасчетнаяСтавка_Key": world.ref(VAT, computed[name])
                if name in computed
                else ZERO_GUID,
                "НачалоПериода": "2019-01-01T00:00:00" if "20" in name else EMPTY_DATE,
                "КонецПериода": "2018-12-31T00:00:00" if "18" in name else EMPTY_DATE,
                "Основная": name == "НДС20",
                "ТипыНалогообложенияНДС": numbered([{"ТипНалогообложенияНДС": "ПродажаОблагаетсяНДС"}]),
            }
            for name, title, percent, is_computed, base in VAT_RATES
        ],
    )


def countries(world: World) -> ListTable:
    """Give `Catalog_СтраныМира`."""
    entity = "Catalog_СтраныМира"
    return by_presentation(
        entity,
        [
            {
                **head(world, entity, code, name),
                "Code": code,
                "НаименованиеПолное": full,
                "КодАльфа2": two,
                "КодАльфа3": three,
                "УчастникЕАЭС": member,
                "Predefined": code == "643",
                "PredefinedDataName": "Россия" if code == "643" else "",
            }
            for code, name, full, two, three, member in COUNTRIES
        ],
    )


def brands(world: World) -> ListTable:
    """Give `Catalog_Марки`: two folders, and brands that know their maker."""
    rows = [folder(world, BRAND, name, name) for name in ("Импортные", "Отечественные")]
    for name in sorted({name for names in BRANDS.values() for name in names}):
        group = "Импортные" if name[0].isascii() else "Отечественные"
        rows.append(
            {
                **head(world, BRAND, name, name),
                "IsFolder": False,
                "Parent_Key": world.ref(BRAND, group),
                "Производитель_Key": world.ref(MAKER, name),
            }
        )
    if world.broken:
        rows.append(
            {**head(world, BRAND, "!nameless", ""), "IsFolder": False, "Производитель_Key": world.gone(1)}
        )
        rows.append({**head(world, BRAND, "!twice", "Bosch "), "IsFolder": False})
        world.flag(BRAND, world.ref(BRAND, "!nameless"), "empty name")
        world.flag(BRAND, world.ref(BRAND, "!twice"), "duplicate name")
    return by_presentation(BRAND, rows)


def makers(world: World) -> ListTable:
    """Give `Catalog_Производители`."""
    names = sorted({name for names in BRANDS.values() for name in names})
    return by_presentation(
        MAKER,
        [{**head(world, MAKER, name, name), "IsFolder": False, "Parent_Key": ZERO_GUID} for name in names],
    )


def kinds(world: World) -> ListTable:
    """Give `Catalog_ВидыНоменклатуры`.

    A folder per department, then kinds with their policy of variants (PROTOCOL §11.2).
    """
    rows = [folder(world, KIND, name, name) for name in sorted({kind.department for kind in KINDS})]
    for kind in KINDS:
        path = kind_path(kind)
        own = kind.variants == COMMON
        rows.append(
            {
                **head(world, KIND, path, kind.folder),
                "IsFolder": False,
                "Parent_Key": world.ref(KIND, kind.department),
                "ТипНоменклатуры": "Товар",
                "ЕдиницаИзмерения_Key": world.ref("Catalog_УпаковкиЕдиницыИзмерения", kind.unit),
                "СтавкаНДС_Key": world.ref(VAT, kind.vat),
                "ИспользованиеХарактеристик": kind.variants,
                "ИспользоватьХарактеристики": kind.variants != NO_VARIANTS,
                "ВладелецХарактеристик_Key": world.ref(KIND, path) if own else ZERO_GUID,
                "ВладелецТоварныхКатегорий_Key": world.ref(KIND, path),
                "НаборСвойств_Key": world.ref(SETS, path),
                "НаборСвойствХарактеристик_Key": world.ref(SETS, "Характеристики") if own else ZERO_GUID,
                "ИспользоватьУпаковки": True,
                "Описание": f"{kind.folder}: учет без серий",
                "ВариантОформленияПродажи": "РеализацияТоваровУслуг",
            }
        )
    return by_presentation(KIND, rows)


def categories(world: World) -> ListTable:
    """Give `Catalog_ТоварныеКатегории`: one per kind, owned by it."""
    rows = [
        {
            **head(world, CATEGORY, kind_path(kind), kind.noun),
            "IsFolder": False,
            "Parent_Key": ZERO_GUID,
            "Owner_Key": world.ref(KIND, kind_path(kind)),
        }
        for kind in KINDS
    ]
    return by_presentation(CATEGORY, rows)


def price_groups(world: World) -> ListTable:
    """Give `Catalog_ЦеновыеГруппы`."""
    entity = "Catalog_ЦеновыеГруппы"
    return by_presentation(
        entity, [{**head(world, entity, name, name), "Описание": ""} for name in PRICE_GROUPS]
    )


def properties(world: World) -> ListTable:
    """Give the additional attributes (a chart of characteristic types) with their value types."""
    rows: list[Row] = []
    for name, title, sort, values in PROPERTIES:
        types = f"StandardODATA.{VALUE}" if sort == "value" else _TYPE_NAMES[sort]
        rows.append(
            {
                **head(world, PROPERTY, name, title),
                "ValueType": {"Types": [types]},
                "Виден": True,
                "Доступен": True,
                "Заголовок": title,
                "Имя": f"{name}_{world.ref(PROPERTY, name)[:8]}",
                "ИдентификаторДляФормул": name,
                "ДополнительныеЗначенияИспользуются": sort == "value" and bool(values),
                "МногострочноеПолеВвода": 3 if sort == "text" else 0,
                "НаборСвойств_Key": ZERO_GUID,
                "ВидСвойств": "ДополнительныеРеквизиты",
            }
        )
    return by_presentation(PROPERTY, rows)


def property_values(world: World) -> ListTable:
    """Give `Catalog_ЗначенияСвойствОбъектов`, owned by their attributes."""
    rows = [
        {
            **head(world, VALUE, f"{name}/{value}", value),
            "IsFolder": False,
            "Parent_Key": ZERO_GUID,
            "Owner_Key": world.ref(PROPERTY, name),
            "ПолноеНаименование": value,
            "Вес": 0,
        }
        for name, _, sort, values in PROPERTIES
        if sort == "value"
        for value in values
    ]
    return by_presentation(VALUE, rows)


def property_sets(world: World) -> ListTable:
    """Give the sets of attributes: one per kind of goods, one for variants."""
    wanted = {kind_path(kind): (kind.folder, kind.attributes) for kind in KINDS}
    wanted["Характеристики"] = ("Характеристики (Общие)", ("Цвет", "Размер"))
    rows = [folder(world, SETS, "Номенклатура", "Номенклатура")]
    rows.extend(
        {
            **head(world, SETS, path, title),
            "IsFolder": False,
            "Parent_Key": world.ref(SETS, "Номенклатура"),
            "Используется": True,
            "КоличествоРеквизитов": str(len(attributes)),
            "ДополнительныеРеквизиты": numbered(
                [{"Свойство_Key": world.ref(PROPERTY, name), "ПометкаУдаления": False} for name in attributes]
            ),
        }
        for path, (title, attributes) in wanted.items()
    )
    return by_presentation(SETS, rows)
