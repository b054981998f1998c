"""Conditions of policies, as IAM evaluates them. moto takes an operator that it does not know for fulfilled, and a
condition that is not fulfilled for a refusal.

Loopback counts as secure transport, as it does for browsers (W3C, Secure Contexts): nobody can read on its way what is
sent to 127.0.0.1. A policy that refuses requests without TLS is therefore the same here and on AWS.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from moto.iam.access_control import IAMPolicyStatement, PermissionResult


class Statement(IAMPolicyStatement):
    """A statement that says nothing about a request which its condition does not fit."""

    def is_action_permitted(
        self,
        action: str,
        resource: str = "*",
        principal: str | None = None,
        incoming_condition_values: dict[str, str] | None = None,
    ) -> PermissionResult:
        condition = self._statement.get("Condition")
        if condition and not hold(condition, {**_of_request(), **(incoming_condition_values or {})}):
            return PermissionResult.NEUTRAL
        rest = IAMPolicyStatement({name: value for name, value in self._statement.items() if name != "Condition"})
        return rest.is_action_permitted(action, resource, principal, incoming_condition_values)


def _of_request() -> dict[str, str]:
    """What IAM would know of the request that is being served."""
    from flask import has_request_context, request

    if not has_request_context():
        return {}
    known = {
        "aws:SourceIp": request.remote_addr or "",
        "aws:SecureTransport": str(secure(request.scheme, request.remote_addr)).lower(),
    }
    if "prefix" in request.args:
        known["s3:prefix"] = request.args["prefix"]
    return known


def secure(scheme: str, peer: str | None) -> bool:
    return scheme == "https" or bool(peer and ipaddress.ip_address(peer).is_loopback)


def hold(condition: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]) -> bool:
    """Whether every operator holds for every key. Raises NotImplementedError for an operator not known here."""
    lower = {key.lower(): value for key, value in known.items()}
    return all(
        _holds(operator, wanted if isinstance(wanted, list) else [wanted], lower.get(key.lower()))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def _like(pattern: str, value: str) -> bool:
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in re.split(r"([*?])", pattern))
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": _like,
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": lambda wanted, value: str(wanted).lower() == value.lower(),
}


def _holds(operator: str, wanted: list[Any], value: str | None) -> bool:
    name = operator.removesuffix("IfExists")
    positive = re.sub(r"^(String|Arn)Not", r"\1", name)
    if positive not in OPERATORS:
        raise NotImplementedError(f"the stand-in does not know the condition operator {operator}")
    if value is None:
        return operator.endswith("IfExists") or positive != name
    return any(OPERATORS[positive](str(each), value) for each in wanted) == (positive == name)
