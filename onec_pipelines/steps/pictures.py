"""pictures: the bytes of every picture whose version is not settled, out of 1C into the image store, and what became of them noted.

What the row alone tells (kept on a volume, no picture, too large) costs no request. Where 1C marks the content, bytes are fetched only
when the mark is new. Bytes are in the store before the database says so: a kill between the two costs one fetch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field

from onec_pipelines.db.engine import Database, driver_connection
from onec_pipelines.errors import PipelineError, Quarantine, RetryLater, Skip
from onec_pipelines.ledger import image_rows, queue
from onec_pipelines.ledger.image_rows import Settled, Tx, Wanted
from onec_pipelines.ledger.retry_policy import Verdict, judge
from onec_pipelines.onec.file_bytes import FileBytes, Located
from onec_pipelines.steps.picture_bytes import Taken, Taker, grouped, no_bytes, too_large

KIND = "image"
"""Kind of the queue's items: one picture whose bytes are tried again."""

_BATCH = 200
# So many failures in a row are the base's fault and not the pictures'.
_FAILURES_IN_A_ROW = 5
_EXTENSIONS = frozenset({"jpg", "jpeg", "jpe", "jfif", "png", "gif", "webp", "avif"})


@dataclass(kw_only=True)
class Tally:
    """What a run did; all counts are pictures but for `bytes_fetched`.

    `fetched` came over the wire; `same` were found to have the bytes that the store has; the others are what was settled in
    this run.
    """

    looked_at: int = 0
    fetched: int = 0
    same: int = 0
    bytes_fetched: int = 0
    ready: int = 0
    waiting: int = 0
    unreachable: int = 0
    rejected: int = 0

    def add(self, settled: Sequence[Settled]) -> None:
        """Count what was just recorded."""
        for one in settled:
            setattr(self, one.state, getattr(self, one.state) + 1)


