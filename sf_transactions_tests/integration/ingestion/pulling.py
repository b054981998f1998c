"""Runs of the raw assets alone, and what they left in the home."""

import json
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from dagster_aws.s3 import S3Resource

from sf_transactions.assets.raw import raw_restatements, raw_transactions
from sf_transactions.local.portal import Portal
from sf_transactions.resources.home import Home
from sf_transactions.resources.portal import Portal as Door
from sf_transactions.resources.raw_files import Ingestion
from sf_transactions.resources.storage import Storage
from sf_transactions_tests.integration.pipeline import Run, outcome
from sf_transactions_tests.rows import published

FIRST, LAST = 2016, 2019
SMALL = published(
    *(
        {"fiscal_year": str(year), "program": f"Program {row}", "amount": f"{row}.25"}
        for year in range(2016, 2020)
        for row in range(12)
    )
)


def pull(served: Portal, home: Home, first: int = FIRST, last: int = LAST, door=None, **ingestion) -> Run:
    """A run of the raw assets alone."""
    settings = {"page_size": 5, "backoff_seconds": 0.001} | (door or {})
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [raw_transactions, raw_restatements],
            resources={
                "home": home,
                "portal": Door(base_url=served.url, **settings),
                "ingestion": Ingestion(**ingestion),
                "storage": Storage(s3=S3Resource()),
            },
            tags={"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)},
            instance=instance,
            raise_on_error=False,
        )
        return outcome(result, instance)


def rows(home: Home, year: int) -> list[str]:
    """The rows of a fiscal year in an order of their own."""
    return sorted(map(json.dumps, pq.read_table(home.raw(str(year)), partitioning=None).to_pylist()))


def of(table: pa.Table, year: int) -> list[str]:
    return sorted(json.dumps(row) for row in table.to_pylist() if row["fiscal_year"] == str(year))


def holds(home: Home, table: pa.Table, first: int = FIRST, last: int = LAST) -> bool:
    return all(rows(home, year) == of(table, year) for year in range(first, last + 1))


def files(home: Home) -> dict[Path, tuple[int, int]]:
    """Inode and time of every file of raw, which change when it is rewritten."""
    found = (path for path in (home.root / "raw").rglob("*") if path.is_file())
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def changed(table: pa.Table, where, **values: str) -> pa.Table:
    return published(*(row | (values if where(row) else {}) for row in table.to_pylist()))


def in_2018(row: dict) -> bool:
    return row["fiscal_year"] == "2018" and row["program"] == "Program 7"
