"""The Data Docs of audits as pages under `/audits/`: which file an address means, and nothing outside their folder.

Building them is `expectations/data_docs.py`'s; who may look is `web.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from onec_pipelines.monitoring.expectations.data_docs import FOLDER, PREFIX

_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".json": "application/json",
}
"""What Data Docs consist of; nothing else is given, whatever lies there."""


def page_of(home: Path, asked: str) -> tuple[Path, str] | None:
    """The file for the part of an address after `/audits/`, and its type; None for what is not a page of an audit.

    Links out of the folder lead nowhere, symbolic ones too; a folder means its index.
    """
    root = (home / FOLDER).resolve()
    if "\\" in asked or any(ord(char) < ord(" ") for char in asked):
        return None
    try:
        wanted = (root / asked.lstrip("/")).resolve()
        wanted = wanted / "index.html" if wanted.is_dir() else wanted
        is_page = wanted.resolve().is_relative_to(root) and wanted.is_file()
    except (OSError, ValueError):
        # A name that no file may have.
        return None
    kind = _TYPES.get(wanted.suffix.lower())
    return (wanted, kind) if is_page and kind is not None else None


def address_of(home: Path, docs: str | Path | None) -> str | None:
    """Where the dashboard serves the index page of an audit, relative to its root; None when it is not there (any more)."""
    if docs is None:
        return None
    name = f"{Path(docs).parent.name}/index.html"
    return f"{PREFIX}/{name}" if page_of(home, name) is not None else None
