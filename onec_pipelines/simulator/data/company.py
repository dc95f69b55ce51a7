"""The shop's own side: organisations, users, agreements, contracts, priorities, reasons, constants.

The exchange node.
"""

from __future__ import annotations

from collections.abc import Iterator

from onec_pipelines.simulator.data.contacts import address, email, phone
from onec_pipelines.simulator.data.customers import CONTRACTOR, PARTNER, Customers, inn
from onec_pipelines.simulator.data.dictionaries import CURRENCY, head
from onec_pipelines.simulator.data.tables import EMPTY_DATE, ZERO_GUID, ListTable, by_presentation, numbered
from onec_pipelines.simulator.data.world import World, stamp
from onec_pipelines.simulator.source import Row

ORGANISATION = "Catalog_Организации"
USER = "Catalog_Пользователи"
AGREEMENT = "Catalog_СоглашенияСКлиентами"
CONTRACT = "Catalog_ДоговорыКонтрагентов"
PRIORITY = "Catalog_Приоритеты"
REASON = "Catalog_ПричиныОтменыЗаказовКлиентов"
ORGANISATIONS = (("ТД", 'Торговый дом "Комплексный"'), ("ИМ", 'Интернет-магазин "Комплексный"'))
AGREEMENTS = (("Опт", "Оптовое", "Оптовая"), ("Розница", "Розничное", "Розничная"))
REASONS = ("Нет в наличии", "Отказ покупателя", "Ошибка в заказе", "Покупатель не отвечает")
_USERS = ("Администратор", "Кассир Петрова О. В.", "Менеджер Сидоров И. П.", "Обмен с сайтом")
_CONTRACTS = 200


def _organisations(world: World) -> ListTable:
    rows = [
        {
            **head(world, ORGANISATION, prefix, title),
            "Префикс": prefix,
            "НаименованиеПолное": f"Общество с ограниченной ответственностью {title}",
            "НаименованиеСокращенное": f"ООО {title}",
            "ИНН": inn("77", 5_260_000 + number, person=False),
            "КПП": "770501001",
            "ОГРН": f"10277000{number}2195",
            "ЮрФизЛицо": "ЮрЛицо",
            "ЮридическоеФизическоеЛицо": "ЮридическоеЛицо",
            "ГоловнаяОрганизация_Key": world.ref(ORGANISATION, prefix),
            "ВалютаРегламентированногоУчета_Key": world.ref(CURRENCY, "643"),
            "СтранаРегистрации_Key": world.ref("Catalog_СтраныМира", "643"),
            "КонтактнаяИнформация": numbered(
                [
                    address(world, "ЮрАдресКонтрагента", 3, number),
                    phone(world, "ТелефонКонтрагента", "495", 7_890_120 + number),
                    email(world, "EmailКонтрагента", f"office{number}@example.ru"),
                ]
            ),
        }
        for number, (prefix, title) in enumerate(ORGANISATIONS)
    ]
    return by_presentation(ORGANISATION, rows)


def _named(world: World, entity: str, names: tuple[str, ...]) -> ListTable:
    return by_presentation(entity, [head(world, entity, name, name) for name in names])


def _agreements(world: World) -> ListTable:
    rows: list[Row] = [
        {
            **head(world, AGREEMENT, name, f"Типовое соглашение: {title.lower()}"),
            "Номер": f"ТС-{number}",
            "Дата": stamp(world.days_ago(700)),
            "Типовое": True,
            "Статус": "Действует",
            "Согласован": True,
            "ВидЦен_Key": world.ref("Catalog_ВидыЦен", prices),
            "Валюта_Key": world.ref(CURRENCY, "643"),
            "Организация_Key": world.ref(ORGANISATION, "ТД"),
            "ЦенаВключаетНДС": True,
            "ХозяйственнаяОперация": "РеализацияКлиенту",
            "ПорядокРасчетов": "ПоЗаказам",
            "ИспользуютсяДоговорыКонтрагентов": name == "Опт",
            "ДатаНачалаДействия": stamp(world.days_ago(700)),
            "ДатаОкончанияДействия": EMPTY_DATE,
        }
        for number, (name, title, prices) in enumerate(AGREEMENTS, 1)
    ]
    return by_presentation(AGREEMENT, rows)


def contract_of(world: World, customers: Customers, number: int) -> str:
    """Give the key of a company's contract, or the zero GUID: only the first companies have one."""
    if number < _CONTRACTS and customers.legal.rank(number) is not None and customers.get(number).form:
        return world.ref(CONTRACT, f"contract {number}")
    return ZERO_GUID


def _contracts(world: World, customers: Customers) -> ListTable:
    rows: list[Row] = []
    for number in range(min(_CONTRACTS, len(customers))):
        guid = contract_of(world, customers, number)
        if guid == ZERO_GUID:
            continue
        signed = world.days_ago(600 - number)
        rows.append(
            {
                **head(
                    world, CONTRACT, f"contract {number}", f"Договор № {number + 1:04d} от {signed:%d.%m.%Y}"
                ),
                "Номер": f"{number + 1:04d}",
                "Дата": stamp(signed),
                "ДатаНачалаДействия": stamp(signed),
                "ДатаОкончанияДействия": "3999-12-31T00:00:00" if number % 3 else EMPTY_DATE,
                "Партнер_Key": world.guids(PARTNER).make(number),
                "Контрагент_Key": world.guids(CONTRACTOR).make(number),
                "Организация_Key": world.ref(ORGANISATION, "ТД"),
                "ВалютаВзаиморасчетов_Key": world.ref(CURRENCY, "643"),
                "ТипДоговора": "СПокупателем",
                "ХозяйственнаяОперация": "РеализацияКлиенту",
                "Статус": "Действует",
                "Согласован": True,
                "ПорядокРасчетов": "ПоДоговорамКонтрагентов",
                "НалогообложениеНДС": "ПродажаОблагаетсяНДС",
            }
        )
    return by_presentation(CONTRACT, rows)


def _nodes(world: World) -> ListTable:
    name = "ExchangePlan_ОбменССайтом"
    this = {**head(world, name, "this", "Управление торговлей"), "Code": "000"}
    site = {
        **head(world, name, "site", "Интернет-магазин"),
        "Code": "001",
        "SentNo": 33,
        "ReceivedNo": 33,
        "ОбменЗаказами": True,
        "ОбменТоварами": True,
        "АдресСайта": "https://shop.example.ru",
        "РазмерПорции": 1000,
        "КоличествоПовторений": 3,
    }
    return ListTable(name, [site, this])


def _constants(world: World) -> list[ListTable]:
    values: dict[str, Row] = {
        "Constant_ВалютаРегламентированногоУчета": {"Value_Key": world.ref(CURRENCY, "643")},
        "Constant_ЗаголовокСистемы": {"Value": "Торговый дом «Комплексный»"},
        "Constant_ИспользоватьНесколькоВидовЦен": {"Value": True},
    }
    return [
        ListTable(name, [{"SurrogateKey": 0, **row}], key=("SurrogateKey",)) for name, row in values.items()
    ]


def tables(world: World, customers: Customers) -> Iterator[ListTable]:
    """Give all tables of this module."""
    yield _organisations(world)
    yield _named(world, USER, _USERS)
    yield _named(world, "Catalog_ГруппыДоступаПартнеров", ("Клиенты", "Поставщики"))
    yield _named(world, PRIORITY, ("Высокий", "Низкий", "Средний"))
    yield _named(world, REASON, REASONS)
    yield _agreements(world)
    yield _contracts(world, customers)
    yield _nodes(world)
    yield from _constants(world)
