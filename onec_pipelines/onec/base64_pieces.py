"""Base64 as it stands in an answer of 1C → bytes, in pieces, so that a large file is in memory only once (PROTOCOL §2.2, §11.3).

The text is JSON's: with escapes, and with line breaks that 1C puts every 76 characters.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

from onec_pipelines.errors import Quarantine, RetryLater
from onec_pipelines.onec.xml_reader import pieces_of, read_xml

XDTO = "application/xml+xdto"
_PIECE = 256 * 1024
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
# The longest escape is \uXXXX: a piece must not end within one.
_LONGEST = 6
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"f": b"\f", b"b": b"\b"}
_SPACES = re.compile(rb"[ \t\r\n]+")


def is_empty(text: memoryview | bytes) -> bool:
    """Whether a JSON value holds no bytes: absent, `null` or an empty text."""
    return bytes(text[:8]).strip() in {b"", b"null", b'""'}


def decoded(text: memoryview | bytes) -> Iterator[bytes]:
    """Give the bytes of a JSON string of base64. Raises Quarantine BAD_BASE64 for what is none."""
    view = memoryview(text)
    if len(view) < len('""') or bytes(view[:1]) != b'"' or bytes(view[-1:]) != b'"':
        raise _refused()
    yield from _from_base64(_unescaped(view[1:-1]))


def unwrapped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Give the bytes within an XDTO envelope: XML whose longest text is base64 again (`application/xml+xdto`).

    Raises Quarantine BAD_BASE64 when it is no such XML. The envelope is in memory whole.
    """
    target = _Texts()
    try:
        for _ in read_xml(pieces_of(b"".join(pieces)), target, what="the envelope of a picture"):
            pass
    except RetryLater:
        raise _refused() from None
    yield from _from_base64(part.encode() for part in target.longest)


class _Texts:
    """Finds the longest text of an element: envelopes name elements differently, but only the content is long."""

    def __init__(self) -> None:
        self.longest: list[str] = []
        self._size = 0
        self._current: list[str] = []

    def start(self, _tag: str, _attributes: dict[str, str]) -> None:
        self._current = []

    def end(self, _tag: str) -> None:
        size = sum(map(len, self._current))
        if size > self._size:
            self.longest, self._size = self._current, size
        self._current = []

    def data(self, text: str) -> None:
        self._current.append(text)


def _unescaped(view: memoryview) -> Iterator[bytes]:
    held = b""
    for at in range(0, len(view), _PIECE):
        piece = held + bytes(view[at : at + _PIECE])
        held = b""
        if at + _PIECE < len(view):
            cut = piece.find(b"\\", len(piece) - _LONGEST)
            if cut >= 0:
                piece, held = piece[:cut], piece[cut:]
        yield _ESCAPE.sub(_escape, piece) if b"\\" in piece else piece
    if held:
        yield _ESCAPE.sub(_escape, held)


def _escape(found: re.Match[bytes]) -> bytes:
    code, letter = found.groups()
    if code is not None:
        return chr(int(code, 16)).encode("utf-8", "replace")
    return _PLAIN.get(letter, letter)


def _from_base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    ended = False
    for piece in pieces:
        text = held + _SPACES.sub(b"", piece)
        if ended and text:
            raise _refused()
        whole = len(text) // 4 * 4
        ended = b"=" in text[:whole]
        yield _bytes(text[:whole])
        held = text[whole:]
    if held:
        raise _refused()


def _bytes(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True) if text else b""
    except binascii.Error:
        raise _refused() from None


def _refused() -> Quarantine:
    return Quarantine("it is not base64", code="BAD_BASE64", remedy="Put the picture into 1C again.")
