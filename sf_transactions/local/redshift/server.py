"""The endpoint: a TCP server on loopback, one thread a connection, one DuckDB file."""

import itertools
import logging
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sf_transactions.local.redshift import wire
from sf_transactions.local.redshift.session import Cluster, Session

__all__ = ["Cluster", "RedshiftEndpoint"]

log = logging.getLogger("sf_transactions.local.redshift")

SYSTEM_TABLES = """
create table if not exists sys_load_error_detail (
    session_id integer, start_time timestamp, file_name varchar, line_number bigint, column_name varchar,
    column_type varchar, error_message varchar
)
"""


class RedshiftEndpoint:
    """A Redshift on 127.0.0.1. `clusters` is asked at every login; `s3` gives the client that COPY reads with."""

    def __init__(
        self, database: Path, clusters: Callable[[], list[Cluster]], s3: Callable[[], Any], port: int = 0
    ) -> None:
        self._database, self._clusters, self._s3, self._wanted_port = database, clusters, s3, port
        self._server: socketserver.ThreadingTCPServer | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.server_address[1]

    def start(self) -> None:
        import duckdb

        self._database.parent.mkdir(parents=True, exist_ok=True)
        # No file, network or extension is within reach of a statement.
        config: dict[str, str | bool | int | float | list[str]] = {
            "enable_external_access": "false",
            "integer_division": "true",
        }
        self._duckdb = duckdb.connect(str(self._database), config=config)
        self._duckdb.execute(SYSTEM_TABLES)
        self._duckdb.execute("set lock_configuration = true")
        numbers = itertools.count(1000)

        class Handler(socketserver.BaseRequestHandler):
            def handle(handler) -> None:
                connection = wire.Connection(handler.request)
                cursor = self._duckdb.cursor()
                try:
                    Session(connection, cursor, self._duckdb, self._clusters, self._s3, next(numbers)).serve()
                finally:
                    cursor.close()
                    connection.close()

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", self._wanted_port), Handler)
        threading.Thread(target=self._server.serve_forever, name="redshift", daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._duckdb.execute("CHECKPOINT")
            self._duckdb.close()
            self._server = None
