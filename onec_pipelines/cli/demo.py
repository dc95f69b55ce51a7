"""`onec demo`: a simulated 1C, an embedded PostgreSQL, the whole sync through Dagster, orders there and back, and Dagster's UI."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onec_pipelines.cli import output
from onec_pipelines.inbound import Outcome

if TYPE_CHECKING:
    from onec_pipelines.cli.demo_orders import Sold


@click.command()
@click.option("--products", default=2000, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--seed", default=1, show_default=True, help="Another seed, another shop.")
@click.option("--port", default=3000, show_default=True, help="Port of Dagster's UI on 127.0.0.1.")
@click.option(
    "--latency-ms", default=0, show_default=True, help="Latency of each answer of the simulated 1C."
)
@click.option("--fresh", is_flag=True, help="Forget what earlier demos of this size left.")
@click.option("--once", is_flag=True, help="Sync once, check the result and end; without the UI.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
def demo(
    *, products: int, seed: int, port: int, latency_ms: int, fresh: bool, once: bool, as_json: bool
) -> None:
    """Show the whole thing on a simulated 1C; needs no 1C, no database server and no settings.

    After the sync the demo's shop sells: orders are placed, changed, cancelled and sent back in the shop's database, go to 1C, and come
    back with what became of them there. Exits 0 only if every entity was read completely, clean and shop hold what they should, and each
    order is one document in 1C.
    """
    from onec_pipelines.settings import load_settings

    home = load_settings(require_onec=False).home / f"demo-{products}-{seed}"
    if fresh:
        _forget(home)
    with _environment(home, products=products, seed=seed, latency_ms=latency_ms) as control_url:
        report = _sync(quiet=as_json)
        outcomes = report.pop("outcomes")
        sold = _sell(control_url)
        report["problems"] += sold.problems
        report["ok"] = not report["problems"]
        if as_json:
            output.as_json({"products": products, **report, "sales": sold.document})
        else:
            _print(report, outcomes, sold)
        if not once:
            _serve_ui(port)
    if report["problems"]:
        sys.exit(1)


@contextmanager
def _environment(home: Path, *, products: int, seed: int, latency_ms: int) -> Iterator[str]:
    """The simulated 1C and the embedded server, in the environment of this process and of those it starts; gives 1C's control address."""
    from onec_pipelines.db.embedded import EmbeddedServer
    from onec_pipelines.settings import project_root
    from onec_pipelines.simulator.server import Simulator

    server = EmbeddedServer(home)
    was_running = server.status().running
    for name in [name for name in os.environ if name.startswith("ONEC_")]:
        del os.environ[name]
    with Simulator.start_process(products=products, seed=seed, latency_ms=latency_ms) as simulated:
        os.environ.update(
            ONEC_ENV_FILE="",
            ONEC_URL=simulated.url,
            ONEC_USER=simulated.user,
            ONEC_PASSWORD=simulated.password,
            ONEC_TIMEZONE="Europe/Moscow",
            ONEC_SYSTEM="demo",
            ONEC_HOME=str(home),
            ONEC_RATE_PER_SECOND="1000",
            DAGSTER_HOME=str(project_root()),
        )
        try:
            yield simulated.control_url
        finally:
            if not was_running:
                server.stop()


def _sync(*, quiet: bool) -> dict[str, Any]:
    """Run the job `sync_all` in this process, so that it is a real run in Dagster's history with progress here."""
    from onec_pipelines.cli.demo_check import check
    from onec_pipelines.definitions import defs
    from onec_pipelines.defs.in_process import run_job
    from onec_pipelines.runtime import open_runtime

    begun = time.monotonic()
    with output.Bars(quiet=quiet) as bars:
        run = run_job(defs, "sync_all", bars.show)
    seconds = time.monotonic() - begun
    with open_runtime() as runtime:
        problems = [*run.problems, *check(runtime, run.outcomes)]
    return {
        "ok": not problems,
        "problems": problems,
        "run_ids": [run.run_id],
        "seconds": round(seconds, 2),
        "peak_rss_mb": _peak_rss_mb(),
        "entities": {name: output.outcome_json(outcome) for name, outcome in run.outcomes.items()},
        "outcomes": run.outcomes,
    }


def _sell(control_url: str) -> Sold:
    from onec_pipelines.cli.demo_orders import sell
    from onec_pipelines.cli.demo_people import People
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        return sell(runtime, People(control_url=control_url))


def _peak_rss_mb() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024))


def _print(report: dict[str, Any], outcomes: Mapping[str, Outcome], sold: Sold) -> None:
    output.outcomes(outcomes)
    output.table(
        "What the shop sold: its orders, as 1C took them and as they came back",
        ["order", "what happened", "push", "number in 1C", "posted", "stage", "sum in 1C", "return in 1C"],
        (
            [
                row["number"],
                row["story"],
                row["push_state"],
                row["onec_number"],
                "yes" if row["is_posted"] else "NO",
                row["stage"],
                row["onec_amount"],
                row["returned"],
            ]
            for row in sold.rows
        ),
    )
    click.echo(
        f"Dagster run {report['run_ids'][0]}: {report['seconds']} s, at most {report['peak_rss_mb']} MB"
    )
    for problem in report["problems"]:
        click.echo(f"NOT RIGHT: {problem}", err=True)
    if report["ok"]:
        click.echo("Everything that the simulated 1C holds is in the shop or, with a reason, in quarantine.")
        click.echo(
            sold.note
            or f"Each order is one posted document in 1C with the customer's sum ({sold.seconds:.1f} s there and back)."
        )


def _serve_ui(port: int) -> None:
    from onec_pipelines.cli.dagster_ui import serve

    serve(port)


def _forget(home: Path) -> None:
    import shutil

    from onec_pipelines.db.embedded import EmbeddedServer

    if home.exists():
        EmbeddedServer(home).stop()
        shutil.rmtree(home)
