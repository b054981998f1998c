import json
import re
import socket
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from sf_transactions.cli import main
from sf_transactions.provision.apply import provision
from sf_transactions.provision.errors import NotProvisioned, ProvisionError, explained
from sf_transactions.provision.lookup import redshift_endpoint, redshift_role_arn, sftp_endpoint
from sf_transactions.provision.plan import plan
from sf_transactions.settings import Settings, SettingsError
from sf_transactions_tests.integration.moto_aws import (
    ACCOUNT,
    changes,
    city_books,
    clients_made_once,
    moto_aws,
    quiet,
    signs,
)


@pytest.fixture(autouse=True, scope="module")
def fast():
    with clients_made_once():
        yield


@pytest.fixture
def settings(tmp_path, monkeypatch):
    with moto_aws(monkeypatch):
        yield city_books(tmp_path)


def one(service: str, operation: str, members: str, **asked) -> dict:
    """The only one of its kind."""
    (found,) = getattr(boto3.client(service), operation)(**asked)[members]
    return found


def security_group() -> dict:
    named = [{"Name": "group-name", "Values": ["sf-transactions-redshift"]}]
    return one("ec2", "describe_security_groups", "SecurityGroups", Filters=named)


def server_id() -> str:
    return one("transfer", "list_servers", "Servers")["ServerId"]


def test_an_empty_account_lacks_everything_and_the_plan_changes_nothing(settings):
    assert signs(settings) == signs(settings) == "+" * 10


def test_after_provisioning_there_is_nothing_to_do_and_again_doubles_nothing(settings):
    for _ in range(2):
        provision(settings, quiet)
        assert signs(settings) == "=" * 10
    assert not plan(settings).changes
    assert plan(settings).lines()[-1] == "nothing to do"
    one("transfer", "list_servers", "Servers")
    one("redshift", "describe_clusters", "Clusters")
    one("glue", "get_databases", "DatabaseList")


