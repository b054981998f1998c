"""Writes what derives from `model.py` and is kept in the repository: run as `python -m sf_transactions.generated`."""

from pathlib import Path

from sf_transactions import diagrams
from sf_transactions.ddl import SQL, create_table
from sf_transactions.model import LOADED_BESIDE, TABLES


def files() -> dict[Path, str]:
    """Every generated file of a checkout and what it must hold."""
    found = {SQL / "schema" / f"{table.name}.sql": create_table(table) for table in (*TABLES, *LOADED_BESIDE)}
    return found | {SQL.parent / "docs" / "model.md": diagrams.model_page()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
