"""Customers, counterparties and their contacts: the shop is what 1C holds, after business and deletions too; nothing personal leaks."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.simulator.server import Simulator
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value

PARTNER, CONTRACTOR = "Catalog_Партнеры", "Catalog_Контрагенты"
NAMES = ("currencies", "price_types", "contact_kinds", "customers", "counterparties")
WANTED = [BY_NAME[name] for name in NAMES]
ZERO = "00000000-0000-0000-0000-000000000000"
NO_DATE = "0001-01-01T00:00:00"
# What is understood of texts that were typed badly; all others are an E.164 number or one address as they stand.
BAD = {
    "8(903)123-45-67 доб. 12 (Иван)": "+79031234567",
    "89031234567, +7 916 765 43 21": "+79031234567",
    "123-45-67": None,
    "Ivan.PETROV@Mail.RU": "ivan.petrov@mail.ru",
    "sales@example.ru; office@example.ru": "sales@example.ru",
    "нет почты": None,
}
KINDS = {"АдресЭлектроннойПочты": "email", "Телефон": "phone", "Адрес": "address"}


@pytest.fixture
def shop():
    with Simulator.start_thread(products=300, seed=7, day=20) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path):
    with open_fast(environment(shop, database_url, tmp_path, page_rows=50)) as opened:
        yield opened


def truth(simulator, name):
    answer = control(simulator, f"rows/{name}?top=100000")
    assert len(answer["rows"]) == answer["count"]
    return answer["rows"]


def one_line(text):
    return " ".join(text.replace("\u200b", "").split()) or None


def understood(line):
    if line["Тип"] not in {"АдресЭлектроннойПочты", "Телефон"}:
        return None
    typed = one_line(line["Представление"])
    if typed in BAD:
        return BAD[typed]
    return typed.lower() if "@" in typed else "+" + re.sub(r"\D", "", typed)


def day_of(text):
    return None if text == NO_DATE else date.fromisoformat(text[:10])


def customers_of_1c(simulator):
    """Every partner with a name, as the shop should have it."""
    found = {}
    for row in truth(simulator, PARTNER):
        if not row["Description"].strip():
            continue
        values = [(line["Тип"], understood(line)) for line in row["КонтактнаяИнформация"]]
        born = day_of(row["ДатаРождения"])
        found[row["Ref_Key"]] = (
            row["Code"].strip(),
            one_line(row["Description"]),
            one_line(row["НаименованиеПолное"]),
            {"Компания": "company", "ЧастноеЛицо": "person", "": None}[row["ЮрФизЛицо"]],
            row["Клиент"],
            row["Поставщик"],
            {"Мужской": "male", "Женский": "female", "": None}[row["Пол"]],
            born if born and 1900 <= born.year <= date.today().year else None,  # noqa: DTZ011 - a day
            day_of(row["ДатаРегистрации"]),
            next((held for sort, held in values if sort == "АдресЭлектроннойПочты" and held), None),
            next((held for sort, held in values if sort == "Телефон" and held), None),
            row["DeletionMark"],
        )
    return found


def customers_of_shop(url):
    rows = query(
        url,
        "SELECT m.external_id::text, t.code, t.name, t.full_name, t.legal_form, t.is_client, t.is_supplier, t.sex,"
        " t.birth_date, t.registered_on, t.email, t.phone, t.is_deleted FROM shop.customers t"
        " JOIN integ.external_id_mappings m ON m.internal_id = t.id AND m.entity_type = 'customers'",
    )
    return {row[0]: row[1:] for row in rows}


def lines_of_1c(simulator, table, kinds):
    found = set()
    for row in truth(simulator, table):
        if not row["Description"].strip():
            continue
        for line in row["КонтактнаяИнформация"]:
            address = json.loads(line["Значение"]) if line["Тип"] == "Адрес" else {}
            held = understood(line)
            found.add(
                (
                    row["Ref_Key"],
                    int(line["LineNumber"]),
                    KINDS[line["Тип"]],
                    kinds.get(line["Вид_Key"]),
                    one_line(line["Представление"]),
                    held,
                    None if line["Тип"] == "Адрес" else held is not None,
                    line["Город"] or None,
                    f"{address['street']} {address['streetType']}" if address else None,
                    address.get("ZIPcode"),
                )
            )
    return found


def lines_of_shop(url, table, entity):
    return set(
        query(
            url,
            "SELECT m.external_id::text, k.line_number, k.contact_type, k.kind, k.presentation, k.value, k.is_valid,"  # noqa: S608
            f" k.city, k.street, k.postcode FROM {table} k"
            f" JOIN integ.external_id_mappings m ON m.internal_id = k.owner_id AND m.entity_type = '{entity}'",
        )
    )


def check(shop, url):
    kinds = {row["Ref_Key"]: row["Description"] for row in truth(shop, "Catalog_ВидыКонтактнойИнформации")}
    expected = customers_of_1c(shop)
    found = customers_of_shop(url)
    assert {key: found[key] for key in expected} == expected
    assert all(row[-1] for key, row in found.items() if key not in expected)
    own = lines_of_shop(url, "shop.customer_contacts", "customers")
    assert {line for line in own if line[0] in expected} == lines_of_1c(shop, PARTNER, kinds)
    assert lines_of_shop(url, "shop.counterparty_contacts", "counterparties") == lines_of_1c(
        shop, CONTRACTOR, kinds
    )


def test_customers_and_their_contacts_are_what_1c_holds(shop, runtime, database_url):
    first = sync(runtime, WANTED)
    check(shop, database_url)
    assert first["customers"].missing_fields == []

    second = sync(runtime, WANTED)

    assert {(one.clean_changed, one.shop_changed) for one in second.values()} == {(0, 0)}


def test_counterparties_lead_to_their_customers(shop, runtime, database_url):
    sync(runtime, WANTED)

    found = query(
        database_url,
        "SELECT p.external_id::text, c.external_id::text FROM shop.counterparties t"
        " JOIN integ.external_id_mappings p ON p.internal_id = t.id AND p.entity_type = 'counterparties'"
        " JOIN integ.external_id_mappings c ON c.internal_id = t.customer_id AND c.entity_type = 'customers'",
    )
    known = customers_of_1c(shop)
    expected = {(row["Ref_Key"], row["Партнер_Key"]) for row in truth(shop, CONTRACTOR)}
    assert set(found) == {pair for pair in expected if pair[1] in known}
    assert len(found) > 50


def test_the_tree_of_customers_is_1cs(shop, runtime, database_url):
    sync(runtime, WANTED)

    known = customers_of_1c(shop)
    found = query(
        database_url,
        "SELECT o.external_id::text, p.external_id::text FROM shop.customers t"
        " JOIN integ.external_id_mappings o ON o.internal_id = t.id AND o.entity_type = 'customers'"
        " JOIN integ.external_id_mappings p ON p.internal_id = t.parent_id AND p.entity_type = 'customers'",
    )
    expected = {
        (row["Ref_Key"], row["Parent_Key"])
        for row in truth(shop, PARTNER)
        if row["Parent_Key"] in known and row["Ref_Key"] in known and row["Parent_Key"] != row["Ref_Key"]
    }
    assert set(found) == expected


def test_a_day_of_business_is_followed(shop, runtime, database_url):
    sync(runtime, WANTED)
    for kind in ("new customer", "edited customer"):
        control(shop, "day", {"steps": 6, "kind": kind})

    outcomes = sync(runtime, WANTED)

    assert outcomes["customers"].shop_new == 6
    check(shop, database_url)


def test_a_marked_customer_and_one_that_is_gone_are_deleted_in_the_shop(shop, runtime, database_url):
    sync(runtime, WANTED)
    known = [key for key, row in customers_of_1c(shop).items() if not row[-1]]
    marked, gone = known[0], known[1]
    control(shop, f"rows/{PARTNER}/{marked}", {"DeletionMark": True})
    control(shop, f"rows/{PARTNER}/{gone}", method="DELETE")

    sync(runtime, WANTED)
    before = customers_of_shop(database_url)
    sync(runtime, WANTED)

    found = customers_of_shop(database_url)
    assert (before[marked][-1], before[gone][-1]) == (True, False)
    assert (found[marked][-1], found[gone][-1]) == (True, True)
    assert value(database_url, "SELECT deleted_why FROM clean.customers WHERE ref = %s", gone) == "absent"


def test_what_is_wrong_is_told_without_personal_data(shop, runtime, database_url):
    sync(runtime, WANTED)

    told = "\n".join(
        text
        for table in (
            "clean.quarantine",
            "integ.audit_log",
            "integ.sync_jobs",
            "integ.unresolved_refs",
            "integ.sync_state",
        )
        for (text,) in query(database_url, f"SELECT t::text FROM {table} t")  # noqa: S608
    )
    assert value(database_url, "SELECT count(*) FROM clean.quarantine WHERE entity_type = 'customers'") > 0
    secrets = set()
    for row in (*truth(shop, PARTNER), *truth(shop, CONTRACTOR)):
        secrets |= {row["Description"], row["НаименованиеПолное"], row.get("ИНН", "")}
        for line in row["КонтактнаяИнформация"]:
            secrets |= {line["Представление"], line["АдресЭП"], line["НомерТелефона"], understood(line) or ""}
    leaked = [secret for secret in secrets if len(secret) > 6 and secret in told]
    assert leaked == []
    assert len(secrets) > 300


def test_one_person_entered_twice_is_seen(shop, runtime, database_url):
    sync(runtime, WANTED)
    control(shop, "day", {"steps": 2, "kind": "new customer"})
    keys = [key for key, row in customers_of_1c(shop).items() if not row[-1]][:2]
    for key, typed in zip(keys, ("8 (921) 555-01-02", "+7 921 5550102"), strict=True):
        line = {
            "LineNumber": "1",
            "Тип": "Телефон",
            "Представление": typed,
            "НомерТелефона": "",
            "Вид_Key": ZERO,
        }
        control(shop, f"rows/{PARTNER}/{key}", {"КонтактнаяИнформация": [line]})

    sync(runtime, WANTED)

    found = value(
        database_url, "SELECT customer_ids FROM shop.duplicate_customers WHERE value = '+79215550102'"
    )
    ids = query(
        database_url,
        "SELECT internal_id FROM integ.external_id_mappings WHERE entity_type = 'customers'"
        " AND external_id = ANY(%s::uuid[]) ORDER BY 1",
        keys,
    )
    assert found == [one for (one,) in ids]
    best = value(
        database_url,
        "SELECT value FROM shop.customer_reach WHERE customer_id = %s AND contact_type = 'phone' AND preference = 1",
        found[0],
    )
    assert best == "+79215550102"


def test_the_region_of_numbers_is_a_setting(shop, database_url, tmp_path):
    key = next(iter(customers_of_1c(shop)))
    line = {
        "LineNumber": "1",
        "Тип": "Телефон",
        "Представление": "030 123456",
        "НомерТелефона": "",
        "Вид_Key": ZERO,
    }
    control(shop, f"rows/{PARTNER}/{key}", {"КонтактнаяИнформация": [line]})
    variables = {**environment(shop, database_url, tmp_path), "ONEC_PHONE_REGION": "DE"}
    with open_fast(variables) as runtime:
        sync(runtime, WANTED)

    assert customers_of_shop(database_url)[key][-2] == "+4930123456"