def test_the_bucket_is_private_versioned_encrypted_and_reached_by_tls_only(settings):
    provision(settings, quiet)
    s3, name = boto3.client("s3"), {"Bucket": "city-books"}
    assert all(s3.get_public_access_block(**name)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_versioning(**name)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(**name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert '"aws:SecureTransport": "false"' in s3.get_bucket_policy(**name)["Policy"]
    (rule,) = s3.get_bucket_lifecycle_configuration(**name)["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    # The policy does not lock out the project itself, which reaches the stand-in by loopback.
    s3.put_object(Key="mine", Body=b"x", **name)
    assert s3.get_object(Key="mine", **name)["Body"].read() == b"x"


@pytest.mark.full
def test_the_cluster_is_private_encrypted_and_reads_the_bucket_by_its_default_role(settings):
    provision(replace(settings, redshift_nodes="2"), quiet)
    cluster = one("redshift", "describe_clusters", "Clusters")
    assert cluster["Encrypted"] and not cluster["PubliclyAccessible"]
    assert cluster["NodeType"].startswith("ra3.") and cluster["NumberOfNodes"] == 2
    assert [each["IamRoleArn"] for each in cluster["IamRoles"]] == [redshift_role_arn(settings)]
    assert cluster["DefaultIamRoleArn"] == redshift_role_arn(settings)
    assert [each["VpcSecurityGroupId"] for each in cluster["VpcSecurityGroups"]] == [security_group()["GroupId"]]
    assert "MasterPasswordSecretArn" not in cluster


@pytest.mark.full
def test_without_a_password_in_the_settings_redshift_keeps_one_in_a_secret_of_its_own(settings):
    managed = replace(settings, redshift_password=None)
    provision(managed, quiet)
    secret = one("redshift", "describe_clusters", "Clusters")["MasterPasswordSecretArn"]
    told = boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    assert '"username": "sf_transactions"' in told
    assert not plan(managed).changes
    # And back: the password of the settings takes its place.
    assert "the settings give one" in changes(settings)["cluster sf-transactions"]
    provision(settings, quiet)
    assert not plan(settings).changes
    assert boto3.client("secretsmanager").list_secrets()["SecretList"] == []


@pytest.mark.full
def test_a_serverless_workgroup_takes_the_place_of_the_cluster(settings):
    provision(settings, quiet)
    serverless = replace(settings, redshift_workgroup="sf-books", redshift_password=None)
    assert changes(serverless) == {
        "namespace sf-books": "+ not there",
        "workgroup sf-books": "+ not there",
        "cluster sf-transactions": "- it is ours, and no longer in the settings",
    }
    provision(serverless, quiet)
    assert not plan(serverless).changes
    client = boto3.client("redshift-serverless")
    workgroup = client.get_workgroup(workgroupName="sf-books")["workgroup"]
    assert not workgroup["publiclyAccessible"] and workgroup["baseCapacity"] == 8
    assert workgroup["configParameters"] == [{"parameterKey": "require_ssl", "parameterValue": "true"}]
    namespace = client.get_namespace(namespaceName="sf-books")["namespace"]
    assert namespace["adminPasswordSecretArn"] and namespace["defaultIamRoleArn"] == redshift_role_arn(serverless)
    assert redshift_endpoint(serverless) == (workgroup["endpoint"]["address"], 5439)
    assert boto3.client("redshift").describe_clusters()["Clusters"] == []
    # What the cluster held is not lost.
    snapshot = one("redshift", "describe_cluster_snapshots", "Snapshots")
    assert snapshot["SnapshotIdentifier"].startswith("sf-transactions-final-")


@pytest.mark.full
def test_only_the_project_s_part_of_the_bucket_is_given_out(settings):
    within = replace(settings, s3_prefix="/books/")
    provision(within, quiet)
    user = boto3.client("transfer").describe_user(ServerId=server_id(), UserName="sf-transactions")["User"]
    assert user["HomeDirectoryMappings"] == [{"Entry": "/", "Target": "/city-books/books"}]
    assert not plan(within).changes


def test_provisioning_tells_endpoints_host_key_and_roles_and_writes_known_hosts(settings):
    made = provision(settings, quiet)
    assert made.sftp_host == f"{server_id()}.server.transfer.us-west-2.amazonaws.com"
    assert (made.sftp_host, made.sftp_port) == sftp_endpoint(settings)
    assert (made.redshift_host, made.redshift_port) == redshift_endpoint(settings)
    keys = settings.home / "keys"
    assert made.host_key == (keys / "host_key.pub").read_text().strip()
    shown = boto3.client("transfer").describe_server(ServerId=server_id())["Server"]["HostKeyFingerprint"]
    assert shown.rstrip("=") == made.fingerprint
    assert (keys / "known_hosts").read_text() == f"{made.sftp_host} {' '.join(made.host_key.split()[:2])}\n"
    assert made.sftp_command.startswith(f"sftp -P 22 -i {keys / 'client_key'} ")
    assert made.redshift_role_arn == redshift_role_arn(settings)
    assert made.transfer_role_arn.endswith("/sf-transactions-transfer")


def test_the_account_is_checked_before_anything_is_touched(settings):
    elsewhere = replace(settings, aws_account_id="999999999999")
    with pytest.raises(ProvisionError, match=f"belong to the AWS account {ACCOUNT}, not to AWS_ACCOUNT_ID 9999"):
        provision(elsewhere, quiet)
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    assert plan(replace(settings, aws_account_id=ACCOUNT)).changes


def test_the_plan_tells_reasons_costs_and_permissions(settings):
    lines = plan(settings).lines()
    assert lines[0] == f"AWS account {ACCOUNT}, region us-west-2"
    assert lines[1].split() == ["+", "bucket", "city-books", "not", "there"]
    assert any("SFTP server, even when stopped" in line and "$219.00 per month" in line for line in lines)
    assert any("cluster, 1 ra3.large" in line for line in lines)
    assert any("together, used or not" in line and "$615.39 per month" in line for line in lines)
    assert lines[-1] == "10 to create"
    told = plan(settings).as_json()
    needed = sorted(action.split(":") for action in told["iam_actions"])
    shown = lines[next(number for number, line in enumerate(lines) if line.startswith("IAM actions")) : -2]
    assert shown[0].startswith(f"IAM actions needed: {len(needed)};")
    assert [line.split()[0] for line in shown[1:] if line[2] != " "] == sorted({service for service, _ in needed})
    assert re.findall(r"\b[A-Z]\w+", " ".join(shown[1:])) == [action for _, action in needed]
    assert max(map(len, shown[1:])) <= 100
    assert told["changes"] is True and len(told["actions"]) == 10
    assert "transfer:CreateServer" in told["iam_actions"]
    assert {item["what"] for item in told["monthly_costs"]["items"]} >= {"bucket, storage"}
    assert told["monthly_costs"]["used_or_not"] == "615.390"
    unknown = plan(replace(settings, redshift_node_type="ra3.huge"))
    assert unknown.as_json()["monthly_costs"]["used_or_not"] is None and "together" not in " ".join(unknown.lines())


def test_what_a_run_misses_names_the_command_that_makes_it(settings):
    for lookup in (sftp_endpoint, redshift_endpoint, redshift_role_arn):
        with pytest.raises(NotProvisioned, match="sf-transactions provision"):
            lookup(settings)
    with pytest.raises(NotProvisioned, match="no running workgroup books"):
        redshift_endpoint(replace(settings, redshift_workgroup="books"))


def test_a_missing_setting_is_named(settings, tmp_path):
    with pytest.raises(SettingsError, match="S3_BUCKET"):
        plan(Settings(home_dir=str(tmp_path), redshift_cidr="203.0.113.7/32"))


def test_a_second_home_without_keys_does_not_take_the_server_over(settings, tmp_path):
    provision(settings, quiet)
    second = replace(settings, home_dir=str(tmp_path / "second"))
    with pytest.raises(ProvisionError, match=r"holds no keys: copy that folder .* or run `sf-transactions keys make`"):
        provision(second, quiet)
    assert not (tmp_path / "second" / "keys").exists()
    assert not plan(settings).changes


def test_the_policies_are_printed_on_a_machine_that_has_no_keys_and_makes_none(settings, monkeypatch, tmp_path):
    provision(settings, quiet)
    for name, value in {"SF_TRANSACTIONS_HOME": str(tmp_path / "other"), "S3_BUCKET": "city-books"}.items():
        monkeypatch.setenv(name, value)
    printed = CliRunner().invoke(main, ["permissions"])
    assert printed.exit_code == 0, printed.output
    names = {"sf-transactions-provision-access", "sf-transactions-provision-data", "sf-transactions-run"}
    assert json.loads(printed.output).keys() == names
    assert not (tmp_path / "other").exists()


def test_keys_are_two_and_private(settings):
    provision(settings, quiet)
    keys = settings.home / "keys"
    for name in ("client_key", "host_key"):
        assert (keys / name).stat().st_mode & 0o777 == 0o600
    assert (keys / "client_key.pub").read_text() != (keys / "host_key.pub").read_text()


def test_neither_password_nor_host_key_is_said_planned_or_shown(settings):
    said: list[str] = []
    made = provision(settings, said.append)
    found = plan(settings)
    shown = "\n".join([*said, *found.lines(), repr(found), repr(made), repr(settings), str(found.as_json())])
    assert settings.redshift_password not in shown
    assert "PRIVATE" not in shown
    answers = str(boto3.client("transfer").describe_server(ServerId=server_id()))
    assert "PRIVATE" not in answers


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
