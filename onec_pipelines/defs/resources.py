"""The one resource: a runtime per run. It holds no settings itself, so that nothing secret gets into Dagster's run storage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from onec_pipelines.inbound import Outcome
from onec_pipelines.runtime import Runtime, open_runtime


class OnecResource(dg.ConfigurableResource[Any]):
    """Opens the base and the database of the environment (ONEC_*) once per run and closes them at its end."""

    _runtime: Runtime | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[OnecResource]:
        """A resource with an open runtime."""
        del context
        with open_runtime() as runtime:
            self._runtime = runtime
            try:
                yield self
            finally:
                self._runtime = None

    @property
    def runtime(self) -> Runtime:
        """The runtime of this run."""
        if self._runtime is None:
            raise dg.DagsterInvariantViolationError("the resource is used outside a run")
        return self._runtime

    @property
    def on_progress(self) -> Callable[[Outcome], None]:
        """Told after each page group; the demo shows it."""
        return _listener


def _quiet(outcome: Outcome) -> None:
    del outcome


_listener: Callable[[Outcome], None] = _quiet


@contextmanager
def progress_to(listener: Callable[[Outcome], None]) -> Iterator[None]:
    """Within this block runs of this process tell their progress to `listener`."""
    global _listener  # noqa: PLW0603 - Dagster makes the resource itself, so that nothing can be handed to it
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
