"""Standard Webhooks signatures: `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`. No HTTP and no clock here.

The bytes are signed, not what they mean, so nothing is parsed before the signature is found good.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets as randomness
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from onec_pipelines.errors import Stop

PREFIX = "whsec_"
SECRET_BYTES = 32
_SHORTEST, _LONGEST = 24, 64  # what the specification allows
_DIFFERENT_BYTES = 12
_BLOCK_BYTES = 64
_MOST_SIGNATURES = 5
# Printable ASCII without the dot, which separates the parts of what is signed.
_ID = re.compile(rb"[!-\-/-~]{1,128}")
_TIMESTAMP = re.compile(rb"[1-9][0-9]{0,11}")
_TELLING = re.compile(rb"change.?me|secret|passwor|example|default|test", re.IGNORECASE)


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A message that somebody who has a secret signed. `secret` is the place of that secret in the list."""

    msg_id: str
    sent_at: int
    secret: int


class Mac:
    """HMAC-SHA256 (RFC 2104) with one key, whose two blocks are hashed once: half the time of `hmac.digest` for a short message."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes for this message."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The active secrets, the newest first: while they are rotated both sides' are good."""

    keys: tuple[bytes, ...] = field(repr=False)
    macs: tuple[Mac, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "macs", tuple(Mac(key) for key in self.keys))


class BadSignature(Exception):
    """The message is not to be trusted. `reason` is for our counters alone; the sender is told nothing.

    `skew` is set when the signature itself is good: seconds by which the sender's clock is behind ours.
    """

    def __init__(self, reason: str, *, skew: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.skew = skew


def new_secret() -> str:
    """A fresh secret as both sides store it."""
    return PREFIX + base64.b64encode(randomness.token_bytes(SECRET_BYTES)).decode()


def parse_secrets(text: str) -> Secrets:
    """The secrets of ONEC_WEBHOOK_SECRETS, separated by blanks or commas.

    Raises Stop WEBHOOK_SECRET when there is none, or one that is no secret: too short, too regular, an example.
    """
    parts = [part for part in re.split(r"[\s,]+", text) if part]
    if not parts:
        raise _refused("there is none")
    keys = tuple(_key(part, number) for number, part in enumerate(parts, 1))
    if len(set(keys)) != len(keys):
        raise _refused("one of them stands there twice")
    return Secrets(keys=keys)


def sign(*, key: bytes, msg_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for one secret."""
    digest = hmac.digest(key, _signed(msg_id.encode(), str(timestamp).encode(), body), "sha256")
    return _text(digest).decode()


def verify(
    *,
    msg_id: bytes | None,
    timestamp: bytes | None,
    signatures: bytes | None,
    body: bytes,
    secrets: Secrets,
    now: float,
    tolerance: int,
) -> Verified:
    """Say who signed, or raise BadSignature. Header values are the raw bytes, None when a header is missing.

    Every signature is compared with every secret, in constant time and without an early end; at most 5 are looked at.
    """
    if msg_id is None or timestamp is None or signatures is None:
        raise BadSignature("headers")
    if not _ID.fullmatch(msg_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise BadSignature("headers")
    found = _matching(_signatures(signatures), msg_id, timestamp, body, secrets)
    if found is None:
        raise BadSignature("signature")
    behind = int(now) - int(timestamp)
    if abs(behind) > tolerance:
        raise BadSignature("timestamp", skew=behind)
    return Verified(msg_id=msg_id.decode(), sent_at=int(timestamp), secret=found)


def _matching(
    given: Sequence[bytes], msg_id: bytes, timestamp: bytes, body: bytes, secrets: Secrets
) -> int | None:
    found = None
    signed = _signed(msg_id, timestamp, body)
    for place, mac in enumerate(secrets.macs):
        expected = _text(mac.digest(signed))
        for candidate in given:
            if hmac.compare_digest(expected, candidate):
                found = place
    return found


def _signatures(header: bytes) -> list[bytes]:
    return [part for part in header.split()[:_MOST_SIGNATURES] if part.startswith(b"v1,")]


def _signed(msg_id: bytes, timestamp: bytes, body: bytes) -> bytes:
    return b"%b.%b.%b" % (msg_id, timestamp, body)


def _text(digest: bytes) -> bytes:
    return b"v1," + binascii.b2a_base64(digest, newline=False)


def _key(text: str, number: int) -> bytes:
    if not text.startswith(PREFIX):
        raise _refused(f"number {number} does not begin with {PREFIX}")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise _refused(f"number {number} is not base64") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise _refused(f"number {number} has {len(key)} bytes, not {_SHORTEST} to {_LONGEST}")
    if len(set(key)) < _DIFFERENT_BYTES or _TELLING.search(key):
        raise _refused(f"number {number} is not random")
    return key


def _refused(why: str) -> Stop:
    return Stop(
        f"ONEC_WEBHOOK_SECRETS cannot be used: {why}",
        code="WEBHOOK_SECRET",
        remedy="Make one with `onec webhooks secret` and give the same to 1C.",
    )
