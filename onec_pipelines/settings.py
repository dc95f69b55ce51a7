"""Every environment variable of the project, read once, typed, with the secrets masked.

Here belong names, types, defaults and checks of `ONEC_*`; those of the way to 1C and of alerts are in
`connection_settings.py` and `alert_settings.py`. What is done with a value (opening a client,
starting a server) belongs to the module that uses it. Nothing else in the package reads `os.environ` for
configuration.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from onec_pipelines.alert_settings import AlertSettings
from onec_pipelines.connection_settings import (
    PREFIX,
    ConnectionSettings,
    login_problems,
    missing,
    tls_problems,
)
from onec_pipelines.errors import Stop

# Secrets that may stand in a file named by ONEC_…_FILE, which is read before the settings themselves and so is no field of theirs.
_SECRETS = (
    "password",
    "client_secret",
    "webhook_secrets",
    "dashboard_token",
    "alert_smtp_url",
    "alert_webhook_secret",
    "alert_apprise_urls",
)
_READ_BEFORE = {f"{PREFIX}ENV_FILE", *(f"{PREFIX}{secret.upper()}_FILE" for secret in _SECRETS)}
# Each pair is one value, named in one of two ways.
_PAIRS = [(f"{PREFIX}{secret.upper()}", f"{PREFIX}{secret.upper()}_FILE") for secret in (*_SECRETS, "token")]
# The values of `spec.Way`, which is above this module.
_WAYS = ("changes", "versions", "windows", "snapshot")
# Blanks at the ends may be meant.
_VERBATIM = {"ONEC_PASSWORD", "ONEC_CLIENT_SECRET"}


class Settings(ConnectionSettings, AlertSettings, BaseSettings):
    """The configuration of one process, frozen. Make it with `load_settings`, which also checks the names.

    `database_url` is secret because it may hold a password; an empty one means the embedded server under `home`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    database_url: SecretStr = SecretStr("")
    home: Path = Path("var")
    max_sessions: Annotated[int, Field(ge=1, le=64)] = 4
    rate_per_second: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    page_rows: Annotated[int, Field(ge=1, le=100_000)] = 1000
    deadline_seconds: Annotated[float, Field(ge=1, le=86_400)] = 180.0
    session_mode: Literal["auto", "autouse", "use"] = "auto"
    throttle: Literal["shared", "local"] = "shared"
    max_writers: Annotated[int, Field(ge=1, le=16)] = 1
    quiet_hours: str = ""
    worker_threads: Annotated[int, Field(ge=1, le=64)] = 4
    queue_keep_days: Annotated[float, Field(ge=0, le=3650)] = 14.0
    reading: str = ""
    adopt: Literal["on", "off"] = "off"
    reconcile_rows: Annotated[int, Field(ge=0, le=10_000)] = 200
    reconcile_days: Annotated[int, Field(ge=1, le=3660)] = 30
    limits: str = ""
    exchange_plan: str = ""
    exchange_node: str = ""
    history_start: date | None = None
    open_days: Annotated[int, Field(ge=1, le=3660)] = 30
    raw_keep_days: Annotated[int, Field(ge=1, le=36_600)] = 30
    runs_keep_days: Annotated[int, Field(ge=1, le=36_600)] = 30
    jobs_keep_days: Annotated[int, Field(ge=1, le=36_600)] = 90
    audit_keep_months: Annotated[int, Field(ge=1, le=1200)] = 36
    image_store: str = ""
    image_max_bytes: Annotated[int, Field(ge=1024, le=512 * 1024 * 1024)] = 20 * 1024 * 1024
    image_parallel: Annotated[int, Field(ge=1, le=16)] = 2
    image_keep_days: Annotated[float, Field(ge=0, le=3650)] = 30.0
    order_organization: str = ""
    order_agreement: str = ""
    order_warehouse: str = ""
    order_price_type: str = ""
    order_customer: str = ""
    order_counterparty: str = ""
    order_manager: str = ""
    order_priority: str = ""
    order_access_group: str = ""
    order_cancel_reason: str = ""
    order_status: str = "НеСогласован"
    order_posting: Literal["on", "off"] = "on"
    order_settle_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    phone_region: str = "RU"
    stock_formula: Literal["less_reserves", "on_hand_minus_to_ship"] = "less_reserves"
    negative_stock: Literal["zero", "keep"] = "zero"
    webhook_secrets: SecretStr = SecretStr("")
    webhook_host: str = "127.0.0.1"
    webhook_port: Annotated[int, Field(ge=0, le=65_535)] = 3001
    webhook_tolerance_seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    webhook_direct_stock: Literal["on", "off"] = "off"
    webhook_keep_days: Annotated[int, Field(ge=1, le=3650)] = 14
    dashboard_host: str = "127.0.0.1"
    dashboard_port: Annotated[int, Field(ge=0, le=65_535)] = 3002
    dashboard_token: SecretStr = SecretStr("")
    stale_hours: Annotated[float, Field(ge=0, le=8760)] = 0.0

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

    def prints(self) -> dict[str, str]:
        """Every setting that is no secret as a text, by name, for the audit log to compare and hash."""
        return {
            name: str(value)
            for name, value in sorted(dict(self).items())
            if not isinstance(value, SecretStr) and "secret" not in name
        }

    @property
    def ways(self) -> dict[str, str]:
        """`reading` as entity → way."""
        pairs = (item.partition("=") for item in self.reading.split(",") if item.strip())
        return {name.strip(): way.strip() for name, _, way in pairs}

    @property
    def first_day(self) -> date:
        """The first day of the history that is read: as set, else the first of last year."""
        return self.history_start or date(datetime.now(UTC).year - 1, 1, 1)

    @field_validator("reading")
    @classmethod
    def _check_reading(cls, value: str) -> str:
        for item in value.split(","):
            if item.strip() and item.partition("=")[2].strip() not in _WAYS:
                raise ValueError(
                    f"must be entity=way, … with a way of {', '.join(_WAYS)}, e.g. products=versions,stock=snapshot"
                )
        return value

    @field_validator("limits")
    @classmethod
    def _check_limits(cls, value: str) -> str:
        form = r"(\w+\.)?\w+\s*=\s*(off|\d+|\d+(\.\d+)?%(:\d+)?)"
        for item in filter(None, (part.strip() for part in value.split(","))):
            if not re.fullmatch(form, item):
                raise ValueError(
                    "must be [entity.]limit=off|N|X%|X%:N, …, e.g. price_fall=50%:20,stock_to_zero=200,customers.deleted_share=5%"
                )
        return value

    @field_validator("exchange_plan")
    @classmethod
    def _check_plan(cls, value: str) -> str:
        name = value.removeprefix("ExchangePlan_")
        if value and not name.isidentifier():
            raise ValueError("must be the name of an exchange plan, e.g. ExchangePlan_ОбменССайтом")
        return f"ExchangePlan_{name}" if value else ""

    @field_validator("phone_region")
    @classmethod
    def _check_region(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z]{2}", value):
            raise ValueError("must be the two letters of a country, e.g. RU (ISO 3166)")
        return value.upper()

    @field_validator("quiet_hours")
    @classmethod
    def _check_quiet_hours(cls, value: str) -> str:
        clock = "([01][0-9]|2[0-3]):[0-5][0-9]"
        for span in filter(None, (part.strip() for part in value.split(","))):
            if not re.fullmatch(f"{clock}-{clock}", span) or span[:5] == span[6:]:
                raise ValueError("must be spans of hours such as 02:00-04:00 or 23:30-00:15,02:00-04:00")
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
    for secret in _SECRETS:
        problems += _read_file(given, values, secret)
    if require_onec:
        problems += missing(values)
        problems += login_problems(given, values)
    problems += tls_problems(values)
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
    for pair in _PAIRS:
        if environment.keys() & set(pair):
            # This process's secret must not meet the file's other way of naming it.
            file = {name: value for name, value in file.items() if name not in pair}
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
                values[known[name]] = value if name in _VERBATIM else value.strip()
        elif name not in _READ_BEFORE:
            near = difflib.get_close_matches(name.upper(), [*known, *_READ_BEFORE], n=1, cutoff=0.5)
            problems.append(f"{name} is unknown" + (f", the nearest known name is {near[0]}" if near else ""))
    return values, problems


def _read_file(given: Mapping[str, str], values: dict[str, str], field: str) -> list[str]:
    """Put the secret of `ONEC_…_FILE` into `values`; only the line end is cut, blanks may be meant."""
    name = PREFIX + field.upper()
    path = given.get(f"{name}_FILE", "").strip()
    if not path:
        return []
    if field in values:
        return [f"{name} and {name}_FILE are both set, set one"]
    try:
        values[field] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        return [f"{name}_FILE {path} cannot be read ({type(error).__name__})"]
    return []


def _explained(location: tuple[int | str, ...], message: str) -> str:
    name = PREFIX + str(location[0]).upper() if location else "the settings"
    return f"{name} {message.removeprefix('Value error, ').removeprefix('Input ')}"
