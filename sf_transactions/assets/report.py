"""report/*: the aggregate views of the warehouse, and the dashboard."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.redshift import redshift_key
from sf_transactions.assets.star import star_totals
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.ddl import read, views
from sf_transactions.model import SCHEMA, STAR
from sf_transactions.resources import made
from sf_transactions.resources.home import Home, read_json, replacing
from sf_transactions.resources.warehouse import Warehouse

DASHBOARD = dg.AssetKey(["report", "dashboard"])
SIDES_VIEW = "average_amount_by_side"


def report_key(view: str) -> dg.AssetKey:
    return dg.AssetKey(["report", view])


def _view_asset(view: str) -> dg.AssetsDefinition:
    statement = read(f"report/{view}.sql")
    comment = " ".join(line.removeprefix("--").strip() for line in statement.splitlines() if line.startswith("--"))

    @dg.asset(
        key=report_key(view),
        deps=[redshift_key(table) for table in STAR],
        group_name="report",
        kinds={"redshift", "view"},
        owners=["team:data-engineering"],
        description=f"{comment}\n\nView `{SCHEMA}.{view}` of the warehouse:\n\n```sql\n{statement}\n```",
        metadata={"dagster/table_name": f"{SCHEMA}.{view}"},
        **BY_FISCAL_YEAR,
    )
    def report_view(context: dg.AssetExecutionContext, home: Home, warehouse: Warehouse) -> dg.MaterializeResult:
        frame = warehouse.query(f"select * from {SCHEMA}.{view}")
        order = [name for name in ("fiscal_year",) if name in frame] or [
            name for name in ("spending", "revenue", "transactions") if name in frame
        ]
        frame = frame.sort_values(order[:1], ascending=False, kind="stable", ignore_index=True)
        with replacing(home.report(view)) as incoming:
            frame.to_csv(incoming, index=False)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(frame),
                "preview": checks.table_metadata(frame.head(20)),
                "path": dg.MetadataValue.path(str(home.report(view))),
            }
        )

    return report_view


@dg.asset(
    key=DASHBOARD,
    deps=[report_key(view) for view in views()],
    group_name="report",
    kinds={"plotly", "html"},
    owners=["team:data-engineering"],
    check_specs=checks.specs(
        DASHBOARD,
        {"control_totals": "The totals on the page are those of the star, for the fiscal years of this run."},
    ),
    **BY_FISCAL_YEAR,
)
def dashboard(context: dg.AssetExecutionContext, home: Home) -> Iterator:
    """One HTML page with totals and the charts, which opens from disk without a network."""
    import pandas as pd

    from sf_transactions.dashboard import page

    views_made = [made.sha256(home.report(view)) for view in views()]
    frames = {view: pd.read_csv(home.report(view), dtype=str, keep_default_na=False) for view in views()}
    source = read_json(home.source(context.partition_keys[-1]), "raw/transactions")["source"]
    sides = frames[SIDES_VIEW]
    shown = {
        (row.fiscal_year, row.revenue_or_spending): (int(row.transactions), Decimal(row.amount))
        for row in sides.itertuples()
        if row.fiscal_year in context.partition_keys
    }
    expected = {
        (year, side): (total.rows, total.amount)
        for year in context.partition_keys
        for side, total in star_totals(home, year).items()
    }
    yield from checks.settle(
        checks.result(DASHBOARD, "control_totals", checks.differences(expected, shown, ("star", "dashboard")))
    )
    of = made.makings(source, Path(page.__file__).read_text(encoding="utf-8"), *views_made)
    if not made.stands(home.dashboard, of):
        with replacing(home.dashboard) as incoming:
            incoming.write_text(page.build(frames, source), encoding="utf-8")
        made.note(home.dashboard, of)
    yield dg.MaterializeResult(
        asset_key=DASHBOARD,
        metadata={
            "path": dg.MetadataValue.path(str(home.dashboard)),
            "bytes": home.dashboard.stat().st_size,
        },
    )


assets = [*(_view_asset(view) for view in views()), dashboard]
