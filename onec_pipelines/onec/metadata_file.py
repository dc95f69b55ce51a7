"""The cache of `$metadata` on disk.

17 MB and 23 s on a full base (PROTOCOL §1.4), so it is fetched rarely and streamed to a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from onec_pipelines.onec.answers import check_shape

_REQUEST = "GET $metadata"


@dataclass(frozen=True, kw_only=True)
class MetadataFile:
    """A whole `$metadata` document on disk; `fetched_at` is aware UTC."""

    path: Path
    sha256: str
    size: int
    fetched_at: datetime


def fetch_metadata(
    download: Callable[[BinaryIO], None], cache_dir: Path, *, base: str, max_age_seconds: float
) -> MetadataFile:
    """Give the cached document of this base; downloaded anew when too old, absent or not as it was written.

    `base` tells bases apart within one folder. The document appears under its name only when it is whole.
    """
    cached = cached_metadata(cache_dir, base=base)
    if cached is not None and (datetime.now(UTC) - cached.fetched_at).total_seconds() < max_age_seconds:
        return cached
    return keep_metadata(download, cache_dir, base=base)


def base_key(base: str) -> str:
    """Give the name under which a base's document is kept: no address stands in it."""
    return hashlib.sha256(base.encode()).hexdigest()[:16]


def cached_metadata(cache_dir: Path, *, base: str) -> MetadataFile | None:
    """Give the document that is kept of this base, however old; None when there is none, or not as it was written."""
    return _cached(*_paths(cache_dir, base))


def keep_metadata(
    write: Callable[[BinaryIO], None], cache_dir: Path, *, base: str, fetched_at: datetime | None = None
) -> MetadataFile:
    """Have `write` fill the document of this base, fetched now or at `fetched_at` (aware)."""
    path, note = _paths(cache_dir, base)
    cache_dir.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=cache_dir, prefix="metadata-", suffix=".part")
    try:
        with os.fdopen(handle, "w+b") as sink:
            write(sink)
        fresh = MetadataFile(
            path=path,
            sha256=_sha256(Path(temporary)),
            size=Path(temporary).stat().st_size,
            fetched_at=fetched_at or datetime.now(UTC),
        )
        Path(temporary).replace(path)
        note.write_text(json.dumps({"sha256": fresh.sha256, "fetched_at": fresh.fetched_at.isoformat()}))
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
    return fresh


def _paths(cache_dir: Path, base: str) -> tuple[Path, Path]:
    name = base_key(base)
    return cache_dir / f"metadata-{name}.xml", cache_dir / f"metadata-{name}.json"


def _cached(path: Path, note: Path) -> MetadataFile | None:
    try:
        said = json.loads(note.read_text())
        fetched_at = datetime.fromisoformat(said["fetched_at"])
        sha256 = _sha256(path)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if sha256 != said["sha256"] or fetched_at.tzinfo is None:
        return None
    return MetadataFile(path=path, sha256=sha256, size=path.stat().st_size, fetched_at=fetched_at)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_ends(sink: BinaryIO) -> None:
    """Look at both ends of a downloaded file as `check_shape` would at the whole body."""
    size = sink.seek(0, os.SEEK_END)
    sink.seek(0)
    start = sink.read(4096)
    sink.seek(max(size - 64, 0))
    check_shape(start + sink.read() if size > len(start) else start, kind="xml", status=200, request=_REQUEST)
