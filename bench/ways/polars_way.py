"""The transform in polars, on distinct members.

Ids are hashes of what they name, as ours are, so that they do not depend on the order of rows.
"""

import gzip
from pathlib import Path

from sf_transactions.model import (
    CODED_DIMENSIONS,
    DIMENSIONS,
    FINANCE,
    PUBLISHED_NAMES,
    RELATED_GOVT_UNITS,
    TRANSACTION,
    code_column,
    no_member,
)


def transform(source: Path, out: Path) -> None:
    """The CSV files in `source` to the star in `out`."""
    import polars as pl

    labels = [column for dimension in DIMENSIONS for column in dimension.columns]
    rows = (
        pl.scan_csv(source / "*.csv", schema=dict.fromkeys(PUBLISHED_NAMES, pl.String))
        .select(
            "fiscal_year",
            *(
                pl.col(column).fill_null(no_member(column)).replace(RELATED_GOVT_UNITS)
                if column == "related_govt_units"
                else pl.col(column).fill_null(no_member(column))
                for column in labels
            ),
            pl.col("amount").cast(pl.Decimal(18, 2)),
        )
        .with_columns(pl.col(labels).cast(pl.Categorical))
        .collect()
    )
    for dimension in CODED_DIMENSIONS:
        members = rows.group_by("fiscal_year", *dimension.columns).len()
        table = members.select(dimension.key).unique()
        for level in dimension.levels:
            path = [*dimension.parents(level), level]
            code = code_column(level)
            kept = (
                members.group_by(*path, code, "fiscal_year")
                .agg(pl.col("len").sum())
                .sort("fiscal_year", "len", pl.col(code).cast(pl.String), descending=[True, True, False])
                .unique(path, keep="first", maintain_order=True)
                .select(*path, code)
            )
            table = table.join(kept, on=path)
        rows = _with_ids(rows, table, dimension, out)
    rows = _with_ids(rows, rows.select(FINANCE.levels).unique(), FINANCE, out)
    values = [name for name in TRANSACTION.column_names if name != "transaction_id"]
    rows = rows.select(values).with_columns(occurrence=pl.int_range(pl.len()).over(values))
    rows = rows.with_columns(transaction_id=pl.struct(*values, "occurrence").hash())
    _write(rows.select(TRANSACTION.column_names), out / "transaction.csv.gz")


def _with_ids(rows, table, dimension, out: Path):
    import polars as pl

    names = pl.concat_str([pl.col(name).cast(pl.String) for name in dimension.key], separator="\0")
    table = table.with_columns(names.hash().alias(dimension.id_column))
    _write(table, out / f"{dimension.name}.csv.gz")
    return rows.join(table.select(dimension.id_column, *dimension.key), on=dimension.key)


def _write(frame, path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        frame.write_csv(file)
