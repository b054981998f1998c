"""The aggregates in a terminal: `report`."""

import csv
import json
import re
import sys
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from sf_transactions.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE = 40
TEXT = 12  # characters that a text is given at least; it goes on below
EDGES = 1  # of a table, beyond the two spaces that each of its columns takes
WITHOUT = "related_govt_units"


class Years(click.ParamType):
    """One fiscal year, or a range of them."""

    name = "years"

    def convert(self, value, param, ctx) -> tuple[int, int]:
        match = re.fullmatch(r"(\d{4})(?:-(\d{4}))?", value)
        if not match:
            self.fail(f"{value!r} is neither a fiscal year (2025) nor a range of them (2021-2025)", param, ctx)
        return int(match[1]), int(match[2] or match[1])


@click.command()
@click.argument("view", required=False)
@click.option("--year", "years", type=Years(), help="A fiscal year (2025) or a range of them (2021-2025).")
@click.option("--by", "level", help="Add up to this level, such as department, object or fund_type.")
@click.option("--without-related-units", is_flag=True, help="Leave related government units out.")
@click.option("--limit", type=click.IntRange(min=0), help=f"Rows; a table shows {ROWS_AT_ONCE} unless told, 0 is all.")
@click.option("--csv", "as_csv", is_flag=True, help="A header line, then rows; formulas are neutralised.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects; dollars are texts, so that they stay exact.")
def report(view, years, level, without_related_units, limit, as_csv, as_json) -> None:
    """Print an aggregate VIEW of the warehouse; without VIEW, list them."""
    from sf_transactions.resources.warehouse import Warehouse

    if view is None:
        return _list()
    known = _views()
    if view not in known:
        raise click.BadParameter(f"there is no view {view!r}. There are: {', '.join(known)}", param_hint="VIEW")
    if as_csv and as_json:
        raise click.UsageError("write --csv or --json, not both")
    warehouse = Warehouse.from_settings(Settings.from_environ())
    columns = list(warehouse.query(f"select * from report.{view} where 1 = 0"))
    frame = warehouse.query(statement(view, columns, years, level, without_related_units))
    if "transactions" in frame:  # a sum of counts is a decimal to Redshift
        frame["transactions"] = frame["transactions"].map(int).astype(object)
    shown = frame if not limit and (as_csv or as_json or limit == 0) else frame.head(limit or ROWS_AT_ONCE)
    if as_csv:
        _write_csv(shown)
    elif as_json:
        click.echo(json.dumps(shown.to_dict("records"), indent=1, default=str, ensure_ascii=False))
    else:
        _print_table(view, shown, len(frame), without_related_units or WITHOUT not in columns)


def statement(
    view: str, columns: list[str], years: tuple[int, int] | None, level: str | None, without_related_units: bool
) -> str:
    """The question to a view with these columns. Raises click.UsageError when it has no such level or no such column
    to leave related government units out by."""
    from sf_transactions.ddl import quoted
    from sf_transactions.model import SCHEMA

    if without_related_units and WITHOUT not in columns:
        raise click.UsageError(f"{view} has columns of its own without related government units: leave the option out")
    where = [f"fiscal_year between {years[0]} and {years[1]}"] if years else []
    where += [f"{WITHOUT} = 'No'"] if without_related_units else []
    names = list(map(quoted, columns))
    if level is not None:
        by, measures = _split(view, columns, level)
        names = [*map(quoted, by), *(f"sum({name}) as {name}" for name in measures), "max(data_as_of) as data_as_of"]
    largest = next(name for name in ("spending", "revenue", "amount", "transactions") if name in columns)
    return (
        f"select {', '.join(names)} from {SCHEMA}.{view}"
        + (f" where {' and '.join(where)}" if where else "")
        + (f" group by {', '.join(str(number + 1) for number in range(len(by)))}" if level is not None else "")
        + f" order by fiscal_year desc, {largest} desc"
    )


