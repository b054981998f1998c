"""Who may log in to the SFTP server: Transfer Family's custom identity provider, as a Lambda function.

Runs on Lambda, so that it needs the standard library and boto3 only. A person is asked for at an OpenID Connect
provider (Okta or another) by name and password; a user with a public key, such as the pipeline's own, is known by it.
Everybody else, and every doubt, is denied. Neither passwords nor tokens are logged.

Transfer Family asks with `{"username", "password", "protocol", "serverId", "sourceIp"}`, where the password is empty
when a public key is offered, and takes an empty answer for a refusal.
"""

import base64
import dataclasses
import functools
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

USERNAME = re.compile(r"\w[\w@.-]{2,99}", re.ASCII)
SECONDS = 7  # for an answer of the provider, which is asked up to three times
WINDOW = 900  # seconds in which logins are counted
PER_USER, PER_ADDRESS = 5, 30  # logins with a wrong password in a window
SKEW = 60  # seconds by which clocks may differ
LARGEST_ANSWER = 1 << 20


class Denied(Exception):
    """The reason, for the log. It never holds what the user sent besides the name."""


@dataclasses.dataclass(frozen=True)
class Configuration:
    """The function's variables, none of which is secret."""

    issuer: str
    client_id: str
    secret_id: str
    group: str
    role: str
    bucket: str
    prefix: str
    table: str
    public_keys: dict[str, list[str]]

    @classmethod
    def from_environ(cls) -> "Configuration":
        names = {field.name: os.environ[field.name.upper()] for field in dataclasses.fields(cls)}
        return cls(**names | {"public_keys": json.loads(names["public_keys"])})


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Transfer Family's answer: role, session policy and home, or nothing."""
    seen = {"username": str(event.get("username", ""))[:100], "source": event.get("sourceIp")}
    try:
        answer = login(event, Configuration.from_environ())
    except Denied as reason:
        print(json.dumps(seen | {"outcome": "denied", "reason": str(reason)}))
        return {}
    except Exception as error:  # a doubt is a refusal; the words of the error may hold what was sent
        print(json.dumps(seen | {"outcome": "denied", "reason": f"error: {type(error).__name__}"}))
        return {}
    print(json.dumps(seen | {"outcome": "allowed"}))
    return answer


def login(event: dict[str, Any], configuration: Configuration) -> dict[str, Any]:
    """Raises Denied."""
    username, password = event.get("username", ""), event.get("password", "")
    if not isinstance(username, str) or not USERNAME.fullmatch(username):
        raise Denied("no user name that Transfer Family takes")
    if event.get("protocol") != "SFTP":
        raise Denied("another protocol than SFTP")
    keys = configuration.public_keys.get(username)
    if not password:
        if not keys:
            raise Denied("no public key is known for this name")
        return _place(configuration, configuration.prefix) | {"PublicKeys": keys}
    if keys:
        raise Denied("this name logs in with a key")
    counted = _count(configuration, username, str(event.get("sourceIp", "")))
    person = _authenticate(configuration, username, password)
    _forgive(configuration, counted)
    return _place(configuration, f"{configuration.prefix}people/{person}/")


def _place(configuration: Configuration, prefix: str) -> dict[str, Any]:
    """A logical home at the prefix, and a session policy that reaches it and nothing else."""
    partition = configuration.role.split(":")[1]
    bucket = f"arn:{partition}:s3:::{configuration.bucket}"
    listed = {"Condition": {"StringLike": {"s3:prefix": [prefix, f"{prefix}*"]}}} if prefix else {}
    objects = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"]
    statements = [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": bucket, **listed},
        {"Effect": "Allow", "Action": ["s3:GetBucketLocation"], "Resource": bucket},
        {"Effect": "Allow", "Action": objects, "Resource": f"{bucket}/{prefix}*"},
    ]
    target = f"/{configuration.bucket}/{prefix}".rstrip("/")
    return {
        "Role": configuration.role,
        "Policy": json.dumps({"Version": "2012-10-17", "Statement": statements}),
        "HomeDirectoryType": "LOGICAL",
        # A text, not a list: Transfer Family wants JSON within JSON here.
        "HomeDirectoryDetails": json.dumps([{"Entry": "/", "Target": target}]),
    }


# The provider


