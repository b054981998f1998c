"""raw/*: the published rows, text exactly as published, one Parquet file a fiscal year; and what was restated."""

import contextlib
import importlib
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg

from sf_transactions import checks
from sf_transactions.automation import BY_FISCAL_YEAR, FISCAL_YEARS
from sf_transactions.model import PUBLISHED, PUBLISHED_NAMES, closed_fiscal_years
from sf_transactions.resources.home import Home, write_json, writing
from sf_transactions.resources.portal import Arrived, Portal, PortalError, PortalMetadata
from sf_transactions.resources.progress import Progress
from sf_transactions.resources.raw_files import (
    Ingestion,
    Published,
    Source,
    changed,
    place,
    read_source,
    restored,
    says,
)
from sf_transactions.resources.storage import Storage, StorageError
from sf_transactions.transform.amounts import ControlTotal, add_totals, totals_from_json
from sf_transactions.transform.restatements import restatement

RAW = dg.AssetKey(["raw", "transactions"])
RESTATEMENTS = dg.AssetKey(["raw", "restatements"])
PULLS = 3  # how often a pull starts over when the portal republishes meanwhile
# What is needed once a fiscal year was fetched; pandera's checks bring all of it that a first validation would load.
LATER = ("pyarrow.parquet", "pandas", "pandera.backends.pandas.builtin_checks", "paramiko")
BLOCKING = {
    "expected_columns": "Every column of the model is published.",
    "control_totals": "Rows and dollars of each fiscal year and side are those the portal counts itself.",
    "known_fiscal_years": "Every published fiscal year is a partition, so that no row is left out.",
    "known_form": "Amounts, sides and related units are of the known form; other rows are set apart.",
}
WARNING = {
    "no_new_columns": "The portal publishes no column that the model does not know; a new one is kept in raw.",
    "expected_types": "Columns have the types that the model expects.",
}


@dg.asset(
    key=RAW,
    group_name="raw",
    kinds={"parquet", "socrata"},
    owners=["team:data-engineering"],
    metadata={
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(column.name, "text", description=column.description) for column in PUBLISHED]
        )
    },
    check_specs=[*checks.specs(RAW, BLOCKING), *checks.specs(RAW, WARNING, blocking=False)],
    **BY_FISCAL_YEAR,
)
def raw_transactions(
    context: dg.AssetExecutionContext, home: Home, portal: Portal, ingestion: Ingestion, storage: Storage
) -> Iterator:
    """Every line of the City's accounts as DataSF publishes it: dataset bpnb-jwfb, "Spending and Revenue".

    A row is a summary of one program, account, fund and category in a fiscal year, not a cash transaction. All
    values are kept as the text that was published, so that codes keep their zeros and amounts their cents. What
    arrives is counted and summed and must equal the totals that the portal computes itself.

    A fiscal year is fetched only when the portal's rows, dollars, or number of distinct names and codes differ from
    those of the file that is here, and now and then in any case. On a machine that has no files, those of the last load
    are taken from S3 where the portal still publishes the same. Rows that are not of the known form are set apart.
    """
    years = context.partition_keys
    pull = _pull(context, home, portal, ingestion, storage, years)
    write_json(home.published_profile, pull.metadata.profile)
    expected = {key: total for key, total in pull.published.items() if key[0] in years}
    found: dict[tuple[str, str], ControlTotal] = {}
    quarantined = 0
    for year, source in pull.sources.items():
        totals = totals_from_json(source.totals)
        context.add_asset_metadata(
            {
                "dagster/partition_row_count": sum(total.rows for total in totals.values()),
                "published_at": dg.MetadataValue.timestamp(float(source.rows_updated_at)),
                **checks.figures(totals),
            },
            partition_key=year,
        )
        apart = totals_from_json(source.quarantined)
        quarantined += sum(total.rows for total in apart.values())
        add_totals(totals, apart)
        found |= {(year, side): total for side, total in totals.items()}
    unknown = {key: total for key, total in pull.published.items() if key[0] not in FISCAL_YEARS.get_partition_keys()}
    rows = sum(total.rows for total in found.values())
    severity = dg.AssetCheckSeverity.WARN if ingestion.continue_without_quarantined else dg.AssetCheckSeverity.ERROR
    yield from checks.settle(
        checks.result(RAW, "expected_columns", columns=len(PUBLISHED_NAMES)),
        checks.result(RAW, "control_totals", checks.differences(expected, found, ("portal", "raw")), of=len(expected)),
        checks.result(RAW, "known_fiscal_years", _unknown(portal, unknown), severity),
        checks.result(RAW, "known_form", _set_apart(home, pull.sources), severity, of=rows),
        checks.result(RAW, "no_new_columns", _new_columns(pull.metadata), dg.AssetCheckSeverity.WARN),
        checks.result(RAW, "expected_types", _other_types(pull.metadata), dg.AssetCheckSeverity.WARN),
    )
    yield dg.MaterializeResult(
        asset_key=RAW,
        metadata={
            "dagster/row_count": rows - quarantined,
            "quarantined_rows": quarantined,
            "published_at": dg.MetadataValue.timestamp(float(pull.metadata.rows_updated_at)),
            "source": f"{pull.metadata.name} ({portal.base_url})",
            "fiscal_years": len(years),
            "fetched": dg.MetadataValue.json(pull.reasons),
            "path": dg.MetadataValue.path(str(home.root / "raw")),
        },
    )


