"""Canary secrets and canary persons: after good and bad runs they are found nowhere but where they belong."""

from __future__ import annotations

import gzip
import json
import shutil
import zlib

import dagster as dg
import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.definitions import defs
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.entities import BY_NAME
from onec_pipelines.settings import project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines_tests.fixtures.pipeline import control, environment, query, value

PASSWORD, WRONG = "canary-pass-Zq81x", "canary-wrong-Kt55w"
HOOK, TOKEN = "Y2FuYXJ5LWhvb2stc2VjcmV0LTEyMzQ1Njc4OTA=", "canary-token-long-enough-77"
NAME, MAIL, PHONE, INN = (
    "Канарейкина Жозефина",
    "zhozefina.canary@example.ru",
    "+7 921 555-77-31",
    "500100732259",
)
SECRETS = (PASSWORD, WRONG, HOOK, TOKEN)
PERSONAL = (NAME, NAME.split(maxsplit=1)[0], MAIL, PHONE, "79215557731", INN)
ENTITIES = ("currencies", "price_types", "contact_kinds", "customers", "counterparties")
# Where personal data belongs; secrets belong nowhere.
HOMES = ("raw.", "clean.", "shop.")
NOT_HOMES = ("clean.quarantine",)


@pytest.fixture
def shop():
    with Simulator.start_thread(products=60, seed=5, password=PASSWORD) as running:
        yield running


@pytest.fixture
def home(shop, database_url, tmp_path, monkeypatch):
    shutil.copy(project_root() / "dagster.yaml", tmp_path)
    variables = {
        **environment(shop, database_url, tmp_path, page_rows=100),
        "DAGSTER_HOME": str(tmp_path),
        "ONEC_WEBHOOK_SECRETS": HOOK,
        "ONEC_DASHBOARD_TOKEN": TOKEN,
    }
    for name, held in variables.items():
        monkeypatch.setenv(name, held)
    return tmp_path


def materialize(instance, name):
    assets = [one for one in defs.assets if isinstance(one, dg.AssetsDefinition)]
    wanted = next(one for one in assets if asset_key(BY_NAME[name], Layer.RAW) in one.keys)
    return dg.materialize(
        [wanted], resources={"onec": OnecResource()}, instance=instance, raise_on_error=False
    ).success


def let_canaries_in(shop):
    """One person in order, one who is rejected (no name), both with contacts; a counterparty with a tax number too long."""
    partners = control(shop, "rows/Catalog_Партнеры?top=20")["rows"]
    lines = [
        {"LineNumber": "1", "Тип": "АдресЭлектроннойПочты", "Представление": MAIL, "АдресЭП": MAIL},
        {"LineNumber": "2", "Тип": "Телефон", "Представление": PHONE, "НомерТелефона": "79215557731"},
    ]
    good, bad = partners[3]["Ref_Key"], partners[4]["Ref_Key"]
    control(shop, f"rows/Catalog_Партнеры/{good}", {"Description": NAME, "КонтактнаяИнформация": lines})
    control(
        shop,
        f"rows/Catalog_Партнеры/{bad}",
        {"Description": "", "НаименованиеПолное": NAME, "КонтактнаяИнформация": lines},
    )
    contractor = control(shop, "rows/Catalog_Контрагенты?top=5")["rows"][2]["Ref_Key"]
    control(shop, f"rows/Catalog_Контрагенты/{contractor}", {"Description": NAME, "ИНН": f"{INN}-{INN}"})
    return good


def unpacked(cell):
    """A value as text, compressed ones too."""
    if not isinstance(cell, bytes):
        return json.dumps(cell, ensure_ascii=False, default=str)
    for inflate in (gzip.decompress, zlib.decompress):
        try:
            return inflate(cell).decode(errors="replace")
        except (OSError, EOFError, zlib.error):
            continue
    return cell.decode(errors="replace")


def has(text, word):
    """Whether a text holds a word, as it is or as JSON escapes it, once or more often."""
    escaped = json.dumps(word)[1:-1]
    return word in text or escaped in text or escaped in text.replace("\\\\", "\\")


def found_in_tables(database_url, words, *, homes):
    tables = query(
        database_url,
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg_%' AND n.nspname <> 'information_schema'",
    )
    found, scanned = set(), set()
    for (table,) in tables:
        if table.startswith(homes) and table not in NOT_HOMES:
            continue
        for row in query(database_url, f"SELECT * FROM {table}"):  # noqa: S608 - names from the catalogue
            scanned.add(table)
            text = "\n".join(unpacked(cell) for cell in row)
            found |= {(table, word) for word in words if has(text, word)}
    return found, scanned


def found_in_files(folder, words):
    return {
        (path.name, word)
        for path in folder.rglob("*")
        if path.is_file()
        for word in words
        if has(path.read_bytes().decode(errors="replace"), word)
    }


def test_canaries_are_found_nowhere(shop, home, database_url, monkeypatch, capfd):
    good = let_canaries_in(shop)
    with dg.DagsterInstance.get() as instance:
        assert [materialize(instance, name) for name in ENTITIES] == [True] * len(ENTITIES)
        monkeypatch.setenv("ONEC_PASSWORD", WRONG)
        assert not materialize(instance, "customers")
        monkeypatch.setenv("ONEC_PASSWORD", PASSWORD)
    assert value(database_url, "SELECT name FROM clean.customers WHERE ref = %s", good) == NAME
    assert value(database_url, "SELECT count(*) FROM clean.quarantine WHERE entity_type = 'customers'") > 0

    told = []
    for words in (
        ("status",),
        ("quarantine", "list", "--json", "--limit", "1000"),
        ("audit", "--json", "--limit", "10000"),
        ("explain", "customer", good),
        ("explain", "customer", good, "--json"),
        ("forget", good, "--reason", f"asked by {MAIL}, {PHONE}", "--yes", "--json"),
        ("audit", "--json", "--action", "customer."),
    ):
        result = CliRunner().invoke(command_line.cli, words)
        assert result.exit_code == 0, f"{words} {result.output}"
        told.append(result.output)
    output = capfd.readouterr()
    told += [output.out, output.err]

    text = "\n".join(told)
    assert [word for word in (*SECRETS, *PERSONAL) if word in text] == []
    assert found_in_files(home, (*SECRETS, *PERSONAL)) == set()
    secrets, everywhere = found_in_tables(database_url, SECRETS, homes=("nowhere",))
    personal, _ = found_in_tables(database_url, PERSONAL, homes=HOMES)
    assert secrets == set()
    assert personal == set()
    assert {"dagster.event_logs", "dagster.runs", "dagster.snapshots"} <= everywhere
    assert any(table.startswith("integ.audit_log_2") for table in everywhere)
    # The other person was not forgotten: what the scan can find, compressed pages included, it finds.
    at_home, _ = found_in_tables(database_url, PERSONAL, homes=("nowhere",))
    assert ("raw.bodies", MAIL) in at_home
