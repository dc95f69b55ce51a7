from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.errors import Stop
from onec_pipelines.onec import query
from onec_pipelines.onec.query import IIS, SetQuery, UrlLimits

KEY = "8b9660f6-6332-11ec-ad72-000c29b45b09"
MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (query.guid(KEY.upper()), f"guid'{KEY}'"),
        (query.string("O'Нил"), "'O''Нил'"),
        (query.boolean(True), "true"),
        (query.number(Decimal("1E+3")), "1000"),
        (query.number(Decimal("0.10")), "0.10"),
        (query.number(-7), "-7"),
        (query.moment(datetime.fromisoformat("0001-01-01")), "datetime'0001-01-01T00:00:00'"),
        (query.moment(datetime.fromisoformat("2026-06-01T09:05:07.000999")), "datetime'2026-06-01T09:05:07'"),
        (query.moment(datetime(2026, 6, 1, 21, 0, tzinfo=UTC), MOSCOW), "datetime'2026-06-02T00:00:00'"),
        (
            query.cast(KEY, "StandardODATA.Document_ЗаказКлиента"),
            f"cast(guid'{KEY}','Document_ЗаказКлиента')",
        ),
        (query.all_of("A eq 1", None), "A eq 1"),
        (query.all_of("A eq 1", "B eq 2 or C eq 3"), "(A eq 1) and (B eq 2 or C eq 3)"),
        (query.any_of(None, ""), None),
    ],
)
def test_literals_are_what_1c_reads(literal, text):
    assert literal == text


@pytest.mark.parametrize(
    "build",
    [
        lambda: query.guid("{8b9660f6-6332-11ec-ad72-000c29b45b09}"),
        lambda: query.guid("x' or 1 eq 1"),
        lambda: query.string("a\nb"),
        lambda: query.number(Decimal("NaN")),
        lambda: query.moment(datetime(2026, 1, 1, tzinfo=UTC)),
        lambda: query.cast(KEY, "Catalog'X"),
        lambda: SetQuery(resource="Catalog_X?$filter=1").target(),
        lambda: SetQuery(resource="Catalog_X", select=("A,B",)).target(),
        lambda: SetQuery(resource="Catalog_X", orderby=("A descending",)).target(),
        lambda: SetQuery(resource="Catalog_X", top=-1).target(),
        lambda: query.virtual_table("R", "Balance", dimensions=("Склад'",)),
        lambda: query.entity("R", {"Код": "'a/b'"}),
        lambda: query.entity("R", {"Код": "'a+b'"}),
    ],
)
def test_what_cannot_be_said_to_1c_is_refused(build):
    with pytest.raises(Stop) as caught:
        build()

    assert caught.value.code == "ONEC_BAD_QUERY"


def test_a_set_query_says_everything_with_percent_20_for_spaces():
    target = SetQuery(
        resource="Catalog_Номенклатура",
        select=("Ref_Key", "Товары/Цена", "*"),
        filter="IsFolder eq false and Description eq 'a+b & c'",
        orderby=("Date desc", "Ref_Key"),
        top=200,
        skip=0,
        inlinecount=True,
        allowed_only=True,
    ).target()

    assert unquote(target).startswith("Catalog_Номенклатура?$format=json&$filter=IsFolder eq false")
    assert "+" not in target
    assert target.isascii()
    assert "%20and%20Description%20eq%20'a%2Bb%20%26%20c'&" in target
    assert unquote(target).endswith(
        "&$select=Ref_Key,Товары/Цена,*&$orderby=Date desc,Ref_Key&$top=200&$skip=0"
        "&$inlinecount=allpages&allowedOnly=true"
    )


def test_objects_are_addressed_by_a_guid_or_by_all_members_of_the_key():
    assert query.entity("Catalog_X", KEY) == f"Catalog_X(guid'{KEY}')?$format=json"
    composite = query.entity(
        "InformationRegister_X",
        {"Файл": query.string(KEY), "Файл_Type": query.string("StandardODATA.Catalog_Y")},
        select=("Хранилище_Key",),
    )
    assert unquote(composite) == (
        f"InformationRegister_X(Файл='{KEY}',Файл_Type='StandardODATA.Catalog_Y')?$format=json&$select=Хранилище_Key"
    )


def test_a_count_has_its_own_address():
    assert query.count("Catalog_X") == "Catalog_X/$count"
    assert query.count("Catalog_X", "A eq 1") == "Catalog_X/$count?$filter=A%20eq%201"


