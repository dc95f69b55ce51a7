"""keep: is everything in the image store that should be, and nothing that nobody needs? 1C is not touched."""

from __future__ import annotations

from dataclasses import dataclass, field

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.ledger import image_blobs, image_rows
from onec_pipelines.store import ImageStore

_AT_ONCE = 500


@dataclass(kw_only=True)
class Verified:
    """What a look at the store showed; lists hold paths. `asked_again` pictures are fetched anew by the next run."""

    checked: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    asked_again: int = 0

    @property
    def is_good(self) -> bool:
        """Everything is there and whole."""
        return not self.missing and not self.damaged


@dataclass(kw_only=True)
class Collected:
    """What was cleaned up. `unneeded` bytes are kept until they have been so long enough; `orphans` were in no list of ours."""

    unneeded: int = 0
    removed: int = 0
    drafts: int = 0
    orphans: int = 0


def verify(database: Database, store: ImageStore, *, deep: bool = True, repair: bool = False) -> Verified:
    """Compare the store with what is noted: sizes, and with `deep` the hash of every file.

    With `repair` what is damaged is taken away and all that is not good is asked for again.
    """
    found = Verified()
    for blob in image_blobs.stored(database):
        found.checked += 1
        size = store.size(blob.path)
        if size is None:
            found.missing.append(blob.path)
        elif size != blob.bytes or (deep and store.digest(blob.path) != blob.sha256):
            found.damaged.append(blob.path)
        else:
            continue
        if repair:
            store.remove([blob.path])
            with database.transaction() as connection:
                found.asked_again += image_blobs.ask_again(driver_connection(connection), [blob.sha256])
    return found


def collect(database: Database, store: ImageStore, *, keep_days: float, orphans: bool = False) -> Collected:
    """Remove bytes that no live picture of any base has had for `keep_days`, and drafts of killed processes.

    `orphans` removes files that our list does not know, too: only for a store that belongs to this database alone. Raises RetryLater
    ALREADY_RUNNING while pictures are being stored.
    """
    found = Collected()
    with image_rows.store_lock(database, exclusive=True):
        with database.transaction() as connection:
            found.unneeded = image_blobs.mark_unneeded(driver_connection(connection))
        while True:
            with database.transaction() as connection:
                paths = image_blobs.drop_unneeded(
                    driver_connection(connection), keep_days=keep_days, limit=_AT_ONCE
                )
            # After the commit: a kill here leaves files that nobody knows, never a picture without its file.
            found.removed += store.remove(paths)
            if len(paths) < _AT_ONCE:
                break
        found.drafts = store.forget_drafts()
        if orphans:
            found.orphans = _remove_orphans(database, store)
    return found


def _remove_orphans(database: Database, store: ImageStore) -> int:
    removed = 0
    paths = list(store.paths())
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        known = image_blobs.known_paths(database, some)
        removed += store.remove(path for path in some if path not in known)
    return removed
