"""Every generated policy passes the linter and our own rule: no `*`, but for a resource where AWS knows no other."""

import json

import parliament
import pytest

from sf_transactions.provision.desired import desired
from sf_transactions.provision.permissions import LARGEST, WITHOUT_RESOURCE, documents, needed
from sf_transactions.provision.running import run_document
from sf_transactions.settings import Settings

# Who configures the bucket's policy could let itself in by it: that is the job.
EXPECTED = "RESOURCE_POLICY_PRIVILEGE_ESCALATION"


def want(**settings):
    given = {"s3_bucket": "city-books", "redshift_cidr": "203.0.113.7/32"} | settings
    return desired(Settings(**given), "123456789012", "us-west-2", "ssh-ed25519 AAAA")


LOGIN = {"sftp_oidc_issuer": "https://idp.example", "sftp_oidc_client_id": "sftp"}
KINDS = ({}, {"s3_prefix": "books"}, {"redshift_workgroup": "books"}, LOGIN)


def generated() -> dict[str, dict]:
    return {
        f"{name} {kind}": document
        for kind in KINDS
        for name, document in {
            **documents(want(**kind)),
            "run": run_document(want(**kind)),
            **{role.policy.name: role.policy.document for role in want(**kind).roles},
        }.items()
    }


@pytest.mark.parametrize("name", generated())
def test_the_linter_finds_nothing(name):
    findings = parliament.analyze_policy_string(json.dumps(generated()[name])).findings
    assert [(found.issue, found.detail) for found in findings if found.issue != EXPECTED] == []


@pytest.mark.parametrize("name", generated())
def test_no_action_is_a_pattern_and_no_resource_is_everything_but_where_aws_knows_none(name):
    for statement in generated()[name]["Statement"]:
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in statement["Action"])
        if "*" in (statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]):
            assert set(statement["Action"]) <= WITHOUT_RESOURCE


@pytest.mark.parametrize("name", generated())
def test_iam_takes_it_for_its_length(name):
    assert len(json.dumps(generated()[name], separators=(",", ":"))) <= LARGEST


def test_a_role_is_passed_to_its_service_only():
    statements = [each for document in documents(want()).values() for each in document["Statement"]]
    passed = {
        each["Condition"]["StringEquals"]["iam:PassedToService"]: each["Resource"]
        for each in statements
        if each["Action"] == ["iam:PassRole"]
    }
    assert passed == {
        "transfer.amazonaws.com": "arn:aws:iam::123456789012:role/sf-transactions/sf-transactions-transfer",
        "redshift.amazonaws.com": "arn:aws:iam::123456789012:role/sf-transactions/sf-transactions-redshift",
    }


def test_who_runs_may_change_no_resource():
    for kind in KINDS:
        actions = {action for each in run_document(want(**kind))["Statement"] for action in each["Action"]}
        changing = {each for each in actions if not each.split(":")[1].startswith(("Get", "List", "Describe"))}
        assert {each.split(":")[0] for each in changing} == {"s3", "glue"}
        assert not any(each.endswith(("Bucket", "Database")) for each in changing)


def test_only_what_the_settings_ask_for_is_needed():
    assert "redshift:CreateCluster" in needed(want())
    assert not [action for action in needed(want()) if action.endswith(("Namespace", "Workgroup"))]
    assert "redshift:CreateCluster" not in needed(want(redshift_workgroup="books"))
