"""Provision and teardown killed after each call that changes AWS, and run again: the same end, nothing doubled."""

import json
from dataclasses import replace

import boto3
import pytest
from botocore.client import BaseClient

from sf_transactions.local.aws import reset
from sf_transactions.provision.apply import provision
from sf_transactions.provision.desired import IAM_PATH, OWNER_TAG
from sf_transactions.provision.destroy import teardown
from sf_transactions.provision.plan import plan
from sf_transactions_tests.integration.moto_aws import city_books, clients_made_once, moto_aws, quiet

READING = ("Get", "List", "Describe", "Head")
VOLATILE = (
    "Date",
    "Id",
    "Arn",
    "Time",
    "Address",
    "RequestId",
    "ResponseMetadata",
    "ETag",
    "Host",
    "Imported",
    "Stages",
    "ARN",
    "KeyBody",
    "LastModified",
)
SERVERLESS_VOLATILE = ("Id", "Ids", "Arn", "ARN", "creationDate", "address", "Date")
# The largest project: with an identity provider.
LARGEST = {
    "redshift_password": None,
    "sftp_oidc_issuer": "https://idp.example",
    "sftp_oidc_client_id": "x",
    "sftp_oidc_client_secret": "y",
}
POINTS = 25  # the fewest changes that make a proof


class Killed(BaseException):
    """As SIGKILL: nothing that catches errors catches it."""


