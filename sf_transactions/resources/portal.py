"""The door to DataSF: what the portal says of the dataset, the totals it computes itself, and its rows."""

import contextlib
import logging
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field, PrivateAttr

from sf_transactions.model import CODED_DIMENSIONS, DATASET_ID, PUBLISHED_NAMES, code_column
from sf_transactions.resources.answers import TEXT, Answer, Garbled
from sf_transactions.resources.home import replacing
from sf_transactions.resources.socrata import Client, PortalError, Query
from sf_transactions.transform.amounts import ControlTotal, add_totals, published_totals
from sf_transactions.transform.form import FORM, outside

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Arrived", "Portal", "PortalError", "PortalMetadata"]

log = logging.getLogger("sf_transactions.portal")

TOTALS_LIMIT = 50_000
ROWS_AT_ONCE = 10_000  # rows that are held in memory before they are written
LABELS = tuple(
    name for dimension in CODED_DIMENSIONS for level in dimension.levels for name in (level, code_column(level))
)
SIGNALS = (
    ("count(distinct {0}) AS n_{0}", "min({0}) AS first_{0}", "max({0}) AS last_{0}"),
    ("count(distinct {0}) AS n_{0}",),
)

PROFILE = ("null", "non_null", "smallest", "largest")  # what the portal tells of a column


@dataclass(frozen=True)
class PortalMetadata:
    """What the portal says of the dataset: its name, its last publication in epoch seconds, the type of each column,
    and its own profile of each column where it has one (`null`, `non_null`, `smallest`, `largest`)."""

    rows_updated_at: int
    columns: dict[str, str]
    name: str
    profile: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Arrived:
    """A fiscal year that has arrived: rows and dollars by side of all rows, and the rows that are not of the known
    form, with the column `reason` in front. Those are not in the file."""

    totals: dict[str, ControlTotal]
    quarantined: "pa.Table"


