"""Atom on the wire has the structure of the genuine recordings (PROTOCOL §2.3)."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from onec_pipelines.simulator import atom_format, bodies, edmx, values
from onec_pipelines.simulator.columns import every
from onec_pipelines.simulator.http import Request
from onec_pipelines.simulator.kinds import Kinds
from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER

RECORDINGS = Path(__file__).parents[3].parent / "shared" / "onec" / "recordings"
ATOM = "{http://www.w3.org/2005/Atom}"
D = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"
M = "{http://schemas.microsoft.com/ado/2007/08/dataservices/metadata}"
needs_recordings = pytest.mark.skipif(
    not RECORDINGS.exists(), reason="the recordings are not beside the checkout"
)
NAMES = ["msg002_nomenklatura.xml", "msg003_zakaz_klienta.xml", "msg004_kontragenti.xml"]


def structure(element, path=""):
    """Every element with its path, attributes and text, whatever the order of siblings."""
    here = f"{path}/{element.tag.rsplit('}', 1)[-1]}"
    attributes = tuple(sorted((name, re.sub(r"\s+", " ", value)) for name, value in element.attrib.items()))
    out = Counter({(here, attributes, (element.text or "").strip()): 1})
    for child in element:
        out += structure(child, here)
    return out


def reprint(feed):
    """Read a genuine feed with the server's own reader and print it with its own printer."""
    kinds = Kinds(edmx.parse((RECORDINGS / "msg001_metadata.xml").read_bytes(), name="recorded"))
    root = feed.get("{http://www.w3.org/XML/1998/namespace}base").rstrip("/")
    parts = [atom_format.feed_head(root)]
    for entry in feed.findall(f"{ATOM}entry"):
        meta = kinds.entity(entry.find(f"{ATOM}category").get("term").removeprefix("StandardODATA."))
        body = ET.tostring(entry, encoding="utf-8")
        request = Request(method="POST", path="", query="", headers={}, body=body)
        sent = bodies.parse(request, meta)
        sent = {name: value for name, value in sent.items() if not isinstance(value, bodies.Bind)}
        row = {name: sent[name] for name in ("Ref_Key", "DataVersion", "PredefinedDataName") if name in sent}
        values.assign(meta, row, sent)
        columns = every(meta, single=True, packet=True)
        printer = atom_format.EntryPrinter(columns, root=root, moment=entry.findtext(f"{ATOM}updated"))
        parts.append(printer.entry(row))
    text = "".join([*parts, atom_format.feed_tail(None)])
    return ET.fromstring(text)  # noqa: S314 - printed just now


@needs_recordings
@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_objects_are_printed_as_1c_printed_them(name):
    genuine = ET.fromstring((RECORDINGS / name).read_text("utf-8"))  # noqa: S314 - a file of the project
    wanted, made = structure(genuine), structure(reprint(genuine))
    assert made - wanted == Counter()
    assert wanted - made == Counter()


def test_atom_is_the_default_and_holds_what_json_holds(ask):
    feed = ask(ORDER, "$top=3").xml
    rows = ask(ORDER, "$format=json&$top=3").rows
    assert feed.tag == f"{ATOM}feed"
    for entry, row in zip(feed.findall(f"{ATOM}entry"), rows, strict=True):
        properties = entry.find(f"{ATOM}content/{M}properties")
        names = {one.tag.removeprefix(D) for one in properties}
        assert names == {name for name in row if "@" not in name}
        assert properties.findtext(f"{D}Number") == row["Number"]
        assert len(properties.findall(f"{D}Товары/{D}element")) == len(row["Товары"])


def test_the_count_comes_at_the_end_of_the_feed(ask):
    feed = ask(GOODS, "$top=1&$inlinecount=allpages").xml
    assert feed[-1].tag == f"{M}count"
    assert int(feed[-1].text) == int(ask(f"{GOODS}/$count", "").text)


def test_an_empty_result_is_a_feed_without_entries(ask):
    feed = ask(GOODS, "$filter=Артикул eq 'нет такого'").xml
    assert feed.findall(f"{ATOM}entry") == []


def test_nulls_of_folders_are_marked(ask):
    feed = ask(GOODS, "$top=1&$filter=IsFolder eq true").xml
    assert feed.find(f".//{D}Артикул").get(f"{M}null") == "true"


def test_an_expanded_target_is_an_inline_entry(ask):
    feed = ask(GOODS, "$top=1&$filter=IsFolder eq false&$expand=ВидНоменклатуры").xml
    inner = feed.find(f".//{M}inline/{ATOM}entry")
    assert inner.find(f"{ATOM}category").get("term") == "StandardODATA.Catalog_ВидыНоменклатуры"


@pytest.mark.parametrize(
    ("query", "headers", "kind"),
    [
        ("", {}, "application/atom+xml"),
        ("", {"accept": "application/json"}, "application/json"),
        ("", {"accept": "application/atom+xml,application/xml"}, "application/atom+xml"),
        ("$format=atom", {"accept": "application/json"}, "application/atom+xml"),
        ("$format=application/json;odata=nometadata", {}, "application/json"),
    ],
)
def test_the_format_is_negotiated_by_format_first_and_accept_second(ask, query, headers, kind):
    assert ask(GOODS, f"$top=1&{query}", **headers).headers["Content-Type"].startswith(kind)


def test_a_base_may_ignore_accept(start):
    ask = start(accept="ignore")
    assert (
        ask(GOODS, "$top=1", accept="application/json")
        .headers["Content-Type"]
        .startswith("application/atom+xml")
    )


def test_an_unknown_format_is_refused(ask):
    assert ask(GOODS, "$format=csv").status == 406