class Killer:
    """Kills after the n-th call that changes something; 0 lets everything live. Calls that read leave AWS as it was, so
    that a kill after one of them is a kill after the change before it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.after = self.seen = 0
        call = BaseClient._make_api_call

        def counted(client, operation: str, asked: dict):
            answer = call(client, operation, asked)
            if not operation.startswith(READING):
                self.seen += 1
                if self.seen == self.after:
                    raise Killed(operation)
            return answer

        patch.setattr(BaseClient, "_make_api_call", counted)

    def kill(self, after: int, step) -> bool:
        """Whether the step was killed; it runs to its end when it has fewer calls."""
        self.after, self.seen = after, 0
        try:
            step()
        except Killed:
            return True
        finally:
            self.after = 0
        return False


def without(value, names=VOLATILE):
    """What AWS tells, without what differs from one making to the next."""
    if isinstance(value, dict):
        return {key: without(each, names) for key, each in value.items() if not key.endswith(names)}
    if isinstance(value, list):
        return [without(each, names) for each in value]
    return value


def state() -> dict:
    """Everything that stands in the account, ours or not."""
    s3, iam, transfer, ec2 = (boto3.client(name) for name in ("s3", "iam", "transfer", "ec2"))
    redshift, glue, logs = (boto3.client(name) for name in ("redshift", "glue", "logs"))
    functions, dynamodb, serverless = (boto3.client(name) for name in ("lambda", "dynamodb", "redshift-serverless"))
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    roles = sorted(iam.list_roles()["Roles"], key=lambda role: role["RoleName"])
    policies = sorted(iam.list_policies(Scope="Local")["Policies"], key=lambda policy: policy["PolicyName"])
    servers = [each["ServerId"] for each in transfer.list_servers()["Servers"]]
    users = [(on, each["UserName"]) for on in servers for each in transfer.list_users(ServerId=on)["Users"]]
    return {
        "buckets": [
            (
                name,
                s3.get_bucket_policy(Bucket=name)["Policy"],
                without(s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]),
                without(s3.get_bucket_tagging(Bucket=name)),
            )
            for name in buckets
        ],
        "roles": [
            (without(role), without(iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]))
            for role in roles
        ],
        "policies": [
            (each["PolicyName"], len(iam.list_policy_versions(PolicyArn=each["Arn"])["Versions"])) for each in policies
        ],
        "servers": [without(transfer.describe_server(ServerId=on)["Server"]) for on in servers],
        "users": [without(transfer.describe_user(ServerId=on, UserName=name)["User"]) for on, name in users],
        "groups": [
            (group["GroupName"], group["IpPermissions"]) for group in ec2.describe_security_groups()["SecurityGroups"]
        ],
        "clusters": without(redshift.describe_clusters()["Clusters"]),
        "serverless": without(
            [serverless.list_namespaces()["namespaces"], serverless.list_workgroups()["workgroups"]],
            SERVERLESS_VOLATILE,
        ),
        "databases": without(glue.get_databases()["DatabaseList"]),
        "functions": [
            (without(each), without(json.loads(functions.get_policy(FunctionName=each["FunctionName"])["Policy"])))
            for each in functions.list_functions()["Functions"]
        ],
        "tables": [
            (name, dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"])
            for name in dynamodb.list_tables()["TableNames"]
        ],
        "logs": [
            (each["logGroupName"], each.get("retentionInDays")) for each in logs.describe_log_groups()["logGroups"]
        ],
        "secrets": without(boto3.client("secretsmanager").list_secrets()["SecretList"]),
    }


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch, clients_made_once(), moto_aws(patch):
        yield city_books(tmp_path_factory.mktemp("home"), **LARGEST), Killer(patch)


def filled(settings) -> None:
    """A provisioned project with all that a teardown has to remove: contents, and what bore other names before the
    settings were changed."""
    provision(settings, quiet)
    s3 = boto3.client("s3")
    for body in (b"one", b"two"):
        s3.put_object(Bucket="city-books", Key="a/b", Body=body)
    s3.create_multipart_upload(Bucket="city-books", Key="unfinished")
    boto3.client("glue").create_table(DatabaseName="sf_transactions", TableInput={"Name": "transaction"})
    tags = [{"Key": OWNER_TAG, "Value": "city-books"}]
    boto3.client("redshift").create_cluster(
        ClusterIdentifier="before", NodeType="ra3.large", MasterUsername="x", ManageMasterPassword=True, Tags=tags
    )
    group = {"ResourceType": "security-group", "Tags": tags}
    boto3.client("ec2").create_security_group(GroupName="before", Description="before", TagSpecifications=[group])
    boto3.client("glue").create_database(DatabaseInput={"Name": "before"}, Tags={OWNER_TAG: "city-books"})
    boto3.client("iam").create_role(Path=IAM_PATH, RoleName="before", AssumeRolePolicyDocument="{}", Tags=tags)


@pytest.mark.full
@pytest.mark.parametrize("workgroup", ["", "books"], ids=["cluster", "workgroup"])
def test_provisioning_killed_at_every_change_one_after_the_other_comes_to_its_end(aws, workgroup):
    """One project whose every run is killed after its first change: as many runs as there are changes."""
    settings, killer = aws
    settings = replace(settings, redshift_workgroup=workgroup)
    reset()
    empty = state()
    provision(settings, quiet)
    expected = state()
    reset()
    kills = 0
    while killer.kill(1, lambda: provision(settings, quiet)):
        kills += 1
        assert kills < 100
    assert kills >= POINTS
    assert state() == expected
    assert not plan(settings).changes
    kills = 0
    while killer.kill(1, lambda: teardown(settings, quiet)):
        kills += 1
        assert kills < 100
    assert kills and state() == empty


@pytest.mark.full
def test_provisioning_killed_after_any_change_is_finished_by_the_next_run(aws):
    settings, killer = aws
    reset()
    provision(settings, quiet)
    expected, points = state(), 0
    while True:
        reset()
        if not killer.kill(points + 1, lambda: provision(settings, quiet)):
            break
        points += 1
        provision(settings, quiet)
        assert state() == expected, f"killed after change {points}"
    assert points >= POINTS


@pytest.mark.full
def test_teardown_killed_after_any_change_is_finished_by_the_next_run(aws):
    settings, killer = aws
    reset()
    empty, points = state(), 0
    while True:
        reset()
        filled(settings)
        if not killer.kill(points + 1, lambda: teardown(settings, quiet)):
            break
        points += 1
        said: list[str] = []
        teardown(settings, said.append)
        assert said[-1] == "audit: nothing of this project is left"
        assert state() == empty, f"killed after change {points}"
    assert points >= POINTS
