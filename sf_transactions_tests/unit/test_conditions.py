import json

import pytest
from moto.iam.access_control import PermissionResult

from sf_transactions.local.aws.conditions import Statement, hold, secure
from sf_transactions.provision.policies import tls_only


@pytest.mark.parametrize(
    ("condition", "known", "holds"),
    [
        ({"StringEquals": {"a": "x"}}, {"a": "x"}, True),
        ({"StringEquals": {"a": ["x", "y"]}}, {"a": "y"}, True),
        ({"StringEquals": {"a": "x"}}, {"a": "X"}, False),
        ({"StringEquals": {"a": "x"}}, {}, False),
        ({"StringNotEquals": {"a": "x"}}, {"a": "y"}, True),
        ({"StringNotEquals": {"a": ["x", "y"]}}, {"a": "y"}, False),
        ({"StringNotEquals": {"a": "x"}}, {}, True),
        ({"StringEqualsIfExists": {"a": "x"}}, {}, True),
        ({"StringLike": {"s3:prefix": ["books/", "books/*"]}}, {"s3:prefix": "books/2025"}, True),
        ({"StringLike": {"s3:prefix": "books/*"}}, {"s3:prefix": "other"}, False),
        (
            {"ArnLike": {"aws:SourceArn": "arn:aws:transfer:*:1:user/*"}},
            {"aws:sourcearn": "arn:aws:transfer:x:1:user/a"},
            1,
        ),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "true"}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "false"}, True),
        ({"StringEquals": {"a": "x"}, "Bool": {"b": "true"}}, {"a": "x", "b": "false"}, False),
    ],
)
def test_a_condition_holds_as_iam_evaluates_it(condition, known, holds):
    assert hold(condition, known) is bool(holds)


def test_an_operator_that_is_not_known_is_never_taken_for_fulfilled():
    with pytest.raises(NotImplementedError, match="IpAddress"):
        hold({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": "10.0.0.1"})


def test_loopback_and_https_are_secure_and_the_network_is_not():
    assert secure("https", "203.0.113.7") and secure("http", "127.0.0.1") and secure("http", "::1")
    assert not secure("http", "203.0.113.7") and not secure("http", None)


@pytest.mark.parametrize(("transport", "result"), [("false", "DENIED"), ("true", "NEUTRAL")])
def test_the_bucket_s_policy_refuses_requests_without_tls_and_only_those(transport, result):
    (statement,) = json.loads(json.dumps(tls_only("aws", "city-books")))["Statement"]
    asked = ("s3:GetObject", "arn:aws:s3:::city-books/a", None, {"aws:SecureTransport": transport})
    assert Statement(statement).is_action_permitted(*asked) is PermissionResult[result]