def _split(view: str, columns: list[str], level: str) -> tuple[list[str], list[str]]:
    """The columns down to a level, and the measures to add up."""
    from sf_transactions.model import CODED_DIMENSIONS, code_column

    levels = next((d.levels for d in CODED_DIMENSIONS if set(d.levels) <= set(columns)), ())
    if level not in levels:
        there = f"it has {', '.join(levels)}" if levels else "it is added up already"
        raise click.UsageError(f"{view} has no level {level!r}: {there}")
    kept = [column for name in levels[: levels.index(level) + 1] for column in (code_column(name), name)]
    texts = {"fiscal_year", "data_as_of", WITHOUT, "transfer_adjustment", *levels, *map(code_column, levels)}
    return ["fiscal_year", *kept], [column for column in columns if column not in texts]


def _views() -> tuple[str, ...]:
    from sf_transactions.ddl import views

    return views()


def _list() -> None:
    from sf_transactions.ddl import comment

    for view in _views():
        click.echo(f"{view}\n    {comment(f'report/{view}.sql').partition('. ')[0].rstrip('.')}.")


def _write_csv(frame: "pd.DataFrame") -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(frame.columns)
    writer.writerows([_neutral(value) for value in row] for row in frame.itertuples(index=False, name=None))


def _neutral(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, as text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _print_table(view: str, frame: "pd.DataFrame", rows: int, says_so: bool) -> None:
    """The frame as a terminal has room for it: without codes, dollars abbreviated, the as-of date below."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title=view, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
    columns = _columns(frame, console.width)
    for name, width in columns.items():
        words = " ".join(name.split("_"))
        table.add_column(words, justify="left" if _is_text(frame, name) else "right", width=width)
    for row in frame[[*columns]].to_dict("records"):
        table.add_row(*(_shown(name, value) for name, value in row.items()))
    console.print(table)
    hidden = len(frame.columns) - len(columns)
    day = frame["data_as_of"].dropna().max() if frame["data_as_of"].notna().any() else None
    notes = [f"As of {day:%Y-%m-%d}."] if day else []
    notes += _of_years(sorted(map(int, frame["fiscal_year"].unique())), day.date() if day else date.today())
    if len(frame) < rows:
        notes.append(f"{rows - len(frame):,} more rows: --limit 0 shows all, --year narrows them.")
    if not says_so:
        notes.append("Related government units included; --without-related-units leaves them out.")
    more = f"{hidden} more column{'s'[: hidden != 1]} and exact" if hidden else "Exact"
    console.print(" ".join([*notes, f"{more} dollars: --csv, --json."]), soft_wrap=True)


def _columns(frame: "pd.DataFrame", room: int) -> dict[str, int]:
    """The columns that fit into so many characters, and their widths: figures whole, what is left over for texts."""
    widths: dict[str, int] = {}
    wanted: dict[str, int] = {}
    room -= EDGES
    for name in frame.columns:
        if name.endswith("_code") or name == "data_as_of":
            continue
        cells = max((len(_shown(name, value)) for value in frame[name]), default=1)
        text = _is_text(frame, name)
        least = max(*map(len, name.split("_")), min(cells, TEXT) if text else cells)
        if room < least + 2:
            break
        room -= least + 2
        widths[name], wanted[name] = least, max(cells, least)
    for name, width in wanted.items():
        given = min(room, width - widths[name])
        widths[name] += given
        room -= given
    return widths


def _is_text(frame: "pd.DataFrame", name: str) -> bool:
    return name == "fiscal_year" or not any(isinstance(value, int | Decimal) for value in frame[name])


def _of_years(years: list[int], day: date) -> list[str]:
    """What one has to know of these fiscal years to compare them."""
    from sf_transactions.model import CHART_CHANGE, closed_fiscal_years

    closed = closed_fiscal_years(day)
    unclosed = ", ".join(f"FY{year}" for year in years if year not in closed)
    notes = [f"Not closed yet: {unclosed}."] if unclosed else []
    if years and years[0] < CHART_CHANGE <= years[-1]:
        notes.append(f"FY{CHART_CHANGE} has a new chart of accounts: totals compare across it, members may not.")
    return notes


def _shown(name: str, value: Any) -> str:
    from sf_transactions.dashboard.charts import money

    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:,.1f}%" if "percent" in name else money(value)
    return f"{value:,}" if isinstance(value, int) and name != "fiscal_year" else str(value)
