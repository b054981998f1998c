"""From rows to members: the distinct tuples of a dimension's published columns, with nulls made named members.

There are hundreds of thousands of rows and a few thousand members, so rows are touched once, as integers, and
all work on text is done on members.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sf_transactions.model import RELATED_GOVT_UNITS, Dimension, no_member

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Members:
    """The members of one dimension in some rows.

    `frame` has a row for every distinct tuple (the dimension's columns, nulls filled, and `row_count`), sorted;
    `index` gives for every row of the input its position in `frame`; `filled` counts, for each column, the
    rows in which a null was given its name.
    """

    frame: "pd.DataFrame"
    index: "np.ndarray"
    filled: dict[str, int]


def members(table: "pa.Table", dimension: Dimension) -> Members:
    """The members of `dimension` in `table`, whose columns are text exactly as published."""
    import numpy as np
    import pyarrow as pa

    columns = list(dimension.columns)
    first, inverse, counts = _distinct(table.select(columns))
    text = pa.schema([(column, pa.string()) for column in columns])
    published = table.select(columns).take(first).cast(text).to_pandas()
    filled = {
        column: int(counts[nulls].sum()) for column in columns if (nulls := published[column].isna().to_numpy()).any()
    }
    for column in columns:
        published[column] = published[column].fillna(no_member(column))
    if "related_govt_units" in columns:
        # An unknown spelling stays as it is, for the schema to refuse by its value.
        published["related_govt_units"] = published["related_govt_units"].replace(RELATED_GOVT_UNITS)
    # Filling can make two published tuples one: "NO" and "No", or a null and the text that names it.
    groups = published.groupby(columns, sort=True)
    number = groups.ngroup().to_numpy()
    frame = groups.size().index.to_frame(index=False)
    frame["row_count"] = np.bincount(number, weights=counts, minlength=len(frame)).astype(np.int64)
    return Members(frame, number[inverse], filled)


def _distinct(table: "pa.Table") -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """First row, position and row count of every distinct tuple, by mixed-radix numbers of dictionary indices."""
    import numpy as np

    number = np.zeros(table.num_rows, dtype=np.int64)
    size = 1
    for column in table.itercolumns():
        encoded = _dictionary(column)
        digits = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        radix = len(encoded.dictionary) + 1
        if size * radix >= 2**62:
            values, number = np.unique(number, return_inverse=True)
            size = len(values)
        number = number * radix + digits
        size *= radix
    _, first, inverse, counts = np.unique(number, return_index=True, return_inverse=True, return_counts=True)
    return first, inverse, counts


def _dictionary(column: "pa.ChunkedArray") -> "pa.DictionaryArray":
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if column.num_chunks == 0:
        return pa.array([], pa.string()).dictionary_encode()
    return column.unify_dictionaries().combine_chunks()
