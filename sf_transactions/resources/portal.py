"""The door to DataSF: SODA 2 pages of a fiscal year, and the totals that the portal computes itself."""

import csv
import http.client
import io
import json
import logging
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import dagster as dg
from pydantic import Field, PrivateAttr

from sf_transactions.model import DATASET_ID, PUBLISHED_NAMES
from sf_transactions.transform.amounts import AmountError, ControlTotal, control_totals

if TYPE_CHECKING:
    import pyarrow as pa
    import urllib3

log = logging.getLogger("sf_transactions.portal")
T = TypeVar("T")

# 202 is the portal's "still working"; the rest is throttling and faults that pass.
RETRIED = frozenset({202, 429, 500, 502, 503, 504})
TOTALS_LIMIT = 50_000
LONGEST_PAUSE = 30  # seconds


class PortalError(RuntimeError):
    """The portal cannot be reached, or what it sends is not the dataset; the message names what and where."""


class _Garbled(Exception):
    """An answer that is cut or unreadable: worth asking for again."""


@dataclass(frozen=True)
class PortalMetadata:
    """What the portal says of the dataset: its name, its last publication in epoch seconds, the type of each column."""

    rows_updated_at: int
    columns: dict[str, str]
    name: str


class Portal(dg.ConfigurableResource):
    """DataSF, or any portal that speaks its dialect, at `base_url`."""

    base_url: str
    app_token: str | None = Field(default=None, json_schema_extra={"dagster__is_secret": True})
    page_size: int = 50_000
    attempts: int = 6
    timeout_seconds: float = 120
    backoff_seconds: float = 0.5

    def metadata(self) -> PortalMetadata:
        return self._ask(f"api/views/{DATASET_ID}.json", {}, "the dataset's metadata", _parse_metadata)

    def control_totals(self) -> dict[tuple[str, str], ControlTotal]:
        """Rows and dollars of each (fiscal year, side), as the portal counts and sums them itself."""
        query = {
            "$select": "fiscal_year,revenue_or_spending,count(*) AS n,sum(amount) AS total",
            "$group": "fiscal_year,revenue_or_spending",
            "$order": "fiscal_year,revenue_or_spending",
            "$limit": str(TOTALS_LIMIT),
        }
        return self._ask(f"resource/{DATASET_ID}.csv", query, "the control totals", _parse_totals)

    def fiscal_year(self, year: str, expected: Mapping[str, ControlTotal]) -> "pa.Table":
        """Every row of a fiscal year, text exactly as published, equal in rows and dollars to `expected`.

        New columns are kept; their order is the portal's. Raises PortalError when a column is missing, an amount
        is none, or what arrives still differs from `expected` after all attempts.
        """
        for attempt in range(1, self.attempts + 1):
            table = self._rows(year, sum(total.rows for total in expected.values()))
            try:
                arrived = control_totals(table)
            except AmountError as error:
                raise PortalError(
                    f"{self.base_url}, fiscal year {year}, row {error.position + 1}: the amount "
                    f"{'is null' if error.value is None else repr(error.value)}, no number of dollars with at most "
                    "two decimals; nothing was kept, report it to DataSF"
                ) from None
            if arrived == dict(expected):
                return table
            log.warning(
                "fiscal year %s: %s arrived, the portal counts %s; attempt %d of %d",
                *(year, _words(arrived), _words(expected), attempt, self.attempts),
            )
            self._pause(attempt)
        raise PortalError(
            f"{self.base_url}, fiscal year {year}: in the last of {self.attempts} attempts {_words(arrived)} arrived, "
            f"but the portal counts {_words(expected)}; nothing was kept, run again later"
        )

    def _rows(self, year: str, expected_rows: int) -> "pa.Table":
        """Pages in the order of :id, until all expected rows are here or a page is empty.

        A page may hold fewer rows than were asked for: the next starts after those that arrived.
        """
        import pyarrow as pa

        what = f"fiscal year {year}"
        pages: list[pa.Table] = []
        rows = 0
        while True:
            query = {
                "$where": f"fiscal_year='{year}'",
                "$order": ":id",
                "$limit": str(self.page_size),
                "$offset": str(rows),
            }
            page = self._ask(f"resource/{DATASET_ID}.csv", query, what, _parse_page)
            self._check_columns(page, what)
            if pages and page.num_rows:
                if set(page.column_names) != set(pages[0].column_names):
                    raise PortalError(
                        f"{self.base_url}, {what}: the columns changed between two pages; nothing was kept, run again"
                    )
                page = page.select(pages[0].column_names)
            if page.num_rows or not pages:
                pages.append(page)
            rows += page.num_rows
            if rows >= expected_rows or not page.num_rows:
                return pa.concat_tables(pages)

    def _check_columns(self, page: "pa.Table", what: str) -> None:
        missing = [name for name in PUBLISHED_NAMES if name not in page.column_names]
        if missing:
            new = [name for name in page.column_names if name not in PUBLISHED_NAMES]
            raise PortalError(
                f"{self.base_url}, {what}: missing {_columns(missing)}, "
                f"{'new is ' + _columns(new) if new else 'and no other is new'}; if one was renamed, change its name "
                "in sf_transactions/model.py"
            )

    def _ask(self, path: str, query: Mapping[str, str], what: str, parse: "Callable[[bytes], T]") -> T:
        """The answer, parsed. One that is cut or garbled is asked for again."""
        url = f"{self.base_url.rstrip('/')}/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        fault: object = None
        for attempt in range(1, self.attempts + 1):
            try:
                return parse(self._get(url, what))
            except _Garbled as error:
                fault = error
                log.warning("%s: %s; attempt %d of %d", what, fault, attempt, self.attempts)
                self._pause(attempt)
        raise PortalError(
            f"{self.base_url} sends {what} cut or unreadable in each of {self.attempts} attempts: {fault}; check that "
            "DATASF_BASE_URL is a Socrata portal, or run again later"
        )

    def _get(self, url: str, what: str) -> bytes:
        """The body of a successful answer. urllib3 retries what passes, and checks the length of bodies."""
        import urllib3

        if not url.startswith(("https://", "http://")):
            raise PortalError(f"{self.base_url} is no address of a portal: DATASF_BASE_URL starts with https://")
        try:
            answer = self._pool.request("GET", url)
        except urllib3.exceptions.DecodeError as error:
            raise _Garbled(f"the compressed body is damaged ({_cause(error)})") from None
        except urllib3.exceptions.HTTPError as error:
            raise PortalError(
                f"{self.base_url} could not be read for {what} in {self.attempts} attempts: {_cause(error)}; check "
                "DATASF_BASE_URL and the network, or run again later"
            ) from None
        if answer.status != 200:
            raise PortalError(f"{self.base_url}, asked for {what}, {self._refusal(answer)}")
        framed = "content-length" in answer.headers or "chunked" in answer.headers.get("transfer-encoding", "")
        if not framed and not answer.data.rstrip(b" ").endswith((b"\n", b"}")):
            raise _Garbled("the body stops in the middle of a line")
        return answer.data

    def _refusal(self, answer: "urllib3.BaseHTTPResponse") -> str:
        said = _message(answer)
        if self.app_token:
            said = said.replace(self.app_token, "***")
            if answer.status in (401, 403) and "token" in said.lower():
                return (
                    f"refused the app token in DATASF_APP_TOKEN (status {answer.status}: {said}): correct or unset it"
                )
            if answer.status in (401, 403):
                return f"answered {answer.status} ({said}; perhaps DATASF_APP_TOKEN is not its token)"
        return f"answered {answer.status} ({said})" + (
            f" in each of {self.attempts} attempts; run again later" if answer.status in RETRIED else ""
        )

    def _pause(self, attempt: int) -> None:
        if attempt < self.attempts:
            time.sleep(min(self.backoff_seconds * 2 ** (attempt - 1), LONGEST_PAUSE))

    _pool_made: "urllib3.PoolManager | None" = PrivateAttr(default=None)

    @property
    def _pool(self) -> "urllib3.PoolManager":
        if self._pool_made is None:
            self._pool_made = self._make_pool()
        return self._pool_made

    def _make_pool(self) -> "urllib3.PoolManager":
        import importlib.metadata

        import urllib3

        class LoggedRetry(urllib3.Retry):
            def increment(self, method=None, url=None, response=None, error=None, _pool=None, _stacktrace=None):
                following = super().increment(method, url, response, error, _pool, _stacktrace)
                fault = f"status {response.status}" if response is not None else _cause(error)
                log.warning("%s: %s; asking again", (url or "").split("?")[0], fault)
                return following

        headers = {
            "Accept-Encoding": "gzip",
            "User-Agent": f"sf_transactions/{importlib.metadata.version('sf-transactions')}",
        }
        if self.app_token:
            # http.client would quote a malformed header in its error.
            if not self.app_token.isascii() or not self.app_token.isprintable() or " " in self.app_token:
                raise PortalError("DATASF_APP_TOKEN holds characters that no app token has: correct or unset it")
            headers["X-App-Token"] = self.app_token
        retries = LoggedRetry(
            total=self.attempts - 1,
            redirect=3,
            backoff_factor=self.backoff_seconds,
            backoff_max=LONGEST_PAUSE,
            allowed_methods={"GET"},
            status_forcelist=RETRIED,
            raise_on_status=False,
            respect_retry_after_header=True,
            remove_headers_on_redirect={"X-App-Token"},
        )
        return urllib3.PoolManager(maxsize=8, headers=headers, retries=retries, timeout=self.timeout_seconds)


