"""What is shown of an aggregate view: the first rows of its latest fiscal years, and its picture."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sf_transactions.dashboard import charts
from sf_transactions.ddl import quoted
from sf_transactions.model import CHART_CHANGE, SCHEMA, SIDES

if TYPE_CHECKING:
    import pandas as pd

    Ask = Callable[[str], "pd.DataFrame"]

SHOWN = 10  # rows of a preview
BARS = 10  # of a picture
INCLUDED = "related government units included"
ORDERED_BY = ("spending", "revenue", "amount", "transactions")
# View: column of the name, measure, condition, colour.
LARGEST = {
    "average_amount_by_side": ("revenue_or_spending", "average_amount", "", "neutral"),
    "by_organization": ("department", "spending", "", "spending"),
    "by_type": ('"character"', "spending", " and transfer_adjustment = 'No'", "spending"),
    "by_fund": ("fund", "spending", "", "spending"),
    "net_by_organization_group": ("organization_group", "net", "", "neutral"),
    "transaction_share_by_organization_group": ("organization_group", "percent_of_transactions", "", "neutral"),
    "taxes_as_revenue": ('"character"', "revenue", " and tax = 'Yes'", "revenue"),
    "top_fund_types_by_spending": ("fund_type", "spending", " and place <= 10", "spending"),
}


@dataclass(frozen=True)
class Picture:
    """A kind of chart and what it shows."""

    title: str
    kind: str
    data: charts.Data


def first_rows(view: str, columns: Sequence[str], rows_of: Mapping[int, int], ask: "Ask") -> "pd.DataFrame":
    """The largest rows of the latest fiscal years, without codes. `rows_of` tells how many rows a year has, so that no
    other year needs to be added up than those that are shown."""
    largest = next(name for name in ORDERED_BY if name in columns)
    names = ", ".join(quoted(name) for name in columns if not name.endswith("_code"))
    return ask(
        f"select {names} from {SCHEMA}.{view} where fiscal_year >= {_first_shown(rows_of)}"
        f" order by fiscal_year desc, {largest} desc limit {SHOWN}"
    )


def _first_shown(rows_of: Mapping[int, int]) -> int:
    first, rows = 0, 0
    for first in sorted(rows_of, reverse=True):
        rows += rows_of[first]
        if rows >= SHOWN:
            break
    return first


def years_shown(view: str, rows_of: Mapping[int, int], day: date) -> list[int]:
    """The fiscal years that the first rows and the picture of a view are made from."""
    if view not in LARGEST:  # the trend
        return sorted(rows_of)
    closed = charts.last_closed(rows_of, day)
    return [year for year in sorted(rows_of) if year == closed or year >= _first_shown(rows_of)]


def picture(view: str, years: Collection[int], day: date, ask: "Ask") -> Picture:
    """The trend, or the largest members of a view in the last of these fiscal years that was closed on a day.

    `ask` answers a statement.
    """
    if view == "by_fiscal_year":
        frame = ask(f"select fiscal_year, revenue, spending from {SCHEMA}.{view} order by 1")
        return Picture(f"Revenue and spending by fiscal year, {INCLUDED}", "trend", _trend(frame, day))
    name, measure, where, color = LARGEST[view]
    year = charts.last_closed(years, day)
    frame = ask(
        f"select {name} as name, sum({measure}) as value from {SCHEMA}.{view} where fiscal_year = {year}{where}"
        f" group by 1 order by 2 desc, 1 limit {BARS}"
    )
    rows = [_bar(row.name, Decimal(row.value), measure, color) for row in frame.itertuples(index=False)]
    title = f"{measure.replace('_', ' ').capitalize()} of FY{year}, {INCLUDED}"
    return Picture(title, "net" if measure == "net" else "bars", {"rows": rows})


def _bar(name: str, value: Decimal, measure: str, color: str) -> dict[str, Any]:
    """A row of a bar or net chart. A negative amount has no length."""
    light = charts.THEMES["light"]
    signed = light["revenue"] if value >= 0 else light["spending"]
    return {
        "name": name,
        "length": float(max(value, Decimal(0))),
        "dollars": float(value),
        "figure": f"{value:.1f}%" if measure.startswith("percent") else charts.money(value),
        "color": signed if measure == "net" else light[color],
        "told": "",
    }


def _trend(frame: "pd.DataFrame", day: date) -> dict[str, list[dict[str, Any]]]:
    years = [int(year) for year in frame["fiscal_year"]]
    last = charts.last_closed(years, day)
    rows = [
        {
            "year": int(row["fiscal_year"]),
            "side": side,
            "dollars": float(row[side.lower()]),
            "closed": int(row["fiscal_year"]) <= last,
            "dashed": last <= int(row["fiscal_year"]) <= last + 1,
            "picked": int(row["fiscal_year"]) == last,
            "color": charts.THEMES["light"][side.lower()],
        }
        for row in frame.to_dict("records")
        for side in SIDES
    ]
    crosses = bool(years) and years[0] < CHART_CHANGE <= years[-1]
    change = {"at": CHART_CHANGE - 0.5, "text": f"FY{CHART_CHANGE}:|new chart|of accounts"}
    return {"rows": rows, "change": [change] if crosses else [], "period": [], "years": []}
