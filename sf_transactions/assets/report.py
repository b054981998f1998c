"""report/*: the aggregate views of the warehouse, each with a preview, a picture and the proof that it adds up."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.redshift import redshift_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.dashboard import charts, page
from sf_transactions.dashboard.views import first_rows, picture, years_shown
from sf_transactions.ddl import comment, listed, read, views
from sf_transactions.model import FINANCE, PROGRAM, SCHEMA, SIDES, STAR, TRANSACTION, TRANSFER_ADJUSTMENTS, TYPE
from sf_transactions.resources import loaded, made
from sf_transactions.resources.home import Home, replacing
from sf_transactions.resources.warehouse import Warehouse, fetch

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pandas as pd
    import redshift_connector

# What of the fact is added up, by side of the books, and which of it each measure of a view is: Revenue's, Spending's.
SUMS = {
    "amount": "t.amount",
    "transactions": "1",
    "transfer_adjustments": f"CASE WHEN y.character_code IN {TRANSFER_ADJUSTMENTS} THEN t.amount ELSE 0 END",
}
MEASURES = {
    "amount": ("amount", (1, 1)),
    "revenue": ("amount", (1, 0)),
    "spending": ("amount", (0, 1)),
    "net": ("amount", (1, -1)),
    "transactions": ("transactions", (1, 1)),
    "transfer_adjustments": ("transfer_adjustments", (1, 1)),
    "transfer_adjustments_in_revenue": ("transfer_adjustments", (1, 0)),
    "transfer_adjustments_in_spending": ("transfer_adjustments", (0, 1)),
}
WITHOUT = "_without_related_govt_units"
SIDE = FINANCE.levels[0]
TOLD = ("drawn_from", "title", "columns", "first_rows")  # noted of what is shown of a view
Totals = dict[tuple[int, str], Decimal]


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
            report_key(view),
            {"sums_to_fact": "Its sums of each fiscal year, with and without related units, are those of the fact."},
        )
    ],
    can_subset=True,
    backfill_policy=BY_FISCAL_YEAR["backfill_policy"],
)
def report_views(context: dg.AssetExecutionContext, home: Home, warehouse: Warehouse) -> Iterator:
    """Adds up every aggregate view, compares it with the fact, and shows its first rows and its chart: of a view and
    rows that are still those that it did so for, as it was noted then, fiscal year by fiscal year."""
    wanted = [view for view in views() if report_key(view) in context.selected_asset_keys]
    with warehouse.connect() as connection:
        held = loaded.held(connection)
        of = {view: made.makings(held.sha256, str(held.day), view, *page.code()) for view in wanted}
        proved = {view: _proved(home, view, held) for view in wanted if not made.stands(home.picture(view), of[view])}
        compared = _compare(connection, home, held, of, proved) if proved else {}
    results = []
    for view in wanted:
        failing, sums = compared.get(view, (None, None))
        results.append(checks.result(report_key(view), "sums_to_fact", failing, of=sums))
    yield from checks.settle(*results)
    for view in wanted:
        yield dg.MaterializeResult(asset_key=report_key(view), metadata=_metadata(home, view, held))


def _compare(
    connection: "redshift_connector.Connection",
    home: Home,
    held: loaded.Held,
    of: Mapping[str, str],
    proved: Mapping[str, dict[int, int]],
) -> "dict[str, tuple[pd.DataFrame | None, int]]":
    """Compares views with the fact, in the fiscal years that are not proved, and shows those that add up. Gives what
    differs, and how many sums were compared."""
    columns = _columns(connection)
    fact = _fact(connection, _where(held, set.intersection(*map(set, proved.values()))))
    compared, shown = {}, {}
    with charts.drawing() as draw:
        for view, years in proved.items():
            found, rows_of = _totals(connection, view, columns[view], _where(held, years))
            expected = _expected({year: fact[year] for year in fact if year not in years}, columns[view])
            failing = checks.differences(expected, found, ("fact", "view"))
            compared[view] = failing, len(expected)
            if failing is None:
                shown[view] = _show(connection, draw, home, view, columns[view], rows_of | years, held)
        for view, note in shown.items():
            note(of[view])
    return compared


def _proved(home: Home, view: str, held: loaded.Held) -> dict[int, int]:
    """The fiscal years whose sums were compared while the warehouse held the same, and how many rows the view has."""
    noted = made.noted(home.picture(view)).get("years", {})
    return {
        year: noted[str(year)]["rows"]
        for year, of in held.years.items()
        if noted.get(str(year), {}).get("of") == made.makings(of)
    }


def _where(held: loaded.Held, proved: Collection[int]) -> str:
    """The condition for the fiscal years that are to be compared. Where that is all of them, also those that only a
    view has."""
    years = [year for year in held.years if year not in proved]
    return f"where fiscal_year in ({listed(years) or 'null'})" if proved else ""


def _columns(connection: "redshift_connector.Connection") -> dict[str, list[str]]:
    """The columns of every table and view of the schema."""
    found = fetch(
        connection,
        "select table_name, column_name from information_schema.columns"
        f" where table_schema = '{SCHEMA}' order by table_name, ordinal_position",
    )
    return {name: list(columns) for name, columns in found.groupby("table_name")["column_name"]}


def _fact(connection: "redshift_connector.Connection", where: str) -> dict[int, dict[str, dict[str, Any]]]:
    """The sums of the fact by fiscal year and side: also of rows whose program or type is missing."""
    sums = [f"sum({sql}) as {name}" for name, sql in SUMS.items()]
    sums += [
        f"sum(CASE WHEN p.related_govt_units = 'No' THEN {sql} ELSE 0 END) as {name}{WITHOUT}"
        for name, sql in SUMS.items()
    ]
    found = fetch(
        connection,
        f"select t.fiscal_year, f.{SIDE}, {', '.join(sums)} from {TRANSACTION.qualified} t"
        f" join {FINANCE.table.qualified} f on f.finance_id = t.finance_id"
        f" left join {PROGRAM.table.qualified} p on p.program_id = t.program_id"
        f" left join {TYPE.table.qualified} y on y.type_id = t.type_id {where} group by 1, 2 order by 1, 2",
    )
    of: dict[int, dict[str, dict[str, Any]]] = {}
    for row in found.to_dict("records"):
        of.setdefault(int(row["fiscal_year"]), {})[row[SIDE]] = row
    return of


def _measures(columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name.removesuffix(WITHOUT) in MEASURES]


def _totals(
    connection: "redshift_connector.Connection", view: str, columns: Sequence[str], where: str
) -> tuple[Totals, dict[int, int]]:
    """What a view adds up to by fiscal year, and by side where it names one; and its rows by fiscal year."""
    measures = _measures(columns)
    sums = ", ".join(f"sum({name}) as {name}" for name in measures)
    by = ", ".join(name for name in ("fiscal_year", SIDE) if name in columns)
    found = fetch(
        connection,
        f"select {by}, count(*) as view_rows, {sums} from {SCHEMA}.{view} {where} group by {by} order by {by}",
    )
    totals: Totals = {}
    rows_of: dict[int, int] = {}
    for row in found.to_dict("records"):
        year, prefix = int(row["fiscal_year"]), f"{row[SIDE]} " if SIDE in row else ""
        rows_of[year] = rows_of.get(year, 0) + int(row["view_rows"])
        totals |= {(year, prefix + name): Decimal(row[name]) for name in measures}
    return totals, rows_of


def _expected(fact: Mapping[int, Mapping[str, Mapping[str, Any]]], columns: Sequence[str]) -> Totals:
    """The sums of the fact in the words of a view: of both sides, or of the one that it is about."""
    about = [side for side in SIDES if side.lower() in columns] or list(SIDES)
    expected: Totals = {}
    for year, every in fact.items():
        of = {side: every[side] for side in every if side in about}
        for sides, prefix in [((side,), f"{side} ") for side in of] if SIDE in columns else [(about, "")]:
            for name in _measures(columns) if of else ():
                base = name.removesuffix(WITHOUT)
                summed, factors = MEASURES[base]
                values = (
                    factor * Decimal(of[side][summed + name.removeprefix(base)])
                    for side, factor in zip(SIDES, factors, strict=True)
                    if side in of and side in sides
                )
                expected[year, prefix + name] = sum(values, Decimal(0))
    return expected


def _show(
    connection: "redshift_connector.Connection",
    draw: "Callable[[str, charts.Data], Future[str]]",
    home: Home,
    view: str,
    columns: Sequence[str],
    rows_of: Mapping[int, int],
    held: loaded.Held,
) -> Callable[[str], None]:
    """Begins to draw a view that adds up, unless its picture would show the same as before. Gives what is to be done
    once all are added up: to note beside the picture what it is made from, what was compared, the size of the view and
    the first rows of its latest years."""

    def ask(statement: str) -> "pd.DataFrame":
        return fetch(connection, statement)

    file, drawing = home.picture(view), None
    of_years = [held.years[year] for year in years_shown(view, rows_of, held.day)]
    shown = made.makings(*of_years, str(charts.last_closed(rows_of, held.day)), *page.code())
    if made.stands(file, shown, "shown"):
        told = {name: made.noted(file)[name] for name in TOLD}
    else:
        chart = picture(view, rows_of, held.day, ask)
        first = first_rows(view, columns, rows_of, ask)
        told = {
            "drawn_from": made.makings(chart.kind, json.dumps(chart.data), *page.code()),
            "title": chart.title,
            "columns": list(first.columns),
            "first_rows": [[str(value) for value in row] for row in first.itertuples(index=False)],
        }
        if not made.stands(file, told["drawn_from"], "drawn_from"):
            drawing = draw(chart.kind, chart.data)

    def note(of: str) -> None:
        if drawing:
            with replacing(file) as incoming:
                incoming.write_text(drawing.result(), encoding="utf-8")
        years = {year: {"of": made.makings(held.years[year]), "rows": rows} for year, rows in rows_of.items()}
        made.note(file, of, shown=shown, rows=sum(rows_of.values()), years=years, **told)

    return note


def chart(home: Home, view: str) -> dg.MarkdownMetadataValue:
    """The picture of a view as Dagster's UI shows it. Raises HomeError when it was not drawn yet."""
    title = made.facts(home.picture(view), f"report/{view}")["title"]
    return dg.MetadataValue.md(charts.markdown(home.picture(view).read_text(encoding="utf-8"), title))


def _metadata(home: Home, view: str, held: loaded.Held) -> dict[str, Any]:
    """What was noted of a view, and the as-of date of its figures."""
    noted = made.facts(home.picture(view), f"report/{view}")
    return {
        "dagster/row_count": noted["rows"],
        "data_as_of": str(held.as_of),
        "chart": chart(home, view),
        "path": dg.MetadataValue.path(str(home.picture(view))),
        "preview": checks.preview(noted["columns"], noted["first_rows"]),
    }


assets = [report_views]
