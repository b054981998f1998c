"""Messages of the PostgreSQL protocol, version 3: how bytes are read and written, and values as text."""

import contextlib
import datetime
import math
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from sf_transactions.local.redshift.errors import SqlError

PROTOCOL_3, CANCEL, SSL, GSS = 196608, 80877102, 80877103, 80877104
LONGEST_LOGIN, LONGEST = 1 << 16, 1 << 26  # bytes of a message before and after the login, with its length
AT_ONCE = 1 << 16  # bytes that are read, and for which memory is taken, at a time

# DuckDB's type names: (type OID, size in bytes)
_TYPES = {
    "BOOLEAN": (16, 1), "TINYINT": (21, 2), "SMALLINT": (21, 2), "INTEGER": (23, 4), "BIGINT": (20, 8),
    "FLOAT": (700, 4), "DOUBLE": (701, 8), "DATE": (1082, 4), "TIMESTAMP": (1114, 8),
    "TIMESTAMP WITH TIME ZONE": (1184, 8), "HUGEINT": (1700, -1), "SMALLINT[]": (1005, -1),
}  # fmt: skip
_VARCHAR = (1043, -1)


class Connection:
    """A socket that speaks messages."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        # Answers are small and waited for: each goes out at once.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = sock.makefile("rb")
        self._out = bytearray()

    def read(self, size: int) -> bytes:
        """As many bytes; memory is taken for those that came, not for those that a length promises."""
        data = bytearray()
        while len(data) < size:
            part = self._in.read(min(size - len(data), AT_ONCE))
            if not part:
                raise ConnectionError("the client has gone")
            data += part
        return bytes(data)

    def startup(self) -> tuple[int, bytes]:
        """The untyped first message: its code and its body."""
        (length,) = struct.unpack("!i", self.read(4))
        if not 8 <= length <= 10_000:
            raise ConnectionError("no startup message")
        body = self.read(length - 4)
        return struct.unpack("!i", body[:4])[0], body[4:]

    def message(self, longest: int = LONGEST) -> tuple[bytes, bytes]:
        # The end of what a driver sends in pieces waits until the rest is acknowledged, for which Linux takes 40 ms.
        if sys.platform == "linux":
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        kind = self.read(1)
        (length,) = struct.unpack("!i", self.read(4))
        if not 4 <= length <= longest:
            raise ConnectionError("a message of impossible length")
        return kind, self.read(length - 4)

    def send(self, kind: bytes, body: bytes = b"") -> None:
        self._out += kind + struct.pack("!i", len(body) + 4) + body
        if len(self._out) > 1 << 16:
            self.flush()

    def send_raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def flush(self) -> None:
        if self._out:
            self.socket.sendall(self._out)
            self._out = bytearray()

    def hang_up(self) -> None:
        """Ends the conversation from another thread: who reads or writes here gets an error."""
        with contextlib.suppress(OSError):  # the client has gone
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._in.close()
        self.socket.close()


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def split_text(body: bytes) -> tuple[str, bytes]:
    """The text at the start of a message, and what follows. Raises SqlError when it has no end."""
    value, end, rest = body.partition(b"\0")
    if not end:
        raise unreadable("a text has no end")
    return value.decode(), rest


def split_numbers(body: bytes, code: str) -> tuple[tuple[int, ...], bytes]:
    """A list of numbers behind its count, of the form of this struct code, and what follows. Raises struct.error."""
    (count,) = struct.unpack_from("!h", body)
    form = f"!{count}{code}"
    return struct.unpack_from(form, body, 2), body[2 + struct.calcsize(form) :]


def split_values(body: bytes) -> tuple[list[bytes | None], bytes]:
    """The values of Bind behind their count, None for a null, and what follows. Raises SqlError, struct.error."""
    (count,) = struct.unpack_from("!h", body)
    rest, values = body[2:], list[bytes | None]()
    for _ in range(count):
        (size,) = struct.unpack_from("!i", rest)
        if size > len(rest) - 4:
            raise unreadable("a value is shorter than its length says")
        values.append(None if size < 0 else rest[4 : 4 + size])
        rest = rest[4 + max(size, 0) :]
    return values, rest


def unreadable(why: str) -> SqlError:
    return SqlError("08P01", f"the message could not be read: {why}")


def error(found: SqlError) -> bytes:
    fields = {
        "S": found.severity,
        "C": found.code,
        "M": found.message,
        "D": found.detail,
        "P": str(found.position or ""),
    }
    return b"".join(key.encode() + text(value) for key, value in fields.items() if value) + b"\0"


def row_description(columns: Sequence[tuple[str, str]]) -> bytes:
    """Columns as (name, DuckDB type)."""
    body = struct.pack("!h", len(columns))
    for name, kind in columns:
        oid, size, modifier = _type(kind)
        body += text(name) + struct.pack("!ihihih", 0, 0, oid, size, modifier, 0)
    return body


def _type(kind: str) -> tuple[int, int, int]:
    if kind.startswith("DECIMAL("):
        precision, scale = map(int, kind[8:-1].split(","))
        return 1700, -1, ((precision << 16) | scale) + 4
    oid, size = _TYPES.get(kind, _VARCHAR)
    return oid, size, (38 << 16) + 4 if kind == "HUGEINT" else -1


def data_row(values: Sequence[Any], formats: Sequence[str | None] = ()) -> bytes:
    """A row; `formats` has the DuckDB type of each column that is to be sent in binary form, and None for text."""
    parts = [struct.pack("!h", len(values))]
    for position, value in enumerate(values):
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
            continue
        kind = formats[position] if formats else None
        encoded = _BINARY[kind](value) if kind else value_text(value).encode()
        parts.append(struct.pack("!i", len(encoded)) + encoded)
    return b"".join(parts)


def _microseconds(value: datetime.datetime) -> bytes:
    since = value.replace(tzinfo=None) - datetime.datetime(2000, 1, 1)
    return struct.pack("!q", since // datetime.timedelta(microseconds=1))


_BINARY: dict[str, Callable[[Any], bytes]] = {
    "BOOLEAN": lambda value: struct.pack("!?", value),
    "SMALLINT": lambda value: struct.pack("!h", value),
    "TINYINT": lambda value: struct.pack("!h", value),
    "INTEGER": lambda value: struct.pack("!i", value),
    "BIGINT": lambda value: struct.pack("!q", value),
    "FLOAT": lambda value: struct.pack("!f", value),
    "DOUBLE": lambda value: struct.pack("!d", value),
    "DATE": lambda value: struct.pack("!i", (value - datetime.date(2000, 1, 1)).days),
    "TIMESTAMP": _microseconds,
    "TIMESTAMP WITH TIME ZONE": _microseconds,
    "VARCHAR": lambda value: value.encode(),
    '"NULL"': lambda value: b"",  # a column of nothing but nulls, whose values are never asked for
}


def for_each(formats: Sequence[int], count: int) -> list[int]:
    """Formats of Bind spread over its values or columns: none means text, one is that of all. Raises SqlError."""
    if len(formats) not in (0, 1, count):
        raise SqlError("08P01", f"bind message has {len(formats)} formats but {count} values or columns")
    return list(formats) if len(formats) == count else [*(formats or (0,))] * count


def binary_formats(formats: Sequence[int], kinds: Sequence[str]) -> list[str | None]:
    """What the client asked for in Bind, by column. Raises SqlError for a type that has no binary form here."""
    wanted = for_each(formats, len(kinds))
    for asked, kind in zip(wanted, kinds, strict=True):
        if asked and kind not in _BINARY:
            raise SqlError("0A000", f"{kind} has no binary form in the stand-in")
    return [kind if asked else None for asked, kind in zip(wanted, kinds, strict=True)]


def value_text(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime.datetime):
        written = value.isoformat(" ")
        return written.removesuffix(":00") if value.tzinfo else written
    if isinstance(value, list):
        return f"{{{','.join(map(value_text, value))}}}"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value)


_INTEGERS, _FLOATS, _TEXTS = (20, 21, 23, 26), (700, 701), (0, 18, 25, 705, 1042, 1043)
_EPOCH = datetime.datetime(2000, 1, 1)


def _from_binary(data: bytes, oid: int) -> Any:
    formats = {16: "!?", 21: "!h", 23: "!i", 20: "!q", 26: "!I", 700: "!f", 701: "!d"}
    if oid in formats:
        return struct.unpack(formats[oid], data)[0]
    try:
        if oid == 1082:
            return _EPOCH.date() + datetime.timedelta(days=struct.unpack("!i", data)[0])
        if oid in (1114, 1184):
            return _EPOCH + datetime.timedelta(microseconds=struct.unpack("!q", data)[0])
    except OverflowError:
        raise SqlError("22008", f"a parameter of type {oid} is out of range") from None
    if oid in _TEXTS:
        return data.decode()
    raise SqlError("0A000", f"binary parameters of type {oid} are not supported by the stand-in")


def parameter(data: bytes | None, oid: int, binary: bool) -> Any:
    """A bound parameter as a Python value. Raises SqlError for a form that is not known."""
    if data is None:
        return None
    if binary:
        return _from_binary(data, oid)
    value = data.decode()
    try:
        if oid in _INTEGERS:
            return int(value)
        if oid == 1700:
            return Decimal(value)
        if oid in _FLOATS:
            return float(value)
        if oid == 16:
            return value.lower() in ("t", "true", "1")
        if oid == 1082:
            return datetime.date.fromisoformat(value)
        if oid in (1114, 1184):
            return datetime.datetime.fromisoformat(value)
    except (ValueError, ArithmeticError):
        raise SqlError("22P02", f"invalid input for a parameter of type {oid}: {value!r}") from None
    if oid not in _TEXTS:
        raise SqlError("0A000", f"parameters of type {oid} are not supported by the stand-in")
    return value