@dataclass(kw_only=True)
class Pictures:
    """The work on the pictures of one base. `files` is called at the first need: a run that has nothing to fetch asks 1C nothing."""

    database: Database
    system_name: str
    files: Callable[[], FileBytes]
    taker: Callable[[FileBytes], Taker]
    max_bytes: int
    parallel: int
    tally: Tally = field(default_factory=Tally)
    _held: list[tuple[Wanted, PipelineError]] = field(default_factory=list)

    def fetch_all(self, *, on_progress: Callable[[Tally], None] = lambda _tally: None) -> Tally:
        """Settle everything that is not, in batches, each settled picture at once.

        Raises what makes every picture fail; a failure of few is handed to the queue. Repeated without a change in between, it
        asks the database two questions and 1C none.
        """
        start = image_rows.newest(self.database, system_name=self.system_name)
        if start == image_rows.checkpoint(self.database, system_name=self.system_name):
            return self.tally
        with self.database.transaction() as connection:
            image_rows.refresh_shop(driver_connection(connection), system_name=self.system_name)
        after: str | None = None
        with _threads(self.parallel) as threads:
            while batch := self._next(after):
                after = batch[-1].ref
                self.tally.looked_at += len(batch)
                self._settle(batch, threads)
                on_progress(self.tally)
            self._give_up_held()
        # The state of the beginning: what came meanwhile, and what this run itself wrote, is looked at once more.
        image_rows.finished(self.database, system_name=self.system_name, document=start)
        return self.tally

    def fetch_one(
        self, ref: str, *, only_waiting: bool = False, fence: Callable[[Tx], None] = lambda _tx: None
    ) -> Settled | None:
        """Settle one picture now, whatever was settled before, or `only_waiting`: only if it is not settled but waits.

        None when there was nothing to do, or the picture is gone from 1C. `fence` is called before anything is written. Raises the
        error when trying again may help.
        """
        with self.database.transaction() as connection:
            wanted = image_rows.one(driver_connection(connection), system_name=self.system_name, ref=ref)
        if wanted is None or (only_waiting and wanted.is_settled and wanted.old_state != "waiting"):
            return None
        settled = _by_row(wanted, self.max_bytes) or self._now(wanted)
        self._record([settled], fence)
        return settled

    def _now(self, wanted: Wanted) -> Settled:
        files = self.files()
        located = files.locate([wanted.ref]).get(wanted.ref)
        if located is None:
            return _failed(wanted, no_bytes())
        (taken,) = self.taker(files).take([located])
        if taken.error is not None and judge(taken.error) in {Verdict.LATER, Verdict.PUT_OFF}:
            raise taken.error
        return self._settled(wanted, taken)

    def _next(self, after: str | None) -> list[Wanted]:
        return image_rows.wanted(self.database, system_name=self.system_name, after=after, limit=_BATCH)

    def _settle(self, batch: Sequence[Wanted], threads: ThreadPoolExecutor) -> None:
        by_row = {wanted.ref: _by_row(wanted, self.max_bytes) for wanted in batch}
        self._record([settled for settled in by_row.values() if settled is not None])
        rest = {wanted.ref: wanted for wanted in batch if by_row[wanted.ref] is None}
        if not rest:
            return
        files = self.files()
        located = self._locate(files, rest, list(rest))
        to_fetch = self._known(rest, located)
        # Files with the same mark have the same bytes: one of them is fetched for all.
        sharing: dict[str, list[Wanted]] = {}
        for one in to_fetch:
            sharing.setdefault(one.mark or one.ref, []).append(rest[one.ref])
        first = {wanted[0].ref for wanted in sharing.values()}
        taker = self.taker(files)
        groups = grouped(one for one in to_fetch if one.ref in first)
        results: list[Future[list[Taken]]] = [threads.submit(taker.take, group) for group in groups]
        for result in as_completed(results):
            for taken in result.result():
                self._took(taken, sharing[taken.located.mark or taken.located.ref])

    def _locate(self, files: FileBytes, rest: dict[str, Wanted], refs: list[str]) -> dict[str, Located]:
        """Where the bytes of these are; a file that 1C cannot answer for is found out by halving."""
        try:
            found = files.locate(refs)
        except PipelineError as error:
            if judge(error) is Verdict.PUT_OFF:
                raise
            if len(refs) == 1:
                self._hold(rest[refs[0]], error)
                return {}
            middle = len(refs) // 2
            return self._locate(files, rest, refs[:middle]) | self._locate(files, rest, refs[middle:])
        self._record([_failed(rest[ref], no_bytes()) for ref in refs if ref not in found])
        return found

    def _known(self, rest: dict[str, Wanted], located: dict[str, Located]) -> list[Located]:
        """Settle those whose mark is known; give the others."""
        marks = [one.mark for one in located.values() if one.mark is not None]
        stored = image_rows.known_marks(self.database, marks, system_name=self.system_name) if marks else {}
        to_fetch, settled = [], []
        for ref, one in located.items():
            wanted = rest[ref]
            if one.mark is not None and one.mark in stored:
                settled.append(Settled(wanted=wanted, state="ready", mark=one.mark, sha256=stored[one.mark]))
            elif one.mark is not None and one.mark == wanted.old_mark and wanted.old_state == "rejected":
                settled.append(_unchanged(wanted))
            else:
                to_fetch.append(one)
        self.tally.same += len(settled)
        self._record(settled)
        return to_fetch

    def _took(self, taken: Taken, sharing: Sequence[Wanted]) -> None:
        error = taken.error
        if error is not None:
            if judge(error) is Verdict.PUT_OFF or error.code.startswith("IMAGE_STORE"):
                raise error
            if not isinstance(error, Skip | Quarantine) and error.code != "ONEC_TOO_LARGE":
                for wanted in sharing:
                    self._hold(wanted, error)
                return
        if taken.blob is not None:
            self.tally.fetched += 1
            self.tally.same += len(sharing) - 1
            self.tally.bytes_fetched += taken.blob.bytes
        self._give_up_held()
        self._record([self._settled(wanted, taken) for wanted in sharing])

    def _settled(self, wanted: Wanted, taken: Taken) -> Settled:
        if taken.error is None:
            return Settled(wanted=wanted, state="ready", mark=taken.located.mark, blob=taken.blob)
        error = taken.error
        if error.code == "ONEC_TOO_LARGE":
            error = too_large(self.max_bytes)
        return _failed(wanted, error, mark=taken.located.mark)

    def _hold(self, wanted: Wanted, error: PipelineError) -> None:
        """Keep a failure until another picture succeeds: when none does, it is not the pictures' fault."""
        self._held.append((wanted, error))
        if len(self._held) >= _FAILURES_IN_A_ROW:
            raise error

    def _give_up_held(self) -> None:
        held, self._held = self._held, []
        self._record([_failed(wanted, error) for wanted, error in held])

    def _record(self, settled: Sequence[Settled], fence: Callable[[Tx], None] | None = None) -> None:
        if not settled:
            return
        with self.database.transaction() as connection:
            tx = driver_connection(connection)
            if fence is not None:
                fence(tx)
            image_rows.record(tx, settled, system_name=self.system_name)
            for one in settled:
                if one.state == "waiting":
                    self._enqueue(tx, one.wanted.ref)
        self.tally.add(settled)

    def _enqueue(self, tx: Tx, ref: str) -> None:
        queue.enqueue(
            tx,
            system_name=self.system_name,
            kind=KIND,
            subject=f"image:{ref}",
            ordering_key=f"image:{ref}",
            payload={"ref": ref},
        )


