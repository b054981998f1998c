"""An OpenID Connect provider on loopback, as Okta is one: people with passwords and groups, who are locked out after
some wrong passwords and whose passwords expire.

It serves its description, the password grant (RFC 6749, 4.3) and userinfo: what the SFTP server's function asks for.
"""

import base64
import json
import secrets
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOCKED_AFTER = 10  # wrong passwords, as Okta's default policy has it


@dataclass
class Person:
    """Somebody whom the provider knows. The password is secret."""

    username: str
    password: str = field(repr=False)
    groups: tuple[str, ...] = ()
    password_expired: bool = False
    wrong: int = 0

    @property
    def locked(self) -> bool:
        return self.wrong >= LOCKED_AFTER


@dataclass
class OidcProvider:
    """The provider, and how its tokens are; a test may make them wrong."""

    client_id: str = "sftp"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    people: dict[str, Person] = field(default_factory=dict)
    token_seconds: int = 300
    claims: dict[str, Any] = field(default_factory=dict)  # in the place of the true ones
    thin: bool = False  # whether groups are told by userinfo only, as Okta does beside an access token
    fails: int = 0  # the status of every answer, instead of an answer
    asked: int = 0  # for tokens
    access: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)  # what userinfo tells, by access token

    def start(self) -> "OidcProvider":
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="oidc", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, person: Person) -> None:
        """Names are known in any case, as Okta's are."""
        self.people[person.username.lower()] = person

    def token(self, authorization: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and answer of the token endpoint."""
        self.asked += 1
        if authorization != _basic(self.client_id, self.client_secret):
            return 401, {"error": "invalid_client"}
        if form.get("grant_type") != "password" or "openid" not in form.get("scope", "").split():
            return 400, {"error": "unsupported_grant_type"}
        person = self.people.get(form.get("username", "").lower())
        if person is None or person.locked:
            return 400, {"error": "invalid_grant", "error_description": "The credentials provided were invalid."}
        if not secrets.compare_digest(person.password.encode(), form.get("password", "").encode()):
            person.wrong += 1
            return 400, {"error": "invalid_grant", "error_description": "The credentials provided were invalid."}
        person.wrong = 0
        if person.password_expired:
            return 400, {"error": "invalid_grant", "error_description": "The password has expired."}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "sub": f"00u{person.username}",
            "iat": now,
            "exp": now + self.token_seconds,
            "preferred_username": person.username,
            "groups": list(person.groups),
        }
        access = secrets.token_urlsafe(24)
        self.access[access] = {name: claims[name] for name in ("sub", "preferred_username", "groups")}
        if self.thin:
            del claims["groups"]
        token = ".".join((_encoded({"alg": "RS256"}), _encoded(claims | self.claims), "c2lnbmF0dXJl"))
        told = {"token_type": "Bearer", "expires_in": self.token_seconds, "id_token": token, "access_token": access}
        return 200, told

    def userinfo(self, authorization: str) -> tuple[int, dict[str, Any]]:
        """Status and answer of the userinfo endpoint."""
        told = self.access.get(authorization.removeprefix("Bearer "))
        return (200, told) if told else (401, {"error": "invalid_token"})


def _basic(client_id: str, client_secret: str) -> str:
    pair = f"{urllib.parse.quote(client_id, '')}:{urllib.parse.quote(client_secret, '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _handler(provider: OidcProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/v1/userinfo":
                return self._answer(*provider.userinfo(self.headers.get("Authorization", "")))
            described = {
                "issuer": provider.issuer,
                "token_endpoint": f"{provider.issuer}/v1/token",
                "userinfo_endpoint": f"{provider.issuer}/v1/userinfo",
                "grant_types_supported": ["password"],
            }
            known = self.path == "/.well-known/openid-configuration"
            self._answer(200 if known else 404, described if known else {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in urllib.parse.parse_qs(body).items()}
            if self.path != "/v1/token":
                return self._answer(404, {})
            self._answer(*provider.token(self.headers.get("Authorization", ""), form))

        def _answer(self, status: int, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(provider.fails or status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    return Handler
