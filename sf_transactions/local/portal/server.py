"""The HTTP side of the portal: routes, forms of an answer, tokens, faults."""

import gzip
import io
import itertools
import json
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from sf_transactions.local.portal import soql
from sf_transactions.local.portal.faults import Fault
from sf_transactions.model import DATASET_ID, DESCRIPTIONS, PUBLISHED

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

TOKENS = frozenset({"synthetic-sample-token"})
PUBLISHED_AT = 1_789_986_154  # 2026-09-21T10:22:34Z
TYPES = {column.name: column.type for column in PUBLISHED}
FEW = 1 << 16  # texts of a column


class Portal:
    """Serves `table`, whose columns are text, on 127.0.0.1 in threads.

    `faults` is asked, with the number of the request and its path, what is to go wrong with it. `requests` lists
    (method, path with query, status) of all answers.
    """

    def __init__(
        self,
        table: "pa.Table",
        port: int = 0,
        rows_updated_at: int = PUBLISHED_AT,
        faults: Callable[[int, str], Fault | None] = lambda number, path: None,
        tokens: frozenset[str] = TOKENS,
        name: str = "Synthetic sample of Spending and Revenue (invented rows, not the City's)",
    ) -> None:
        self.rows_updated_at, self.faults, self.tokens, self.name = rows_updated_at, faults, tokens, name
        self.requests: list[tuple[str, str, int]] = []
        self._numbers = itertools.count()
        self._wanted_port = port
        self._use(table)

    def _use(self, table: "pa.Table") -> None:
        import duckdb

        database = duckdb.connect()
        database.register("published", table)
        kinds = _kinds_of_texts(database, [name for name in table.column_names if TYPES.get(name) != "number"])
        columns = ", ".join(
            f'CAST("{name}" AS {kinds.get(name, "DECIMAL(18, 2)")}) AS "{name}"' for name in table.column_names
        )
        database.execute(
            f"CREATE TABLE dataset AS SELECT {columns}, row_number() OVER () AS {soql.ROW_ID} FROM published"
        )
        self._database, self._columns = database, list(table.column_names)
        self._contents = self._cached_contents()
        self._answers: dict[str, pa.Table] = {}

    def republish(self, table: "pa.Table") -> None:
        """Replaces all rows, as every weekly publication does."""
        self._use(table)
        self.rows_updated_at += 7 * 24 * 3600

    def start(self) -> "Portal":
        portal = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body go out as two packets; without this the second waits for the first's acknowledgement.
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                portal._answer(self, "GET", b"")

            def do_POST(self) -> None:
                portal._answer(self, "POST", self.rfile.read(int(self.headers.get("Content-Length") or 0)))

            def log_message(self, format: str, *args: Any) -> None:
                """`requests` has it."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", self._wanted_port), Handler)
        threading.Thread(target=self._server.serve_forever, name="portal", daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _answer(self, request: BaseHTTPRequestHandler, method: str, body: bytes) -> None:
        fault = self.faults(next(self._numbers), request.path) or Fault()
        if fault.reset:
            self.requests.append((method, request.path, 0))
            request.close_connection = True
            return
        try:
            if fault.status:
                status, kind, content = fault.status, "application/json", _failure("fault", "a fault was asked for")
            else:
                status, kind, content = self._route(request, method, body, fault)
        except soql.SoqlError as error:
            status, kind, content = 400, "application/json", _failure(error.code, error.message)
        self.requests.append((method, request.path, status))
        headers = {
            "Content-Type": kind,
            "ETag": f'"{self.rows_updated_at}"',
            "Last-Modified": formatdate(self.rows_updated_at),
        }
        headers["X-SODA2-Truth-Last-Modified"] = headers["Last-Modified"]
        if fault.retry_after is not None:
            headers["Retry-After"] = str(fault.retry_after)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            content = gzip.compress(content, 1)
            headers["Content-Encoding"] = "gzip"
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[: len(content) // 2] if fault.cut else content)
        if fault.cut:
            request.close_connection = True

    def _route(self, request: BaseHTTPRequestHandler, method: str, body: bytes, fault: Fault) -> tuple[int, str, bytes]:
        url = urllib.parse.urlsplit(request.path)
        token = request.headers.get("X-App-Token")
        if token and token not in self.tokens:
            return 403, "application/json", _failure("permission_denied", "Invalid app_token specified")
        if method == "GET" and url.path == f"/api/views/{DATASET_ID}.json":
            return 200, "application/json", json.dumps(self._metadata()).encode()
        if method == "GET" and url.path == f"/api/views/{DATASET_ID}/rows.csv":
            return 410, "application/json", _failure("feature_deprecated", "This endpoint has been removed")
        for form in ("csv", "json"):
            if method == "GET" and url.path == f"/resource/{DATASET_ID}.{form}":
                parameters = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
                return self._query(parameters, form, fault)
            if method == "POST" and url.path == f"/api/v3/views/{DATASET_ID}/query.{form}":
                if not token:
                    return 403, "application/json", _failure("authentication_required", "An app token is required")
                return self._query(_soda3(body), form, fault)
        return 404, "application/json", _failure("dataset.missing", f"Not found: {url.path}")

    def _cached_contents(self) -> dict[str, dict[str, str]]:
        """The portal's own profile of each column, made when it publishes."""
        facts = ("null", "non_null", "smallest", "largest")
        asked = ", ".join(
            f'count(*) - count("{name}"), count("{name}"), min("{name}"), max("{name}")' for name in self._columns
        )
        answer = self._database.cursor().execute(f"SELECT {asked} FROM dataset").fetchone() or ()
        texts = [None if value is None else str(value) for value in answer]
        return {
            name: {fact: text for fact, text in zip(facts, texts[4 * place :], strict=False) if text is not None}
            for place, name in enumerate(self._columns)
        }

    def _metadata(self) -> dict[str, Any]:
        columns = [
            {
                "fieldName": name,
                "name": name.replace("_", " ").title(),
                "dataTypeName": TYPES.get(name, "text"),
                "position": position,
                "description": DESCRIPTIONS.get(name, ""),
                "cachedContents": self._contents[name],
            }
            for position, name in enumerate(self._columns, start=1)
        ]
        return {
            "id": DATASET_ID,
            "name": self.name,
            "description": "Generated rows in the shape of the City's published data. Not real.",
            "rowsUpdatedAt": self.rows_updated_at,
            "columns": columns,
        }

    def _asked(self, sql: str) -> "pa.Table":
        return self._database.cursor().sql(sql).to_arrow_table()

    def _grouped(self, sql: str) -> "pa.Table":
        """What was added up is kept until the next publication, as a cache in front of a portal does."""
        answers = self._answers
        if sql not in answers:
            answers[sql] = self._asked(sql)
        return answers[sql]

    def _query(self, parameters: Mapping[str, str], form: str, fault: Fault) -> tuple[int, str, bytes]:
        query = soql.compile_query(parameters, self._columns)
        # Without $order the order is undefined: here it is another one every time, so that nobody relies on it.
        grouped = "$group" in parameters
        order = "" if query.ordered or grouped else " ORDER BY random()"
        limit = max(query.limit - fault.lost_rows, 0)
        sql = f"SELECT * FROM ({query.sql}) AS answer{order} LIMIT {limit} OFFSET {query.offset}"
        table = self._grouped(sql) if grouped else self._asked(sql)
        if fault.lost_rows:
            table = table.slice(0, max(table.num_rows - fault.lost_rows, 0))
        text = _as_text(table)
        return (200, "text/csv; charset=utf-8", _csv(text)) if form == "csv" else (200, "application/json", _json(text))


