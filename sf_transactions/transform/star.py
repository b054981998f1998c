"""The fact: one row for every published row, with the keys of its members and its amount in cents."""

from typing import TYPE_CHECKING

from sf_transactions.model import DIMENSIONS, FINANCE, SIDES, TRANSACTION
from sf_transactions.transform.amounts import cents
from sf_transactions.transform.keys import KeyCollision, row_keys, surrogate_keys
from sf_transactions.transform.members import Members, members

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class UnexpectedFiscalYear(ValueError):
    """Rows of one fiscal year stand in the partition of another."""


def transactions(table: "pa.Table", fiscal_year: int) -> "pd.DataFrame":
    """The fact rows of one fiscal year, columns as in `TRANSACTION` with `amount` in cents (int64).

    Sorted by their own values, and numbered among identical rows in that order, so that neither ids nor files
    depend on the order of the published rows. Raises AmountError, KeyCollision or UnexpectedFiscalYear.
    """
    import numpy as np
    import pandas as pd
    import pyarrow.compute as pc

    years = pc.unique(table["fiscal_year"]).to_pylist()
    if any(year != str(fiscal_year) for year in years):
        raise UnexpectedFiscalYear(f"the partition of fiscal year {fiscal_year} holds rows of {years}")
    ids = {dimension.id_column: _ids(members(table, dimension), dimension) for dimension in DIMENSIONS}
    columns = [np.full(table.num_rows, fiscal_year, dtype=np.int64), *ids.values(), cents(table["amount"])]
    order = np.lexsort(columns[:0:-1])
    columns = [column[order] for column in columns]
    keys = row_keys([*columns, _occurrence(columns)])
    if len(np.unique(keys)) != len(keys):
        raise KeyCollision(f"fiscal year {fiscal_year}: two different rows have the same transaction_id")
    return pd.DataFrame(dict(zip(TRANSACTION.column_names, [keys, *columns], strict=True)))


def _ids(found: Members, dimension):
    """The surrogate key of every row. Members that differ only in codes are one."""
    frame = found.frame[list(dimension.key)]
    distinct = frame.drop_duplicates()
    position = frame.groupby(list(dimension.key), sort=False).ngroup().to_numpy()
    keys = surrogate_keys(dimension.name, distinct.itertuples(index=False, name=None))
    return keys[position[found.index]]


def _occurrence(columns):
    """The number of each row among identical rows, from 0; the rows are sorted, so identical ones are neighbours."""
    import numpy as np

    rows = len(columns[0])
    same = np.ones(rows, dtype=bool)
    for column in columns:
        same[1:] &= column[1:] == column[:-1]
    same[:1] = False
    position = np.arange(rows)
    return position - np.maximum.accumulate(np.where(same, 0, position))


def finance_table() -> "pd.DataFrame":
    """The finance dimension: both sides of the books, always."""
    import pandas as pd

    ids = surrogate_keys(FINANCE.name, [(side,) for side in SIDES])
    return pd.DataFrame({FINANCE.id_column: ids, FINANCE.levels[0]: list(SIDES)})
