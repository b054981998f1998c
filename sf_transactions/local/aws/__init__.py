"""AWS's APIs on loopback: moto, with answers of our own where moto has none or a wrong one.

Each answer of our own is checked against botocore's service model when it is given (`model.py`), so that the product,
which is written for AWS, meets nothing here that AWS does not say.
"""

import threading
from collections.abc import Callable
from typing import Any


class AwsEndpoint:
    """AWS on 127.0.0.1: the one endpoint that `AWS_ENDPOINT_URL` names. State lives in this process."""

    def __init__(self, port: int = 0, wrapped: Callable[[Any], Any] = lambda app: app) -> None:
        """`wrapped` stands between the socket and the responses, as WSGI's middleware does."""
        from moto.moto_server.werkzeug_app import MotoRequestHandler
        from werkzeug.serving import make_server

        from sf_transactions.local.aws.dispatch import Dispatcher

        app = wrapped(Dispatcher())
        self._server = make_server("127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="aws", daemon=True)

    def start(self) -> "AwsEndpoint":
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def reset() -> None:
    """Forgets everything: the state is the process's, not the server's."""
    from moto.core.base_backend import BackendDict

    from sf_transactions.local.aws import functions

    BackendDict.reset()
    functions.end()
