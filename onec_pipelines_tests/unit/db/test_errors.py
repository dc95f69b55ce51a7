"""Each class of SQLSTATE becomes the error that says what happens next (RELIABILITY C-1)."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors as pg
from sqlalchemy import exc as sa

from onec_pipelines.db.errors import translate, translated
from onec_pipelines.errors import PipelineError, Quarantine, RetryLater, Stop

TABLE = [
    ("08006", RetryLater, "DB_DOWN"),
    ("57P01", RetryLater, "DB_DOWN"),
    ("57P03", RetryLater, "DB_DOWN"),
    ("57014", RetryLater, "DB_TIMEOUT"),
    ("40001", RetryLater, "DB_CONFLICT"),
    ("40P01", RetryLater, "DB_CONFLICT"),
    ("55P03", RetryLater, "DB_LOCKED"),
    ("53300", RetryLater, "DB_BUSY"),
    ("25P03", RetryLater, "DB_TRANSACTION"),
    ("25006", RetryLater, "DB_READ_ONLY"),
    ("53100", Stop, "DB_DISK_FULL"),
    ("58030", Stop, "DB_DISK"),
    ("28P01", Stop, "DB_LOGIN"),
    ("3D000", Stop, "DB_MISSING"),
    ("42P01", Stop, "DB_SCHEMA"),
    ("42501", Stop, "DB_RIGHTS"),
    ("XX000", Stop, "DB_ERROR"),
    ("P0001", Stop, "DB_ERROR"),
    ("22P02", Quarantine, "DB_DATA"),
    ("22003", Quarantine, "DB_DATA"),
    ("23505", Quarantine, "DB_CONSTRAINT"),
    ("23514", Quarantine, "DB_CONSTRAINT"),
]


@pytest.mark.parametrize(("sqlstate", "kind", "code"), TABLE)
def test_sqlstate_decides(sqlstate: str, kind: type[PipelineError], code: str) -> None:
    ours = translate(pg.lookup(sqlstate)("the row is (canary)"))
    assert (type(ours), ours.code) == (kind, code)
    assert sqlstate in str(ours)
    assert "canary" not in str(ours)


def test_sqlalchemy_is_unwrapped() -> None:
    wrapped = sa.DBAPIError("INSERT canary", {"x": "canary"}, pg.UniqueViolation("canary"))
    ours = translate(wrapped)
    assert (type(ours), ours.code) == (Quarantine, "DB_CONSTRAINT")
    assert "canary" not in str(ours)


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ("connection failed: Connection refused", RetryLater, "DB_DOWN"),
        ("server closed the connection unexpectedly", RetryLater, "DB_DOWN"),
        ('FATAL:  password authentication failed for user "onec"', Stop, "DB_LOGIN"),
        ('FATAL:  database "shop" does not exist', Stop, "DB_MISSING"),
        ('ВАЖНО:  роль "onec" не существует', Stop, "DB_LOGIN"),
        ("FATAL:  the database system is starting up", RetryLater, "DB_DOWN"),
        ("FATAL:  sorry, too many clients already", RetryLater, "DB_DOWN"),
    ],
)
def test_without_sqlstate_the_words_of_the_login_decide(
    words: str, kind: type[PipelineError], code: str
) -> None:
    ours = translate(psycopg.OperationalError(words))
    assert (type(ours), ours.code) == (kind, code)


@pytest.mark.parametrize("text", ["\ud800", "\udfff text"])
def test_a_lone_surrogate_is_a_matter_of_the_row(text: str) -> None:
    with pytest.raises(Quarantine), translated():
        text.encode()


def test_a_pool_without_connections_is_a_matter_of_time() -> None:
    assert translate(sa.TimeoutError("QueuePool limit")).code == "DB_BUSY"


def test_our_own_mistakes_stop() -> None:
    ours = translate(psycopg.ProgrammingError("the query has 1 placeholder but canary"))
    assert isinstance(ours, Stop)
    assert "canary" not in str(ours)


def test_other_errors_pass_untouched() -> None:
    with pytest.raises(KeyError), translated():
        raise KeyError("ours")
