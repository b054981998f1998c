"""The permissions for provisioning are the calls that provisioning makes, and no more."""

import json
from dataclasses import replace

import boto3
import pytest
from botocore.client import BaseClient

from sf_transactions.local.portal import Portal
from sf_transactions.provision.apply import provision
from sf_transactions.provision.destroy import teardown
from sf_transactions.provision.lookup import redshift_endpoint, sftp_endpoint
from sf_transactions.provision.permissions import documents, needed
from sf_transactions.provision.plan import prepared
from sf_transactions.provision.running import run_document
from sf_transactions.resources.credentials import login
from sf_transactions_tests.integration.moto_aws import city_books, clients_made_once, moto_aws, quiet
from sf_transactions_tests.integration.pipeline import pipeline
from sf_transactions_tests.rows import published

# Calls whose permission has another name (Service Authorization Reference).
NAMES = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:DeleteObjects": "s3:DeleteObjectVersion",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "lambda:GetFunction20150331": "lambda:GetFunction",
}
# What AWS asks for beside the call that was made: tags at creation, roles handed on, the secret that Redshift makes.
IMPLIED = {
    "iam:PassRole",
    "iam:CreateServiceLinkedRole",
    "iam:TagRole",
    "iam:TagPolicy",
    "ec2:CreateTags",
    "s3:TagResource",
    "s3:DeleteObject",
}
IMPLIED_OF = (
    *(f"{service}:TagResource" for service in ("dynamodb", "lambda", "logs")),
    "transfer:TagResource",
    "glue:TagResource",
    "redshift:CreateTags",
    "redshift-serverless:TagResource",
)
# What only drift, an interruption or a rotation calls.
SELDOM = {
    *("ec2:RevokeSecurityGroupIngress", "glue:UpdateDatabase", "iam:UpdateAssumeRolePolicy"),
    *("iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:DeleteRolePolicy"),
    *("redshift:ModifyCluster", "redshift:ModifyClusterIamRoles", "redshift:ResumeCluster"),
    *("redshift:CreateClusterSnapshot", "redshift-serverless:UpdateNamespace", "redshift-serverless:UpdateWorkgroup"),
    *("lambda:RemovePermission", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
    *("transfer:DeleteHostKey", "transfer:DeleteSshPublicKey", "transfer:ImportSshPublicKey"),
    *("transfer:ListHostKeys", "transfer:StartServer", "transfer:UpdateServer", "transfer:UpdateUser"),
}


LOGIN = {"sftp_oidc_issuer": "https://idp.example", "sftp_oidc_client_id": "x", "sftp_oidc_client_secret": "y"}


def calls_noted(patch: pytest.MonkeyPatch) -> set[str]:
    """The calls that are made from now on, as `service:Operation`."""
    called: set[str] = set()
    call = BaseClient._make_api_call

    def noted(client, operation: str, asked: dict):
        called.add(f"{client.meta.service_model.signing_name}:{operation}")
        return call(client, operation, asked)

    patch.setattr(BaseClient, "_make_api_call", noted)
    return called


@pytest.mark.parametrize(
    "others",
    [LOGIN, *(pytest.param(given, marks=pytest.mark.full) for given in ({}, {"redshift_workgroup": "books"}))],
    ids=lambda others: "-".join(others),
)
def test_provisioning_calls_what_its_policies_allow_and_they_allow_no_more(tmp_path, monkeypatch, others):
    with clients_made_once(), moto_aws(monkeypatch):
        settings = replace(city_books(tmp_path), **others)
        called = calls_noted(monkeypatch)
        for _ in range(2):  # made, then compared
            provision(settings, quiet)
        client = boto3.client("s3")
        client.create_multipart_upload(Bucket="city-books", Key="unfinished")
        client.put_object(Bucket="city-books", Key="a", Body=b"x")
        boto3.client("glue").create_table(DatabaseName="sf_transactions", TableInput={"Name": "transaction"})
        called -= {"s3:CreateMultipartUpload", "s3:PutObject", "glue:CreateTable"}
        teardown(settings, quiet)
        _, want, _ = prepared(settings)
    asked = {NAMES.get(each, each) for each in called}
    allowed = set(needed(want))
    assert asked <= allowed
    unused = allowed - asked - SELDOM - IMPLIED - set(IMPLIED_OF)
    if others is LOGIN:  # the service's own user comes and goes when the provider goes and comes
        unused -= {"transfer:CreateUser", "transfer:DeleteUser", "transfer:DescribeUser", "transfer:ListUsers"}
    assert {each for each in unused if not each.startswith("secretsmanager:")} == set()


def test_the_policies_are_json_that_iam_takes(tmp_path, monkeypatch):
    with clients_made_once(), moto_aws(monkeypatch):
        _, want, _ = prepared(city_books(tmp_path))
        for name, document in documents(want).items():
            boto3.client("iam").create_policy(PolicyName=name, PolicyDocument=json.dumps(document))


# Calls of a run whose permission has another name.
NAMES_OF_A_RUN = {"s3:ListObjectsV2": "s3:ListBucket", "s3:DeleteObjects": "s3:DeleteObject"}
# What it needs beside: the region of the bucket for other tools; a password that Redshift keeps itself.
SELDOM_IN_A_RUN = {"s3:GetBucketLocation", "secretsmanager:GetSecretValue", "glue:BatchDeletePartition"}


@pytest.mark.full
def test_a_run_calls_what_its_policy_allows_and_the_policy_allows_no_more(tmp_path, monkeypatch):
    rows = [{"fiscal_year": year, "amount": amount} for year in ("2018", "2019") for amount in ("1.00", "2.50")]
    with pipeline(tmp_path / "home") as standing:
        called = calls_noted(monkeypatch)
        for restated in ("3.00", "4.00"):
            portal = Portal(published(*rows, {"fiscal_year": "2019", "amount": restated})).start()
            assert standing.run(portal.url, 2018, 2019).success
            portal.stop()
        unknown = replace(standing.settings, sftp_host=None, redshift_host=None)
        assert sftp_endpoint(unknown) and redshift_endpoint(unknown)
        assert login(replace(unknown, redshift_auth="iam"), None).password
        _, want, _ = prepared(standing.settings)
    allowed = {action for each in run_document(want)["Statement"] for action in each["Action"]}
    asked = {NAMES_OF_A_RUN.get(each, each) for each in called}
    assert asked <= allowed
    assert allowed - asked <= SELDOM_IN_A_RUN
