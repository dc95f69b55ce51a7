"""`onec explain`: why a value is on the site (docs/audit.md)."""

from __future__ import annotations

from typing import Any

import click

from onec_pipelines.cli import output

_KINDS = ("product", "order", "customer", "price", "stock")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("name")
@click.option("--show-pii", is_flag=True, help="Show personal data; that you asked goes to the audit log.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="Rows at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(kind: str, name: str, *, show_pii: bool, limit: int, as_json: bool) -> None:
    """Say where the values of a row come from: NAME is a SKU, a number of an order, a GUID, or our id as #12.

    1C's property and value, the transform, the stored page with its request, the job and Dagster's run, what the values were before, and
    what waits: quarantine, references, deletions. Personal data is masked.
    """
    from onec_pipelines.entities import BY_NAME
    from onec_pipelines.monitoring import explain as reasons
    from onec_pipelines.runtime import open_runtime

    subject = reasons.SUBJECTS[kind]
    entity = BY_NAME[subject.entity]
    with open_runtime() as runtime:
        database, system_name = runtime.database, runtime.system_name
        keys = reasons.find(database, BY_NAME, subject, name, system_name=system_name)
        if show_pii:
            _note(runtime, entity.name, keys[:limit])
        found = [
            reasons.explain(database, entity, key, system_name=system_name, show_pii=show_pii)
            for key in keys[:limit]
        ]
    if as_json:
        output.as_json(found)
        return
    for document in found:
        _print(document)
    if len(keys) > limit:
        click.echo(f"{len(keys) - limit} more rows; --limit shows them")


def _note(runtime: Any, entity: str, keys: list[str]) -> None:
    from onec_pipelines.cli.who import at_keyboard
    from onec_pipelines.db.engine import driver_connection
    from onec_pipelines.ledger import audit

    with runtime.database.transaction() as connection:
        audit.record(
            driver_connection(connection),
            system_name=runtime.system_name,
            action="explain.pii",
            entity=entity,
            job_id=None,
            details={"by": at_keyboard(), "refs": keys},
        )


def _print(document: dict[str, Any]) -> None:
    ids, clean, job, page = (document[name] for name in ("our_id", "clean", "job", "page"))
    click.secho(f"{document['entity']} {document['key']} of {document['system']}", bold=True)
    facts = {
        "our id": ids and f"{ids['internal_id']}, since {ids['created_at']:%Y-%m-%d %H:%M:%S}",
        "DataVersion": document["data_version"],
        "in the shop": "yes" if document["in_shop"] else "NO",
        "deleted": clean and clean["deleted_at"] and f"{clean['deleted_at']} ({clean['deleted_why']})",
        "forgotten": document["forgotten"] and f"{document['forgotten']['forgotten_at']}",
        "written": clean
        and job
        and f"{clean['changed_at']} by job {job['id']} ({job['job_type']}, {job['status']})",
        "Dagster run": job and job["run_id"],
        "page": page and f"{page['id']}: {page['request']}",
        "asked for": page and f"{page['requested_at']} by job {page['job_id']}, sha256 {page['sha256']}",
    }
    for title, value in facts.items():
        if value:
            click.echo(f"  {title:<12} {value}")
    output.table(
        "Values",
        ["column", "value", "made by", "clean", "1C", "1C's value", "rule"],
        _rows(document),
        wrap=True,
    )
    for title in ("quarantine", "unresolved", "deletions", "packets"):
        for entry in document[title]:
            click.echo(f"  {title}: {', '.join(f'{n}={v}' for n, v in entry.items() if v is not None)}")
    for change in document["history"]:
        told = "; ".join(f"{c['onec']}: {c['before']} → {c['after']}" for c in change["changes"])
        click.echo(f"  {change['requested_at']} (page {change['id']}, job {change['job_id']}): {told}")


def _rows(document: dict[str, Any]) -> list[list[Any]]:
    nothing: dict[str, Any] = dict.fromkeys(("clean", "clean_value", "onec", "onec_value", "rule"))
    return [
        [
            value["column"],
            value["value"],
            value["made_by"],
            origin["clean"] and f"{origin['clean']} = {origin['clean_value']}",
            origin["onec"],
            origin["onec_value"],
            origin["rule"],
        ]
        for value in document["values"]
        for origin in value["from"] or [nothing]
    ]
