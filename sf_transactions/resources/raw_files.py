"""The raw fiscal years in the home: which are still what is published, and how a new version takes its place."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions.resources import loaded_objects
from sf_transactions.resources.home import Home, HomeError, replacing, write_json
from sf_transactions.resources.made import sha256
from sf_transactions.resources.portal import SIGNALS, Arrived, Portal, PortalMetadata
from sf_transactions.resources.storage import Storage
from sf_transactions.transform.amounts import ControlTotal, published_totals, totals_from_json, totals_json
from sf_transactions.transform.restatements import restatement

if TYPE_CHECKING:
    import pyarrow as pa

WEEK = 7 * 24 * 3600


class Ingestion(dg.ConfigurableResource):
    """What is fetched again, what is kept, and what stops a run."""

    sweep_weeks: int = 4
    previous_versions: int = 3
    continue_without_quarantined: bool = False
    restatement_percent: int = 1


@dataclass(frozen=True)
class Published:
    """What the portal says of a fiscal year: rows and dollars by side, and its names and codes in a few signs."""

    totals: dict[str, ControlTotal]
    signals: dict[str, str] | None


@dataclass(frozen=True)
class Source:
    """What stands beside the raw rows of a fiscal year, as `source.json`.

    `rows_updated_at` is the publication they are of and `replaces` the one before that was other, both in epoch
    seconds; `totals` are those of the rows that are kept, `quarantined` of those set apart, and both together are
    `published`; `sha256` is that of the file, and `data_as_of` the latest in it, as published.
    """

    source: str
    rows_updated_at: int
    fetched_at: int
    published: dict
    signals: dict[str, str] | None
    columns: list[str]
    totals: dict
    quarantined: dict
    sha256: str
    replaces: int | None
    data_as_of: str | None


def says(portal: Portal, home: Home) -> tuple[dict[tuple[str, str], ControlTotal], dict[str, Published]]:
    """What the portal counts: by fiscal year and side, and the fingerprint of each fiscal year. Two requests."""
    totals = portal.control_totals()
    signals = portal.signals(_forms(home), {str(year) for year, _ in totals})
    by_year: dict[str, dict[str, ControlTotal]] = {}
    for (year, side), total in totals.items():
        by_year.setdefault(year, {})[side] = total
    return totals, {
        year: Published(sides, None if signals is None else signals.get(year, {})) for year, sides in by_year.items()
    }


def _forms(home: Home) -> Sequence[Sequence[str]]:
    """The questions about names and codes that this portal answered before; at first, all are tried."""
    for file in sorted(home.root.glob("raw/fiscal_year=*/source.json"), reverse=True):
        source = read_source(home, file.parent.name.removeprefix("fiscal_year="))
        if source and source.published:
            told = source.signals or {}
            return SIGNALS[:1] if not told or any(name.startswith("first_") for name in told) else SIGNALS[1:]
    return SIGNALS


def read_source(home: Home, year: str) -> Source | None:
    """The source of a fiscal year, or None when it was never fetched or its file is not the one described."""
    try:
        source = _source(json.loads(home.source(year).read_text(encoding="utf-8")))
        if source and sha256(home.raw(year)) == source.sha256:
            return source
    except (FileNotFoundError, ValueError):
        pass  # a crash in the middle of a replacement, or a file that was tampered with: it is fetched again
    return None


def source_of(home: Home, year: str) -> Source:
    """The source of a fiscal year. Raises HomeError when there is none of the file that is here."""
    source = read_source(home, year)
    if source is None:
        raise HomeError(
            f"{home.raw(year)} is not there or was changed: materialize raw/transactions for fiscal year {year} first"
        )
    return source


def _source(told: Any) -> Source | None:
    """What was written of a fiscal year, or None when it is not of this form."""
    try:
        return Source(**told)
    except TypeError:
        return None


def restored(
    home: Home, storage: Storage, years: Iterable[str], published: Mapping[str, Published]
) -> dict[str, Source]:
    """Puts fiscal years that are not here in place from S3, where what was loaded last is what the portal publishes.

    A year with rows that were set apart is left out, for these are not in S3. Raises StorageError.
    """
    found: dict[str, Source] = {}
    missing = [year for year in years if read_source(home, year) is None]
    if not missing or not storage.bucket:
        return found
    parts = {part.fiscal_year: part for part in loaded_objects.current(storage) if part.table == loaded_objects.RAW}
    for year in missing:
        if (part := parts.get(year)) is None:
            continue
        source, says = _source(part.facts["source"]), published.get(year, Published({}, {}))
        if source is None or source.quarantined or totals_from_json(source.published) != says.totals:
            continue
        if _differ(source.signals, says.signals):
            continue
        with replacing(home.raw(year)) as incoming:
            incoming.write_bytes(storage.read(part.url))
        write_json(home.source(year), asdict(source))
        if read_source(home, year):  # the hash of the bytes is that of the source
            found[year] = source
    return found


def changed(
    home: Home,
    years: Iterable[str],
    published: Mapping[str, Published],
    columns: Iterable[str],
    now: float,
    sweep_weeks: int,
) -> dict[str, str]:
    """The fiscal years that are to be fetched, and why."""
    reasons = {}
    for year in years:
        source, says = read_source(home, year), published.get(year, Published({}, {}))
        if source is None:
            reasons[year] = "not here yet"
        elif totals_from_json(source.published) != says.totals:
            reasons[year] = "other rows or dollars"
        elif _differ(source.signals, says.signals):
            reasons[year] = "other names or codes"
        elif set(source.columns) != set(columns):
            reasons[year] = "other columns"
        elif now - source.fetched_at > sweep_weeks * WEEK:
            reasons[year] = f"not fetched for {sweep_weeks} weeks"
    return reasons


def _differ(one: Mapping[str, str] | None, other: Mapping[str, str] | None) -> bool:
    """Whether two sets of signals differ in what both tell."""
    return one is not None and other is not None and any(one[name] != other[name] for name in one.keys() & other.keys())


def place(
    home: Home,
    year: str,
    incoming: Path,
    arrived: Arrived,
    signals: dict[str, str] | None,
    metadata: PortalMetadata,
    now: float,
    versions: int,
) -> Source:
    """Puts a fiscal year that has arrived in the place of what is there, whose last `versions` are kept.

    A file with the same rows stays. Killed in between, the next run finds a file that its source does not describe
    and fetches the year again.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    before = read_source(home, year)
    replaces = before.replaces if before else None
    rows_updated_at = metadata.rows_updated_at
    target = home.raw(year)
    if before and same_rows(pq.read_table(target, partitioning=None), pq.read_table(incoming, partitioning=None)):
        rows_updated_at = before.rows_updated_at
    else:
        if before:
            replaces = before.rows_updated_at
            _keep(target, home.previous(year) / f"{before.rows_updated_at}.parquet", versions)
        with replacing(target) as path:
            shutil.move(incoming, path)
    if arrived.quarantined.num_rows:
        with replacing(home.quarantine(year)) as path:
            pq.write_table(arrived.quarantined, path)
    else:
        home.quarantine(year).unlink(missing_ok=True)
    apart = published_totals(pa.table(arrived.quarantined))
    kept = {
        side: ControlTotal(total.rows - apart[side].rows, total.amount - apart[side].amount) if side in apart else total
        for side, total in arrived.totals.items()
    }
    stamps = pq.read_table(target, columns=["data_as_of"], partitioning=None)["data_as_of"]
    source = Source(
        source=metadata.name,
        rows_updated_at=rows_updated_at,
        fetched_at=int(now),
        published=totals_json(arrived.totals),
        signals=signals,
        columns=list(metadata.columns),
        totals=totals_json({side: total for side, total in kept.items() if total.rows}),
        quarantined=totals_json(apart),
        sha256=sha256(target),
        replaces=replaces,
        data_as_of=pc.max(stamps).as_py(),
    )
    write_json(home.source(year), asdict(source))
    return source


def same_rows(before: "pa.Table", after: "pa.Table") -> bool:
    """Whether two versions of a fiscal year hold the same rows and columns, whatever the order."""
    return set(before.column_names) == set(after.column_names) and restatement(before, after).empty


def _keep(file: Path, version: Path, versions: int) -> None:
    version.parent.mkdir(parents=True, exist_ok=True)
    version.unlink(missing_ok=True)
    if versions:
        os.link(file, version)
    for old in sorted(version.parent.glob("*.parquet"), key=lambda path: int(path.stem))[: -versions or None]:
        old.unlink()
