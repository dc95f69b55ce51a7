"""Canary secrets and canary persons: after everything that can go well and badly they are found nowhere but where they belong."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import logging
import os
import re
import shutil
import sys
import zlib
from urllib.parse import quote

import dagster as dg
import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.definitions import defs
from onec_pipelines.defs.keys import asset_key
from onec_pipelines.defs.resources import OnecResource
from onec_pipelines.dispatch import drain
from onec_pipelines.entities import BY_NAME
from onec_pipelines.monitoring.serve import hosts_for, open_site
from onec_pipelines.monitoring.web import build_app
from onec_pipelines.runtime import open_runtime
from onec_pipelines.settings import load_settings, project_root
from onec_pipelines.simulator.server import Simulator
from onec_pipelines.spec import Layer
from onec_pipelines.webhook.server import Receiver
from onec_pipelines_tests.fixtures import webhooks
from onec_pipelines_tests.fixtures.alerts import http_receiver, smtp_server
from onec_pipelines_tests.fixtures.outgoing import NEEDED, Shop
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import control, environment, query, sync, value
from onec_pipelines_tests.fixtures.postgres import _database

PASSWORD, WRONG = "canary-pass-Zq81x", "canary-wrong-Kt55w"
HOOK, TOKEN = webhooks.new_secret(), "canary-token-long-enough-77"
MAIL_PASSWORD, ALERT_SECRET = (
    "canary-smtp-Wn20b",
    "whsec_" + base64.b64encode(b"canary-alerts-0123456789-ab").decode(),
)
NAME, MAIL, PHONE, INN = (
    "Канарейкина Жозефина",
    "zhozefina.canary@example.ru",
    "+7 921 555-77-31",
    "500100732259",
)
ADDRESS, COMMENT = "Канареечный проезд, 31, кв. 77", "Позвонить канарейке вечером"
SECRETS = (PASSWORD, WRONG, HOOK[6:], TOKEN, MAIL_PASSWORD, ALERT_SECRET[6:])
PERSONAL = (
    *(NAME, NAME.split(maxsplit=1)[0], MAIL, PHONE, "79215557731", "+79215557731", "9215557731", INN),
    *(ADDRESS, "Канареечный проезд", COMMENT),
)
FROM_1C = ("currencies", "price_types", "contact_kinds", "customers", "counterparties")
ORDER, PARTNER = "Document_ЗаказКлиента", "Catalog_Партнеры"
# Where personal data belongs; secrets belong nowhere.
HOMES = ("raw.", "clean.", "shop.")
NOT_HOMES = ("clean.quarantine",)


@pytest.fixture(scope="module")
def shop():
    with Simulator.start_thread(products=60, seed=5, password=PASSWORD, pool_size=100) as running:
        yield running


@pytest.fixture(scope="module")
def url(postgres, postgres_template):
    yield from _database(postgres, postgres_template)


@pytest.fixture(scope="module")
def told(shop, url, tmp_path_factory):
    """Everything happens here, once; gives what was said, by where. The settings stay for what the tests do."""
    home = tmp_path_factory.mktemp("canary")
    shutil.copy(project_root() / "dagster.yaml", home)
    with http_receiver() as receiver, smtp_server() as mailbox, pytest.MonkeyPatch.context() as patch:
        variables = {
            **environment(shop, url, home, page_rows=200),
            "DAGSTER_HOME": str(home),
            "ONEC_WEBHOOK_SECRETS": HOOK,
            "ONEC_DASHBOARD_TOKEN": TOKEN,
            "ONEC_ALERT_WEBHOOK_URL": receiver.url,
            "ONEC_ALERT_WEBHOOK_SECRET": ALERT_SECRET,
            "ONEC_ALERT_SMTP_URL": mailbox.url.replace("smtp://", f"smtp://robot:{MAIL_PASSWORD}@"),
            "ONEC_ALERT_EMAIL_FROM": "robot@example.ru",
            "ONEC_ALERT_EMAIL_TO": "ops@example.ru",
            "ONEC_ALERT_BREAKER_MINUTES": "0",
        }
        for name, held in variables.items():
            patch.setenv(name, held)
        found = {"home": home}
        with everything_said(home.with_name("output")) as said:
            found["person"], found["rejected"] = let_canaries_in(shop)
            read(patch)
            item = push(shop, url)
            found["hooks"] = deliver_hooks(url)
            onec("alerts", "check")
            found["commands"] = commands(url, found["person"], item)
            found["pages"] = pages(url)
        found["said"] = said()
        found["alerts"] = json.dumps(receiver.documents, ensure_ascii=False) + "".join(
            part.get_content() for mail in mailbox.messages for part in mail.walk() if not part.is_multipart()
        )
        found["channels"] = {"webhook": len(receiver.documents), "mail": len(mailbox.messages)}
        yield found


def test_the_scenario_did_what_it_says(told, url):
    kinds = {word for word in ("breaker_open", "dead_letters") if word in told["alerts"]}
    assert kinds == {"breaker_open", "dead_letters"}
    assert min(told["channels"].values()) >= len(kinds)
    assert value(url, "SELECT name FROM clean.customers WHERE ref = %s", told["person"]) == NAME
    assert value(url, "SELECT count(*) FROM clean.quarantine WHERE entity_type = 'customers'") > 0
    pushed = query(url, "SELECT state FROM integ.retry_queue WHERE subject LIKE 'order:%%' ORDER BY id")
    assert pushed == [("done",), ("dead",)]
    assert told["hooks"] == [401, 202, 202]
    assert "•••" in told["commands"]["queue show"]
    assert told["said"]


@pytest.mark.parametrize("place", ["alerts", "pages", "commands", "said"])
def test_nothing_that_is_said_names_a_secret_or_a_person(told, place):
    said = told[place] if isinstance(told[place], dict) else {place: told[place]}
    leaks = {
        (where, word) for where, text in said.items() for word in (*SECRETS, *PERSONAL) if has(text, word)
    }
    assert leaks == set()


def test_nothing_is_left_in_files(told):
    leaks = {
        (path.name, word)
        for path in told["home"].rglob("*")
        if path.is_file()
        for word in (*SECRETS, *PERSONAL)
        if has(unpacked(path.read_bytes()), word)
    }
    assert leaks == set()
    assert list(told["home"].rglob("*.html"))


def test_nothing_is_left_in_tables_but_persons_in_raw_clean_and_shop(told, url):
    tables = query(
        url,
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg_%' AND n.nspname <> 'information_schema'",
    )
    leaks, scanned, at_home = set(), set(), set()
    for (table,) in tables:
        is_home = table.startswith(HOMES) and table not in NOT_HOMES
        for row in query(url, f"SELECT * FROM {table}"):  # noqa: S608 - names from the catalogue
            scanned.add(table)
            text = "\n".join(unpacked(cell) for cell in row)
            leaks |= {(table, word) for word in SECRETS if has(text, word)}
            named = {(table, word) for word in PERSONAL if has(text, word)}
            at_home |= named if is_home else set()
            leaks |= set() if is_home else named
    assert leaks == set()
    assert {"dagster.event_logs", "dagster.runs", "dagster.snapshots", "integ.alerts"} <= scanned
    assert any(table.startswith("integ.audit_log_2") for table in scanned)
    # What the scan can find, compressed pages included, it finds.
    assert {("raw.bodies", MAIL), ("shop.web_orders", ADDRESS)} <= at_home


def test_of_the_forgotten_nothing_is_left_in_tables(told, url):
    """Last, because it takes away what the others look for: all three canaries, 1C's, the rejected one and the application's."""
    ours = value(url, "SELECT id FROM shop.web_customers")
    rejected = told["rejected"]
    query(url, "UPDATE integ.retry_queue SET state = 'dropped' WHERE state = 'dead'")
    reason = f"asked by {MAIL}, {PHONE}"
    said = [
        onec("forget", name, "--reason", reason, "--yes") for name in (told["person"], str(ours), rejected)
    ]
    tables = query(
        url,
        "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname IN ('raw', 'clean', 'shop', 'integ', 'dagster')",
    )
    leaks = {
        (table, word)
        for (table,) in tables
        for row in query(url, f"SELECT * FROM {table}")  # noqa: S608 - names from the catalogue
        for word in PERSONAL
        if has("\n".join(unpacked(cell) for cell in row), word)
    }
    assert leaks == set()
    assert [word for word in PERSONAL if has("".join(said), word)] == []


# --- what happens ---


def let_canaries_in(shop):
    """One person in order, one who is rejected (no name), both with contacts; a counterparty with a tax number too long."""
    partners = control(shop, f"rows/{PARTNER}?top=20")["rows"]
    lines = [
        {"LineNumber": "1", "Тип": "АдресЭлектроннойПочты", "Представление": MAIL, "АдресЭП": MAIL},
        {"LineNumber": "2", "Тип": "Телефон", "Представление": PHONE, "НомерТелефона": "79215557731"},
    ]
    good, bad = partners[3]["Ref_Key"], partners[4]["Ref_Key"]
    control(shop, f"rows/{PARTNER}/{good}", {"Description": NAME, "КонтактнаяИнформация": lines})
    control(
        shop,
        f"rows/{PARTNER}/{bad}",
        {"Description": "", "НаименованиеПолное": NAME, "КонтактнаяИнформация": lines},
    )
    contractor = control(shop, "rows/Catalog_Контрагенты?top=5")["rows"][2]["Ref_Key"]
    control(
        shop,
        f"rows/Catalog_Контрагенты/{contractor}",
        {"Description": NAME, "ИНН": f"{INN}-{INN}", "Партнер_Key": good},
    )
    return good, bad


def read(patch):
    """Good and refused readings in Dagster and without."""
    with dg.DagsterInstance.get() as instance:
        assert [materialize(instance, name) for name in FROM_1C] == [True] * len(FROM_1C)
        patch.setenv("ONEC_PASSWORD", WRONG)
        assert not materialize(instance, "customers")
    onec("sync", "customers", code=75)
    onec("alerts", "check")
    patch.setenv("ONEC_PASSWORD", PASSWORD)
    onec("resume")
    onec("sync", "currencies")
    with open_runtime() as runtime:
        sync(runtime, [entity for entity in NEEDED if entity.name not in FROM_1C])


def materialize(instance, name):
    assets = [one for one in defs.assets if isinstance(one, dg.AssetsDefinition)]
    wanted = next(one for one in assets if asset_key(BY_NAME[name], Layer.RAW) in one.keys)
    return dg.materialize(
        [wanted], resources={"onec": OnecResource()}, instance=instance, raise_on_error=False
    ).success


def push(shop, url):
    """An order that is taken, and one that 1C refuses in words that name the customer; gives its number in the queue."""
    application = Shop(url)
    application.store()
    customer = application.customer(
        name=NAME, phone=PHONE, email=MAIL, address=ADDRESS, inn=INN, comment=COMMENT
    )
    product, price = application.products(1)[0]
    order = {
        "lines": [{"product_id": product, "quantity": 1, "price": price}],
        "customer_id": customer,
        "contact_name": NAME,
        "contact_phone": PHONE,
        "contact_email": MAIL,
        "delivery_address": ADDRESS,
        "delivery_comment": COMMENT,
        "comment": COMMENT,
        "delivery_method": "courier",
    }
    application.order("CANARY-1", **order)
    with open_runtime() as runtime:
        drain(runtime, kinds=["push"], threads=1)
        drain(runtime, kinds=["push"], threads=1)
        application.order("CANARY-2", **order)
        application.close()
        said = f'Не удалось записать: "{NAME}", {ADDRESS}, {MAIL}, {PHONE}: не заполнено поле'
        control(
            shop,
            "faults",
            {
                "type": "odata_error",
                "match": ORDER,
                "attributes": {"status": 400, "code": "-1", "message": said},
            },
        )
        drain(runtime, kinds=["push"], threads=1)
        control(shop, "faults", method="DELETE")
    return value(url, "SELECT max(id) FROM integ.retry_queue WHERE subject LIKE 'order:%%'")


def deliver_hooks(url):
    """Deliveries that name the canary: signed by somebody else, of a type that nobody knows, and a good one with more than it should."""
    about = {"name": NAME, "phone": PHONE, "email": MAIL}
    wrong = webhooks.event("customer.changed", secret=webhooks.new_secret(), about=about)
    unknown = webhooks.event("canary.sang", secret=HOOK, about=about)
    body = {
        "type": "customer.changed",
        "data": {"refs": [], "data_version": "AAAA", **about},
        "note": COMMENT,
    }
    good = webhooks.signed_body(json.dumps(body).encode(), secret=HOOK)
    with webhooks.receiving(url, secrets=HOOK) as receiver:
        return [webhooks.post(receiver, sent).status for sent in (wrong, unknown, good)]


def commands(url, person, item):
    """What people see in a terminal, by command."""
    reject = str(value(url, "SELECT max(id) FROM clean.quarantine WHERE entity_type = 'customers'"))
    found = {
        "queue show": onec("queue", "show", str(item)),
        "queue show --json": onec("queue", "show", str(item), "--json"),
        "explain customer": onec("explain", "customer", person),
        "explain customer --json": onec("explain", "customer", person, "--json"),
        "quarantine show": onec("quarantine", "show", reject),
        "doctor": onec("doctor", code=None),
        "quality": onec("quality", "run", "customers", code=None),
        "webhooks": onec("webhooks", "sign", "customer.changed"),
    }
    for words in (
        *(("status",), ("queue", "list"), ("audit", "--limit", "10000"), ("alerts", "list")),
        *(("quarantine", "list", "--limit", "1000"), ("approve", "list"), ("deletes",), ("advise",)),
    ):
        found[" ".join(words)] = onec(*words)
        found[f"{' '.join(words)} --json"] = onec(*words, "--json")
    return found


def pages(url):
    """Pages of the dashboard's site."""
    settings = load_settings(os.environ)
    found = {}
    with (
        open_site(settings, url) as site,
        Receiver(build_app(site, hosts=hosts_for("127.0.0.1", TOKEN)), host="127.0.0.1", port=0) as server,
    ):
        connection = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_SECONDS)
        for path in (
            "/dashboard",
            "/dashboard?lang=ru",
            "/metrics",
            "/health",
            "/health/ready",
            f"/{quote(NAME)}",
        ):
            connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            found[path] = f"{answer.getheaders()}\n{answer.read().decode()}"
        connection.request("GET", "/dashboard")
        answer = connection.getresponse()
        found["refused"] = f"{answer.status}\n{answer.read().decode()}"
        connection.close()
    assert len(found["/dashboard"]) > 10_000
    return found


