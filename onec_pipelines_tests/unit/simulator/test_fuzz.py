"""Whatever a client sends, the server answers: no request makes it fail by a mistake of its own."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER, Asker

ASK = Asker(products=10)
KEY = "3f0c5f6e-7c1b-5a2e-9d1b-0a6f3c2b1d00"
WORDS = st.sampled_from(
    [
        *(
            "Ref_Key",
            "Description",
            "Товары",
            "Количество",
            "Автор",
            "Партнер",
            "eq",
            "and",
            "or",
            "not",
            "(",
            ")",
            ",",
        ),
        *(
            "any(d: d/Цена gt 1)",
            f"guid'{KEY}'",
            "datetime'2026-01-01T00:00:00'",
            "'текст'",
            "1",
            "1.5",
            "null",
            "*",
            "/",
        ),
        *(
            "cast(Автор,'Catalog_Пользователи')",
            "isof(Автор,'Edm.String')",
            "true",
            "desc",
            "substringof('а',Code)",
        ),
    ]
)
TEXT = st.one_of(st.lists(WORDS, max_size=8).map(" ".join), st.text(max_size=30))
OPTION = st.sampled_from(
    ["$filter", "$select", "$orderby", "$expand", "$top", "$skip", "$inlinecount", "$x", "Condition"]
)
PATHS = st.sampled_from(
    [
        *(GOODS, ORDER, f"{ORDER}_Товары", f"{GOODS}/$count", f"{GOODS}(guid'{KEY}')", "", "$metadata"),
        *("AccumulationRegister_ТоварыНаСкладах", "AccumulationRegister_ТоварыНаСкладах/Balance"),
        *("InformationRegister_ЦеныНоменклатуры25_RecordType/SliceLast", "InformationRegister_КурсыВалют"),
    ]
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["Ref_Key", "Description", "Товары", "Date", "Автор", "Автор_Type", "СуммаДокумента", "Posted", "x"]
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(PATHS, st.lists(st.tuples(OPTION, TEXT), max_size=3))
def test_no_read_makes_the_server_fail(path, options):
    query = "&".join(f"{name}={text}" for name, text in options)
    assert ASK(path, f"$format=json&{query}").status in {200, 400, 401, 404, 406, 414, 500, 501}


@QUICK
@given(
    st.sampled_from([GOODS, ORDER]),
    st.dictionaries(FIELDS, JSON, max_size=4),
    st.sampled_from(["POST", "PATCH", "PUT"]),
)
def test_no_body_makes_the_server_fail(name, body, method):
    path = name if method == "POST" else f"{name}(guid'{KEY}')"
    assert ASK(path, method=method, body=body).status in {200, 201, 400, 404, 500}


@QUICK
@given(st.binary(max_size=80))
def test_no_bytes_make_the_server_fail(body):
    assert ASK(GOODS, method="POST", body=body).status in {201, 400, 500}