def _by_row(wanted: Wanted, max_bytes: int) -> Settled | None:
    """What the row alone tells; None when the bytes have to be asked for."""
    if wanted.storage not in {None, "infobase"}:
        if wanted.old_sha256 is not None and wanted.is_same_content:
            # The file has only been moved: its bytes are those that the store has.
            return Settled(wanted=wanted, state="ready", mark=wanted.old_mark, sha256=wanted.old_sha256)
        return Settled(
            wanted=wanted,
            state="unreachable",
            code="IMAGE_ON_VOLUME",
            reason=f"1C keeps it outside the infobase ({wanted.storage}), where OData does not reach",
            sha256=wanted.old_sha256,
        )
    if wanted.is_encrypted:
        return _refused(wanted, "IMAGE_ENCRYPTED", "it is encrypted in 1C")
    if wanted.extension is not None and wanted.extension.lstrip(".") not in _EXTENSIONS:
        return _refused(
            wanted, "IMAGE_OTHER_FILE", f"a file with the extension {wanted.extension[:20]} is no picture"
        )
    if wanted.size_bytes is not None and wanted.size_bytes > max_bytes:
        return _failed(wanted, too_large(max_bytes))
    return None


def _refused(wanted: Wanted, code: str, reason: str) -> Settled:
    return Settled(wanted=wanted, state="rejected", code=code, reason=reason)


def _unchanged(wanted: Wanted) -> Settled:
    return Settled(
        wanted=wanted,
        state=wanted.old_state or "waiting",
        code=wanted.old_code,
        reason=wanted.old_reason,
        mark=wanted.old_mark,
        sha256=wanted.old_sha256,
    )


def _failed(wanted: Wanted, error: PipelineError, *, mark: str | None = None) -> Settled:
    """What an error means for a picture. One that may come yet, or is only out of reach, keeps the bytes that it had."""
    reason = " ".join(part for part in (error.message, error.onec_message) if part)[:500]
    if isinstance(error, Quarantine):
        return Settled(wanted=wanted, state="rejected", code=error.code, reason=reason, mark=mark)
    later = isinstance(error, RetryLater)
    return Settled(
        wanted=wanted,
        state="waiting" if later else "unreachable",
        code=error.code,
        reason=reason,
        sha256=wanted.old_sha256 if later else None,
    )


@contextmanager
def _threads(number: int) -> Iterator[ThreadPoolExecutor]:
    threads = ThreadPoolExecutor(number, thread_name_prefix="onec-picture")
    try:
        yield threads
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