@dg.asset(
    key=RESTATEMENTS,
    deps=[RAW],
    group_name="raw",
    kinds={"pandas"},
    owners=["team:data-engineering"],
    check_specs=checks.specs(
        RESTATEMENTS,
        {"closed_years_stand": "No closed fiscal year moved by more than the percentage in the settings."},
        blocking=False,
    ),
    **BY_FISCAL_YEAR,
)
def raw_restatements(context: dg.AssetExecutionContext, home: Home, ingestion: Ingestion) -> Iterator:
    """What the City changed in fiscal years that were published before: rows and dollars by side.

    `added` and `removed` rows have no counterpart in the other version. `moved` is the same money in another
    place of the hierarchies, `relabelled` the same money under another name or code of the same place. The history
    of past years is recoded by the City now and then; a year counts as closed when two more have begun after it.
    """
    columns = ["fiscal_year", "published", "instead_of", "revenue_or_spending", "change", "rows", "dollars"]
    rows, shares = [], []
    closed = closed_fiscal_years(date.today())
    for year in context.partition_keys:
        source = read_source(home, year)
        if source is None or source.replaces is None or home.restatement(year, source.rows_updated_at).exists():
            continue
        found = _restated(home, year, source)
        if found is None:
            context.log.warning(f"fiscal year {year}: its earlier version is not kept, so nothing is known of changes")
            continue
        records = [
            [year, _day(source.rows_updated_at), _day(source.replaces), *row]
            for row in found.itertuples(index=False, name=None)
        ]
        write_json(
            home.restatement(year, source.rows_updated_at),
            [dict(zip(columns, map(str, record), strict=True)) for record in records],
        )
        rows += records
        moved = sum(abs(row[-1]) for row in records if row[-3] in ("added", "removed"))
        whole = sum(abs(total.amount) for total in totals_from_json(source.totals).values())
        percent = 100 * moved / whole if whole else moved
        if int(year) in closed and percent > ingestion.restatement_percent:
            shares.append((year, f"{moved:,.2f}", f"{percent:.2f}"))
    warned = checks.failing(["fiscal_year", "dollars_added_and_removed", "percent"], shares)
    yield from checks.settle(checks.result(RESTATEMENTS, "closed_years_stand", warned, dg.AssetCheckSeverity.WARN))
    yield dg.MaterializeResult(
        asset_key=RESTATEMENTS,
        metadata={
            "fiscal_years_restated": len({year for year, *_ in rows}),
            "restatements": checks.table(columns, rows),
            "path": dg.MetadataValue.path(str(home.root / "restatements")),
        },
    )


def _restated(home: Home, year: str, source: Source):
    """The restatement of a fiscal year against the version before, or None when that is no longer kept."""
    import pyarrow.parquet as pq

    before = home.previous(year) / f"{source.replaces}.parquet"
    if not before.exists():
        return None
    return restatement(pq.read_table(before, partitioning=None), pq.read_table(home.raw(year), partitioning=None))


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


@dataclass(frozen=True)
class _Pull:
    """What the portal says of itself, the totals it computes, what is here now, and why years were fetched."""

    metadata: PortalMetadata
    published: dict[tuple[str, str], ControlTotal]
    sources: dict[str, Source]
    reasons: dict[str, str]


class _Republished(Exception):
    """The portal published anew while it was being read; what has arrived is of two publications."""


def _pull(context, home: Home, portal: Portal, ingestion: Ingestion, storage: Storage, years) -> _Pull:
    """Fetches the years that changed, and starts over when the portal publishes meanwhile."""
    for _ in range(PULLS):
        try:
            with writing(home.root / "raw"):
                return _pull_once(context, home, portal, ingestion, storage, years)
        except _Republished:
            context.log.warning("the portal republished the dataset while it was being read: starting over")
    raise PortalError(
        f"{portal.base_url} republished the dataset {PULLS} times while it was being read: run again later"
    )


