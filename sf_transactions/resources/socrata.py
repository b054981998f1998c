"""Socrata's query API as a client sees it: two dialects, retries and deadlines."""

import http.client
import importlib.metadata
import json
import logging
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sf_transactions.resources.answers import Answer, Body, Garbled, read_csv

if TYPE_CHECKING:
    import urllib3

T = TypeVar("T")

# 202 is the portal's "still working"; the rest is throttling and faults that pass.
RETRIED = frozenset({202, 429, 500, 502, 503, 504})
LONGEST_PAUSE = 30.0  # seconds, unless the portal asks for more
APIS = ("auto", "soda2", "soda3")


class PortalError(RuntimeError):
    """The portal cannot be reached, or what it sends is not the dataset; the message names what and where."""


class _Refused(Exception):
    """An answer whose status says no."""

    def __init__(self, status: int, code: str, message: str, retry_after: float | None) -> None:
        super().__init__(f"{status} ({message})")
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after


@dataclass(frozen=True)
class Query:
    """The clauses of a SoQL query. A page is of `limit` rows, and starts after `offset` of them."""

    limit: int
    offset: int = 0
    select: str = "*"
    where: str = ""
    group: str = ""
    order: str = ""


@dataclass
class Client:
    """A Socrata dataset at `base_url`; safe to share between threads.

    `api` is a dialect, or `auto`: SODA 3 with a token, SODA 2 without one or where the portal has no SODA 3.
    An answer that stays away or comes broken is asked for again, `attempts` times in all and until the deadline
    has passed.
    """

    base_url: str
    dataset: str
    app_token: str | None
    api: str
    attempts: int
    timeout_seconds: float
    deadline_seconds: float
    backoff_seconds: float
    log: logging.Logger

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("https://", "http://")):
            raise PortalError(f"{self.base_url} is no address of a portal: DATASF_BASE_URL starts with https://")
        if self.api not in APIS:
            raise PortalError(f"DATASF_API is {self.api!r}: write one of {', '.join(APIS)}")
        # http.client would quote a malformed header in its error.
        token = self.app_token or ""
        if not token.isascii() or not token.isprintable() or " " in token:
            raise PortalError("DATASF_APP_TOKEN holds characters that no app token has: correct or unset it")
        if self.api == "soda3" and not token:
            raise PortalError(
                "SODA 3 takes no question without an app token: set DATASF_APP_TOKEN, or DATASF_API=soda2"
            )
        self._soda3 = self.api == "soda3" or (self.api == "auto" and bool(token))
        self._ends = time.monotonic() + self.deadline_seconds
        self._pool = self._make_pool()
        self._switching = threading.Lock()

    def json(self, path: str, what: str, parse: Callable[[Any], T]) -> T:
        """The parsed answer to GET `path`. Raises PortalError."""

        def read(response: "urllib3.BaseHTTPResponse") -> T:
            try:
                return parse(json.loads(Body(response, self._overdue(what)).read()))
            except (ValueError, KeyError, TypeError) as error:
                raise Garbled(f"no JSON of the expected form ({type(error).__name__}: {error})"[:300]) from None

        return self._ask(lambda: ("GET", self._url(path), None), what, read)

    def query(self, query: Query, what: str, consume: Callable[[Answer], T]) -> T:
        """What `consume` makes of the answer. It is called again for an answer that is asked for again, and raises
        Garbled for one that should be. Raises PortalError."""

        def read(response: "urllib3.BaseHTTPResponse") -> T:
            return consume(read_csv(Body(response, self._overdue(what))))

        return self._ask(lambda: self._request(query), what, read)

    @property
    def soda3(self) -> bool:
        return self._soda3

    def _request(self, query: Query) -> tuple[str, str, bytes | None]:
        """Method, address and body of a query in the dialect of the moment."""
        if self._soda3:
            words = [("SELECT", query.select), ("WHERE", query.where), ("GROUP BY", query.group)]
            statement = " ".join(f"{word} {text}" for word, text in [*words, ("ORDER BY", query.order)] if text)
            page = {"pageNumber": query.offset // query.limit + 1, "pageSize": query.limit}
            body = json.dumps({"query": statement, "page": page}).encode()
            return "POST", self._url(f"api/v3/views/{self.dataset}/query.csv"), body
        clauses = {
            "$select": query.select if query.select != "*" else "",
            "$where": query.where,
            "$group": query.group,
            "$order": query.order,
            "$limit": str(query.limit),
            "$offset": str(query.offset) if not query.group else "",
        }
        asked = urllib.parse.urlencode({name: text for name, text in clauses.items() if text})
        return "GET", f"{self._url(f'resource/{self.dataset}.csv')}?{asked}", None

    def _url(self, path: str) -> str:
        return f"{self.base_url.rstrip('/')}/{path}"

    def _ask(
        self,
        request: Callable[[], tuple[str, str, bytes | None]],
        what: str,
        read: "Callable[[urllib3.BaseHTTPResponse], T]",
    ) -> T:
        import urllib3

        attempt = 0
        while True:
            attempt += 1
            asked = request()
            pause = min(self.backoff_seconds * 2 ** (attempt - 1), LONGEST_PAUSE)
            try:
                return self._once(asked, read)
            except _Refused as error:
                if self._fall_back(asked[0], error):
                    attempt = 0
                    continue
                failure = self._refusal(error, what)
                if error.status not in RETRIED:
                    raise PortalError(failure) from None
                pause = error.retry_after if error.retry_after is not None else pause
                fault = f"status {error.status}"
            except (Garbled, urllib3.exceptions.DecodeError) as error:
                fault = (
                    str(error) if isinstance(error, Garbled) else f"the compressed body is damaged ({_cause(error)})"
                )
                failure = (
                    f"{self.base_url} sends {what} cut or unreadable in each of {self.attempts} attempts: {fault}; "
                    "check that DATASF_BASE_URL is a Socrata portal, or run again later"
                )
            except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
                if not isinstance(error, urllib3.exceptions.HTTPError | http.client.HTTPException | ConnectionError):
                    raise  # a full disk is no fault of the portal
                fault = _cause(error)
                failure = (
                    f"{self.base_url} could not be read for {what} in {self.attempts} attempts: {fault}; check "
                    "DATASF_BASE_URL and the network, or run again later"
                )
            if attempt >= self.attempts:
                raise PortalError(failure)
            self.log.warning("%s: %s; attempt %d of %d", what, fault, attempt, self.attempts)
            self.pause(pause, what)

    def pause(self, seconds: float, what: str) -> None:
        """Sleeps. Raises PortalError when that would take longer than the deadline leaves."""
        if time.monotonic() + seconds > self._ends:
            raise PortalError(self._late(what))
        time.sleep(seconds)

    def _late(self, what: str) -> str:
        return (
            f"{self.base_url}, {what}: not done within {self.deadline_seconds:g} s; the pages that arrived are kept, "
            "run again later, or raise DATASF_DEADLINE_SECONDS"
        )

    def _overdue(self, what: str) -> Callable[[], None]:
        """A check for the length of an answer: a portal that drips keeps every single read within its timeout."""
        until = time.monotonic() + 5 * self.timeout_seconds

        def check() -> None:
            if time.monotonic() > self._ends:
                raise PortalError(self._late(what))
            if time.monotonic() > until:
                raise Garbled(f"the answer drips: not here after {5 * self.timeout_seconds:g} s")

        return check

    def _once(self, asked: tuple[str, str, bytes | None], read: "Callable[[urllib3.BaseHTTPResponse], T]") -> T:
        method, url, body = asked
        headers = {**self._pool.headers, "Content-Type": "application/json"} if body is not None else None
        response = self._pool.request(method, url, body=body, headers=headers, preload_content=False)
        complete = False
        try:
            if response.status != 200:
                raise self._refused(response)
            answer = read(response)
            complete = True
            return answer
        finally:
            if complete:
                response.release_conn()
            else:
                response.close()  # what is left of it must not be taken for the next answer

    def _refused(self, response: "urllib3.BaseHTTPResponse") -> _Refused:
        import urllib3

        content = response.read(64 * 1024)
        try:
            told = json.loads(content)
            code, message = str(told.get("code") or ""), str(told.get("message") or told.get("code") or response.reason)
        except (ValueError, AttributeError):
            code, message = "", str(response.reason)
        return _Refused(response.status, code, message[:300], urllib3.Retry().get_retry_after(response))

    def _fall_back(self, method: str, error: _Refused) -> bool:
        """Whether the question is to be asked again in SODA 2, because this portal has no SODA 3 for us."""
        if method != "POST" or self.api != "auto":
            return False
        lacks = error.status in (404, 410) or (error.status == 403 and error.code == "authentication_required")
        with self._switching:
            if lacks and self._soda3:
                self.log.warning("SODA 3 answers %s: going on in SODA 2", error)
                self._soda3 = False
        return lacks

    def _refusal(self, error: _Refused, what: str) -> str:
        said = f"{self.base_url}, asked for {what}, "
        message = error.message
        if self.app_token:
            message = message.replace(self.app_token, "***")
            if error.status in (401, 403) and "token" in message.lower():
                return (
                    f"{said}refused the app token in DATASF_APP_TOKEN (status {error.status}: {message}): correct or "
                    "unset it"
                )
            if error.status in (401, 403):
                return f"{said}answered {error.status} ({message}; perhaps DATASF_APP_TOKEN is not its token)"
        return f"{said}answered {error.status} ({message})" + (
            f" in each of {self.attempts} attempts; run again later" if error.status in RETRIED else ""
        )

    def _make_pool(self) -> "urllib3.PoolManager":
        import urllib3

        headers = {
            "Accept-Encoding": "gzip",
            "User-Agent": f"sf_transactions/{importlib.metadata.version('sf-transactions')}",
        }
        if self.app_token:
            headers["X-App-Token"] = self.app_token
        # Redirects are urllib3's to follow; what failed is asked again here, where the body has been read too.
        retries = urllib3.Retry(
            total=None, connect=0, read=0, status=0, other=0, redirect=3, remove_headers_on_redirect={"X-App-Token"}
        )
        return urllib3.PoolManager(maxsize=16, headers=headers, retries=retries, timeout=self.timeout_seconds)


def _cause(error: BaseException | None) -> str:
    """The innermost fault in words: urllib3 wraps it, and puts objects' addresses in front."""
    error = getattr(error, "reason", None) or error
    while isinstance(error, BaseException) and error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    if isinstance(error, http.client.IncompleteRead):
        return f"the body was cut ({error})"
    return str(error or "no answer").rsplit(">: ", 1)[-1] or type(error).__name__
