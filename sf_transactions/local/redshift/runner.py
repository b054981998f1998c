"""Statements of one connection, executed on its DuckDB cursor: transactions, settings, COPY, queries."""

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sf_transactions.local.redshift import catalog, copy, unload, vocabulary
from sf_transactions.local.redshift.dialect import Statement
from sf_transactions.local.redshift.errors import SqlError, not_supported
from sf_transactions.local.redshift.locks import Locks
from sf_transactions.local.redshift.memory import Memory
from sf_transactions.local.redshift.tables import NewTable

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("sf_transactions.local.redshift")

VERSION = (
    "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), "
    "Redshift 1.0.0 (local stand-in on DuckDB)"
)
_QUERIES = itertools.count(1)


@dataclass
class Login:
    """Who is connected, and what COPY may use."""

    user: str
    database: str
    roles: tuple[str, ...]
    pid: int
    s3: Callable[[], Any]


@dataclass
class Answer:
    """What a statement gives: a tag, rows that are fetched as they are sent, notices."""

    tag: str
    rows: Iterator[list[tuple[Any, ...]]] | None = None
    kinds: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


class Rows:
    """The rows of a query, some at a time; `held` is let go behind the last, or when they are given up."""

    def __init__(self, found: "duckdb.DuckDBPyConnection", held: contextlib.ExitStack) -> None:
        self._found, self._held = found, held

    def __iter__(self) -> "Rows":
        return self

    def __next__(self) -> list[tuple[Any, ...]]:
        if rows := self._found.fetchmany(ROWS_AT_ONCE):
            return rows
        self._held.close()
        raise StopIteration

    def __del__(self) -> None:
        self._held.close()