def _pull_once(context, home: Home, portal: Portal, ingestion: Ingestion, storage: Storage, years) -> _Pull:
    """Fetches the years that changed, all of one publication, and puts them in place only when they are all there."""
    metadata = portal.metadata()
    known = [source.rows_updated_at for year in years if (source := read_source(home, year))]
    with _loading(LATER if metadata.rows_updated_at > max(known, default=0) else ()):
        published, by_year = says(portal, home)
    _restore(context, home, storage, years, by_year)
    reasons = changed(home, years, by_year, metadata.columns, time.time(), ingestion.sweep_weeks)
    if reasons:
        spool = _spool(home, metadata.rows_updated_at)
        arrived = _fetch(context, portal, reasons, by_year, spool)
        if portal.metadata().rows_updated_at != metadata.rows_updated_at:
            raise _Republished
        published = {key: total for key, total in published.items() if key[0] not in arrived}
        for year, what in arrived.items():
            published |= {(year, side): total for side, total in what.totals.items()}
            place(
                home,
                year,
                _settled(spool, year),
                what,
                by_year.get(year, Published({}, {})).signals,
                metadata,
                time.time(),
                ingestion.previous_versions,
            )
        shutil.rmtree(spool)
    else:
        context.log.info("the portal publishes nothing new")
    sources = {year: source for year in years if (source := read_source(home, year))}
    return _Pull(metadata, published, sources, reasons)


@contextlib.contextmanager
def _loading(modules: Iterable[str]) -> Iterator[None]:
    """Loads modules while the portal counts, which takes it as long. What cannot be loaded is told where it is used.

    It ends when all are loaded: of two threads that load parts of one package, one can fail.
    """
    with ThreadPoolExecutor(1) as pool:
        for module in modules:
            pool.submit(importlib.import_module, module)
        yield


def _restore(context, home: Home, storage: Storage, years, by_year: Mapping[str, Published]) -> None:
    """What S3 does not give, the portal does."""
    try:
        found = restored(home, storage, years, by_year)
    except StorageError as error:
        context.log.warning(f"no fiscal year is taken from S3: {error}")
    else:
        if found:
            context.log.info(f"taken from S3, where they are what is still published: fiscal years {', '.join(found)}")


def _spool(home: Home, publication: int) -> Path:
    """The folder for the pages of this publication; those of others are of no use any more."""
    spool = home.spool / str(publication)
    spool.mkdir(parents=True, exist_ok=True)
    for other in home.spool.iterdir():
        if other != spool:
            shutil.rmtree(other)
    return spool


def _settled(spool: Path, year: str) -> Path:
    return spool / f"fiscal_year={year}" / "settled.parquet"


def _fetch(context, portal: Portal, reasons: Mapping[str, str], by_year, spool: Path) -> dict[str, Arrived]:
    """Fetches fiscal years side by side into the spool."""
    wanted = {year: by_year[year].totals if year in by_year else {} for year in reasons}
    rows = sum(total.rows for totals in wanted.values() for total in totals.values())
    for reason in sorted(set(reasons.values())):
        of = [year for year, why in reasons.items() if why == reason]
        context.log.info(f"{reason}: {len(of)} fiscal years, {of[0]} to {of[-1]}, are fetched")
    with Progress(rows, context.log.info) as progress, ThreadPoolExecutor(portal.years_at_once) as pool:

        def fetch(year: str) -> Arrived:
            return portal.fiscal_year(year, wanted[year], _settled(spool, year), spool, progress.add)

        running = [pool.submit(fetch, year) for year in wanted]
        try:
            return dict(zip(wanted, [each.result() for each in running], strict=True))
        except BaseException:
            for each in running:
                each.cancel()
            raise


def _unknown(portal: Portal, unknown: Mapping[tuple[str, str], ControlTotal]):
    """Rows of published fiscal years that are no partition, and how many rows and dollars these years have."""
    if not unknown:
        return None
    years = list(dict.fromkeys(year for year, _ in unknown))
    first: dict[tuple[str | None, str | None], dict] = {}
    for row in portal.offending(years, checks.SAMPLE):
        first.setdefault((row["fiscal_year"], row["revenue_or_spending"]), row)
    rows = [(*key, total.rows, str(total.amount), str(first.get(key, ""))) for key, total in unknown.items()]
    return checks.failing(["fiscal_year", "revenue_or_spending", "rows", "amount", "first_row"], rows)


def _set_apart(home: Home, sources: Mapping[str, Source]):
    """The quarantined rows of these fiscal years."""
    years = [year for year, source in sources.items() if source.quarantined]
    if not years:
        return None
    import pandas as pd

    shown = ["fiscal_year", "reason", *(name for name in PUBLISHED_NAMES if name != "fiscal_year")]
    return pd.concat([pd.read_parquet(home.quarantine(year)) for year in years])[shown]


def _new_columns(metadata: PortalMetadata):
    new = [(name, kind) for name, kind in metadata.columns.items() if name not in PUBLISHED_NAMES]
    return checks.failing(["column", "type"], new)


def _other_types(metadata: PortalMetadata):
    rows = [
        (column.name, column.type, metadata.columns[column.name])
        for column in PUBLISHED
        if metadata.columns.get(column.name, column.type) != column.type
    ]
    return checks.failing(["column", "expected", "published"], rows)


assets = [raw_transactions, raw_restatements]
