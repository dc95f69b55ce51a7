"""What each error code means and what to do about it, in English and Russian: one source for alerts, commands, the UI and the docs.

The texts are in the `.toml` files beside this one, one a subject; `protocol.toml` leads from foreign codes (1C's, HTTP's, PostgreSQL's)
to ours. Nothing here knows how an error is found out or who is told.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Language = Literal["en", "ru"]
_FOREIGN = "protocol.toml"


class Severity(StrEnum):
    """How much it matters, in rising order."""

    NOTE = "note"
    """Somebody may want to know."""
    WARNING = "warning"
    """It mends itself; if it stays, a person should look."""
    ERROR = "error"
    """Something does not go on until a person acts."""
    CRITICAL = "critical"
    """Nothing goes on, or something may be lost, until a person acts."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """A remedy in one language."""

    title: str
    cause: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """One entry of the catalogue. `subject` is the file that holds it."""

    code: str
    severity: Severity
    subject: str
    en: Words
    ru: Words

    def words(self, language: Language) -> Words:
        """The texts in a language."""
        return self.ru if language == "ru" else self.en


@cache
def catalogue() -> dict[str, Remedy]:
    """All entries by code, in the order of the files."""
    found: dict[str, Remedy] = {}
    for file in sorted(files(__package__).iterdir(), key=lambda path: path.name):
        if file.name.endswith(".toml") and file.name != _FOREIGN:
            entries = tomllib.loads(file.read_text(encoding="utf-8"))
            found |= {
                code: _remedy(code, file.name.removesuffix(".toml"), entry) for code, entry in entries.items()
            }
    return found


@cache
def foreign() -> dict[str, str]:
    """Our code for each foreign one: `odata:20`, `http:406`, `sqlstate:53100`."""
    groups = tomllib.loads((files(__package__) / _FOREIGN).read_text(encoding="utf-8"))
    return {f"{group}:{code}": ours for group, codes in groups.items() for code, ours in codes.items()}


def remedy_of(code: str) -> Remedy | None:
    """The entry of a code, ours or a foreign one; a bare `20`, `406` or `53100` is looked for in every group."""
    own = catalogue().get(code.upper())
    if own is not None:
        return own
    names = [code.lower(), *(f"{group}:{code.upper()}" for group in ("odata", "http", "sqlstate"))]
    return next((catalogue()[foreign()[name]] for name in names if name in foreign()), None)


def advise(code: str | None, language: Language = "en") -> Words | None:
    """Title, cause and remedy of a code, ours or a foreign one; None without a code and for one that the catalogue does not know."""
    entry = remedy_of(code) if code else None
    return entry.words(language) if entry else None


def _remedy(code: str, subject: str, entry: dict[str, Any]) -> Remedy:
    return Remedy(
        code=code,
        severity=Severity(entry["severity"]),
        subject=subject,
        en=_words(entry["en"]),
        ru=_words(entry["ru"]),
    )


def _words(texts: list[str]) -> Words:
    title, cause, remedy = texts
    return Words(title=title, cause=cause, remedy=remedy)
