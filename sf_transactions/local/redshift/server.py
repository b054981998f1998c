"""The endpoint: a TCP server on loopback, one thread a connection, one DuckDB file."""

import contextlib
import itertools
import logging
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sf_transactions.local.redshift import wire
from sf_transactions.local.redshift.catalog import SYSTEM_TABLES
from sf_transactions.local.redshift.locks import Locks
from sf_transactions.local.redshift.login import Cluster
from sf_transactions.local.redshift.memory import SETTING, Memory
from sf_transactions.local.redshift.pg_catalog import PG_CATALOG
from sf_transactions.local.redshift.session import Session

__all__ = ["Cluster", "RedshiftEndpoint"]

log = logging.getLogger("sf_transactions.local.redshift")

PATIENCE = 10  # seconds that sessions have to end when the endpoint stops


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.exception("a session ended by an error")


class RedshiftEndpoint:
    """A Redshift on 127.0.0.1. `clusters` is asked at every login; `s3` gives the client that COPY reads with."""

    def __init__(
        self, database: Path, clusters: Callable[[], list[Cluster]], s3: Callable[[], Any], port: int = 0
    ) -> None:
        self._database, self._clusters, self._s3, self._wanted_port = database, clusters, s3, port
        self._server: _Server | None = None
        self._sessions: dict[Session, threading.Thread] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1000)
        self._locks = Locks()

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.server_address[1]

    def start(self) -> None:
        """Opens the database and listens. Raises DuckDB's error when another process has the file."""
        import duckdb

        self._database.parent.mkdir(parents=True, exist_ok=True)
        # No file, network, extension or Python variable is within reach of a statement.
        config: dict[str, str | bool | int | float | list[str]] = {
            "enable_external_access": "false",
            "python_enable_replacements": "false",
            "integer_division": "true",
            "allowed_configs": [SETTING],
        }
        self._duckdb = duckdb.connect(str(self._database), config=config)
        try:
            self._duckdb.execute("set global TimeZone = 'UTC'")
            self._duckdb.execute(SYSTEM_TABLES + PG_CATALOG)
            self._duckdb.execute("set lock_configuration = true")
            self._memory = Memory(self._duckdb, self._database)
            endpoint = self

            class Handler(socketserver.BaseRequestHandler):
                def handle(self) -> None:
                    endpoint._serve(self.request)

            self._server = _Server(("127.0.0.1", self._wanted_port), Handler)
        except BaseException:
            self._duckdb.close()
            raise
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="redshift", daemon=True).start()

    def _serve(self, sock: Any) -> None:
        number = next(self._numbers)
        try:
            with (
                contextlib.closing(wire.Connection(sock)) as connection,
                contextlib.closing(self._duckdb.cursor()) as cursor,  # what it left open is rolled back
            ):
                session = Session(
                    connection, cursor, self._clusters, self._s3, number, self._cancel, self._locks, self._memory
                )
                with self._lock:
                    self._sessions[session] = threading.current_thread()
                try:
                    session.serve()
                finally:
                    with self._lock:
                        del self._sessions[session]
        finally:
            self._locks.release(number)

    def _cancel(self, pid: int, secret: int) -> None:
        with self._lock:
            for session in self._sessions:
                if (session.pid, session.secret) == (pid, secret):
                    session.interrupt()

    def stop(self) -> None:
        """Ends every session, writes everything to the file and closes it."""
        import duckdb

        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            sessions = dict(self._sessions)
        for session in sessions:
            session.hang_up()
        for thread in sessions.values():
            thread.join(PATIENCE)
        try:
            self._memory.close()
            self._duckdb.execute("CHECKPOINT")
        except duckdb.Error:
            log.exception("the database was closed without a checkpoint; its log is replayed at the next start")
        finally:
            self._duckdb.close()
            self._server = None
