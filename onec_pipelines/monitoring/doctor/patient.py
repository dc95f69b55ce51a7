"""What the checks look at, and what they learn for each other. No looking here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from onec_pipelines.db.engine import Database
from onec_pipelines.onec.capabilities import Capabilities
from onec_pipelines.onec.metadata_model import Metadata
from onec_pipelines.onec.probe import Prober, Seen
from onec_pipelines.settings import Settings
from onec_pipelines.spec import Entity
from onec_pipelines.steps.resolve import Plan


@dataclass(kw_only=True)
class Patient:
    """A base with its database, as far as each can be reached.

    `ask_onec` is false when the settings that lead to 1C are not usable; `accept_base` says that a person wants this base from now on,
    `forget_base` names another system under which nothing is filled any more.
    `database` is None when it does not answer, `prober` when 1C may not or cannot be asked. Checks fill in the rest:
    `published` are the names of the service document, `metadata` and `plans` what they mean to the entities, `readable` the plans
    whose sets could be read.
    """

    settings: Settings
    entities: Sequence[Entity]
    write_probe: bool = False
    accept_base: bool = False
    forget_base: str = ""
    ask_onec: bool = True
    parse_secrets: Callable[[str], object] | None = None
    by: str = "doctor"
    pace: float = 10.0
    """Requests a second at most: the doctor is in no hurry."""
    least_disk: int = 1024**3
    """Bytes that should be free."""
    slow_seconds: float = 5.0
    """From when the first call counts as slow."""
    database_url: str = ""
    database: Database | None = None
    migrated: bool = False
    prober: Prober | None = None
    first: Seen | None = None
    published: frozenset[str] = frozenset()
    metadata: Metadata | None = None
    plans: dict[str, Plan] = field(default_factory=dict)
    readable: list[str] = field(default_factory=list)
    sample: tuple[str, int] | None = None
    """A set of objects that can be read, and how many it has."""
    capabilities: Capabilities = field(default_factory=Capabilities)

    def learn(self, **known: Any) -> None:
        """Remember what the base can do."""
        self.capabilities = replace(self.capabilities, **known)

    def asks(self) -> Prober:
        """The way to 1C, for checks that run only when there is one."""
        assert self.prober is not None  # noqa: S101 - the order of checks says so
        return self.prober

    def knows(self) -> Metadata:
        """The `$metadata`, for checks that run only when there is one."""
        assert self.metadata is not None  # noqa: S101 - the order of checks says so
        return self.metadata

    def stores(self) -> Database:
        """The database, for checks that run only when there is one."""
        assert self.database is not None  # noqa: S101 - the order of checks says so
        return self.database
