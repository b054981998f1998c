import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from sf_transactions.local import control
from sf_transactions.local.ports import ports
from sf_transactions.settings import Settings, SettingsError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Makes settings of homes with a small sample; what they started is stopped afterwards."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "S3_", "SFTP_", "REDSHIFT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    made: list[Settings] = []

    def make(name: str = "home") -> Settings:
        made.append(Settings(home_dir=str(tmp_path / name), sample_rows="500"))
        return made[-1]

    yield make
    for settings in made:
        control.down(settings)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def process(settings: Settings) -> int:
    return int((settings.home / "local" / "pid").read_text().split()[0])


def client(service: str, settings: Settings):
    given = control.environment(settings)
    return boto3.client(
        service,
        endpoint_url=given["AWS_ENDPOINT_URL"],
        region_name=given["AWS_DEFAULT_REGION"],
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def test_up_answers_on_every_port_and_is_provisioned_and_down_leaves_nothing_running(home):
    settings = home()
    assert control.status(settings) == {"stand-ins": "not running; start them with `sf-transactions local up`"}
    chosen = control.up(settings)
    pid = process(settings)
    assert all(map(answers, chosen.named().values()))
    assert "does not answer" not in " ".join(control.status(settings).values())
    assert [bucket["Name"] for bucket in client("s3", settings).list_buckets()["Buckets"]] == ["sf-transactions-local"]
    assert len(client("transfer", settings).list_servers()["Servers"]) == 1
    control.down(settings)
    assert not any(map(answers, chosen.named().values()))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not control.running(settings)
    control.down(settings)


def test_up_again_keeps_the_process_and_what_it_holds(home):
    settings = home()
    control.up(settings)
    pid = process(settings)
    client("s3", settings).put_object(Bucket="sf-transactions-local", Key="kept", Body=b"x")
    control.up(settings)
    assert process(settings) == pid
    assert client("s3", settings).get_object(Bucket="sf-transactions-local", Key="kept")["Body"].read() == b"x"


@pytest.mark.full
def test_two_ups_at_once_start_one_process(home):
    settings = home()
    up = [sys.executable, "-c", "import sys; from sf_transactions.cli import main; main(['local', 'up'])"]
    environment = {**os.environ, "SF_TRANSACTIONS_HOME": str(settings.home), "SF_TRANSACTIONS_SAMPLE_ROWS": "500"}

    def start(_: int) -> str:
        done = subprocess.run(up, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(start, range(2))
    assert first == second
    assert f"{process(settings)}, log" in first


@pytest.mark.full
def test_a_restart_keeps_ports_and_password_and_is_provisioned_anew(home):
    settings = home()
    before = control.up(settings)
    control.down(settings)
    assert control.up(settings) == before
    assert len(client("redshift", settings).describe_clusters()["Clusters"]) == 1


@pytest.mark.full
def test_a_killed_process_is_known_to_be_gone_and_can_be_started_again(home):
    settings = home()
    before = control.up(settings)
    pid = process(settings)
    os.kill(pid, signal.SIGKILL)
    while control.running(settings):
        pass
    assert control.up(settings) == before
    assert process(settings) != pid


def test_another_process_of_the_same_number_is_neither_taken_for_ours_nor_ended(home):
    settings = home()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        (settings.home / "local").mkdir(parents=True)
        for started in ("1 another-boot", "Mon Jan 1 00:00:00 2001"):
            (settings.home / "local" / "pid").write_text(f"{stranger.pid} {started}")
            assert not control.running(settings)
            control.down(settings)
            assert stranger.poll() is None
        stranger.communicate(b"\n")


@pytest.mark.full
def test_a_port_that_another_program_took_is_replaced_and_the_others_stay(home):
    settings = home()
    before = ports(settings.home)
    with socket.create_server(("127.0.0.1", before.portal)):
        after = control.up(settings)
    assert after.portal != before.portal
    assert (after.aws, after.sftp, after.redshift, after.password) == (
        before.aws,
        before.sftp,
        before.redshift,
        before.password,
    )
    assert control.environment(settings)["DATASF_BASE_URL"] == after.portal_url


@pytest.mark.full
def test_two_homes_run_side_by_side_and_know_nothing_of_each_other(home):
    one, two = home("one"), home("two")
    first, second = control.up(one), control.up(two)
    assert not set(first.named().values()) & set(second.named().values())
    assert first.password != second.password
    client("s3", one).put_object(Bucket="sf-transactions-local", Key="mine", Body=b"x")
    assert client("s3", two).list_objects_v2(Bucket="sf-transactions-local")["KeyCount"] == 0
    control.down(one)
    assert all(map(answers, second.named().values()))


def test_the_settings_lead_to_the_stand_ins_and_hold_all_that_provisioning_needs(home):
    settings = home()
    given = control.environment(settings)
    assert given["SF_TRANSACTIONS_HOME"] == str(settings.home)
    assert given["DAGSTER_HOME"] == str(settings.home / "dagster")
    assert "DATASF_APP_TOKEN" not in given
    read = Settings.from_environ(given)
    assert (read.sftp_host, read.redshift_host, read.ssl) == ("127.0.0.1", "127.0.0.1", False)
    assert read.s3_bucket and read.redshift_password and read.redshift_cidr == "127.0.0.1/32"


def test_a_dagster_home_that_is_set_stays(home, monkeypatch):
    settings = home()
    monkeypatch.setenv("DAGSTER_HOME", "/srv/dagster")
    assert control.environment(settings)["DAGSTER_HOME"] == "/srv/dagster"


def test_settings_for_the_real_aws_and_a_proxy_do_not_lead_past_the_stand_ins(home, monkeypatch):
    settings = home()
    nowhere = "http://127.0.0.1:9"
    for name, value in {
        "AWS_ENDPOINT_URL_S3": nowhere,
        "AWS_ENDPOINT_URL_TRANSFER": nowhere,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "AWS_SESSION_TOKEN": "theirs",
        "AWS_ACCESS_KEY_ID": "theirs",
        "HTTP_PROXY": nowhere,
        "NO_PROXY": "intranet.example",
        "S3_BUCKET": "their-bucket",
        "SFTP_HOST": "their-host",
    }.items():
        monkeypatch.setenv(name, value)
    control.up(settings)
    assert control.environment(settings)["NO_PROXY"] == "intranet.example,127.0.0.1"
    assert os.environ["S3_BUCKET"] == "their-bucket"


@pytest.mark.full
def test_secrets_are_private_and_in_no_log(home):
    settings = home()
    chosen = control.up(settings)
    control.down(settings)
    kept = settings.home / "local" / "ports.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert chosen.password in kept.read_text()
    assert chosen.password not in repr(chosen)
    log = (settings.home / "logs" / "local.log").read_text()
    assert "the stand-ins answer" in log
    assert chosen.password not in log
    assert "PRIVATE KEY" not in log


def test_a_sample_size_that_is_no_number_is_named_before_anything_starts(tmp_path):
    settings = Settings(home_dir=str(tmp_path), sample_rows="many")
    with pytest.raises(SettingsError, match="SF_TRANSACTIONS_SAMPLE_ROWS is 'many'"):
        control.up(settings)
    assert not control.running(settings)


def test_a_start_that_fails_says_where_to_look(home):
    settings = home()
    settings.home.mkdir()
    (settings.home / "warehouse.duckdb").write_text("no database at all, and long enough to be looked at" * 100)
    with pytest.raises(control.LocalError, match=r"ended at once; see the end of .*local\.log"):
        control.up(settings)
    assert not control.running(settings)
