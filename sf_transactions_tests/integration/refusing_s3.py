"""A door to S3 that lets some requests through, and answers the others as S3 does when it refuses."""

import contextlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def refusing_s3(behind: str, status: int, code: str, let_through: int) -> Iterator[str]:
    """Listens on 127.0.0.1 in front of another S3, and gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal let_through
            let_through -= 1
            if let_through < 0:
                body = f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
                self._answer(status, {"Content-Type": "application/xml"}, body)
                return
            kept = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            with urllib.request.urlopen(urllib.request.Request(behind + self.path, headers=kept)) as found:
                self._answer(found.status, dict(found.headers.items()), found.read())

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
