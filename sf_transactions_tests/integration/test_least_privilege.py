"""With S3 enforcing policies, each role can do its job and nothing else."""

import contextlib
import json

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from sf_transactions.provision.apply import provision
from sf_transactions.provision.plan import prepared
from sf_transactions.provision.policies import redshift_trust
from sf_transactions.provision.running import run_document
from sf_transactions_tests.integration.moto_aws import city_books, moto_aws, quiet

PLACE = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}


@contextlib.contextmanager
def enforced(url: str):
    """Every request is authenticated and authorised, from now on."""
    requests.post(f"{url}/moto-api/reset-auth", data=b"0", timeout=10).raise_for_status()
    try:
        yield
    finally:
        requests.post(f"{url}/moto-api/reset-auth", data=b"Infinity", timeout=10).raise_for_status()


def runner(settings) -> str:
    """A role that may do what the policy of a run allows."""
    iam = boto3.client("iam")
    _, want, _ = prepared(settings)
    role = iam.create_role(RoleName="runner", AssumeRolePolicyDocument=json.dumps(redshift_trust()))["Role"]["Arn"]
    iam.put_role_policy(RoleName="runner", PolicyName="run", PolicyDocument=json.dumps(run_document(want)))
    return role


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two buckets, and in ours two prefixes of which one is the project's; clients that act as each role."""
    with pytest.MonkeyPatch.context() as patch, moto_aws(patch) as url:
        settings = city_books(tmp_path_factory.mktemp("home"), s3_prefix="books")
        made = provision(settings, quiet)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="others", **PLACE)
        for bucket, key in (("city-books", "books/a"), ("city-books", "private/a"), ("others", "books/a")):
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        as_role = {}
        roles = {"transfer": made.transfer_role_arn, "redshift": made.redshift_role_arn, "run": runner(settings)}
        for name, arn in roles.items():
            given = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
            as_role[name] = boto3.client(
                "s3",
                aws_access_key_id=given["AccessKeyId"],
                aws_secret_access_key=given["SecretAccessKey"],
                aws_session_token=given["SessionToken"],
            )
        with enforced(url):
            yield as_role


OURS, PRIVATE, OTHERS = ("city-books", "books/a"), ("city-books", "private/a"), ("others", "books/a")
ATTEMPTS = {
    "read": lambda s3, bucket, key: s3.get_object(Bucket=bucket, Key=key),
    "write": lambda s3, bucket, key: s3.put_object(Bucket=bucket, Key=f"{key}-new", Body=b"y"),
    "delete": lambda s3, bucket, key: s3.delete_object(Bucket=bucket, Key=f"{key}-none"),
    "list": lambda s3, bucket, key: s3.list_objects_v2(Bucket=bucket, Prefix=key.split("/")[0] + "/"),
    "list all": lambda s3, bucket, key: s3.list_objects_v2(Bucket=bucket),
    "read the policy": lambda s3, bucket, key: s3.get_bucket_policy(Bucket=bucket),
    "delete the bucket": lambda s3, bucket, key: s3.delete_bucket(Bucket=bucket),
    "open the bucket": lambda s3, bucket, key: s3.delete_public_access_block(Bucket=bucket),
}
ALLOWED = {
    "transfer": {("read", OURS), ("write", OURS), ("delete", OURS), ("list", OURS)},
    "redshift": {("read", OURS), ("list", OURS)},
    "run": {("read", OURS), ("write", OURS), ("delete", OURS), ("list", OURS)},
}


@pytest.mark.parametrize("role", ALLOWED)
@pytest.mark.parametrize("where", [OURS, PRIVATE, OTHERS], ids="/".join)
def test_each_role_can_do_its_job_in_its_prefix_and_nothing_else(place, role, where):
    could = set()
    for name, attempt in ATTEMPTS.items():
        try:
            attempt(place[role], *where)
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, (name, error)
        else:
            could.add((name, where))
    assert could == {each for each in ALLOWED[role] if each[1] == where}
