"""`onec`: the command line. One file a command group; heavy imports wait until the command that needs them."""

from __future__ import annotations

import sys

import click

from onec_pipelines.cli import (
    adopt,
    alerts,
    approve,
    audit,
    changes,
    dashboard,
    deletes,
    demo,
    doctor,
    explain,
    forget,
    images,
    mapping,
    migrate,
    outbox,
    pause,
    quality,
    quarantine,
    queue,
    reconcile,
    remedy,
    schema,
    simulator,
    status,
    sync,
    webhooks,
    worker,
)
from onec_pipelines.errors import PipelineError, RetryLater

EXIT_FAILED = 1
EXIT_TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: a scheduler may start the same command again


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="onec-pipelines")
def cli() -> None:
    """Keep 1C:Управление Торговлей 11 and an e-commerce PostgreSQL in step.

    Settings come from ONEC_* variables or a .env file; .env.example describes each.
    Exit codes: 0 done, 1 failed, 2 wrong usage, 75 may succeed later.
    """


for command in (
    demo.demo,
    simulator.simulator,
    migrate.migrate,
    doctor.doctor,
    outbox.outbox,
    sync.sync,
    status.status,
    dashboard.dashboard,
    dashboard.advise,
    approve.approve,
    quality.quality,
    quarantine.quarantine,
    queue.queue_group,
    worker.worker,
    pause.pause,
    pause.resume,
    images.images,
    changes.changes,
    mapping.mapping,
    schema.schema,
    deletes.deletes,
    adopt.adopt,
    reconcile.reconcile,
    webhooks.webhooks,
    alerts.alerts,
    remedy.remedy,
    audit.audit,
    explain.explain,
    forget.forget,
    forget.remember,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line; errors of ours become one readable line and an exit code."""
    try:
        cli(standalone_mode=True)
    except PipelineError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(EXIT_TRY_AGAIN if isinstance(error, RetryLater) else EXIT_FAILED)