def _authenticate(configuration: Configuration, username: str, password: str) -> str:
    """The provider knows the person by this password, and names the group. Raises Denied.

    Returns the name as the provider writes it: Okta takes it in any case, and a person has one folder.
    The token comes from the provider itself over TLS, which stands for its signature (OpenID Connect Core, 3.1.3.7, 6).
    """
    form = {"grant_type": "password", "username": username, "password": password, "scope": "openid profile groups"}
    basic = f"{urllib.parse.quote(configuration.client_id, '')}:{urllib.parse.quote(_client_secret(configuration), '')}"
    request = urllib.request.Request(
        _endpoints(configuration.issuer)["token_endpoint"],
        data=urllib.parse.urlencode(form).encode(),
        headers={
            "Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}",
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    told = _ask(request)
    claims = _claims(told.get("id_token"))
    audience = claims.get("aud")
    if claims.get("iss") != configuration.issuer:
        raise Denied("the token is of another issuer")
    if configuration.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise Denied("the token is for another client")
    if not isinstance(claims.get("exp"), int | float) or claims["exp"] < time.time() - SKEW:
        raise Denied("the token has expired")
    person = str(claims.get("preferred_username", ""))
    if person.lower() != username.lower() or not USERNAME.fullmatch(person):
        raise Denied("the token is for another user")
    groups = claims["groups"] if "groups" in claims else _groups(configuration, told, claims)
    if not isinstance(groups, list) or configuration.group not in groups:
        raise Denied(f"not in the group {configuration.group}")
    return person


def _groups(configuration: Configuration, told: dict[str, Any], claims: dict[str, Any]) -> object:
    """The groups by the provider's userinfo: Okta leaves them out of an id token that comes with an access token.

    Raises Denied.
    """
    endpoint, token = _endpoints(configuration.issuer)["userinfo_endpoint"], told.get("access_token")
    if not endpoint or not isinstance(token, str):
        return None
    asked = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    info = _ask(urllib.request.Request(endpoint, headers=asked))
    if not claims.get("sub") or info.get("sub") != claims["sub"]:  # OpenID Connect Core, 5.3.2
        raise Denied("the provider tells of another user")
    return info.get("groups")


def _ask(request: urllib.request.Request) -> dict[str, Any]:
    """The provider's answer as JSON. Raises Denied."""
    try:
        with _opener().open(request, timeout=SECONDS) as answer:
            told = json.loads(answer.read(LARGEST_ANSWER))
    except urllib.error.HTTPError as error:
        refused = error.code in (400, 401, 403)
        raise Denied("the provider refuses the login" if refused else f"the provider answers {error.code}") from None
    except (OSError, ValueError) as error:
        raise Denied(f"the provider cannot be asked: {type(error).__name__}") from None
    if not isinstance(told, dict):
        raise Denied("the provider's answer is not of the known form")
    return told


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A password goes to the endpoint that the provider names, and nowhere else."""

    def redirect_request(self, *_: Any) -> None:
        return None


@functools.cache
def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)


@functools.cache
def _endpoints(issuer: str) -> dict[str, str]:
    """Where the provider gives tokens and tells of people, by its own description. Raises Denied."""
    _refuse_plain(issuer)
    told = _ask(urllib.request.Request(f"{issuer.rstrip('/')}/.well-known/openid-configuration"))
    if told.get("issuer") != issuer:
        raise Denied("the provider's description is of another issuer")
    found = {name: str(told.get(name) or "") for name in ("token_endpoint", "userinfo_endpoint")}
    for name, url in found.items():
        if url or name == "token_endpoint":
            _refuse_plain(url)
    return found


def _refuse_plain(url: str) -> None:
    """Passwords go by TLS; on the machine itself, where a provider is tried out, they may go without."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1")):
        raise Denied("the provider is not reached by https")


def _claims(token: object) -> dict[str, Any]:
    """What a JSON Web Token says. Raises Denied."""
    try:
        body = str(token).split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError):
        raise Denied("the provider gave no token") from None
    if not isinstance(claims, dict):
        raise Denied("the provider gave no token")
    return claims


# AWS


@functools.cache
def _client(service: str) -> Any:
    import boto3

    return boto3.client(service)


def _client_secret(configuration: Configuration) -> str:
    """Read anew at each login, so that one that was changed is known at once."""
    return _client("secretsmanager").get_secret_value(SecretId=configuration.secret_id)["SecretString"]


def _count(configuration: Configuration, username: str, address: str) -> list[dict[str, Any]]:
    """Counts this login before it is tried, so that many at once are counted too. Raises Denied above the limits."""
    now = int(time.time())
    keys, too_many = [], False
    for who, limit in ((f"user {username.lower()}", PER_USER), (f"address {address}", PER_ADDRESS)):
        key = {"who": {"S": f"{who} {now // WINDOW}"}}
        updated = _client("dynamodb").update_item(
            TableName=configuration.table,
            Key=key,
            UpdateExpression="ADD logins :one SET expires = :expires",
            ExpressionAttributeValues={":one": {"N": "1"}, ":expires": {"N": str(now + 2 * WINDOW)}},
            ReturnValues="UPDATED_NEW",
        )
        keys.append(key)
        too_many |= int(updated["Attributes"]["logins"]["N"]) > limit
    if too_many:
        raise Denied("too many logins; try again later")
    return keys


def _forgive(configuration: Configuration, counted: list[dict[str, Any]]) -> None:
    """A login that succeeds is no attempt at guessing: the user's count is forgotten, the address has one less."""
    user, address = counted
    _client("dynamodb").delete_item(TableName=configuration.table, Key=user)
    _client("dynamodb").update_item(
        TableName=configuration.table,
        Key=address,
        UpdateExpression="ADD logins :less",
        ExpressionAttributeValues={":less": {"N": "-1"}},
    )
