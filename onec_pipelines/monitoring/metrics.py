"""The same figures for Prometheus: text exposition format 0.0.4, written by hand because nothing more is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from onec_pipelines.ledger.calls import EDGES
from onec_pipelines.ledger.health import EntityHealth, Health
from onec_pipelines.monitoring.health import Policy, level, reasons_of

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATUSES = ("running", "succeeded", "failed", "skipped", "abandoned", "held")

Labels = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One family: name, kind, help, and its samples as (suffix of the name, labels, value)."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    help: str
    samples: list[tuple[str, Labels, float]]


def expose(families: Iterable[Metric]) -> str:
    """The families as text; values of labels and helps are escaped as the format wants it."""
    lines: list[str] = []
    for one in families:
        lines += [f"# HELP {one.name} {_escaped(one.help)}", f"# TYPE {one.name} {one.kind}"]
        lines += [
            f"{one.name}{suffix}{_labels(labels)} {_value(value)}" for suffix, labels, value in one.samples
        ]
    return "\n".join(lines) + "\n"


def metrics_of(found: Health, totals: list[dict[str, Any]], policy: Policy) -> list[Metric]:
    """All families of one base; each is there even when it has no samples yet."""
    base = {"system": found.system_name}
    return [
        *_of_base(found, base, policy),
        *_of_entities(found, base),
        *_of_queue(found, base),
        *_of_calls(totals, base),
    ]


def nothing() -> list[Metric]:
    """What can be said when the database cannot be asked."""
    return [_gauge("onec_up", "Whether the figures could be read.", [({}, 0.0)])]


def _of_base(found: Health, base: Labels, policy: Policy) -> Iterator[Metric]:
    now, reasons = found.base, reasons_of(found, policy)
    word = level(reasons)
    yield _gauge("onec_up", "Whether the figures could be read.", [({}, 1.0)])
    yield _gauge(
        "onec_health",
        "1 for the level that holds now: ok, degraded or down.",
        [({**base, "level": one}, float(one == word)) for one in ("ok", "degraded", "down")],
    )
    codes = sorted({reason.code for reason in reasons})
    yield _gauge(
        "onec_health_reasons",
        "Reasons why not all is well, by code.",
        [({**base, "code": code}, float(sum(one.code == code for one in reasons))) for code in codes],
    )
    yield _gauge(
        "onec_breaker_open", "Whether calls to 1C are cut off.", [(base, float(now.breaker != "closed"))]
    )
    yield _gauge("onec_paused", "Whether a person has paused calls to 1C.", [(base, float(now.paused))])
    yield _gauge("onec_calls_in_use", "Calls to 1C on their way, all processes.", [(base, float(now.in_use))])
    yield _gauge("onec_calls_waiting", "Calls that wait for the throttle.", [(base, float(now.waiting))])
    yield _gauge(
        "onec_calls_allowed",
        "Calls to 1C allowed at once; absent when nothing limits them below the setting.",
        [] if now.allowed is None else [(base, float(now.allowed))],
    )
    yield _gauge("onec_workers", "Workers that live.", [(base, float(now.workers))])
    yield _gauge(
        "onec_schema_age_seconds",
        "Seconds since $metadata was last confirmed.",
        [(base, found.schema.age_seconds)] if found.schema else [],
    )
    yield _gauge(
        "onec_alerts_open",
        "Open alerts by severity.",
        [
            ({**base, "severity": one}, float(sum(alert.severity == one for alert in found.alerts)))
            for one in ("note", "warning", "error", "critical")
        ],
    )
    yield _gauge(
        "onec_approvals_pending", "Loads held until a person decides.", [(base, float(len(found.approvals)))]
    )
    yield _gauge(
        "onec_webhook_answers",
        "Answers of the webhook receiver today and yesterday.",
        [({**base, "answer": name}, float(count)) for name, count in found.webhooks.items()],
    )


def _of_entities(found: Health, base: Labels) -> Iterator[Metric]:
    def of(value: Any) -> list[tuple[Labels, float]]:
        return [
            ({**base, "entity": one.entity_type}, float(number))
            for one in found.entities
            if (number := value(one)) is not None
        ]

    def field(name: str) -> list[tuple[Labels, float]]:
        return of(lambda one: getattr(one, name))

    def finished(one: EntityHealth) -> float | None:
        return one.completed_at.timestamp() if one.completed_at else None

    yield _gauge(
        "onec_entity_status",
        "1 for the status of the last run.",
        [
            ({**base, "entity": one.entity_type, "status": status}, float(one.status == status))
            for one in found.entities
            for status in _STATUSES
        ],
    )
    yield _gauge("onec_entity_lag_seconds", "Age of the newest confirmed state.", field("lag_seconds"))
    yield _gauge("onec_entity_last_run_seconds", "Duration of the last run.", field("seconds"))
    yield _gauge("onec_entity_last_run_end_timestamp_seconds", "When the last run ended.", of(finished))
    yield _gauge("onec_entity_rows", "Rows of the last run.", field("items_processed"))
    yield _gauge(
        "onec_entity_failures_in_a_row", "Failed runs since the last good one.", field("failures_in_a_row")
    )
    yield _gauge("onec_entity_runs_day", "Runs of the last 24 hours.", field("runs_day"))
    yield _gauge("onec_entity_failed_runs_day", "Failed runs of the last 24 hours.", field("failed_day"))
    yield _gauge("onec_entity_requests_day", "Requests to 1C of the last 24 hours.", field("requests_day"))
    yield _gauge("onec_entity_quarantined_rows", "Rejected rows that are open.", field("quarantined"))
    yield _gauge(
        "onec_entity_waiting_references", "References that wait for an object.", field("waiting_references")
    )


def _of_queue(found: Health, base: Labels) -> Iterator[Metric]:
    yield _gauge(
        "onec_queue_items",
        "Items of the queue that are not finished, by state; due ones are ready too.",
        [
            ({**base, "kind": one.kind, "state": state}, float(getattr(one, state)))
            for one in found.queue
            for state in ("ready", "due", "leased", "dead")
        ],
    )
    yield _gauge(
        "onec_queue_oldest_due_seconds",
        "How long the longest waiting due item is due.",
        [({**base, "kind": one.kind}, one.oldest_due_seconds) for one in found.queue],
    )


def _of_calls(totals: list[dict[str, Any]], base: Labels) -> Iterator[Metric]:
    samples: list[tuple[str, Labels, float]] = []
    for row in totals:
        labels = {**base, "resource": row["resource"], "code": row["error_code"]}
        below = list(accumulate(row["buckets"]))
        samples += [
            ("_bucket", {**labels, "le": f"{edge:g}"}, float(count))
            for edge, count in zip(EDGES, below, strict=False)
        ]
        samples += [
            ("_bucket", {**labels, "le": "+Inf"}, float(row["calls"])),
            ("_sum", labels, float(row["seconds"])),
            ("_count", labels, float(row["calls"])),
        ]
    yield Metric(
        name="onec_call_seconds",
        kind="histogram",
        help="Seconds that calls took 1C; code is empty for good ones. Falls once a day when old figures are forgotten.",
        samples=samples,
    )
    for name, words, column in (
        ("onec_call_wait_seconds_total", "Seconds that calls waited for throttle and session.", "waited"),
        ("onec_call_bytes_total", "Bytes of answers on the wire.", "wire_bytes"),
    ):
        yield Metric(
            name=name,
            kind="counter",
            help=words,
            samples=[
                ("", {**base, "resource": row["resource"], "code": row["error_code"]}, float(row[column]))
                for row in totals
            ],
        )


def _gauge(name: str, words: str, samples: Iterable[tuple[Labels, float]]) -> Metric:
    return Metric(
        name=name, kind="gauge", help=words, samples=[("", labels, value) for labels, value in samples]
    )


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    inside = ",".join(
        f'{name}="{_escaped(value).replace(chr(34), chr(92) + chr(34))}"' for name, value in labels.items()
    )
    return "{" + inside + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _value(value: float) -> str:
    if value != value:  # noqa: PLR0124 - not a number
        return "NaN"
    if value in {float("inf"), float("-inf")}:
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) else repr(value)
