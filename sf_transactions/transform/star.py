"""The fact: one row for every published row, with the keys of its members and its amount in cents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sf_transactions.model import DIMENSIONS, FINANCE, SIDES, TRANSACTION, TRANSACTION_PUBLISHED
from sf_transactions.transform.amounts import cents
from sf_transactions.transform.keys import KeyCollision, row_keys, surrogate_key, surrogate_keys
from sf_transactions.transform.members import Members, members, mixed_radix
from sf_transactions.transform.published import published_codes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

YEARS_AT_ONCE = 2  # fiscal years made side by side: most of the work is done outside of Python's lock


class UnexpectedFiscalYear(ValueError):
    """Rows of one fiscal year stand in the partition of another."""


@dataclass(frozen=True)
class Facts:
    """The fact rows of a fiscal year and, beside them, the codes under which they were published.

    Columns are as in `TRANSACTION` (`amount` in cents, int64), `TRANSACTION_PUBLISHED` and `PUBLISHED_CODES`.
    """

    transaction: "pd.DataFrame"
    transaction_published: "pd.DataFrame"
    published_codes: "pd.DataFrame"


def facts(table: "pa.Table", fiscal_year: int) -> Facts:
    """The fact rows of one fiscal year with the codes they were published under.

    Raises AmountError, KeyCollision or UnexpectedFiscalYear.
    """
    import pandas as pd

    found = [members(table, dimension) for dimension in DIMENSIONS]
    published, codes = published_codes(found)
    # Rows that are the same but for their codes are numbered in the order of these.
    frame, order = _ordered(table, fiscal_year, found, cents(table["amount"]), [published])
    columns = [frame["transaction_id"], frame["fiscal_year"], published[order]]
    return Facts(frame, pd.DataFrame(dict(zip(TRANSACTION_PUBLISHED.column_names, columns, strict=True))), codes)


def transactions(
    table: "pa.Table",
    fiscal_year: int,
    found: Sequence[Members] | None = None,
    amounts: "np.ndarray | None" = None,
) -> "pd.DataFrame":
    """The fact rows of one fiscal year, columns as in `TRANSACTION` with `amount` in cents (int64).

    `found` are the members of each of `DIMENSIONS` in these rows, `amounts` their cents, where they are known already.

    Sorted by their own values, and numbered among identical rows in that order, so that neither ids nor files
    depend on the order of the published rows. Raises AmountError, KeyCollision or UnexpectedFiscalYear.
    """
    found = found or [members(table, dimension) for dimension in DIMENSIONS]
    return _ordered(table, fiscal_year, found, cents(table["amount"]) if amounts is None else amounts)[0]


def _ordered(
    table: "pa.Table",
    fiscal_year: int,
    found: Sequence[Members],
    amounts: "np.ndarray",
    ties: "Sequence[np.ndarray]" = (),
) -> "tuple[pd.DataFrame, np.ndarray]":
    """The fact rows, and the published row of each; identical ones in the order of `ties`."""
    import numpy as np
    import pandas as pd
    import pyarrow.compute as pc

    years = pc.unique(table["fiscal_year"]).to_pylist()
    if any(year != str(fiscal_year) for year in years):
        raise UnexpectedFiscalYear(f"the partition of fiscal year {fiscal_year} holds rows of {years}")
    ids = [_ids(each) for each in found]
    place = mixed_radix([rank for _, rank in ids], [max(len(keys), 1) for keys, _ in ids])
    order = _sorted(place, [*ties, amounts])
    place, amounts = place[order], amounts[order]
    columns = [
        np.full(table.num_rows, fiscal_year, dtype=np.int64),
        *(keys[rank[order]] for keys, rank in ids),
        amounts,
    ]
    keys = row_keys([*columns, _occurrence(place, amounts)])
    if not pd.Index(keys).is_unique:
        raise KeyCollision(f"fiscal year {fiscal_year}: two different rows have the same transaction_id")
    return pd.DataFrame(dict(zip(TRANSACTION.column_names, [keys, *columns], strict=True)), copy=False), order


def _sorted(place: "np.ndarray", ties: "Sequence[np.ndarray]") -> "np.ndarray":
    """The order of the rows by their place, and where that is the same by the last of `ties`, then the one before.

    Few rows share a place, so that only these are compared by more than one number.
    """
    import numpy as np

    order = np.argsort(place)
    ascending = place[order]
    is_like_next = ascending[1:] == ascending[:-1]
    shared = np.flatnonzero(np.append(is_like_next, False) | np.insert(is_like_next, 0, False))
    rows = order[shared]
    order[shared] = rows[np.lexsort([*(values[rows] for values in ties), ascending[shared]])]
    return order


def _ids(found: Members) -> "tuple[np.ndarray, np.ndarray]":
    """The surrogate keys of the members, ascending, and for every row the position of its own among them.

    Members that differ only in codes are one.
    """
    import numpy as np

    name = found.dimension.name
    texts = (found.columns[column].to_numpy(zero_copy_only=False).tolist() for column in found.dimension.key)
    paths = list(zip(*texts, strict=True))
    keys = np.array([surrogate_key(name, path) for path in paths], dtype=np.int64)
    ascending, rank = np.unique(keys, return_inverse=True)
    if len(ascending) < len(different := dict.fromkeys(paths)):
        surrogate_keys(name, different)  # raises KeyCollision, which names both
    return ascending, rank[found.index]


def _occurrence(place: "np.ndarray", amounts: "np.ndarray") -> "np.ndarray":
    """The number of each row among identical rows, from 0; the rows are sorted, so identical ones are neighbours."""
    import numpy as np

    same = np.zeros(len(place), dtype=bool)
    same[1:] = (place[1:] == place[:-1]) & (amounts[1:] == amounts[:-1])
    position = np.arange(len(place))
    return position - np.maximum.accumulate(np.where(same, 0, position))


def finance_table() -> "pd.DataFrame":
    """The finance dimension: both sides of the books, always."""
    import pandas as pd

    ids = surrogate_keys(FINANCE.name, [(side,) for side in SIDES])
    return pd.DataFrame({FINANCE.id_column: ids, FINANCE.levels[0]: list(SIDES)})


def sides_seen(evidence: "pd.DataFrame") -> "pd.DataFrame":
    """The sides of the books with the fiscal years in which they have dollars, from the evidence of any dimension."""
    import pandas as pd

    years = {side: evidence.loc[evidence[side.lower()] != 0, "fiscal_year"].unique() for side in SIDES}
    rows = [(side, int(year), 1) for side, found in years.items() for year in sorted(found)]
    return pd.DataFrame(rows, columns=[FINANCE.levels[0], "fiscal_year", "row_count"])
