"""Customers: `Catalog_Партнеры` and their legal side `Catalog_Контрагенты`.

In the order of names (PROTOCOL §11.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from onec_pipelines.simulator.data.contacts import address, email, phone
from onec_pipelines.simulator.data.customer_defects import CustomerSpoiler
from onec_pipelines.simulator.data.defects import Defect, Places
from onec_pipelines.simulator.data.guids import salt, scramble
from onec_pipelines.simulator.data.layout import Periodic, Runs
from onec_pipelines.simulator.data.tables import (
    EMPTY_DATE,
    FIRST_VERSIONS,
    ZERO_GUID,
    ComputedTable,
    numbered,
)
from onec_pipelines.simulator.data.words.people import (
    CITIES,
    COMPANIES,
    DOMAINS,
    FATHERS,
    FORMS,
    MEN,
    SURNAMES,
    WOMEN,
    latin,
    patronymic,
)
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Key, Row

PARTNER = "Catalog_Партнеры"
CONTRACTOR = "Catalog_Контрагенты"
_MOST = 50_000
_FIRST = 60
_PER_PRODUCTS = 10
_LEGAL = (0, 1, 2)  # three customers of four have a legal side
_SUPPLIERS = 3
_TAX_DEFECTS = {
    "wrong check digit of ИНН": "7705260675",
    "ИНН with spaces": " 7705260674 ",
    "ИНН too short": "77052606",
    "ИНН of zeros": "0000000000",
}


def inn(region: str, number: int, *, person: bool) -> str:
    """Give a taxpayer number with valid check digits: 12 digits for a person, 10 for a company."""
    if person:
        digits = f"{region}{number % 10**8:08d}"
        for weights in ((7, 2, 4, 10, 3, 5, 9, 4, 6, 8), (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)):
            digits += _check(digits, weights)
        return digits
    digits = f"{region}{number % 10**7:07d}"
    return digits + _check(digits, (2, 4, 10, 3, 5, 9, 4, 6, 8))


def _check(digits: str, weights: tuple[int, ...]) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
    return str(total % 11 % 10)


def _spread(offset: int, size: int, choices: int, chance: int) -> int:
    """Give one of the choices, growing with the offset, so that names stay in order, yet not always the first."""
    return (offset * choices + (chance >> 20) % choices) // size


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """Customers whose names begin alike: a surname, or a company's name."""

    word: str
    sort: str  # man, woman, company


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """What both catalogs say about one customer."""

    number: int
    name: str
    full_name: str
    sort: str
    form: str
    city: int
    chance: int


