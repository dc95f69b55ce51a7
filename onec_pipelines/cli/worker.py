"""`onec worker`: work the queue off as items come, for those who need less than Dagster's half a minute."""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from onec_pipelines.cli import output

if TYPE_CHECKING:
    from onec_pipelines.ledger.workers import Beat


@click.command()
@click.option(
    "--kind", "kinds", multiple=True, help="Only items of this kind; may be given again. Default: all."
)
@click.option("--threads", type=click.IntRange(1, 64), help="Items at once. Default: ONEC_WORKER_THREADS.")
@click.option("--once", is_flag=True, help="Work off what is due now and end.")
@click.option("--limit", type=click.IntRange(min=1), help="With --once: at most so many items.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def worker(
    *, kinds: tuple[str, ...], threads: int | None, once: bool, limit: int | None, as_json: bool
) -> None:
    """Work off pushes, webhooks, images and failed pages until ctrl-C or SIGTERM.

    What runs then is ended, 25 seconds at most; what is killed comes back to the queue when its lease ends. Several workers may run.
    """
    from onec_pipelines import dispatch
    from onec_pipelines.runtime import open_runtime

    if limit and not once:
        raise click.UsageError("--limit belongs to --once")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_runtime() as runtime:
        if once:
            drained = dispatch.drain(runtime, kinds=kinds or None, limit=limit, threads=threads)
        else:
            if not as_json:
                click.echo(f"working for {runtime.system_name}: {', '.join(kinds or dispatch.kinds_known())}")
            drained = dispatch.work(
                runtime, stop, kinds=kinds or None, threads=threads, on_beat=_Teller(quiet=as_json).tell
            )
    if as_json:
        output.as_json(asdict(drained))
        return
    click.echo(
        f"{drained.done} done, {drained.later} to be tried again, {drained.put_off} put off,"
        f" {drained.dead} dead, {drained.lost} taken over by others"
    )
    if drained.refusal:
        click.echo(drained.refusal)


class _Teller:
    """Says on stderr when something changes, not every five seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._said: str | None = None

    def tell(self, beat: Beat) -> None:
        """Show a heartbeat that says something new."""
        text = beat.waits_for or f"{beat.done} done, {beat.failed} failed"
        if not self._quiet and text != self._said:
            click.echo(text, err=True)
        self._said = text
