"""masking: which columns of a shop table may hold personal data, and how a value is shown to people in logs, checks and approvals."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from onec_pipelines.errors import PipelineError
from onec_pipelines.spec import Column, Entity

MASK = "•••"
_LONGEST = 120


def masked_columns(entity: Entity) -> frozenset[str]:
    """Target columns that are made of a field marked `pii`, or of who knows what in an entity that has such fields."""
    personal = {field.name for field in entity.fields if field.pii}
    has_any = bool(personal) or any(field.pii for section in entity.sections for field in section.fields)
    if not has_any:
        return frozenset()
    return frozenset(column.name for column in entity.target.columns if not _is_plain(column, personal))


def shown(value: Any, *, is_masked: bool) -> str | None:
    """A value as text: masked, and never long."""
    if value is None:
        return None
    if is_masked:
        return MASK
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def hush(error: PipelineError, words: Collection[str]) -> None:
    """Take words that name a person out of what an error says, ours and 1C's, before anybody notes it; 1C quotes what it refuses."""
    if not words:
        return
    # The longest first: a name is gone before one of its words is looked for.
    found = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    error.message = found.sub(MASK, error.message)
    error.args = (error.message,)
    if error.onec_message:
        error.onec_message = found.sub(MASK, error.onec_message)


def _is_plain(column: Column, personal: set[str]) -> bool:
    if column.reference is not None:
        return True
    if column.copy is not None:
        return column.copy not in personal
    return bool(column.inputs) and not personal & set(column.inputs)
