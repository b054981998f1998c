from dataclasses import replace

import boto3
import pytest
from click.testing import CliRunner

from sf_transactions.cli import main
from sf_transactions.provision.apply import provision
from sf_transactions.provision.desired import OWNER_TAG
from sf_transactions.provision.destroy import Keep, preview, teardown
from sf_transactions.provision.errors import ProvisionError
from sf_transactions.provision.plan import plan
from sf_transactions_tests.integration.moto_aws import ACCOUNT, city_books, clients_made_once, moto_aws, quiet, signs

ANYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
PLACE = {"CreateBucketConfiguration": {"LocationConstraint": "us-west-2"}}


@pytest.fixture(autouse=True, scope="module")
def fast():
    with clients_made_once():
        yield


@pytest.fixture
def settings(tmp_path, monkeypatch):
    with moto_aws(monkeypatch):
        yield city_books(tmp_path)


def foreign_resources() -> dict[str, str]:
    """Makes resources of others, of names like ours, and tells how they are."""
    s3, iam, transfer = boto3.client("s3"), boto3.client("iam"), boto3.client("transfer")
    redshift, ec2, glue = boto3.client("redshift"), boto3.client("ec2"), boto3.client("glue")
    others = [{"Key": OWNER_TAG, "Value": "county-books"}]
    if "city-books-2" not in str(s3.list_buckets()):
        s3.create_bucket(Bucket="city-books-2", **PLACE)
        s3.put_object(Bucket="city-books-2", Key="theirs", Body=b"x")
        for path, name in (("/", "sf-transactions-transfer-2"), ("/sf-transactions/", "county-transfer")):
            iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument="{}", Tags=others)
        iam.create_policy(PolicyName="county-s3", Path="/sf-transactions/", PolicyDocument=ANYTHING, Tags=others)
        server = transfer.create_server(Protocols=["SFTP"], Tags=others)["ServerId"]
        transfer.create_user(ServerId=server, UserName="sf-transactions", Role="arn:aws:iam::1:role/x", Tags=others)
        ec2.create_security_group(GroupName="sf-transactions-redshift-2", Description="theirs")
        login = {"MasterUsername": "theirs", "MasterUserPassword": "Secret123x", "NodeType": "ra3.large"}
        redshift.create_cluster(ClusterIdentifier="sf-transactions-2", Tags=others, **login)
        glue.create_database(DatabaseInput={"Name": "sf_transactions_2"}, Tags={OWNER_TAG: "county-books"})
    named = [{"Name": "group-name", "Values": ["sf-transactions-redshift-2"]}]
    server = next(
        found
        for listed in transfer.list_servers()["Servers"]
        if (found := transfer.describe_server(ServerId=listed["ServerId"])["Server"])["Tags"] == others
    )
    told = {
        "bucket": s3.list_object_versions(Bucket="city-books-2")["Versions"],
        "roles": [iam.get_role(RoleName=name)["Role"] for name in ("sf-transactions-transfer-2", "county-transfer")],
        "policy": iam.get_policy(PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/sf-transactions/county-s3")["Policy"],
        "server": server,
        "user": transfer.describe_user(ServerId=server["ServerId"], UserName="sf-transactions")["User"],
        "group": ec2.describe_security_groups(Filters=named)["SecurityGroups"],
        "cluster": redshift.describe_clusters(ClusterIdentifier="sf-transactions-2")["Clusters"],
        "database": glue.get_database(Name="sf_transactions_2")["Database"],
    }
    return {name: str(value) for name, value in told.items()}


def test_teardown_deletes_what_is_ours_and_leaves_what_is_not_exactly_as_it_was(settings):
    before = foreign_resources()
    provision(settings, quiet)
    for body in (b"one", b"two"):
        boto3.client("s3").put_object(Bucket="city-books", Key="a/b", Body=body)
    glue = boto3.client("glue")
    glue.create_table(DatabaseName="sf_transactions", TableInput={"Name": "transaction"})
    said: list[str] = []
    teardown(settings, said.append)
    assert [line.split()[1] for line in said[:-1]] == [
        *("cluster", "security", "role", "SFTP", "role", "policy", "policy", "bucket", "Glue")
    ]
    assert [line for line in said if "role" in line] == [
        "- role sf-transactions-redshift",
        "- role sf-transactions-transfer",
    ]
    assert said[-1] == "audit: nothing of this project is left"
    assert foreign_resources() == before
    assert signs(settings) == "+" * 10


@pytest.mark.full
def test_tearing_down_twice_finds_nothing(settings):
    provision(settings, quiet)
    teardown(settings, quiet)
    said: list[str] = []
    teardown(settings, said.append)
    assert said == ["audit: nothing of this project is left"]
    assert preview(settings) == []


@pytest.mark.full
def test_what_the_settings_no_longer_name_is_torn_down_too(settings):
    provision(settings, quiet)
    renamed = {"redshift_cluster": "other", "transfer_role": "other", "glue_database": "other", "redshift_cidr": None}
    teardown(replace(settings, **renamed, redshift_password=None), quiet)
    assert signs(settings) == "+" * 10


def test_the_preview_tells_what_would_go_and_changes_nothing(settings):
    provision(settings, quiet)
    boto3.client("s3").put_object(Bucket="city-books", Key="a", Body=b"12345")
    lines = preview(settings)
    assert lines[0] == "- cluster sf-transactions: WITHOUT a last snapshot"
    assert "- bucket city-books: 1 object versions, 5 bytes" in lines
    assert len(lines) == 9
    assert not plan(settings).changes


@pytest.mark.full
def test_the_bucket_can_be_kept_and_the_data_of_the_cluster_as_a_snapshot(settings):
    provision(settings, quiet)
    boto3.client("s3").put_object(Bucket="city-books", Key="a", Body=b"12345")
    keep = Keep(bucket=True, snapshot=True)
    assert preview(settings, keep)[0] == "- cluster sf-transactions: with a last snapshot"
    assert "= bucket city-books: 1 object versions, 5 bytes, kept" in preview(settings, keep)
    said: list[str] = []
    teardown(settings, said.append, keep)
    assert "= bucket city-books is kept" in said
    assert said[-1] == "audit: nothing of this project is left but bucket city-books, which is kept"
    assert boto3.client("s3").get_object(Bucket="city-books", Key="a")["Body"].read() == b"12345"
    (snapshot,) = boto3.client("redshift").describe_cluster_snapshots()["Snapshots"]
    assert snapshot["SnapshotIdentifier"].startswith("sf-transactions-final-")
    assert signs(settings) == "=" + "+" * 9


@pytest.mark.full
def test_a_serverless_workgroup_is_torn_down_with_its_namespace(settings):
    serverless = replace(settings, redshift_workgroup="sf-books", redshift_password=None)
    provision(serverless, quiet)
    teardown(settings, quiet)
    client = boto3.client("redshift-serverless")
    assert client.list_workgroups()["workgroups"] == client.list_namespaces()["namespaces"] == []
    assert boto3.client("secretsmanager").list_secrets()["SecretList"] == []


@pytest.mark.full
@pytest.mark.parametrize("resource", ["role", "security group", "cluster"])
def test_a_resource_of_our_name_that_is_not_ours_stays_and_the_rest_goes(settings, resource):
    provision(settings, quiet)
    group = [{"Name": "group-name", "Values": ["sf-transactions-redshift"]}]
    cluster = f"arn:aws:redshift:us-west-2:{ACCOUNT}:cluster:sf-transactions"
    ec2 = boto3.client("ec2")
    remove_tag = {
        "role": lambda: boto3.client("iam").untag_role(RoleName="sf-transactions-redshift", TagKeys=[OWNER_TAG]),
        "security group": lambda: ec2.delete_tags(
            Resources=[ec2.describe_security_groups(Filters=group)["SecurityGroups"][0]["GroupId"]],
            Tags=[{"Key": OWNER_TAG}],
        ),
        "cluster": lambda: boto3.client("redshift").delete_tags(ResourceName=cluster, TagKeys=[OWNER_TAG]),
    }
    remove_tag[resource]()
    said: list[str] = []
    with pytest.raises(ProvisionError, match="does not carry the tag") as error:
        teardown(settings, said.append)
    assert len(str(error.value).splitlines()) == 1
    assert said[-1].startswith(f"audit: left are {resource} sf-transactions")
    assert len([line for line in said if line.startswith("- ")]) == 8
    with pytest.raises(ProvisionError, match="belongs to someone else"):
        plan(settings)


@pytest.mark.full
def test_a_bucket_of_our_name_without_our_tag_is_never_touched(settings):
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="city-books", **PLACE)
    s3.put_object(Bucket="city-books", Key="theirs", Body=b"x")
    for action in (lambda: provision(settings, quiet), lambda: teardown(settings, quiet)):
        with pytest.raises(ProvisionError, match="bucket city-books exists and does not carry the tag"):
            action()
    assert s3.get_object(Bucket="city-books", Key="theirs")["Body"].read() == b"x"


def test_the_command_asks_for_the_name_of_the_bucket(settings, monkeypatch):
    provision(settings, quiet)
    for name in ("home_dir", "s3_bucket", "redshift_cidr", "redshift_password"):
        variable = {"home_dir": "SF_TRANSACTIONS_HOME"}.get(name, name.upper())
        monkeypatch.setenv(variable, getattr(settings, name))
    refused = CliRunner().invoke(main, ["teardown"], input="yes\n")
    assert refused.exit_code == 1 and "- cluster sf-transactions" in refused.output
    assert "that is not city-books: nothing was deleted" in refused.output
    assert not plan(settings).changes
    done = CliRunner().invoke(main, ["teardown", "--keep-bucket"], input="city-books\n")
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(main, ["plan"]).exit_code == 2
    assert CliRunner().invoke(main, ["provision", "--yes"]).exit_code == 0
    done = CliRunner().invoke(main, ["plan", "--json"])
    assert done.exit_code == 0 and '"changes": false' in done.output
    assert CliRunner().invoke(main, ["teardown", "--yes"]).exit_code == 0
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
