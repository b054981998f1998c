import functools
import json
import socket
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import JSONFileLoader
from botocore.stub import Stubber
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID

from sf_transactions.provision import actual, make
from sf_transactions.provision.apply import provision
from sf_transactions.provision.desired import OWNER_TAG, desired
from sf_transactions.provision.destroy import teardown
from sf_transactions.provision.errors import NotProvisioned, ProvisionError, explained
from sf_transactions.provision.lookup import redshift_endpoint, redshift_role_arn, sftp_endpoint
from sf_transactions.provision.plan import plan
from sf_transactions.settings import Settings, SettingsError
from sf_transactions_tests.integration.moto_aws import moto_aws

OPEN_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(autouse=True, scope="module")
def service_models_are_read_once():
    """boto3 reads megabytes of JSON a session, and every step here has a session of its own."""
    read = JSONFileLoader().load_file
    once = functools.cache(lambda path: read(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda self, path: once(path))
        yield


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
    for lookup in (sftp_endpoint, redshift_endpoint, redshift_role_arn):
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


def security_group() -> dict:
    found = boto3.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": ["sf-transactions-redshift"]}]
    )
    return found["SecurityGroups"][0]


def server_id() -> str:
    return boto3.client("transfer").list_servers()["Servers"][0]["ServerId"]


def changes(settings: Settings) -> dict[str, str]:
    return {action.resource: action.reason for action in plan(settings).actions if action.sign != "="}


@pytest.mark.parametrize(
    "rule",
    [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.7/32"}]},
        {"IpProtocol": "tcp", "FromPort": 5439, "ToPort": 5439, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "203.0.113.7/32"}]},
    ],
)
def test_a_rule_for_another_port_protocol_or_kind_of_address_is_closed_too(settings, rule):
    provision(settings, quiet)
    boto3.client("ec2").authorize_security_group_ingress(GroupId=security_group()["GroupId"], IpPermissions=[rule])
    assert list(changes(settings)) == ["security group sf-transactions-redshift"]
    provision(settings, quiet)
    (left,) = security_group()["IpPermissions"]
    assert (left["FromPort"], left["ToPort"], left["IpRanges"][0]["CidrIp"]) == (5439, 5439, "203.0.113.7/32")
    assert not left.get("Ipv6Ranges")


def test_a_new_address_in_the_settings_takes_the_place_of_the_old(settings):
    provision(settings, quiet)
    moved = replace(settings, redshift_cidr="198.51.100.0/24")
    assert "198.51.100.0/24" in changes(moved)["security group sf-transactions-redshift"]
    provision(moved, quiet)
    assert [each["CidrIp"] for each in security_group()["IpPermissions"][0]["IpRanges"]] == ["198.51.100.0/24"]


def test_a_users_missing_key_is_given_again(settings):
    provision(settings, quiet)
    transfer, user = boto3.client("transfer"), {"ServerId": server_id(), "UserName": "sf-transactions"}
    (key,) = transfer.describe_user(**user)["User"]["SshPublicKeys"]
    transfer.delete_ssh_public_key(SshPublicKeyId=key["SshPublicKeyId"], **user)
    assert changes(settings) == {"SFTP user sf-transactions": "its public key is missing"}
    provision(settings, quiet)
    assert not plan(settings).changes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Role": "arn:aws:iam::123456789012:role/admin"}, "it has another role"),
        ({"HomeDirectoryMappings": [{"Entry": "/", "Target": "/other-bucket"}]}, "its home is elsewhere"),
    ],
)
def test_a_user_with_another_role_or_home_is_made_anew(settings, change, reason):
    provision(settings, quiet)
    transfer, name = boto3.client("transfer"), {"ServerId": server_id(), "UserName": "sf-transactions"}
    user = transfer.describe_user(**name)["User"]
    transfer.delete_user(**name)
    kept = {key: user[key] for key in ("Role", "HomeDirectoryType", "HomeDirectoryMappings")}
    transfer.create_user(**name, **kept | change, SshPublicKeyBody=user["SshPublicKeys"][0]["SshPublicKeyBody"])
    assert changes(settings) == {"SFTP user sf-transactions": reason}
    provision(settings, quiet)
    assert not plan(settings).changes


