"""ТоварыНаСкладах: what is on hand, what of it is about to be shipped or reserved, and what is left to sell (PROTOCOL §11.5).

The formula is the setting ONEC_STOCK_FORMULA, which stands in `integ.stock_policy`: `less_reserves` subtracts the rows of
`reserves`, `on_hand_minus_to_ship` does not. The exact formula is the configuration's own business; compare with 1C's report «Остатки и
доступность товаров».
"""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import (
    Column,
    ColumnType,
    Entity,
    Field,
    Limit,
    Measure,
    Reading,
    Source,
    Split,
    Target,
    ref,
)

# A third of what the shop's columns hold, so that the difference of three fits as well.
LIMIT = Decimal(333_000_000_000)

STOCK = Entity(
    name="stock",
    title_ru="Остатки на складах",
    description="Stock by warehouse: on hand, about to be shipped, reserved, and what is left of it to sell.",
    group="stock",
    source=Source(
        resources=("AccumulationRegister_ТоварыНаСкладах",),
        reading=Reading.WHOLE,
        function="Balance",
        dimensions=("Номенклатура", "Характеристика", "Склад"),
        narrow="product_ref",
        split=Split(
            entity="warehouses",
            field="Склад_Key",
            where="is_folder IS NOT TRUE AND deletion_mark IS NOT TRUE",
        ),
    ),
    key=("warehouse_ref", "product_ref", "variant_ref"),
    fields=(
        ref("warehouse_ref", "Склад_Key", to="warehouses", nullable=False),
        ref("product_ref", "Номенклатура_Key", to="products", nullable=False),
        ref("variant_ref", "Характеристика_Key", to="variants", required=False),
        Field(
            name="on_hand",
            source=("ВНаличииBalance",),
            type=ColumnType.DECIMAL,
            scale=3,
            minimum=-LIMIT,
            maximum=LIMIT,
        ),
        Field(
            name="to_ship",
            source=("КОтгрузкеBalance",),
            type=ColumnType.DECIMAL,
            scale=3,
            minimum=-LIMIT,
            maximum=LIMIT,
            required=False,
        ),
    ),
    target=Target(
        table="shop.stock",
        joins=(
            "LEFT JOIN clean.reserves rs ON rs.system_name = c.system_name AND rs.row_key = c.row_key"
            " AND rs.deleted_at IS NULL"
            " LEFT JOIN integ.stock_policy sp ON sp.system_name = c.system_name"
        ),
        reads=("reserves",),
        columns=(
            Column(name="warehouse_id", reference="warehouse_ref", required=True),
            Column(name="product_id", reference="product_ref", required=True),
            Column(name="variant_id", reference="variant_ref", required=True),
            Column(
                name="on_hand",
                sql="CASE WHEN c.deleted_at IS NULL THEN coalesce(c.on_hand, 0) ELSE 0 END",
                inputs=("on_hand",),
                doc="As 1C keeps it: may be negative or a fraction",
            ),
            Column(
                name="to_ship",
                sql="CASE WHEN c.deleted_at IS NULL THEN coalesce(c.to_ship, 0) ELSE 0 END",
                inputs=("to_ship",),
            ),
            Column(
                name="reserved",
                sql="coalesce(rs.reserved, 0) + coalesce(rs.set_aside, 0)",
                doc="By the release's register of reserves; zero when it publishes none",
            ),
            Column(
                name="available",
                sql=(
                    "integ.stock_available(sp.formula, sp.negative,"
                    " CASE WHEN c.deleted_at IS NULL THEN c.on_hand END,"
                    " CASE WHEN c.deleted_at IS NULL THEN c.to_ship END,"
                    " coalesce(rs.reserved, 0) + coalesce(rs.set_aside, 0))"
                ),
                inputs=("on_hand", "to_ship"),
                doc=(
                    "on_hand − to_ship − reserved (ONEC_STOCK_FORMULA), zero instead of a negative number unless"
                    " ONEC_NEGATIVE_STOCK=keep; a balance that 1C no longer reports is zero. View shop.negative_stock"
                ),
            ),
        ),
    ),
    depends_on=("warehouses", "products", "variants", "reserves"),
    limits=(
        Limit(
            name="stock_to_zero",
            measure=Measure.TO_ZERO,
            column="available",
            by=("product_id", "variant_id"),
            rows=200,
        ),
    ),
    has_ids=False,
)
