"""Rewritten answers: of the named person nothing personal is left, and every other byte is as it was."""

from __future__ import annotations

import json

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.steps.redact import FORGOTTEN, redact_atom, redact_json, redact_packet, rule_of

WHO, OTHER = "3f0d9d2c-7a51-11ee-b962-0242ac120002", "3f0d9d2c-7a51-11ee-b962-0242ac120003"
RULE = rule_of(BY_NAME["customers"])
SECRET = 'Анна "Рыжая" Канарейкина'


def person(key):
    return {
        "Ref_Key": key,
        "DataVersion": "AAAA=",
        "DeletionMark": False,
        "Description": SECRET,
        "НаименованиеПолное": SECRET,
        "ЮрФизЛицо": "ЧастноеЛицо",
        "ДатаРождения": "1990-05-31T00:00:00",
        "ДатаРегистрации": "2020-01-02T00:00:00",
        "Комментарий": f"{SECRET}, ИНН 7707083893",
        "Скидка": 12.50,
        "КонтактнаяИнформация": [{"LineNumber": "1", "Тип": "Телефон", "Представление": "+79215550102"}],
    }


def page(*rows):
    return json.dumps({"odata.count": "2", "value": list(rows)}, ensure_ascii=False).encode()


def test_a_row_keeps_keys_numbers_and_plain_properties_only():
    (row,) = json.loads(redact_json(page(person(WHO)), {WHO}, RULE))["value"]
    assert row == {
        "Ref_Key": WHO,
        "DataVersion": "AAAA=",
        "DeletionMark": False,
        "Description": FORGOTTEN,
        "НаименованиеПолное": "",
        "ЮрФизЛицо": "ЧастноеЛицо",
        "ДатаРождения": "0001-01-01T00:00:00",
        "ДатаРегистрации": "2020-01-02T00:00:00",
        "Комментарий": "",
        "Скидка": 12.50,
        "КонтактнаяИнформация": [{"LineNumber": "1", "Тип": "Телефон", "Представление": ""}],
    }


def test_rows_of_others_do_not_change_by_a_byte():
    body = page(person(OTHER), person(WHO))
    other = json.dumps(person(OTHER), ensure_ascii=False).encode()
    found = redact_json(body, {WHO.upper()}, RULE)
    assert other in found
    assert found.count(SECRET.split()[2].encode()) == body.count(SECRET.split()[2].encode()) // 2
    assert redact_json(body, {"00000000-0000-0000-0000-00000000000f"}, RULE) is body


def test_doing_it_again_changes_nothing():
    once = redact_json(page(person(WHO)), {WHO}, RULE)
    assert redact_json(once, {WHO}, RULE) == once


def test_one_object_and_what_is_no_json_are_rewritten_too():
    alone = json.loads(redact_json(json.dumps(person(WHO)).encode(), {WHO}, RULE))
    assert alone["Description"] == FORGOTTEN
    assert redact_json(b'{"value":[{"Ref_Key":"%b", "x":' % WHO.encode(), {WHO}, RULE) == b'{"value":[]}'


def entry(key):
    return (
        f"<entry><title>{SECRET}</title><content><m:properties><d:Ref_Key>{key}</d:Ref_Key>"
        f"<d:Description>{SECRET}</d:Description><d:ЮрФизЛицо>ЧастноеЛицо</d:ЮрФизЛицо>"
        "<d:ДатаРождения>1990-05-31T00:00:00</d:ДатаРождения><d:Пол/><d:ИНН>7707083893</d:ИНН>"
        '<d:КонтактнаяИнформация m:type="Collection(X)"><d:element><d:LineNumber>1</d:LineNumber>'
        "<d:Представление>+79215550102</d:Представление></d:element></d:КонтактнаяИнформация>"
        "</m:properties></content></entry>"
    ).encode()


@pytest.mark.parametrize("same_length", [False, True])
def test_entries_of_a_feed_are_rewritten_and_others_are_not(same_length):
    body = entry(OTHER) + b"\n" + entry(WHO)
    found = redact_atom(body, {WHO}, RULE, same_length=same_length)
    assert found.startswith(entry(OTHER) + b"\n")
    rest = found[len(entry(OTHER)) :].decode()
    leaked = [s for s in (SECRET, "7707083893", "+79215550102", "1990-05-31") if s in rest]
    assert leaked == []
    kept = [
        s for s in (WHO, "ЧастноеЛицо", FORGOTTEN, "<d:LineNumber>1<", "0001-01-01T00:00:00") if s in rest
    ]
    assert len(kept) == 5
    assert (len(found) == len(body)) is same_length


def typed(key, type_name, text=""):
    body = entry(key).decode()
    return body.replace(
        "<entry>", f'<entry><category term="StandardODATA.{type_name}" scheme="x"/><summary>{text}</summary>'
    ).encode()


def test_a_piece_of_a_packet_is_rewritten_by_the_rule_of_each_type():
    ours, foreign, neighbour = (
        typed(WHO, "Catalog_Партнеры"),
        typed(OTHER, "Catalog_КонтактныеЛица", f"owner {WHO}"),
        typed(OTHER, "Catalog_Партнеры"),
    )
    found = redact_packet(ours + foreign + neighbour, {"Catalog_Партнеры": ({WHO}, RULE)}, [WHO])
    assert len(found) == len(ours + foreign + neighbour)
    assert found.endswith(neighbour)
    mine, theirs = found[: len(ours)].decode(), found[len(ours) : -len(neighbour)].decode()
    assert [SECRET in mine, SECRET in theirs, "+7921" in mine, "+7921" in theirs] == [False] * 4
    # What is declared and plain stays; of what nobody declares nothing does.
    assert ["ЧастноеЛицо" in mine, "ЧастноеЛицо" in theirs] == [True, False]
    assert OTHER in theirs
