"""In which language commands speak: what was said, else the settings, else the terminal."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from onec_pipelines.cli import cli
from onec_pipelines.cli.language import of_terminal, spoken
from onec_pipelines.settings import load_settings


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C.UTF-8"}, "c"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ru"}, "ru"),
        ({"LANG": "ru.UTF-8", "LC_ALL": ""}, "ru"),
        ({}, ""),
    ],
)
def test_the_first_variable_that_says_anything_is_the_terminals_language(environ, language):
    assert of_terminal(environ) == language


@pytest.mark.parametrize(
    ("lang", "settings", "terminal", "language"),
    [
        (None, {}, "C.UTF-8", "en"),
        (None, {}, "ru_RU.UTF-8", "ru"),
        (None, {"ONEC_LANGUAGE": "en"}, "ru_RU.UTF-8", "en"),
        (None, {"ONEC_ALERT_LANGUAGE": "ru"}, "en_US.UTF-8", "ru"),
        (None, {"ONEC_ALERT_LANGUAGE": "ru", "ONEC_LANGUAGE": "en"}, "ru_RU.UTF-8", "en"),
        ("ru", {"ONEC_LANGUAGE": "en"}, "C.UTF-8", "ru"),
    ],
)
def test_a_word_goes_before_settings_and_those_before_the_terminal(
    lang, settings, terminal, language, monkeypatch
):
    monkeypatch.setenv("LC_ALL", terminal)
    assert spoken(lang, load_settings(settings, require_onec=False)) == language


@pytest.mark.parametrize(
    ("settings", "language"),
    [
        ({}, "en"),
        ({"ONEC_LANGUAGE": "ru"}, "ru"),
        ({"ONEC_LANGUAGE": "ru", "ONEC_ALERT_LANGUAGE": "en"}, "en"),
    ],
)
def test_notices_never_follow_a_terminal(settings, language, monkeypatch):
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    assert load_settings(settings, require_onec=False).notice_language == language


def test_wrong_settings_do_not_keep_a_command_from_speaking(monkeypatch):
    monkeypatch.setenv("ONEC_NO_SUCH", "1")
    monkeypatch.setenv("LC_ALL", "ru_RU.UTF-8")
    assert "Что делать" in CliRunner().invoke(cli, ["remedy", "406"]).output


@pytest.mark.parametrize("command", ["doctor", "remedy", "status", "advise", "queue show"])
def test_every_command_with_remedies_takes_the_language_alike(command):
    said = CliRunner().invoke(cli, [*command.split(), "--help"]).output
    assert "--lang [en|ru]" in said
    assert "ONEC_LANGUAGE" in " ".join(said.split())
