"""The page: totals, the trend and the charts of the report views, as one HTML file without a network."""

import html
from collections.abc import Mapping
from decimal import Decimal
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PALETTE = {"Revenue": "#1b6ca8", "Spending": "#c05746"}
INK, QUIET, GRID = "#1f2933", "#5b6770", "#e3e7ea"

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>San Francisco spending and revenue</title>
<style>
  body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: $ink; background: #fafbfb; }
  main { max-width: 1180px; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
  h1 { font-size: 1.9rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 0 0 .25rem; }
  p { margin: 0 0 1rem; color: $quiet; max-width: 70ch; }
  .totals { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 1rem; margin: 1.5rem 0; }
  .totals div, section { background: #fff; border: 1px solid $grid; border-radius: 8px; padding: 1rem 1.25rem; }
  .totals dt { color: $quiet; font-size: .9rem; }
  .totals dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
  .charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 1rem; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid $grid; }
  th:first-child, td:first-child { text-align: left; }
  section.wide { grid-column: 1 / -1; overflow-x: auto; }
</style>
<script>$plotly</script>
</head>
<body><main>
<h1>San Francisco spending and revenue</h1>
<p>Source: $source.</p>
<p>Every line of the accounts, fiscal years $first to $last. A fiscal year runs from July 1 to June 30 and is named by
the year it ends in. Related government units and transfer adjustments are included. Net is revenue minus spending, an
arithmetic difference, not a surplus or deficit.</p>
<dl class="totals">$totals</dl>
<div class="charts">$charts
<section class="wide"><h2>Every fiscal year</h2>$table</section>
</div>
</main></body></html>
""")


def build(frames: "Mapping[str, pd.DataFrame]", source: str) -> str:
    """The page from the report views, whose values are texts, and the name of the published dataset.

    Empty views give a page that says so.
    """
    from plotly.offline import get_plotlyjs

    sides = frames["average_amount_by_side"]
    years = sorted(set(sides["fiscal_year"]))
    charts = [
        ("Revenue and spending by fiscal year", _trend(sides)),
        ("Net by organization group, all years", _net(frames["net_by_organization_group"])),
        ("Share of transactions by organization group", _share(frames["transaction_share_by_organization_group"])),
        ("Top ten fund types by spending", _bars(frames["top_fund_types_by_spending"], "fund_type", "spending")),
        ("Taxes as revenue", _bars(frames["taxes_as_revenue"], "character", "revenue")),
    ]
    sections = "\n".join(
        f"<section{' class=wide' if position == 0 else ''}><h2>{html.escape(title)}</h2>{chart}</section>"
        for position, (title, chart) in enumerate(charts)
    )
    return PAGE.substitute(
        ink=INK,
        quiet=QUIET,
        grid=GRID,
        plotly=get_plotlyjs(),
        source=html.escape(source),
        first=years[0] if years else "-",
        last=years[-1] if years else "-",
        totals=_totals(sides),
        charts=sections,
        table=_table(sides),
    )


def money(amount: Decimal) -> str:
    """Dollars the way finance people abbreviate them: $18.8 bn, -$4.2 m."""
    for size, unit in ((Decimal(10**9), " bn"), (Decimal(10**6), " m"), (Decimal(10**3), " k")):
        if abs(amount) >= size:
            return f"{'-' if amount < 0 else ''}${abs(amount) / size:,.1f}{unit}"
    return f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def _side(sides: "pd.DataFrame", side: str) -> dict[str, Decimal]:
    rows = sides[sides["revenue_or_spending"] == side]
    return {row.fiscal_year: Decimal(row.amount) for row in rows.sort_values("fiscal_year").itertuples()}


def _totals(sides: "pd.DataFrame") -> str:
    revenue, spending = (sum(_side(sides, side).values(), Decimal(0)) for side in ("Revenue", "Spending"))
    rows = sum(map(int, sides["transactions"]))
    figures = {
        "Revenue, all years": money(revenue),
        "Spending, all years": money(spending),
        "Net, all years": money(revenue - spending),
        "Transactions": f"{rows:,}",
    }
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures.items())


def _table(sides: "pd.DataFrame") -> str:
    revenue, spending = _side(sides, "Revenue"), _side(sides, "Spending")
    rows = "".join(
        f"<tr><td>{html.escape(year)}</td>"
        + "".join(f"<td>{value:,.2f}</td>" for value in _figures(revenue.get(year), spending.get(year)))
        + "</tr>"
        for year in sorted(revenue.keys() | spending.keys(), reverse=True)
    )
    head = "<tr><th>Fiscal year</th><th>Revenue, $</th><th>Spending, $</th><th>Net, $</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _figures(revenue: Decimal | None, spending: Decimal | None) -> tuple[Decimal, Decimal, Decimal]:
    revenue, spending = revenue or Decimal(0), spending or Decimal(0)
    return revenue, spending, revenue - spending


def _trend(sides: "pd.DataFrame") -> str:
    import plotly.graph_objects as go

    lines = []
    for side, color in PALETTE.items():
        amounts = _side(sides, side)
        lines.append(
            go.Scatter(
                x=list(amounts), y=[float(a) for a in amounts.values()], name=side, line={"color": color, "width": 3}
            )
        )
    return _figure(lines, height=340)


def _net(frame: "pd.DataFrame") -> str:
    import plotly.graph_objects as go

    net: dict[str, Decimal] = {}
    for row in frame.itertuples():
        net[row.organization_group] = net.get(row.organization_group, Decimal(0)) + Decimal(row.net)
    ordered = sorted(net.items(), key=lambda item: item[1])
    return _figure(
        [
            go.Scatter(
                x=[float(amount) for _, amount in ordered],
                y=[_label(name) for name, _ in ordered],
                mode="markers+text",
                text=[money(amount) for _, amount in ordered],
                textposition="top center",
                marker={"size": 12, "color": INK},
                cliponaxis=False,
            )
        ],
        zero=True,
    )


def _share(frame: "pd.DataFrame") -> str:
    return _bars(frame, "organization_group", "percent_of_transactions", text=lambda value: f"{value:.1f} %")


def _bars(frame: "pd.DataFrame", name: str, value: str, text=money) -> str:
    """Horizontal bars, largest on top. A negative amount never becomes a length: it is left out and named below."""
    import plotly.graph_objects as go

    ordered = sorted(((row[name], Decimal(row[value])) for row in frame.to_dict("records")), key=lambda item: item[1])
    bars = [(label, amount) for label, amount in ordered if amount >= 0]
    negative = [f"{html.escape(label)} {text(amount)}" for label, amount in ordered if amount < 0]
    chart = _figure(
        [
            go.Bar(
                x=[float(amount) for _, amount in bars],
                y=[_label(label) for label, _ in bars],
                text=[text(amount) for _, amount in bars],
                textposition="auto",
                orientation="h",
                marker={"color": PALETTE["Spending" if value == "spending" else "Revenue"]},
            )
        ]
    )
    return chart + (f"<p>Negative, not drawn: {'; '.join(negative)}</p>" if negative else "")


def _label(name: str) -> str:
    """A name from the data as chart text: Plotly reads a few tags, so they are escaped."""
    return html.escape(name if len(name) <= 34 else f"{name[:33]}…")


def _figure(traces, height: int = 380, zero: bool = False) -> str:
    import plotly.graph_objects as go

    figure = go.Figure(traces)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        paper_bgcolor="#fff",
        plot_bgcolor="#fff",
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": 1.12},
        showlegend=len(traces) > 1,
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=zero, zerolinecolor=QUIET, automargin=True)
    figure.update_yaxes(gridcolor=GRID, automargin=True)
    return figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True})
