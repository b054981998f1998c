"""Answers checked against botocore's service models, which are AWS's own description of its APIs."""

import functools
from typing import Any

from moto.core.exceptions import JsonRESTError


@functools.cache
def _service(service: str) -> Any:
    from botocore.session import get_session

    return get_session().get_service_model(service)


def checked(service: str, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, if it is one that AWS could give to this operation. Raises ValueError naming what it could not."""
    from botocore.validate import ParamValidator

    shape = _service(service).operation_model(operation).output_shape
    if shape is None:
        if answer:
            raise ValueError(f"{service} {operation} answers nothing")
        return answer
    report = ParamValidator().validate(answer, shape)
    if report.has_errors():
        raise ValueError(f"{service} {operation}: {report.generate_report()}")
    return answer


def refusal(service: str, operation: str, code: str, message: str) -> JsonRESTError:
    """The error, if it is one of the operation's. Raises ValueError when AWS knows no such refusal."""
    known = {shape.name for shape in _service(service).operation_model(operation).error_shapes}
    if code not in known:
        raise ValueError(f"{service} {operation} knows no {code}, but {', '.join(sorted(known))}")
    error = JsonRESTError(code, message)
    error.code = 400
    return error
