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
