"""report/dashboard: one page with every row of the warehouse's facts."""

import contextlib
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.report import chart, report_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.dashboard import charts, page
from sf_transactions.dashboard.facts import facts
from sf_transactions.ddl import views
from sf_transactions.resources import comparisons, loaded, made
from sf_transactions.resources.home import Home, read_json, replacing
from sf_transactions.resources.warehouse import Warehouse
from sf_transactions.transform.amounts import ControlTotal, Totals, dollars

if TYPE_CHECKING:
    import redshift_connector

DASHBOARD = dg.AssetKey(["report", "dashboard"])


@dg.asset(
    key=DASHBOARD,
    deps=[report_key(view) for view in views()],
    group_name="report",
    kinds={"html", "javascript"},
    owners=["team:data-engineering"],
    check_specs=checks.specs(
        DASHBOARD,
        {
            "control_totals": "Rows and dollars that the page carries are those of the warehouse, for every fiscal "
            "year and side."
        },
    ),
    **BY_FISCAL_YEAR,
)
def dashboard(context: dg.AssetExecutionContext, home: Home, warehouse: Warehouse) -> Iterator:
    """One HTML file that opens from disk and asks no server for anything: totals, trend, who spends, where the money
    comes from, and every name to drill into, with the SQL behind each figure.

    It carries every row of the warehouse, of all loaded fiscal years, compressed. It is made anew when the rows, their
    names and codes, or the page itself have changed.
    """
    name = read_json(home.source(context.partition_keys[-1]), "raw/transactions")["source"]
    with warehouse.connect() as connection:
        held = loaded.held(connection)
        source = page.Source(name, held.as_of.date() if held.as_of else None)
        of = made.makings(source.name, held.sha256, str(held.day), *page.code())
        if made.stands(home.dashboard, of):
            yield from checks.settle(_compare(connection, _noted(home)))
        else:
            with _library(home) as library, replacing(home.dashboard) as incoming:
                found = facts(loaded.facts(connection, home), loaded.members(connection))
                incoming.write_text(page.build(found, source, library), encoding="utf-8")
                totals = _carried(incoming.read_text(encoding="utf-8"))
                yield from checks.settle(_compare(connection, totals))
            noted = [(*cell, total.rows, str(total.amount)) for cell, total in totals.items()]
            made.note(home.dashboard, of, totals=noted)
    totals = _noted(home)
    for year in context.partition_keys:
        of_year = {side: total for (of, side), total in totals.items() if of == year}
        context.add_asset_metadata(checks.figures(of_year), partition_key=year)
    yield dg.MaterializeResult(
        asset_key=DASHBOARD,
        metadata={
            "dagster/row_count": sum(total.rows for total in totals.values()),
            "fiscal_years": len({year for year, _ in totals}),
            "data_as_of": str(source.as_of),
            "page": dg.MetadataValue.url(home.dashboard.resolve().as_uri()),
            "path": dg.MetadataValue.path(str(home.dashboard)),
            "bytes": home.dashboard.stat().st_size,
            "trend": chart(home, "by_fiscal_year"),
        },
    )


@contextlib.contextmanager
def _library(home: Home) -> Iterator[Callable[[], str]]:
    """Gives the script that draws the charts. It is kept until its package is another, and bundled while the block does
    something else."""
    file, of = home.chart_library, made.makings(*charts.bundle_versions())
    if made.stands(file, of):
        yield lambda: file.read_text(encoding="utf-8")
        return
    with charts.bundling() as process:

        def bundled() -> str:
            text, _ = process.communicate()
            if process.returncode:
                raise RuntimeError(f"the chart library could not be bundled: exit code {process.returncode}")
            with replacing(file) as incoming:
                incoming.write_text(text, encoding="utf-8")
            made.note(file, of)
            return text

        yield bundled


def _carried(text: str) -> Totals:
    """The rows and dollars that a page carries, by fiscal year and side, read back from its text."""
    header, columns = page.carried(text)
    totals, start = {}, 0
    cells = [(str(year), side) for year in header["years"] for side in header["sides"]]
    for cell, rows in zip(cells, header["rows_of"], strict=True):
        if rows:
            amounts = columns["amount"][start : start + rows].tolist()
            totals[cell] = ControlTotal(rows, dollars(sum(amounts)))
        start += rows
    return totals


def _noted(home: Home) -> Totals:
    """The same, as it was noted of the page that stands."""
    noted = made.facts(home.dashboard, "report/dashboard")["totals"]
    return {(year, side): ControlTotal(rows, Decimal(amount)) for year, side, rows, amount in noted}


def _compare(connection: "redshift_connector.Connection", totals: Totals) -> dg.AssetCheckResult:
    expected = comparisons.totals(connection)
    failing = checks.differences(expected, totals, ("warehouse", "dashboard"))
    return checks.result(DASHBOARD, "control_totals", failing, of=len(expected))


assets = [dashboard]
