"""`onec migrate`: bring the database's tables to this version."""

from __future__ import annotations

import click


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
def migrate(*, dry_run: bool) -> None:
    """Apply the migrations of sql/ that the database does not have yet; starts the embedded server if no other is configured."""
    from onec_pipelines.db import migrations
    from onec_pipelines.runtime import database_url
    from onec_pipelines.settings import load_settings

    url = database_url(load_settings(require_onec=False))
    found = migrations.pending(url) if dry_run else migrations.migrate(url)
    for migration in found:
        click.echo(f"{'would apply' if dry_run else 'applied'} {migration}")
    if not found:
        click.echo("nothing to apply")