class Customers:
    """All customers by number; the number is the position in the order of names."""

    def __init__(self, world: World) -> None:
        heads = [Head(word=word, sort="company") for word in COMPANIES]
        heads += [Head(word=word, sort="man") for word in SURNAMES]
        heads += [Head(word=f"{word}а", sort="woman") for word in SURNAMES]
        heads.sort(key=lambda one: one.word.casefold())
        total = min(_MOST, _FIRST + world.products // _PER_PRODUCTS)
        sizes = [total * (at + 1) // len(heads) - total * at // len(heads) for at in range(len(heads))]
        self._runs = Runs(list(zip(heads, sizes, strict=True)))
        self._sizes = sizes
        self._chance = salt(world.seed, "customer")
        self.legal = Periodic(total=total, period=4, residues=_LEGAL)

    def __len__(self) -> int:
        """Give the number of customers."""
        return len(self._runs)

    def get(self, number: int) -> Customer:
        """Give a customer by number."""
        run, offset = self._runs.locate(number)
        one, size = self._runs.values[run], self._sizes[run]
        chance = scramble(number, self._chance)
        if one.sort == "company":
            city = _spread(offset, size, len(CITIES), chance)
            form, full = FORMS[chance & 3 > 0]
            name = f"{one.word} {CITIES[city][0]} {form}"
            title = f'{full} "{one.word} {CITIES[city][0]}"'
            return Customer(
                number=number, name=name, full_name=title, sort=one.sort, form=form, city=city, chance=chance
            )
        names = MEN if one.sort == "man" else WOMEN
        first, second = divmod(_spread(offset, size, len(names) * len(FATHERS), chance), len(FATHERS))
        name = f"{one.word} {names[first]} {patronymic(FATHERS[second], woman=one.sort == 'woman')}"
        return Customer(
            number=number,
            name=name,
            full_name=name,
            sort=one.sort,
            form="",
            city=chance % len(CITIES),
            chance=chance,
        )

    @cached_property
    def suppliers(self) -> tuple[int, ...]:
        """Numbers of the companies that also sell to us: up to a few of each name, all with a legal side."""
        starts = zip(self._runs.values, self._runs.starts, self._sizes, strict=True)
        first = [
            range(start, start + min(size, _SUPPLIERS))
            for one, start, size in starts
            if one.sort == "company"
        ]
        return tuple(number for span in first for number in span if self.legal.rank(number) is not None) or (
            0,
        )

    def mail(self, one: Customer) -> str:
        """Give the e-mail address of a customer, unique."""
        return f"{latin(one.name.split()[0])}{one.number}@{DOMAINS[one.chance % len(DOMAINS)]}"


class Partners(ComputedTable):
    """`Catalog_Партнеры`: a hierarchy of items, so there is no `IsFolder`."""

    def __init__(self, world: World, customers: Customers) -> None:
        super().__init__(PARTNER)
        self._world = world
        self._customers = customers
        self._guids = world.guids(PARTNER)
        self._spoiler = CustomerSpoiler(world, lambda number: customers.mail(customers.get(number)))
        self._places = Places(self._spoiler.kinds, on=world.broken)

    def __len__(self) -> int:
        """Give the number of customers."""
        return len(self._customers)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        rows = []
        for number in range(start, stop):
            row = self._row(self._customers.get(number))
            defect = self._places.kind(number)
            if defect is not None:
                self._spoiler.spoil(row, number, defect)
            rows.append(row)
        return rows

    def find(self, key: Key) -> int | None:
        """Give the position of a customer."""
        number = self._guids.number(key[0])
        return number if number is not None and number < len(self) else None

    def defects(self) -> Iterator[Defect]:
        """Give the broken rows."""
        for number, kind in self._places.walk(len(self)):
            yield Defect(table=self.name, position=number, kind=kind)

    def _row(self, one: Customer) -> Row:
        person, chance = one.sort != "company", one.chance
        born = date(1950, 1, 1) + timedelta(days=(chance >> 8) % 20_000)
        return {
            "Ref_Key": self._guids.make(one.number),
            "DataVersion": FIRST_VERSIONS[chance & 3],
            "Description": one.name,
            "НаименованиеПолное": one.full_name,
            "Code": f"00-{one.number + 1:08d}",
            "Parent_Key": self._parent(one),
            "DeletionMark": chance >> 40 & 0xFF == 0,
            "ЮрФизЛицо": "ЧастноеЛицо" if person else "Компания",
            "Клиент": True,
            "Поставщик": one.number in self._customers.suppliers,
            "Пол": {"man": "Мужской", "woman": "Женский"}.get(one.sort, ""),
            "ДатаРождения": f"{born.isoformat()}T00:00:00" if person and chance >> 6 & 1 else EMPTY_DATE,
            "ДатаРегистрации": f"{self._world.days_ago(400 + chance % 900).date().isoformat()}T00:00:00",
            "ГруппаДоступа_Key": self._world.ref("Catalog_ГруппыДоступаПартнеров", "Клиенты"),
            "ОсновнойМенеджер_Key": self._world.ref("Catalog_Пользователи", "Администратор"),
            "ВидЦен_Key": self._world.ref("Catalog_ВидыЦен", "Розничная" if person else "Оптовая"),
            "КонтактнаяИнформация": numbered(self._contacts(one)),
        }

    def _parent(self, one: Customer) -> str:
        branch = one.sort == "company" and one.number % 5 == 1 and one.number % 1000 > 1
        return self._guids.make(one.number - 1) if branch else ZERO_GUID

    def _contacts(self, one: Customer) -> list[Row]:
        chance, mobile = one.chance, f"9{10 + one.chance % 89:02d}"
        found = [phone(self._world, "ТелефонПартнера", mobile, (chance >> 12) % 10**7)]
        if chance >> 3 & 3:
            found.append(email(self._world, "EmailПартнера", self._customers.mail(one)))
        if chance >> 5 & 1:
            found.append(address(self._world, "АдресПартнера", one.city, chance >> 7))
        return found


class Contractors(ComputedTable):
    """`Catalog_Контрагенты`: flat, without a code; numbered by their customers."""

    def __init__(self, world: World, customers: Customers) -> None:
        super().__init__(CONTRACTOR)
        self._world = world
        self._customers = customers
        self._guids = world.guids(CONTRACTOR)
        self._partners = world.guids(PARTNER)
        self._places = Places(tuple(_TAX_DEFECTS), on=world.broken)

    def __len__(self) -> int:
        """Give the number of contractors."""
        return len(self._customers.legal)

    def compute(self, start: int, stop: int) -> list[Row]:
        """Give the rows of these positions."""
        rows = []
        for rank in range(start, stop):
            row = self._row(self._customers.get(self._customers.legal.at(rank)))
            defect = self._places.kind(rank)
            if defect is not None:
                row["ИНН"] = _TAX_DEFECTS[defect]
            rows.append(row)
        return rows

    def find(self, key: Key) -> int | None:
        """Give the position of a contractor."""
        number = self._guids.number(key[0])
        return None if number is None else self._customers.legal.rank(number)

    def defects(self) -> Iterator[Defect]:
        """Give the broken rows."""
        for rank, kind in self._places.walk(len(self)):
            yield Defect(table=self.name, position=rank, kind=kind)

    def _row(self, one: Customer) -> Row:
        company, business = one.form == "ООО", one.form == "ИП"
        region, code = CITIES[one.city][2], CITIES[one.city][3]
        row = {
            "Ref_Key": self._guids.make(one.number),
            "DataVersion": FIRST_VERSIONS[one.chance & 3],
            "Description": one.name,
            "НаименованиеПолное": one.full_name,
            "DeletionMark": False,
            "ЮридическоеФизическоеЛицо": "ЮридическоеЛицо" if company else "ФизическоеЛицо",
            "ЮрФизЛицо": "ЮрЛицо" if company else "ИндивидуальныйПредприниматель" if business else "ФизЛицо",
            "СтранаРегистрации_Key": self._world.ref("Catalog_СтраныМира", "643"),
            "ГоловнойКонтрагент_Key": self._guids.make(one.number),
            "Партнер_Key": self._partners.make(one.number),
            "ИНН": inn(region, one.number * 97 + 1234567, person=not company) if one.form else "",
            "КПП": f"{region}{1 + one.chance % 40:02d}01001" if company else "",
            "КодПоОКПО": f"{10_000_000 + one.number * 7}" if company else "",
        }
        contacts = [email(self._world, "EmailКонтрагента", self._customers.mail(one))]
        if one.form:
            contacts.append(phone(self._world, "ТелефонКонтрагента", code, (one.chance >> 9) % 10**7))
            contacts.append(address(self._world, "ЮрАдресКонтрагента", one.city, one.chance >> 9))
        row["КонтактнаяИнформация"] = numbered(contacts)
        return row