class Portal(dg.ConfigurableResource):
    """DataSF, or any portal that speaks its dialects, at `base_url`."""

    base_url: str
    app_token: str | None = Field(default=None, repr=False, json_schema_extra={"dagster__is_secret": True})
    api: str = "auto"
    page_size: int = 50_000
    years_at_once: int = 4
    attempts: int = 6
    timeout_seconds: float = 60
    deadline_seconds: float = 3600
    backoff_seconds: float = 0.5

    _log: logging.Logger = PrivateAttr(default=log)
    _made: Client | None = PrivateAttr(default=None)
    _making: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        self._log = context.log or log  # the run's own log tells what was asked again

    @property
    def _client(self) -> Client:
        with self._making:
            if self._made is None:
                self._made = Client(
                    self.base_url,
                    DATASET_ID,
                    self.app_token,
                    self.api,
                    self.attempts,
                    self.timeout_seconds,
                    self.deadline_seconds,
                    self.backoff_seconds,
                    self._log,
                )
            return self._made

    def metadata(self) -> PortalMetadata:
        return self._client.json(f"api/views/{DATASET_ID}.json", "the dataset's metadata", _metadata)

    def control_totals(self) -> dict[tuple[str, str], ControlTotal]:
        """Rows and dollars of each (fiscal year, side), as the portal counts and sums them itself."""
        by = "fiscal_year,revenue_or_spending"
        query = Query(TOTALS_LIMIT, select=f"{by},count(*) AS n,sum(amount) AS total", group=by)
        return self._client.query(query, "the control totals", lambda answer: _totals(answer.rows()))

    def signals(
        self, forms: Sequence[Sequence[str]] = SIGNALS, fiscal_years: Collection[str] = ()
    ) -> dict[str, dict[str, str]] | None:
        """Of each fiscal year and column of names or codes, how many there are, the first and the last in the alphabet:
        sums do not show relabelling.

        A portal that has no first and last of texts gives the numbers alone, one that does not count what is distinct
        None: the sweep finds what they would have told. `forms` are the questions to try; an answer that lacks one of
        the `fiscal_years` is asked for again.
        """
        for form in forms:
            select = ",".join(template.format(name) for name in LABELS for template in form)
            query = Query(TOTALS_LIMIT, select=f"fiscal_year,{select}", group="fiscal_year")
            try:
                return self._client.query(
                    query, "the names and codes", lambda answer: _signals(answer.rows(), fiscal_years)
                )
            except PortalError as error:
                self._log.warning("%s", error)
        self._log.warning("years in which names or codes alone changed are found by the sweep")
        return None

    def fiscal_year(
        self,
        year: str,
        expected: Mapping[str, ControlTotal],
        incoming: Path,
        spool: Path,
        arrived: Callable[[int, int], None] = lambda rows, size: None,
    ) -> Arrived:
        """Writes every row of a fiscal year to the Parquet file `incoming`, text exactly as published, equal in rows
        and dollars to `expected` by side, or to the totals that the portal gives when it is asked again.

        Pages are kept in the folder `spool`, for the caller to remove, and taken from there when it is done again;
        `arrived` is told the rows and bytes of each. New columns are kept; their order is the portal's. Raises
        PortalError when a column is missing or what arrives still differs from `expected` after all attempts.
        """
        what = f"fiscal year {year}"
        rows = sum(total.rows for total in expected.values())
        for attempt in range(1, self.attempts + 1):
            pages = self._pages(year, rows, spool, arrived)
            found = _settle(pages, incoming)
            if found.totals == dict(expected):
                return found
            for page in pages:
                page.unlink()
            self._log.warning(
                "%s: %s arrived, the portal counts %s; attempt %d of %d",
                *(what, _words(found.totals), _words(expected), attempt, self.attempts),
            )
            if attempt < self.attempts:
                self._client.pause(min(self.backoff_seconds * 2 ** (attempt - 1), 30), what)
                # The totals, too, may have come short.
                expected = {side: total for (of, side), total in self.control_totals().items() if of == year}
                rows = sum(total.rows for total in expected.values())
        raise PortalError(
            f"{self.base_url}, {what}: in the last of {self.attempts} attempts {_words(found.totals)} arrived, "
            f"but the portal counts {_words(expected)}; nothing was kept, run again later"
        )

    def offending(self, fiscal_years: Sequence[str | None], limit: int) -> "list[dict[str, str | None]]":
        """Up to `limit` rows of these fiscal years, which are none."""
        wanted = " OR ".join(
            "fiscal_year IS NULL" if year is None else f"fiscal_year='{_quoted(year)}'" for year in fiscal_years
        )
        query = Query(limit, where=wanted, order=":id")
        return self._client.query(query, "rows of unknown fiscal years", Answer.rows)

    def _pages(self, year: str, expected_rows: int, spool: Path, arrived: Callable[[int, int], None]) -> list[Path]:
        """Pages in the order of :id, until all expected rows are here or a page is empty.

        A page may hold fewer rows than were asked for: the next starts after those that arrived.
        """
        import pyarrow.parquet as pq

        what = f"fiscal year {year}"
        pages: list[Path] = []
        rows = 0
        while True:
            page = spool / f"fiscal_year={year}" / f"rows-from-{rows}.parquet"
            if not page.exists():
                query = Query(self.page_size, rows, where=f"fiscal_year='{_quoted(year)}'", order=":id")
                missing_rows = min(self.page_size, expected_rows - rows) if self._client.soda3 else 0
                self._client.query(query, what, lambda answer: self._write(answer, page, what, missing_rows))  # noqa: B023
            schema = pq.read_schema(page)
            if pages and set(schema.names) != set(pq.read_schema(pages[0]).names):
                raise PortalError(
                    f"{self.base_url}, {what}: the columns changed between two pages; nothing was kept, run again"
                )
            found = pq.read_metadata(page).num_rows
            arrived(found, page.stat().st_size)
            pages.append(page)
            rows += found
            if rows >= expected_rows or not found:
                return pages

    def _write(self, answer: Answer, page: Path, what: str, least_rows: int) -> None:
        """Keeps a page when it has arrived whole. SODA 3 numbers its pages, so that none may come short."""

        if not set(answer.names) & set(PUBLISHED_NAMES):
            raise Garbled(f"none of the dataset's columns, but {', '.join(answer.names)}"[:300])
        missing = [name for name in PUBLISHED_NAMES if name not in answer.names]
        if missing:
            for _ in answer.batches():  # one that is cut or garbled is no proof
                pass
            new = [name for name in answer.names if name not in PUBLISHED_NAMES]
            raise PortalError(
                f"{self.base_url}, {what}: missing {_columns(missing)}, "
                f"{'new is ' + _columns(new) if new else 'and no other is new'}; if one was renamed, change its name "
                "in sf_transactions/model.py"
            )
        with replacing(page) as incoming, _writer(incoming, answer.names) as write:
            rows = 0
            for batch in answer.batches():
                write(batch)
                rows += batch.num_rows
            if rows < least_rows:
                raise Garbled(f"a page of {rows} rows in the place of {least_rows}")


