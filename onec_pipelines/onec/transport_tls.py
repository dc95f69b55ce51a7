"""What is trusted and what is shown when a connection is encrypted: TLS contexts of a route.

Reads certificate files; opens no connection.
"""

from __future__ import annotations

import logging
import ssl
from functools import lru_cache
from pathlib import Path

from onec_pipelines.errors import Stop
from onec_pipelines.onec.route import Route

_log = logging.getLogger(__name__)
_File = tuple[Path, int] | None


def tls_of(route: Route) -> ssl.SSLContext:
    """Give the TLS context of a route, the same one until its files change.

    Stop ONEC_TLS_FILES for a file that cannot be used.
    """
    return _context(
        route.verify,
        route.ca_added,
        _stamped(route.ca_file, "ONEC_CA_FILE"),
        _stamped(route.client_cert, "ONEC_CLIENT_CERT"),
        _stamped(route.client_key, "ONEC_CLIENT_KEY"),
    )


def _stamped(path: Path | None, name: str) -> _File:
    if path is None:
        return None
    try:
        return path, path.stat().st_mtime_ns
    except OSError as error:
        raise _unusable(name, path, error) from None


@lru_cache(maxsize=8)  # reading the authorities takes tens of milliseconds, and each session needs them
def _context(
    verify: bool,  # noqa: FBT001 - lru_cache takes keywords in another order for another call
    ca_added: bool,  # noqa: FBT001
    ca_file: _File,
    client_cert: _File,
    client_key: _File,
) -> ssl.SSLContext:
    context = _authorities(ca_file, added=ca_added)
    if not verify:
        _log.warning("the certificate of 1C's web server is not verified (ONEC_VERIFY_TLS=false)")
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        try:
            # without a password given here, OpenSSL would ask for one at the terminal
            context.load_cert_chain(
                client_cert[0], client_key[0] if client_key else None, password=lambda: ""
            )
        except (OSError, ValueError) as error:
            name = "ONEC_CLIENT_CERT with ONEC_CLIENT_KEY" if client_key else "ONEC_CLIENT_CERT"
            raise _unusable(name, client_cert[0], error) from None
    return context


def _authorities(ca_file: _File, *, added: bool) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context()
    try:
        if not added:
            return ssl.create_default_context(cafile=ca_file[0])
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=ca_file[0])
    except OSError as error:  # SSLError is one
        raise _unusable("ONEC_CA_FILE", ca_file[0], error) from None
    return context


def _unusable(name: str, path: Path, error: Exception) -> Stop:
    return Stop(
        f"{name} {path} cannot be used ({type(error).__name__})",
        code="ONEC_TLS_FILES",
        remedy="Give readable PEM files; the key must belong to the certificate and have no password.",
    )