def onec(*arguments, code=0):
    """Run a command; `code` None takes any end."""
    result = CliRunner().invoke(command_line.cli, arguments)
    assert code is None or result.exit_code == code, f"{arguments} {result.output} {result.exception!r}"
    return f"{result.output}\n{result.exception or ''}"


# --- where it is looked for ---


@contextlib.contextmanager
def everything_said(path):
    """What any part of this process writes to stdout, stderr and the log meanwhile, by the descriptors themselves."""
    records = path.with_suffix(".log")
    handler = logging.FileHandler(records)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.INFO)
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("wb") as file:
        sys.stdout.flush()
        sys.stderr.flush()
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            yield lambda: path.read_text(errors="replace") + records.read_text(errors="replace")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
            logging.getLogger().setLevel(level)
            logging.getLogger().removeHandler(handler)
            handler.close()


_BASE64 = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")


def unpacked(cell):
    """A value as text, compressed and base64 ones too."""
    if not isinstance(cell, bytes):
        text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False, default=str)
        return text + "".join(map(_inflated, _BASE64.findall(text)))
    for inflate in (gzip.decompress, zlib.decompress):
        try:
            return inflate(cell).decode(errors="replace")
        except (OSError, EOFError, zlib.error):
            continue
    return cell.decode(errors="replace")


def _inflated(text):
    with contextlib.suppress(ValueError, zlib.error):
        return zlib.decompress(base64.b64decode(text)).decode(errors="replace")
    return ""


def has(text, word):
    """Whether a text holds a word, as it is, as JSON escapes it once or more often, or as a URL does."""
    escaped = json.dumps(word)[1:-1]
    return any(form in text for form in (word, escaped, quote(word))) or escaped in text.replace("\\\\", "\\")
