"""Every environment variable of the project, read once, typed, with the secrets masked.

Here belong names, types, defaults and checks of `ONEC_*`. What is done with a value (opening a client,
starting a server) belongs to the module that uses it. Nothing else in the package reads `os.environ` for
configuration.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from onec_pipelines.errors import Stop

PREFIX = "ONEC_"
ODATA_ROOT = "/odata/standard.odata"
# Read before the settings themselves, so they are no fields of `Settings`.
_READ_BEFORE = {"ONEC_ENV_FILE", "ONEC_PASSWORD_FILE"}
_NEEDED_FOR_ONEC = {
    "url": f"the root of the OData publication, e.g. https://erp.example.com/ut{ODATA_ROOT}",
    "user": "the name of the 1C user that reads and writes",
    "timezone": "the IANA zone of the infobase's dates, e.g. Europe/Moscow",
    "system": "a short name of this base for ever part of every id, e.g. ut",
}


class Settings(BaseSettings):
    """The configuration of one process, frozen. Make it with `load_settings`, which also checks the names.

    Empty `url`, `user`, `timezone` and `system` occur only with `load_settings(require_onec=False)`.
    `database_url` is secret because it may hold a password; empty means the embedded server under `home`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    url: str = ""
    user: str = ""
    password: SecretStr = SecretStr("")
    timezone: str = ""
    system: str = ""
    database_url: SecretStr = SecretStr("")
    home: Path = Path("var")
    max_sessions: Annotated[int, Field(ge=1, le=64)] = 4
    rate_per_second: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    page_rows: Annotated[int, Field(ge=1, le=100_000)] = 1000
    deadline_seconds: Annotated[float, Field(ge=1, le=86_400)] = 180.0
    session_mode: Literal["auto", "autouse", "use"] = "auto"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` hands in: it alone reads the environment, so every name is checked."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

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
        parts = urlsplit(url)
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

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()


def load_settings(environ: Mapping[str, str] | None = None, *, require_onec: bool = True) -> Settings:
    """The settings of this process.

    With `environ` None they come from the environment and, for names it does not have, from one `.env` file:
    the one named by `ONEC_ENV_FILE` (empty: none), else the first of `./.env`, `$DAGSTER_HOME/.env`, `.env`
    of the checkout that exists. With a mapping, only the mapping counts. `require_onec=False` lets the values
    that lead to 1C be absent.

    Raises `Stop` (code SETTINGS) with all that is wrong at once. No secret appears in the text.
    """
    given = _from_process() if environ is None else _ours(environ)
    values, problems = _named(given)
    problems += _read_password_file(given, values)
    if require_onec:
        problems += _missing(given, values)
    try:
        settings = Settings(**{"home": str(project_root() / "var"), **values})  # type: ignore[arg-type]
    except ValidationError as error:
        problems += [_explained(detail["loc"], detail["msg"]) for detail in error.errors(include_input=False)]
        settings = None
    if problems or settings is None:
        raise Stop(
            "the settings are not usable: " + "; ".join(problems),
            code="SETTINGS",
            remedy="correct these variables in the environment or in .env; .env.example describes each",
        )
    return settings


def project_root() -> Path:
    """The checkout this package runs from, or the working directory when it is installed without one."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "dagster.yaml").is_file() else Path.cwd()


def _from_process() -> dict[str, str]:
    environment = _ours(os.environ)
    path = _dotenv_path(os.environ)
    if path is None:
        return environment
    if not path.is_file():
        raise Stop(f"ONEC_ENV_FILE names {path}, which is not a file", code="SETTINGS")
    file = _ours({name: value or "" for name, value in dotenv_values(path, encoding="utf-8").items()})
    if environment.keys() & {"ONEC_PASSWORD", "ONEC_PASSWORD_FILE"}:
        # The pair is one value: this process's password must not meet the file's other way of naming it.
        file = {name: value for name, value in file.items() if not name.startswith("ONEC_PASSWORD")}
    return {**file, **environment}


def _dotenv_path(environ: Mapping[str, str]) -> Path | None:
    if "ONEC_ENV_FILE" in environ:
        return Path(environ["ONEC_ENV_FILE"]) if environ["ONEC_ENV_FILE"] else None
    # A daemon started by hand may stand anywhere, but it knows DAGSTER_HOME.
    folders = [Path.cwd(), Path(environ["DAGSTER_HOME"])] if environ.get("DAGSTER_HOME") else [Path.cwd()]
    paths = (folder / ".env" for folder in [*folders, project_root()])
    return next((path for path in paths if path.is_file()), None)


def _ours(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.upper().startswith(PREFIX)}


def _named(given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Values by field name, and a text for each name nobody knows. An empty value is as good as none."""
    known = {PREFIX + field.upper(): field for field in Settings.model_fields}
    values: dict[str, str] = {}
    problems = []
    for name, value in given.items():
        if name in known:
            if value.strip():
                values[known[name]] = value if name == "ONEC_PASSWORD" else value.strip()
        elif name not in _READ_BEFORE:
            near = difflib.get_close_matches(name.upper(), [*known, *_READ_BEFORE], n=1, cutoff=0.5)
            problems.append(f"{name} is unknown" + (f", the nearest known name is {near[0]}" if near else ""))
    return values, problems


def _read_password_file(given: Mapping[str, str], values: dict[str, str]) -> list[str]:
    """Put the password of ONEC_PASSWORD_FILE into `values`; only the line end is cut, blanks may be meant."""
    path = given.get("ONEC_PASSWORD_FILE", "").strip()
    if not path:
        return []
    if "password" in values:
        return ["ONEC_PASSWORD and ONEC_PASSWORD_FILE are both set, set one"]
    try:
        values["password"] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        return [f"ONEC_PASSWORD_FILE {path} cannot be read ({type(error).__name__})"]
    return []


def _missing(given: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    problems = [
        f"{PREFIX}{field.upper()} is missing: {meaning}"
        for field, meaning in _NEEDED_FOR_ONEC.items()
        if field not in values
    ]
    # An empty password is a 1C user's right, so only its absence is a mistake.
    if not given.keys() & {"ONEC_PASSWORD", "ONEC_PASSWORD_FILE"}:
        problems.append("ONEC_PASSWORD is missing (it may be empty), or ONEC_PASSWORD_FILE")
    return problems


def _explained(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + str(location[0]).upper() if location else "the settings"
    return f"{name} {message.removeprefix('Value error, ').removeprefix('Input ')}"
