"""Work ahead: an iterator run in a thread of its own, so that reading and checking go on while the database writes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar, cast

T = TypeVar("T")
_END = object()


def ahead(source: Iterable[T], *, depth: int) -> Generator[T]:
    """The items of `source` in order, up to `depth` of them made in advance.

    An error of the source is raised where its item would have come. Closing early ends the thread at its next item.
    """
    items: queue.Queue[object] = queue.Queue(maxsize=depth)
    left = threading.Event()
    thread = threading.Thread(target=_run, args=(source, items, left), name="onec-ahead", daemon=True)
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


def _run(source: Iterable[Any], items: queue.Queue[object], left: threading.Event) -> None:
    try:
        for item in source:
            if not _put(items, (item, None), left):
                return
    except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
        _put(items, (None, error), left)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()
        _put(items, _END, left)


def _put(items: queue.Queue[object], item: object, left: threading.Event) -> bool:
    while not left.is_set():
        try:
            items.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
