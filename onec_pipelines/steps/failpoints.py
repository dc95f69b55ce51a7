"""Named places where a test may stop the process for good. Nothing in the product arms them: no variable, no setting, no option."""

from __future__ import annotations

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Say that this place was reached; does nothing unless a test armed a hook."""
    if _hook is not None:
        _hook(name)


def arm(hook: Callable[[str], None] | None) -> None:
    """Have `hook` called with the name of every place that is reached (None: no longer). For tests only."""
    global _hook  # noqa: PLW0603 - one switch for the process, off outside of tests
    _hook = hook
