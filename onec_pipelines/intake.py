"""1C's queue of changes → staged packets, for one base: what the settings name, opened and taken in. Applying is `inbound.py`'s."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from onec_pipelines.db.engine import driver_connection
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import exchange_nodes, packet_marks, packets
from onec_pipelines.ledger.exchange_nodes import NodeState
from onec_pipelines.ledger.packets import Counts
from onec_pipelines.onec.changes import list_nodes
from onec_pipelines.onec.client import RetryPolicy
from onec_pipelines.runtime import Runtime
from onec_pipelines.spec import Entity, Way
from onec_pipelines.steps.changes import Standing
from onec_pipelines.steps.intake import MAX_PACKETS, Intake, Taken, take
from onec_pipelines.steps.record_sets import type_of
from onec_pipelines.steps.suspects import find_suspects
from onec_pipelines.steps.ways import default_way, possible_ways


def by_changes(entities: Iterable[Entity], runtime: Runtime) -> list[Entity]:
    """The entities that the settings have read by changes."""
    ways = runtime.settings.ways
    return [entity for entity in entities if Way(ways.get(entity.name, default_way(entity))) is Way.CHANGES]


def readers(entities: Iterable[Entity]) -> dict[str, list[str]]:
    """Types of 1C that may come in a packet → the entities that apply them; for other types of ours an empty list."""
    found: dict[str, list[str]] = {}
    for entity in entities:
        for resource in entity.source.resources:
            named = found.setdefault(type_of(resource), [])
            if Way.CHANGES in possible_ways(entity):
                named.append(entity.name)
    return found


def is_configured(runtime: Runtime) -> bool:
    """Whether the settings name a node."""
    return bool(runtime.settings.exchange_plan and runtime.settings.exchange_node)


def intake_of(
    runtime: Runtime,
    *,
    run_id: str | None = None,
    retry: RetryPolicy | None = None,
    max_packets: int = MAX_PACKETS,
) -> Intake:
    """Everything for taking in packets. Raises Stop NO_EXCHANGE_NODE when the settings name no node."""
    settings = runtime.settings
    if not is_configured(runtime):
        raise Stop(
            "the settings name no node of an exchange plan",
            code="NO_EXCHANGE_NODE",
            remedy="Set ONEC_EXCHANGE_PLAN and ONEC_EXCHANGE_NODE; `onec changes register --create` makes a node.",
        )
    return Intake(
        database=runtime.database,
        client=runtime.client,
        feed=runtime.change_feed,
        system_name=runtime.system_name,
        plan=settings.exchange_plan,
        wanted=settings.exchange_node,
        holder=f"{socket.gethostname()} pid {os.getpid()}" + (f" run {run_id}" if run_id else ""),
        retry=retry or RetryPolicy(),
        max_packets=max_packets,
    )


def take_packets(runtime: Runtime, *, run_id: str | None = None, retry: RetryPolicy | None = None) -> Taken:
    """Take in what waits for our node; raises what `steps.intake.take` raises."""
    return take(intake_of(runtime, run_id=run_id, retry=retry))


def create_node(runtime: Runtime, *, name: str) -> bool:
    """Make the node in 1C if the plan has none of the configured code; True if it was made.

    The key is made from base and code, so that a repeat after a lost answer meets the same node.
    """
    settings = runtime.settings
    plan, code = settings.exchange_plan, settings.exchange_node
    if any(code.lower() in {node.code.lower(), node.ref} for node in list_nodes(runtime.client, plan)):
        return False
    key = str(uuid5(NAMESPACE_URL, f"{settings.system}/{plan}/{code}"))
    runtime.writer.create(plan, {"Ref_Key": key, "Code": code, "Description": name})
    return True


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is known about our node, without asking 1C. `node` is None before anything was taken in."""

    node: dict[str, Any] | None
    packets: list[dict[str, Any]]
    counts: Counts
    entities: list[dict[str, Any]]
    problems: list[str]


def report(runtime: Runtime, entities: Iterable[Entity], *, limit: int = 20) -> Report:
    """The node, its last packets, how far the entities are, and what looks wrong."""
    plan, wanted = runtime.settings.exchange_plan, runtime.settings.exchange_node
    system_name = runtime.system_name
    with runtime.database.transaction() as connection:
        tx = driver_connection(connection)
        node = exchange_nodes.find(tx, system_name, plan, wanted)
        if node is None:
            return Report(node=None, packets=[], counts={}, entities=[], problems=[])
        counts = packets.totals(tx, system_name, plan, node.node_ref)
        last = packets.listing(tx, system_name, plan, limit)
        marks = packet_marks.listing(tx, system_name)
    chosen = list(entities)
    problems = [*_node_problems(node), *_type_problems(chosen, counts, by_changes(chosen, runtime))]
    if node.stuck_since is not None:
        since = node.drained_at or node.epoch_at
        names = [entity.name for entity in chosen]
        found = find_suspects(runtime.database, system_name=system_name, entities=names, since=since)
        problems += [f"suspect: {suspect.text}" for suspect in found]
    return Report(node=asdict(node), packets=last, counts=counts, entities=marks, problems=problems)


def _node_problems(node: NodeState) -> list[str]:
    found = []
    if node.stuck_since is not None:
        error = node.stuck_error or {}
        found.append(
            f"no packet comes since {node.stuck_since:%Y-%m-%d %H:%M:%S} UTC: {error.get('message', '')}"
            f" {error.get('onec_message', '')}; {error.get('remedy', '')}"
        )
    notice = Standing(node=node, mark=None).notice
    return [*found, notice] if notice else found


def _type_problems(entities: list[Entity], counts: Counts, chosen: list[Entity]) -> list[str]:
    known = readers(entities)
    found = [
        f"{name} is in the plan and nothing reads it: {sum(kinds.values())} entries"
        for name, kinds in counts.items()
        if name not in known
    ]
    found += [
        f"{entity.name} is to be read by changes, and no packet ever held {' or '.join(entity.source.resources)}:"
        " nothing changed yet, or it is not in the plan's content"
        for entity in chosen
        if not {type_of(resource) for resource in entity.source.resources} & set(counts)
    ]
    return found
