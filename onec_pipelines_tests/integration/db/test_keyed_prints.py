"""Migration 0036 keys what earlier versions stored, so that an object they pushed is not taken for a changed one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onec_pipelines
from onec_pipelines.db.engine import connect
from onec_pipelines.ledger import push_objects
from onec_pipelines.steps.push.compare import print_of
from onec_pipelines.steps.push.declaration import Attribute
from onec_pipelines.steps.push.payload import Cell, keyed
from onec_pipelines_tests.fixtures.pipeline import SYSTEM, query

MIGRATION = Path(onec_pipelines.__file__).parents[1] / "sql" / "0036_keyed_prints.sql"
PHONE = "79001112233"


def test_what_was_stored_before_is_what_would_be_stored_now(database_url):
    """The last statements of the migration are applied once more, to rows as 0035 left them."""
    plain = hashlib.sha256(PHONE.encode()).hexdigest()[:16]
    body = hashlib.sha256(b"the body").digest()
    query(
        database_url,
        "INSERT INTO integ.push_objects (system_name, outgoing, subject_id, resource, own_key, phase, payload_hash, version,"
        " intended, confirmed) VALUES (%s, 'customers', 1, 'Catalog_X', gen_random_uuid(), 'done', %s, 1,"
        " jsonb_build_object('Комментарий', '#' || %s::text, 'Пол', 'Мужской'),"
        " jsonb_build_object('Контакты', jsonb_build_object('1', jsonb_build_object('Телефон', '#' || %s::text))))",
        SYSTEM,
        body,
        plain,
        plain,
    )
    statements = MIGRATION.read_text(encoding="utf-8").partition("UPDATE integ.outbox SET payload_hash")[2]
    query(database_url, f"UPDATE integ.outbox SET payload_hash{statements}")  # noqa: S608 - text of our migration
    with connect(database_url) as database:
        secret = push_objects.print_key(database)
        known = push_objects.find(database, SYSTEM, "customers", 1)
    cell = Cell(
        attribute=Attribute(wire=("X",), fact="x", personal=True),
        name="X",
        edm_type="Edm.String",
        value=PHONE,
        secret=secret,
    )
    now = print_of(cell, PHONE)
    assert now != f"#{plain}"
    assert known.intended == {"Комментарий": now, "Пол": "Мужской"}
    assert known.confirmed == {"Контакты": {"1": {"Телефон": now}}}
    assert known.payload_hash == keyed(secret, body)


def test_two_installations_remember_the_same_value_differently():
    cells = [
        Cell(
            attribute=Attribute(wire=("X",), fact="x", personal=True),
            name="X",
            edm_type="Edm.String",
            value=PHONE,
            secret=secret,
        )
        for secret in (b"a" * 32, b"b" * 32)
    ]
    first, second = (print_of(cell, PHONE) for cell in cells)
    assert first != second
    assert first == print_of(cells[0], PHONE)
