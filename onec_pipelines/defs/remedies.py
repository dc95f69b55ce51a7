"""The catalogue's words for Dagster's UI: with failures and checks, in both languages."""

from __future__ import annotations

import dagster as dg

from onec_pipelines.remedies import remedy_of


def remedy_metadata(code: str | None) -> dict[str, dg.MetadataValue[str]]:
    """What the catalogue says of a code, as metadata; nothing for a code it does not know."""
    entry = remedy_of(code) if code else None
    if entry is None:
        return {}
    return {
        "severity": dg.MetadataValue.text(entry.severity.value),
        "what_to_do": dg.MetadataValue.md(f"**{entry.en.title}.** {entry.en.cause} {entry.en.remedy}"),
        "что_делать": dg.MetadataValue.md(f"**{entry.ru.title}.** {entry.ru.cause} {entry.ru.remedy}"),
    }
