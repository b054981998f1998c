"""The charts: Vega-Lite specifications beside this file, for the page and, as pictures, for Dagster's UI.

In a specification `@name` stands for a colour of the theme, or for `@money`, the expression that writes dollars as
finance people abbreviate them.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_transactions.model import CHART_CHANGE, SCHEMA, closed_fiscal_years

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
KINDS = ("trend", "bars", "net")
THEMES: dict[str, dict[str, str]] = json.loads((HERE.parent / "theme.json").read_text(encoding="utf-8"))
MINUS = "\u2212"
MONEY = (
    f"(datum.value < 0 ? '{MINUS}' : '')"
    " + '$' + (abs(datum.value) >= 1e9 ? format(abs(datum.value) / 1e9, ',.3~r') + 'B'"
    " : abs(datum.value) >= 1e6 ? format(abs(datum.value) / 1e6, ',.3~r') + 'M'"
    " : abs(datum.value) >= 1e3 ? format(abs(datum.value) / 1e3, ',.3~r') + 'K' : format(abs(datum.value), ','))"
)
BARS = 10  # of a picture
WIDTH = 640  # of a picture, in pixels


def specification(kind: str) -> str:
    """The Vega-Lite specification of a kind of chart, as JSON with its names of colours."""
    return (HERE / f"{kind}.json").read_text(encoding="utf-8").replace('"@money"', json.dumps(MONEY))


def config() -> dict[str, Any]:
    """What all charts share: type, lines, no frame. `@sans` is the font, which Vega must know to measure texts."""
    quiet = {"labelColor": "@quiet", "labelFontSize": 12, "labelPadding": 6}
    lines = {"domain": False, "ticks": False, "gridColor": "@rule", "gridWidth": 1}
    return {
        "background": None,
        "font": "@sans",
        "padding": 0,
        "view": {"stroke": None},
        "axis": {**quiet, **lines},
        "axisX": {"labelFlush": True},
        "text": {"color": "@ink", "fontSize": 14, "font": "@sans"},
    }


def coloured(specification: str, theme: Mapping[str, str]) -> dict[str, Any]:
    """A specification with the colours of a theme in the place of their names."""
    return json.loads(re.sub(r'"@(\w+)"', lambda match: json.dumps(theme[match[1]]), specification))


def library() -> str:
    """Vega-Embed with Vega and Vega-Lite as one script, which sets `vegaEmbed`."""
    import vl_convert

    return vl_convert.javascript_bundle("globalThis.vegaEmbed = vegaEmbed;")


def picture(kind: str, data: Mapping[str, Sequence[Mapping[str, Any]]], alt: str) -> str:
    """A chart as Markdown with the picture in it, which Dagster's UI shows."""
    import vl_convert

    light = THEMES["light"]
    spec = coloured(specification(kind), light) | {
        "width": WIDTH,
        "datasets": data,
        "config": coloured(json.dumps(config()), light | {"sans": "Liberation Sans, Arial, sans-serif"})
        | {"background": light["ground"], "padding": 16},
    }
    svg = vl_convert.vegalite_to_svg(spec)
    return f"![{alt}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode('ascii')})"


def money(dollars: Decimal) -> str:
    """Dollars as the City's finance people abbreviate them: $18.83B, $4.24M, the sign before the dollar sign."""
    sign = MINUS if dollars < 0 else ""
    for size, unit in ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(10**3), "K")):
        if abs(dollars) >= size:
            return f"{sign}${abs(dollars) / size:,.2f}{unit}"
    return f"{sign}${abs(dollars):,.2f}"


def picture_of_view(view: str, ask: "Callable[[str], pd.DataFrame]") -> str | None:
    """The chart of an aggregate view as Markdown: the trend, or its largest members in the last closed fiscal year.

    `ask` answers a statement. None when the view is empty.
    """
    if view == "by_fiscal_year":
        frame = ask(f"select fiscal_year, revenue, spending, data_as_of from {SCHEMA}.{view} order by 1")
        return picture("trend", _trend(frame), "Revenue and spending by fiscal year") if len(frame) else None
    if view not in _LARGEST:
        return None
    name, measure, where, color = _LARGEST[view]
    years = ask(f"select distinct fiscal_year, data_as_of from {SCHEMA}.{view} order by 1")
    if years.empty:
        return None
    year = last_closed(list(map(int, years["fiscal_year"])), years["data_as_of"].dropna().max())
    frame = ask(
        f"select {name} as name, sum({measure}) as value from {SCHEMA}.{view} where fiscal_year = {year}{where}"
        f" group by 1 order by 2 desc, 1 limit {BARS}"
    )
    kind = "net" if measure == "net" else "bars"
    rows = [_bar(row.name, Decimal(row.value), measure, color) for row in frame.itertuples(index=False)]
    title = f"{measure.replace('_', ' ').capitalize()} of FY{year}, related government units included"
    return f"{title}\n\n{picture(kind, {'rows': rows}, title)}"


# View: column of the name, measure, condition, colour.
_LARGEST = {
    "by_organization": ("department", "spending", "", "spending"),
    "by_type": ('"character"', "spending", " and transfer_adjustment = 'No'", "spending"),
    "by_fund": ("fund", "spending", "", "spending"),
    "net_by_organization_group": ("organization_group", "net", "", "neutral"),
    "transaction_share_by_organization_group": ("organization_group", "percent_of_transactions", "", "neutral"),
    "taxes_as_revenue": ('"character"', "revenue", " and tax = 'Yes'", "revenue"),
    "top_fund_types_by_spending": ("fund_type", "spending", " and place <= 10", "spending"),
}


def last_closed(years: Sequence[int], as_of: Any) -> int:
    """The latest of these fiscal years that was closed on a day, or else the latest of them.

    `as_of` is a day, a time, or None for today.
    """
    day = date.today() if as_of is None else as_of if type(as_of) is date else as_of.date()
    closed = [year for year in years if year in closed_fiscal_years(day)]
    return max(closed or years)


def _bar(name: str, value: Decimal, measure: str, color: str) -> dict[str, Any]:
    """A row of a bar or net chart. A negative amount has no length."""
    light = THEMES["light"]
    signed = light["revenue"] if value >= 0 else light["spending"]
    return {
        "name": name,
        "length": float(max(value, Decimal(0))),
        "dollars": float(value),
        "figure": f"{value:.1f}%" if measure.startswith("percent") else money(value),
        "color": signed if measure == "net" else light[color],
        "told": "",
    }


def _trend(frame: "pd.DataFrame") -> dict[str, list[dict[str, Any]]]:
    years = [int(year) for year in frame["fiscal_year"]]
    last = last_closed(years, frame["data_as_of"].dropna().max())
    rows = [
        {
            "year": int(row["fiscal_year"]),
            "side": side,
            "dollars": float(row[side.lower()]),
            "closed": int(row["fiscal_year"]) <= last,
            "dashed": last <= int(row["fiscal_year"]) <= last + 1,
            "picked": int(row["fiscal_year"]) == last,
            "label": side if int(row["fiscal_year"]) == last else "",
            "dy": -14 if (row["revenue"] >= row["spending"]) == (side == "Revenue") else 16,
        }
        for row in frame.to_dict("records")
        for side in ("Revenue", "Spending")
    ]
    crosses = years[0] < CHART_CHANGE <= years[-1]
    change = {"at": CHART_CHANGE - 0.5, "text": f"FY{CHART_CHANGE}:|new chart|of accounts"}
    return {"rows": rows, "change": [change] if crosses else [], "period": [], "years": []}