def test_a_server_with_another_host_key_than_the_pinned_one_is_noticed(settings, tmp_path):
    provision(settings, quiet)
    (tmp_path / "keys" / "host_key").unlink()
    told = changes(settings)
    assert list(told) == ["SFTP server"]
    assert "it shows another host key" in told["SFTP server"]
    assert "PRIVATE" not in told["SFTP server"]


def test_a_cluster_that_someone_made_public_or_moved_is_set_right(settings):
    provision(settings, quiet)
    redshift = boto3.client("redshift")
    other = boto3.client("ec2").create_security_group(GroupName="open", Description="open")["GroupId"]
    redshift.modify_cluster(ClusterIdentifier="sf-transactions", PubliclyAccessible=True)
    assert changes(settings) == {"cluster sf-transactions": "it is publicly accessible"}
    provision(settings, quiet)
    redshift.modify_cluster(ClusterIdentifier="sf-transactions", VpcSecurityGroupIds=[other])
    assert changes(settings) == {"cluster sf-transactions": "it is in other security groups"}
    provision(settings, quiet)
    assert not plan(settings).changes


def test_a_cluster_without_its_role_is_given_it(settings, monkeypatch):
    """moto knows no modify_cluster_iam_roles, so that the call is looked at where it leaves."""
    provision(settings, quiet)
    get_backend("redshift")[DEFAULT_ACCOUNT_ID]["us-west-2"].clusters["sf-transactions"].iam_roles_arn = []
    assert changes(settings) == {"cluster sf-transactions": "it lacks the role sf-transactions-redshift"}
    aws = actual.connect()
    client = aws.client("redshift")
    arn = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/sf-transactions-redshift"
    with Stubber(client) as stubber:
        stubber.add_client_error(
            "modify_cluster_iam_roles", "InvalidParameterValue", f"The IAM role {arn} is not valid."
        )
        asked = {"ClusterIdentifier": "sf-transactions", "AddIamRoles": [arn]}
        stubber.add_response("modify_cluster_iam_roles", {"Cluster": {}}, asked)
        available = {"Clusters": [{"ClusterStatus": "available"}]}
        stubber.add_response("describe_clusters", available, {"ClusterIdentifier": "sf-transactions"})
        monkeypatch.setattr(make, "PAUSE_SECONDS", 0)
        monkeypatch.setattr(
            actual.Aws, "client", lambda self, name: client if name == "redshift" else boto3.client(name)
        )
        make.cluster_role(aws, desired(settings, aws.account, aws.region, ""))
        stubber.assert_no_pending_responses()


def test_the_cluster_is_private_encrypted_and_reads_the_bucket_by_its_role(settings):
    provision(replace(settings, redshift_nodes="2"), quiet)
    (cluster,) = boto3.client("redshift").describe_clusters()["Clusters"]
    assert cluster["Encrypted"] and not cluster["PubliclyAccessible"]
    assert cluster["NodeType"].startswith("ra3.") and cluster["NumberOfNodes"] == 2
    assert [each["IamRoleArn"] for each in cluster["IamRoles"]] == [redshift_role_arn(settings)]
    assert [each["VpcSecurityGroupId"] for each in cluster["VpcSecurityGroups"]] == [security_group()["GroupId"]]


def test_provisioning_tells_endpoints_host_key_and_roles(settings):
    made = provision(settings, quiet)
    assert made.sftp_host == f"{server_id()}.server.transfer.us-west-2.amazonaws.com"
    assert (made.sftp_host, made.sftp_port) == sftp_endpoint(settings)
    assert (made.redshift_host, made.redshift_port) == redshift_endpoint(settings)
    assert made.host_key == (settings.home / "keys" / "host_key.pub").read_text().strip()
    assert made.redshift_role_arn == redshift_role_arn(settings)
    assert made.transfer_role_arn.endswith(":role/sf-transactions-transfer")


def test_provisioning_that_was_interrupted_goes_on_where_it_stopped(settings):
    class Interrupted(Exception):
        pass

    def stop_at_the_server(line: str) -> None:
        if "SFTP server" in line:
            raise Interrupted

    with pytest.raises(Interrupted):
        provision(settings, stop_at_the_server)
    assert signs(settings) == "===++++"
    provision(settings, quiet)
    assert not plan(settings).changes


