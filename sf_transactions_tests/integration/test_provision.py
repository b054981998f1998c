import json

import boto3
import pytest

from sf_transactions.provision.apply import provision
from sf_transactions.provision.destroy import teardown
from sf_transactions.provision.errors import NotProvisioned, ProvisionError
from sf_transactions.provision.lookup import redshift_role_arn, sftp_endpoint
from sf_transactions.provision.plan import plan
from sf_transactions.settings import Settings, SettingsError
from sf_transactions_tests.integration.moto_aws import moto_aws

OPEN_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    with moto_aws(monkeypatch):
        yield Settings(
            home_dir=str(tmp_path),
            s3_bucket="city-books",
            redshift_cidr="203.0.113.7/32",
            redshift_password="Secret123x",
        )


def quiet(line: str) -> None:
    """Says nothing."""


def signs(settings: Settings) -> str:
    return "".join(action.sign for action in plan(settings).actions)


def test_an_empty_account_lacks_everything_and_the_plan_changes_nothing(settings):
    assert signs(settings) == signs(settings) == "+++++++"


def test_after_provisioning_there_is_nothing_to_do(settings):
    provision(settings, quiet)
    assert signs(settings) == "======="
    assert not plan(settings).changes


def test_provisioning_twice_doubles_nothing(settings):
    provision(settings, quiet)
    provision(settings, quiet)
    assert len(boto3.client("transfer").list_servers()["Servers"]) == 1
    assert len(boto3.client("redshift").describe_clusters()["Clusters"]) == 1


@pytest.mark.parametrize(
    ("drift", "resource"),
    [
        (lambda: boto3.client("s3").delete_public_access_block(Bucket="city-books"), "bucket city-books"),
        (
            lambda: boto3.client("iam").delete_role_policy(
                RoleName="sf-transactions-redshift", PolicyName="sf-transactions-redshift-s3"
            ),
            "role sf-transactions-redshift",
        ),
        (
            lambda: boto3.client("iam").update_assume_role_policy(
                RoleName="sf-transactions-transfer", PolicyDocument=json.dumps(OPEN_TRUST)
            ),
            "role sf-transactions-transfer",
        ),
        (
            lambda: boto3.client("redshift").delete_cluster(
                ClusterIdentifier="sf-transactions", SkipFinalClusterSnapshot=True
            ),
            "cluster sf-transactions",
        ),
    ],
)
def test_what_someone_changed_is_found_and_set_right(settings, drift, resource):
    provision(settings, quiet)
    drift()
    assert [action.resource for action in plan(settings).actions if action.sign != "="] == [resource]
    provision(settings, quiet)
    assert not plan(settings).changes


def test_a_security_group_that_someone_opened_is_closed_again(settings):
    provision(settings, quiet)
    ec2 = boto3.client("ec2")
    (group,) = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["sf-transactions-redshift"]}])[
        "SecurityGroups"
    ]
    rule = {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[rule])
    assert plan(settings).changes
    provision(settings, quiet)
    (group,) = ec2.describe_security_groups(GroupIds=[group["GroupId"]])["SecurityGroups"]
    assert [each["CidrIp"] for each in group["IpPermissions"][0]["IpRanges"]] == ["203.0.113.7/32"]


def test_teardown_deletes_what_is_ours_and_leaves_what_is_not(settings):
    s3, iam, transfer = boto3.client("s3"), boto3.client("iam"), boto3.client("transfer")
    s3.create_bucket(Bucket="city-books-2", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    iam.create_role(RoleName="sf-transactions-transfer-2", AssumeRolePolicyDocument="{}")
    foreign = transfer.create_server(Protocols=["SFTP"])["ServerId"]
    provision(settings, quiet)
    for body in (b"one", b"two"):
        s3.put_object(Bucket="city-books", Key="a/b", Body=body)
    teardown(settings, quiet)
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["city-books-2"]
    assert [role["RoleName"] for role in iam.list_roles()["Roles"]] == ["sf-transactions-transfer-2"]
    assert [server["ServerId"] for server in transfer.list_servers()["Servers"]] == [foreign]
    assert boto3.client("redshift").describe_clusters()["Clusters"] == []
    assert signs(settings) == "+++++++"


def test_tearing_down_twice_passes_over_what_is_gone(settings):
    provision(settings, quiet)
    teardown(settings, quiet)
    said: list[str] = []
    teardown(settings, said.append)
    assert all(line.endswith("is gone already") for line in said)


def test_a_bucket_of_our_name_without_our_tag_is_never_touched(settings):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="city-books", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="city-books", Key="theirs", Body=b"x")
    for action in (lambda: provision(settings, quiet), lambda: teardown(settings, quiet)):
        with pytest.raises(ProvisionError, match="bucket city-books exists and does not carry the tag"):
            action()
    assert s3.get_object(Bucket="city-books", Key="theirs")["Body"].read() == b"x"


def test_what_a_run_misses_names_the_command_that_makes_it(settings):
    for lookup in (sftp_endpoint, redshift_role_arn):
        with pytest.raises(NotProvisioned, match="sf-transactions provision"):
            lookup(settings)


def test_a_missing_setting_is_named(settings, tmp_path):
    with pytest.raises(SettingsError, match="S3_BUCKET"):
        plan(Settings(home_dir=str(tmp_path), redshift_cidr="203.0.113.7/32"))


def test_keys_are_two_and_private(settings):
    provision(settings, quiet)
    keys = settings.home / "keys"
    for name in ("client_key", "host_key"):
        assert (keys / name).stat().st_mode & 0o777 == 0o600
    assert (keys / "client_key.pub").read_text() != (keys / "host_key.pub").read_text()