def _kinds_of_texts(database: "duckdb.DuckDBPyConnection", names: list[str]) -> dict[str, str]:
    """The types of columns of texts: an enumeration in alphabetical order where there are few of them, which are found
    and counted in a third of the time."""
    counts = ", ".join(f'count(DISTINCT "{name}")' for name in names)
    values = database.execute(f"SELECT {counts} FROM published").fetchone() or ()
    kinds = dict.fromkeys(names, "VARCHAR")
    for name, count in zip(names, values, strict=True):
        if 0 < count <= FEW:
            kinds[name] = f'"values of {name}"'
            database.execute(
                f"CREATE TYPE {kinds[name]} AS ENUM"
                f' (SELECT DISTINCT "{name}" FROM published WHERE "{name}" IS NOT NULL ORDER BY 1)'
            )
    return kinds


def _failure(code: str, message: str) -> bytes:
    return json.dumps({"code": code, "error": True, "message": message, "data": {}}).encode()


def _soda3(body: bytes) -> dict[str, str]:
    try:
        asked = json.loads(body)
        parameters = soql.from_statement(asked["query"])
        if page := asked.get("page"):
            size = int(page["pageSize"])
            parameters["$limit"], parameters["$offset"] = str(size), str((int(page["pageNumber"]) - 1) * size)
        return parameters
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, soql.SoqlError):
            raise
        raise soql.SoqlError("query.compiler.malformed", "The body is no query") from None


def _as_text(table: "pa.Table") -> "pa.Table":
    """Every value as the portal prints it: numbers without trailing zeros."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for column in table.columns:
        text = column.cast(pa.string())
        if pa.types.is_decimal(column.type) or pa.types.is_floating(column.type):
            whole = pc.replace_substring_regex(text, r"(\.[0-9]*?)0+$", r"\1")
            text = pc.replace_substring_regex(whole, r"\.$", "")
        columns.append(text)
    return pa.table(columns, names=table.column_names)


def _csv(table: "pa.Table") -> bytes:
    """Every value quoted, null an empty field without quotes."""
    import pyarrow.csv

    out = io.BytesIO()
    header = ",".join(f'"{name}"' for name in table.column_names) + "\n"
    out.write(header.encode())
    pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid"))
    return out.getvalue()


def _json(table: "pa.Table") -> bytes:
    rows = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
    return json.dumps(rows).encode()