def test_without_a_password_nothing_is_made(settings):
    with pytest.raises(SettingsError, match="REDSHIFT_PASSWORD is not set"):
        provision(replace(settings, redshift_password=None), quiet)
    assert boto3.client("s3").list_buckets()["Buckets"] == []


@pytest.mark.full
def test_teardown_empties_a_bucket_of_many_versions_and_unfinished_uploads(settings):
    provision(settings, quiet)
    s3 = boto3.client("s3")
    for number in range(1005):
        s3.put_object(Bucket="city-books", Key=str(number), Body=b"")
    s3.delete_object(Bucket="city-books", Key="1")
    s3.create_multipart_upload(Bucket="city-books", Key="unfinished")
    teardown(settings, quiet)
    assert s3.list_buckets()["Buckets"] == []


@pytest.mark.parametrize("resource", ["role", "security group", "cluster"])
def test_a_resource_of_our_name_that_is_not_ours_stays_and_the_rest_goes(settings, resource):
    provision(settings, quiet)
    remove_tag = {
        "role": lambda: boto3.client("iam").untag_role(RoleName="sf-transactions-redshift", TagKeys=[OWNER_TAG]),
        "security group": lambda: boto3.client("ec2").delete_tags(
            Resources=[security_group()["GroupId"]], Tags=[{"Key": OWNER_TAG}]
        ),
        "cluster": lambda: boto3.client("redshift").delete_tags(
            ResourceName=f"arn:aws:redshift:us-west-2:{DEFAULT_ACCOUNT_ID}:cluster:sf-transactions",
            TagKeys=[OWNER_TAG],
        ),
    }
    remove_tag[resource]()
    said: list[str] = []
    with pytest.raises(ProvisionError, match="does not carry the tag") as error:
        teardown(settings, said.append)
    assert len(str(error.value).splitlines()) == 1
    assert [line for line in said if not line.startswith("- ")] == [line for line in said if "is left" in line]
    assert len([line for line in said if line.startswith("- ")]) == 5
    with pytest.raises(ProvisionError, match="belongs to someone else"):
        plan(settings)


def test_a_teardown_needs_no_more_than_the_bucket(settings):
    provision(settings, quiet)
    teardown(replace(settings, redshift_cidr=None, redshift_password=None), quiet)
    assert signs(settings) == "+++++++"


def test_an_aws_that_does_not_answer_is_told_in_one_sentence(settings, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(ProvisionError, match=r"AWS cannot be reached.*check the network and AWS_ENDPOINT_URL"):
            plan(settings)


def test_no_credentials_are_told_in_one_sentence(settings, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(ProvisionError, match="no AWS credentials; run `aws configure` or set AWS_PROFILE"):
        plan(settings)


def test_a_missing_region_is_told_before_anything_is_asked(settings, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ProvisionError, match="no AWS region; set AWS_DEFAULT_REGION"):
        provision(settings, quiet)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("BucketAlreadyExists", "choose another S3_BUCKET"),
        ("AccessDenied", "ask for the permission"),
        ("ExpiredToken", "check AWS_PROFILE"),
        ("VPCIdNotSpecified", "create-default-vpc"),
    ],
)
def test_an_answer_of_aws_names_the_resource_and_what_to_do(code, advice):
    answer = {"Error": {"Code": code, "Message": "No.\n" * 500}}
    told = f"^bucket city-books: AWS answers {code}: No. .*{advice}"
    with pytest.raises(ProvisionError, match=told) as error, explained("bucket city-books"):
        raise ClientError(answer, "CreateBucket")
    assert len(str(error.value)) < 600 and "\n" not in str(error.value)


def test_neither_password_nor_host_key_is_said_planned_or_shown(settings):
    said: list[str] = []
    made = provision(settings, said.append)
    shown = "\n".join([*said, *plan(settings).lines(), repr(plan(settings)), repr(made), repr(settings)])
    assert settings.redshift_password not in shown
    assert "PRIVATE" not in shown
