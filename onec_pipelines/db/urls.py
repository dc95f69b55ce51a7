"""One place that turns the address of a database into the form each driver needs.

Here belong parsing and rendering of PostgreSQL URLs. Which database is meant is decided by the settings.

Two drivers live side by side: ours is psycopg 3, Dagster's storage works only with psycopg2. A bare
`postgresql://` means psycopg 3 under SQLAlchemy 2.1 and breaks Dagster's first event, so no bare URL leaves
this module for an engine (RELIABILITY 0.1).
"""

from __future__ import annotations

import re

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import URL

from onec_pipelines.errors import Stop

DAGSTER_SCHEMA = "dagster"
_SCHEME = re.compile(r"^(postgres|postgresql)(\+(psycopg|psycopg2))?://")


def data_url(url: str) -> str:
    """`url` for SQLAlchemy on psycopg 3."""
    return _render("postgresql+psycopg", _parameters(url))


def dagster_url(url: str) -> str:
    """`url` for Dagster's storage on psycopg2, its tables in the schema `dagster` of the same database."""
    parameters = _parameters(url)
    options = f"{parameters.get('options', '')} -csearch_path={DAGSTER_SCHEMA}".strip()
    return _render("postgresql+psycopg2", {**parameters, "options": options})


def conninfo(url: str, **overrides: str) -> str:
    """`url` as a libpq connection string for `psycopg.connect`; `overrides` replace single parameters."""
    return make_conninfo("", **{**_parameters(url), **overrides})


def with_database(url: str, name: str) -> str:
    """The same server and login, another database."""
    return _render("postgresql", {**_parameters(url), "dbname": name})


def masked(url: str) -> str:
    """`url` for people and logs: without the passwords of the user and of the client key."""
    parameters = {name: value for name, value in _parameters(url).items() if name != "sslpassword"}
    return _render("postgresql", parameters, hide_password=True)


def _parameters(url: str) -> dict[str, str]:
    """The parameters of `url` by libpq's own parser, so that whatever psql accepts is accepted here."""
    scheme = _SCHEME.match(url)
    if not scheme:
        raise _refused("it must start with postgresql://")
    try:
        found = conninfo_to_dict("postgresql://" + url[scheme.end() :])
    except psycopg.ProgrammingError:
        # libpq quotes the piece it stumbled over, which may be the password.
        raise _refused("it is not a valid PostgreSQL URL; percent-encode : / @ % in the password") from None
    parameters = {name: str(value) for name, value in found.items() if value is not None}
    if not parameters.get("dbname"):
        raise _refused("it does not name a database, as in postgresql://user@host/database")
    return parameters


def _render(driver: str, parameters: dict[str, str], *, hide_password: bool = False) -> str:
    query = dict(parameters)
    user, password, database = (query.pop(name, None) for name in ("user", "password", "dbname"))
    host, port = query.get("host"), None
    if host and (host.startswith("/") or "," in host):
        # A socket folder and a list of hosts have no place in the authority of a URL, they stay parameters.
        host = None
    else:
        query.pop("host", None)
        port = _port(query.pop("port", None))
    made = URL.create(driver, user, password, host, port, database, query)
    head, mark, tail = made.render_as_string(hide_password=hide_password).partition("?")
    # SQLAlchemy writes a blank of the query as "+", which libpq would read as a plus.
    return head + mark + tail.replace("+", "%20")


def _port(text: str | None) -> int | None:
    if text is not None and not text.isdecimal():
        # Most often the rest of a password with an unquoted ":" or "/", so it is not shown.
        raise _refused("its port is not a number; percent-encode : / @ % in the password")
    return int(text) if text else None


def _refused(reason: str) -> Stop:
    return Stop(
        f"the database URL cannot be used: {reason}",
        code="DB_URL",
        remedy="correct ONEC_DATABASE_URL, or leave it empty for the embedded server",
    )
