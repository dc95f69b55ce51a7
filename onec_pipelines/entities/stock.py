"""ТоварыНаСкладах: what is on hand and what of it is about to be shipped, by warehouse (PROTOCOL §11.5)."""

from __future__ import annotations

from decimal import Decimal

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

# Half of what the shop's columns hold, so that the difference of two fits as well.
LIMIT = Decimal(499_999_999_999)

STOCK = Entity(
    name="stock",
    title_ru="Остатки на складах",
    description="Stock by warehouse: on hand, about to be shipped, available (their difference, never below zero).",
    group="stock",
    source=Source(
        resources=("AccumulationRegister_ТоварыНаСкладах",),
        reading=Reading.WHOLE,
        function="Balance",
        dimensions=("Номенклатура", "Характеристика", "Склад"),
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
                name="available",
                sql=(
                    "CASE WHEN c.deleted_at IS NULL"
                    " THEN greatest(coalesce(c.on_hand, 0) - coalesce(c.to_ship, 0), 0) ELSE 0 END"
                ),
                inputs=("on_hand", "to_ship"),
                doc="on_hand − to_ship, never below zero; a balance that 1C no longer reports is zero",
            ),
        ),
    ),
    depends_on=("warehouses", "products", "variants"),
    has_ids=False,
)
