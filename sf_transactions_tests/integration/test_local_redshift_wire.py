"""Whatever bytes a client of the Redshift stand-in sends, the endpoint ends its session and serves the next.

A client sends, shuts its side and reads until the endpoint hangs up: that it does, and without an internal error in its
log, is what every test here asserts. The statements are few; what statements may do is tested elsewhere.
"""

import contextlib
import logging
import socket
import struct

import pytest
import redshift_connector
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sf_transactions.local.redshift import login
from sf_transactions.local.redshift.server import Cluster, RedshiftEndpoint
from sf_transactions.local.redshift.wire import CANCEL, GSS, PROTOCOL_3, SSL

PATIENCE = 20  # seconds without an answer that count as hanging
FUZZED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
MORE = settings(FUZZED, max_examples=1500)


class Client:
    """Bytes to an endpoint and back."""

    def __init__(self, tmp_path) -> None:
        cluster = Cluster("books", "city", "clerk", "Secret123", ())
        self.endpoint = RedshiftEndpoint(tmp_path / "warehouse.duckdb", lambda: [cluster], lambda: None)
        self.endpoint.start()

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.endpoint.port), PATIENCE)

    def answers(self, sent: bytes) -> bytes:
        """All that comes back until the endpoint hangs up, which it may do before it has read everything."""
        answers = b""
        with self.socket() as sock:
            with contextlib.suppress(ConnectionError):
                sock.sendall(sent)
                sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while data := sock.recv(1 << 16):
                    answers += data
        return answers

    def is_served(self) -> bool:
        with redshift_connector.connect(
            host="127.0.0.1", port=self.endpoint.port, user="clerk", password="Secret123", database="city", ssl=False
        ) as connection:
            cursor = connection.cursor()
            cursor.execute("select %s + 1", (41,))
            return list(cursor.fetchone()) == [42]


@pytest.fixture
def client(tmp_path, caplog):
    """Afterwards a good client is served, and nothing in the log tells of an error of the endpoint's own."""
    client = Client(tmp_path)
    yield client
    assert client.is_served()
    client.endpoint.stop()
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


def first(code: int, body: bytes = b"", off: int = 0) -> bytes:
    return struct.pack("!ii", len(body) + 8 + off, code) + body


def message(kind: bytes, body: bytes = b"", off: int = 0) -> bytes:
    return kind + struct.pack("!i", len(body) + 4 + off) + body


STARTUP = first(PROTOCOL_3, b"user\0clerk\0database\0city\0\0")
LOGIN = STARTUP + message(b"p", b"Secret123\0")
NO_ERROR = st.just(0)
LENGTHS = NO_ERROR | st.integers(-12, 12) | st.sampled_from([1 << 16, (1 << 26) - 100, 1 << 27, -(1 << 31) + 100])
CODES = st.sampled_from([PROTOCOL_3, CANCEL, SSL, GSS, 2 << 16]) | st.integers(-(1 << 31), (1 << 31) - 1)
WORDS = st.sampled_from([b"user", b"clerk", b"database", b"city", b"", b"\xff"]) | st.binary(max_size=9)
PARAMETERS = st.lists(WORDS, max_size=6).map(b"\0".join)
STARTS = st.builds(first, CODES, PARAMETERS | st.binary(max_size=20), LENGTHS)
PASSWORDS = st.builds(message, st.sampled_from([b"p", b"Q", b"\0"]), st.binary(max_size=12), LENGTHS)

NAMES = st.sampled_from([b"\0", b"one\0", b"\xff\0", b"no end"])
SHORTS = st.integers(-2, 3) | st.sampled_from([32767, -32768])
STATEMENTS = st.sampled_from(
    ["", ";", "select 1", "select $1", "select $1 + 1, $2", "begin", "commit", "select 1; select 2", "selec", "'", "/*"]
).map(str.encode) | st.binary(max_size=12)
OIDS = st.sampled_from([0, 16, 20, 21, 23, 25, 700, 701, 1043, 1082, 1114, 1700, -1])


def counted(form: str, values) -> st.SearchStrategy[bytes]:
    """A list behind its count, which now and then is another."""
    lists = st.lists(values, max_size=3)
    right = lists.map(lambda found: struct.pack(f"!h{len(found)}{form}", len(found), *found))
    return right | st.builds(lambda count, rest: struct.pack("!h", count) + rest[2:], SHORTS, right)


