"""In which language commands speak: the one place that decides it. What they say is in the catalogues."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from onec_pipelines.remedies import Language
    from onec_pipelines.settings import Settings

HELP = "Default: ONEC_LANGUAGE, else ONEC_ALERT_LANGUAGE, else the terminal's (LC_ALL, LC_MESSAGES, LANG)."


def language_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--lang en|ru`, given to the command as `lang`, None where it was not said; `spoken` makes a language of it."""
    return click.option("--lang", type=click.Choice(["en", "ru"]), help=HELP)(command)


def spoken(lang: str | None, settings: Settings | None = None) -> Language:
    """The language of a command's words. Settings that cannot be read are no hindrance: somebody may be looking up why."""
    said = lang or _of_settings(settings) or of_terminal(os.environ)
    return "ru" if said == "ru" else "en"


def of_terminal(environ: Mapping[str, str]) -> str:
    """The language of the first of LC_ALL, LC_MESSAGES and LANG that says anything, as POSIX has it: `ru` of `ru_RU.UTF-8`."""
    told = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return told.partition("_")[0].partition(".")[0].lower()


def _of_settings(settings: Settings | None) -> str:
    from onec_pipelines.errors import PipelineError
    from onec_pipelines.settings import load_settings

    try:
        settings = settings or load_settings(require_onec=False)
    except PipelineError:
        return ""
    return settings.language or settings.alert_language
