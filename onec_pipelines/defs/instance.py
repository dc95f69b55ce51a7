"""Where Dagster keeps its own records, told by our settings: `dagster.yaml` names these classes.

Here belongs what `dagster.yaml` names. Dagster's own classes take an address or an environment variable, and
`dagster dev` or `dagster-daemon` started by hand have neither: with these, each process reads the settings of
the pipeline and starts the embedded server if it is the first.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import psycopg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage

from onec_pipelines.db.engine import Limits, connect
from onec_pipelines.db.urls import DAGSTER_SCHEMA, dagster_url
from onec_pipelines.defs.event_log import OnecEvents, OnecRuns, OnecSchedules
from onec_pipelines.runtime import database_url
from onec_pipelines.settings import load_settings

# Any constant that is not the migrations' own: "dags" in ASCII.
_LOCK = 0x64616773
# Dagster stores the events that belong together one by one unless told otherwise, and only a variable tells it.
_BATCH = "DAGSTER_EVENT_BATCH_SIZE"


class _Unconfigured:
    """What `dagster.yaml` names without any configuration: the settings say it all."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No configuration."""
        return {}


class OnecStorage(_Unconfigured, DagsterPostgresStorage):
    """Dagster's runs, events and schedules in the schema `dagster` of the pipeline's own database."""

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Makes the tables.
        super().__init__(postgres_url=postgres_url, inst_data=inst_data)
        self._run_storage = OnecRuns(postgres_url)
        self._event_log_storage = OnecEvents(postgres_url)
        self._schedule_storage = OnecSchedules(postgres_url)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage of this process, its tables made. Raises Stop for wrong settings or database."""
        del config_value
        os.environ.setdefault(_BATCH, "1000")
        url = database_url(load_settings(require_onec=False))
        with connect(url, application_name="onec_dagster", limits=Limits(lock=60)).session() as session:
            # `dagster dev` starts several processes at once, and each would make the tables.
            session.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            _make_schema(session)
            return cls(postgres_url=dagster_url(url), inst_data=inst_data)


class OnecArtifacts(_Unconfigured, LocalArtifactStorage):
    """Dagster's files under `ONEC_HOME/dagster`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The storage in the home of the settings."""
        del config_value
        return cls(base_dir=_folder(), inst_data=inst_data)


class OnecComputeLogs(_Unconfigured, LocalComputeLogManager):
    """What runs print, under `ONEC_HOME/dagster`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The log manager in the home of the settings."""
        del config_value
        return cls(base_dir=f"{_folder()}/logs", inst_data=inst_data)


def _folder() -> str:
    return str(load_settings(require_onec=False).home / "dagster")


def _make_schema(session: psycopg.Connection[Any]) -> None:
    # Asked first: a user without the right to create a schema may use one that was made for it.
    if not session.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (DAGSTER_SCHEMA,)).fetchone():
        session.execute(f"CREATE SCHEMA {DAGSTER_SCHEMA}".encode())
