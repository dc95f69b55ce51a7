"""The dashboard page: figures, reasons and advice put into words and shapes for one template. HTML is in `templates/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from onec_pipelines.db.engine import Database
from onec_pipelines.entities import BY_NAME
from onec_pipelines.ledger import health as figures
from onec_pipelines.ledger import measurements, quality
from onec_pipelines.ledger.health import AlertHealth, EntityHealth, Health
from onec_pipelines.monitoring import charts, words
from onec_pipelines.monitoring.advice import Advice, advise
from onec_pipelines.monitoring.audit_pages import address_of
from onec_pipelines.monitoring.health import Policy, Reason, is_stale, level, reasons_of
from onec_pipelines.monitoring.words import Language
from onec_pipelines.remedies import remedy_of

_MOST_LAGS = 10
_MOST_RESOURCES = 12
_MOST_ADVICE = 8
_SPARK_RUNS = 20


@dataclass(frozen=True, kw_only=True)
class View:
    """What a page is made for: whose eyes, which zone, and what counts as healthy."""

    language: Language
    zone: tzinfo
    policy: Policy
    page_rows: int
    max_sessions: int


def page(database: Database, system_name: str, view: View, *, home: Path) -> str:
    """The whole page as HTML; `home` holds the Data Docs of audits. Raises what the database raises."""
    found = figures.read(database, system_name)
    measured = measurements.read(database, system_name)
    reasons = reasons_of(found, view.policy)
    say = words.words(view.language)
    return (
        _templates()
        .get_template("dashboard.html")
        .render(
            say=say,
            language=view.language,
            span=lambda seconds: words.span(seconds, view.language),
            moment=lambda at: words.moment(at, view.zone),
            number=words.number,
            volume=words.volume,
            zone=str(view.zone),
            health=found,
            level=level(reasons) if found.entities or reasons else "unknown",
            reasons=[_told(reason, view.language) for reason in reasons],
            alerts=[_alert(alert, view.language) for alert in found.alerts],
            entities=[
                _entity(one, found, view, _line(measured.durations, one.entity_type))
                for one in sorted(
                    found.entities, key=lambda one: (not _is_bad(one, found, view), one.entity_type)
                )
            ],
            tiles=_tiles(found),
            charts=_charts(database, system_name, found, view),
            lags=_lags(found, view),
            resources=found.calls[:_MOST_RESOURCES],
            more_resources=len(found.calls) - _MOST_RESOURCES,
            advice=_advice(
                advise(measured, page_rows=view.page_rows, max_sessions=view.max_sessions), view.language
            ),
            quarantine=[(_title(one.entity_type, view.language), one) for one in found.quarantine],
            approvals=[(_title(one.entity_type, view.language), one) for one in found.approvals],
            audit=_audit(database, system_name, home),
            broken=[_title(name, view.language) for name in found.schema.broken_entities]
            if found.schema
            else [],
        )
    )


def failure_page(reason: Reason, language: Language) -> str:
    """The page when the figures cannot be had."""
    return (
        _templates()
        .get_template("failure.html")
        .render(say=words.words(language), language=language, reason=_told(reason, language))
    )


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("onec_pipelines.monitoring"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["marked"] = _marked
    return templates


def _marked(text: str) -> Markup:
    """A remedy with its `commands` set as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else part for index, part in enumerate(parts)
    )


def _told(reason: Reason, language: Language) -> dict[str, Any]:
    entry = remedy_of(reason.code)
    said = entry.words(language) if entry else None
    return {
        "code": reason.code,
        "down": reason.down,
        "title": said.title if said else reason.code,
        "remedy": said.remedy if said else "",
        "entity": _title(reason.entity, language) if reason.entity else "",
        "figures": {
            name: words.span(float(value), language) if name.endswith("seconds") else value
            for name, value in reason.figures.items()
            if value is not None
        },
    }


def _alert(alert: AlertHealth, language: Language) -> dict[str, Any]:
    entry = remedy_of(alert.code)
    said = entry.words(language) if entry else None
    return {
        "severity": alert.severity,
        "title": said.title if said else alert.code,
        "code": alert.code,
        "entity": _title(alert.entity_type, language) if alert.entity_type else "",
        "since": alert.since,
        "acknowledged": alert.acknowledged_at is not None,
    }


def _title(entity: str, language: Language) -> str:
    known = BY_NAME.get(entity)
    return known.title_ru if known is not None and language == "ru" else entity


def _entity(one: EntityHealth, found: Health, view: View, line: str) -> dict[str, Any]:
    return {
        "name": _title(one.entity_type, view.language),
        "run": one,
        "stale": is_stale(one, found, view.policy),
        "line": line,
    }


def _is_bad(one: EntityHealth, found: Health, view: View) -> bool:
    return one.status in {"failed", "abandoned", "held"} or is_stale(one, found, view.policy)


