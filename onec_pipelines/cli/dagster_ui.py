"""Dagster's UI and daemon as one child, ended as a group.

`dagster dev` leaves its own children behind when it is killed (DAGSTER.md §3).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import FrameType

import click

from onec_pipelines.settings import project_root

_PATIENCE_SECONDS = 180


def serve(port: int) -> None:
    """Run the UI on 127.0.0.1 until ctrl-C or SIGTERM; all its processes are gone afterwards."""
    # Started by a shell with `&`, SIGINT is ignored, and `dagster dev` would inherit that and never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
        [
            sys.executable,
            "-m",
            "dagster",
            "dev",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--log-level",
            "warning",
        ],
        cwd=project_root(),
        start_new_session=True,
    )
    try:
        _wait_until_up(child, port)
        click.echo(f"\nDagster's UI: http://127.0.0.1:{port}/asset-groups  (ctrl-C ends everything)\n")
        child.wait()
    except KeyboardInterrupt:
        click.echo("ending…")
    finally:
        _end(child)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _wait_until_up(child: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise click.ClickException("Dagster's UI did not start; its messages are above")


def _end(child: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGINT, 15), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            child.poll()
            try:
                os.killpg(child.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.2)
