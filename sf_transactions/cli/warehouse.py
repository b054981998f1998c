"""Questions to the warehouse: `query`."""

import csv
import sys

import click

from sf_transactions.settings import Settings


@click.command()
@click.argument("statement")
@click.option("--csv", "as_csv", is_flag=True, help="A header line, then rows (RFC 4180), and nothing else.")
def query(statement: str, as_csv: bool) -> None:
    """Run one SQL STATEMENT on the warehouse and print its answer as a table."""
    from sf_transactions.resources.warehouse import Warehouse

    settings = Settings.from_environ()
    frame = Warehouse.from_settings(settings).query(statement)
    rows = frame.itertuples(index=False, name=None)
    if as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(frame.columns)
        writer.writerows(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*map(str, frame.columns))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)
