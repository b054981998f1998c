"""report/dashboard: one page with every row of the warehouse's facts."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.report import report_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.dashboard import charts, page
from sf_transactions.dashboard.facts import facts
from sf_transactions.ddl import views
from sf_transactions.resources import loaded, loading, made
from sf_transactions.resources.home import Home, read_json, replacing
from sf_transactions.resources.warehouse import Warehouse, fetch
from sf_transactions.transform.amounts import ControlTotal, dollars

if TYPE_CHECKING:
    import pandas as pd
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
        as_of = loaded.data_as_of(connection)
        source = page.Source(name, as_of.date() if as_of else None)
        members = loaded.dimensions(connection)
        of = _made_from(connection, source, members)
        if not made.stands(home.dashboard, of):
            found = facts(loaded.facts(connection, home), members)
            with replacing(home.dashboard) as incoming:
                incoming.write_text(page.build(found, source), encoding="utf-8")
                header, totals = _carried(incoming.read_text(encoding="utf-8"))
                yield from checks.settle(_compare(connection, totals))
            made.note(home.dashboard, of)
        else:
            header, totals = _carried(home.dashboard.read_text(encoding="utf-8"))
            yield from checks.settle(_compare(connection, totals))
        trend = charts.picture_of_view("by_fiscal_year", lambda statement: fetch(connection, statement))
    yield dg.MaterializeResult(
        asset_key=DASHBOARD,
        metadata={
            "dagster/row_count": header["rows"],
            "fiscal_years": len(header["years"]),
            "data_as_of": str(source.as_of),
            "path": dg.MetadataValue.path(str(home.dashboard)),
            "bytes": home.dashboard.stat().st_size,
            "totals": checks.table_metadata(_table(totals)),
            **({"trend": dg.MetadataValue.md(trend)} if trend else {}),
        },
    )


def _made_from(
    connection: "redshift_connector.Connection", source: page.Source, members: "Mapping[str, pd.DataFrame]"
) -> str:
    """One hash for all that decides what the page is; the year's status also moves with the day where there is no
    as-of date."""
    rows = json.dumps(loaded.fingerprints(connection))
    names = [frame.to_csv(index=False) for frame in members.values()]
    return made.makings(source.name, str(source.as_of or date.today()), rows, *names, *page.code())


def _carried(text: str) -> tuple[dict[str, Any], dict[tuple[str, str], ControlTotal]]:
    """What a page carries: its header, and rows and dollars by fiscal year and side, read back from its text."""
    header, columns = page.carried(text)
    totals, start = {}, 0
    cells = [(str(year), side) for year in header["years"] for side in header["sides"]]
    for cell, rows in zip(cells, header["rows_of"], strict=True):
        if rows:
            amounts = columns["amount"][start : start + rows].tolist()
            totals[cell] = ControlTotal(rows, dollars(sum(amounts)))
        start += rows
    return header, totals


def _table(totals: Mapping[tuple[str, str], ControlTotal]) -> "pd.DataFrame":
    import pandas as pd

    rows = [(*cell, total.rows, total.amount) for cell, total in sorted(totals.items(), reverse=True)]
    return pd.DataFrame(rows, columns=["fiscal_year", "revenue_or_spending", "rows", "dollars"])


def _compare(
    connection: "redshift_connector.Connection", totals: Mapping[tuple[str, str], ControlTotal]
) -> dg.AssetCheckResult:
    expected = {
        (str(row.fiscal_year), row.revenue_or_spending): ControlTotal(int(row.row_count), Decimal(row.amount))
        for row in loading.totals(connection).itertuples()
    }
    return checks.result(DASHBOARD, "control_totals", checks.differences(expected, totals, ("warehouse", "dashboard")))


assets = [dashboard]
