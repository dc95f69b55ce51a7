"""The index of a packet: every entry with its bytes, of genuine packets and of hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onec_pipelines.errors import RetryLater
from onec_pipelines.onec.atom import read_feed
from onec_pipelines.onec.metadata import parse_metadata
from onec_pipelines.onec.packet_index import PacketIndex
from onec_pipelines.onec.xml_reader import pieces_of

KEY = "8b9660f6-6332-11ec-ad72-000c29b45b09"
NAMESPACES = (
    'xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0" '
    'xmlns:d="http://schemas.microsoft.com/ado/2007/08/dataservices" '
    'xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"'
)
TOMBSTONE = (
    f'<at:deleted-entry ref="http://h/o/Catalog_%D0%A5(guid\'{KEY.upper()}\')" when="2026-06-15T09:47:42"/>'
)


def entry(body="<d:Text>а</d:Text>", *, type_name="Catalog_X", key=f"guid'{KEY}'"):
    return (
        f"<entry><id>http://h/o/{type_name}({key})</id><category term='StandardODATA.{type_name}'/>"
        f"<content type='application/xml'><m:properties>{body}</m:properties></content></entry>"
    )


def record_set(rows):
    return entry(
        f"<d:Recorder>{KEY}</d:Recorder><d:RecordSet>{rows}</d:RecordSet><d:Other><d:element/></d:Other>",
        type_name="AccumulationRegister_X",
        key=f"Recorder='{KEY}', Recorder_Type='StandardODATA.Document_Y'",
    )


def feed(*parts, start="", namespaces=NAMESPACES):
    return f'<?xml version="1.0" encoding="UTF-8"?><feed {namespaces}>{start}{"".join(parts)}</feed>'.encode()


def index(document, size=1 << 18):
    made = PacketIndex()
    pieces = [document[at : at + size] for at in range(0, len(document), size)]
    return made, list(made.entries(pieces))


def slices(document, made, found):
    return [document[: made.head_bytes] + document[one.starts_at : one.ends_at] + b"</feed>" for one in found]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    "name", ["msg002_nomenklatura.xml", "msg003_zakaz_klienta.xml", "msg004_kontragenti.xml"]
)
def test_a_genuine_packet_cut_at_its_index_reads_as_the_whole_one(genuine, name, bom):
    metadata = parse_metadata(genuine / "recordings" / "msg001_metadata.xml")
    document = bom + (genuine / "recordings" / name).read_bytes()

    made, found = index(document)
    whole = read_feed(document, metadata).entries

    assert [(one.kind, one.type_name) for one in found] == [(one.kind, one.type_name) for one in whole]
    cut = [
        one for part in slices(document, made, found) for one in read_feed(bom * 0 + part, metadata).entries
    ]
    assert [one.row for one in cut] == [one.row for one in whole]
    assert all(
        one.key == read.row["Ref_Key"]
        for one, read in zip(found, whole, strict=True)
        if "Ref_Key" in read.row
    )


def test_kinds_types_and_keys_are_told_apart():
    rows = "<d:element><d:LineNumber>1</d:LineNumber></d:element>"
    document = feed(entry(), TOMBSTONE, record_set(rows), record_set(""), start="<title>t</title>")

    _, found = index(document)

    register = "AccumulationRegister_X"
    assert [(one.kind, one.type_name) for one in found] == [
        ("entry", "Catalog_X"),
        ("deleted", "Catalog_Х"),
        ("entry", register),
        ("emptied", register),
    ]
    assert [one.key for one in found[:2]] == [KEY, KEY]
    assert found[2].key.startswith("Recorder='")


def test_elements_beside_the_entries_are_nobodys():
    document = feed(entry(), "<m:count>1</m:count>", entry(), "<updated>x</updated>")

    made, found = index(document)

    assert len(found) == 2
    assert document[: made.head_bytes].endswith(b'metadata">')


@pytest.mark.parametrize("document", [feed(), f"<feed {NAMESPACES}/>".encode()])
def test_an_empty_queue_has_no_entries(document):
    assert index(document)[1] == []


@settings(max_examples=30)
@given(st.integers(1, 400), st.lists(st.sampled_from([entry(), TOMBSTONE, record_set("")]), max_size=6))
def test_it_does_not_matter_how_the_document_comes_in_pieces(size, parts):
    document = feed(*parts)
    assert index(document, size)[1] == index(document)[1]


def test_entries_come_before_the_document_ends():
    def pieces():
        yield feed(entry(), entry()).removesuffix(b"</feed>")
        while True:
            yield b" "

    assert next(PacketIndex().entries(pieces())).key == KEY


@pytest.mark.parametrize(
    "document",
    [
        b"",
        feed(entry())[:-8],
        feed(entry()) + b"<feed/>",
        feed(entry("<d:Text>\x0b</d:Text>")),
        feed(entry("<d:Text>&a;</d:Text>")).replace(b"?>", b'?><!DOCTYPE feed [<!ENTITY a "b">]>'),
        feed(record_set("<d:a>" * 200 + "</d:a>" * 200)),
        feed(entry()).decode().encode("utf-16"),
        b"<html><body>login</body></html>",
        feed("<entry><content/></entry>"),
        feed(entry()).replace(b"\xd0\xb0", b"\xff"),
    ],
    ids=[
        "empty",
        "cut",
        "two",
        "control",
        "doctype",
        "deep",
        "utf-16",
        "html",
        "nameless",
        "not utf-8",
    ],
)
def test_what_is_not_one_whole_feed_is_a_bad_answer(document):
    with pytest.raises(RetryLater) as caught:
        index(document)

    assert caught.value.code == "ONEC_BAD_ANSWER"


def test_an_address_of_a_megabyte_is_no_key():
    with pytest.raises(RetryLater):
        index(feed(f"<at:deleted-entry ref=\"http://h/o/{'x' * 1_000_000}('1')\"/>"))


def test_the_pieces_of_a_file_are_read(genuine):
    made = PacketIndex()
    assert len(list(made.entries(pieces_of(genuine / "recordings" / "msg002_nomenklatura.xml")))) == 5
