"""The body of one answer as it streams in.

Counted, capped, unpacked from gzip piece by piece (RELIABILITY C-1). No sockets here.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from onec_pipelines.errors import Stop
from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.errors import bad_answer

_GZIP = 31  # zlib's window bits for gzip with its check sum
_PIECE = 1 * MEBIBYTE


class Body:
    """Takes pieces as transferred and keeps them decoded, in memory or in `sink`.

    Above `max_bytes`, before or after unpacking, raises Stop ONEC_TOO_LARGE: a gzip bomb costs one piece of
    memory. Broken or cut gzip, or a coding that was not asked for, raises RetryLater ONEC_BAD_ANSWER.
    """

    def __init__(self, *, encoding: str, max_bytes: int, request: str, sink: BinaryIO | None = None) -> None:
        self.wire_bytes = 0
        self._size = 0
        self._max_bytes = max_bytes
        self._request = request
        self._sink = sink
        self._kept: list[bytes] = []
        self._gzip = None
        coding = encoding.strip().lower()
        if coding in {"gzip", "x-gzip"}:
            self._gzip = zlib.decompressobj(_GZIP)
        elif coding not in {"", "identity"}:
            raise bad_answer("it is compressed in a way that was not asked for", request=request)

    def feed(self, piece: bytes) -> None:
        """Take the next piece as transferred."""
        self.wire_bytes += len(piece)
        self._check(self.wire_bytes)
        if self._gzip is None:
            self._keep(piece)
        else:
            self._unpack(piece)

    def finish(self) -> bytes:
        """Give the whole body, or nothing when a sink took it."""
        if self._gzip is not None and not self._gzip.eof and self.wire_bytes:
            raise bad_answer("its compressed body is cut", request=self._request)
        return b"".join(self._kept)

    def _unpack(self, piece: bytes) -> None:
        while piece:
            if self._gzip is None or self._gzip.eof:
                self._gzip = zlib.decompressobj(_GZIP)  # gzip files may be strung together
            try:
                plain = self._gzip.decompress(piece, _PIECE)
            except zlib.error as error:
                raise bad_answer("its compression is broken", request=self._request) from error
            self._keep(plain)
            piece = self._gzip.unconsumed_tail or self._gzip.unused_data

    def _keep(self, plain: bytes) -> None:
        self._size += len(plain)
        self._check(self._size)
        if self._sink is None:
            self._kept.append(plain)
        else:
            self._sink.write(plain)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise Stop(
                f"the answer is larger than {self._max_bytes / MEBIBYTE:.3g} MiB ({self._request})",
                code="ONEC_TOO_LARGE",
                remedy="Ask for less: fewer rows a page, a narrower Condition.",
            )
