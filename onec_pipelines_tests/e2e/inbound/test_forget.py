"""`onec forget`: of a person nothing is left anywhere, the next readings bring nothing back, and `onec remember` lets it in."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.entities import BY_NAME
from onec_pipelines.inbound import inbound
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.changes import NODE, PLAN, sync_changes, take_in
from onec_pipelines_tests.fixtures.pipeline import control, environment, open_fast, query, sync, value

PARTNER = "Catalog_Партнеры"
WANTED = [
    BY_NAME[name] for name in ("currencies", "price_types", "contact_kinds", "customers", "counterparties")
]
CANARY = ("Канарейкина Жозефина", "zhozefina.canary@example.ru", "+7 921 555-77-31", "79215557731")


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=7) as running:
        yield running


@pytest.fixture
def runtime(shop, database_url, tmp_path, monkeypatch):
    variables = environment(shop, database_url, tmp_path, page_rows=50)
    variables |= {"ONEC_EXCHANGE_PLAN": PLAN, "ONEC_EXCHANGE_NODE": NODE}
    for name, held in variables.items():
        monkeypatch.setenv(name, held)
    with open_fast(variables) as opened:
        sync(opened, WANTED)
        yield opened


@pytest.fixture
def person(shop, runtime, database_url):
    """GUID of a customer whose data in 1C and here are those of the canary."""
    guid = value(
        database_url,
        "SELECT c.ref::text FROM clean.customers c JOIN clean.customers_contacts k ON k.owner_key = c.row_key"
        " WHERE c.deleted_at IS NULL AND NOT c.deletion_mark ORDER BY c.ref LIMIT 1",
    )
    rename(shop, guid)
    sync(runtime, WANTED)
    assert value(database_url, "SELECT name FROM clean.customers WHERE ref = %s", guid) == CANARY[0]
    return guid


def rename(shop, guid, **more):
    lines = [
        {"LineNumber": "1", "Тип": "АдресЭлектроннойПочты", "Представление": CANARY[1], "АдресЭП": CANARY[1]},
        {"LineNumber": "2", "Тип": "Телефон", "Представление": CANARY[2], "НомерТелефона": CANARY[3]},
    ]
    control(
        shop,
        f"rows/{PARTNER}/{guid}",
        {"Description": CANARY[0], "НаименованиеПолное": CANARY[0], "КонтактнаяИнформация": lines, **more},
    )


def onec(*arguments):
    result = CliRunner().invoke(command_line.cli, [*arguments])
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    return result.stdout


def leaks(database_url):
    """Tables that hold anything of the canary, compressed or not."""
    tables = query(
        database_url,
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname IN ('raw', 'clean', 'shop', 'integ', 'public')",
    )
    found = set()
    for (table,) in tables:
        for row in query(database_url, f"SELECT * FROM {table} t"):  # noqa: S608 - names from the catalogue
            text = "".join(_text(cell) for cell in row)
            if any(canary in text for canary in CANARY):
                found.add(table)
    return found


def _text(cell):
    if isinstance(cell, bytes):
        return (
            gzip.decompress(cell).decode() if cell.startswith(b"\x1f\x8b") else cell.decode(errors="replace")
        )
    return json.dumps(cell, ensure_ascii=False, default=str)


def test_nothing_is_left_and_nothing_comes_back_until_it_may(shop, runtime, database_url, person):
    assert {"raw.bodies", "clean.customers", "shop.customers", "shop.customer_contacts"} <= leaks(
        database_url
    )
    our_id = value(
        database_url, "SELECT internal_id FROM integ.external_id_mappings WHERE external_id = %s", person
    )
    before = value(database_url, "SELECT count(*) FROM shop.customers")

    done = json.loads(onec("forget", str(our_id), "--reason", "asked to", "--yes", "--json"))

    assert leaks(database_url) == set()
    assert (done["customer"], done["internal_id"]) == (person, our_id)
    assert done["bodies"] > 0
    assert query(
        database_url, "SELECT name, email, phone, is_deleted FROM shop.customers WHERE id = %s", our_id
    ) == [("(forgotten)", None, None, False)]

    # 1C's version changes, and everything is read and replayed: the row goes on, the person does not come back
    rename(shop, person, Комментарий=CANARY[0])
    sync(runtime, WANTED)
    inbound(BY_NAME["customers"], runtime, layers=[Layer.CLEAN, Layer.SHOP])
    assert leaks(database_url) == set()
    assert value(database_url, "SELECT count(*) FROM shop.customers") == before
    assert value(database_url, "SELECT count(*) FROM clean.quarantine WHERE row_key = %s", person) == 0

    onec("remember", person, "--reason", "asked to")
    sync(runtime, WANTED)
    assert value(database_url, "SELECT name FROM shop.customers WHERE id = %s", our_id) == CANARY[0]
    actions = query(
        database_url,
        "SELECT action, details ->> 'reason' FROM integ.audit_log WHERE action LIKE 'customer.%%' ORDER BY id",
    )
    assert actions == [("customer.forgotten", "asked to"), ("customer.remembered", "asked to")]


def test_pages_still_are_what_their_address_says(runtime, database_url, person):
    onec("forget", person, "--reason", "asked to", "--yes")
    bodies = query(database_url, "SELECT sha256, body, raw_bytes FROM raw.bodies")
    assert all(sha256(gzip.decompress(body)).digest() == address for address, body, _ in bodies)
    assert all(len(gzip.decompress(body)) == size for _, body, size in bodies)


def test_contact_data_of_the_application_goes_and_1c_is_not_told(runtime, database_url, person):
    our_id = value(
        database_url, "SELECT internal_id FROM integ.external_id_mappings WHERE external_id = %s", person
    )
    query(database_url, "INSERT INTO shop.stores (code, system_name) VALUES ('main', 'test')")
    query(
        database_url,
        "INSERT INTO shop.web_customers (id, name, phone, email) VALUES (%s, %s, %s, %s)",
        our_id,
        CANARY[0],
        CANARY[2],
        CANARY[1],
    )
    refused = CliRunner().invoke(command_line.cli, ["forget", person, "--reason", "r", "--yes"])
    assert getattr(refused.exception, "code", "") == "FORGET_OPEN"
    query(database_url, "UPDATE integ.retry_queue SET state = 'done', finished_at = now()")

    onec("forget", person, "--reason", "asked to", "--yes")

    assert leaks(database_url) == set()
    assert query(database_url, "SELECT state FROM integ.retry_queue WHERE state IN ('ready', 'dead')") == []
    assert query(database_url, "SELECT name, phone FROM shop.web_customers") == [("(forgotten)", None)]


def test_packets_that_come_later_hold_nothing_and_bring_nothing(shop, runtime, database_url, person):
    take_in(runtime)
    sync_changes(runtime, ["customers"])
    rename(shop, person, Комментарий="было")
    take_in(runtime)
    onec("forget", person, "--reason", "asked to", "--yes")
    assert leaks(database_url) == set()

    rename(shop, person, Комментарий=CANARY[0], ДополнительнаяИнформация=CANARY[1])
    other = value(
        database_url,
        "SELECT ref::text FROM clean.customers WHERE ref <> %s AND NOT deletion_mark ORDER BY ref DESC LIMIT 1",
        person,
    )
    control(shop, f"rows/{PARTNER}/{other}", {"Description": "Сосед Соседов"})
    take_in(runtime)
    assert leaks(database_url) == set()

    sync_changes(runtime, ["customers"])
    assert leaks(database_url) == set()
    assert value(database_url, "SELECT name FROM clean.customers WHERE ref = %s", other) == "Сосед Соседов"
    # The packet says nothing of it, so the object itself was asked for.
    now = next(r for r in control(shop, f"rows/{PARTNER}?top=1000")["rows"] if r["Ref_Key"] == person)
    assert (
        value(database_url, "SELECT data_version FROM clean.customers WHERE ref = %s", person)
        == now["DataVersion"]
    )


def test_a_person_whom_1c_sends_in_a_way_that_is_refused_is_forgotten_too(
    shop, runtime, database_url, person
):
    refused = value(
        database_url, "SELECT ref::text FROM clean.customers WHERE ref <> %s ORDER BY ref LIMIT 1", person
    )
    onec("forget", person, "--reason", "asked to", "--yes")
    # A forgotten one that becomes a reject, and a reject that was never anything else.
    rename(shop, person, Description="", НаименованиеПолное=CANARY[0])
    sync(runtime, WANTED)
    assert value(database_url, "SELECT count(*) FROM clean.quarantine WHERE row_key = %s", person) == 1
    assert leaks(database_url) == set()

    query(database_url, "DELETE FROM integ.external_id_mappings WHERE external_id = %s", refused)
    query(database_url, "DELETE FROM clean.customers_contacts WHERE owner_key = %s", refused)
    query(database_url, "DELETE FROM clean.customers WHERE ref = %s", refused)
    rename(shop, refused, Description="", НаименованиеПолное=CANARY[0])
    sync(runtime, WANTED)
    assert leaks(database_url) == {"raw.bodies"}
    onec("forget", refused, "--reason", "asked to", "--yes")
    assert leaks(database_url) == set()


def test_a_customer_whom_only_the_application_knows_is_forgotten(runtime, database_url):
    query(database_url, "INSERT INTO shop.stores (code, system_name) VALUES ('main', 'test')")
    ours, order = place_web_order(database_url)
    query(
        database_url,
        "UPDATE integ.retry_queue SET state = 'dropped', last_error = %s",
        json.dumps({"code": "X", "message": f"1C refuses {CANARY[0]}"}, ensure_ascii=False),
    )
    note_words(database_url)

    done = json.loads(onec("forget", f"#{ours}", "--reason", "asked to", "--yes", "--json"))

    assert (done["customer"], done["internal_id"], done["application"]) == (None, ours, 2)
    assert leaks(database_url) == set()
    assert query(database_url, "SELECT contact_name, number FROM shop.web_orders WHERE id = %s", order) == [
        (None, "W-1")
    ]
    assert query(database_url, "SELECT state FROM integ.retry_queue WHERE state = 'ready'") == []


def test_a_customer_of_the_application_who_was_recognised_in_1c_is_one_person(
    shop, runtime, database_url, person
):
    query(database_url, "INSERT INTO shop.stores (code, system_name) VALUES ('main', 'test')")
    ours, _ = place_web_order(database_url)
    query(database_url, "UPDATE integ.retry_queue SET state = 'done'")
    sent = "00000000-0000-4000-8000-00000000000"
    for outgoing, subject, key in (("customers", ours, person), ("counterparties", ours, f"{sent}1")):
        query(
            database_url,
            "INSERT INTO integ.push_objects (system_name, outgoing, subject_id, resource, own_key, onec_key, phase,"
            " payload_hash, version, sends) VALUES ('test', %s, %s, 'x', gen_random_uuid(), %s, 'done', 'x', 1, 1)",
            *(outgoing, subject, key),
        )
    theirs = value(
        database_url, "SELECT internal_id FROM integ.external_id_mappings WHERE external_id = %s", person
    )
    assert theirs != ours

    onec("forget", str(theirs), "--reason", "asked to", "--yes")

    assert leaks(database_url) == set()
    # What was sent and has not been read yet is kept out, too.
    kept = query(database_url, "SELECT entity_type FROM integ.forgotten WHERE row_key = %s", f"{sent}1")
    assert kept == [("counterparties",)]


def place_web_order(database_url):
    ours = value(
        database_url,
        "INSERT INTO shop.web_customers (name, phone, email) VALUES (%s, %s, %s) RETURNING id",
        *(CANARY[0], CANARY[2], CANARY[1]),
    )
    order = value(
        database_url,
        "INSERT INTO shop.web_orders (number, customer_id, contact_name, contact_phone, delivery_address)"
        " VALUES ('W-1', %s, %s, %s, %s) RETURNING id",
        *(ours, CANARY[0], CANARY[3], f"у {CANARY[0]}"),
    )
    return ours, order


def note_words(database_url):
    """What an error of 1C may have left where errors are noted."""
    said = f"[ONEC_REFUSED] не записан партнёр {CANARY[0]}"
    query(
        database_url,
        "INSERT INTO integ.sync_jobs (job_type, system_name, entity_type, status, error_message)"
        " VALUES ('inbound', 'test', 'customers', 'failed', %s)",
        said,
    )
    query(
        database_url,
        "INSERT INTO integ.alerts (system_name, fingerprint, kind, code, severity, source, since, facts)"
        " VALUES ('test', 'x', 'dead_letters', 'X', 'error', 'ledger', now(), %s)",
        json.dumps({"onec": said}, ensure_ascii=False),
    )