def _parse_metadata(body: bytes) -> PortalMetadata:
    try:
        answer = json.loads(body)
        columns = {column["fieldName"]: column["dataTypeName"] for column in answer["columns"]}
        return PortalMetadata(int(answer["rowsUpdatedAt"]), columns, str(answer.get("name") or DATASET_ID))
    except (ValueError, KeyError, TypeError):
        raise _Garbled("no JSON with rowsUpdatedAt and columns") from None


def _parse_totals(body: bytes) -> dict[tuple[str, str], ControlTotal]:
    table = _parse_csv(body)
    if not table.num_rows:
        raise _Garbled("no rows at all, and an empty dataset would empty every fiscal year")
    totals: dict[tuple[str, str], ControlTotal] = {}
    try:
        for row in table.to_pylist():
            total = ControlTotal(int(row["n"]), Decimal(row["total"]))
            if not total.amount.is_finite():
                raise ValueError
            totals[row["fiscal_year"], row["revenue_or_spending"]] = total
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise _Garbled(f"no counts and sums in the columns {', '.join(table.column_names)}") from None
    return totals


def _parse_page(body: bytes) -> "pa.Table":
    page = _parse_csv(body)
    if not set(page.column_names) & set(PUBLISHED_NAMES):
        raise _Garbled(f"none of the dataset's columns, but {', '.join(page.column_names)[:300]}")
    return page


