"""What PostgreSQL's errors mean for us: one table from SQLSTATE to Skip · Quarantine · RetryLater · Stop.

Here belongs the translation, once, for psycopg and SQLAlchemy alike. What is done next (wait, quarantine,
alert) belongs to the caller. The text of a database error is never passed on: PostgreSQL's DETAIL prints the
row (RELIABILITY 0.6). The one exception are failures to connect, whose text names host and port and is what
the operator needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc as sa

from onec_pipelines.errors import PipelineError, Quarantine, RetryLater, Stop

_LONGEST_TEXT = 300

# Longest prefix of the SQLSTATE wins: (our class, our code, remedy). Measured in RELIABILITY C-1.
_BY_SQLSTATE: dict[str, tuple[type[PipelineError], str, str]] = {
    "08": (RetryLater, "DB_DOWN", ""),
    "0A": (Stop, "DB_UNSUPPORTED", "use PostgreSQL 14 or newer"),
    "22": (Quarantine, "DB_DATA", ""),
    "23": (Quarantine, "DB_CONSTRAINT", ""),
    "25": (RetryLater, "DB_TRANSACTION", ""),
    "25006": (RetryLater, "DB_READ_ONLY", "the server is a standby or read-only: point to the primary"),
    "28": (Stop, "DB_LOGIN", "correct user and password in ONEC_DATABASE_URL"),
    "3D": (Stop, "DB_MISSING", "create the database named in ONEC_DATABASE_URL"),
    "3F": (Stop, "DB_SCHEMA", "run `onec migrate`"),
    "40": (RetryLater, "DB_CONFLICT", ""),
    "42": (Stop, "DB_SCHEMA", "run `onec migrate`"),
    "42501": (Stop, "DB_RIGHTS", "grant the user of ONEC_DATABASE_URL the right"),
    "53": (RetryLater, "DB_BUSY", ""),
    "53100": (Stop, "DB_DISK_FULL", "free disk space on the database server, then run again"),
    "55P03": (RetryLater, "DB_LOCKED", ""),
    "55006": (RetryLater, "DB_LOCKED", ""),
    "57014": (RetryLater, "DB_TIMEOUT", ""),
    "57P": (RetryLater, "DB_DOWN", ""),
    "57P04": (Stop, "DB_MISSING", "the database was dropped"),
    "58": (Stop, "DB_DISK", "look into the database server's log"),
}
_OTHERWISE = (Stop, "DB_ERROR", "look into the database server's log")

# libpq gives no SQLSTATE for a refused login, only the server's words, in the server's language.
_REFUSED_FOR_GOOD = {
    "password authentication failed": "DB_LOGIN",
    "no password supplied": "DB_LOGIN",
    "no pg_hba.conf entry": "DB_LOGIN",
    "не прошёл проверку подлинности": "DB_LOGIN",
    "в pg_hba.conf нет записи": "DB_LOGIN",
    'role "': "DB_LOGIN",
    'роль "': "DB_LOGIN",
    'database "': "DB_MISSING",
    'база данных "': "DB_MISSING",
}


@contextmanager
def translated() -> Iterator[None]:
    """Inside this block the errors of psycopg and SQLAlchemy come out as our four."""
    try:
        yield
    except (psycopg.Error, sa.SQLAlchemyError, UnicodeEncodeError) as error:
        # Without the cause: its text may hold the row.
        raise translate(error) from None


def translate(error: Exception) -> PipelineError:
    """The error of ours that `error` means. Its text: SQLSTATE, constraint, table, column; never a value."""
    driver_error = error.orig if isinstance(error, sa.DBAPIError) else error
    if isinstance(driver_error, psycopg.Error) and driver_error.sqlstate:
        return _by_sqlstate(driver_error, driver_error.sqlstate)
    if isinstance(driver_error, psycopg.OperationalError | psycopg.InterfaceError):
        return _without_sqlstate(driver_error)
    if isinstance(driver_error, psycopg.DataError | UnicodeEncodeError):
        # Raised by the driver before anything is sent: NUL in text, a lone surrogate, a year out of range.
        return Quarantine("a value cannot be stored in PostgreSQL", code="DB_DATA")
    if isinstance(error, sa.TimeoutError):
        return RetryLater("no connection became free in time", code="DB_BUSY")
    return Stop(f"the database call is wrong: {type(driver_error).__name__}", code="DB_ERROR")


def describe(error: psycopg.Error) -> str:
    """`23505 unique_violation constraint=… table=… column=…`: what may be logged of a database error."""
    parts = [error.sqlstate or "-----", _name(error)]
    named = {
        "constraint": error.diag.constraint_name,
        "table": error.diag.table_name,
        "column": error.diag.column_name,
    }
    return " ".join(parts + [f"{what}={name}" for what, name in named.items() if name])


def _by_sqlstate(error: psycopg.Error, sqlstate: str) -> PipelineError:
    prefixes = (sqlstate[:length] for length in range(len(sqlstate), 1, -1))
    kind, code, remedy = next((_BY_SQLSTATE[p] for p in prefixes if p in _BY_SQLSTATE), _OTHERWISE)
    return kind(f"PostgreSQL: {describe(error)}", code=code, remedy=remedy)


def _without_sqlstate(error: psycopg.Error) -> PipelineError:
    words = str(error)
    text = " ".join(words.split())[:_LONGEST_TEXT]
    from_server = "FATAL: " in words or "ВАЖНО: " in words
    refusal = next(
        (code for phrase, code in _REFUSED_FOR_GOOD.items() if from_server and phrase in words), None
    )
    if refusal:
        return Stop(f"PostgreSQL refuses us: {text}", code=refusal, remedy="correct ONEC_DATABASE_URL")
    return RetryLater(f"PostgreSQL does not answer: {text}", code="DB_DOWN")


def _name(error: psycopg.Error) -> str:
    words = [c if c.islower() or not i else f"_{c.lower()}" for i, c in enumerate(type(error).__name__)]
    return "".join(words).lower()