class Runner:
    """Runs statements. `status` is the protocol's: I outside of a transaction, T inside, E inside a failed one."""

    def __init__(self, cursor: "duckdb.DuckDBPyConnection", login: Login, locks: Locks, memory: Memory) -> None:
        self._cursor, self._login, self._locks, self._memory = cursor, login, locks, memory
        self._cancelled = False
        self._reading: contextlib.ExitStack | None = None  # holds the memory that a transaction has from a query on
        self.status = b"I"
        self._settings: dict[str, str] = {}
        for name, value in (
            ("login_user", login.user),
            ("login_database", login.database),
            ("server_version", VERSION),
        ):
            self._variable(name, "'" + value.replace("'", "''") + "'")
        self._variable("backend_pid", str(login.pid))
        self._variable("last_copy_count", "0::BIGINT")
        self._search(None)

    def _variable(self, name: str, value: str) -> None:
        self._cursor.execute(f"SET VARIABLE {name} = {value}")

    def interrupt(self) -> None:
        """Ends the statement that runs; called from another thread."""
        self._cancelled = True
        self._locks.wake()
        self._cursor.interrupt()

    def failed(self) -> None:
        """An error ends what a transaction can do."""
        self.let_go()
        if self.status == b"T":
            self.status = b"E"

    def let_go(self) -> None:
        """Gives back the memory that a transaction has from its first query on."""
        reading, self._reading = self._reading, None
        if reading:
            reading.close()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Several statements of one message are one transaction, unless they begin or end one themselves."""
        if self.status != b"I":
            yield
            return
        self._cursor.execute("BEGIN TRANSACTION")
        self._implicit = True
        try:
            yield
            if self._implicit:
                self._cursor.execute("COMMIT")
        except BaseException:
            if self._implicit:
                self._rollback()
            raise
        finally:
            self._implicit = False
            self._locks.release(self._login.pid)

    _implicit = False

    def _at_once(self) -> contextlib.AbstractContextManager[None]:
        """All or nothing, also outside of a transaction."""
        return contextlib.nullcontext() if self._implicit else self.together()

    def _rollback(self) -> None:
        import duckdb

        with contextlib.suppress(duckdb.TransactionException):  # DuckDB has rolled back already
            self._cursor.execute("ROLLBACK")

    def columns(self, statement: Statement | None, parameters: tuple[Any, ...]) -> list[tuple[str, str]]:
        """Names and DuckDB types of what a statement returns; none when it returns no rows."""
        if statement is None or not statement.returns_rows:
            return []
        self._refuse_in_failed(statement)
        if statement.kind == "show":
            return [(statement.setting[0], "VARCHAR")]
        described = self._cursor.execute(f"DESCRIBE {statement.sql}", list(parameters) or None).fetchall()
        for name, kind, *_ in described:
            if kind.startswith(("STRUCT", "MAP", "UNION")) or (kind.endswith("]") and kind != KEY):
                raise not_supported(f"a row or an array as the value of column {name}")
        return [(row[0], row[1]) for row in described]

    def _refuse_in_failed(self, statement: Statement) -> None:
        if self.status == b"E" and statement.kind not in ("commit", "rollback"):
            raise SqlError("25P02", "current transaction is aborted, commands ignored until end of transaction block")

    def run(self, statement: Statement, parameters: tuple[Any, ...]) -> Answer:
        """Executes a statement. Raises SqlError or DuckDB's error."""
        self._cancelled = False
        self._refuse_in_failed(statement)
        if statement.tag == "LOCK TABLE":  # before anything is read: what is read afterwards is what others committed
            self._lock(statement.needs)
        for schema in statement.needs_schema:
            if not self._cursor.execute("select 1 from duckdb_schemas() where schema_name = ?", [schema]).fetchall():
                raise SqlError("3F000", f'schema "{schema}" does not exist')
        for name in statement.needs:
            self._cursor.execute(f"SELECT 1 FROM {name} LIMIT 0")
        return getattr(self, f"_run_{statement.kind}")(statement, parameters)

    # Transactions

    def _lock(self, tables: list[str]) -> None:
        if self.status == b"I":
            raise SqlError("25P01", "LOCK TABLE can only be used in transaction blocks")
        seconds = int(self._settings.get("statement_timeout", "0")) / 1000
        self._locks.take(tables, self._login.pid, lambda: self._cancelled, seconds or None)

    def _run_begin(self, statement: Statement, _: Any) -> Answer:
        notices = []
        if self._implicit:
            self._implicit = False
        elif self.status == b"I":
            self._cursor.execute("BEGIN TRANSACTION")
        else:
            notices.append("there is already a transaction in progress")
        self.status = b"T"
        return Answer(statement.tag, notices=notices)

    def _run_commit(self, statement: Statement, _: Any) -> Answer:
        if self.status == b"E":
            return self._run_rollback(Statement("rollback", "ROLLBACK"), _)
        if self.status == b"I" and not self._implicit:
            return Answer(statement.tag, notices=["there is no transaction in progress"])
        self.status, self._implicit = b"I", False
        self.let_go()
        try:
            self._cursor.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise
        finally:
            self._locks.release(self._login.pid)
        return Answer(statement.tag)

    def _run_rollback(self, statement: Statement, _: Any) -> Answer:
        if self.status == b"I" and not self._implicit:
            return Answer(statement.tag, notices=["there is no transaction in progress"])
        self.status, self._implicit = b"I", False
        self.let_go()
        self._rollback()
        self._locks.release(self._login.pid)
        return Answer(statement.tag)

    # Settings

    def _run_set(self, statement: Statement, _: Any) -> Answer:
        name, value = statement.setting
        if name == "search_path":
            self._search(value)
        if value is None:
            self._settings.pop(name, None)
        else:
            self._settings[name] = value.strip("'\"") if "," not in value else value
        return Answer(statement.tag)

    def _search(self, value: str | None) -> None:
        """Unqualified names are looked for in these schemas, as far as they exist."""
        known = {row[0] for row in self._cursor.execute("select schema_name from duckdb_schemas()").fetchall()}
        wanted = [part.strip().strip("'\"").lower() for part in (value or "public").split(",")]
        found = [name for name in wanted if name in known and name not in ("main", "stand_in")]
        self._cursor.execute(f"SET search_path = '{','.join(found or ['public'])}'")

    def _run_show(self, statement: Statement, _: Any) -> Answer:
        name = statement.setting[0]
        return Answer(statement.tag, iter([[(self._settings.get(name, vocabulary.SETTINGS[name]),)]]), ["VARCHAR"])

    # Everything else

    def _fit(self) -> None:
        """Before a statement that writes."""
        self.let_go()
        self._memory.fit()

    def _run_nothing(self, statement: Statement, _: Any) -> Answer:
        return Answer(statement.tag)

    def _run_vacuum(self, statement: Statement, _: Any) -> Answer:
        if self.status != b"I":
            raise SqlError("25001", "VACUUM cannot run inside a transaction block")
        return Answer(statement.tag)

    def _run_query(self, statement: Statement, parameters: tuple[Any, ...]) -> Answer:
        if self.status == b"T" and not self._reading:  # what it asks next is often in tables that are in memory by now
            self._reading = contextlib.ExitStack()
            self._reading.enter_context(self._memory.everything())
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._memory.everything())
            found = self._cursor.execute(statement.sql, list(parameters) or None)
            kinds = [str(column[1]) for column in found.description]
            return Answer(statement.tag, Rows(found, stack.pop_all()), kinds)

    def _run_execute(self, statement: Statement, parameters: tuple[Any, ...]) -> Answer:
        self._fit()
        answer = self._cursor.execute(statement.sql, list(parameters) or None).fetchall()
        if statement.tag in ("INSERT 0", "UPDATE", "DELETE", "MERGE"):
            return Answer(f"{statement.tag} {answer[0][0] if answer else 0}")
        return Answer(statement.tag)

    def _run_view(self, statement: Statement, _: Any) -> Answer:
        """CREATE VIEW; one that stands is replaced only by one of the same columns."""
        with self._at_once():
            before = self._view_columns(statement.view)
            self._cursor.execute(statement.sql)
            if before and before != self._view_columns(statement.view):
                raise SqlError("42P16", f"cannot change the columns of view {'.'.join(statement.view)}")
        return Answer(statement.tag)

    def _view_columns(self, view: tuple[str, str]) -> list[tuple[Any, ...]]:
        return self._cursor.execute(
            "select column_name, data_type from duckdb_columns() where table_name = ? and schema_name ="
            " coalesce(nullif(?, ''), current_schema()) order by column_index",
            [view[1], view[0]],
        ).fetchall()

    def _run_truncate(self, statement: Statement, _: Any) -> Answer:
        """TRUNCATE commits the transaction it runs in, as in Redshift."""
        self._cursor.execute(statement.sql)
        if self.status == b"T" or self._implicit:
            self._run_commit(Statement("commit", "COMMIT"), _)
        return Answer(statement.tag)

    def _run_like(self, statement: Statement, _: Any) -> Answer:
        """CREATE TABLE name (LIKE other): its columns, NOT NULL and limits."""
        new = statement.table
        assert isinstance(new, NewTable)
        parts = [
            catalog.definition(column, new.like_defaults) for column in catalog.table(self._cursor, new.like).columns
        ]
        words = f"CREATE {'TEMP ' if new.temporary else ''}TABLE {'IF NOT EXISTS ' if new.if_not_exists else ''}"
        self._cursor.execute(f"{words}{new.name} ({', '.join(parts)})")
        return Answer(statement.tag)

    def _run_copy(self, statement: Statement, _: Any) -> Answer:
        login = self._login
        query = next(_QUERIES)
        self._fit()
        try:
            with self._at_once():
                name, count = copy.run(self._cursor, statement.source, login.roles, login.user, login.s3)
        except copy.CopyFailed as failure:
            with contextlib.closing(self._cursor.cursor()) as other:
                catalog.record(other, failure.load_error, login.pid, query, login.database)
            log.warning("session %d: COPY into %s refused a file", login.pid, failure.load_error.file_name)
            raise
        self._variable("last_copy_count", f"{count}::BIGINT")
        return Answer("COPY", notices=[f"Load into table '{name}' completed, {count} record(s) loaded successfully."])

    def _run_unload(self, statement: Statement, _: Any) -> Answer:
        login, asked = self._login, statement.unload
        assert asked is not None
        with self._memory.everything():
            count = unload.run(self._cursor, asked, statement.sql, login.roles, login.user, login.s3)
        return Answer("UNLOAD", notices=[f"UNLOAD completed, {count} record(s) unloaded successfully."])


ROWS_AT_ONCE = 2000
KEY = "SMALLINT[]"  # the numbers of a key's columns in pg_constraint, the only arrays there are
