"""By what a base is told from another one: where it is, and keys of objects that no other base has.

A release changes `$metadata`, and a copy of a base has the same objects: so both the address and the keys are looked at. What follows
from a difference is decided in `ledger/bases.py`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from onec_pipelines.errors import PipelineError, RetryLater
from onec_pipelines.onec import query
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.decode_patient import load_json
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.onec.values import guid

CANDIDATES = ("Catalog_Организации", "Catalog_ВидыЦен", "Catalog_Склады", "Catalog_Валюты")
"""Small sets whose objects live as long as the base, the best first."""
_MOST = 50
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Keys of objects of one set; no keys when there are no objects, or none that the user may see."""

    resource: str
    keys: tuple[str, ...]


def place_of(url: str) -> str:
    """Give host, port and path of a publication, in one spelling.

    http and https are one place. Of this machine the port does not count: there, simulators and tunnels get another one each time.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    path = unquote(parts.path).rstrip("/").lower()
    if _is_here(host):
        return f"localhost{path}"
    port = parts.port or _PORTS[parts.scheme]
    return f"{host}{'' if port in _PORTS.values() else f':{port}'}{path}"


def marked_set(metadata: Metadata, preferred: str | None = None) -> str | None:
    """Name the set whose keys tell this base: the one that was asked before, if it is still published."""
    names = (preferred, *CANDIDATES) if preferred else CANDIDATES
    return next((name for name in names if metadata.find_set(name) is not None), None)


def marks_query(resource: str) -> str:
    """Give the address of the keys of a set."""
    return query.SetQuery(resource=resource, select=("Ref_Key",), top=_MOST, allowed_only=False).target()


def marks_in(resource: str, body: bytes) -> Marks:
    """Read the keys out of an answer; none out of one that holds none."""
    document = load_json(body.decode("utf-8-sig", "replace").encode())
    rows = document.get("value") if isinstance(document, dict) else None
    keys = [guid(row.get("Ref_Key")) for row in rows or () if isinstance(row, dict)]
    return Marks(resource=resource, keys=tuple(sorted(str(key) for key in keys if key is not None)))


def read_marks(client: OnecClient, metadata: Metadata, preferred: str | None = None) -> Marks | None:
    """Ask the base for its marks, in one request; None when it does not show any.

    RetryLater when 1C does not answer: a base that cannot be recognised now may be in a minute.
    """
    resource = marked_set(metadata, preferred)
    if resource is None:
        return None
    try:
        return marks_in(resource, client.get(marks_query(resource)).body)
    except RetryLater:
        raise
    except PipelineError:
        return None  # a right that is missing says nothing of which base it is


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
