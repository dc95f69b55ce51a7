"""Alerts are told once, to every channel, whatever happens to the channels and to who tells them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
from standardwebhooks import Webhook

from onec_pipelines.ledger import alerts
from onec_pipelines_tests.fixtures.alerts import WEBHOOK_SECRET, http_receiver
from onec_pipelines_tests.fixtures.patience import PATIENCE_SECONDS
from onec_pipelines_tests.fixtures.pipeline import query

DEAD = (
    "INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, state, last_error, finished_at)"
    " SELECT 'test', 'push', 'order:' || n, 'order:' || n, 'dead', '{\"code\": \"PUSH_PREFLIGHT\"}', now() FROM generate_series(1, %s) n"
)
FINGERPRINT = "dead_letters:push:PUSH_PREFLIGHT"


@pytest.fixture
def trouble(tx):
    """Makes items dead, and mends all."""

    def make(count=1):
        tx.execute(DEAD, (count,))

    make.over = lambda: tx.execute("UPDATE integ.retry_queue SET state = 'dropped'")
    return make


def age(tx, hours):
    """As if everything of the alerts had happened so much earlier."""
    for column in ("opened_at", "announced_at", "resolved_at", "seen_at"):
        tx.execute(f"UPDATE integ.alerts SET {column} = {column} - interval '{hours} hours'".encode())  # noqa: S608 - ours
    tx.execute(
        "UPDATE integ.alert_deliveries SET run_at = run_at - interval '1 hour' WHERE state = 'waiting'"
    )


def test_the_signature_is_good_to_the_libraries_of_standard_webhooks(alerting, receiver, trouble):
    trouble()
    alerting().check()

    ((headers, body),) = receiver.requests

    assert Webhook(WEBHOOK_SECRET).verify(body, headers)["fingerprint"] == FINGERPRINT
    assert headers["webhook-id"].startswith("onec-alert-test-")


def test_mail_arrives_in_russian_with_the_remedy(alerting, mailbox, receiver, trouble):
    trouble()
    more = {"alert_smtp_url": mailbox.url, "alert_email_from": "onec@example.com", "alert_language": "ru"}
    alerting(**more, alert_email_to="ops@example.com,two@example.com").check()

    (message,) = mailbox.messages
    assert mailbox.recipients == [["ops@example.com", "two@example.com"]]
    assert message["Subject"].startswith("[ошибка] В очереди есть мёртвые элементы")
    text = message.get_content()
    assert "Что делать: Исправьте в приложении" in text
    assert "Europe/Moscow" in text
    assert "Сколько: 1 push" in text


def test_a_channel_that_is_down_holds_up_no_other_and_gets_it_later(alerting, mailbox, receiver, trouble, tx):
    receiver.status = 503
    trouble()
    mail = {"alert_smtp_url": mailbox.url, "alert_email_from": "a@b.ru", "alert_email_to": "c@d.ru"}

    assert alerting(**mail).check().refused == 1
    assert len(mailbox.messages) == 1
    assert alerting(**mail).check().refused == 0  # it waits a while
    receiver.status = 204
    age(tx, 0)
    alerting(**mail).check()

    assert receiver.told == [("raised", FINGERPRINT)]
    assert len(mailbox.messages) == 1
    assert query(alerting()._database.url, "SELECT DISTINCT state FROM integ.alert_deliveries") == [("sent",)]


def test_a_mail_server_that_refuses_is_named_without_its_password(
    alerting, mailbox, receiver, trouble, database_url
):
    mailbox.refuses = True
    url = mailbox.url.replace("smtp://", "smtp://canary:hunter2@")
    trouble()
    alerting(alert_smtp_url=url, alert_email_from="a@b.ru", alert_email_to="c@d.ru").check()

    ((state, error),) = query(
        database_url, "SELECT state, last_error FROM integ.alert_deliveries WHERE channel = 'email'"
    )
    assert state == "waiting"
    assert "mail server" in error
    assert "hunter2" not in error
    assert receiver.told == [("raised", FINGERPRINT)]


def test_a_channel_that_stays_down_is_told_on_the_others(alerting, mailbox, receiver, trouble, tx):
    receiver.status = 500
    trouble()
    mail = {"alert_smtp_url": mailbox.url, "alert_email_from": "a@b.ru", "alert_email_to": "c@d.ru"}
    alerting(**mail).check()
    tx.execute("UPDATE integ.alert_deliveries SET created_at = created_at - interval '20 minutes'")

    alerting(**mail).check()

    assert "CHANNEL_DOWN" in mailbox.messages[-1].get_content()
    assert len(mailbox.messages) == 2
    waiting = query(
        alerting()._database.url, "SELECT count(*) FROM integ.alert_deliveries WHERE channel = 'webhook'"
    )
    assert waiting == [(1,)]


def test_what_ended_before_anybody_heard_of_it_is_not_told(alerting, receiver, trouble):
    only_noted = alerting()
    trouble()
    only_noted.note_ledger()
    trouble.over()
    alerting().check()

    assert receiver.told == []


def test_what_comes_back_within_the_cooldown_is_told_when_it_stays(alerting, receiver, trouble, tx):
    for _ in range(3):
        trouble()
        alerting().check()
        trouble.over()
        alerting().check()
    assert receiver.told == [("raised", FINGERPRINT), ("recovered", FINGERPRINT)]

    trouble()
    alerting().check()
    age(tx, 2)
    alerting().check()

    assert receiver.told[2:] == [("raised", FINGERPRINT)]
    trouble.over()
    alerting().check()
    assert receiver.told[3:] == [("recovered", FINGERPRINT)]


def test_what_doubles_is_told_again_but_not_within_the_cooldown(alerting, receiver, trouble, tx):
    trouble(2)
    alerting().check()
    trouble(3)
    alerting().check()
    assert len(receiver.told) == 1

    age(tx, 2)
    alerting().check()
    alerting().check()

    assert receiver.told[1:] == [("grew", FINGERPRINT)]
    assert receiver.documents[-1]["rows"] == 5


def test_what_nobody_takes_goes_to_further_channels_and_its_end_too(alerting, receiver, trouble, tx):
    with http_receiver() as boss:
        told = {"alert_escalate_webhook_url": boss.url}
        trouble()
        alerting(**told).check()
        assert boss.told == []
        age(tx, 5)
        alerting(**told).check()
        alerting(**told).check()
        trouble.over()
        alerting(**told).check()

    assert boss.told == [("escalated", FINGERPRINT), ("recovered", FINGERPRINT)]
    assert receiver.told == [("raised", FINGERPRINT), ("recovered", FINGERPRINT)]


def test_what_somebody_takes_is_not_escalated(alerting, receiver, trouble, tx):
    with http_receiver() as boss:
        trouble()
        alerting(alert_escalate_webhook_url=boss.url).check()
        ((number,),) = tx.execute("SELECT id FROM integ.alerts").fetchall()
        assert alerts.acknowledge(tx, [number], system_name="test", by="anna@desk") == [number]
        age(tx, 5)
        alerting(alert_escalate_webhook_url=boss.url).check()

    assert boss.told == []


def test_what_is_silenced_is_listed_and_told_when_the_silence_ends(alerting, receiver, trouble, database, tx):
    alerts.silence(tx, "dead_letters:*", system_name="test", hours=1, by="anna")
    trouble()
    assert alerting().check().open == 1
    assert receiver.told == []
    assert [one["fingerprint"] for one in alerts.listing(database, "test")] == [FINGERPRINT]

    alerts.speak_again(tx, "dead_letters:*", system_name="test", by="anna")
    alerting().check()

    assert receiver.told == [("raised", FINGERPRINT)]


def test_what_is_below_the_level_is_only_listed(alerting, receiver, trouble):
    trouble()

    assert alerting(alert_level="critical").check().open == 1
    assert receiver.told == []


def test_killed_after_the_channel_took_it_the_notice_comes_again_under_the_same_id(
    variables, alerting, receiver, trouble, tx
):
    trouble()
    code = """
        import os
        from onec_pipelines.db.engine import connect
        from onec_pipelines.monitoring.alerting import Alerting
        from onec_pipelines.settings import load_settings
        from onec_pipelines.steps import failpoints
        settings = load_settings(require_onec=False)
        taken = []

        def die(name):
            if name == "alert_taken":
                taken.append(name)
                if len(taken) == 2:  # the log and the webhook took theirs
                    os.kill(os.getpid(), 9)

        failpoints.arm(die)
        Alerting(connect(settings.database_url.get_secret_value()), settings).check()
    """
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**variables, "ONEC_ENV_FILE": "", "PATH": "/usr/bin"},
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert died.returncode == -9
    alerting().check()  # the claim of the dead still holds
    assert len(receiver.requests) == 1
    age(tx, 0)
    alerting().check()
    alerting().check()

    assert receiver.told == [("raised", FINGERPRINT)] * 2
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1


def test_two_who_look_at_the_same_time_tell_it_once(variables, receiver, trouble, alerting):
    trouble()
    lookers = [alerting() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: one.check(), lookers))

    assert receiver.told == [("raised", FINGERPRINT)]


def test_a_rule_that_cannot_be_asked_ends_nothing_and_stops_no_other(alerting, receiver, trouble, tx):
    trouble()
    alerting().check()
    tx.execute("ALTER TABLE integ.throttle RENAME COLUMN breaker TO other_name")
    trouble.over()

    alerting().check()

    assert receiver.told == [("raised", FINGERPRINT)]
    tx.execute("ALTER TABLE integ.throttle RENAME COLUMN other_name TO breaker")
    alerting().check()
    assert receiver.told[1:] == [("recovered", FINGERPRINT)]


def test_the_test_reaches_every_channel_and_names_those_that_do_not_take_it(alerting, receiver, mailbox):
    mailbox.refuses = True
    found = alerting(alert_smtp_url=mailbox.url, alert_email_from="a@b.ru", alert_email_to="c@d.ru").test()

    assert found["log"] == found["webhook"] == ""
    assert "mail server" in found["email"]
    assert [document["kind"] for document in receiver.documents] == ["test"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Apprise's own making
def test_apprise_passes_notices_on(alerting, receiver, trouble):
    trouble()
    url = receiver.url.replace("http://", "json://")
    alerting(alert_apprise_urls=url).check()

    passed_on = [document for document in receiver.documents if "message" in document]
    assert "Items of the queue are dead" in passed_on[0]["title"]
