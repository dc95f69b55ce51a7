"""The image store: files by the sha256 of their bytes, on a disk or in an S3-compatible bucket. What they mean is the caller's.

The same bytes are stored once, whoever brings them. A file is complete or not there: on a disk it is written beside and renamed, in a
bucket an upload is atomic by itself. So any number of writers, killed at any moment, leave nothing torn.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import fsspec

from onec_pipelines.errors import PipelineError, RetryLater, Stop

_PIECE = 1024 * 1024
_DRAFTS = ".incoming"
_DRAFT_LIFE_SECONDS = 24 * 3600.0


class Draft:
    """Bytes on their way into the store: counted and hashed as they are written. `file` may be read and sought in."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file = file
        self.path = path
        self.size = 0
        self._hash = hashlib.sha256()

    def write(self, piece: bytes) -> None:
        """Add a piece at the end."""
        self.file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    @property
    def sha256(self) -> str:
        """Of all that was written, hexadecimal."""
        return self._hash.hexdigest()


class ImageStore:
    """A store at a place that fsspec can reach: a folder, or `s3://bucket/prefix` (extra `s3`); safe to use from several threads.

    Errors of the place come out as RetryLater IMAGE_STORE, or as Stop IMAGE_STORE_FULL, IMAGE_STORE_DENIED, IMAGE_STORE_MISSING.
    """

    def __init__(self, place: str | Path, **options: Any) -> None:
        self.place = str(place)
        with _translated(self.place):
            self._files, self._root = _open(self.place, options)
        self._local = Path(self._root) if "file" in _protocols(self._files) else None

    @classmethod
    def opened(cls, place: str, *, home: Path) -> Self:
        """The store that the settings name; without a name, a folder under `home`."""
        return cls(place or home / "images")

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """A new draft; it vanishes with the block unless `keep` took it."""
        with _translated(self.place):
            folder = self._local / _DRAFTS if self._local else None
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix="draft-", dir=folder)
        path = Path(name)
        try:
            with os.fdopen(handle, "w+b") as file:
                yield Draft(file, path)
        finally:
            path.unlink(missing_ok=True)

    def keep(self, draft: Draft, extension: str) -> str:
        """Put a draft into the store and give its path there; what is there already is left as it is."""
        path = path_of(draft.sha256, extension)
        with _translated(self.place):
            draft.file.flush()
            if self.size(path) == draft.size:
                return path
            if self._local:
                os.fsync(draft.file.fileno())
                target = self._local / path
                target.parent.mkdir(parents=True, exist_ok=True)
                draft.path.chmod(0o644)
                draft.path.replace(target)
            else:
                self._upload(draft, path)
        return path

    def size(self, path: str) -> int | None:
        """Bytes of a stored file, None when it is not there."""
        with _translated(self.place):
            try:
                # Another process may have stored it since this one looked.
                self._files.invalidate_cache()
                return int(self._files.info(self._at(path))["size"])
            except FileNotFoundError:
                return None

    def digest(self, path: str) -> str | None:
        """The sha256 of what is stored there now, read whole; None when it is not there."""
        found = hashlib.sha256()
        with _translated(self.place):
            try:
                with self._files.open(self._at(path), "rb") as file:
                    while piece := file.read(_PIECE):
                        found.update(piece)
            except FileNotFoundError:
                return None
        return found.hexdigest()

    def read(self, path: str) -> bytes:
        """The stored bytes; FileNotFoundError when there are none."""
        data: bytes = self._files.cat_file(self._at(path))
        return data

    def remove(self, paths: Iterable[str]) -> int:
        """Remove files; gives how many were there."""
        removed = 0
        for path in paths:
            # Asked first, because a bucket removes what is not there without a word.
            if self.size(path) is None:
                continue
            with _translated(self.place), suppress(FileNotFoundError):
                self._files.rm_file(self._at(path))
                removed += 1
        return removed

    def paths(self) -> Iterator[str]:
        """Paths of everything that is stored, drafts left out."""
        with _translated(self.place):
            self._files.invalidate_cache()
            found = self._files.find(self._root)
        for name in found:
            path = str(name).removeprefix(self._root).lstrip("/")
            if not path.startswith(_DRAFTS):
                yield path

    def forget_drafts(self, *, older_than_seconds: float = _DRAFT_LIFE_SECONDS) -> int:
        """Remove drafts that a killed process left behind; in a bucket there are none."""
        if self._local is None:
            return 0
        limit = time.time() - older_than_seconds
        removed = 0
        for draft in (self._local / _DRAFTS).glob("draft-*"):
            if draft.stat().st_mtime < limit:
                draft.unlink(missing_ok=True)
                removed += 1
        return removed

    def _upload(self, draft: Draft, path: str) -> None:
        try:
            self._files.put_file(str(draft.path), self._at(path))
        except FileNotFoundError:
            raise Stop(
                f"the image store {self.place} is not there",
                code="IMAGE_STORE_MISSING",
                remedy="Create the bucket, or name another place by ONEC_IMAGE_STORE.",
            ) from None

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


def path_of(sha256: str, extension: str) -> str:
    """Where in the store the bytes with this hash are: `ab/cd/abcd….jpg`. Two levels keep folders small."""
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}.{extension}"


def _open(place: str, options: dict[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        files, root = fsspec.core.url_to_fs(place, **options)
    except ImportError:
        raise Stop(
            f"the image store {place.partition('://')[0]}:// needs a package that is not installed",
            code="IMAGE_STORE",
            remedy="Install the extra: pip install 'onec-pipelines[s3]'.",
        ) from None
    except ValueError:
        raise Stop(
            f"no kind of store is known by the name {place.partition('://')[0]}://",
            code="IMAGE_STORE",
            remedy="Set ONEC_IMAGE_STORE to a folder or to s3://bucket/prefix.",
        ) from None
    return files, str(root).rstrip("/")


def _protocols(files: fsspec.AbstractFileSystem) -> tuple[str, ...]:
    return (files.protocol,) if isinstance(files.protocol, str) else tuple(files.protocol)


_FULL = frozenset({28, 122})  # ENOSPC, EDQUOT


@contextmanager
def _translated(place: str) -> Iterator[None]:
    """Errors of any file system as ours; the place may hold no secret: credentials come from the environment."""
    try:
        yield
    except (FileNotFoundError, PipelineError):
        raise
    except PermissionError:
        raise Stop(
            f"the image store {place} may not be written or read",
            code="IMAGE_STORE_DENIED",
            remedy="Give this process the right, or name another place by ONEC_IMAGE_STORE.",
        ) from None
    except OSError as error:
        if error.errno in _FULL:
            raise Stop(
                f"the image store {place} is full",
                code="IMAGE_STORE_FULL",
                remedy="Free space; `onec images gc` removes what no picture needs.",
            ) from None
        raise _later(place, error) from None
    except Exception as error:
        raise _later(place, error) from error


def _later(place: str, error: Exception) -> RetryLater:
    return RetryLater(
        f"the image store {place} failed: {type(error).__name__}",
        code="IMAGE_STORE",
        remedy="It is repeated by itself; look at the store if it stays.",
    )
