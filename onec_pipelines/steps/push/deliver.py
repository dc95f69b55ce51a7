"""One object to 1C, exactly once in effect: intent → look-up → create or change → compare → post → id mapping (RELIABILITY C-3).

A killed delivery is simply delivered again: each step is remembered before it is made, nothing is sent a second time before 1C was
asked whether the first time arrived, and what is there already is compared instead of written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from onec_pipelines.db.engine import Database
from onec_pipelines.errors import PipelineError, Quarantine, RetryLater
from onec_pipelines.ledger import push_objects
from onec_pipelines.ledger.push_objects import PushObject
from onec_pipelines.onec.client import OnecClient
from onec_pipelines.onec.links import deep_link
from onec_pipelines.onec.values import guid
from onec_pipelines.onec.writer import OnecWriter
from onec_pipelines.steps.failpoints import reach
from onec_pipelines.steps.push import compare, lookup
from onec_pipelines.steps.push.compare import Difference
from onec_pipelines.steps.push.payload import Payload

Row = dict[str, Any]
Finder = Callable[[], Sequence[Row]]
NAMESPACE = UUID("6f2f8f0e-0d5c-5c0a-9d1e-5b1f3c8a7e42")
"""Of all keys that we choose: never change it, it would make every order a new one."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Both sides, and how patient we are: `settle_seconds` is how long 1C may still be working on a creation whose answer was lost."""

    database: Database
    client: OnecClient
    writer: OnecWriter
    system_name: str
    settle_seconds: float


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What is to be delivered for which row of ours. `finder` looks for the object by other means than its key."""

    payload: Payload
    subject_id: int
    version: int
    posting: bool
    finder: Finder = field(default=tuple)
    links: bool = False
    """A found object of somebody else's making is taken as the one (customers), not as a conflict (orders)."""

    @property
    def name(self) -> str:
        """The kind of thing."""
        return self.payload.outgoing.name

    @property
    def resource(self) -> str:
        """The set in 1C."""
        return self.payload.outgoing.resource


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What came of it: the key in 1C, and what was done (`created`, `changed`, `linked`, `confirmed`, `unchanged`)."""

    key: UUID
    done: str


def own_key(system_name: str, outgoing: str, subject_id: int) -> UUID:
    """The key we choose for an object of ours in this base: the same for ever."""
    return uuid5(NAMESPACE, f"{system_name}/{outgoing}/{subject_id}")


def deliver(desk: Desk, parcel: Parcel) -> Delivered:
    """Have 1C hold what the parcel says.

    Raises RetryLater when it may succeed later, Quarantine when 1C's rules or a person's change stand against it. With the
    caller's lock on the thing held.
    """
    known = push_objects.find(desk.database, desk.system_name, parcel.name, parcel.subject_id)
    digest = parcel.payload.digest()
    if known is not None and known.phase == "done" and known.onec_key and known.payload_hash == digest:
        _finish(desk, parcel, known.onec_key, {})
        return Delivered(key=known.onec_key, done="unchanged")
    found = _look(desk, parcel, known)
    _intend(desk, parcel, known, digest, arrived=found is not None)
    reach("intended")
    if found is None:
        key, row, done = _create(desk, parcel)
    else:
        key, row, done = _reconcile(desk, parcel, known, found)
    row = _posted(desk, parcel, key, row)
    reach("before_mapping")
    _finish(desk, parcel, key, row)
    reach("after_mapping")
    return Delivered(key=key, done=done)


def refusal(error: PipelineError, resource: str, key: UUID | None) -> PipelineError:
    """The same error with the link that opens the object in 1C."""
    link = deep_link(resource, str(key)) if key else None
    if link is not None and link not in error.remedy:
        error.remedy = f"{error.remedy} The object in 1C: {link}".strip()
    return error


def _unmade(error: PipelineError, parcel: Parcel) -> PipelineError:
    """The same error with the link of the customer: what was refused before it was made has no link of its own."""
    partner = parcel.payload.cell("partner")
    link = deep_link("Catalog_Партнеры", str(partner.value)) if partner is not None else None
    if link is not None:
        error.remedy = f"{error.remedy} 1C has not made the {parcel.payload.outgoing.title}; its customer in 1C: {link}".strip()
    return error


def _intend(desk: Desk, parcel: Parcel, known: PushObject | None, digest: bytes, *, arrived: bool) -> None:
    push_objects.intend(
        desk.database,
        system_name=desk.system_name,
        outgoing=parcel.name,
        subject_id=parcel.subject_id,
        resource=parcel.resource,
        own_key=known.own_key if known else own_key(desk.system_name, parcel.name, parcel.subject_id),
        payload_hash=digest,
        version=parcel.version,
        prints=compare.prints(parcel.payload),
        may_have_arrived=arrived,
    )


def _look(desk: Desk, parcel: Parcel, known: PushObject | None) -> Row | None:
    """The object in 1C, None when it is surely not there."""
    if known is not None and known.onec_key is not None:
        return lookup.need(desk.client, parcel.resource, known.onec_key)
    reach("before_lookup")
    honoured = push_objects.honours_keys(desk.database, desk.system_name)
    first = known is None or known.sends == 0
    if first and not parcel.links and honoured:
        return None
    chosen = known.own_key if known else own_key(desk.system_name, parcel.name, parcel.subject_id)
    row = None if first and not honoured else lookup.by_key(desk.client, parcel.resource, chosen)
    row = row or _by_finder(parcel)
    if row is None and not first and not honoured:
        _let_settle(desk, parcel)
    return row


def _by_finder(parcel: Parcel) -> Row | None:
    rows = [row for row in parcel.finder() if row.get("DeletionMark") is not True]
    if not rows:
        return None
    if len(rows) > 1:
        links = ", ".join(
            filter(None, (deep_link(parcel.resource, str(row.get("Ref_Key"))) for row in rows[:5]))
        )
        raise Quarantine(
            f"1C holds {len(rows)} objects that could be this one: {links}",
            code="PUSH_AMBIGUOUS",
            remedy="Decide in 1C which one is right, mark the others for deletion, then `onec queue retry`.",
        )
    return rows[0]


def _let_settle(desk: Desk, parcel: Parcel) -> None:
    """Nothing is created a second time while the first creation may still be under way in 1C."""
    since = push_objects.seconds_since_sent(desk.database, desk.system_name, parcel.name, parcel.subject_id)
    if since is not None and since < desk.settle_seconds:
        raise RetryLater(
            f"the answer to the creation was lost {since:.0f} s ago and 1C may still be working on it",
            code="PUSH_WAITS",
            remedy="Nothing: it is looked for again by itself.",
            retry_after=desk.settle_seconds - since,
        )


def _create(desk: Desk, parcel: Parcel) -> tuple[UUID, Row, str]:
    chosen = own_key(desk.system_name, parcel.name, parcel.subject_id)
    push_objects.sending(
        desk.database, desk.system_name, parcel.name, parcel.subject_id, entity=parcel.payload.outgoing.entity
    )
    reach("before_create")
    try:
        answer = desk.writer.create(parcel.resource, parcel.payload.body(str(chosen)))
    except Quarantine as refused:
        if refused.code != "ONEC_DUPLICATE_KEY":
            raise _unmade(refused, parcel) from None
        return _arrived_before(desk, parcel, chosen)
    reach("after_create")
    key = UUID(guid(answer.get("Ref_Key")) or str(chosen))
    push_objects.note_keys(desk.database, desk.system_name, honoured=key == chosen)
    push_objects.update(
        desk.database, desk.system_name, parcel.name, parcel.subject_id, onec_key=key, phase="created"
    )
    reach("created")
    return key, _read_back(desk, parcel, key), "created"


def _arrived_before(desk: Desk, parcel: Parcel, key: UUID) -> tuple[UUID, Row, str]:
    """An earlier creation arrived after all, perhaps with an older version: nothing of it was agreed on, so ours is written."""
    push_objects.update(
        desk.database,
        desk.system_name,
        parcel.name,
        parcel.subject_id,
        onec_key=key,
        phase="created",
        intended={},
    )
    known = push_objects.find(desk.database, desk.system_name, parcel.name, parcel.subject_id)
    return _reconcile(desk, parcel, known, lookup.need(desk.client, parcel.resource, key))


def _read_back(desk: Desk, parcel: Parcel, key: UUID) -> Row:
    """Compare what 1C holds with what was sent: it drops, cuts and changes in silence (PROTOCOL §4.1, §4.2)."""
    row = lookup.need(desk.client, parcel.resource, key)
    wrong = compare.not_as_sent(parcel.payload, row)
    if wrong:
        raise refusal(_not_as_sent(wrong), parcel.resource, key)
    push_objects.update(
        desk.database,
        desk.system_name,
        parcel.name,
        parcel.subject_id,
        phase="verified",
        confirmed=compare.prints(parcel.payload),
        **_state(row),
    )
    reach("verified")
    return row


def _reconcile(desk: Desk, parcel: Parcel, known: PushObject | None, found: Row) -> tuple[UUID, Row, str]:
    """The object is in 1C: take it for ours, and change what differs, without undoing what was changed there."""
    key = UUID(str(guid(found.get("Ref_Key"))))
    remembered = known is not None and (known.onec_key == key or known.sends > 0)
    # our key on an object that we do not remember: the shop's database was put back to an older state
    if not remembered and key != own_key(desk.system_name, parcel.name, parcel.subject_id):
        return _link(desk, parcel, key, found)
    if not parcel.links and not compare.is_ours(parcel.payload, found):
        raise refusal(_foreign(), parcel.resource, key)
    push_objects.update(
        desk.database, desk.system_name, parcel.name, parcel.subject_id, onec_key=key, phase="created"
    )
    base = compare.link_prints(parcel.payload, found)
    if known is not None and remembered:
        base = known.confirmed if known.confirmed is not None else known.intended
    merge = compare.merge(parcel.payload, base, found)
    if merge.conflicts:
        raise refusal(_conflict(merge.conflicts), parcel.resource, key)
    if not merge.body:
        _confirm(desk, parcel, found)
        return key, found, "confirmed"
    return key, _change(desk, parcel, key, found, merge.body), "changed"


def _link(desk: Desk, parcel: Parcel, key: UUID, found: Row) -> tuple[UUID, Row, str]:
    """Take an object that others made as it is; from now on changes of ours are written to it."""
    if not parcel.links:
        raise refusal(_foreign(), parcel.resource, key)
    push_objects.update(
        desk.database,
        desk.system_name,
        parcel.name,
        parcel.subject_id,
        onec_key=key,
        phase="linked",
        confirmed=compare.link_prints(parcel.payload, found),
        **_state(found),
    )
    reach("linked")
    return key, found, "linked"


def _change(desk: Desk, parcel: Parcel, key: UUID, found: Row, body: Row) -> Row:
    push_objects.update(
        desk.database,
        desk.system_name,
        parcel.name,
        parcel.subject_id,
        phase="changing",
        post_pending=parcel.posting,
    )
    reach("before_change")
    try:
        desk.writer.change(parcel.resource, str(key), body, data_version=found.get("DataVersion"))
    except PipelineError as error:
        raise refusal(error, parcel.resource, key) from None
    reach("after_change")
    row = lookup.need(desk.client, parcel.resource, key)
    wrong = compare.change_not_as_sent(parcel.payload, body, row)
    if wrong:
        raise refusal(_not_as_sent(wrong), parcel.resource, key)
    _confirm(desk, parcel, row)
    reach("changed")
    return row


def _confirm(desk: Desk, parcel: Parcel, row: Row) -> None:
    push_objects.update(
        desk.database,
        desk.system_name,
        parcel.name,
        parcel.subject_id,
        confirmed=compare.prints(parcel.payload),
        **_state(row),
    )


def _posted(desk: Desk, parcel: Parcel, key: UUID, row: Row) -> Row:
    """Post as a step of its own, after `Posted` was read (PROTOCOL §4.6); a changed document is posted anew."""
    if not (parcel.payload.outgoing.posts and parcel.posting):
        return row
    known = push_objects.find(desk.database, desk.system_name, parcel.name, parcel.subject_id)
    if row.get("Posted") is True and not (known and known.post_pending):
        return row
    push_objects.update(desk.database, desk.system_name, parcel.name, parcel.subject_id, phase="posting")
    reach("before_post")
    try:
        desk.writer.post(parcel.resource, str(key))
    except PipelineError as error:
        raise refusal(error, parcel.resource, key) from None
    reach("after_post")
    row = lookup.need(desk.client, parcel.resource, key)
    if row.get("Posted") is not True:
        raise RetryLater(
            "1C answered that it posted the document, but it is not posted",
            code="PUSH_NOT_POSTED",
            remedy="It is tried again by itself; if it stays, look what unposts it in 1C.",
        )
    reach("posted")
    return row


def _finish(desk: Desk, parcel: Parcel, key: UUID, row: Row) -> None:
    push_objects.finish(
        desk.database,
        system_name=desk.system_name,
        outgoing=parcel.name,
        subject_id=parcel.subject_id,
        entity=parcel.payload.outgoing.entity,
        key=key,
        version=parcel.version,
        **_state(row),
    )


def _state(row: Row) -> dict[str, Any]:
    columns = {"number": ("Number", "Code"), "posted": ("Posted",), "data_version": ("DataVersion",)}
    found = {
        column: next((row[name] for name in names if row.get(name) is not None), None)
        for column, names in columns.items()
    }
    return {column: value for column, value in found.items() if value is not None}


def _foreign() -> PipelineError:
    return Quarantine(
        "1C holds an object under our number that we did not make, or whose customer or date is not ours",
        code="PUSH_NUMBER_TAKEN",
        remedy="Correct the number in 1C or give the order another one, then `onec queue retry`.",
    )


def _conflict(conflicts: Sequence[Difference]) -> PipelineError:
    return Quarantine(
        "somebody changed the same in 1C meanwhile: " + _told(conflicts),
        code="PUSH_CONFLICT",
        remedy="Decide which value counts: correct it in 1C or in the application, then `onec queue retry`.",
    )


def _not_as_sent(wrong: Sequence[Difference]) -> PipelineError:
    return Quarantine(
        "1C holds it otherwise than it was sent: " + _told(wrong),
        code="PUSH_NOT_AS_SENT",
        remedy="A rule of the configuration or a limit of 1C changed it: correct the object in 1C, then `onec queue retry`.",
    )


def _told(differences: Sequence[Difference]) -> str:
    shown = [f"{one.name}: ours {one.ours}, in 1C {one.theirs}" for one in differences[:8]]
    return "; ".join(shown) + (f"; and {len(differences) - 8} more" if len(differences) > 8 else "")  # noqa: PLR2004 - enough to read
