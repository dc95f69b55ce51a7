"""A run that somebody cancels ends. Dagster repeats an interrupted step as its retry policy says, as if it had failed by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterError, DagsterExecutionInterruptedError


class Cancelled(DagsterExecutionInterruptedError, DagsterError):
    """The interrupt as Dagster's own error, which it hands on before it looks at the retry policy."""


@contextmanager
def cancellable() -> Iterator[None]:
    """What is done in this block is not repeated when the run is cancelled or its process is asked to end."""
    try:
        yield
    except (DagsterExecutionInterruptedError, KeyboardInterrupt) as interrupt:
        raise Cancelled("The run was cancelled, or its process was asked to end") from interrupt
