"""The command line explains itself, and wrong usage is told as such."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from onec_pipelines import cli as command_line
from onec_pipelines.errors import RetryLater, Stop

COMMANDS = sorted(command_line.cli.commands)


def onec(*arguments):
    return CliRunner().invoke(command_line.cli, arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_explained(command):
    result = onec(command, "--help")

    assert result.exit_code == 0
    assert "usage:" in result.output.lower()
    assert command in onec("--help").output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["sync"], "--all"),
        (["sync", "nothing"], "unknown: nothing"),
        (["sync", "brands", "--all"], "--all"),
        (["nothing"], "No such command"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, text):
    result = onec(*arguments)

    assert result.exit_code == 2
    assert text in result.output


@pytest.mark.parametrize(("error", "code"), [(Stop, 1), (RetryLater, 75)])
def test_errors_of_ours_are_one_line_and_an_exit_code(error, code, monkeypatch, capsys):
    def fail(**_values):
        raise error("it broke", code="BROKEN", remedy="Mend it.")

    monkeypatch.setattr(command_line, "cli", fail)

    with pytest.raises(SystemExit) as ended:
        command_line.main()

    assert ended.value.code == code
    assert capsys.readouterr().err == f"{error.__name__}: [BROKEN] it broke · What to do: Mend it.\n"
