"""One connection: login, the simple and the extended protocol, and its transaction."""

import logging
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sf_transactions.local.redshift import copy, dialect, wire
from sf_transactions.local.redshift.errors import SqlError, from_duckdb

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("sf_transactions.local.redshift")

ROWS_AT_ONCE = 2000
PARAMETERS = {
    "server_version": "8.0.2", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY",
    "TimeZone": "UTC", "integer_datetimes": "on", "standard_conforming_strings": "on", "is_superuser": "off",
}  # fmt: skip


@dataclass(frozen=True)
class Cluster:
    """A cluster as the Redshift API describes it, with what a login needs."""

    identifier: str
    database: str
    user: str
    password: str
    iam_roles: tuple[str, ...]


@dataclass
class Prepared:
    statement: dialect.Statement | None
    parameter_types: tuple[int, ...]


@dataclass
class Portal:
    statement: dialect.Statement | None
    parameters: tuple[Any, ...]
    formats: tuple[int, ...]  # of the result's columns: 0 text, 1 binary


class Session:
    """Serves one client until it leaves."""

    def __init__(
        self,
        connection: wire.Connection,
        cursor: "duckdb.DuckDBPyConnection",
        system: "duckdb.DuckDBPyConnection",
        clusters: Callable[[], list[Cluster]],
        s3: Callable[[], Any],
        pid: int,
    ) -> None:
        self._wire, self._cursor, self._system = connection, cursor, system
        self._clusters, self._s3, self._pid = clusters, s3, pid
        self._status = b"I"
        self._prepared: dict[str, Prepared] = {}
        self._portals: dict[str, Portal] = {}
        self._skip_to_sync = False
        self._copied = 0
        self._cluster: Cluster | None = None

    def serve(self) -> None:
        try:
            if self._login():
                self._ready()
                while self._step():
                    pass
        except (ConnectionError, OSError):
            log.debug("session %d: the client has gone", self._pid)

    # Login

    def _login(self) -> bool:
        code, body = self._wire.startup()
        while code in (wire.SSL, wire.GSS):
            self._wire.send_raw(b"N")
            code, body = self._wire.startup()
        if code != wire.PROTOCOL_3:
            return False  # a cancel request: statements here are short, so it is answered by hanging up
        words = body.rstrip(b"\0").decode().split("\0")
        given = dict(zip(words[::2], words[1::2], strict=False))
        try:
            self._cluster = self._authenticate(given.get("user", ""), given.get("database") or given.get("user", ""))
        except SqlError as error:
            error.severity = "FATAL"
            self._wire.send(b"E", wire.error(error))
            self._wire.flush()
            return False
        self._wire.send(b"R", struct.pack("!i", 0))
        for name, value in PARAMETERS.items():
            self._wire.send(b"S", wire.text(name) + wire.text(value))
        self._wire.send(b"K", struct.pack("!ii", self._pid, 0))
        return True

    def _authenticate(self, user: str, database: str) -> Cluster:
        clusters = self._clusters()
        if not clusters:
            raise SqlError("28000", "there is no cluster: run `sf-transactions provision`")
        self._wire.send(b"R", struct.pack("!i", 3))
        self._wire.flush()
        kind, body = self._wire.message()
        password = wire.split_text(body)[0] if kind == b"p" else ""
        for cluster in clusters:
            if cluster.user == user and cluster.password == password:
                if cluster.database != database:
                    raise SqlError("3D000", f'database "{database}" does not exist')
                return cluster
        raise SqlError("28P01", f'password authentication failed for user "{user}"')

    def _ready(self) -> None:
        self._wire.send(b"Z", self._status)
        self._wire.flush()

    # Messages

    def _step(self) -> bool:
        kind, body = self._wire.message()
        if kind == b"X":
            return False
        if kind == b"S":
            self._skip_to_sync = False
            self._ready()
        elif kind == b"H":
            self._wire.flush()
        elif kind == b"Q":
            self._guard(lambda: self._simple(wire.split_text(body)[0]))
            self._ready()
        elif not self._skip_to_sync:
            handlers = {
                b"P": self._parse, b"B": self._bind, b"D": self._describe, b"E": self._execute, b"C": self._close,
            }  # fmt: skip
            handler = handlers.get(kind)
            self._skip_to_sync = not self._guard(lambda: handler(body) if handler else self._unknown(kind))
        return True

    def _unknown(self, kind: bytes) -> None:
        raise SqlError("08P01", f"message {kind!r} is not understood")

    def _guard(self, action: Callable[[], None]) -> bool:
        """Runs an action; an error goes to the client and fails the transaction, and the session goes on."""
        import duckdb

        try:
            action()
            return True
        except duckdb.Error as error:
            found = from_duckdb(error)
        except SqlError as error:
            found = error
        except (UnicodeDecodeError, struct.error, ValueError, IndexError) as error:
            log.exception("session %d: a message could not be read", self._pid)
            found = SqlError("08P01", f"the message could not be read: {error}")
        self._wire.send(b"E", wire.error(found))
        if self._status == b"T":
            self._status = b"E"
        return False

    def _simple(self, text: str) -> None:
        sources = dialect.split(text)
        if not sources:
            self._wire.send(b"I")
        for source in sources:
            statement = dialect.translate(source)
            if columns := self._columns(statement, ()):
                self._wire.send(b"T", wire.row_description(columns))
            self._run(statement, ())

    def _parse(self, body: bytes) -> None:
        name, rest = wire.split_text(body)
        source, rest = wire.split_text(rest)
        (count,) = struct.unpack("!h", rest[:2])
        types = struct.unpack(f"!{count}i", rest[2 : 2 + 4 * count])
        sources = dialect.split(source)
        if len(sources) > 1:
            raise SqlError("42601", "cannot insert multiple commands into a prepared statement")
        self._prepared[name] = Prepared(dialect.translate(sources[0]) if sources else None, types)
        self._wire.send(b"1")

    def _bind(self, body: bytes) -> None:
        portal, rest = wire.split_text(body)
        name, rest = wire.split_text(rest)
        prepared = self._named(name)
        (count,) = struct.unpack("!h", rest[:2])
        formats = struct.unpack(f"!{count}h", rest[2 : 2 + 2 * count])
        rest = rest[2 + 2 * count :]
        (count,) = struct.unpack("!h", rest[:2])
        rest, values = rest[2:], []
        for position in range(count):
            (size,) = struct.unpack("!i", rest[:4])
            data, rest = (None, rest[4:]) if size < 0 else (rest[4 : 4 + size], rest[4 + size :])
            binary = bool(formats[position] if len(formats) > 1 else formats[0] if formats else 0)
            oid = prepared.parameter_types[position] if position < len(prepared.parameter_types) else 0
            values.append(wire.parameter(data, oid, binary))
        (count,) = struct.unpack("!h", rest[:2])
        results = struct.unpack(f"!{count}h", rest[2 : 2 + 2 * count])
        self._portals[portal] = Portal(prepared.statement, tuple(values), results)
        self._wire.send(b"2")

    def _named(self, name: str) -> Prepared:
        if name not in self._prepared:
            raise SqlError("26000", f'prepared statement "{name}" does not exist')
        return self._prepared[name]

    def _describe(self, body: bytes) -> None:
        name, _ = wire.split_text(body[1:])
        if body[:1] == b"S":
            prepared = self._named(name)
            source = prepared.statement.source if prepared.statement else ""
            count = max(map(int, re.findall(r"\$(\d+)", source)), default=0)
            types = (*prepared.parameter_types, *(0,) * count)[:count]
            self._wire.send(b"t", struct.pack(f"!h{count}i", count, *types))
            columns = self._columns(prepared.statement, (None,) * count)
        else:
            portal = self._portal(name)
            columns = self._columns(portal.statement, portal.parameters)
        if columns:
            self._wire.send(b"T", wire.row_description(columns))
        else:
            self._wire.send(b"n")

    def _portal(self, name: str) -> Portal:
        if name not in self._portals:
            raise SqlError("34000", f'portal "{name}" does not exist')
        return self._portals[name]

    def _execute(self, body: bytes) -> None:
        name, rest = wire.split_text(body)
        portal = self._portal(name)
        (limit,) = struct.unpack("!i", rest[:4])
        if portal.statement is None:
            self._wire.send(b"I")
            return
        if limit and portal.statement.kind == "query":
            raise SqlError("0A000", "fetching a part of a portal is not supported by the stand-in")
        self._run(portal.statement, portal.parameters, portal.formats)

    def _close(self, body: bytes) -> None:
        name, _ = wire.split_text(body[1:])
        (self._prepared if body[:1] == b"S" else self._portals).pop(name, None)
        self._wire.send(b"3")

    # Statements

    def _columns(self, statement: dialect.Statement | None, parameters: tuple[Any, ...]) -> list[tuple[str, str]]:
        """Names and DuckDB types of what a statement returns; none when it returns no rows."""
        if statement is None or statement.kind not in ("query", "show"):
            return []
        if statement.kind == "show":
            return [(statement.source, "VARCHAR")]
        self._refuse_in_failed(statement)
        described = self._cursor.execute(f"DESCRIBE {self._sql(statement)}", list(parameters) or None).fetchall()
        return [(row[0], row[1]) for row in described]

    def _sql(self, statement: dialect.Statement) -> str:
        sql = re.sub(r"(?i)\bpg_backend_pid\(\)", str(self._pid), statement.sql)
        return re.sub(r"(?i)\bpg_last_copy_count\(\)", str(self._copied), sql)

    def _refuse_in_failed(self, statement: dialect.Statement) -> None:
        if self._status == b"E" and statement.kind not in ("commit", "rollback"):
            raise SqlError("25P02", "current transaction is aborted, commands ignored until end of transaction block")

    def _run(self, statement: dialect.Statement, parameters: tuple[Any, ...], formats: tuple[int, ...] = ()) -> None:
        self._refuse_in_failed(statement)
        if statement.kind == "query":
            tag = self._run_query(statement, parameters, formats)
        else:
            tag = getattr(self, f"_run_{statement.kind}")(statement, parameters)
        self._wire.send(b"C", wire.text(tag))

    def _run_begin(self, statement: dialect.Statement, _: Any) -> str:
        if self._status == b"I":
            self._cursor.execute("BEGIN TRANSACTION")
            self._status = b"T"
        return statement.tag

    def _run_commit(self, statement: dialect.Statement, _: Any) -> str:
        failed, self._status = self._status == b"E", b"I" if self._status != b"I" else b"N"
        if self._status == b"N":
            self._status = b"I"
            return statement.tag
        self._cursor.execute("ROLLBACK" if failed else "COMMIT")
        return "ROLLBACK" if failed else statement.tag

    def _run_rollback(self, statement: dialect.Statement, _: Any) -> str:
        if self._status != b"I":
            self._status = b"I"
            self._cursor.execute("ROLLBACK")
        return statement.tag

    def _run_nothing(self, statement: dialect.Statement, _: Any) -> str:
        return statement.tag

    def _run_show(self, statement: dialect.Statement, _: Any) -> str:
        known = {name.lower(): value for name, value in PARAMETERS.items()} | {"search_path": "$user, public"}
        if statement.source not in known:
            raise SqlError("42704", f'unrecognized configuration parameter "{statement.source}"')
        self._wire.send(b"D", wire.data_row([known[statement.source]]))
        return statement.tag

    def _run_query(self, statement: dialect.Statement, parameters: tuple[Any, ...], formats: tuple[int, ...]) -> str:
        found = self._cursor.execute(self._sql(statement), list(parameters) or None)
        kinds = [str(column[1]) for column in found.description]
        binary = wire.binary_formats(formats, kinds) if any(formats) else ()
        count = 0
        while rows := found.fetchmany(ROWS_AT_ONCE):
            for row in rows:
                self._wire.send(b"D", wire.data_row(row, binary))
            count += len(rows)
        return f"SELECT {count}"

    def _run_execute(self, statement: dialect.Statement, parameters: tuple[Any, ...]) -> str:
        answer = self._cursor.execute(self._sql(statement), list(parameters) or None).fetchall()
        if statement.tag in ("INSERT 0", "UPDATE", "DELETE"):
            return f"{statement.tag} {answer[0][0] if answer else 0}"
        return statement.tag

    def _run_like(self, statement: dialect.Statement, _: Any) -> str:
        """CREATE TEMP TABLE name (LIKE other): its columns, NOT NULL and limits."""
        schema, _, table = statement.detail["like"].replace('"', "").rpartition(".")
        columns = self._cursor.execute(
            "select column_name, data_type, is_nullable from duckdb_columns() where table_name = ?"
            " and schema_name = ? order by column_index",
            [table, schema or "main"],
        ).fetchall()
        if not columns:
            raise SqlError("42P01", f'relation "{statement.detail["like"]}" does not exist')
        checks = self._cursor.execute(
            "select constraint_text from duckdb_constraints() where constraint_type = 'CHECK' and table_name = ?"
            " and schema_name = ?",
            [table, schema or "main"],
        ).fetchall()
        parts = [f'"{name}" {kind}{"" if nullable else " NOT NULL"}' for name, kind, nullable in columns]
        parts += [check[0] for check in checks]
        self._cursor.execute(f"CREATE TEMP TABLE {statement.detail['name']} ({', '.join(parts)})")
        return statement.tag

    def _run_copy(self, statement: dialect.Statement, _: Any) -> str:
        roles = self._cluster.iam_roles if self._cluster else ()
        implicit = self._status == b"I"
        if implicit:
            self._cursor.execute("BEGIN TRANSACTION")
        try:
            self._copied = copy.run(self._cursor, statement.source, roles, self._s3)
            if implicit:
                self._cursor.execute("COMMIT")
        except SqlError as error:
            if implicit:
                self._cursor.execute("ROLLBACK")
            if isinstance(error, copy.CopyFailed):
                self._record(error.load_error)
            raise
        return "COPY"

    def _record(self, error: copy.LoadError) -> None:
        """Written by another connection, so that it outlives the rollback, as in Redshift."""
        values = [self._pid, error.start_time, error.file_name, error.line_number]
        values += [error.column_name, error.column_type, error.error_message]
        self._system.cursor().execute("insert into sys_load_error_detail values (?, ?, ?, ?, ?, ?, ?)", values)
