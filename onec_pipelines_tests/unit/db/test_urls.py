"""URLs: whatever psql accepts, in the form each driver needs (RELIABILITY 0.1)."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import create_engine

from onec_pipelines.db.urls import conninfo, dagster_url, data_url, masked, with_database
from onec_pipelines.errors import Stop

SPELLINGS = [
    "postgresql://onec:p%40s%2Fs@db.example.com:5433/shop?sslmode=require",
    "postgres://onec@db.example.com/shop",
    "postgresql+psycopg://onec@db.example.com/shop",
    "postgresql+psycopg2://onec@db.example.com/shop",
    "postgresql://postgres@/shop?host=/tmp/some%20folder&port=5432",
    "postgresql://postgres@%2Ftmp%2Frun/shop",
    "postgresql://onec@one:5432,two:5433/shop?target_session_attrs=read-write",
    "postgresql://onec@[::1]:5432/shop",
    "postgresql://onec@db/%D0%BC%D0%B0%D0%B3%D0%B0%D0%B7%D0%B8%D0%BD?application_name=a+b%20c",
]


def arguments_of(url: str) -> dict[str, str]:
    """What the driver is told when SQLAlchemy opens `url`."""
    engine = create_engine(url)
    positional, named = engine.dialect.create_connect_args(engine.url)
    assert not positional
    return {name: str(value) for name, value in named.items() if name != "context"}


def as_text(parameters: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items()}


@pytest.mark.parametrize("url", SPELLINGS)
def test_sqlalchemy_on_psycopg_opens_what_libpq_understands(url: str) -> None:
    assert data_url(url).startswith("postgresql+psycopg://")
    assert arguments_of(data_url(url)) == as_text(conninfo_to_dict(conninfo(url)))


@pytest.mark.parametrize("url", SPELLINGS)
def test_dagster_gets_psycopg2_and_a_schema_of_its_own(url: str) -> None:
    assert dagster_url(url).startswith("postgresql+psycopg2://")
    told = arguments_of(dagster_url(url))
    assert told.pop("options") == "-csearch_path=dagster"
    assert told == as_text(conninfo_to_dict(conninfo(url)))


@pytest.mark.parametrize("url", SPELLINGS)
def test_every_form_can_be_read_again(url: str) -> None:
    assert conninfo(data_url(url)) == conninfo(url)
    again = conninfo_to_dict(conninfo(dagster_url(url)))
    assert again.pop("options") == "-csearch_path=dagster"
    assert again == conninfo_to_dict(conninfo(url))


def test_options_of_the_user_are_kept() -> None:
    url = "postgresql://onec@db/shop?options=-cwork_mem%3D64MB"
    assert arguments_of(dagster_url(url))["options"] == "-cwork_mem=64MB -csearch_path=dagster"


def test_conninfo_takes_overrides() -> None:
    assert "connect_timeout=3" in conninfo("postgresql://onec@db/shop", connect_timeout="3")


def test_with_database_keeps_server_and_login() -> None:
    assert with_database(SPELLINGS[0], "other") == SPELLINGS[0].replace("/shop", "/other")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://onec:canary@db/shop",
        "postgresql://db/shop?user=onec&password=canary",
        "postgresql://onec:canary@/shop?host=/tmp&sslpassword=canary",
    ],
)
def test_masked_shows_no_password(url: str) -> None:
    assert "canary" not in masked(url)
    assert "onec" in masked(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://root@db/shop", "must start with postgresql://"),
        ("db.example.com/shop", "must start with postgresql://"),
        ("", "must start with postgresql://"),
        ("postgresql+asyncpg://onec@db/shop", "must start with postgresql://"),
        ("postgresql://onec@db", "does not name a database"),
        ("postgresql://onec:can/ary@db/shop", "percent-encode"),
        ("postgresql://onec:canary%zz@db/shop", "percent-encode"),
        ("postgresql://onec@db/shop?nonsense=canary", "not a valid PostgreSQL URL"),
    ],
)
def test_a_bad_url_is_refused_without_showing_it(url: str, words: str) -> None:
    with pytest.raises(Stop) as caught:
        data_url(url)
    assert caught.value.code == "DB_URL"
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)
