"""The ways to say who asks, besides user and password, as plain data (PROTOCOL §9).

No sockets, no files read and no environment here: `authorization.py` makes headers of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""What may stand after `Bearer` (RFC 6750): nothing that could begin another header."""


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """A token made elsewhere, given as text or as a file that somebody else keeps fresh."""

    token: str = field(default="", repr=False)
    token_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """OAuth2 client credentials (RFC 6749 §4.4).

    `token_url` is another origin than 1C: it gets the client's secret and 1C never does, 1C gets the token.
    """

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""

    @property
    def parts(self) -> SplitResult:
        """The address of the token endpoint taken apart."""
        return urlsplit(self.token_url)

    @property
    def origin(self) -> str:
        """Scheme, host and port of the token endpoint."""
        return f"{self.parts.scheme}://{self.parts.netloc}"


Login = Bearer | ClientCredentials


def login_problems(login: Login) -> list[str]:
    """Say what makes this login unusable, without its secrets."""
    if isinstance(login, Bearer):
        return _bearer_problems(login)
    return _client_problems(login)


def _bearer_problems(login: Bearer) -> list[str]:
    if bool(login.token) == bool(login.token_file):
        return ["either a token or a file with a token must be given"]
    if login.token and not TOKEN.fullmatch(login.token):
        return ["the token must be the token alone, without the word Bearer, blanks or quotes"]
    return []


def _client_problems(login: ClientCredentials) -> list[str]:
    try:
        parts, port = login.parts, login.parts.port
    except ValueError:
        return ["the address of the token endpoint is not a URL"]
    found = []
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        found.append("the address of the token endpoint must start with http:// or https:// and name a host")
    if parts.username is not None or parts.fragment:
        found.append("the address of the token endpoint must hold no user, password or fragment")
    if not login.client_id or not login.client_secret:
        found.append("the client needs an id and a secret")
    return found
