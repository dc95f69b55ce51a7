"""Alerts from end to end: look at the ledger, note what began and what ended, escalate, send what waits. For sensors, cron and commands.

Noting is one transaction and needs no channel; sending takes one notice at a time and marks it when the channel took it. Killed between
the two, the next round sends it: at least once, under the same id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import alert_deliveries, alerts
from onec_pipelines.ledger.alerts import Alert, Finding, Policy
from onec_pipelines.monitoring.alert_rules import findings
from onec_pipelines.monitoring.alert_text import Style, notice
from onec_pipelines.monitoring.channels import Channel, Refused, channels_of
from onec_pipelines.remedies import Severity
from onec_pipelines.settings import Settings
from onec_pipelines.steps.failpoints import reach

Tx = psycopg.Connection[Any]

LEDGER = "ledger"
_log = logging.getLogger("onec_pipelines.alerts")
_ROUND_SECONDS = 40.0


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round did: alerts open now, notices sent, notices that a channel refused."""

    open: int = 0
    sent: int = 0
    refused: int = 0


class Alerting:
    """The alerts of one base: a database, the settings' channels, and the policy of who is told what."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        *,
        channels: tuple[Mapping[str, Channel], Mapping[str, Channel]] | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._usual, self._further = channels or channels_of(settings)
        self._channels = {**self._usual, **self._further}
        self.policy = Policy(
            channels=tuple(self._usual),
            escalation_channels=tuple(self._further),
            level=Severity(settings.alert_level),
            cooldown_seconds=settings.alert_cooldown_minutes * 60,
            escalate_seconds=settings.alert_escalate_hours * 3600,
        )
        self.style = style_of(settings)

    @property
    def channels(self) -> Sequence[str]:
        """Names of all channels."""
        return tuple(self._channels)

    def check(self) -> Round:
        """Look at the ledger, note what changed and send what waits."""
        opened = self.note_ledger()
        done = self.send()
        return Round(open=opened, sent=done.sent, refused=done.refused)

    def note_ledger(self) -> int:
        """Bring the open alerts in step with the ledger, without sending; gives how many are open."""
        system = self._settings.system
        with self._database.transaction() as connection:
            tx = driver_connection(connection)
            alerts.lock(tx, system)
            found, complete = findings(tx, self._settings)
            for finding in found:
                alerts.found(tx, finding, self.policy, system_name=system, source=LEDGER)
            still = {finding.fingerprint for finding in found}
            for alert in alerts.open_alerts(tx, system, source=LEDGER):
                # Nothing has ended because it could not be asked for.
                if complete and alert.fingerprint not in still:
                    alerts.gone(tx, alert.fingerprint, system_name=system)
            alerts.forget_events_that_passed(tx, self.policy, system_name=system)
            alerts.escalate(tx, self.policy, system_name=system)
            alert_deliveries.drop_unknown(tx, self.channels, system_name=system)
            alerts.prune(tx, system_name=system)
            return len(alerts.open_alerts(tx, system))

    def note_in_order(
        self, began: Iterable[Finding], ended: Iterable[tuple[str, int]], *, source: str
    ) -> None:
        """Note what events say, in the order of their numbers, in one transaction; nothing is sent.

        `ended` are fingerprints with the number of the event that ended them.
        """
        system = self._settings.system
        acts: list[tuple[int, Finding | str]] = [(one.event_id, one) for one in began]
        acts += [(event_id, fingerprint) for fingerprint, event_id in ended]
        with self._database.transaction() as connection:
            tx = driver_connection(connection)
            alerts.lock(tx, system)
            for event_id, act in sorted(acts, key=lambda one: one[0]):
                if isinstance(act, Finding):
                    alerts.found(tx, act, self.policy, system_name=system, source=source)
                else:
                    alerts.gone(tx, act, system_name=system, event_id=event_id)

    def open_alerts(self) -> list[Alert]:
        """Open alerts, the worst first."""
        with self._database.transaction() as connection:
            return alerts.open_alerts(driver_connection(connection), self._settings.system)

    def send(self) -> Round:
        """Send what waits; a channel that refuses is left alone for the rest of the round, the others go on."""
        willing = dict(self._channels)
        sent = refused = 0
        until = time.monotonic() + _ROUND_SECONDS
        while willing and time.monotonic() < until:
            delivery = alert_deliveries.claim(
                self._database, list(willing), system_name=self._settings.system
            )
            if delivery is None:
                break
            words = notice(delivery.alert, delivery.event, number=delivery.id, style=self.style)
            try:
                willing[delivery.channel](words)
            except Exception as error:  # noqa: BLE001 - whatever a channel does, the others go on
                refused += 1
                del willing[delivery.channel]
                why = str(error) if isinstance(error, Refused) else type(error).__name__
                alert_deliveries.failed(self._database, delivery, why)
                _log.warning("the channel %s did not take an alert: %s", delivery.channel, why)
                continue
            reach("alert_taken")
            alert_deliveries.sent(self._database, delivery)
            sent += 1
        return Round(sent=sent, refused=refused)

    def test(self) -> dict[str, str]:
        """Send a test to every channel at once, past the ledger; gives what each said, empty for well."""
        now = datetime.now(UTC)
        alert = _test_alert(self._settings.system, now)
        words = notice(alert, "raised", number=int(now.timestamp()), style=self.style)
        results = {}
        for name, channel in self._channels.items():
            try:
                channel(words)
                results[name] = ""
            except Refused as error:
                results[name] = str(error)
        return results


def style_of(settings: Settings) -> Style:
    """How notices are written, by the settings."""
    return Style(
        language=settings.notice_language,
        zone=settings.zone if settings.timezone else ZoneInfo("UTC"),
        dagster_url=settings.dagster_url,
    )


def _test_alert(system: str, now: datetime) -> Alert:
    return Alert(
        id=0,
        system_name=system,
        fingerprint="test",
        kind="test",
        code="ALERT_TEST",
        severity="note",
        source="command",
        facts={},
        lasting=False,
        since=now,
        opened_at=now,
        seen_at=now,
        occurrences=1,
        event_id=0,
        announced_at=None,
        announced_size=None,
        escalated_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
        resolved_at=None,
    )
