"""take: the bytes of a few pictures out of 1C into the image store. In a thread of its own; the database is not touched here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from onec_pipelines.errors import PipelineError, Quarantine, Skip
from onec_pipelines.ledger.image_rows import Blob
from onec_pipelines.ledger.retry_policy import Verdict, judge
from onec_pipelines.onec.base64_pieces import XDTO, decoded, is_empty, unwrapped
from onec_pipelines.onec.connection import MEBIBYTE
from onec_pipelines.onec.file_bytes import Content, FileBytes, Located
from onec_pipelines.steps.media import sniff
from onec_pipelines.store import ImageStore

# Small pictures travel together: a request costs more than a hundred kilobytes do.
_GROUP_BYTES = 4 * MEBIBYTE
_GROUP_KEYS = 20
_UNKNOWN_SIZE = 512 * 1024


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of one picture: `blob` in the store, or the `error` that says why not."""

    located: Located
    blob: Blob | None = None
    error: PipelineError | None = None


@dataclass(frozen=True, kw_only=True)
class Taker:
    """Takes pictures of at most `max_bytes` each. Safe to use from several threads."""

    files: FileBytes
    store: ImageStore
    max_bytes: int

    def take(self, group: Sequence[Located]) -> list[Taken]:
        """Take a group of `grouped`, one result for each. What only one of them cannot bear does not harm the others."""
        try:
            contents = self.files.fetch(group, max_bytes=self._room(group))
        except PipelineError as error:
            if len(group) > 1 and judge(error) is not Verdict.PUT_OFF:
                return [taken for one in group for taken in self.take([one])]
            return [Taken(located=one, error=error) for one in group]
        return [self._taken(one, contents.get(one.ref)) for one in group]

    def _room(self, group: Sequence[Located]) -> int:
        if len(group) == 1:
            return self.max_bytes
        return sum(self.max_bytes if one.size is None else one.size for one in group)

    def _taken(self, located: Located, content: Content | None) -> Taken:
        try:
            if content is None or is_empty(content.text):
                raise no_bytes()
            return Taken(located=located, blob=self._stored(content))
        except PipelineError as error:
            return Taken(located=located, error=error)

    def _stored(self, content: Content) -> Blob:
        pieces = decoded(content.text)
        with self.store.draft() as draft:
            for piece in self._bounded(unwrapped(pieces) if content.media_type == XDTO else pieces):
                draft.write(piece)
            picture = sniff(draft.file)
            return Blob(
                sha256=draft.sha256,
                path=self.store.keep(draft, picture.extension),
                media_type=picture.media_type,
                width=picture.width,
                height=picture.height,
                bytes=draft.size,
            )

    def _bounded(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self.max_bytes:
                raise too_large(self.max_bytes)
            yield piece


def grouped(found: Iterable[Located]) -> Iterator[list[Located]]:
    """Put pictures together that travel in one request: of the same place, small enough together."""
    together: list[Located] = []
    size = 0
    for one in sorted(found, key=lambda each: (each.is_old, each.ref)):
        adds = _UNKNOWN_SIZE if one.size is None else one.size
        full = size + adds > _GROUP_BYTES or len(together) == _GROUP_KEYS
        if together and (full or together[0].is_old != one.is_old):
            yield together
            together, size = [], 0
        together.append(one)
        size += adds
    if together:
        yield together


def no_bytes() -> Skip:
    """1C has the file and not its bytes."""
    return Skip(
        "1C has no bytes for this file",
        code="IMAGE_NO_BYTES",
        remedy="Put the picture into 1C again; it is asked for when the file changes.",
    )


def too_large(max_bytes: int) -> Quarantine:
    """The picture has more bytes than are allowed."""
    return Quarantine(
        f"it has more than {max_bytes} bytes",
        code="IMAGE_TOO_LARGE",
        remedy="Put a smaller picture into 1C, or raise ONEC_IMAGE_MAX_BYTES.",
    )
