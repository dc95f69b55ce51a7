"""Repeats are told to the log and never to stdout, where commands print their JSON."""

from __future__ import annotations

import logging

import stamina

import onec_pipelines.onec.client  # noqa: F401 - it says where repeats are told


def test_a_repeat_is_logged_and_stdout_stays_clean(capfd, caplog):
    tries = []
    with caplog.at_level(logging.WARNING, logger="stamina"):
        for attempt in stamina.retry_context(on=ValueError, attempts=2, wait_initial=0.001, wait_max=0.001):
            with attempt:
                tries.append(attempt.num)
                if attempt.num == 1:
                    raise ValueError

    assert tries == [1, 2]
    assert capfd.readouterr().out == ""
    assert [record.getMessage() for record in caplog.records] == ["stamina.retry_scheduled"]
