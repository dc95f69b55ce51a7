"""An order that a rule of 1C refuses: the operator reads 1C's own words, the object's link and what to do, and one command ends it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.onec.links import deep_link, web_link
from onec_pipelines_tests.fixtures.pipeline import control, environment, query
from onec_pipelines_tests.fixtures.pushing import ORDER, dead_letter, document_of

AGREEMENT = "Catalog_СоглашенияСКлиентами"
PARTNER = "Catalog_Партнеры"


@pytest.fixture
def onec(simulator, shop_url, home, monkeypatch):
    """Runs `onec queue` with arguments and gives what it printed."""
    for name, held in environment(simulator, shop_url, home).items():
        monkeypatch.setenv(name, held)

    def run(*arguments):
        result = CliRunner().invoke(command_line.cli, ["queue", *map(str, arguments)])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.fixture(autouse=True)
def _no_rules(simulator):
    yield
    control(simulator, "options", {"closed_until": "", "blocked": ""}, method="PATCH")


@pytest.fixture
def ended(simulator, shop_url, onec, push):
    """Says that the order is dead, and that after `onec queue retry` it is a posted document, the only one of its number."""

    def one_command_ends(order, item):
        onec("retry", item)
        push()
        document = document_of(simulator, shop_url, order)
        rows = control(simulator, f"rows/{ORDER}?top=100000")["rows"]
        same = [row for row in rows if row["НомерПоДаннымКлиента"] == document["НомерПоДаннымКлиента"]]
        assert (len(same), document["Posted"]) == (1, True)
        told = "SELECT push_state FROM shop.web_order_status WHERE order_id = %s"
        assert query(shop_url, told, order) == [("done",)]

    return one_command_ends


def test_a_closed_period_refuses_the_creation(  # noqa: PLR0917 - fixtures
    simulator, shop_url, push, place, shop, onec, ended
):
    customer = shop.customer(name="Орлова Анна", phone="+79071110001")
    push()
    control(simulator, "options", {"closed_until": "2999-12-31"}, method="PATCH")
    order = place(customer=customer)
    push()
    item, _ = dead_letter(shop_url, order)
    (partner,) = query(
        shop_url, "SELECT onec_key::text FROM integ.push_objects WHERE outgoing = 'customers'"
    )[0]

    shown = onec("show", item, "--lang", "en")
    assert "1C says: " in shown
    assert "период закрыт для изменений (дата запрета 2999-12-31)" in shown
    assert "why: 1C's own code refused the request. A rule of the configuration: a closed period" in shown
    assert (
        f"in general: Read 1C's words in the message, remove the cause in 1C, then `onec queue retry {item}`."
        in shown
    )
    # the order was not made, so that its customer is what can be opened
    link = deep_link(PARTNER, partner)
    assert f"in 1C (Shift+F11): {link}" in shown
    assert f"in the browser: {web_link(simulator.url, link)}" in shown
    assert "ЗаказКлиента?ref" not in shown

    control(simulator, "options", {"closed_until": ""}, method="PATCH")
    ended(order, item)


def test_a_blocked_customer_refuses_the_posting(  # noqa: PLR0917 - fixtures
    simulator, shop_url, push, place, shop, onec, ended
):
    customer = shop.customer(name="Уткин Олег", phone="+79071110002")
    push()
    (partner,) = query(
        shop_url, "SELECT onec_key::text FROM integ.push_objects WHERE outgoing = 'customers'"
    )[0]
    control(simulator, "options", {"blocked": partner}, method="PATCH")
    order = place(customer=customer)
    push()
    item, _ = dead_letter(shop_url, order)

    shown = onec("show", item, "--lang", "ru")
    assert "1С сообщает: Не удалось провести документ" in shown
    assert 'Отгрузка клиенту "' in shown  # the name is masked
    assert '" запрещена.' in shown
    assert "почему: Код конфигурации 1С отклонил запрос" in shown
    assert (
        f"что делать: Прочтите сообщение 1С, устраните причину в 1С и выполните `onec queue retry {item}`."
        in shown
    )
    link = deep_link(ORDER, document_of(simulator, shop_url, order)["Ref_Key"])
    assert f"в 1С (Shift+F11): {link}" in shown
    assert f"в браузере: {web_link(simulator.url, link)}" in shown

    control(simulator, "options", {"blocked": ""}, method="PATCH")
    ended(order, item)


def test_an_agreement_that_has_ended_refuses_the_posting(  # noqa: PLR0917 - fixtures
    simulator, shop_url, push, place, onec, ended
):
    order = place()
    push()
    agreement = document_of(simulator, shop_url, order)["Соглашение_Key"]
    control(simulator, f"rows/{AGREEMENT}/{agreement}", {"ДатаОкончанияДействия": "2020-01-31T00:00:00"})
    order = place()
    push()
    item, _ = dead_letter(shop_url, order)

    document = json.loads(onec("show", item, "--lang", "en", "--json"))
    assert "не действует на дату документа" in document["last_error"]["onec_message"]
    link = deep_link(ORDER, document_of(simulator, shop_url, order)["Ref_Key"])
    assert document["advice"]["links"] == [link]

    control(simulator, f"rows/{AGREEMENT}/{agreement}", {"ДатаОкончанияДействия": "0001-01-01T00:00:00"})
    ended(order, item)


def test_an_agreement_that_nobody_named_is_told_before_1c_is_asked(  # noqa: PLR0917 - fixtures
    simulator, shop_url, push, place, shop, onec, ended
):
    customer = shop.customer(name="Зимина Вера", phone="+79071110003")
    push()
    before = len(control(simulator, "requests?last=100000"))
    shop.store(agreement="")
    order = place(customer=customer)
    push()
    item, error = dead_letter(shop_url, order)
    assert error["code"] == "PUSH_DEFAULTS"
    assert len(control(simulator, "requests?last=100000")) == before
    assert "agreement is not set (ONEC_ORDER_AGREEMENT)" in onec("show", item)

    shop.store()
    ended(order, item)
