"""Questions to the warehouse: `query`, for one statement or as a prompt."""

import contextlib
import csv
import itertools
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from sf_transactions.settings import Settings

if TYPE_CHECKING:
    import redshift_connector

PROMPT_LIMIT = 200  # rows that the prompt shows unless --limit says otherwise
HISTORY = 1000  # statements


@dataclass(frozen=True)
class Answer:
    """Names of columns, and rows; `more` says that the limit left rows out. A statement without rows has no columns."""

    columns: Sequence[str]
    rows: list[tuple[Any, ...]]
    more: bool


@click.command()
@click.argument("statement", required=False)
@click.option("--csv", "form", flag_value="csv", help="A header line, then rows (RFC 4180), and nothing else.")
@click.option("--json", "form", flag_value="json", help="A list with an object a row; numbers exact to the last digit.")
@click.option("--limit", type=click.IntRange(1), help="Rows to print at most.")
def query(statement: str | None, form: str | None, limit: int | None) -> None:
    """Run one SQL STATEMENT on the warehouse and print its answer as a table.

    Without a STATEMENT, ask for statements until Ctrl-D; each ends with a semicolon, and they are kept in a history.
    """
    from sf_transactions.resources.warehouse import Warehouse

    settings = Settings.from_environ()
    with Warehouse.from_settings(settings).connect() as connection:
        connection.autocommit = True
        if statement is not None:
            _print(_ask(connection, statement, limit), form)
            return
        with _history(settings):
            for each in _statements():
                try:
                    _print(_ask(connection, each, limit or PROMPT_LIMIT), form)
                except click.ClickException as error:
                    error.show()


def _ask(connection: "redshift_connector.Connection", statement: str, limit: int | None) -> Answer:
    """The answer to a statement. Raises ClickException that shows where in the statement the fault is."""
    from sf_transactions.resources.warehouse import WarehouseError, execute

    try:
        with execute(connection, statement) as cursor:
            if cursor.description is None:
                return Answer((), [], False)
            names = [each[0].decode() if isinstance(each[0], bytes) else each[0] for each in cursor.description]
            rows = [tuple(row) for row in (cursor.fetchmany(limit + 1) if limit else cursor.fetchall())]
            return Answer(names, rows[:limit], bool(limit) and len(rows) > (limit or 0))
    except WarehouseError as error:
        raise click.ClickException(f"{error}{_pointed(statement, error.position)}") from None


def _pointed(statement: str, position: int | None) -> str:
    """The line at fault with a mark under the character at `position`, counted from 1."""
    if not position or position > len(statement) + 1:
        return ""
    before = statement[: position - 1]
    line = statement.splitlines()[before.count("\n")] if statement.strip() else ""
    column = len(before) - (before.rfind("\n") + 1)
    return f"\nLINE {before.count(chr(10)) + 1}: {line}\n{' ' * (column + len(str(before.count(chr(10)) + 1)) + 7)}^"


def _print(answer: Answer, form: str | None) -> None:
    if form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    elif form == "json":
        objects = ("{" + ", ".join(map(_member, answer.columns, row)) + "}" for row in answer.rows)
        click.echo("[" + ",\n ".join(objects) + "]")
    elif answer.columns:
        _print_table(answer)
    if answer.more:
        click.echo(f"only the first {len(answer.rows)} rows: there are more", err=True)


def _member(name: str, value: Any) -> str:
    return f"{json.dumps(name, ensure_ascii=False)}: {_literal(value)}"


def _literal(value: Any) -> str:
    """A value in JSON. Decimals keep their digits; what JSON has no number for is a text."""
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f")
    if value is None or isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)


def _print_table(answer: Answer) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    numbers = [
        any(isinstance(value, (int, float, Decimal)) for value in column) for column in zip(*answer.rows, strict=True)
    ]
    table = Table()
    for name, number in itertools.zip_longest(answer.columns, numbers, fillvalue=False):
        table.add_column(Text(str(name)), justify="right" if number else "left")
    for row in answer.rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))  # no markup in what was published
    Console().print(table)


def _statements() -> Iterator[str]:
    """Statements as they are typed, each up to its semicolon, until the input ends. Ctrl-C drops what was begun."""
    lines: list[str] = []
    while True:
        try:
            lines.append(input("   " if lines else "sf> "))
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
            lines = []
            continue
        text = "\n".join(lines).strip()
        if text in ("exit", "quit", r"\q"):
            return
        if text.endswith(";"):
            yield text.rstrip(";")
            lines = []
        elif not text:
            lines = []


@contextlib.contextmanager
def _history(settings: Settings) -> Iterator[None]:
    """Arrow keys bring earlier statements back, also those of earlier prompts, where Python has readline."""
    try:
        import readline
    except ImportError:  # a Python that was built without it: the prompt works, without a history
        yield
        return
    path = settings.home / "query_history"
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        readline.read_history_file(path)
    readline.set_history_length(HISTORY)
    try:
        yield
    finally:
        readline.write_history_file(path)
        path.chmod(0o600)
