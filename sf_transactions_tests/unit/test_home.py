import subprocess
import sys

import pytest

from sf_transactions.resources.home import HomeError, locked, replacing
from sf_transactions.settings import Settings, SettingsError


def test_a_second_run_on_a_home_is_told_who_holds_it(tmp_path):
    script = (
        "import sys, pathlib; from sf_transactions.resources.home import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 'run one'): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(HomeError, match="in use by run one"), locked(tmp_path, "run two"):
            pass
        other.kill()
        other.wait()
    with locked(tmp_path, "run three"):  # the lock went with the process
        assert (tmp_path / "run.lock").read_text() == "run three"


def test_a_file_is_replaced_when_it_is_complete_and_kept_when_writing_fails(tmp_path):
    path = tmp_path / "deep" / "file"
    with replacing(path) as incoming:
        incoming.write_text("first")
    with pytest.raises(RuntimeError), replacing(path) as incoming:
        incoming.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_home_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="cannot be written"), locked(tmp_path / "file" / "home", "me"):
        pass


def test_an_empty_variable_counts_as_unset():
    assert Settings.from_environ({"REDSHIFT_HOST": "", "S3_BUCKET": "b"}) == Settings(s3_bucket="b")


def test_a_secret_is_not_in_the_settings_text():
    assert "hunter2" not in repr(Settings(redshift_password="hunter2", datasf_app_token="hunter2"))


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1"])
def test_a_port_that_is_none_is_named(port):
    with pytest.raises(SettingsError, match="SFTP_PORT"):
        Settings(sftp_port=port).port("sftp_port")


def test_a_word_that_is_neither_true_nor_false_is_named():
    with pytest.raises(SettingsError, match="REDSHIFT_SSL"):
        _ = Settings(redshift_ssl="maybe").ssl
