"""The writer of one 1C base: create, change and post one object, each in one request that is never repeated here (PROTOCOL §4).

A write whose answer is lost may have happened. So nothing here repeats: the caller looks the object up first. Connections are
not kept (a connection that the server closed meanwhile would leave us not knowing), and by default one write is under way at a
time (PROTOCOL §13.1). Reading belongs to `client.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from onec_pipelines.onec import query
from onec_pipelines.onec.answers import ACCEPT, Call, check_shape
from onec_pipelines.onec.authorization import Authorizer
from onec_pipelines.onec.caller import Attempt, Caller
from onec_pipelines.onec.connection import Connection
from onec_pipelines.onec.decode_patient import load_json
from onec_pipelines.onec.errors import bad_answer, translate
from onec_pipelines.onec.session import SessionPool
from onec_pipelines.onec.throttle import Throttle
from onec_pipelines.onec.transport import Exchange, Reply
from onec_pipelines.onec.values import guid
from onec_pipelines.onec.write_values import dumps

Row = dict[str, Any]
_OK, _CREATED = 200, 201


@dataclass(frozen=True, kw_only=True)
class _Write:
    """One write that is to be sent."""

    method: str
    target: str
    shown: str
    resource: str
    expected: int
    content: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class OnecWriter(Caller):
    """Writes to one base; closes its sessions as a context manager.

    `throttle` gives the lane of writes, which is one by default, and `observer` is told of every write like the client's.
    """

    def __init__(
        self,
        connection: Connection,
        throttle: Throttle | None = None,
        observer: Callable[[Call], None] | None = None,
        *,
        authorizer: Authorizer | None = None,
    ) -> None:
        super().__init__(
            connection, throttle, observer, SessionPool(connection, keepalive=False, authorizer=authorizer)
        )

    def create(self, resource: str, body: Mapping[str, Any]) -> Row:
        """POST a new object and give the row that 1C answers with; its `Ref_Key` may differ from the one sent (PROTOCOL §4.1).

        Quarantine ONEC_DUPLICATE_KEY when the key exists, Quarantine for what 1C's rules refuse, RetryLater
        otherwise. `RetryLater.sent` false: surely nothing was written; in all other cases look the object up
        before anything is sent again.
        """
        row = self._row(
            _Write(
                method="POST",
                target=f"{query.entity_set(resource)}?$format=json",
                shown=f"POST {resource}",
                resource=resource,
                expected=_CREATED,
                content=dumps(body).encode(),
            )
        )
        if guid(row.get("Ref_Key")) is None:
            raise bad_answer("the created object has no Ref_Key", request=f"POST {resource}")
        return row

    def change(
        self, resource: str, key: str, body: Mapping[str, Any], *, data_version: str | None = None
    ) -> Row:
        """PATCH the sent attributes of an object, sections whole, and give the row that 1C answers with.

        `data_version` goes as If-Match, which most bases ignore (PROTOCOL §4.8): compare before and after. Quarantine ONEC_CHANGED
        where it is enforced and does not match.
        """
        return self._row(
            _Write(
                method="PATCH",
                target=query.entity(resource, key),
                shown=f"PATCH {resource}({key})",
                resource=resource,
                expected=_OK,
                content=dumps(body).encode(),
                headers={"If-Match": data_version} if data_version else {},
            )
        )

    def post(self, resource: str, key: str) -> None:
        """Post a document, not operationally (PROTOCOL §4.6).

        Quarantine with 1C's own words when a rule of the configuration refuses.
        """
        address = query.entity(resource, key).partition("?")[0]
        self._send(
            _Write(
                method="POST",
                target=f"{address}/Post?PostingModeOperational=false",
                shown=f"POST {resource}({key})/Post",
                resource=resource,
                expected=_OK,
            )
        )

    def _row(self, write: _Write) -> Row:
        reply = self._send(write)
        check_shape(reply.body, kind="json", status=reply.status, request=write.shown)
        row = load_json(reply.body.decode("utf-8-sig", "replace").encode())
        if not isinstance(row, dict):
            raise bad_answer("it is no object", request=write.shown)
        return row

    def _send(self, write: _Write) -> Reply:
        attempt = Attempt(kind="json", resource=write.resource)
        exchange = Exchange(
            method=write.method,
            target=f"{self.connection.prefix}/{write.target}",
            shown=write.shown,
            ends_at=attempt.begun + self.connection.deadline_seconds,
            max_bytes=self.connection.max_body_bytes,
            headers={
                "Accept": ACCEPT["json"],
                "Content-Type": "application/json; charset=utf-8",
                **write.headers,
            },
            content=write.content,
        )
        with self._noted(attempt):
            reply = self._exchange(attempt, exchange, "write")
            if reply.status not in {_OK, write.expected}:
                raise translate(
                    reply.status,
                    reply.body,
                    request=write.shown,
                    headers=reply.headers,
                    write=True,
                    now=attempt.requested_at,
                )
        return reply
