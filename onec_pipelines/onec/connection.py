"""What is needed to reach one 1C base, as plain data given by the layer above.

No sockets and no environment here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onec_pipelines.errors import Stop
from onec_pipelines.onec.logins import ClientCredentials, Login, login_problems
from onec_pipelines.onec.route import Compression, Route, route_problems

SessionMode = Literal["auto", "autouse", "use"]
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Connection:
    """One base: where it is, who asks, how hard it may be pressed.

    `url` is the service root (`…/odata/standard.odata`) without user, query or fragment; `timezone` is the
    IANA zone of the infobase; `system` is the base's name in our ids and state. With `login`, requests carry
    a token and `user` and `password` are not used. Seconds and bytes throughout. Bad values raise Stop
    ONEC_BAD_CONNECTION. Secrets, and the proxy whose address may hold one, stay out of the repr.
    """

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    login: Login | None = None
    timezone: str
    system: str
    max_sessions: int = 4
    rate_per_second: float = 20.0
    deadline_seconds: float = 180.0
    connect_seconds: float = 10.0
    session_mode: SessionMode = "auto"
    verify: bool = True
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    compression: Compression = "auto"
    max_body_bytes: int = 64 * MEBIBYTE
    max_table_bytes: int = (
        512 * MEBIBYTE
    )  # virtual tables cannot be paged for sure (PROTOCOL §6), so one answer may be large

    def __post_init__(self) -> None:
        for problem in _problems(self):
            raise Stop(
                problem, code="ONEC_BAD_CONNECTION", remedy="Correct the ONEC_* settings and start again."
            )

    @property
    def parts(self) -> SplitResult:
        """The service root taken apart."""
        return urlsplit(self.url)

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a path: `https://srv:8443`."""
        return f"{self.parts.scheme}://{self.parts.netloc}"

    @property
    def prefix(self) -> str:
        """The percent-encoded path of the service root without a slash at its end.

        `/ut/odata/standard.odata`.
        """
        return quote(self.parts.path.rstrip("/"), safe="/%")

    @property
    def route(self) -> Route:
        """The way to 1C."""
        return Route(
            origin=self.origin,
            connect_seconds=self.connect_seconds,
            verify=self.verify,
            ca_file=self.ca_file,
            client_cert=self.client_cert,
            client_key=self.client_key,
            proxy=self.proxy,
            compression=self.compression,
        )

    def token_route(self, origin: str) -> Route:
        """The way to the token endpoint's origin: over the same proxy.

        The client certificate is for 1C alone, and the endpoint's certificate is always verified, because
        it gets the client's secret; it may be of the system's authorities or of `ca_file`'s.
        """
        return Route(
            origin=origin,
            connect_seconds=self.connect_seconds,
            ca_file=self.ca_file,
            ca_added=True,
            proxy=self.proxy,
        )

    @property
    def who(self) -> str:
        """Who asks, without secrets: tells the users of one base apart."""
        if self.login is None:
            return self.user
        return self.login.client_id if isinstance(self.login, ClientCredentials) else "bearer"

    @property
    def base(self) -> str:
        """The base as this user sees it: what is kept of it is kept under this."""
        return f"{self.url} {self.who}"

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the infobase's clock."""
        return ZoneInfo(self.timezone)


def _problems(connection: Connection) -> list[str]:
    found = []
    try:
        parts, port = connection.parts, connection.parts.port
    except ValueError:
        return ["the address of 1C is not a URL"]
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        found.append("the address of 1C must start with http:// or https:// and name a host")
    if parts.username is not None or parts.query or parts.fragment:
        found.append("the address of 1C must hold no user, password, query or fragment")
    if connection.login is not None:
        found += login_problems(connection.login)
    elif ":" in connection.user or not connection.user:
        found.append("the user of 1C must be given and, for HTTP Basic, hold no colon")
    found += route_problems(connection.route)
    if connection.session_mode not in {"auto", "autouse", "use"}:
        found.append(f"the session mode {connection.session_mode!r} is none of auto, autouse, use")
    if min(connection.max_sessions, connection.rate_per_second, connection.deadline_seconds) <= 0:
        found.append("sessions, rate and deadline must be above zero")
    try:
        ZoneInfo(connection.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        found.append(f"the time zone {connection.timezone!r} is not an IANA name such as Europe/Moscow")
    return found
