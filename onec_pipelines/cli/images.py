"""`onec images`: the bytes of the pictures, and the store that keeps them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import UUID

import click

from onec_pipelines.cli import output

if TYPE_CHECKING:
    from onec_pipelines.ledger.image_rows import Settled

_UNKNOWN = "no live picture has this GUID: sync images first, or it is deleted in 1C"
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_STATES = ("ready", "waiting", "unreachable", "rejected")


@click.group()
def images() -> None:
    """Fetch the bytes of pictures into the image store, and look after the store."""


@images.command("status")
@click.option("--state", type=click.Choice(_STATES), help="List the pictures in this state, too.")
@click.option("--limit", default=50, show_default=True, help="How many of them.")
@_JSON
def status(*, state: str | None, limit: int, as_json: bool) -> None:
    """Show how many pictures are in which state and why, and what the store holds."""
    from onec_pipelines.ledger import image_rows
    from onec_pipelines.pictures import image_store
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        counts = image_rows.counts(runtime.database, system_name=runtime.system_name)
        place = image_store(runtime).place
        listed = (
            image_rows.listing(
                runtime.database, system_name=runtime.system_name, wanted_state=state, limit=limit
            )
            if state
            else []
        )
    if as_json:
        output.as_json({"store": place, **counts, **({"pictures": listed} if state else {})})
        return
    click.echo(f"store: {place}, {counts['files_stored']} files, {counts['bytes_stored']} bytes")
    output.table("Pictures", ["state", "pictures"], ([name, counts[name]] for name in _STATES))
    if counts["to_fetch"]:
        click.echo(f"{counts['to_fetch']} are new or changed: `onec images fetch`")
    if counts["reasons"]:
        output.table("Why not", ["state and code", "pictures"], counts["reasons"].items())
    if listed:
        output.table(f"Pictures {state}", list(listed[0]), ([*one.values()] for one in listed))


@images.command("fetch")
@click.argument("refs", nargs=-1, metavar="[GUID]...", type=click.UUID)
@click.option(
    "--again",
    multiple=True,
    type=click.Choice(_STATES),
    help="Ask again for the pictures in this state, too, changed or not; may be repeated.",
)
@_JSON
def fetch(refs: tuple[UUID, ...], *, again: tuple[str, ...], as_json: bool) -> None:
    """Fetch the bytes of new and changed pictures, or just of these GUIDs."""
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import image_rows
    from onec_pipelines.pictures import fetch_picture, fetch_pictures
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        if refs:
            _show_each({str(ref): fetch_picture(runtime, str(ref)) for ref in refs}, as_json=as_json)
            return
        if again:
            with runtime.database.transaction() as connection:
                image_rows.forget(
                    driver_connection(connection), system_name=runtime.system_name, states=again
                )
        done = fetch_pictures(runtime)
    if as_json:
        output.as_json(asdict(done))
        return
    output.table("What was done", ["", "pictures"], asdict(done.tally).items())
    click.echo(f"{done.requests} requests, {done.wire_bytes} bytes over the wire, {done.seconds} s")


@images.command("verify")
@click.option("--quick", is_flag=True, help="Compare sizes only; else every file is read and hashed.")
@click.option(
    "--repair", is_flag=True, help="Take damaged files away and have all that is not good fetched again."
)
@_JSON
def verify(*, quick: bool, repair: bool, as_json: bool) -> None:
    """Check that the store has every file, whole. Exit code 1 when it has not."""
    from onec_pipelines.pictures import verify_pictures
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = verify_pictures(runtime, deep=not quick, repair=repair)
    if as_json:
        output.as_json({"ok": found.is_good, **asdict(found)})
    else:
        click.echo(
            f"{found.checked} files checked, {len(found.missing)} missing, {len(found.damaged)} damaged"
        )
        for path in (*found.missing, *found.damaged):
            click.echo(path)
        if repair and not found.is_good:
            click.echo(f"{found.asked_again} pictures will be fetched again: `onec images fetch`")
    if not found.is_good:
        sys.exit(1)


@images.command("gc")
@click.option(
    "--orphans",
    is_flag=True,
    help="Remove files that this database does not know, too: only when the store belongs to it alone.",
)
@_JSON
def gc(*, orphans: bool, as_json: bool) -> None:
    """Remove bytes that no picture has needed for ONEC_IMAGE_KEEP_DAYS."""
    from onec_pipelines.pictures import collect_pictures
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        found = collect_pictures(runtime, orphans=orphans)
    if as_json:
        output.as_json(asdict(found))
        return
    output.table("Cleaned up", ["", "files"], asdict(found).items())


def _show_each(found: Mapping[str, Settled | None], *, as_json: bool) -> None:
    said = {
        ref: {"state": one.state, "reason": one.reason} if one else {"state": "unknown", "reason": _UNKNOWN}
        for ref, one in found.items()
    }
    if as_json:
        output.as_json(said)
        return
    output.table("Pictures", ["GUID", "state", "reason"], ([ref, *one.values()] for ref, one in said.items()))
