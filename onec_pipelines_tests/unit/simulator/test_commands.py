"""`onec simulator day` and `oracle` work with a running simulator and say clearly what went wrong."""

from __future__ import annotations

import json

import pytest

from onec_pipelines.simulator.__main__ import main
from onec_pipelines.simulator.server import Simulator


@pytest.fixture(scope="module")
def running():
    with Simulator.start_thread(products=30, seed=2) as simulator:
        yield simulator


@pytest.fixture
def run(running, capsys):
    def call(*arguments):
        code = main([arguments[0], "--control", running.control_url, *arguments[1:]])
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def test_a_day_tells_a_line_a_step(run):
    code, out, _ = run("day", "--steps", "5")
    lines = out.splitlines()
    assert code == 0
    assert [line.split()[0] for line in lines] == [str(int(lines[0].split()[0]) + at) for at in range(5)]


def test_a_day_may_be_of_one_kind_and_in_json(run):
    _, out, _ = run("day", "--steps", "2", "--kind", "new order", "--json")
    steps = json.loads(out)
    assert [step["kind"] for step in steps] == ["new order", "new order"]
    assert steps[0]["touched"][0]["entity"] == "Document_ЗаказКлиента"


def test_the_kinds_can_be_listed(run):
    assert "back-dated price change" in run("day", "--kind", "list")[1].splitlines()


def test_another_seed_is_another_day_and_the_same_seed_the_same(capsys):
    def day(seed):
        with Simulator.start_thread(products=30, seed=2) as simulator:
            main(["day", "--control", simulator.control_url, "--steps", "6", "--seed", seed])
        return capsys.readouterr().out

    first, again, other = day("1"), day("1"), day("0")
    assert first == again
    assert first != other


def test_the_oracle_lists_its_topics_and_tells_rows(run):
    assert "stock" in run("oracle")[1].splitlines()
    head, *rows = run("oracle", "stock")[1].splitlines()
    assert head.split("\t") == ["Номенклатура_Key", "Характеристика_Key", "Склад_Key", "ВНаличии"]
    assert len(json.loads(run("oracle", "stock", "--json")[1])) == len(rows)
    assert rows


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("day", "--kind", "siesta"), "unknown kind"),
        (("oracle", "weather"), "unknown topic"),
    ],
)
def test_a_wrong_wish_is_told_and_has_exit_code_2(run, arguments, words):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_simulator_that_is_not_there_is_told_and_has_exit_code_1(capsys):
    assert main(["day", "--control", "http://127.0.0.1:9"]) == 1
    assert "no simulator answers" in capsys.readouterr().err


def test_an_address_of_another_scheme_is_refused(capsys):
    assert main(["oracle", "--control", "file:///etc/hostname"]) == 2
    assert "not an http address" in capsys.readouterr().err
