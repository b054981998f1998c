"""report/*: the aggregate views of the warehouse, each with a preview, a picture and the proof that it adds up."""

from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.redshift import redshift_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.dashboard import charts
from sf_transactions.ddl import comment, read, views
from sf_transactions.model import SCHEMA, SIDES, STAR
from sf_transactions.resources.loading import totals
from sf_transactions.resources.warehouse import Warehouse, fetch

if TYPE_CHECKING:
    import pandas as pd
    import redshift_connector

SHOWN = 20  # rows of a preview
MEASURES = ("revenue", "spending", "amount", "transactions")


def report_key(view: str) -> dg.AssetKey:
    return dg.AssetKey(["report", view])


@dg.multi_asset(
    name="report",
    specs=[
        dg.AssetSpec(
            report_key(view),
            deps=[redshift_key(table) for table in STAR],
            group_name="report",
            kinds={"redshift", "view"},
            owners=["team:data-engineering"],
            description=f"{comment(f'report/{view}.sql')}\n\n`{SCHEMA}.{view}`:\n\n```sql\n{read(f'report/{view}.sql')}\n```",
            metadata={"dagster/table_name": f"{SCHEMA}.{view}"},
            partitions_def=BY_FISCAL_YEAR["partitions_def"],
        )
        for view in views()
    ],
    check_specs=[
        spec
        for view in views()
        for spec in checks.specs(
            report_key(view), {"sums_to_fact": "Rows and dollars of every fiscal year and side are those of the fact."}
        )
    ],
    can_subset=True,
    backfill_policy=BY_FISCAL_YEAR["backfill_policy"],
)
def report_views(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator:
    """Adds up every aggregate view, compares it with the fact, and shows its first rows and its chart."""
    wanted = [view for view in views() if report_key(view) in context.selected_asset_keys]
    with warehouse.connect() as connection:
        fact = totals(connection)
        results, shown = [], {}
        for view in wanted:
            found = _totals(connection, view)
            results.append(checks.result(report_key(view), "sums_to_fact", _differences(fact, found)))
            shown[view] = _metadata(connection, view, found)
    yield from checks.settle(*results)
    for view in wanted:
        yield dg.MaterializeResult(asset_key=report_key(view), metadata=shown[view])


def _totals(connection: "redshift_connector.Connection", view: str) -> "pd.DataFrame":
    """What a view adds up to, by fiscal year: its rows, and of its columns revenue, spending, amount by side, and
    transactions those that it has."""
    columns = list(fetch(connection, f"select * from {SCHEMA}.{view} where 1 = 0"))
    sums = [f"sum({name}) as {name}" for name in MEASURES if name in columns]
    by = ", ".join(name for name in ("fiscal_year", "revenue_or_spending") if name in columns)
    return fetch(
        connection,
        f"select {by}, count(*) as view_rows, {', '.join(sums)} from {SCHEMA}.{view} group by {by} order by {by}",
    )


def _differences(fact: "pd.DataFrame", found: "pd.DataFrame") -> "pd.DataFrame":
    """Where a view adds up to something else than the fact does. A view of one side alone has the rows of that side;
    one without dollars is compared by its rows."""
    got: dict[tuple[int, str], Any] = {}
    for row in found.to_dict("records"):
        side = f"{row['revenue_or_spending']} " if "revenue_or_spending" in row else ""
        for measure in MEASURES:
            if measure in row:
                value = int(row[measure]) if measure == "transactions" else Decimal(row[measure])
                got[int(row["fiscal_year"]), side + measure] = value
    return checks.differences(_expected(fact, set(found)), got, ("fact", "view"))


def _expected(fact: "pd.DataFrame", measures: set[str]) -> dict[tuple[int, str], Any]:
    """The totals of the fact in the words of a view that has these measures."""
    covered = [side for side in SIDES if side.lower() in measures] or list(SIDES)
    expected: dict[tuple[int, str], Any] = {}
    for year, rows in fact.groupby("fiscal_year"):
        of = {row.revenue_or_spending: row for row in rows.itertuples() if row.revenue_or_spending in covered}
        if "amount" in measures:
            expected |= {(int(year), f"{side} amount"): Decimal(row.amount) for side, row in of.items()}
            expected |= {(int(year), f"{side} transactions"): int(row.row_count) for side, row in of.items()}
        elif of:
            expected |= {
                (int(year), side.lower()): Decimal(of[side].amount) if side in of else Decimal(0)
                for side in covered
                if side.lower() in measures
            }
            expected[int(year), "transactions"] = sum(int(row.row_count) for row in of.values())
    return expected


def _metadata(connection: "redshift_connector.Connection", view: str, found: "pd.DataFrame") -> dict[str, Any]:
    """The size of a view, its first rows of the latest fiscal years, its chart and the as-of date of its figures."""
    columns = list(fetch(connection, f"select * from {SCHEMA}.{view} where 1 = 0"))
    largest = next(name for name in ("spending", "revenue", "amount", "transactions") if name in columns)
    preview = fetch(
        connection,
        f"select * from {SCHEMA}.{view} where fiscal_year >= {_first_shown(found)}"
        f" order by fiscal_year desc, {largest} desc limit {SHOWN}",
    )
    metadata: dict[str, Any] = {
        "dagster/row_count": int(found["view_rows"].sum()),
        "preview": checks.table_metadata(preview),
    }
    if len(preview):
        metadata["data_as_of"] = str(preview["data_as_of"].iloc[0])
    chart = charts.picture_of_view(view, lambda statement: fetch(connection, statement))
    return metadata | ({"chart": dg.MetadataValue.md(chart)} if chart else {})


def _first_shown(found: "pd.DataFrame") -> int:
    """The fiscal year from which on a view has the rows of a preview, so that no other needs to be added up."""
    years = found.groupby("fiscal_year")["view_rows"].sum().sort_index(ascending=False).cumsum()
    enough = years[years >= SHOWN]
    return int(enough.index[0] if len(enough) else min(years.index, default=0))


assets = [report_views]
