"""Dagster's event log on this machine: its own SQLite storage, with connections that stay open, and a batch of events
in one transaction.

A run of all fiscal years stores an event for each year of each asset, planned and materialized. Dagster's storage
opens, commits and closes two databases for every one of them, which takes longer than the work itself. The files are
the same, so that either storage reads what the other wrote. Named by the `dagster.yaml` of the stand-ins' home.
"""

import contextlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from dagster import AssetKey, EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine

# What Dagster asks for every event, although a database keeps what it has.
ASKED = ("has_table", "has_secondary_index", "has_asset_key_col", "_has_asset_key_col_on_connection")
OPEN = 4  # databases: the index, and those of the runs asked for last


class _Batch(threading.local):
    """The connections that a batch of this thread holds, and what ends them; no stack where there is no batch.

    `latest` has, of each asset and kind of event, the last of the batch: all that the table of assets is to hold.
    """

    def __init__(self) -> None:
        self.stack: contextlib.ExitStack | None = None
        self.connections: dict[str, Connection] = {}
        self.latest: dict[tuple[AssetKey | None, str], tuple[Connection, EventLogEntry, int]] = {}


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """`SqliteEventLogStorage` that holds its connections for the length of a batch."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._batch = _Batch()
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # a batch holds two databases at once
        for question in ASKED:
            setattr(self, question, _until_true(getattr(self, question)))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        return cls(inst_data=inst_data, **config_value)

    def store_event(self, event: EventLogEntry) -> None:
        """Stores an event in one transaction a database; a batch is a number of these calls."""
        if self._batch.stack is None:
            self.store_event_batch([event])
        else:
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores all of the events, or none."""
        with self._db_lock, contextlib.ExitStack() as stack:
            self._batch.stack = stack
            try:
                super().store_event_batch(events)
                for each in self._batch.latest.values():
                    super()._store_asset_event(*each)
            finally:
                self._batch.stack = None
                self._batch.connections.clear()
                self._batch.latest.clear()

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        if self._batch.stack is None or event.dagster_event is None:
            super()._store_asset_event(conn, event, event_id)
            return
        kind = event.dagster_event.asset_key, event.dagster_event.event_type_value
        self._batch.latest.pop(kind, None)  # so that they stay in the order of their events
        self._batch.latest[kind] = conn, event, event_id

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        if self._batch.stack is None:
            with self._db_lock, self._engine(shard).begin() as connection:
                yield connection
            return
        connections = self._batch.connections
        if shard not in connections:
            connections[shard] = self._batch.stack.enter_context(self._engine(shard).begin())
        yield connections[shard]

    def _engine(self, shard: str) -> Engine:
        """The database of a run, or the index; its connection stays open until others are wanted."""
        if shard not in self._engines:
            engine = create_engine(
                self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
            )
            event.listen(engine, "connect", _synchronous_normal)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

    def dispose(self) -> None:
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()


def _until_true(ask: Callable[..., bool]) -> Callable[..., bool]:
    """Asks about a table, an index or a column until the answer is yes."""
    there = set[str]()

    def asked(*of: Any) -> bool:
        name = of[-1]  # before it may stand a connection
        if name not in there and ask(*of):
            there.add(name)
        return name in there

    return asked


def _synchronous_normal(connection: sqlite3.Connection, record: object) -> None:
    """A power cut may lose the last events but never breaks the file, which SQLite keeps with a log of its own."""
    connection.execute("PRAGMA synchronous = NORMAL")
