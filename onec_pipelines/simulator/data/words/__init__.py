"""Words of the shop: sorted vocabularies and tables of facts, no logic."""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    """Give the words of a text, for lists that read better without quotes."""
    return tuple(text.split())
