"""Reserves of orders by warehouse, out of whichever register the release keeps them in (PROTOCOL §11.1, §11.5).

UT ≥ 11.5.20 `ЗапасыИПотребности`, 11.4 `СвободныеОстатки`, else `ТоварыКОтгрузке`, else `ЗаказыКлиентов`, which knows only what is
ordered and not shipped yet, goods that still have to be bought among them. Rows have the key of `stock`, whose merge joins them.
"""

from __future__ import annotations

from onec_pipelines.entities.stock import LIMIT
from onec_pipelines.spec import (
    Column,
    ColumnType,
    Entity,
    Field,
    Reading,
    Source,
    Split,
    Target,
    ref,
)

# Of the 11.4 register two resources are added up.
_HALF = LIMIT / 2

RESERVES = Entity(
    name="reserves",
    title_ru="Резервы",
    description="Reserved for orders by warehouse; subtracted from stock under ONEC_STOCK_FORMULA=less_reserves.",
    group="stock",
    source=Source(
        resources=(
            "AccumulationRegister_ЗапасыИПотребности",
            "AccumulationRegister_СвободныеОстатки",
            "AccumulationRegister_ТоварыКОтгрузке",
            "AccumulationRegister_ЗаказыКлиентов",
        ),
        reading=Reading.WHOLE,
        function="Balance",
        dimensions=("Номенклатура", "Характеристика", "Склад"),
        narrow="product_ref",
        nonzero=("reserved", "set_aside"),
        split=Split(
            entity="warehouses",
            field="Склад_Key",
            where="is_folder IS NOT TRUE AND deletion_mark IS NOT TRUE",
            composite=("Склад", "Catalog_Склады"),
        ),
    ),
    key=("warehouse_ref", "product_ref", "variant_ref"),
    fields=(
        Field(
            name="warehouse_ref",
            source=("Склад_Key", "Склад"),
            type=ColumnType.GUID,
            references="warehouses",
            nullable=False,
        ),
        ref("product_ref", "Номенклатура_Key", to="products", nullable=False),
        ref("variant_ref", "Характеристика_Key", to="variants", required=False),
        Field(
            name="reserved",
            source=(
                "РезервироватьНаСкладеBalance",
                "ВРезервеСоСкладаBalance",
                "ВРезервеBalance",
                "КОформлениюBalance",
            ),
            type=ColumnType.DECIMAL,
            scale=3,
            minimum=-_HALF,
            maximum=_HALF,
        ),
        Field(
            name="set_aside",
            source=("ВРезервеПодЗаказBalance",),
            type=ColumnType.DECIMAL,
            scale=3,
            minimum=-_HALF,
            maximum=_HALF,
            required=False,
            doc="UT 11.4: put aside for one order",
        ),
    ),
    target=Target(
        table="shop.stock_reserves",
        columns=(
            Column(name="warehouse_id", reference="warehouse_ref", required=True),
            Column(name="product_id", reference="product_ref", required=True),
            Column(name="variant_id", reference="variant_ref", required=True),
            Column(
                name="reserved",
                sql="CASE WHEN c.deleted_at IS NULL THEN coalesce(c.reserved, 0) + coalesce(c.set_aside, 0) ELSE 0 END",
                inputs=("reserved", "set_aside"),
                doc="A reserve that 1C no longer reports is zero",
            ),
        ),
    ),
    depends_on=("warehouses", "products", "variants"),
    has_ids=False,
    optional=True,
    # Orders come and go: a busy day frees most reserves, and none of them is an object that could be lost.
    max_absent_share=1.0,
)
