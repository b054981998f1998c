"""Dagster's event log on this machine: its own SQLite storage, writing a batch of events in one transaction.

A run of all fiscal years stores an event for each year of each asset, planned and materialized. Dagster's storage opens
and commits two databases for every one of them, which takes longer than the work itself. The files are the same, so
that either storage reads what the other wrote. Named by the `dagster.yaml` of the stand-ins' home.
"""

import contextlib
import functools
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Self

from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection


class _Batch(threading.local):
    """The connections that a batch of this thread holds, and what ends them; no stack where there is no batch."""

    def __init__(self) -> None:
        self.stack: contextlib.ExitStack | None = None
        self.connections: dict[str, Connection] = {}


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage` that holds its connections for the length of a batch."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._batch = _Batch()
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # a batch holds two databases at once
        self.has_table = functools.cache(self.has_table)  # type: ignore[method-assign]  # asked for every event

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(inst_data=inst_data, **config_value)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores all of the events, or none."""
        with self._db_lock, contextlib.ExitStack() as stack:
            self._batch.stack = stack
            try:
                super().store_event_batch(events)
            finally:
                self._batch.stack = None
                self._batch.connections.clear()

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if self._batch.stack is None:
            with super()._connect(shard) as connection:
                yield connection
            return
        connections = self._batch.connections
        if shard not in connections:
            connections[shard] = self._batch.stack.enter_context(super()._connect(shard))
        yield connections[shard]
