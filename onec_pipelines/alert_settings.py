"""The settings of alerts, a part of `settings.Settings`: who is told, in which language, and how long a thing may last before it is told.

Here belong names, types and checks; what is sent and how belongs to `monitoring/`.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

_SMTP = {"smtp", "smtp+starttls", "smtps"}
_SHORTEST_KEY = 24
_Addresses = Annotated[str, Field(max_length=2000)]


class AlertSettings(BaseModel):
    """`ONEC_ALERT_…`. Addresses that may hold a password or a key are secrets; an empty one means no such channel."""

    language: Literal["", "en", "ru"] = ""
    alert_language: Literal["", "en", "ru"] = ""
    alert_level: Literal["note", "warning", "error", "critical"] = "warning"
    alert_smtp_url: SecretStr = SecretStr("")
    alert_email_from: str = ""
    alert_email_to: _Addresses = ""
    alert_webhook_url: SecretStr = SecretStr("")
    alert_webhook_secret: SecretStr = SecretStr("")
    alert_apprise_urls: SecretStr = SecretStr("")
    alert_escalate_hours: Annotated[float, Field(ge=0, le=720)] = 4.0
    alert_escalate_email_to: _Addresses = ""
    alert_escalate_webhook_url: SecretStr = SecretStr("")
    alert_escalate_apprise_urls: SecretStr = SecretStr("")
    alert_cooldown_minutes: Annotated[float, Field(ge=0, le=10_080)] = 60.0
    alert_breaker_minutes: Annotated[float, Field(ge=0, le=1440)] = 5.0
    alert_paused_minutes: Annotated[float, Field(ge=0, le=10_080)] = 120.0
    alert_waiting_minutes: Annotated[float, Field(ge=0, le=1440)] = 10.0
    alert_job_hours: Annotated[float, Field(gt=0, le=720)] = 3.0
    alert_skew_seconds: Annotated[float, Field(ge=1, le=86_400)] = 120.0
    dagster_url: str = ""
    dashboard_url: str = ""

    @property
    def notice_language(self) -> Literal["en", "ru"]:
        """The language of notices: who reads them sits at no terminal of ours."""
        return "ru" if (self.alert_language or self.language) == "ru" else "en"

    @field_validator("alert_smtp_url")
    @classmethod
    def _check_smtp(cls, value: SecretStr) -> SecretStr:
        return _address(value, _SMTP, "smtp+starttls://user:password@mail.example.com:587")

    @field_validator("alert_webhook_url", "alert_escalate_webhook_url")
    @classmethod
    def _check_alert_url(cls, value: SecretStr) -> SecretStr:
        return _address(value, {"http", "https"}, "https://ops.example.com/hooks/onec")

    @field_validator("alert_email_to", "alert_escalate_email_to", "alert_email_from")
    @classmethod
    def _check_mail(cls, value: str) -> str:
        for address in addresses(value):
            if address.count("@") != 1 or any(char in address for char in "\r\n<>\"' "):
                raise ValueError("must be addresses such as ops@example.com, with commas between")
        return value

    @field_validator("dagster_url", "dashboard_url")
    @classmethod
    def _check_dagster_url(cls, value: str) -> str:
        return (
            _address(SecretStr(value), {"http", "https"}, "https://dagster.example.com")
            .get_secret_value()
            .rstrip("/")
        )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        wants_mail = bool(self.alert_email_to or self.alert_escalate_email_to)
        if wants_mail and not (self.alert_smtp_url.get_secret_value() and self.alert_email_from):
            raise ValueError("ask for e-mail: ONEC_ALERT_SMTP_URL and ONEC_ALERT_EMAIL_FROM are missing")
        secret = self.alert_webhook_secret.get_secret_value()
        if secret and len(signing_key(secret)) < _SHORTEST_KEY:
            raise ValueError(
                "have an ONEC_ALERT_WEBHOOK_SECRET that is no secret; make one with `onec webhooks secret`"
            )
        return self


def signing_key(secret: str) -> bytes:
    """The key of a Standard Webhooks secret (`whsec_` and base64); nothing for what is none."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return b""


def addresses(text: str) -> list[str]:
    """The addresses of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _address(value: SecretStr, schemes: set[str], example: str) -> SecretStr:
    """Refuse what is no address, without showing it: it may hold a password."""
    text = value.get_secret_value()
    if not text:
        return value
    try:
        parts = urlsplit(text)
        is_good = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError(f"must be an address such as {example}")
    return value
