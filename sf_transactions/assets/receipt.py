"""report/load_receipt: rows and dollars of each fiscal year and side at every hop, from the portal to the views."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.codes import read_raw
from sf_transactions.assets.redshift import load_id_of, redshift_key
from sf_transactions.assets.report import report_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.ddl import views
from sf_transactions.model import FINANCE, LOAD_RECEIPT, SCHEMA, SIDES, STAR, TRANSACTION
from sf_transactions.resources import comparisons, loading, made
from sf_transactions.resources.home import Home, HomeError, read_json, write_json
from sf_transactions.resources.parts import read_part
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.warehouse import Warehouse, tried_again
from sf_transactions.run_summary import run_summary
from sf_transactions.transform.amounts import (
    ControlTotal,
    Totals,
    add_totals,
    control_totals,
    totals_from_json,
    totals_json,
)
from sf_transactions.transform.keys import surrogate_key
from sf_transactions.transform.receipt import Line, Stored, lines
from sf_transactions.transform.star import YEARS_AT_ONCE

if TYPE_CHECKING:
    import pyarrow as pa

RECEIPT = dg.AssetKey(["report", "load_receipt"])
RAW = "raw/transactions"
COUNTED = ("revenue_or_spending", "amount")
SIDES_VIEW = "average_amount_by_side"


@dg.asset(
    key=RECEIPT,
    deps=[*(redshift_key(table) for table in STAR), *(report_key(view) for view in views())],
    group_name="report",
    kinds={"redshift", "json"},
    owners=["team:data-engineering"],
    metadata=checks.warehouse_metadata(LOAD_RECEIPT),
    check_specs=checks.specs(
        RECEIPT,
        {"every_hop_agrees": "Portal = raw + set apart, and raw, star, S3, warehouse and views have the same."},
    ),
    **BY_FISCAL_YEAR,
)
def load_receipt(
    context: dg.AssetExecutionContext, home: Home, storage: Storage, warehouse: Warehouse
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """The receipt of this run: rows and dollars of each fiscal year and side at every hop.

    What the portal counted, what was set apart, what the raw file, the file of the fact, the warehouse and its view
    hold, counted at each; and the size and SHA-256 of the object in S3, which was read back and is unchanged since. A
    file whose content was counted before, by its SHA-256, is not counted again. A difference fails the run and names
    the first hop at which it appears. The lines of a fiscal year are with its partition; table `report.load_receipt`
    keeps the receipts of all runs.
    """
    years = context.partition_keys
    load_id, run_id = load_id_of(home, years), context.run.run_id
    with tried_again(context), warehouse.connect() as connection:
        totals = {
            **_published(home, years),
            "raw": _counted(home, years, home.raw, lambda year: read_raw(home, year, COUNTED)),
            "star": _counted(
                home, years, lambda year: home.star(TRANSACTION.name, year), lambda year: _star(home, year)
            ),
            "warehouse": comparisons.totals(connection, list(map(int, years))),
            "views": comparisons.totals_of(connection, _of_view(years)),
        }
        receipt = lines(totals, _stored(home, storage))
        loading.write_receipt(connection, run_id, load_id, [line.row() for line in receipt])
    columns, rows = _shown(receipt)
    path = home.load_receipt(run_id)
    ids = {"run_id": run_id, "load_id": load_id}
    write_json(path, [ids | dict(zip(columns, map(str, row), strict=True)) for row in rows])
    differing = checks.failing(columns, [row for row, line in zip(rows, receipt, strict=True) if line.first_difference])
    yield from checks.settle(checks.result(RECEIPT, "every_hop_agrees", differing, of=len(rows)))
    for year in years:
        of_year = [row for row, line in zip(rows, receipt, strict=True) if str(line.fiscal_year) == year]
        context.add_asset_metadata({"receipt": checks.table(columns, of_year)}, partition_key=year)
    yield dg.MaterializeResult(
        asset_key=RECEIPT,
        metadata={
            "dagster/row_count": len(rows),
            **_summary(context, home, totals["warehouse"]),
            "load_id": load_id,
            "path": dg.MetadataValue.path(str(path)),
        },
    )


def _summary(context: dg.AssetExecutionContext, home: Home, held: Totals) -> dict[str, Any]:
    """The run so far: what was fetched, what stands in the warehouse, the checks, and how long each stage took."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    started = int(record.start_time or 0) if record else 0  # whole seconds, as `fetched_at`
    fetched = [year for year in context.partition_keys if read_json(home.source(year), RAW)["fetched_at"] >= started]
    sums: dict[str, ControlTotal] = {}
    for (_, side), total in held.items():
        add_totals(sums, {side: total})
    done = run_summary(context.instance, context.run.run_id)
    seconds = [(stage, f"{taken:.2f}") for stage, taken in done.seconds.items()]
    return {
        **{side.lower(): f"{total.amount:,} dollars in {total.rows:,} rows" for side, total in sorted(sums.items())},
        "fiscal_years_fetched": ", ".join(fetched) or "none: the portal has not changed",
        "checks": done.checks(),
        "seconds": checks.table(["stage", "seconds"], seconds),
    }


