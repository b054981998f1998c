"""Which responses a request goes to: moto finds them by the service that the request is signed for."""

import functools
from typing import Any

from flask import Flask
from moto.core.utils import convert_to_flask_response
from moto.moto_server.werkzeug_app import BackendRequest, DomainDispatcherApplication, create_backend_app


def _app(service: Any) -> Flask:
    """moto's responses of a service, with ours in their place. Loaded when the service is first asked for."""
    if service in OURS:
        OURS[service]()
    return create_backend_app(service)


def _s3() -> None:
    from moto.iam import access_control
    from moto.s3 import responses

    from sf_transactions.local.aws.conditions import Statement
    from sf_transactions.local.aws.s3 import S3

    access_control.IAMPolicyStatement = Statement  # type: ignore[misc]
    responses.S3Response = S3  # type: ignore[misc]  # moto loads its S3 paths anew each time


def _replace(urls: Any, response: Any) -> None:
    urls.url_paths.update({path: getattr(response, way.__name__) for path, way in urls.url_paths.items()})


def _transfer() -> None:
    from moto.transfer import urls

    from sf_transactions.local.aws.transfer import Transfer

    _replace(urls, Transfer)


def _redshift() -> None:
    from moto.redshift import urls

    from sf_transactions.local.aws.redshift import Redshift

    _replace(urls, Redshift)


def _lambda() -> None:
    from moto.awslambda import urls

    from sf_transactions.local.aws.functions import Functions

    _replace(urls, Functions)


OURS = {"s3": _s3, "transfer": _transfer, "redshift": _redshift, "awslambda": _lambda, "lambda": _lambda}


class Dispatcher(DomainDispatcherApplication):
    def __init__(self) -> None:
        super().__init__(_app)
        # moto lists the folders of all its services for each request, which takes longer than many an answer.
        self._backend_of = functools.cache(super().get_backend_for_host)

    def get_backend_for_host(self, host: str | None) -> Any:
        return self._backend_of(host)

    def get_application(self, environ: dict[str, Any]) -> Flask:
        if "/redshift-serverless/aws4_request" in environ.get("HTTP_AUTHORIZATION", ""):
            return _serverless()
        return super().get_application(environ)


@functools.cache
def _serverless() -> Flask:
    """Redshift Serverless, which moto lacks whole."""
    from sf_transactions.local.aws.serverless import Serverless

    app = Flask("redshift-serverless")
    app.request_class = BackendRequest
    app.add_url_rule("/", "dispatch", convert_to_flask_response(Serverless.dispatch), methods=["POST"])
    return app
