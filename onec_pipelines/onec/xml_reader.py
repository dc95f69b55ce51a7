"""The one way we read XML: streamed by expat, UTF-8 only, no DOCTYPE and so no entities, bounded in size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol
from xml.etree.ElementTree import ParseError, XMLParser  # expat; refuses a DOCTYPE below

from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.errors import bad_answer

_PIECE = 256 * 1024
MAX_DEPTH = 100


class Target(Protocol):
    """What is told about the document, in its order; names are `{namespace}name`."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        ...

    def end(self, tag: str) -> None:
        """An element ends."""
        ...

    def data(self, text: str) -> None:
        """A piece of text between two tags."""
        ...


class _Guard:
    """Hands everything to the target but a DOCTYPE or absurd depth, which it refuses."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._depth = 0
        self.data = target.data

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ParseError("it is nested too deep")
        self._target.start(tag, attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._target.end(tag)

    def doctype(self, *_: str | None) -> None:
        raise ParseError("it holds a DOCTYPE")

    def close(self) -> None:
        """Nothing is built."""


def read_xml(
    pieces: Iterable[bytes], target: Target, *, what: str, max_bytes: int = 64 * MEBIBYTE
) -> Iterator[None]:
    """Feed a document to the target, yielding after each piece so that the caller can hand on what is ready.

    `what` names the document in errors. Anything but one whole, plain UTF-8 document of at most `max_bytes`
    raises RetryLater ONEC_BAD_ANSWER; a declared encoding other than UTF-8 is not believed.
    """
    parser = XMLParser(target=_Guard(target), encoding="utf-8")  # noqa: S314 - no DTD, size and depth bounded
    size = 0
    try:
        for piece in pieces:
            _check_piece(piece, before=size, max_bytes=max_bytes)
            size += len(piece)
            parser.feed(piece)
            yield
        parser.close()
    except (ParseError, ValueError) as error:
        raise bad_answer(f"it cannot be read as XML: {error}", request=what) from None
    yield


def _check_piece(piece: bytes, *, before: int, max_bytes: int) -> None:
    if before == 0 and (piece[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in piece[:4]):
        raise ParseError(
            "it is not in UTF-8"
        )  # expat believes a UTF-16 mark over the encoding that it is given
    if before + len(piece) > max_bytes:
        raise ParseError(f"it is larger than {max_bytes // MEBIBYTE} MiB")


def pieces_of(source: Path | bytes) -> Iterator[bytes]:
    """Give a file or bytes in pieces."""
    if isinstance(source, bytes):
        for start in range(0, len(source), _PIECE):
            yield source[start : start + _PIECE]
        return
    with source.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
