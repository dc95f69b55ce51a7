"""Work ahead: an iterator run in a thread of its own, so that reading and checking go on while the database writes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar, cast

T = TypeVar("T")
_END = object()


def ahead(source: Iterable[T], *, depth: int) -> Generator[T]:
    """The items of `source` in order, up to `depth` of them made in advance.

    An error of the source is raised where its item would have come. Closing early ends the thread at its next item.
    """
    items: queue.Queue[object] = queue.Queue(maxsize=depth)
    left = threading.Event()

    def put(item: object) -> bool:
        while not left.is_set():
            try:
                items.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            for item in source:
                if not put((item, None)):
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            put((None, error))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
            put(_END)

    thread = threading.Thread(target=run, name="onec-ahead", daemon=True)
    thread.start()
    try:
        while (got := items.get()) is not _END:
            item, error = cast("tuple[T, BaseException | None]", got)
            if error is not None:
                raise error
            yield item
    finally:
        left.set()
        thread.join()
