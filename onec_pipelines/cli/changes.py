"""`onec changes`: the node of the exchange plan that is ours: what waits there, what came, how far each entity is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onec_pipelines.cli import output
from onec_pipelines.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onec_pipelines.runtime import Runtime
    from onec_pipelines.spec import Entity
    from onec_pipelines.steps.intake import Taken


@click.group()
def changes() -> None:
    """Take in packets of an exchange plan (the way of reading "changes")."""


@changes.command("take")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def take(*, as_json: bool) -> None:
    """Store the packets that wait for our node and acknowledge them. Entities apply them when they are synced."""
    from onec_pipelines.entities import ENTITIES
    from onec_pipelines.intake import readers, take_packets
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        taken = take_packets(runtime)
    known = readers(ENTITIES)
    if as_json:
        output.as_json(_taken(taken, known))
        return
    output.table("What came in", ["type", "kind", "entries", "read by"], _rows(taken.counts, known))
    node = taken.node
    click.echo(
        f"{taken.packets} packets, {taken.entries} entries, {taken.raw_bytes} bytes;"
        f" the queue {'is empty' if taken.drained else 'holds more: run it again'}"
        + (f"; message {node.received_no}" if node else "")
    )
    if taken.jumped:
        click.echo(f"ATTENTION: {taken.jumped}", err=True)


@changes.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(*, as_json: bool) -> None:
    """Show the node, who reads it, what is stored, how far each entity is, and what looks wrong. 1C is not asked."""
    from onec_pipelines.runtime import open_runtime

    with open_runtime() as runtime:
        document = _status(runtime)
    if as_json:
        output.as_json(document)
        return
    if document["node"] is None:
        click.echo("nothing was taken in yet: `onec changes register`, then `onec changes take`")
        return
    output.table("Node", ["", ""], ((name, value) for name, value in document["node"].items()))
    output.table(
        "Packets, newest first",
        ["packet", "message", "came", "acknowledged", "bytes", "types"],
        (
            [
                one["id"],
                one["message_no"],
                f"{one['received_at']:%Y-%m-%d %H:%M:%S}",
                "yes" if one["acknowledged_at"] else "NO",
                one["raw_bytes"],
                len(one["counts"]),
            ]
            for one in document["packets"]
        ),
    )
    output.table("Types of all stored packets", ["type", "kind", "entries", "read by"], document["types"])
    output.table(
        "Entities",
        ["entity", "applied through packet", "packets behind", "applied"],
        (
            [one["entity"], one["packet_id"], one["packets_behind"], f"{one['applied_at']:%Y-%m-%d %H:%M}"]
            for one in document["entities"]
        ),
    )
    for problem in document["problems"]:
        click.echo(f"ATTENTION: {problem}", err=True)


@changes.command("register")
@click.option("--create", is_flag=True, help="Make the node in 1C when the plan has none with this code.")
@click.option(
    "--name", default="onec-pipelines", show_default=True, help="Description of a node that is made."
)
def register(*, create: bool, name: str) -> None:
    """Begin with the node that ONEC_EXCHANGE_PLAN and ONEC_EXCHANGE_NODE name; entities then need one whole reading.

    From the moment that the node exists 1C registers changes for it, so that a reading that begins afterwards misses nothing.
    """
    from onec_pipelines.intake import create_node, intake_of
    from onec_pipelines.runtime import open_runtime
    from onec_pipelines.steps.intake import register as begin

    with open_runtime() as runtime:
        intake = intake_of(runtime)
        made = create_node(runtime, name=name) if create else None
        state = begin(intake)
    click.echo(
        f"{state.plan}, node {state.code} ({state.node_ref}){' was made' if made else ''}:"
        f" message {state.received_no} is the last acknowledged one, epoch {state.epoch} since {state.epoch_at:%Y-%m-%d %H:%M:%S} UTC"
    )


def take_before(runtime: Runtime, entities: Sequence[Entity], options: Mapping[str, Any]) -> None:
    """Before a sync of entities that are read by changes: take in what waits. A failure is told; the entities say what it means to them."""
    from onec_pipelines.intake import by_changes, is_configured, take_packets

    by_key = options["guids"] or options["skus"] or options["numbers"] or options["begin"] or options["end"]
    reads_1c = not by_key and (not options["layers"] or "raw" in options["layers"])
    wanted = options["way"] == "changes" if options["way"] else bool(by_changes(entities, runtime))
    if reads_1c and wanted and is_configured(runtime):
        try:
            take_packets(runtime)
        except PipelineError as error:
            click.echo(f"packets of changes: {type(error).__name__}: {error}", err=True)


def _taken(taken: Taken, known: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "packets": taken.packets,
        "entries": taken.entries,
        "bytes": taken.raw_bytes,
        "counts": taken.counts,
        "unknown": taken.unknown(known),
        "drained": taken.drained,
        "jumped": taken.jumped,
        "received_no": taken.node.received_no if taken.node else None,
    }


def _rows(counts: dict[str, Any], known: dict[str, list[str]]) -> list[list[object]]:
    return [
        [name, kind, number, ", ".join(known[name]) or "nobody by changes" if name in known else "NOBODY"]
        for name, kinds in counts.items()
        for kind, number in kinds.items()
    ]


def _status(runtime: Runtime) -> dict[str, Any]:
    from onec_pipelines.entities import ENTITIES
    from onec_pipelines.intake import readers, report

    found = report(runtime, ENTITIES)
    return {
        "node": found.node,
        "packets": found.packets,
        "types": _rows(found.counts, readers(ENTITIES)),
        "entities": found.entities,
        "problems": found.problems,
    }
