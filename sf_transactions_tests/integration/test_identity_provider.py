"""Logins by an OpenID Connect provider: the SFTP endpoint asks the function as it is deployed, in its own process."""

import ast
import contextlib
import io
import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import boto3
import paramiko
import pytest

from sf_transactions import identity, rotation
from sf_transactions.identity import handler
from sf_transactions.local import standins
from sf_transactions.local.oidc import LOCKED_AFTER, OidcProvider, Person
from sf_transactions.local.ports import Ports
from sf_transactions.provision.apply import provision
from sf_transactions.provision.destroy import teardown
from sf_transactions.provision.plan import plan
from sf_transactions.resources.transfer import Transfer, TransferError
from sf_transactions.settings import SettingsError
from sf_transactions_tests.integration.moto_aws import ACCOUNT, changes, city_books, clients_made_once, moto_aws, quiet

NAME = {"FunctionName": "sf-transactions-login"}
GROUP = ("sf-transactions",)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A project whose SFTP server asks a provider on loopback."""
    with pytest.MonkeyPatch.context() as patch, clients_made_once(), moto_aws(patch):
        s3 = boto3.client("s3")
        provider = OidcProvider().start()
        endpoint = standins._sftp(Ports(0, 0, 0, 0, password=""), lambda: s3)
        settings = city_books(
            tmp_path_factory.mktemp("home"),
            sftp_oidc_issuer=provider.issuer,
            sftp_oidc_client_id=provider.client_id,
            sftp_oidc_client_secret=provider.client_secret,
            sftp_host="127.0.0.1",
            sftp_port=str(endpoint.port),
        )
        provision(settings, quiet)
        yield settings, provider
        endpoint.stop()
        provider.stop()


@pytest.fixture
def idp(place):
    """The same, with Ada and Bob known, nobody counted, and the provider well."""
    settings, provider = place
    provider.people.clear()
    provider.add(Person("ada", "Right-password-1", GROUP))
    provider.add(Person("bob", "Other-password-1", ("accounting",)))
    provider.claims, provider.fails, provider.token_seconds, provider.asked = {}, 0, 300, 0
    provider.thin = False
    table = boto3.client("dynamodb")
    for item in table.scan(TableName="sf-transactions-login")["Items"]:
        table.delete_item(TableName="sf-transactions-login", Key={"who": item["who"]})
    return settings, provider


@contextlib.contextmanager
def session(settings, username="ada", password="Right-password-1", **options):
    with contextlib.closing(paramiko.SSHClient()) as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        given = {"allow_agent": False, "look_for_keys": False, "timeout": 20, "auth_timeout": 30, **options}
        client.connect("127.0.0.1", int(settings.sftp_port), username, password=password, **given)
        yield client.open_sftp()


def refused(settings, **login) -> bool:
    try:
        with session(settings, **login):
            return False
    except (paramiko.AuthenticationException, paramiko.SSHException):
        return True


def test_after_provisioning_there_is_nothing_to_do(idp):
    assert not plan(idp[0]).changes


def test_a_person_of_the_group_logs_in_and_sees_a_folder_of_their_own_only(idp):
    settings, _ = idp
    s3 = boto3.client("s3")
    s3.put_object(Bucket="city-books", Key="transaction/secret", Body=b"no")
    s3.put_object(Bucket="city-books", Key="people/adam/secret", Body=b"no")
    with session(settings) as sftp:
        sftp.putfo(io.BytesIO(b"a,b\n"), "/data.csv")
        assert sftp.listdir("/") == ["data.csv"]
        for path in ("/../../transaction/secret", "../adam/secret", "/people/adam/secret"):
            with pytest.raises(OSError):
                sftp.open(path).read()
    assert s3.get_object(Bucket="city-books", Key="people/ada/data.csv")["Body"].read() == b"a,b\n"


def test_a_name_written_in_another_case_leads_to_the_same_folder(idp):
    settings, _ = idp
    with session(settings, username="ADA") as sftp:
        sftp.putfo(io.BytesIO(b"x"), "/other-case.csv")
    assert boto3.client("s3").head_object(Bucket="city-books", Key="people/ada/other-case.csv")["ContentLength"] == 1


def test_the_pipeline_s_own_user_logs_in_by_its_key_and_not_by_a_password(idp):
    settings, provider = idp
    with Transfer.from_settings(settings).connect() as sftp:
        sftp.put(b"x", "/transaction/part")
    assert boto3.client("s3").head_object(Bucket="city-books", Key="transaction/part")["ContentLength"] == 1
    provider.add(Person("sf-transactions", "Right-password-1", GROUP))
    assert refused(settings, username="sf-transactions")
    assert provider.asked == 0


@pytest.mark.parametrize(
    "login",
    [
        {"password": "wrong"},
        {"password": ""},
        {"password": "Right-password-1 "},
        {"username": "nobody"},
        {"username": "bob", "password": "Other-password-1"},  # not in the group
        {"username": "bob"},
        {"username": "root"},
        {"username": "../ada"},
        {"username": "a"},
        {"username": "ada\n"},
    ],
    ids=str,
)
def test_everybody_else_is_denied(idp, login):
    assert refused(idp[0], **login)


@pytest.mark.full
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another-client"},
        {"exp": 1},
        {"exp": "never"},
        {"preferred_username": "bob"},
        {"groups": "sf-transactions"},
        {"groups": []},
        {"groups": None},
    ],
    ids=str,
)
def test_a_token_that_is_wrong_in_any_claim_lets_nobody_in(idp, claims):
    settings, provider = idp
    provider.claims = claims
    assert refused(settings)
    provider.claims = {}
    assert not refused(settings)


def test_groups_that_the_token_leaves_out_are_those_that_userinfo_tells_of_the_same_person(idp):
    settings, provider = idp
    provider.thin = True
    assert not refused(settings)
    assert refused(settings, username="bob", password="Other-password-1")
    for sub in ("00ubob", None):
        provider.claims = {"sub": sub}
        assert refused(settings)


def test_a_token_that_has_expired_lets_nobody_in(idp):
    settings, provider = idp
    provider.token_seconds = -handler.SKEW - 5
    assert refused(settings)


def test_an_expired_password_a_lock_and_a_provider_that_fails_are_refusals(idp):
    settings, provider = idp
    provider.people["ada"].password_expired = True
    assert refused(settings)
    provider.people["ada"].password_expired = False
    provider.people["ada"].wrong = LOCKED_AFTER
    assert refused(settings)
    provider.people["ada"].wrong = 0
    provider.fails = 503
    assert refused(settings)
    provider.fails = 0
    assert not refused(settings)


def test_after_some_wrong_passwords_the_provider_is_asked_no_more(idp):
    settings, provider = idp
    for _ in range(handler.PER_USER):
        assert refused(settings, password="guess")
    assert provider.asked == handler.PER_USER
    assert refused(settings)  # even by the right one, for a while
    assert provider.asked == handler.PER_USER


@pytest.mark.full
def test_a_login_that_succeeds_forgets_the_wrong_ones_before(idp):
    settings, provider = idp
    for _ in range(2):
        for _ in range(handler.PER_USER - 1):
            assert refused(settings, password="guess")
        assert not refused(settings)
    assert provider.asked == 2 * handler.PER_USER


def test_the_answer_is_what_transfer_family_takes_and_its_policy_reaches_the_folder_only(idp):
    server = boto3.client("transfer").list_servers()["Servers"][0]["ServerId"]
    asked = {"ServerId": server, "UserName": "ada", "UserPassword": "Right-password-1", "ServerProtocol": "SFTP"}
    answer = json.loads(boto3.client("transfer").test_identity_provider(**asked)["Response"])
    assert answer["Role"] == f"arn:aws:iam::{ACCOUNT}:role/sf-transactions/sf-transactions-transfer"
    assert answer["HomeDirectoryType"] == "LOGICAL"
    assert json.loads(answer["HomeDirectoryDetails"]) == [{"Entry": "/", "Target": "/city-books/people/ada"}]
    listing, _, objects = json.loads(answer["Policy"])["Statement"]
    assert objects["Resource"] == "arn:aws:s3:::city-books/people/ada/*"
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["people/ada/", "people/ada/*"]}}
    denied = boto3.client("transfer").test_identity_provider(**asked | {"UserPassword": "wrong"})
    assert denied["Response"] == "{}"


@pytest.mark.full
def test_the_pipeline_s_own_key_is_rotated(idp, monkeypatch, tmp_path):
    settings, _ = idp
    monkeypatch.setattr(rotation, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(rotation, "OVERLAP_SECONDS", 0.1)
    old = tmp_path / "old"
    old.write_bytes((settings.home / "keys" / "client_key").read_bytes())
    rotation.rotate_client_key(settings, "ed25519", quiet)
    with Transfer.from_settings(settings).connect():
        pass
    with pytest.raises(TransferError), Transfer.from_settings(settings, client_key=old).connect():
        pass
    assert not plan(settings).changes


def test_a_function_that_fails_lets_nobody_in(idp):
    settings, _ = idp
    client = boto3.client("lambda")
    broken = io.BytesIO()
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("handler.py", "def handler(event, context):\n    raise RuntimeError('broken')\n")
    client.update_function_code(**NAME, ZipFile=broken.getvalue())
    assert refused(settings)
    assert changes(settings) == {"function sf-transactions-login": "~ its code is not that of this version"}
    provision(settings, quiet)
    assert not refused(settings)


def test_drift_of_the_function_its_callers_secret_table_and_log_is_found_and_repaired(idp):
    settings, _ = idp
    client, variables = boto3.client("lambda"), {"Variables": {"GROUP": "everyone"}}
    client.update_function_configuration(**NAME, Environment=variables)
    client.remove_permission(**NAME, StatementId="transfer-family")
    more = {"StatementId": "more", "Action": "lambda:InvokeFunction", "Principal": "*"}
    client.add_permission(**NAME, **more)
    boto3.client("secretsmanager").put_secret_value(SecretId="sf-transactions-login", SecretString="other")
    boto3.client("logs").delete_retention_policy(logGroupName="/aws/lambda/sf-transactions-login")
    server = boto3.client("transfer").list_servers()["Servers"][0]["ServerId"]
    boto3.client("transfer").update_server(ServerId=server, IdentityProviderType="SERVICE_MANAGED")
    found = changes(settings)
    told = found["function sf-transactions-login"]
    assert all(words in told for words in ("Environment is otherwise", "someone else may call it", "may not call it"))
    assert found["secret sf-transactions-login"] == "~ the settings give another one"
    assert "kept for ever" in found["log group /aws/lambda/sf-transactions-login"]
    assert "IdentityProviderType is SERVICE_MANAGED" in found["SFTP server of city-books"]
    provision(settings, quiet)
    assert not plan(settings).changes
    assert not refused(settings)


def test_without_the_provider_all_of_it_goes_and_the_user_comes_back(idp):
    settings, _ = idp
    without = replace(settings, sftp_oidc_issuer=None)
    deleted = {resource for resource, told in changes(without).items() if told.startswith("-")}
    name = "sf-transactions-login"
    assert deleted == {
        *(f"{kind} {name}" for kind in ("role", "policy", "function", "secret", "table")),
        f"log group /aws/lambda/{name}",
    }
    provision(without, quiet)
    assert not plan(without).changes
    assert refused(settings)
    with Transfer.from_settings(without).connect():
        pass
    provision(settings, quiet)
    assert not refused(settings)


# What follows has an AWS of its own.


@pytest.mark.full
def test_a_provider_that_is_not_reached_by_tls_is_refused(tmp_path):
    plain = city_books(tmp_path, sftp_oidc_issuer="http://idp.example", sftp_oidc_client_id="x")
    with clients_made_once(), pytest.MonkeyPatch.context() as patch, moto_aws(patch):
        with pytest.raises(SettingsError, match="passwords go to https:// only"):
            plan(plain)
        with pytest.raises(SettingsError, match="SFTP_OIDC_CLIENT_ID is not set"):
            plan(replace(plain, sftp_oidc_issuer="https://idp.example", sftp_oidc_client_id=None))
    with pytest.raises(handler.Denied, match="not reached by https"):
        handler._endpoints("http://idp.example")


def test_the_package_is_the_same_bytes_each_time_and_needs_the_standard_library_and_boto3_only():
    assert identity.package() == identity.package()
    with zipfile.ZipFile(io.BytesIO(identity.package())) as archive:
        assert archive.namelist() == ["handler.py"]
        tree = ast.parse(archive.read("handler.py"))
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {
        node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }
    assert imported - set(sys.stdlib_module_names) == {"boto3"}


@pytest.mark.full
def test_no_password_token_or_secret_is_in_the_function_s_log(tmp_path, capsys):
    with clients_made_once(), pytest.MonkeyPatch.context() as patch, moto_aws(patch):
        provider = OidcProvider().start()
        provider.add(Person("ada", "Right-password-1", GROUP))
        settings = city_books(
            Path(tmp_path),
            sftp_oidc_issuer=provider.issuer,
            sftp_oidc_client_id=provider.client_id,
            sftp_oidc_client_secret=provider.client_secret,
        )
        said: list[str] = []
        provision(settings, said.append)
        variables = boto3.client("lambda").get_function_configuration(**NAME)["Environment"]["Variables"]
        handler._client.cache_clear()
        with patch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            event = {"username": "ada", "protocol": "SFTP", "serverId": "s-1", "sourceIp": "198.51.100.1"}
            assert handler.handler(event | {"password": "Right-password-1"}, None)["Role"]
            assert handler.handler(event | {"password": "Wrong-password-9"}, None) == {}
            assert handler.handler(event | {"password": "Right-password-1", "protocol": "FTP"}, None) == {}
            environment.delenv("TABLE")
            assert handler.handler(event | {"password": "Right-password-1"}, None) == {}
        log = capsys.readouterr().out
        assert log.count('"outcome": "denied"') == 3 and log.count('"outcome": "allowed"') == 1
        shown = log + "\n".join(said) + str(variables) + repr(settings) + str(plan(settings).as_json())
        for secret in (
            "Right-password-1",
            "Wrong-password-9",
            provider.client_secret,
            "c2lnbmF0dXJl",
            *provider.access,
        ):
            assert secret not in shown
        handler._client.cache_clear()
        teardown(settings, said.append)
        assert said[-1] == "audit: nothing of this project is left"
        provider.stop()
