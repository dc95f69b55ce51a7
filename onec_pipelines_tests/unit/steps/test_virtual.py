"""What is asked of a virtual table, by release."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import unquote
from zoneinfo import ZoneInfo

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.simulator.releases import shape_of
from onec_pipelines.steps.resolve import resolve
from onec_pipelines.steps.virtual import address
from onec_pipelines_tests.fixtures.schemas import metadata_of

ZONE = ZoneInfo("Asia/Vladivostok")
PLACE = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"


def asked(entity, release, **values):
    plan = resolve(BY_NAME[entity], metadata_of(shape_of(release)), **values.pop("of", {}))
    return unquote(address(plan, zone=ZONE, **values))


def test_a_warehouse_of_several_types_is_compared_by_cast():
    said = asked("reserves", "11.5.20", parts=(PLACE,))

    assert f"ЗапасыИПотребности/Balance?Condition='Склад eq cast(guid''{PLACE}'',''Catalog_Склады'')'" in said
    assert "$filter=РезервироватьНаСкладеBalance ne 0" in said


@pytest.mark.parametrize(
    ("register", "filter_"),
    [
        ("СвободныеОстатки", "(ВРезервеСоСкладаBalance ne 0) or (ВРезервеПодЗаказBalance ne 0)"),
        ("ТоварыКОтгрузке", "ВРезервеBalance ne 0"),
        ("ЗаказыКлиентов", "КОформлениюBalance ne 0"),
    ],
)
def test_a_warehouse_of_one_type_is_compared_as_it_is(register, filter_):
    said = asked("reserves", "11.4", parts=(PLACE,), of={"resource": f"AccumulationRegister_{register}"})

    assert f"Condition='Склад_Key eq guid''{PLACE}'''" in said
    assert f"$filter={filter_}" in said


def test_points_are_asked_for_as_of_now_in_the_wall_clock_of_the_base():
    said = asked("loyalty_balances", "11.5.20")

    moment = datetime.strptime(said.partition("Period=datetime'")[2][:19], "%Y-%m-%dT%H:%M:%S").replace(
        tzinfo=ZONE
    )
    assert abs(datetime.now(ZONE) - moment) < timedelta(minutes=1)
    assert "Condition" not in said


def test_further_conditions_are_joined_with_the_part():
    said = asked("stock", "11.4", parts=(PLACE,), condition="a eq 1")

    assert f"Condition='(a eq 1) and (Склад_Key eq guid''{PLACE}'')'" in said
    assert "$filter" not in said
    assert "Period" not in said


@pytest.mark.parametrize(
    ("release", "register"),
    [
        ("11.4", "СвободныеОстатки"),
        ("11.5.8", "ТоварыКОтгрузке"),
        ("11.5.20", "ЗапасыИПотребности"),
        ("11.5.27", "ЗапасыИПотребности"),
    ],
)
def test_every_release_has_a_register_of_reserves(release, register):
    plan = resolve(BY_NAME["reserves"], metadata_of(shape_of(release)))

    assert plan.resource == f"AccumulationRegister_{register}"
    assert set(plan.missing) == ({"set_aside"} if release != "11.4" else set())
