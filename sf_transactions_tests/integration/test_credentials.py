"""How the warehouse is logged in to, and that no secret is told, whatever goes wrong."""

import json
from pathlib import Path

import boto3
import pytest

from sf_transactions.local.portal import Portal
from sf_transactions.provision.errors import ProvisionError
from sf_transactions.resources import credentials
from sf_transactions.resources.credentials import Login
from sf_transactions.resources.warehouse import Warehouse
from sf_transactions.settings import Settings, SettingsError
from sf_transactions_tests.integration.pipeline import pipeline
from sf_transactions_tests.rows import published

SECRET, WORKGROUP = "books/warehouse", "books"


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with pipeline(tmp_path_factory.mktemp("login") / "home") as started:
        content = {"username": started.settings.redshift_user, "password": started.settings.redshift_password}
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(content))
        serverless = boto3.client("redshift-serverless")
        serverless.create_namespace(
            namespaceName=WORKGROUP, dbName=started.settings.redshift_database, manageAdminPassword=True,
            adminUsername="admin",
        )  # fmt: skip
        serverless.create_workgroup(workgroupName=WORKGROUP, namespaceName=WORKGROUP)
        yield started


@pytest.fixture
def ask(started, monkeypatch):
    """Asks who is logged in, with these settings instead of the password."""

    def who(**settings: str) -> str:
        monkeypatch.delenv("REDSHIFT_PASSWORD")
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return Warehouse.from_settings(Settings.from_environ()).query("select current_user as u")["u"][0]

    return who


@pytest.mark.parametrize(
    ("settings", "user"),
    [
        ({"REDSHIFT_AUTH": "secret", "REDSHIFT_SECRET": SECRET}, "sf_transactions"),
        ({"REDSHIFT_AUTH": "iam"}, "IAM:sf_transactions"),
        ({"REDSHIFT_WORKGROUP": WORKGROUP}, "admin"),
        ({"REDSHIFT_WORKGROUP": WORKGROUP, "REDSHIFT_AUTH": "iam"}, "IAM:AKIAEXAMPLE"),
    ],
    ids=["secret", "iam", "managed secret of a workgroup", "iam of a workgroup"],
)
def test_one_logs_in_without_a_password_in_the_settings(ask, settings, user):
    assert ask(**settings) == user


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({}, ProvisionError, "keeps its password in Secrets Manager: set REDSHIFT_PASSWORD or REDSHIFT_SECRET"),
        ({"REDSHIFT_AUTH": "password"}, SettingsError, "REDSHIFT_PASSWORD is not set"),
        ({"REDSHIFT_AUTH": "kerberos"}, SettingsError, "write auto or password or secret or iam"),
        ({"REDSHIFT_SECRET": "nobody/knows"}, ProvisionError, "secret nobody/knows"),
        ({"REDSHIFT_AUTH": "iam", "REDSHIFT_CLUSTER": "elsewhere"}, ProvisionError, "cluster elsewhere"),
    ],
)
def test_a_login_that_cannot_be_had_says_which_and_what_to_do(ask, settings, error, words):
    with pytest.raises(error) as caught:
        ask(**settings)
    assert words in str(caught.value)


def test_a_secret_of_another_form_is_named_and_not_shown(ask):
    boto3.client("secretsmanager").create_secret(Name="other/form", SecretString="hunter2-in-the-clear")
    with pytest.raises(SettingsError) as caught:
        ask(REDSHIFT_SECRET="other/form")
    assert "secret other/form" in str(caught.value) and "hunter2" not in str(caught.value)


def test_a_login_does_not_show_its_password():
    assert "hunter2" not in repr(Login("clerk", "hunter2"))


def test_tls_is_required_unless_the_settings_say_otherwise():
    assert Warehouse.from_settings(Settings(redshift_password="x")).ssl


@pytest.mark.parametrize(
    "settings",
    [
        {"redshift_role": "nobody"},
        {"redshift_role": "nobody", "redshift_auth": "secret", "redshift_secret": SECRET},
        {"redshift_role": "nobody", "redshift_auth": "iam"},
        {"redshift_database": "elsewhere"},
        {"redshift_ssl": "true"},
    ],
    ids=["password", "secret", "iam", "no database", "no TLS"],
)
def test_no_secret_is_told_by_a_run_that_fails(started, monkeypatch, caplog, capfd, settings):
    token = "a-token-of-the-portal-that-is-secret"
    given: list[str] = [*started.secrets(), token]
    by_iam = credentials._by_iam

    def noted(*args):  # what IAM gives is another each time
        found = by_iam(*args)
        given.append(found.password)
        return found

    monkeypatch.setattr(credentials, "_by_iam", noted)
    portal = Portal(published({"fiscal_year": "2018"}), tokens=frozenset({token})).start()
    try:
        with caplog.at_level("DEBUG"):
            run = started.run(portal.url, 2018, datasf_app_token=token, **settings)
    finally:
        portal.stop()
    assert not run.success and run.errors
    shown = capfd.readouterr()
    files = [path for path in started.settings.home.rglob("*") if path.is_file() and _is_text_of_ours(path)]
    told = [run.told, str(run.materialized), str(run.errors), caplog.text, shown.out, shown.err]
    told += [path.read_text(encoding="utf-8", errors="replace") for path in files]
    for secret in given:
        assert not [text for text in told if secret in text]


def _is_text_of_ours(path: Path) -> bool:
    """Whatever a run may write: not the keys, nor the ports and the password of the stand-ins, which are 0600."""
    return not {"keys", "local", "warehouse.duckdb", "warehouse.duckdb.wal"} & set(path.parts)


def test_a_resource_does_not_show_its_secret():
    from sf_transactions.resources import portal

    shown = repr(Warehouse(database="d", user="u", password="hunter2")) + repr(
        portal.Portal(base_url="http://p", app_token="hunter2")
    )
    assert "hunter2" not in shown
