"""raw/transactions: the published rows, text exactly as published, one Parquet file a fiscal year."""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dagster as dg

from sf_transactions import checks
from sf_transactions.automation import BY_FISCAL_YEAR, FISCAL_YEARS
from sf_transactions.model import PUBLISHED, PUBLISHED_NAMES, SIDES
from sf_transactions.resources.home import Home, replacing, write_json
from sf_transactions.resources.portal import Portal, PortalError, PortalMetadata
from sf_transactions.transform.amounts import ControlTotal, control_totals, totals_json

RAW = dg.AssetKey(["raw", "transactions"])
PULLS = 3  # how often a pull starts over when the portal republishes meanwhile
YEARS_AT_ONCE = 4


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
    check_specs=checks.specs(
        RAW,
        {
            "expected_columns": "Every column of the model is published.",
            "control_totals": "Rows and dollars of each fiscal year and side are those the portal counts itself.",
            "known_fiscal_years": "Every published fiscal year is a partition, so that no row is left out.",
            "known_sides": "Every published row is on one of the two sides, Revenue and Spending.",
        },
    ),
    **BY_FISCAL_YEAR,
)
def raw_transactions(context: dg.AssetExecutionContext, home: Home, portal: Portal) -> Iterator:
    """Every line of the City's accounts as DataSF publishes it: dataset bpnb-jwfb, "Spending and Revenue".

    A row is a summary of one program, account, fund and category in a fiscal year, not a cash transaction. All
    values are kept as the text that was published, so that codes keep their zeros and amounts their cents. What
    arrives is counted and summed and must equal the totals that the portal computes itself.
    """
    years = context.partition_keys
    pull = _pull(context, home, portal, years)
    for year, totals in pull.arrived.items():
        context.add_asset_metadata(
            {
                "dagster/partition_row_count": sum(total.rows for total in totals.values()),
                **{f"{side.lower()}_dollars": str(total.amount) for side, total in totals.items()},
            },
            partition_key=year,
        )
    expected = {key: total for key, total in pull.published.items() if key[0] in years}
    found = {(year, side): total for year, totals in pull.arrived.items() for side, total in totals.items()}
    yield from checks.settle(
        checks.result(RAW, "expected_columns", columns=len(PUBLISHED_NAMES)),
        checks.result(RAW, "control_totals", checks.differences(expected, found, ("portal", "raw"))),
        checks.result(
            RAW,
            "known_fiscal_years",
            _among(pull.published, lambda year, _: year not in FISCAL_YEARS.get_partition_keys()),
        ),
        checks.result(RAW, "known_sides", _among(pull.published, lambda _, side: side not in SIDES)),
    )
    yield dg.MaterializeResult(
        asset_key=RAW,
        metadata={
            "dagster/row_count": sum(total.rows for total in found.values()),
            "published_at": dg.MetadataValue.timestamp(float(pull.metadata.rows_updated_at)),
            "source": f"{pull.metadata.name} ({portal.base_url})",
            "fiscal_years": len(years),
            "path": dg.MetadataValue.path(str(home.root / "raw")),
        },
    )


@dataclass(frozen=True)
class _Pull:
    """What the portal says of itself, the totals it computes, and those of what arrived, by fiscal year."""

    metadata: PortalMetadata
    published: dict[tuple[str, str], ControlTotal]
    arrived: dict[str, dict[str, ControlTotal]]


class _Republished(Exception):
    """The portal published anew while it was being read; what has arrived is of two publications."""


def _pull(context, home: Home, portal: Portal, years) -> _Pull:
    """Fetches the years, and starts over when the portal publishes meanwhile."""
    for _ in range(PULLS):
        try:
            return _pull_once(context, home, portal, years)
        except _Republished:
            context.log.warning("the portal republished the dataset while it was being read: starting over")
    raise PortalError(
        f"{portal.base_url} republished the dataset {PULLS} times while it was being read: run again later"
    )


def _pull_once(context, home: Home, portal: Portal, years) -> _Pull:
    """Fetches the years, all of one publication, and puts them in place only when they are all there."""
    metadata = portal.metadata()
    published = portal.control_totals()
    with contextlib.ExitStack() as stack:
        incoming = {year: stack.enter_context(replacing(home.raw(year))) for year in years}

        def fetch(year: str) -> dict[str, ControlTotal]:
            table = portal.fiscal_year(year, {side: total for (of, side), total in published.items() if of == year})
            _write(table, incoming[year])
            context.log.info(f"fiscal year {year}: {table.num_rows:,} rows")
            return control_totals(table)

        with ThreadPoolExecutor(YEARS_AT_ONCE) as pool:
            arrived = dict(zip(years, pool.map(fetch, years), strict=True))
        if portal.metadata().rows_updated_at != metadata.rows_updated_at:
            raise _Republished
    for year in years:
        _write_totals(home, year, metadata, arrived[year])
    return _Pull(metadata, published, arrived)


def _write(table, path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, path, compression="zstd", compression_level=1)


def _write_totals(home: Home, year: str, metadata: PortalMetadata, totals: dict[str, ControlTotal]) -> None:
    write_json(
        home.control_totals(year),
        {"source": metadata.name, "rows_updated_at": metadata.rows_updated_at, "totals": totals_json(totals)},
    )


def _among(published, wanted: Callable[[str, str], bool]):
    """The published totals whose fiscal year and side are wanted, as a table."""
    import pandas as pd

    rows = [(*key, total.rows, str(total.amount)) for key, total in published.items() if wanted(*key)]
    return pd.DataFrame(rows, columns=["fiscal_year", "revenue_or_spending", "rows", "amount"])
