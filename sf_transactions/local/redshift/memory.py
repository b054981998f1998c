"""How much memory the database takes: a share of what it holds while it writes, all it may while it answers a query.

DuckDB keeps what it has read and what is not committed yet until its limit is reached, and then writes it to disk.
Not every operator can do so, and what it needs grows with the tables: the share does too. A limit never makes a
statement fail for good: where one runs out of memory nevertheless, there is no share from then on.

A transaction keeps what its first query may take until it writes or ends, and so finds its tables in memory.
"""

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

LEAST_BYTES = 96 << 20
SETTING = "memory_limit"  # the only one that may still be changed when the configuration is locked


class Memory:
    """The limit of the database in a file, for all sessions of an endpoint."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", database: Path) -> None:
        self._cursor, self._database = connection.cursor(), database
        shutil.rmtree(f"{database}.tmp", ignore_errors=True)  # what a killed process has left there
        (self._all,) = self._cursor.execute(f"select current_setting('{SETTING}')").fetchone() or ("",)
        self._share, self._queries = 0, 0
        self._lock = threading.RLock()  # rows that are given up may be collected while it is held

    def fit(self) -> None:
        """Before a statement that writes: at least half of what the tables take, on disk and off it."""
        with self._lock:
            held = self._cursor.execute(
                "select sum(memory_usage_bytes + temporary_storage_bytes) from duckdb_memory()"
            ).fetchone() or (0,)
            wanted = max(LEAST_BYTES, (int(held[0] or 0) + self._database.stat().st_size) // 2)
            if wanted > self._share:  # it never falls under the feet of another session
                self._share = wanted
                self._limit()

    @contextlib.contextmanager
    def everything(self) -> Iterator[None]:
        """While a query runs and its rows are fetched."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def ran_out(self) -> None:
        """A statement has: from now on there is no share."""
        self._count(1)

    def close(self) -> None:
        self._cursor.close()

    def _count(self, queries: int) -> None:
        with self._lock:
            before, self._queries = self._queries, self._queries + queries
            if bool(before) != bool(self._queries):
                self._limit()

    def _limit(self) -> None:
        import duckdb

        limit = self._all if self._queries or not self._share else f"{self._share}B"
        # What is in use is not taken away: the limit then stays as it was.
        with contextlib.suppress(duckdb.OutOfMemoryException):
            self._cursor.execute(f"set {SETTING} = '{limit}'")
