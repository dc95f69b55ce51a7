"""The exchange plan delivers as measured on live bases (PROTOCOL §7.1)."""

from __future__ import annotations

import pytest

from onec_pipelines_tests.unit.simulator.asker import GOODS, ORDER

PLAN = "ExchangePlan_ОбменССайтом"
ATOM = "{http://www.w3.org/2005/Atom}"
D = "{http://schemas.microsoft.com/ado/2007/08/dataservices}"
KEY = "3f0c5f6e-7c1b-5a2e-9d1b-0a6f3c2b1d00"
STOCK = "AccumulationRegister_ТоварыНаСкладах"
RECEIPT = "Document_ПриобретениеТоваровУслуг"


def node(ask):
    plan, guid = next(ask.service.writes.exchange.nodes())
    return f"http://srv/ut/odata/standard.odata/{plan}(guid'{guid}')", guid


def select(ask, number, **options):
    query = f"DataExchangePoint='{node(ask)[0]}'&MessageNo={number}"
    return ask("SelectChanges", query, method="POST", **options)


def acknowledge(ask, number):
    query = f"DataExchangePoint='{node(ask)[0]}'&MessageNo={number}"
    answer = ask("NotifyChangesReceived", query, method="POST")
    assert (answer.status, answer.body) == (200, b"")


def entries(answer):
    assert answer.status == 200, answer.text
    return [entry.findtext(f"{ATOM}id").rsplit("/", 1)[-1] for entry in answer.xml.findall(f"{ATOM}entry")]


def make(ask, name=GOODS, **body):
    return f"{name}(guid'{ask.post(name, {'Description': 'Проба', **body}).json['Ref_Key']}')"


def test_an_empty_queue_is_a_feed_without_entries(fresh):
    assert entries(select(fresh, 1)) == []


def test_the_same_number_redelivers_and_adds_what_is_new(fresh):
    first = make(fresh)
    assert entries(select(fresh, 1)) == [first]
    second = make(fresh)
    assert entries(select(fresh, 1)) == [first, second]


def test_another_number_gives_only_what_is_new(fresh):
    make(fresh)
    select(fresh, 1)
    second = make(fresh)
    assert entries(select(fresh, 2)) == [second]


def test_an_acknowledged_message_is_forgotten_and_a_rewritten_object_survives(fresh):
    first, second = make(fresh), make(fresh)
    select(fresh, 1)
    fresh.patch(second, {"Description": "Иная"})
    acknowledge(fresh, 1)
    assert entries(select(fresh, 2)) == [second]
    assert first not in entries(select(fresh, 2))


def test_the_node_counts_sent_and_received_messages_as_text(fresh):
    make(fresh)
    select(fresh, 70)
    row = fresh(f"{PLAN}(guid'{node(fresh)[1]}')").json
    assert row["SentNo"] == "70"
    acknowledge(fresh, 70)
    assert fresh(f"{PLAN}(guid'{node(fresh)[1]}')").json["ReceivedNo"] == "70"


def test_options_do_not_change_a_packet(fresh):
    make(fresh)
    query = f"DataExchangePoint='{node(fresh)[0]}'&MessageNo=1&$format=json&$top=0&$select=Ref_Key"
    answer = fresh("SelectChanges", query, method="POST")
    assert len(entries(answer)) == 1
    assert answer.xml.find(f".//{D}Description").text == "Проба"


def test_posting_sends_the_document_and_its_records_and_unposting_an_empty_set(start):
    ask = start(exchange=f"{RECEIPT},{STOCK}")
    document = next(row for row in ask(RECEIPT).rows if row["Posted"])
    address = f"{RECEIPT}(guid'{document['Ref_Key']}')"
    records = f"{STOCK}(Recorder='{document['Ref_Key']}', Recorder_Type='StandardODATA.{RECEIPT}')"
    ask(f"{address}/Post", "", method="POST")
    answer = select(ask, 1)
    assert sorted(entries(answer)) == sorted([address, records])
    rows = answer.xml.findall(f".//{D}RecordSet/{D}element")
    assert rows[0].findtext(f"{D}Recorder") == document["Ref_Key"]
    ask(f"{address}/Unpost", "", method="POST")
    answer = select(ask, 2)
    assert records in entries(answer)
    assert answer.xml.findall(f".//{D}RecordSet/{D}element") == []


def test_independent_registers_are_never_delivered(start):
    ask = start(exchange="InformationRegister_ШтрихкодыНоменклатуры")
    ask.post("InformationRegister_ШтрихкодыНоменклатуры", {"Штрихкод": "2000000000008"})
    assert entries(select(ask, 1)) == []


def test_what_is_not_published_stays_in_the_queue_without_a_word(start):
    ask = start(publish=f"{ORDER},{PLAN}", exchange=f"{GOODS},{ORDER}")
    ask.service.writes.exchange.changed(GOODS, (KEY,), None)
    order = f"{ORDER}(guid'{ask.post(ORDER, {'Date': '2026-01-01T00:00:00'}).json['Ref_Key']}')"
    assert entries(select(ask, 1)) == [order]
    acknowledge(ask, 1)
    assert next(iter(ask.service.writes.exchange.sizes().values())) == 1


@pytest.mark.parametrize(("tombstones", "found"), [(False, 0), (True, 1)])
def test_a_physical_deletion_is_not_conveyed_unless_the_switch_says_so(start, tombstones, found):
    ask = start(tombstones=tombstones)
    address = make(ask)
    ask(address, method="DELETE")
    answer = select(ask, 1)
    assert entries(answer) == []
    assert len(answer.xml.findall("{http://purl.org/atompub/tombstones/1.0}deleted-entry")) == found


def test_one_illegal_character_stops_the_whole_packet(fresh):
    make(fresh)
    bad = make(fresh, Артикул="А\x0bБ")
    assert select(fresh, 1).status == 400
    fresh.patch(bad, {"Артикул": "АБ"})
    assert len(entries(select(fresh, 1))) == 2


def test_get_executes_too(fresh):
    address = make(fresh)
    answer = fresh("SelectChanges", f"DataExchangePoint='{node(fresh)[0]}'&MessageNo=1")
    assert entries(answer) == [address]


def test_a_missing_argument_and_an_unknown_node_are_refused(fresh):
    assert fresh("SelectChanges", "$format=json&MessageNo=1", method="POST").error[:2] == (400, "12")
    point = f"http://srv/ut/odata/standard.odata/{PLAN}(guid'{KEY}')"
    query = f"$format=json&DataExchangePoint='{point}'&MessageNo=1"
    assert fresh("SelectChanges", query, method="POST").error[:2] == (404, "9")