def _shown(receipt: list[Line]) -> tuple[list[str], list[tuple]]:
    """The columns of report.load_receipt but its ids, and the rows; the first difference stands in front."""
    columns = LOAD_RECEIPT.column_names[2:]
    front = ["fiscal_year", "revenue_or_spending", "first_difference"]
    shown = [*front, *(name for name in columns if name not in front)]
    rows = (dict(zip(columns, line.row(), strict=True)) for line in receipt)
    return shown, [tuple(row[name] for name in shown) for row in rows]


def _by_year(years: Sequence[str], counted: Iterable[Mapping[str, ControlTotal]]) -> Totals:
    return {(year, side): total for year, each in zip(years, counted, strict=True) for side, total in each.items()}


def _counted(home: Home, years, file: "Callable[[str], Path]", rows: "Callable[[str], pa.Table]") -> Totals:
    """The totals of a file a year, two of them at once: files are read outside of Python's lock.

    They are kept with the content that was counted, by its SHA-256, and the code that counted.
    """
    kept = read_json(home.counted, "report/load_receipt") if home.counted.exists() else {}

    def count(year: str) -> tuple[str, dict[str, Any]]:
        path = file(year)
        of = made.makings(made.sha256(path)) if path.exists() else ""
        name = str(path.relative_to(home.root))
        if (before := kept.get(name)) and before["counted"] == of:
            return name, before
        return name, {"counted": of, "totals": totals_json(control_totals(rows(year)))}

    with ThreadPoolExecutor(YEARS_AT_ONCE) as pool:
        counted = dict(pool.map(count, years))
    write_json(home.counted, kept | counted)
    return _by_year(years, [totals_from_json(each["totals"]) for each in counted.values()])


def _published(home: Home, years) -> dict[str, Totals]:
    """What the portal counted, and what was set apart."""
    sources = {year: read_json(home.source(year), RAW) for year in years}
    return {
        "portal": _by_year(years, [totals_from_json(sources[year]["published"]) for year in years]),
        "quarantined": _by_year(years, [totals_from_json(sources[year]["quarantined"]) for year in years]),
    }


def _star(home: Home, year: str):
    """The sides and amounts of the year's file of the fact, as texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    path = home.star(TRANSACTION.name, year)
    if not path.exists():
        raise HomeError(f"{path} is not there: materialize star/transaction for fiscal year {year} first")
    table = read_part(path, {FINANCE.id_column: pa.int64(), "amount": pa.string()})
    ids = pa.array([surrogate_key(FINANCE.name, (side,)) for side in SIDES])
    sides = pa.array(SIDES).take(pc.index_in(table[FINANCE.id_column].combine_chunks(), ids))
    return pa.table({"revenue_or_spending": sides, "amount": table["amount"]})


def _stored(home: Home, storage: Storage) -> dict[str, Stored]:
    """The year's objects, as S3 has them."""
    receipt = read_json(home.receipt(TRANSACTION.name), "s3/transaction")
    keys = {each["url"]: each["url"].removeprefix(storage.url("")) for each in receipt["objects"]}
    wanted = [(keys[each["url"]], each["bytes"], each["sha256"]) for each in receipt["objects"]]
    standing = storage.standing(storage.in_folders([TRANSACTION.name]), wanted, receipt.get("verified", {}))
    stored = {}
    for each in receipt["objects"]:
        year, digest = each["fiscal_year"], each["sha256"]
        same = keys[each["url"]] in standing and made.sha256(home.star(TRANSACTION.name, year)) == digest
        stored[year] = Stored(each["bytes"], digest if same else "")
    return stored


def _of_view(fiscal_years) -> str:
    return (
        "select fiscal_year, revenue_or_spending, sum(transactions) as row_count, sum(amount) as amount"
        f" from {SCHEMA}.{SIDES_VIEW} where fiscal_year in ({', '.join(map(str, fiscal_years))}) group by 1, 2"
    )


assets = [load_receipt]
