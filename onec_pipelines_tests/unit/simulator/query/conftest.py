"""A small base for the query language: its types, its rows and the way between them."""

from dataclasses import dataclass, field

import pytest

from onec_pipelines.simulator.query import compile_filter, compile_orderby, sort_rows
from onec_pipelines.simulator.query.types import QueryOptions

A, B, C = (f"0000000{n}-0000-0000-0000-000000000000" for n in "123")
EMPTY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A `TypeInfo` written by hand; `world` holds all types by name."""

    name: str
    kind: str = "catalog"
    key: tuple = ("Ref_Key",)
    properties: dict = field(default_factory=dict)
    references: dict = field(default_factory=dict)
    sections: dict = field(default_factory=dict)
    long: frozenset = frozenset()
    world: dict = field(default_factory=dict, repr=False)

    def property_type(self, name):
        edm = self.properties.get(name)
        return edm and f"Edm.{edm}"

    def section(self, name):
        return self.sections.get(name)

    def reference(self, name):
        target = self.world.get(self.references.get(name))
        return target and (f"{name}_Key", target)

    def is_composite(self, name):
        return f"{name}_Type" in self.properties and self.properties.get(name) == "String"

    def unlimited(self, name):
        return name in self.long

    def entity(self, name):
        return self.world.get(name)


def _types():
    world = {}
    line = Shape(
        name="Document_Заказ_Товары_RowType",
        kind="section",
        key=(),
        properties={
            "LineNumber": "Int64",
            "Номенклатура_Key": "Guid",
            "Количество": "Double",
            "Цена": "Double",
            "Комментарий": "String",
        },
        references={"Номенклатура": "Catalog_Товары"},
        world=world,
    )
    record = Shape(
        name="AccumulationRegister_Остатки_RowType",
        kind="section",
        key=(),
        properties={
            "Period": "DateTime",
            "LineNumber": "Int64",
            "Recorder": "String",
            "Recorder_Type": "String",
            "Сумма": "Double",
        },
        world=world,
    )
    world |= {
        "Catalog_Товары": Shape(
            name="Catalog_Товары",
            properties={
                "Ref_Key": "Guid",
                "Description": "String",
                "Code": "String",
                "IsFolder": "Boolean",
                "DeletionMark": "Boolean",
                "Цена": "Double",
                "Вес": "Double",
                "Остаток": "Int64",
                "Произведен": "DateTime",
                "ГоденДо": "DateTime",
                "Производитель_Key": "Guid",
                "Скрытый_Key": "Guid",
                "Идентификатор": "Guid",
                "Значение": "String",
                "Значение_Type": "String",
                "Описание": "String",
                "Файл": "Stream",
                "Файл_Type": "String",
                "Файл_Base64Data": "String",
            },
            references={"Производитель": "Catalog_Партнеры"},
            long=frozenset({"Описание"}),
            world=world,
        ),
        "Catalog_Партнеры": Shape(
            name="Catalog_Партнеры",
            properties={"Ref_Key": "Guid", "Description": "String", "ИНН": "String", "Головной_Key": "Guid"},
            references={"Головной": "Catalog_Партнеры"},
            world=world,
        ),
        "Document_Заказ": Shape(
            name="Document_Заказ",
            kind="document",
            properties={
                "Ref_Key": "Guid",
                "Number": "String",
                "Date": "DateTime",
                "Posted": "Boolean",
                "Партнер_Key": "Guid",
                "Основание": "String",
                "Основание_Type": "String",
            },
            references={"Партнер": "Catalog_Партнеры"},
            sections={"Товары": line, "Скидки": line},
            world=world,
        ),
        "Document_Заказ_Товары": Shape(
            name="Document_Заказ_Товары",
            kind="section",
            key=("Ref_Key", "LineNumber"),
            properties={"Ref_Key": "Guid", **line.properties},
            references=line.references,
            world=world,
        ),
        "AccumulationRegister_Остатки": Shape(
            name="AccumulationRegister_Остатки",
            kind="recorder_register",
            key=("Recorder", "Recorder_Type"),
            properties={"Recorder": "String", "Recorder_Type": "String"},
            sections={"RecordSet": record},
            world=world,
        ),
        "InformationRegister_Цены": Shape(
            name="InformationRegister_Цены",
            kind="register",
            key=("Period", "Номенклатура_Key"),
            properties={"Period": "DateTime", "Номенклатура_Key": "Guid", "Цена": "Double"},
            references={"Номенклатура": "Catalog_Товары"},
            world=world,
        ),
    }
    return world


@dataclass(frozen=True, kw_only=True)
class Base:
    """The types, the rows of each set, and shortcuts that do what the server does with them."""

    types: dict
    sets: dict

    def resolve(self, name, guid):
        return next((row for row in self.sets[name] if row["Ref_Key"] == guid), None)

    def test(self, name, text, **options):
        return compile_filter(text, self.types[name], self.resolve, QueryOptions(**options))

    def find(self, name, text, **options):
        """Names (or numbers) of the rows that pass."""
        test = self.test(name, text, **options)
        return [row.get("Description", row.get("Number")) for row in self.sets[name] if test(row)]

    def order(self, name, text):
        orderings = compile_orderby(text, self.types[name], self.resolve)
        rows = sort_rows(
            self.sets[name], orderings, lambda kind, guid: self.resolve(kind, guid)["Description"]
        )
        return [row.get("Description", row.get("Number")) for row in rows]


def _good(name, **values):
    return {
        "Ref_Key": EMPTY,
        "Description": name,
        "Code": "",
        "IsFolder": False,
        "DeletionMark": False,
        "Цена": 0,
        "Вес": 0,
        "Остаток": 0,
        "Произведен": "0001-01-01T00:00:00",
        "ГоденДо": "0001-01-01T00:00:00",
        "Производитель_Key": EMPTY,
        "Скрытый_Key": EMPTY,
        "Идентификатор": EMPTY,
        "Значение": "",
        "Значение_Type": "StandardODATA.Undefined",
        "Описание": "",
        **values,
    }


def _line(number, price, amount=1):
    return {
        "LineNumber": number,
        "Номенклатура_Key": A,
        "Количество": amount,
        "Цена": price,
        "Комментарий": "",
    }


def _sets():
    return {
        "Catalog_Товары": [
            _good("Папка", Ref_Key=C, IsFolder=True, Цена=None, Вес=None, Производитель_Key=None),
            _good(
                "Молоко",
                Ref_Key=A,
                Code="М-1   ",
                Цена=90,
                Вес=1,
                Остаток=5,
                Производитель_Key=B,
                Произведен="2026-01-31T23:59:00",
                ГоденДо="2026-02-28T23:59:00",
                Идентификатор=A,
                Значение="4",
                Значение_Type="Edm.Double",
                Описание="Свежее",
            ),
            _good(
                "Сыр",
                Ref_Key=B,
                Code="С-1   ",
                Цена=900,
                Производитель_Key=A,
                Произведен="2026-02-01T00:01:00",
                Значение=A,
                Значение_Type="StandardODATA.Catalog_Партнеры",
            ),
        ],
        "Catalog_Партнеры": [
            {"Ref_Key": A, "Description": "Сыродел", "ИНН": "7701", "Головной_Key": B},
            {"Ref_Key": B, "Description": "Буренка", "ИНН": "5002", "Головной_Key": EMPTY},
        ],
        "Document_Заказ": [
            {
                "Ref_Key": A,
                "Number": "1",
                "Date": "2026-01-01T10:00:00",
                "Posted": True,
                "Партнер_Key": A,
                "Основание": B,
                "Основание_Type": "StandardODATA.Document_Заказ",
                "Товары": [_line(1, 100), _line(2, 20000)],
                "Скидки": [],
            },
            {
                "Ref_Key": B,
                "Number": "2",
                "Date": "2026-01-02T10:00:00",
                "Posted": False,
                "Партнер_Key": B,
                "Основание": "",
                "Основание_Type": "StandardODATA.Undefined",
                "Товары": [],
                "Скидки": [],
            },
        ],
        "AccumulationRegister_Остатки": [
            {
                "Recorder": A,
                "Recorder_Type": "StandardODATA.Document_Заказ",
                "RecordSet": [{"Period": "2026-01-01T10:00:00", "LineNumber": 1, "Сумма": 5}],
            },
        ],
    }


@pytest.fixture(scope="session")
def base():
    return Base(types=_types(), sets=_sets())
