"""БонусныеБаллы: the points of each customer in each programme, as of now (PROTOCOL §11.1, §11.9).

Points that begin or expire later are movements of the future, which a balance without a moment would count already.
"""

from __future__ import annotations

from decimal import Decimal

from onec_pipelines.spec import Column, ColumnType, Entity, Field, Reading, Source, Target, ref

_LIMIT = Decimal(10**12)


def _points(name: str, source: str, *, required: bool = True, doc: str = "") -> Field:
    return Field(
        name=name,
        source=(source,),
        type=ColumnType.DECIMAL,
        scale=3,
        minimum=-_LIMIT,
        maximum=_LIMIT,
        required=required,
        doc=doc,
    )


_LIVE = "c.deleted_at IS NULL"

LOYALTY_BALANCES = Entity(
    name="loyalty_balances",
    title_ru="Бонусные баллы",
    description="Loyalty points by programme and customer: accrued, to be written off, reserved, available.",
    group="loyalty",
    source=Source(
        resources=("AccumulationRegister_БонусныеБаллы",),
        reading=Reading.WHOLE,
        function="Balance",
        dimensions=("БонуснаяПрограммаЛояльности", "Партнер"),
        narrow="partner_ref",
        as_of_now=True,
    ),
    key=("program_ref", "partner_ref"),
    fields=(
        ref("program_ref", "БонуснаяПрограммаЛояльности_Key", to="loyalty_programs", nullable=False),
        ref("partner_ref", "Партнер_Key", to="customers", nullable=False),
        _points("accrued", "НачисленоBalance"),
        _points("to_write_off", "КСписаниюBalance"),
        _points("reserved", "ЗарезервированоBalance", required=False, doc="UT 11.5.20 and later"),
    ),
    target=Target(
        table="shop.loyalty_balances",
        columns=(
            Column(name="program_id", reference="program_ref", required=True),
            Column(name="customer_id", reference="partner_ref", required=True),
            Column(
                name="accrued",
                sql=f"CASE WHEN {_LIVE} THEN coalesce(c.accrued, 0) ELSE 0 END",
                inputs=("accrued",),
            ),
            Column(
                name="to_write_off",
                sql=f"CASE WHEN {_LIVE} THEN coalesce(c.to_write_off, 0) ELSE 0 END",
                inputs=("to_write_off",),
            ),
            Column(
                name="reserved",
                sql=f"CASE WHEN {_LIVE} THEN coalesce(c.reserved, 0) ELSE 0 END",
                inputs=("reserved",),
            ),
            Column(
                name="balance",
                sql=f"CASE WHEN {_LIVE} THEN coalesce(c.accrued, 0) - coalesce(c.to_write_off, 0) ELSE 0 END",
                inputs=("accrued", "to_write_off"),
                doc="accrued − to_write_off; zero for what 1C no longer reports",
            ),
            Column(
                name="available",
                sql=(
                    f"CASE WHEN {_LIVE} THEN coalesce(c.accrued, 0) - coalesce(c.to_write_off, 0)"
                    " - coalesce(c.reserved, 0) ELSE 0 END"
                ),
                inputs=("accrued", "to_write_off", "reserved"),
                doc="balance − reserved: what may be paid with; negative when 1C says so",
            ),
        ),
    ),
    depends_on=("loyalty_programs", "customers"),
    has_ids=False,
    optional=True,
    # Points expire for many customers on one day.
    max_absent_share=0.5,
)
