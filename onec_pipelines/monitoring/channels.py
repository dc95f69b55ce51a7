"""Where notices go: the log, e-mail, a signed JSON webhook, and what Apprise knows. Each takes one notice or raises Refused.

A channel knows nothing of alerts, repeats and other channels. No address or key appears in its errors: they may hold a password.
"""

from __future__ import annotations

import hmac
import json
import logging
import smtplib
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx

from onec_pipelines.alert_settings import addresses, signing_key
from onec_pipelines.monitoring.alert_text import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onec_pipelines.settings import Settings

Channel = Callable[[Notice], None]
"""Takes a notice, at most for `SECONDS`. Raises Refused when it is not surely taken."""

SECONDS = 20.0
LOG = "log"
_log = logging.getLogger("onec_pipelines.alerts")
_LEVELS = {
    "note": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class Refused(Exception):
    """The channel did not take the notice; the text says why and holds no secret."""


def channels_of(settings: Settings) -> tuple[dict[str, Channel], dict[str, Channel]]:
    """The configured channels by name, and those of escalated alerts."""
    usual: dict[str, Channel] = {LOG: to_log}
    further: dict[str, Channel] = {}
    secret = settings.alert_webhook_secret.get_secret_value()
    for prefix, found, to, hook, apprise in (
        ("", usual, settings.alert_email_to, settings.alert_webhook_url, settings.alert_apprise_urls),
        (
            "escalation_",
            further,
            settings.alert_escalate_email_to,
            settings.alert_escalate_webhook_url,
            settings.alert_escalate_apprise_urls,
        ),
    ):
        if to:
            server = settings.alert_smtp_url.get_secret_value()
            found[f"{prefix}email"] = by_mail(server, settings.alert_email_from, addresses(to))
        if url := hook.get_secret_value():
            found[f"{prefix}webhook"] = by_webhook(url, secret)
        if urls := apprise.get_secret_value().split():
            found[f"{prefix}apprise"] = by_apprise(urls)
    return usual, further


def to_log(notice: Notice) -> None:
    """Into the process's log, one line."""
    level = logging.INFO if notice.event == "recovered" else _LEVELS[notice.severity]
    _log.log(level, " | ".join(line for line in notice.text.splitlines() if line))


def by_mail(url: str, sender: str, to: Sequence[str]) -> Channel:
    """By SMTP: `smtp://`, `smtp+starttls://` or `smtps://` with user and password, if there are any, in the address."""

    def send(notice: Notice) -> None:
        message = EmailMessage()
        message["From"], message["To"] = sender, ", ".join(to)
        message["Subject"] = " ".join(notice.subject.split())
        message["Date"] = formatdate()
        # The same for a repeat, so that mail programs show it once.
        message["Message-ID"] = f"<{notice.id}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notice.text)
        try:
            with _server(url) as server:
                refused = server.send_message(message)
        except (smtplib.SMTPException, OSError) as error:
            raise Refused(_said(error)) from None
        if refused:
            raise Refused(f"the mail server refuses {len(refused)} of {len(to)} addresses")

    return send


def by_webhook(url: str, secret: str) -> Channel:
    """POST the document; with a secret signed as Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`)."""

    def send(notice: Notice) -> None:
        body = json.dumps(notice.document, ensure_ascii=False, default=str).encode()
        headers = {"content-type": "application/json; charset=utf-8", **_signed(notice.id, body, secret)}
        try:
            answer = httpx.post(url, content=body, headers=headers, timeout=SECONDS, follow_redirects=False)
        except httpx.HTTPError as error:
            raise Refused(f"no answer ({type(error).__name__})") from None
        if not answer.is_success:
            raise Refused(f"HTTP {answer.status_code}")

    return send


def by_apprise(urls: Sequence[str]) -> Channel:
    """By whatever the addresses name; needs the extra "alerts"."""

    def send(notice: Notice) -> None:
        try:
            import apprise  # noqa: PLC0415 - an extra, and half a second
        except ImportError:
            raise Refused("the package apprise is missing: install onec-pipelines[alerts]") from None
        messenger = apprise.Apprise()
        if not all([messenger.add(url) for url in urls]):  # noqa: C419 - all of them are added
            raise Refused("apprise does not understand one of the addresses")
        if not messenger.notify(title=notice.subject, body=notice.text):
            raise Refused("apprise could not deliver to one of the addresses")

    return send


def _signed(ident: str, body: bytes, secret: str) -> Mapping[str, str]:
    moment = str(int(time.time()))
    headers = {"webhook-id": ident, "webhook-timestamp": moment}
    if secret:
        digest = hmac.digest(
            signing_key(secret), b".".join((ident.encode(), moment.encode(), body)), "sha256"
        )
        headers["webhook-signature"] = f"v1,{b64encode(digest).decode()}"
    return headers


@contextmanager
def _server(url: str) -> Iterator[smtplib.SMTP]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=SECONDS, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(
            host, parts.port or (587 if parts.scheme.endswith("starttls") else 25), timeout=SECONDS
        )
    with server:
        if parts.scheme == "smtp+starttls":
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server


def _said(error: Exception) -> str:
    """What the mail server said, in short; never our own command, which may hold the password."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the mail server says {error.smtp_code}"
    return f"the mail server cannot be reached ({type(error).__name__})"
