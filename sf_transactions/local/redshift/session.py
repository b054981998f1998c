"""One connection: login, the simple and the extended protocol. What statements do is in `runner.py`."""

import itertools
import logging
import secrets
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sf_transactions.local.redshift import dialect, login, wire
from sf_transactions.local.redshift.errors import OUT_OF_MEMORY, SqlError, from_duckdb, locate
from sf_transactions.local.redshift.locks import Locks
from sf_transactions.local.redshift.memory import Memory
from sf_transactions.local.redshift.runner import Answer, Login, Runner

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger("sf_transactions.local.redshift")

PARAMETERS = {
    "server_version": "8.0.2", "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY",
    "TimeZone": "UTC", "integer_datetimes": "on", "standard_conforming_strings": "on", "is_superuser": "off",
}  # fmt: skip


@dataclass
class Prepared:
    statement: dialect.Statement | None
    parameter_types: tuple[int, ...]


@dataclass
class Portal:
    statement: dialect.Statement | None
    parameters: tuple[Any, ...]
    formats: tuple[int, ...]  # of the result's columns: 0 text, 1 binary
    answer: Answer | None = None  # of a statement that was executed in part
    binary: Sequence[str | None] = ()
    rows: Iterator[tuple[Any, ...]] = field(default_factory=lambda: iter(()))  # that the client has not asked for yet