def _line(durations: list[measurements.Durations], entity: str) -> str:
    mine = [one for one in durations if one.entity_type == entity]
    longest = max(mine, key=lambda one: len(one.seconds), default=None)
    return charts.sparkline(longest.seconds[-_SPARK_RUNS:]) if longest else ""


def _tiles(found: Health) -> dict[str, Any]:
    lags = [one.lag_seconds for one in found.entities if one.lag_seconds is not None]
    return {
        "lag": max(lags, default=None),
        "runs": sum(one.runs_day for one in found.entities),
        "failed": sum(one.failed_day for one in found.entities),
        "calls": sum(one.calls for one in found.calls),
        "call_errors": sum(one.errors for one in found.calls),
        "due": sum(one.due for one in found.queue),
        "dead": sum(one.dead for one in found.queue),
        "quarantined": sum(one.open for one in found.quarantine),
        "quarantined_new": sum(one.new_day for one in found.quarantine),
    }


def _lags(found: Health, view: View) -> list[dict[str, Any]]:
    known = sorted(
        (one for one in found.entities if one.lag_seconds is not None),
        key=lambda one: -(one.lag_seconds or 0),
    )[:_MOST_LAGS]
    top = max((one.lag_seconds or 0.0 for one in known), default=0.0) or 1.0
    return [
        {
            "name": _title(one.entity_type, view.language),
            "seconds": one.lag_seconds,
            "width": round((one.lag_seconds or 0.0) / top * 100, 1),
            "stale": is_stale(one, found, view.policy),
        }
        for one in known
    ]


def _charts(database: Database, system_name: str, found: Health, view: View) -> dict[str, charts.Chart]:
    by_hour = charts.by_hour(figures.hours(database, system_name))
    hours = charts.steps(found.now, hours=24, minutes=60)
    labels = [f"{at.astimezone(view.zone):%H:%M}" for at in (hours[0], hours[8], hours[16], hours[-1])]
    minutes = {row["at"]: row for row in figures.call_minutes(database, system_name)}
    moments = charts.steps(found.now, hours=24, minutes=10)
    say = words.words(view.language)

    def clock(at: datetime) -> str:
        return f"{at.astimezone(view.zone):%H:%M}"

    return {
        "durations": charts.bars(
            hours,
            {at: one["average"] for at, one in by_hour.items()},
            {at: one["worst"] for at, one in by_hour.items()},
            texts={
                at: f"{clock(at)}: {words.span(one['average'], view.language)}, {say['peak']} {words.span(one['worst'], view.language)}"
                for at, one in by_hour.items()
            },
            labels=labels,
        ),
        "failures": charts.bars(
            hours,
            {at: _percent(one) for at, one in by_hour.items()},
            {},
            texts={
                at: f"{clock(at)}: {one['failed']:.0f} / {one['runs']:.0f}" for at, one in by_hour.items()
            },
            labels=labels,
            least_top=10.0,
        ),
        "ages": _lag_hours(database, system_name, view, now=found.now, labels=labels),
        "calls": charts.bars(
            moments,
            {at: float(row["errors"]) for at, row in minutes.items()},
            {at: float(row["calls"]) for at, row in minutes.items()},
            texts={
                at: f"{clock(at)}: {row['calls']}, {say['errors']} {row['errors']}"
                for at, row in minutes.items()
            },
            labels=labels,
        ),
    }


def _audit(database: Database, system_name: str, home: Path) -> dict[str, Any] | None:
    """The latest audit of the shop's tables; its pages only where they are on this machine."""
    run = quality.latest(database, system_name)
    if run is None:
        return None
    return {"run": run, "address": address_of(home, run.docs)}


def _lag_hours(
    database: Database, system_name: str, view: View, *, now: datetime, labels: list[str]
) -> charts.Chart:
    """How old the data was at the end of each of the last hours, in hours: the middle entity and the worst one, which its tooltip names."""
    rows = {row["at"]: row for row in figures.lag_hours(database, system_name)}
    hours = charts.steps(now, hours=24, minutes=60)
    return charts.bars(
        hours,
        {at: row["middle"] / 3600 for at, row in rows.items()},
        {at: row["worst"] / 3600 for at, row in rows.items()},
        texts={
            at: f"{at.astimezone(view.zone):%H:%M}: {words.span(row['middle'], view.language)},"
            f" {_title(row['worst_entity'], view.language)} {words.span(row['worst'], view.language)}"
            for at, row in rows.items()
        },
        labels=labels,
    )


def _percent(one: Mapping[str, float]) -> float:
    return one["failed"] / one["runs"] * 100 if one["runs"] else 0.0


def _advice(found: list[Advice], language: Language) -> list[dict[str, str]]:
    return [{"verdict": one.verdict, "text": one.text(language)} for one in found[:_MOST_ADVICE]]
