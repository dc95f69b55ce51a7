"""The table that says which of our errors an answer of 1C becomes (PROTOCOL §8).

The first matching row wins. Only the table.
Order matters: what the text says, then 1C's own codes, then the HTTP status, then "this is not 1C at all".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from onec_pipelines.errors import PipelineError, Quarantine, RetryLater, Skip, Stop
from onec_pipelines.onec.error_bodies import Fault, Shape

_CHECK_QUERY = (
    "This request is wrong for this base: compare the entity's names with its $metadata and report it."
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One row of the table. An empty condition means any.

    `on_write` replaces `raises` when the request was a write of one object.
    """

    code: str
    raises: type[PipelineError]
    says: str
    remedy: str
    statuses: range | frozenset[int] = range(1000)
    codes: frozenset[str] = frozenset()
    shapes: frozenset[Shape] = frozenset()
    text: re.Pattern[str] | None = None
    on_write: type[PipelineError] | None = None

    def matches(self, status: int, fault: Fault) -> bool:
        """Tell whether this answer falls under the rule."""
        return (
            status in self.statuses
            and (not self.codes or fault.code in self.codes)
            and (not self.shapes or fault.shape in self.shapes)
            and (self.text is None or bool(self.text.search(fault.message)))
        )


def _text(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _of(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


RULES: tuple[Rule, ...] = (
    # What the text says is more precise than any status, and some bases send it with the wrong one.
    Rule(
        code="ONEC_VERSION_MISMATCH",
        raises=RetryLater,
        text=_text(r"Различаются версии клиента и сервера|client and server versions are different"),
        says="the web server's 1C extension and the 1C server are of different versions",
        remedy=(
            "An administrator must update the web extension (webinst) to the platform's version; then it "
            "goes on by itself."
        ),
    ),
    Rule(
        code="ONEC_MAINTENANCE",
        raises=RetryLater,
        text=_text(
            r"Начало сеанса\b.*запрещено|Ведутся технические работы|session start is (?:blocked|not allowed)"
        ),
        says="the base is closed for maintenance",
        remedy=(
            "Nothing to do if the maintenance is planned; else unlock session starts in the 1C cluster "
            "console."
        ),
    ),
    Rule(
        code="ONEC_NO_LICENCE",
        raises=RetryLater,
        text=_text(r"Не обнаружено свободной лицензии|Не найдена лицензия|license not found"),
        says="1C has no free licence for one more session",
        remedy="Free or add client licences, or lower ONEC_MAX_SESSIONS.",
    ),
    Rule(
        code="ONEC_LOCK",
        raises=RetryLater,
        text=_text(
            r"Конфликт блокировок|Ошибка блокировки|ожидания предоставления блокировки"
            r"|взаимоблокировк|deadlock|lock conflict"
        ),
        says="somebody in 1C holds a lock on the same data",
        remedy="It is repeated by itself; if it stays, look for long transactions in 1C.",
    ),
    Rule(
        code="ONEC_OUT_OF_MEMORY",
        raises=RetryLater,
        text=_text(r"Недостаточно памяти|not enough memory|out of memory"),
        says="1C ran out of memory while building the answer",
        remedy=(
            "The page is made smaller by itself; if it stays, give the 1C server more memory or lower "
            "ONEC_PAGE_ROWS."
        ),
    ),
    Rule(
        code="ONEC_DISK_FULL",
        raises=RetryLater,
        text=_text(r"No space left|device is full|Недостаточно места"),
        says="the disk of the 1C server is full",
        remedy="Free space for temporary files on the 1C server.",
    ),
    # 1C's own codes.
    Rule(
        code="ONEC_RIGHTS",
        raises=Stop,
        codes=frozenset({"20"}),
        says="the user may not read or write this object, or rows of it are hidden from the user",
        remedy=(
            "Give the user the role УдаленныйДоступOData and rights on the object; with row-level security "
            "set allowed-only reading."
        ),
    ),
    Rule(
        code="ONEC_NOT_PUBLISHED",
        raises=Stop,
        codes=frozenset({"8"}),
        says="the object is not in the published OData composition, or does not exist in this release",
        remedy="Add the object to the composition of the standard OData interface in 1C's administration.",
    ),
    Rule(
        code="ONEC_NOT_FOUND",
        raises=Skip,
        codes=frozenset({"9"}),
        says="there is no object with this key",
        remedy="Nothing, if the object was deleted in 1C.",
    ),
    Rule(
        code="ONEC_DUPLICATE_KEY",
        raises=Stop,
        on_write=Quarantine,
        codes=frozenset({"15"}),
        says="an object with this key exists already",
        remedy="Read the object by its key and compare before sending again.",
    ),
    Rule(
        code="ONEC_NOT_SUPPORTED",
        raises=Stop,
        codes=frozenset({"0", "11", "13", "19", "21"}),
        says="this base does not support what was asked",
        remedy=_CHECK_QUERY,
    ),
    Rule(
        code="ONEC_UNKNOWN_NAME",
        raises=Stop,
        on_write=Quarantine,
        codes=frozenset({"6", "10"}),
        says="a name in the request is unknown to this base",
        remedy=_CHECK_QUERY,
    ),
    Rule(
        code="ONEC_BAD_VALUE",
        raises=Stop,
        on_write=Quarantine,
        codes=frozenset({"1", "4", "5", "16", "17"}),
        says="1C did not accept a value in the request",
        remedy="Correct the value that 1C names.",
    ),
    Rule(
        code="ONEC_BAD_REQUEST",
        raises=Stop,
        codes=frozenset({"2", "3", "7", "12", "14"}),
        says="1C could not read the request",
        remedy=_CHECK_QUERY,
    ),
    Rule(
        code="ONEC_BROKEN_INTERFACE",
        raises=Stop,
        codes=frozenset({"18"}),
        says=(
            "a published object has two properties of the same name, so that 1C cannot start its OData "
            "interface"
        ),
        remedy="A 1C developer must rename one of them, or the object must leave the composition.",
    ),
    Rule(
        code="ONEC_WHERE_FORBIDDEN",
        raises=Stop,
        text=_text(r"Операция не разрешена в предложении"),
        says="1C refuses this condition (for example by a part of a composite key)",
        remedy="Read this set without the condition, or by another field.",
    ),
    # Statuses.
    Rule(
        code="ONEC_AUTH",
        raises=Stop,
        statuses=_of(401),
        says="1C did not accept the login",
        remedy=(
            "Check ONEC_USER and ONEC_PASSWORD, and whether the account is locked; with a token, its age, and "
            "its issuer and user in the publication's accessTokenAuthentication. It is not repeated: "
            "repeats lock accounts."
        ),
    ),
    Rule(
        code="ONEC_CLIENT_CERTIFICATE",
        raises=Stop,
        statuses=_of(400, 403, 495, 496),
        shapes=frozenset({"html", "other"}),
        text=_text(
            r"No required SSL certificate|SSL certificate error|client certificate|403\.(?:7|13|16|17)\b"
        ),
        says="the web server wants a client certificate that it trusts",
        remedy="Set ONEC_CLIENT_CERT and ONEC_CLIENT_KEY to a certificate that the web server accepts.",
    ),
    Rule(
        code="ONEC_FORBIDDEN",
        raises=Stop,
        statuses=_of(403, 407),
        says="the web server or a proxy refused the request",
        remedy="Check the address allow-list and rights of the publication.",
    ),
    Rule(
        code="ONEC_URL_TOO_LONG",
        raises=Stop,
        statuses=_of(400, 404, 414, 431),
        shapes=frozenset({"html", "empty", "other"}),
        text=_text(
            r"404\.15|query string.{0,20}too long|Invalid URL|URI too (?:long|large)"
            r"|Request-URI|header.{0,20}too large"
        ),
        says="the web server does not take an address this long",
        remedy=(
            "Raise the web server's limit (IIS maxQueryString, nginx large_client_header_buffers) or ask "
            "for fewer fields or keys."
        ),
    ),
    Rule(
        code="ONEC_URL_TOO_LONG",
        raises=Stop,
        statuses=_of(414, 431),
        says="the web server does not take an address this long",
        remedy=(
            "Raise the web server's limit (IIS maxQueryString, nginx large_client_header_buffers) or ask "
            "for fewer fields or keys."
        ),
    ),
    Rule(
        code="ONEC_NO_SERVICE",
        raises=Stop,
        statuses=_of(404),
        says="no 1C OData service answers at this address",
        remedy=(
            "Check ONEC_URL and that the publication has standardOdata with enable=true; "
            "IIS may also replace 1C's own 404 by its page."
        ),
    ),
    Rule(
        code="ONEC_POOL_FULL",
        raises=RetryLater,
        statuses=_of(406),
        says="1C's pool of sessions is full",
        remedy="Lower ONEC_MAX_SESSIONS, or raise poolSize of the publication (default.vrd).",
    ),
    Rule(
        code="ONEC_CHANGED",
        raises=Stop,
        on_write=Quarantine,
        statuses=_of(412),
        says="the object was changed in 1C since it was read",
        remedy="Read it again and decide which version counts.",
    ),
    Rule(
        code="ONEC_OVERLOAD",
        raises=RetryLater,
        statuses=_of(429, 503),
        says="1C or the web server before it is overloaded",
        remedy=(
            "It slows down and goes on by itself; if it stays, lower ONEC_RATE_PER_SECOND and "
            "ONEC_MAX_SESSIONS."
        ),
    ),
    Rule(
        code="ONEC_GATEWAY",
        raises=RetryLater,
        statuses=_of(408, 409, 425, 502, 504),
        says="the web server could not get an answer from 1C",
        remedy="It is repeated by itself; if it stays, check that the 1C server runs behind the web server.",
    ),
    Rule(
        code="ONEC_NOT_SUPPORTED",
        raises=Stop,
        statuses=_of(405, 501),
        says="this base does not support what was asked",
        remedy=_CHECK_QUERY,
    ),
    Rule(
        code="ONEC_REDIRECT",
        raises=Stop,
        statuses=range(300, 400),
        says="the web server sends us to another address, which is not followed",
        remedy="Set ONEC_URL to the final address (https instead of http, perhaps).",
    ),
    Rule(
        code="ONEC_HANDLER",
        raises=Stop,
        on_write=Quarantine,
        statuses=range(500, 600),
        shapes=frozenset({"odata", "atom"}),
        says="1C's own code refused the request",
        remedy="Read 1C's message: the rule that refuses is in the configuration.",
    ),
    Rule(
        code="ONEC_SERVER_ERROR",
        raises=RetryLater,
        statuses=range(500, 600),
        says="the 1C server or the web server failed",
        remedy="It is repeated by itself; if it stays, look into the log of the 1C server.",
    ),
    Rule(
        code="ONEC_BAD_REQUEST",
        raises=Stop,
        on_write=Quarantine,
        statuses=range(400, 500),
        says="the request was refused",
        remedy=_CHECK_QUERY,
    ),
    Rule(
        code="ONEC_BAD_ANSWER",
        raises=RetryLater,
        says="the answer is not what 1C sends",
        remedy="Look what stands between us and 1C: a proxy, a login page, a full disk.",
    ),
)