class Session:
    """Serves one client until it leaves. `cancel` asks the server to end the statement of another session."""

    def __init__(
        self,
        connection: wire.Connection,
        cursor: "duckdb.DuckDBPyConnection",
        clusters: Callable[[], list[login.Cluster]],
        s3: Callable[[], Any],
        pid: int,
        cancel: Callable[[int, int], None],
        locks: Locks,
        memory: Memory,
    ) -> None:
        self._wire, self._cursor = connection, cursor
        self._clusters, self._s3, self._cancel, self._locks, self._memory = clusters, s3, cancel, locks, memory
        self.pid, self.secret = pid, secrets.randbits(31)
        self._runner: Runner | None = None
        self._prepared: dict[str, Prepared] = {}
        self._portals: dict[str, Portal] = {}
        self._suspended: Portal | None = None  # whose rows still come from the cursor
        self._skip_to_sync = False
        self._source = ""  # of the statement that was read last

    @property
    def runner(self) -> Runner:
        assert self._runner is not None  # there is one after login
        return self._runner

    def interrupt(self) -> None:
        """Ends the statement that runs; called from another thread."""
        if self._runner:
            self._runner.interrupt()

    def hang_up(self) -> None:
        """Ends the session; called from another thread."""
        self.interrupt()
        self._wire.hang_up()

    def serve(self) -> None:
        try:
            if self._login_in_time():
                self._ready()
                while self._step():
                    pass
        except OSError:
            log.debug("session %d: the client has gone", self.pid)
        finally:
            if self._runner:
                self._runner.let_go()

    # Login

    def _login_in_time(self) -> bool:
        """A client that sends a part of what it has to, or a byte now and then, is hung up on."""
        timer = threading.Timer(login.SECONDS, self._wire.hang_up)
        timer.daemon = True
        timer.start()
        try:
            return self._login()
        finally:
            timer.cancel()

    def _login(self) -> bool:
        try:
            code, body = login.first(self._wire)
            if code == wire.CANCEL and len(body) == 8:
                self._cancel(*struct.unpack("!ii", body))
                return False
            self._startup(code, body)
        except OSError:
            raise  # the client has gone
        except SqlError as error:
            found = error
        except UnicodeDecodeError as error:
            found = wire.unreadable(str(error))
        except Exception:
            log.exception("session %d: the login failed", self.pid)
            found = SqlError("XX000", "internal error of the stand-in at login; its log says more")
        else:
            return True
        found.severity = "FATAL"
        self._wire.send(b"E", wire.error(found))
        self._wire.flush()
        return False

    def _startup(self, code: int, body: bytes) -> None:
        if code != wire.PROTOCOL_3 and code >> 16 != 3:
            raise SqlError("08P01", "the stand-in speaks version 3 of the protocol")
        words = body.rstrip(b"\0").decode().split("\0")
        given = dict(zip(words[::2], words[1::2], strict=False))
        user = given.get("user", "")
        cluster = login.authenticate(self._wire, self._clusters(), user, given.get("database") or user)
        self._runner = Runner(
            self._cursor,
            Login(user, cluster.database, cluster.iam_roles, self.pid, self._s3),
            self._locks,
            self._memory,
        )
        self._wire.send(b"R", struct.pack("!i", 0))
        for name, value in PARAMETERS.items():
            self._wire.send(b"S", wire.text(name) + wire.text(value))
        self._wire.send(b"K", struct.pack("!ii", self.pid, self.secret))

    def _ready(self) -> None:
        self._wire.send(b"Z", self.runner.status)
        self._wire.flush()

    # Messages

    def _step(self) -> bool:
        kind, body = self._wire.message()
        if kind == b"X":
            return False
        if kind == b"S":
            self._skip_to_sync = False
            if self.runner.status == b"I":  # portals end with their transaction
                self._portals.clear()
                self._suspended = None
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
        except OSError:
            raise  # the client has gone
        except duckdb.Error as error:
            found = from_duckdb(error)
            if found.code == OUT_OF_MEMORY:
                self._memory.ran_out()
        except SqlError as error:
            found = error
        except (UnicodeDecodeError, struct.error) as error:
            found = wire.unreadable(str(error))
        except RecursionError:
            found = SqlError("54001", "the statement is nested too deeply")
        except Exception as error:
            log.exception("session %d: internal error", self.pid)
            found = SqlError("XX000", f"internal error of the stand-in: {type(error).__name__}; its log says more")
        locate(found, self._source)
        self._wire.send(b"E", wire.error(found))
        self.runner.failed()
        return False

    def _keep_rows(self) -> None:
        """Another statement needs the cursor: what a portal has not sent is fetched now."""
        if self._suspended is not None:
            portal, self._suspended = self._suspended, None
            portal.rows = iter(list(portal.rows))

    def _simple(self, text: str) -> None:
        self._keep_rows()
        self._source = text
        sources = dialect.split(text)
        if not sources:
            self._wire.send(b"I")
        elif len(sources) == 1:
            self._simple_one(sources[0])
        else:
            with self.runner.together():
                for source in sources:
                    self._simple_one(source)

    def _simple_one(self, source: str) -> None:
        statement = dialect.translate(source)
        if columns := self.runner.columns(statement, ()):
            self._wire.send(b"T", wire.row_description(columns))
        self._run(statement, (), ())

    def _parse(self, body: bytes) -> None:
        name, rest = wire.split_text(body)
        source, rest = wire.split_text(rest)
        self._source = source
        types, _ = wire.split_numbers(rest, "i")
        sources = dialect.split(source)
        if len(sources) > 1:
            raise SqlError("42601", "cannot insert multiple commands into a prepared statement")
        self._prepared[name] = Prepared(dialect.translate(sources[0]) if sources else None, types)
        self._wire.send(b"1")

    def _bind(self, body: bytes) -> None:
        portal, rest = wire.split_text(body)
        name, rest = wire.split_text(rest)
        prepared = self._named(name)
        formats, rest = wire.split_numbers(rest, "h")
        given, rest = wire.split_values(rest)
        results, _ = wire.split_numbers(rest, "h")
        types = (*prepared.parameter_types, *(0,) * len(given))
        values = [
            wire.parameter(data, oid, bool(binary))
            for data, oid, binary in zip(given, types, wire.for_each(formats, len(given)), strict=False)
        ]
        wanted = prepared.statement.parameter_count if prepared.statement else 0
        if len(values) != wanted:
            raise SqlError("08P01", f"bind message supplies {len(values)} parameters, but {wanted} are required")
        self._portals[portal] = Portal(prepared.statement, tuple(values), results)
        self._wire.send(b"2")

    def _named(self, name: str) -> Prepared:
        if name not in self._prepared:
            raise SqlError("26000", f'prepared statement "{name}" does not exist')
        return self._prepared[name]

    def _describe(self, body: bytes) -> None:
        self._keep_rows()
        name, _ = wire.split_text(body[1:])
        if body[:1] == b"S":
            prepared = self._named(name)
            count = prepared.statement.parameter_count if prepared.statement else 0
            types = (*prepared.parameter_types, *(0,) * count)[:count]
            self._wire.send(b"t", struct.pack(f"!h{count}i", count, *types))
            columns = self.runner.columns(prepared.statement, (None,) * count)
        else:
            portal = self._portal(name)
            columns = self.runner.columns(portal.statement, portal.parameters)
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
        self._continue(portal, limit)

    def _close(self, body: bytes) -> None:
        name, _ = wire.split_text(body[1:])
        if body[:1] == b"S":
            self._prepared.pop(name, None)
        else:
            self._portals.pop(name, None)
        self._wire.send(b"3")

    def _run(self, statement: dialect.Statement, parameters: tuple[Any, ...], formats: tuple[int, ...]) -> None:
        """Executes a statement and sends what it gives, rows as they come."""
        self._continue(Portal(statement, parameters, formats), 0)

    def _continue(self, portal: Portal, limit: int) -> None:
        """Executes a portal, or goes on with it, and sends as many rows as `limit` says; all of them when it is 0."""
        statement = portal.statement
        assert statement is not None
        if portal is not self._suspended:
            self._keep_rows()
        if portal.answer is None:
            portal.answer = self._start(portal, statement)
        elif portal.answer.rows is None:
            raise SqlError("55000", "the portal was executed and cannot be run again")
        count = 0
        for row in itertools.islice(portal.rows, limit or None):
            self._wire.send(b"D", wire.data_row(row, portal.binary))
            count += 1
        if limit and count == limit:
            self._suspended = portal
            self._wire.send(b"s")
            return
        self._suspended = None
        self._wire.send(b"C", wire.text(f"SELECT {count}" if statement.kind == "query" else portal.answer.tag))

    def _start(self, portal: Portal, statement: dialect.Statement) -> Answer:
        answer = self.runner.run(statement, portal.parameters)
        for notice in answer.notices:
            self._wire.send(b"N", wire.error(SqlError("00000", notice, severity="INFO")))
        if answer.rows is not None:
            portal.binary = wire.binary_formats(portal.formats, answer.kinds) if any(portal.formats) else ()
            portal.rows = itertools.chain.from_iterable(answer.rows)
        return answer
