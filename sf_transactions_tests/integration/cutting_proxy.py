"""A proxy in front of an SQL endpoint that cuts the connection at a statement: before it is sent, or its answer."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

BEFORE, ANSWER = "before", "answer"
READY = b"Z\0\0\0\x05"


@dataclass
class CuttingProxy:
    """Listens on 127.0.0.1. `decide` gets the number of a statement, from 1, and its text, and says where to cut."""

    target: int
    decide: Callable[[int, str], str | None] = lambda number, statement: None
    statements: list[str] = field(default_factory=list)

    def __enter__(self) -> "CuttingProxy":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends accept
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.target)) as server:
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conversation = _Conversation(self, client, server)
            back = threading.Thread(target=conversation.back, daemon=True)
            back.start()
            with contextlib.suppress(OSError, ConnectionError, struct.error):
                conversation.forth()
            for each in (client, server):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            back.join(5)


class _Conversation:
    def __init__(self, proxy: CuttingProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._prepared: dict[bytes, str] = {}
        self._portals: dict[bytes, str] = {}
        self._swallow, self._answered = False, threading.Event()

    def forth(self) -> None:
        reader = self._client.makefile("rb")
        (size,) = struct.unpack("!i", head := reader.read(4))
        self._server.sendall(head + reader.read(size - 4))
        while kind := reader.read(1):
            (size,) = struct.unpack("!i", head := reader.read(4))
            body = reader.read(size - 4)
            cut = self._noted(kind, body)
            if cut == BEFORE:
                return
            self._swallow = self._swallow or cut == ANSWER
            self._server.sendall(kind + head + body)
            if self._swallow and kind == b"S":
                self._answered.wait(10)
                return

    def _noted(self, kind: bytes, body: bytes) -> str | None:
        if kind == b"P":
            name, statement, _ = body.split(b"\0", 2)
            self._prepared[name] = statement.decode()
        elif kind == b"B":
            portal, name, _ = body.split(b"\0", 2)
            self._portals[portal] = self._prepared[name]
        elif kind == b"E":
            statement = self._portals[body.split(b"\0", 1)[0]]
            self._proxy.statements.append(statement)
            return self._proxy.decide(len(self._proxy.statements), statement)
        return None

    def back(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(1 << 16):
                if not self._swallow:
                    self._client.sendall(data)
                elif data[-6:-1] == READY:
                    self._answered.set()
        with contextlib.suppress(OSError):  # also when the server was killed and reset the connection
            self._client.shutdown(socket.SHUT_RDWR)
