"""The way to one origin as plain data: addresses, certificates, proxy, compression. What goes over it is not known here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

Compression = Literal["auto", "on", "off"]


@dataclass(frozen=True, kw_only=True)
class Route:
    """How `transport.py` reaches one origin (`https://srv:8443`).

    `ca_file` holds the only authorities that are trusted, or with `ca_added` further ones beside the
    system's. `client_key` may be None when `client_cert` holds the key too. `compression` "auto" asks for
    gzip unless the host is this machine or has a private address (PERFORMANCE §1). The proxy's address may
    hold a password and stays out of the repr.
    """

    origin: str
    connect_seconds: float = 10.0
    verify: bool = True
    ca_file: Path | None = None
    ca_added: bool = False
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    compression: Compression = "auto"

    @property
    def host(self) -> str:
        """The name or address of the host."""
        return urlsplit(self.origin).hostname or ""


def route_problems(route: Route) -> list[str]:
    """Say what makes this route unusable, without the proxy's password."""
    found = []
    if route.compression not in {"auto", "on", "off"}:
        found.append(f"the compression {route.compression!r} is none of auto, on, off")
    if route.client_key and not route.client_cert:
        found.append("a key of a client certificate was given without the certificate")
    if route.proxy is not None and not is_proxy(route.proxy):
        found.append("the proxy must be an http:// or https:// address that names a host")
    return found


def is_proxy(address: str) -> bool:
    """Tell whether this can be the address of an HTTP proxy."""
    try:
        parts = urlsplit(address)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
