"""`sf-transactions doctor` over the stand-ins: each link that is broken is named, with what to do."""

import os
import shlex
import shutil
import subprocess

import boto3
import pytest
from click.testing import CliRunner

from sf_transactions.cli import main
from sf_transactions.doctor import examine
from sf_transactions.local import control
from sf_transactions.settings import Settings

# Most of it needs the stand-ins in a process of their own.
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "S3_", "SFTP_", "REDSHIFT_"))]:
            patch.delenv(name)
        local = Settings(home_dir=str(tmp_path_factory.mktemp("home")), sample_rows="500")
        control.up(local)
        given = control.environment(local)
        for name, value in given.items():
            patch.setenv(name, value)
        yield given
        control.down(local)


def found(**environment: str) -> dict[str, tuple[bool | None, str]]:
    settings = Settings.from_environ({**os.environ, **environment})
    return {finding.link: (finding.stands, finding.told) for finding in examine(settings)}


def test_all_links_stand_and_nothing_is_left_behind(environment):
    assert {link: stands for link, (stands, _) in found().items()} == dict.fromkeys(
        ("credentials", "resources", "bucket", "SFTP", "SQL", "COPY", "tidying up"), True
    )
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=environment["S3_BUCKET"])


@pytest.mark.skipif(shutil.which("sftp") is None, reason="no OpenSSH client on this machine")
def test_files_are_put_by_hand_with_the_line_that_provision_prints(environment, tmp_path):
    done = CliRunner().invoke(main, ["provision", "--yes"])
    line = next(line.strip() for line in done.output.splitlines() if line.strip().startswith("sftp "))
    data = tmp_path / "data"
    data.mkdir()
    for name in ("fund.csv", "type.csv"):
        (data / name).write_text(f"{name}\n")
    program, *options = shlex.split(line)
    command = [program, "-F", "none", "-o", "BatchMode=yes", "-b", "-", *options]
    batch = "mkdir data\ncd data\nput data/*.csv\nls -1\n"
    by_hand = subprocess.run(command, input=batch, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert by_hand.returncode == 0, by_hand.stderr
    assert by_hand.stdout.splitlines()[-2:] == ["fund.csv", "type.csv"]
    s3, bucket = boto3.client("s3"), environment["S3_BUCKET"]
    assert s3.get_object(Bucket=bucket, Key="data/fund.csv")["Body"].read() == b"fund.csv\n"
    for each in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=each["Key"])


def test_a_wrong_password_breaks_sql_and_what_needs_it(environment):
    told = found(REDSHIFT_PASSWORD="Wrong123x")
    assert told["SQL"][0] is False and "password authentication failed" in told["SQL"][1]
    assert told["COPY"] == (None, "not tried, because of: SQL")
    assert told["SFTP"][0] is True and told["tidying up"][0] is True


def test_a_wrong_port_breaks_sftp(environment):
    told = found(SFTP_PORT="1")
    assert told["SFTP"][0] is False and "cannot reach the SFTP server" in told["SFTP"][1]
    assert told["COPY"][0] is None and told["SQL"][0] is True


def test_another_account_and_another_bucket_are_told(environment):
    told = found(AWS_ACCOUNT_ID="999999999999")
    assert told["credentials"][0] is False and "not to AWS_ACCOUNT_ID 999999999999" in told["credentials"][1]
    assert told["bucket"][0] is None
    stands, told = found(S3_BUCKET="no-such-bucket")["bucket"]
    assert stands is False
    assert told.startswith("bucket no-such-bucket: AWS answers NoSuchBucket") and "`sf-transactions provision`" in told


def test_a_role_that_the_cluster_does_not_hold_breaks_copy_and_is_told_by_the_plan(environment):
    redshift, role = boto3.client("redshift"), "arn:aws:iam::123456789012:role/sf-transactions/sf-transactions-redshift"
    redshift.modify_cluster_iam_roles(ClusterIdentifier="sf-transactions", RemoveIamRoles=[role], DefaultIamRoleArn="")
    try:
        told = found()
        assert told["resources"][0] is False and "it lacks the role sf-transactions-redshift" in told["resources"][1]
        assert told["COPY"][0] is False and "role" in told["COPY"][1]
    finally:
        given = {"AddIamRoles": [role], "DefaultIamRoleArn": role}
        redshift.modify_cluster_iam_roles(ClusterIdentifier="sf-transactions", **given)
