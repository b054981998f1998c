"""A portal on a real socket that serves given rows in SODA 2, strictly, and misbehaves by script."""

import contextlib
import gzip
import io
import json
import re
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from sf_transactions.model import DATASET_ID, PUBLISHED, PUBLISHED_NAMES

RESOURCE = f"/resource/{DATASET_ID}.csv"
METADATA = f"/api/views/{DATASET_ID}.json"
Fault = Callable[["Handler", bytes], None]


class ScriptedPortal(ThreadingHTTPServer):
    """`rows` are mappings; a None is a null. `faults` are taken, one a request, before any honest answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rows: list[dict] = []
        self.columns = list(PUBLISHED_NAMES)
        self.page_cap = 10**9
        self.faults: list[Fault] = []
        self.every_page: Callable[[bytes], bytes] = lambda body: body
        self.token: str | None = None
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def pages_asked(self) -> list[dict[str, str]]:
        return [query for path, query, _ in self.asked if path == RESOURCE and "$select" not in query]


@contextlib.contextmanager
def scripted_portal(*rows: dict) -> Iterator[ScriptedPortal]:
    with ScriptedPortal() as portal:
        portal.rows = list(rows)
        thread = threading.Thread(target=portal.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield portal
        finally:
            portal.shutdown()
            thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedPortal

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, strict_parsing=bool(url.query)).items()}
        self.server.asked.append((url.path, query, dict(self.headers)))
        told = self.headers.get("X-App-Token")
        if told and told != self.server.token:
            self.answer(403, _error("permission_denied", f"Invalid app_token specified: {told}"))
        elif url.path == METADATA:
            self.honest(_metadata(self.server.columns))
        elif url.path == RESOURCE:
            self.honest(self.answered(query))
        else:
            self.answer(404, _error("not_found", "no such resource"))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(404, _error("not_found", "no such resource"))

    def answered(self, query: dict[str, str]) -> bytes:
        if "$select" not in query:
            return self.server.every_page(self.page(query))
        return _signals(query, self.server.rows) if "distinct" in query["$select"] else _totals(self.server.rows)

    def page(self, query: dict[str, str]) -> bytes:
        assert set(query) == {"$where", "$order", "$limit", "$offset"}, query
        assert query["$order"] == ":id", "without an order pages repeat and skip rows"
        year = re.fullmatch(r"fiscal_year='(\d{4})'", query["$where"])
        assert year, query["$where"]
        limit = min(int(query["$limit"]), self.server.page_cap)
        offset = int(query["$offset"])
        rows = [row for row in self.server.rows if row["fiscal_year"] == year[1]][offset : offset + limit]
        return csv_body(self.server.columns, rows)

    def honest(self, body: bytes) -> None:
        if self.server.faults:
            self.server.faults.pop(0)(self, body)
        else:
            self.answer(200, body)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def csv_body(columns: list[str], rows: list[dict]) -> bytes:
    """Every value quoted, a null an empty field without quotes."""
    lines = [[*columns], *([row.get(name) for name in columns] for row in rows)]
    return "".join(",".join(_quoted(value) for value in line) + "\n" for line in lines).encode()


def _quoted(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


def _metadata(columns: list[str]) -> bytes:
    types = {column.name: column.type for column in PUBLISHED}
    listed = [{"fieldName": name, "dataTypeName": types.get(name, "text")} for name in columns]
    return json.dumps({"id": DATASET_ID, "rowsUpdatedAt": 1_790_000_000, "columns": listed}).encode()


def _totals(rows: list[dict]) -> bytes:
    groups = defaultdict(list)
    for row in rows:
        groups[row["fiscal_year"], row["revenue_or_spending"]].append(row["amount"])
    answer = [
        {"fiscal_year": year, "revenue_or_spending": side, "n": str(len(amounts)), "total": str(_sum(amounts))}
        for (year, side), amounts in sorted(groups.items())
    ]
    return csv_body(["fiscal_year", "revenue_or_spending", "n", "total"], answer)


def _signals(query: dict[str, str], rows: list[dict]) -> bytes:
    names = re.findall(r"count\(distinct (\w+)\) AS n_\1", query["$select"])
    answer = [
        {"fiscal_year": year}
        | {f"n_{name}": str(len({row[name] for row in rows if row["fiscal_year"] == year} - {None})) for name in names}
        for year in sorted({row["fiscal_year"] for row in rows})
    ]
    return csv_body(["fiscal_year", *(f"n_{name}" for name in names)], answer)


def _sum(amounts: list[str]) -> Decimal:
    return sum((Decimal(a) for a in amounts if a and re.fullmatch(r"-?\d+(\.\d+)?", a)), Decimal(0))


def _error(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "error": True, "message": message, "data": {}}).encode()


# Faults


def status(code: int, message: str = "try later", **headers: str) -> Fault:
    return lambda handler, body: handler.answer(code, _error("fault", message), **headers)


def cut(handler: Handler, body: bytes) -> None:
    """Announces the whole body and stops in the middle of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def cut_gzip(handler: Handler, body: bytes) -> None:
    compressed = gzip.compress(body)
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(compressed)))
    handler.end_headers()
    handler.wfile.write(compressed[:-20])
    handler.close_connection = True


def cut_chunked(handler: Handler, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    half = body[: len(body) // 2]
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(half), half))
    handler.close_connection = True


def cut_unannounced(handler: Handler, body: bytes) -> None:
    """Says no length and ends within the last value of the last row: valid CSV but for its end."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body.rstrip(b"\n")[:-4])
    handler.close_connection = True


def reset(handler: Handler, body: bytes) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.wfile = io.BytesIO()  # nothing more is sent
    handler.connection.close()


def damaged_gzip(handler: Handler, body: bytes) -> None:
    damaged = bytearray(gzip.compress(body))
    damaged[len(damaged) // 2] ^= 0xFF
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(damaged)))
    handler.end_headers()
    handler.wfile.write(bytes(damaged))


def sends(body: bytes) -> Fault:
    return lambda handler, _: handler.answer(200, body)
