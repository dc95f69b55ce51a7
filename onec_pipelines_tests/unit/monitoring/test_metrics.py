"""The text format of Prometheus, and that the Grafana file names nothing that is not exported."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import onec_pipelines
from onec_pipelines.ledger.health import BaseHealth, EntityHealth, Health, QueueHealth
from onec_pipelines.monitoring.health import Policy
from onec_pipelines.monitoring.metrics import Metric, expose, metrics_of, nothing

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
GRAFANA = Path(onec_pipelines.__file__).parent.parent / "deploy" / "grafana" / "dashboard.json"
SAMPLE = re.compile(
    r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$'
)


def an_entity(**changes) -> EntityHealth:
    given = {
        "entity_type": "products",
        "job_id": 1,
        "job_type": "inbound",
        "status": "succeeded",
        "run_id": None,
        "started_at": NOW,
        "completed_at": NOW,
        "seconds": 1.5,
        "items_processed": 10,
        "items_failed": 0,
        "error_code": None,
        "way": "snapshot",
        "confirmed_at": NOW,
        "lag_seconds": 60.0,
        "failures_in_a_row": 0,
        "failing_since": None,
        "runs_day": 3,
        "failed_day": 0,
        "requests_day": 9,
        "wire_bytes_day": 100,
        "rows_changed_day": 0,
        "median_seconds": 1.0,
        "worst_seconds": 2.0,
        "quarantined": 1,
        "waiting_references": 0,
        "held_loads": 0,
    }
    return EntityHealth(**(given | changes))


def a_health(**changes) -> Health:
    given = {
        "system_name": "ut",
        "now": NOW,
        "entities": [an_entity()],
        "queue": [],
        "base": BaseHealth(),
        "calls": [],
        "errors": [],
        "quarantine": [],
        "schema": None,
        "nodes": [],
        "approvals": [],
        "alerts": [],
        "webhooks": {},
    }
    return Health(**(given | changes))


TOTALS = [
    {
        "resource": 'Каталог"\\x\n',
        "error_code": "",
        "calls": 3,
        "seconds": 1.25,
        "waited": 0.5,
        "wire_bytes": 1000,
        "buckets": [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
    }
]


def test_every_line_is_a_comment_or_a_sample_whatever_a_name_holds():
    text = expose(metrics_of(a_health(), TOTALS, Policy()))
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        assert line.startswith(("# HELP ", "# TYPE ")) or SAMPLE.match(line), line
    assert 'resource="Каталог\\"\\\\x\\n"' in text


def test_help_texts_keep_to_one_line():
    metric = Metric(name="x", kind="gauge", help="two\nlines \\ and", samples=[("", {}, 1.5)])
    assert expose([metric]) == "# HELP x two\\nlines \\\\ and\n# TYPE x gauge\nx 1.5\n"


def test_numbers_that_are_none_are_written_as_prometheus_reads_them():
    values = [float("nan"), float("inf"), float("-inf"), 3.0, 1e-9]
    metric = Metric(name="x", kind="gauge", help="h", samples=[("", {"n": str(v)}, v) for v in values])
    assert [line.rsplit(" ", 1)[1] for line in expose([metric]).splitlines()[2:]] == [
        "NaN",
        "+Inf",
        "-Inf",
        "3",
        "1e-09",
    ]


def test_buckets_of_a_histogram_rise_up_to_its_count():
    text = expose(metrics_of(a_health(), TOTALS, Policy()))
    counts = [
        float(line.rsplit(" ", 1)[1])
        for line in text.splitlines()
        if line.startswith("onec_call_seconds_bucket")
    ]
    assert counts == sorted(counts)
    assert counts[-1] == 3
    assert re.search(r"onec_call_seconds_bucket\{.*le=\"\+Inf\"\} 3", text)
    assert re.search(r"onec_call_seconds_count\{[^}]*\} 3", text)
    assert re.search(r"onec_call_seconds_sum\{[^}]*\} 1.25", text)


def test_each_family_is_told_once_and_no_sample_twice():
    found = a_health(
        entities=[an_entity(), an_entity(entity_type="prices", status="failed", lag_seconds=None)],
        queue=[
            QueueHealth(kind="push", ready=2, due=1, leased=0, dead=1, oldest_due_seconds=5, oldest_seconds=9)
        ],
    )
    lines = expose(metrics_of(found, TOTALS, Policy())).splitlines()
    types = [line for line in lines if line.startswith("# TYPE")]
    names = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
    assert len(types) == len(set(types))
    assert len(names) == len(set(names))
    assert 'onec_entity_status{system="ut",entity="prices",status="failed"} 1' in lines
    assert not any(line.startswith('onec_entity_lag_seconds{system="ut",entity="prices"') for line in lines)


def test_without_a_database_only_onec_up_is_said():
    assert expose(nothing()).splitlines()[-1] == "onec_up 0"


def test_the_grafana_dashboard_names_only_metrics_that_are_exported():
    exported = set()
    for one in metrics_of(a_health(), TOTALS, Policy()):
        exported |= (
            {one.name}
            if one.kind != "histogram"
            else {f"{one.name}{s}" for s in ("_bucket", "_sum", "_count")}
        )
    board = json.loads(GRAFANA.read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    queries += [one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    named = {name for query in queries for name in re.findall(r"\bonec_[a-z_]+\b", query)}
    assert len(queries) > 8
    assert named - exported == set()
