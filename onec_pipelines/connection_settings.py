"""The settings of the way to 1C, a part of `settings.Settings`: where the base is, how to log in, through which proxy and certificates.

Here belong names, types and checks, and what is missing for the chosen login or contradicts it; opening the
connection belongs to `onec/`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BaseModel, SecretStr, field_validator

PREFIX = "ONEC_"
ODATA_ROOT = "/odata/standard.odata"
_NEEDED_FOR_ONEC = {
    "url": f"the root of the OData publication, e.g. https://erp.example.com/ut{ODATA_ROOT}",
    "timezone": "the IANA zone of the infobase's dates, e.g. Europe/Moscow",
    "system": "a short name of this base for ever part of every id, e.g. ut",
}
_NEEDED_FOR_AUTH: dict[str, dict[str, str]] = {
    "basic": {"user": "the name of the 1C user that reads and writes"},
    "bearer": {},
    "client_credentials": {
        "token_url": "the address of the token endpoint, e.g. https://login.example.com/oauth2/token",
        "client_id": "the name of this client at the token endpoint",
    },
}
# Under another way these would be ignored without a word, so that the way was probably forgotten.
_OF_AUTH = {
    "token": "bearer",
    "token_file": "bearer",
    "token_url": "client_credentials",
    "client_id": "client_credentials",
    "client_secret": "client_credentials",
    "scope": "client_credentials",
}


class ConnectionSettings(BaseModel):
    """The base, its login and the way to it.

    Empty `url`, `timezone` and `system`, and a login that is not complete, occur only with
    `load_settings(require_onec=False)`. `proxy` is secret because it may hold a password. `token_file` is not
    read here: it changes while a process runs.
    """

    url: str = ""
    user: str = ""
    password: SecretStr = SecretStr("")
    auth: Literal["basic", "bearer", "client_credentials"] = "basic"
    token: SecretStr = SecretStr("")
    token_file: Path | None = None
    token_url: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    scope: str = ""
    verify_tls: bool = True
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: SecretStr = SecretStr("")
    compression: Literal["auto", "on", "off"] = "auto"
    timezone: str = ""
    system: str = ""

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the infobase's dates (PROTOCOL: 1C sends local time without an offset)."""
        return ZoneInfo(self.timezone)

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        url = value.rstrip("/")
        if not url:
            return ""
        parts = _split(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// address")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not hold a user or password; use ONEC_USER and ONEC_PASSWORD")
        if parts.query or parts.fragment:
            raise ValueError("must not hold a query or a fragment")
        if not parts.path.lower().endswith(ODATA_ROOT):
            raise ValueError(
                f"must end with {ODATA_ROOT}, for example https://erp.example.com/ut{ODATA_ROOT}"
            )
        return url

    @field_validator("token_url")
    @classmethod
    def _check_token_url(cls, value: str) -> str:
        parts = _split(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("must be an http:// or https:// address")
        if parts.username is not None or parts.fragment:
            raise ValueError("must not hold a user, password or fragment; use ONEC_CLIENT_ID")
        return value

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, value: SecretStr) -> SecretStr:
        parts = _split(value.get_secret_value())
        if value.get_secret_value() and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("must be an http:// or https:// address, e.g. http://proxy.example.com:3128")
        return value

    @field_validator("token_file", "ca_file", "client_cert", "client_key")
    @classmethod
    def _check_file(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        path = value.expanduser().absolute()
        if not path.is_file() or not os.access(path, os.R_OK):
            raise ValueError(f"names {path}, which is not a file that can be read")
        return path

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key if value else ""
        except (ZoneInfoNotFoundError, ValueError, OSError):
            near = difflib.get_close_matches(value, sorted(available_timezones()), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"must be an IANA zone such as Europe/Moscow{hint}")

    @field_validator("system")
    @classmethod
    def _check_system(cls, value: str) -> str:
        if value and not re.fullmatch(r"[a-z0-9_-]{1,40}", value):
            raise ValueError("must be 1 to 40 of the characters a-z 0-9 _ -")
        return value


def missing(values: Mapping[str, str]) -> list[str]:
    """A text for each value that the way to 1C needs and `values` (by field name) does not have."""
    needed = {**_NEEDED_FOR_ONEC, **_NEEDED_FOR_AUTH.get(_auth(values), {})}
    return [
        f"{PREFIX}{field.upper()} is missing: {meaning}"
        for field, meaning in needed.items()
        if field not in values
    ]


def login_problems(given: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    """Say what is missing for, or contradicts, the chosen way to log in."""
    auth = _auth(values)
    problems = [
        f"{PREFIX}{field.upper()} is set, but only ONEC_AUTH={way} uses it and ONEC_AUTH is {auth}"
        for field, way in _OF_AUTH.items()
        if field in values and auth in _NEEDED_FOR_AUTH and auth != way
    ]
    # An empty password is a 1C user's right, so only its absence is a mistake.
    if auth == "basic" and not given.keys() & {"ONEC_PASSWORD", "ONEC_PASSWORD_FILE"}:
        problems.append("ONEC_PASSWORD is missing (it may be empty), or ONEC_PASSWORD_FILE")
    if auth == "bearer":
        problems += _token_problems(values)
    unread = given.get("ONEC_CLIENT_SECRET_FILE") and "client_secret" not in values  # told by its reader
    if auth == "client_credentials" and not values.get("client_secret") and not unread:
        problems.append("ONEC_CLIENT_SECRET is missing, or ONEC_CLIENT_SECRET_FILE")
    return problems


def _token_problems(values: Mapping[str, str]) -> list[str]:
    if "token" in values and "token_file" in values:
        return ["ONEC_TOKEN and ONEC_TOKEN_FILE are both set, set one"]
    if "token" not in values and "token_file" not in values:
        return ["ONEC_TOKEN is missing, or ONEC_TOKEN_FILE: the token that 1C accepts"]
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", values.get("token", "x")):
        return ["ONEC_TOKEN must be the token alone, without the word Bearer, blanks or quotes"]
    return []


def tls_problems(values: Mapping[str, str]) -> list[str]:
    """Say when a key has no certificate."""
    if "client_key" in values and "client_cert" not in values:
        return ["ONEC_CLIENT_CERT is missing: ONEC_CLIENT_KEY is set and belongs to a certificate"]
    return []


def _auth(values: Mapping[str, str]) -> str:
    return values.get("auth", "basic")


def _split(address: str) -> SplitResult:
    """Take an address apart; the standard library's own complaint would show it, password and all."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise ValueError("is not an address that can be understood") from None
    return parts
