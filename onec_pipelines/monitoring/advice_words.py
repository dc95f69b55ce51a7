"""The sentences of advice, from `advice.toml` beside this file."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from onec_pipelines.monitoring.words import Language


def sentence(name: str, language: Language, *, subject: str, **numbers: Any) -> str:
    """The sentence of that name with its numbers; `causes` are names of causes, which become sentences too."""
    texts = catalogue()
    causes = " ".join(texts["cause"][cause][language] for cause in numbers.pop("causes", ()))
    found: str = texts[name][language].format(subject=subject, causes=causes, **numbers)
    return found


@cache
def catalogue() -> dict[str, Any]:
    """All sentences by name, each with `en` and `ru`; those of causes under `cause`."""
    return tomllib.loads((files(__package__) / "advice.toml").read_text(encoding="utf-8"))
