"""`Catalog_Склады`: stores and warehouses in two folders, with addresses (PROTOCOL §11.5)."""

from __future__ import annotations

from onec_pipelines.simulator.data.dictionaries import folder, head
from onec_pipelines.simulator.data.tables import ListTable, by_presentation
from onec_pipelines.simulator.data.words.fixed import WAREHOUSES
from onec_pipelines.simulator.data.world import World
from onec_pipelines.simulator.source import Row

WAREHOUSE = "Catalog_Склады"


def warehouses(world: World) -> ListTable:
    """Give the warehouses.

    One of them is marked for deletion, one was created without a type when `broken`.
    """
    rows: list[Row] = [
        {**folder(world, WAREHOUSE, f"folder {name}", name), "ВыборГруппы": "Запретить"}
        for name in sorted({entry[2] for entry in WAREHOUSES})
    ]
    for name, sort, group in WAREHOUSES:
        retail = sort == "РозничныйМагазин"
        rows.append(
            {
                **head(world, WAREHOUSE, name, name),
                "IsFolder": False,
                "Parent_Key": world.ref(WAREHOUSE, f"folder {group}"),
                "ТипСклада": sort,
                "РозничныйВидЦены_Key": world.ref("Catalog_ВидыЦен", "Розничная")
                if retail
                else world.ref("Catalog_ВидыЦен", "Оптовая"),
                "УчетныйВидЦены_Key": world.ref("Catalog_ВидыЦен", "Закупочная"),
                "КонтролироватьОперативныеОстатки": not retail,
                "ИсточникИнформацииОЦенахДляПечати": "ПоВидуЦен",
            }
        )
    rows.append(
        {
            **head(world, WAREHOUSE, "Закрытый", "Склад Закрытый (не использовать)"),
            "IsFolder": False,
            "DeletionMark": True,
            "ТипСклада": "ОптовыйСклад",
        }
    )
    if world.broken:
        world.flag(WAREHOUSE, world.ref(WAREHOUSE, "!untyped"), "dangling folder, no type")
        rows.append(
            {
                **head(world, WAREHOUSE, "!untyped", "Склад временный"),
                "IsFolder": False,
                "Parent_Key": world.gone(2),
                "ТипСклада": "",
            }
        )
    return by_presentation(WAREHOUSE, rows)
