"""Settings of the ways to log in and to reach 1C: what each needs, in which words, and where the values go."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from onec_pipelines.errors import Stop
from onec_pipelines.onec.logins import Bearer, ClientCredentials
from onec_pipelines.runtime import connection_of
from onec_pipelines.settings import load_settings

SECRET = "canary-7f3a"
BASE = {
    "ONEC_URL": "https://erp.example.com/ut/odata/standard.odata",
    "ONEC_TIMEZONE": "Europe/Moscow",
    "ONEC_SYSTEM": "ut",
}
BASIC = {"ONEC_USER": "odata", "ONEC_PASSWORD": SECRET}
BEARER = {"ONEC_AUTH": "bearer", "ONEC_TOKEN": SECRET}
CLIENT = {
    "ONEC_AUTH": "client_credentials",
    "ONEC_TOKEN_URL": "https://login.example.com/token",
    "ONEC_CLIENT_ID": "pipeline",
    "ONEC_CLIENT_SECRET": SECRET,
}


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(Stop) as caught:
        load_settings({**BASE, **environ})
    assert caught.value.code == "SETTINGS"
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value.message


def without(environ: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name not in names}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ["ONEC_USER is missing", "ONEC_PASSWORD is missing (it may be empty), or ONEC_PASSWORD_FILE"]),
        (without(BASIC, "ONEC_USER"), ["ONEC_USER is missing"]),
        ({"ONEC_AUTH": "bearer"}, ["ONEC_TOKEN is missing, or ONEC_TOKEN_FILE"]),
        (
            {"ONEC_AUTH": "client_credentials"},
            [
                "ONEC_TOKEN_URL is missing",
                "ONEC_CLIENT_ID is missing",
                "ONEC_CLIENT_SECRET is missing, or ONEC_CLIENT_SECRET_FILE",
            ],
        ),
        (without(CLIENT, "ONEC_TOKEN_URL"), ["ONEC_TOKEN_URL is missing"]),
        (without(CLIENT, "ONEC_CLIENT_SECRET"), ["ONEC_CLIENT_SECRET is missing"]),
        (
            {**BASIC, "ONEC_TOKEN": SECRET},
            ["ONEC_TOKEN is set, but only ONEC_AUTH=bearer uses it and ONEC_AUTH is basic"],
        ),
        (
            {**BEARER, "ONEC_CLIENT_ID": "x", "ONEC_SCOPE": "y"},
            ["ONEC_CLIENT_ID is set, but only ONEC_AUTH=client_credentials", "ONEC_SCOPE is set, but only"],
        ),
        ({**BEARER, "ONEC_TOKEN": f"Bearer {SECRET}"}, ["ONEC_TOKEN must be the token alone"]),
        ({**BASIC, "ONEC_AUTH": "jwt"}, ["ONEC_AUTH should be 'basic', 'bearer' or 'client_credentials'"]),
        ({**CLIENT, "ONEC_TOKEN_URL": "login/token"}, ["ONEC_TOKEN_URL must be an http:// or https://"]),
        (
            {**CLIENT, "ONEC_TOKEN_URL": f"https://u:{SECRET}@h/t"},
            ["ONEC_TOKEN_URL must not hold a user, password"],
        ),
        (
            {**BASIC, "ONEC_PROXY": f"socks5://u:{SECRET}@h:1"},
            ["ONEC_PROXY must be an http:// or https:// address"],
        ),
        (
            {**BASIC, "ONEC_PROXY": f"http://u:{SECRET}@h:x"},
            ["ONEC_PROXY is not an address that can be understood"],
        ),
        (
            {**BASIC, "ONEC_PROXY": f"http://u:{SECRET}@h\u2100"},
            ["ONEC_PROXY is not an address that can be understood"],
        ),
        ({**BASIC, "ONEC_VERIFY_TLS": "maybe"}, ["ONEC_VERIFY_TLS should be a valid boolean"]),
        ({**BASIC, "ONEC_COMPRESSION": "gzip"}, ["ONEC_COMPRESSION should be 'auto', 'on' or 'off'"]),
        ({**BASIC, "ONEC_CA_FILE": "/nowhere/ca.pem"}, ["ONEC_CA_FILE names /nowhere/ca.pem, which is not"]),
        (
            {**BASIC, "ONEC_CLIENT_KEY": "/nowhere/key.pem"},
            ["ONEC_CLIENT_CERT is missing", "ONEC_CLIENT_KEY names /nowhere/key.pem"],
        ),
        ({"ONEC_AUTH": "bearer", "ONEC_TOKEN_FILE": "/nowhere/t"}, ["ONEC_TOKEN_FILE names /nowhere/t"]),
        (
            {**without(CLIENT, "ONEC_CLIENT_SECRET"), "ONEC_CLIENT_SECRET_FILE": "/nowhere/s"},
            ["ONEC_CLIENT_SECRET_FILE /nowhere/s cannot be read"],
        ),
        ({**CLIENT, "ONEC_CLIENT_SECRET_FILE": "/nowhere/s"}, ["are both set, set one"]),
        ({**BEARER, "ONEC_TOKEN_FILE": __file__}, ["ONEC_TOKEN and ONEC_TOKEN_FILE are both set, set one"]),
    ],
)
def test_what_is_wrong_for_the_chosen_way_is_told(given: dict[str, str], told: list[str]) -> None:
    text = refusal(given)
    for words in told:
        assert words in text
    if "is missing" not in "".join(told):
        assert "is missing" not in text


@pytest.mark.parametrize(
    ("given", "other"), [(BEARER, "ONEC_USER"), (CLIENT, "ONEC_PASSWORD"), (BASIC, "TOKEN")]
)
def test_nothing_of_another_way_is_asked_for(given: dict[str, str], other: str) -> None:
    assert other not in given
    assert load_settings({**BASE, **given}).auth == given.get("ONEC_AUTH", "basic")


def test_user_and_password_may_stay_when_a_token_is_used() -> None:
    connection = connection_of(load_settings({**BASE, **BASIC, **BEARER}))
    assert isinstance(connection.login, Bearer)


def test_each_way_reaches_the_connection(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" s e \n", encoding="utf-8")
    by_file = {**without(CLIENT, "ONEC_CLIENT_SECRET"), "ONEC_CLIENT_SECRET_FILE": str(file)}
    basic, bearer, token_file, client = (
        connection_of(load_settings({**BASE, **given}))
        for given in (
            BASIC,
            BEARER,
            {"ONEC_AUTH": "bearer", "ONEC_TOKEN_FILE": str(file)},
            {**by_file, "ONEC_SCOPE": "a b"},
        )
    )
    assert (basic.user, basic.password, basic.login) == ("odata", SECRET, None)
    assert bearer.login == Bearer(token=SECRET)
    assert token_file.login == Bearer(token_file=file)
    assert client.login == ClientCredentials(
        token_url="https://login.example.com/token", client_id="pipeline", client_secret=" s e ", scope="a b"
    )


def test_the_way_to_1c_reaches_the_connection(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    for file in files.values():
        file.write_text("x")
    given = {
        "ONEC_CA_FILE": str(files["ca"]),
        "ONEC_CLIENT_CERT": str(files["cert"]),
        "ONEC_CLIENT_KEY": str(files["key"]),
        "ONEC_VERIFY_TLS": "false",
        "ONEC_PROXY": "http://u:p@proxy:3128",
        "ONEC_COMPRESSION": "off",
    }
    plain = connection_of(load_settings({**BASE, **BASIC})).route
    route = connection_of(load_settings({**BASE, **BASIC, **given})).route

    assert (plain.verify, plain.ca_file, plain.proxy, plain.compression) == (True, None, None, "auto")
    assert (route.ca_file, route.client_cert, route.client_key) == tuple(files.values())
    assert (route.verify, route.proxy, route.compression) == (False, "http://u:p@proxy:3128", "off")


def test_secrets_of_every_way_never_print() -> None:
    proxy = {"ONEC_PROXY": f"http://u:{SECRET}@proxy:3128"}
    for given in (BASIC, BEARER, CLIENT):
        settings = load_settings({**BASE, **given, **proxy})
        shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
        assert SECRET not in f"{shown} {connection_of(settings)!r}"


@pytest.mark.parametrize("name", ["ONEC_TOKEN", "ONEC_CLIENT_SECRET"])
def test_a_secret_of_the_process_wins_over_the_other_way_of_naming_it_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    values = {**BASE, **(BEARER if name == "ONEC_TOKEN" else CLIENT)}
    del values[name]
    values[f"{name}_FILE"] = "/nowhere"
    file = tmp_path / "other.env"
    file.write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="utf-8")
    monkeypatch.setenv("ONEC_ENV_FILE", str(file))
    monkeypatch.setenv(name, "environment")

    assert getattr(load_settings(), name.removeprefix("ONEC_").lower()).get_secret_value() == "environment"
