"""What the doctor says: findings and the report. No looking here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from onec_pipelines.errors import PipelineError
from onec_pipelines.remedies import Language, remedy_of

OK = "OK"
"""Code of a finding that is no complaint."""


class Severity(StrEnum):
    """How much a finding matters, in rising order."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    WARNING = "warning"
    """It works, but not as well or as safely as it should."""
    ERROR = "error"
    """Something cannot be synced until a person acts."""


_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at: by which check, its code in the catalogue of remedies, what was seen, what to do."""

    check: str
    severity: Severity
    saw: str
    code: str = OK
    remedy: str = ""

    def in_language(self, language: Language) -> str:
        """The remedy in a language: the catalogue's, else the one of this very finding."""
        known = remedy_of(self.code)
        return known.words(language).remedy if known is not None and language != "en" else self.remedy


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that was found. `skipped` names checks that could not be made, with the reason; `requests` were made to 1C."""

    system_name: str
    made_at: datetime
    seconds: float
    requests: int
    findings: tuple[Finding, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    capabilities: Mapping[str, Any] = field(default_factory=dict)

    @property
    def worst(self) -> Severity:
        """The gravest severity."""
        return max((one.severity for one in self.findings), key=_RANK.__getitem__, default=Severity.OK)

    @property
    def complaints(self) -> tuple[Finding, ...]:
        """What is not ok, the gravest first."""
        bad = [one for one in self.findings if one.severity is not Severity.OK]
        return tuple(sorted(bad, key=lambda one: -_RANK[one.severity]))

    @property
    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "system": self.system_name,
            "made_at": self.made_at.isoformat(),
            "seconds": round(self.seconds, 3),
            "requests": self.requests,
            "worst": self.worst.value,
            "findings": [vars(one) | {"severity": one.severity.value} for one in self.findings],
            "skipped": dict(self.skipped),
            "capabilities": dict(self.capabilities),
        }


def ok(check: str, saw: str) -> Finding:
    """All is well."""
    return Finding(check=check, severity=Severity.OK, saw=saw)


def complaint(check: str, severity: Severity, code: str, saw: str, remedy: str = "") -> Finding:
    """Something is not well; the remedy is the catalogue's unless a more precise one is given."""
    known = remedy_of(code)
    return Finding(
        check=check,
        severity=severity,
        code=code,
        saw=saw,
        remedy=remedy or (known.en.remedy if known is not None else ""),
    )


def of_error(
    check: str, error: PipelineError, *, severity: Severity = Severity.ERROR, saw: str = ""
) -> Finding:
    """An error of ours as a finding, with 1C's own words."""
    words = " · ".join(
        part
        for part in (saw or error.message, f"1C says: {error.onec_message}" if error.onec_message else "")
        if part
    )
    return complaint(check, severity, error.code, words, error.remedy)
