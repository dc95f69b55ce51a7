"""Rows of the wanted properties are those that the patient reader of Atom gives, of genuine entries and of odd ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onec_pipelines.errors import RetryLater
from onec_pipelines.onec.atom import read_feed
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.onec.packet_index import PacketIndex
from onec_pipelines.onec.packet_rows import RowReader

HEAD = (
    b'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices"'
    b' xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
)
TYPE = "Catalog_Номенклатура"
SECTION = f'm:type="Collection(StandardODATA.{TYPE}_ДополнительныеРеквизиты_RowType)"'
ROW = (
    f'<d:element m:type="StandardODATA.{TYPE}_ДополнительныеРеквизиты_RowType">'
    "<d:Значение>1</d:Значение><d:Артикул>в строке</d:Артикул></d:element>"
)
NOT_NULL = '<d:Артикул m:null="" >'
WANTED = ("Ref_Key", "Артикул", "ЭтоГруппа", "ДополнительныеРеквизиты")
PLAIN = '<d:Ref_Key>k</d:Ref_Key><d:Артикул>а</d:Артикул><d:ЭтоГруппа m:null="true"/><d:Лишнее>x</d:Лишнее>'


@pytest.fixture(scope="module")
def metadata(genuine):
    return parse_metadata(genuine / "recordings" / "msg001_metadata.xml")


def entry(properties: str) -> bytes:
    return (
        f'<entry><id>http://h/o/{TYPE}(guid\'k\')</id><category term="StandardODATA.{TYPE}"/><link rel="edit" href="x"/>'
        f'<content type="application/xml"><m:properties>{properties}</m:properties></content></entry>'
    ).encode()


def both(metadata, entries, names=WANTED, head=HEAD, type_name=TYPE):
    """What this reader and the patient one say of the wanted properties."""
    patient = read_feed(head + b"".join(entries) + b"</feed>", metadata).entries
    wanted = [{name: cell for name, cell in one.row.items() if name in names} for one in patient]
    return list(RowReader(head, type_name, metadata, names).rows(entries)), wanted


@pytest.mark.parametrize(
    ("name", "type_name", "names"),
    [
        ("msg002_nomenklatura.xml", TYPE, ("Ref_Key", "DataVersion", "Описание", "ДополнительныеРеквизиты")),
        ("msg003_zakaz_klienta.xml", "Document_ЗаказКлиента", ("Ref_Key", "Date", "Posted", "Товары")),
        ("msg004_kontragenti.xml", "Catalog_Контрагенты", ("Ref_Key", "ИНН", "КонтактнаяИнформация")),
    ],
)
def test_genuine_entries_read_as_ever(metadata, genuine, name, type_name, names):
    document = (genuine / "recordings" / name).read_bytes().removeprefix(b"\xef\xbb\xbf")
    index = PacketIndex()
    entries = [document[one.starts_at : one.ends_at] for one in index.entries([document])]

    found, expected = both(metadata, entries, names, document[: index.head_bytes], type_name)

    assert found == expected
    # An order comes with the record sets of its registers.
    assert any(set(row) == set(names) for row in found)


@pytest.mark.parametrize(
    "properties",
    [
        f"{PLAIN}<d:ДополнительныеРеквизиты {SECTION}>{ROW}</d:ДополнительныеРеквизиты>",
        f"<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN}",
        f'{PLAIN}<d:Прочие m:type="Collection(StandardODATA.X)">{ROW}</d:Прочие><d:ДополнительныеРеквизиты {SECTION}/>',
        f"<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN}<!-- <d:Артикул>нет</d:Артикул> -->",
        f"<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN.replace('>а<', '><![CDATA[<d:Артикул>]]><')}",
        f"<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN.replace('>а<', '>a/>b &lt;d:Артикул/&gt;&#13;&amp;<')}",
        f"<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN.replace('<d:Артикул>', NOT_NULL)}",
        f"<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN.replace('<d:Артикул>', chr(60) + 'd:Артикул' + chr(10) + '>')}",
        f"<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN}<d:Артикул>второй</d:Артикул>",
        f'<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN}<d:Вложено m:type="StandardODATA.X"><d:Артикул>не он</d:Артикул></d:Вложено>',
        f"<d:ДополнительныеРеквизиты {SECTION}/>{PLAIN}<d:Вложено><d:Артикул>не он</d:Артикул></d:Вложено>",
        "<d:Ref_Key>k</d:Ref_Key>",
        "",
    ],
    ids=[
        *(
            "section",
            "empty section",
            "other section",
            "comment",
            "cdata",
            "entities",
            "attribute",
            "line break",
        ),
        *("twice", "nested", "nested without a type", "missing", "nothing"),
    ],
)
def test_odd_entries_read_as_ever(metadata, properties):
    found, expected = both(metadata, [entry(properties), entry(PLAIN)])

    assert found == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Ref_Key", "Артикул", "ЭтоГруппа", "Лишнее", "Артикул2"]),
            st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12),
        ),
        max_size=8,
    )
)
def test_any_texts_in_any_order_read_as_ever(metadata, cells):
    texts = [(name, text.replace("&", "&amp;").replace("<", "&lt;")) for name, text in cells]
    properties = "".join(f"<d:{name}>{text.replace(']]>', ']]&gt;')}</d:{name}>" for name, text in texts)

    found, expected = both(metadata, [entry(properties)])

    assert found == expected


def test_what_is_no_xml_is_a_bad_answer(metadata):
    with pytest.raises(RetryLater) as caught:
        list(RowReader(HEAD, TYPE, metadata, WANTED).rows([entry("<d:Ref_Key>&nothing;</d:Ref_Key>")]))

    assert caught.value.code == "ONEC_BAD_ANSWER"


def test_absurd_depth_is_a_bad_answer(metadata):
    deep = '<d:a m:type="StandardODATA.X">' * 200 + "</d:a>" * 200
    with pytest.raises(RetryLater) as caught:
        list(RowReader(HEAD, TYPE, metadata, WANTED).rows([entry(deep)]))

    assert caught.value.code == "ONEC_BAD_ANSWER"
