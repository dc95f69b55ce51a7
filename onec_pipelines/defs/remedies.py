"""The catalogue's words for Dagster's UI: with failures and with checks that failed, in both languages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import dagster as dg

from onec_pipelines.remedies import remedy_of

Arguments = ParamSpec("Arguments")
Check = Callable[Arguments, dg.AssetCheckResult]


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


def advised(
    code: str | Callable[[dg.AssetCheckResult], str],
) -> Callable[[Check[Arguments]], Check[Arguments]]:
    """A check whose failed results carry the catalogue's entry of `code`: code, remedy in both languages, and one line as description.

    `code` may depend on the result. A result that names a code of its own in its metadata keeps it. Passed results stay as they are.
    """

    def decorate(check: Check[Arguments]) -> Check[Arguments]:
        @wraps(check)
        def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> dg.AssetCheckResult:
            result = check(*args, **kwargs)
            return (
                result
                if result.passed
                else with_remedy(result, code if isinstance(code, str) else code(result))
            )

        return checked

    return decorate


def with_remedy(result: dg.AssetCheckResult, code: str) -> dg.AssetCheckResult:
    """A failed result with what the catalogue says; unchanged for a code that it does not know."""
    own = result.metadata.get("code")
    entry = remedy_of(str(own.value) if own is not None else code)
    if entry is None:
        return result
    told = remedy_metadata(entry.code)
    # How grave it is in this very case is the severity of the result.
    told.pop("severity")
    return result._replace(
        description=result.description or f"{entry.en.title}. {entry.en.remedy}",
        metadata={**result.metadata, "code": dg.MetadataValue.text(entry.code), **told},
    )