def _parse_csv(body: bytes) -> "pa.Table":
    """CSV as the portal writes it: every value quoted, null an empty field without quotes. All columns are text."""
    import pyarrow as pa
    import pyarrow.csv

    names = next(csv.reader([body.split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()]), [])
    if len(names) != len(set(names)):
        raise _Garbled(f"two columns of one name: {', '.join(names)}")
    try:
        table = pyarrow.csv.read_csv(
            io.BytesIO(body),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _Garbled(str(error).splitlines()[0][:300]) from None
    if any(field.type != pa.string() for field in table.schema):
        raise _Garbled(f"a header that cannot be read: {', '.join(names)[:300]}")
    return table


def _message(answer: "urllib3.BaseHTTPResponse") -> str:
    """What the portal says of a failure, in one line."""
    try:
        told = json.loads(answer.data)
        return str(told.get("message") or told.get("code") or answer.reason)[:300]
    except (ValueError, AttributeError):
        return str(answer.reason)


def _cause(error: BaseException | None) -> str:
    """The innermost fault in words: urllib3 wraps it, and puts objects' addresses in front."""
    error = getattr(error, "reason", None) or error
    while isinstance(error, BaseException) and error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    if isinstance(error, http.client.IncompleteRead):
        return f"the body was cut ({error})"
    return str(error or "no answer").rsplit(">: ", 1)[-1] or type(error).__name__


def _columns(names: list[str]) -> str:
    return f"{'column' if len(names) == 1 else 'columns'} {', '.join(names)}"


def _words(totals: Mapping[str, ControlTotal]) -> str:
    sides = sorted(totals.items(), key=lambda item: str(item[0]))
    return ", ".join(f"{side} {total.rows:,} rows ${total.amount:,}" for side, total in sides) or "no rows"