def test_a_virtual_table_takes_its_condition_in_the_query_with_quotes_doubled():
    target = query.virtual_table(
        "AccumulationRegister_ТоварыНаСкладах",
        "Balance",
        condition=f"Склад_Key eq guid'{KEY}'",
        dimensions=("Номенклатура", "Склад"),
        period="datetime'2026-06-02T00:00:00'",
        filter="ВНаличииBalance gt 0",
        select=("Номенклатура_Key", "ВНаличииBalance"),
    )

    assert unquote(target) == (
        "AccumulationRegister_ТоварыНаСкладах/Balance?Period=datetime'2026-06-02T00:00:00'"
        f"&Condition='Склад_Key eq guid''{KEY}'''&Dimensions='Номенклатура,Склад'"
        "&$format=json&$filter=ВНаличииBalance gt 0&$select=Номенклатура_Key,ВНаличииBalance"
    )


def test_a_virtual_table_takes_its_condition_in_the_path_when_asked():
    target = query.virtual_table("R", "SliceLast", condition=f"A_Key eq guid'{KEY}'", style="path")

    assert unquote(target) == f"R/SliceLast(Condition='A_Key eq guid''{KEY}''')?$format=json"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30))
def test_any_text_survives_the_way_into_a_filter(text):
    target = SetQuery(resource="X", filter=f"A eq {query.string(text)}").target()

    sent = dict(parse_qsl(target.partition("?")[2].replace("+", "%2B"), keep_blank_values=True))
    assert sent["$filter"] == f"A eq {query.string(text)}"


def keys(number):
    return [f"{index:08x}-0000-0000-0000-000000000001" for index in range(number)]


def test_key_batches_hold_every_key_once_within_the_number_and_the_length():
    base = SetQuery(resource="Catalog_X", select=("Ref_Key",), filter="DeletionMark eq false")
    limits = UrlLimits(query=900)

    batches = list(query.key_batches(keys(100), base, max_keys=30, limits=limits))

    assert [key for batch, _ in batches for key in batch] == keys(100)
    assert all(len(narrowed.target(limits).partition("?")[2]) <= 900 for _, narrowed in batches)
    assert max(len(batch) for batch, _ in batches) < 30
    assert batches[0][1].filter.startswith("(DeletionMark eq false) and (Ref_Key eq guid'00000000-")


def test_key_batches_of_nothing_are_none():
    assert list(query.key_batches([], SetQuery(resource="X"))) == []


def test_a_batch_of_one_that_is_too_long_is_refused():
    with pytest.raises(Stop) as caught:
        list(query.key_batches(keys(2), SetQuery(resource="X"), limits=UrlLimits(query=20)))

    assert caught.value.code == "ONEC_URL_TOO_LONG"


@pytest.mark.parametrize(
    "build",
    [
        lambda: SetQuery(resource="X", filter="A eq '" + "я" * 3000 + "'").target(),
        lambda: SetQuery(resource="X", select=("Наименование",) * 40).target(IIS),
        lambda: query.virtual_table("R", "Balance", condition="А eq 1 or " * 40, style="path", limits=IIS),
    ],
)
def test_an_address_too_long_for_web_servers_is_refused_with_the_limit(build):
    with pytest.raises(Stop) as caught:
        build()

    assert caught.value.code == "ONEC_URL_TOO_LONG"
    assert "limit" in caught.value.message
    assert "яя" not in str(caught.value)


def test_a_shown_request_keeps_names_guids_and_dates_but_no_values():
    shown = query.mask(
        SetQuery(
            resource="Catalog_Партнеры",
            filter=f"Ref_Key eq guid'{KEY}' and АдресЭП eq 'ivan@example.com' and ИНН eq 7701234567"
            " and Date ge datetime'2026-06-01T00:00:00'",
        ).target()
    )

    assert "Catalog_Партнеры" in shown
    assert KEY in shown
    assert "2026-06-01T00:00:00" in shown
    assert "ivan" not in shown
    assert "77012" not in shown


def test_a_shown_condition_hides_the_literals_inside_it():
    shown = query.mask(
        query.virtual_table("R", "Balance", condition=f"A_Key eq guid'{KEY}' and B eq 'тайна'")
    )

    assert "тайна" not in shown
    assert "A_Key" in shown
