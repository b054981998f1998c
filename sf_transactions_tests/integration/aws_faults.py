"""Faults of AWS's APIs, answered on the socket in each protocol's form, so that botocore's own retries meet them."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any


@dataclass
class Fault:
    """An error in the place of an operation's answer, for a number of times."""

    service: str
    operation: str
    code: str
    message: str = "No."
    times: int = 1
    status: int = 400
    seen: int = 0


class Faults:
    """WSGI's middleware: answers as AWS does when it refuses."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def __call__(self, app: Any) -> Any:
        def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            asked = _operation(environ)
            for fault in self.faults:
                if (fault.service, fault.operation) == asked and fault.seen < fault.times:
                    fault.seen += 1
                    body, kind = _refusal(fault)
                    start_response(
                        f"{fault.status} Refused", [("Content-Type", kind), ("Content-Length", str(len(body)))]
                    )
                    return [body]
            return app(environ, start_response)

        return answer


def _operation(environ: dict[str, Any]) -> tuple[str, str]:
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope.group(1) if scope else ""
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return service, target.rsplit(".", 1)[-1]
    if service == "s3":
        return service, f"{environ['REQUEST_METHOD']} {environ.get('QUERY_STRING', '').split('=')[0]}".strip()
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    action = re.search(rb"Action=(\w+)", body)
    return service, action.group(1).decode() if action else ""


def _refusal(fault: Fault) -> tuple[bytes, str]:
    if fault.service in ("transfer", "glue", "redshift-serverless"):
        return json.dumps({"__type": fault.code, "message": fault.message}).encode(), "application/x-amz-json-1.1"
    error = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
    whole = {
        "s3": error,
        "ec2": f"<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>",
    }.get(fault.service, f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>")
    return whole.encode(), "text/xml"
