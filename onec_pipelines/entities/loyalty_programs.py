"""БонусныеПрограммыЛояльности: what a point is worth and how much of a purchase points may pay (PROTOCOL §11.9)."""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    Source,
    Target,
    ref,
)

LOYALTY_PROGRAMS = Entity(
    name="loyalty_programs",
    title_ru="Бонусные программы лояльности",
    description="Loyalty programmes: worth of a point, greatest share of a purchase that points may pay.",
    group="loyalty",
    source=Source(resources=("Catalog_БонусныеПрограммыЛояльности",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(
            name="point_value",
            source=("КурсКонвертацииБонусовВВалюту",),
            type=ColumnType.DECIMAL,
            minimum=Decimal(0),
            maximum=Decimal(10**9),
        ),
        Field(
            name="max_paid_percent",
            source=("МаксимальныйПроцентОплатыБонусами",),
            type=ColumnType.DECIMAL,
            minimum=Decimal(0),
            maximum=Decimal(100),
        ),
        ref("currency_ref", "ВалютаКонвертацииБонусов_Key", to="currencies", required=False),
        Field(
            name="is_unearned_by_points",
            source=("НеНачислятьБаллыПриОплатеБонусами",),
            type=ColumnType.BOOLEAN,
            required=False,
            doc="True = a purchase that points pay for earns none",
        ),
    ),
    target=Target(
        table="shop.loyalty_programs",
        columns=(
            Column(name="name", copy="name"),
            Column(
                name="point_value",
                sql="trim_scale(c.point_value)",
                inputs=("point_value",),
                doc="Worth of one point in the currency",
            ),
            Column(
                name="max_paid_percent", sql="trim_scale(c.max_paid_percent)", inputs=("max_paid_percent",)
            ),
            Column(name="currency_id", reference="currency_ref"),
            Column(
                name="earns_when_paid_by_points",
                sql="NOT coalesce(c.is_unearned_by_points, false)",
                inputs=("is_unearned_by_points",),
            ),
            IS_DELETED,
        ),
    ),
    depends_on=("currencies",),
    optional=True,
)