def _settle(pages: list[Path], incoming: Path) -> Arrived:
    """Puts pages together, without the rows that are not of the known form. `incoming` may be the one page itself."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    incoming.unlink(missing_ok=True)
    totals: dict[str, ControlTotal] = {}
    reasons = []
    for page in pages:
        with pq.ParquetFile(page) as file:
            said = file.read(list(FORM), use_threads=False)
        add_totals(totals, published_totals(said))
        reasons.append(outside(said))
    names = pq.read_schema(pages[0]).names
    empty = pa.schema([(name, pa.string()) for name in ("reason", *names)]).empty_table()
    if len(pages) == 1 and reasons[0].null_count == len(reasons[0]):
        incoming.hardlink_to(pages[0])
        return Arrived(totals, empty)
    apart = [empty]
    with _writer(incoming, names) as write:
        for page, why in zip(pages, reasons, strict=True):
            row = 0
            with pq.ParquetFile(page) as file:
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=names):
                    table = pa.Table.from_batches([batch]).select(names)
                    of = why.slice(row, batch.num_rows)
                    row += batch.num_rows
                    if of.null_count < len(of):
                        apart.append(table.add_column(0, "reason", of).filter(pc.is_valid(of)))
                        table = table.filter(pc.is_null(of))
                    for part in table.to_batches():
                        write(part)
    return Arrived(totals, pa.concat_tables(apart))


@contextlib.contextmanager
def _writer(path: Path, names: Sequence[str]) -> "Iterator[Callable[[pa.RecordBatch], None]]":
    """Writes batches of texts to a Parquet file, in row groups of some size.

    In memory the texts are dictionaries, which a fiscal year has little of; in the file they are plain texts.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, TEXT()) for name in names])
    path.parent.mkdir(parents=True, exist_ok=True)
    held: list[pa.RecordBatch] = []
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1, store_schema=False) as writer:

        def flush() -> None:
            nonlocal rows
            if held:
                writer.write_table(pa.Table.from_batches(held).cast(schema))
            held.clear()
            rows = 0

        def write(batch: "pa.RecordBatch") -> None:
            nonlocal rows
            held.append(batch)
            rows += batch.num_rows
            if rows >= ROWS_AT_ONCE:
                flush()

        yield write
        flush()


def _metadata(answer: Any) -> PortalMetadata:
    columns = {column["fieldName"]: column["dataTypeName"] for column in answer["columns"]}
    profile = {
        column["fieldName"]: {fact: str(contents[fact]) for fact in PROFILE if contents.get(fact) is not None}
        for column in answer["columns"]
        if (contents := column.get("cachedContents"))
    }
    return PortalMetadata(int(answer["rowsUpdatedAt"]), columns, str(answer.get("name") or DATASET_ID), profile)


def _totals(rows: "list[dict[str, Any]]") -> dict[tuple[str, str], ControlTotal]:
    if not rows:
        raise Garbled("no rows at all, and an empty dataset would empty every fiscal year")
    totals: dict[tuple[str, str], ControlTotal] = {}
    try:
        for row in rows:
            total = ControlTotal(int(row["n"]), Decimal(row["total"] or 0))
            if not total.amount.is_finite():
                raise ValueError
            totals[row["fiscal_year"], row["revenue_or_spending"]] = total
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise Garbled(f"no counts and sums in the columns {', '.join(rows[0])}"[:300]) from None
    return totals


def _signals(rows: "list[dict[str, Any]]", fiscal_years: Collection[str]) -> dict[str, dict[str, str]]:
    if rows and not {"fiscal_year", *(f"n_{name}" for name in LABELS)} <= rows[0].keys():
        raise Garbled(f"no counts in the columns {', '.join(rows[0])}"[:300])
    signals = {str(row.pop("fiscal_year")): {name: str(value) for name, value in row.items()} for row in rows}
    if missing := sorted(set(fiscal_years) - signals.keys()):
        raise Garbled(f"no counts of the fiscal years {', '.join(missing)}"[:300])
    return signals


def _quoted(text: str) -> str:
    return re.sub("'", "''", text)


def _columns(names: list[str]) -> str:
    return f"{'column' if len(names) == 1 else 'columns'} {', '.join(names)}"


def _words(totals: Mapping[str, ControlTotal]) -> str:
    sides = sorted(totals.items(), key=lambda item: str(item[0]))
    return ", ".join(f"{side} {total.rows:,} rows ${total.amount:,}" for side, total in sides) or "no rows"
