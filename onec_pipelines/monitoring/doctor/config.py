"""Checks of the settings alone: what they permit that they better should not, and what is left out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from onec_pipelines.errors import PipelineError
from onec_pipelines.monitoring.doctor.findings import Finding, Severity, complaint, of_error, ok
from onec_pipelines.monitoring.doctor.patient import Patient
from onec_pipelines.onec.marks import place_of

_GIB = 1024**3


def connection(patient: Patient) -> Iterator[Finding]:
    """Whether the way to 1C is safe and all variables are usable."""
    settings = patient.settings
    if settings.verify_tls is False:
        yield complaint("settings", Severity.WARNING, "ONEC_TLS_UNVERIFIED", "ONEC_VERIFY_TLS is false")
    parts = urlsplit(settings.url)
    if parts.scheme == "http" and not place_of(settings.url).startswith("localhost"):
        yield complaint(
            "settings", Severity.WARNING, "ONEC_PLAIN_HTTP", f"ONEC_URL is http:// to {parts.hostname}"
        )
    yield ok("settings", f"all variables are usable; the base is {settings.system}")


def webhooks(patient: Patient) -> Iterator[Finding]:
    """Whether webhooks can be received."""
    secrets = patient.settings.webhook_secrets.get_secret_value()
    if not secrets.strip():
        yield complaint("webhooks", Severity.NOTE, "WEBHOOKS_OFF", "ONEC_WEBHOOK_SECRETS is empty")
        return
    try:
        if patient.parse_secrets is not None:
            patient.parse_secrets(secrets)
    except PipelineError as error:
        yield of_error("webhooks", error)
        return
    yield ok("webhooks", "there are secrets")


def disk(patient: Patient) -> Iterator[Finding]:
    """Whether there is room for pictures, logs and the embedded database."""
    settings = patient.settings
    places = {"ONEC_HOME": settings.home}
    if settings.image_store and "://" not in settings.image_store:
        places["ONEC_IMAGE_STORE"] = Path(settings.image_store)
    for name, wanted in places.items():
        folder = next((one for one in (wanted, *wanted.parents) if one.is_dir()), None)
        if folder is None:
            continue
        usage = shutil.disk_usage(folder)
        saw = f"{name}: {usage.free / _GIB:.1f} GiB of {usage.total / _GIB:.1f} are free"
        if usage.free < patient.least_disk:
            yield complaint("disk", Severity.WARNING, "DISK_LOW", saw)
        else:
            yield ok("disk", saw)