VALUES = st.builds(
    lambda data, off: struct.pack("!i", len(data) + off) + data,
    st.sampled_from([b"1", b"x", b"2025-01-01", b"\x7f" * 8, b"\0" * 4]) | st.binary(max_size=9),
    NO_ERROR | st.integers(-12, 12) | st.just(1 << 30),
)
BIND_VALUES = st.lists(VALUES, max_size=3).map(lambda found: struct.pack("!h", len(found)) + b"".join(found))
FORMATS = counted("h", st.sampled_from([0, 1, 2, -1]))
BODIES = {
    b"Q": st.builds(lambda text, end: text + end, STATEMENTS, st.sampled_from([b"\0", b""])),
    b"P": st.builds(lambda name, text, types: name + text + b"\0" + types, NAMES, STATEMENTS, counted("i", OIDS)),
    b"B": st.tuples(NAMES, NAMES, FORMATS, BIND_VALUES, FORMATS).map(b"".join),
    b"D": st.tuples(st.sampled_from([b"S", b"P", b"", b"?"]), NAMES).map(b"".join),
    b"E": st.tuples(NAMES, st.sampled_from([b"\0" * 4, b"\0\0\0\x01", b"", b"\xff" * 4])).map(b"".join),
    b"C": st.tuples(st.sampled_from([b"S", b"P", b""]), NAMES).map(b"".join),
    b"S": st.just(b""),
    b"H": st.just(b""),
    b"d": st.binary(max_size=9),
}
RIGHT = st.sampled_from(sorted(BODIES)).flatmap(lambda kind: BODIES[kind].map(lambda body: message(kind, body)))
WRONG = st.builds(message, st.binary(min_size=1, max_size=1), st.binary(max_size=24), LENGTHS)
MESSAGES = st.lists(RIGHT | RIGHT | RIGHT | WRONG, min_size=1, max_size=12).map(b"".join)


def _broken_logins(client, fuzzed):
    @fuzzed
    @example(STARTUP[:3])
    @example(STARTUP)
    @example(first(SSL) * 1000)
    @example(first(GSS) + first(SSL) + LOGIN)
    @example(first(CANCEL, b"\0" * 7))
    @example(STARTUP + message(b"p", b"no end"))
    @example(STARTUP + message(b"p", off=(1 << 26) - 4))
    @given(st.lists(STARTS | PASSWORDS | st.just(STARTUP) | st.just(first(SSL)), max_size=5).map(b"".join))
    def ends_alone(sent):
        assert (b"Z\0\0\0\x05" in client.answers(sent)) == (sent == first(GSS) + first(SSL) + LOGIN)

    ends_alone()


def _broken_messages(client, fuzzed):
    @fuzzed
    @example(message(b"B", b"\0\0" + struct.pack("!hhh", 0, 0, 0)) + message(b"E", b"\0\0\0\0\0") + message(b"S"))
    @example(message(b"Q", b"select 1\0", off=(1 << 26) - 100))
    @given(MESSAGES)
    def ends_alone(sent):
        assert b"Z\0\0\0\x05I" in client.answers(LOGIN + sent)  # the answer to the login

    ends_alone()


def test_a_broken_login_ends_the_session_alone(client):
    _broken_logins(client, FUZZED)


def test_broken_messages_end_the_session_alone(client):
    _broken_messages(client, FUZZED)


@pytest.mark.full
def test_many_broken_logins_end_their_sessions_alone(client):
    _broken_logins(client, MORE)


@pytest.mark.full
def test_many_broken_messages_end_their_sessions_alone(client):
    _broken_messages(client, MORE)


def test_a_message_cut_anywhere_ends_the_session_alone(client):
    parse = message(b"P", b"one\0select $1\0" + struct.pack("!hi", 1, 23))
    bind = message(b"B", b"\0one\0" + struct.pack("!hhi", 0, 1, 1) + b"7" + struct.pack("!h", 0))
    whole = LOGIN + parse + bind + message(b"E", b"\0" + b"\0" * 4) + message(b"S")
    assert b"SELECT 1" in client.answers(whole)
    for size in range(len(whole)):
        assert b"SELECT 1" not in client.answers(whole[:size]) or size >= len(whole) - 5


@pytest.mark.parametrize("sent", [b"", STARTUP[:5], first(SSL), STARTUP, STARTUP + message(b"p", off=9)])
def test_who_does_not_log_in_in_time_is_hung_up_on(client, monkeypatch, sent):
    monkeypatch.setattr(login, "SECONDS", 0.2)
    with client.socket() as sock:
        sock.sendall(sent)
        while sock.recv(1 << 16):  # a refusal of encryption, or the question for the password; then the end
            pass
    monkeypatch.undo()


def test_a_client_that_stalls_in_the_middle_keeps_nobody_waiting(client):
    with client.socket() as stalled:
        stalled.sendall(LOGIN + message(b"Q", b"select 1\0", off=1 << 20))
        assert client.is_served()


def test_encryption_is_refused_once_a_kind(client):
    assert client.answers(first(GSS) + first(SSL) + LOGIN).startswith(b"NNR")
    refused = client.answers(first(SSL) * 3)
    assert refused.startswith(b"NE") and b"08P01" in refused
