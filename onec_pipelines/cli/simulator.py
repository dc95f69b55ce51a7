"""`onec simulator`: a 1C for tests, demonstrations and development without a licence."""

from __future__ import annotations

import sys

import click


@click.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulator(arguments: tuple[str, ...]) -> None:
    """Serve a simulated 1C until interrupted (options: `--help`, docs/simulator.md); `day` and `oracle` work with one that runs."""
    from onec_pipelines.simulator.__main__ import main

    sys.exit(main(list(arguments)))
