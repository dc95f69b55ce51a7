"""redact: the bytes of an answer of 1C without what they say of certain persons. Pure; used by `forget.py` and `keep_forgotten.py`.

Only what must stay stays: keys, versions, numbers, flags, and the declared properties that are not personal. Everything else that is text
goes, declared or not, because a change packet holds whole objects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import msgspec

from onec_pipelines.spec import Entity

FORGOTTEN = "(forgotten)"
"""What stands in the place of a personal text that may not be empty."""
_NO_DATE = b"0001-01-01T00:00:00"
_ALWAYS = frozenset({"DataVersion", "LineNumber", "DeletionMark", "id", "updated"})
_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_GUID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_JSON_TEXT = re.compile(rb'"([^"\\]*)"(\s*:\s*)"((?:[^"\\]|\\.)*)"')
_ENTRY = re.compile(rb"<(\w+:)?entry[\s>].*?</(?:\w+:)?entry\s*>", re.DOTALL)
_LEAF = re.compile(rb"<((?:\w+:)?)([^\s<>/!?]+)((?:\s[^<>]*)?)>([^<]+)</")
_TERM = re.compile(rb"<(?:\w+:)?category\s[^>]*term=[\"'](?:StandardODATA\.)?([^\"']+)[\"']")
# Numbers and flags cannot name anybody; texts come without a type or as Edm.String.
_HARMLESS = re.compile(rb"type=[\"']Edm\.(?:Double|Decimal|Single|Int\d+|Byte|SByte|Boolean|Guid)[\"']")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What stays in the rows of an entity, by wire name, and which texts may not be empty."""

    kept: frozenset[str]
    needed: frozenset[str]


NOTHING = Rule(kept=_ALWAYS, needed=frozenset())
"""Of an object that nobody declares: keys, versions, numbers and flags."""


class _Page(msgspec.Struct):
    value: list[msgspec.Raw]


def rule_of(entity: Entity) -> Rule:
    """What the declaration says: sources of fields that are not personal stay."""
    fields = [*entity.fields, *(field for section in entity.sections for field in section.fields)]
    personal = {name for field in fields if field.pii for name in field.source}
    plain = {name for field in fields if not field.pii for name in field.source}
    needed = {name for field in fields if field.pii and not field.nullable for name in field.source}
    return Rule(kept=frozenset(plain - personal) | _ALWAYS, needed=frozenset(needed))


def redact_json(body: bytes, keys: Collection[str], rule: Rule) -> bytes:
    """A JSON page (or one object) whose rows of these GUIDs say nothing personal; every other byte stays as it was.

    A page that is no JSON and names one of them is emptied whole.
    """
    if not _names(body, keys):
        return body
    text = body.removeprefix(b"\xef\xbb\xbf")
    try:
        rows = [bytes(row) for row in msgspec.json.decode(text, type=_Page).value]
    except msgspec.ValidationError:
        rows = [text]
    except (msgspec.DecodeError, ValueError):
        return b'{"value":[]}'
    for row in rows:
        if _names(row, keys):
            text = text.replace(row, _JSON_TEXT.sub(_json_member(rule), row), 1)
    return text


def redact_atom(body: bytes, keys: Collection[str], rule: Rule, *, same_length: bool = False) -> bytes:
    """An Atom feed, or a piece of one, whose entries of these GUIDs say nothing personal.

    With `same_length` what went is filled up with blanks, so that an index of places in the bytes stays right.
    """
    if not _names(body, keys):
        return body

    def entry(found: re.Match[bytes]) -> bytes:
        text = found.group()
        return _LEAF.sub(_leaf(rule, same_length=same_length), text) if _names(text, keys) else text

    return _ENTRY.sub(entry, body)


def redact_packet(
    body: bytes, rules: Mapping[str, tuple[Collection[str], Rule]], others: Collection[str]
) -> bytes:
    """A piece of a change packet; `rules` are keys and rule by type, `others` the keys for entries of any other type. Keeps the length."""
    everyone = {*others, *(key for keys, _ in rules.values() for key in keys)}
    if not _names(body, everyone):
        return body

    def entry(found: re.Match[bytes]) -> bytes:
        text = found.group()
        term = _TERM.search(text)
        keys, rule = rules.get(term.group(1).decode() if term else "", (others, NOTHING))
        return redact_atom(text, keys, rule, same_length=True)

    return _ENTRY.sub(entry, body)


def _names(body: bytes, keys: Collection[str]) -> bool:
    found = {match.lower() for match in _GUID.findall(body)}
    return any(key.lower().encode() in found for key in keys)


def _keeps(name: str, value: bytes, rule: Rule) -> bool:
    return (
        name in rule.kept
        or name.endswith(("_Key", "_Type"))
        or name.startswith("odata.")
        or _GUID.fullmatch(value) is not None
        or value.strip() in {b"", b"true", b"false"}
    )


def _instead(name: str, value: bytes, rule: Rule) -> bytes:
    if _DATE.fullmatch(value):
        return _NO_DATE
    return FORGOTTEN.encode() if name in rule.needed else b""


def _json_member(rule: Rule) -> Callable[[re.Match[bytes]], bytes]:
    def member(found: re.Match[bytes]) -> bytes:
        name, value = found.group(1).decode(), found.group(3)
        if _keeps(name, value, rule):
            return found.group()
        return b'"%b"%b"%b"' % (found.group(1), found.group(2), _instead(name, value, rule))

    return member


def _leaf(rule: Rule, *, same_length: bool) -> Callable[[re.Match[bytes]], bytes]:
    def leaf(found: re.Match[bytes]) -> bytes:
        prefix, tag, attributes, value = found.groups()
        name = tag.decode()
        if _HARMLESS.search(attributes) or _keeps(name, value, rule):
            return found.group()
        new = _instead(name, value, rule)
        if same_length:
            new = (new if len(new) <= len(value) else b"-").ljust(len(value)) if new else b" " * len(value)
        return b"<%b%b%b>%b</" % (prefix, tag, attributes, new)

    return leaf
