"""From rows to members: the distinct tuples of a dimension's published columns, with nulls made named members.

There are hundreds of thousands of rows and a few thousand members, so rows are touched once, as integers, and
all work on text is done on members.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sf_transactions.model import RELATED_GOVT_UNITS, Dimension, no_member

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

LARGEST = 2**62  # a number of mixed radix stays below, so that int64 holds it


@dataclass(frozen=True)
class Members:
    """The members of one dimension in some rows: the distinct tuples of its columns, nulls filled, sorted.

    `columns` gives for each of the dimension's columns its texts, one a member; `row_counts` (int64) in how many rows
    each member stands, `index` (int64) for every row of the input its member, and `filled` for each column in how
    many rows a null was given its name.
    """

    dimension: Dimension
    columns: "dict[str, pa.StringArray]"
    row_counts: "np.ndarray"
    index: "np.ndarray"
    filled: dict[str, int]


def members(table: "pa.Table", dimension: Dimension) -> Members:
    """The members of `dimension` in `table`, whose columns are text exactly as published."""
    import numpy as np
    import pyarrow as pa

    filled, texts, digits = {}, [], []
    for column in dimension.columns:
        encoded = _dictionary(table[column])
        if encoded.null_count:
            filled[column] = encoded.null_count
        known, ranks = _named(column, encoded.dictionary)
        indices = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
        texts.append(known)
        digits.append(ranks[indices])
    first, index, row_counts = distinct(mixed_radix(digits, list(map(len, texts))))
    columns = {
        column: known.take(pa.array(of[first]))
        for column, known, of in zip(dimension.columns, texts, digits, strict=True)
    }
    return Members(dimension, columns, row_counts.astype(np.int64), index, filled)


def _named(column: str, published: "pa.StringArray") -> "tuple[pa.StringArray, np.ndarray]":
    """The texts that these published ones, and null after them, become, sorted; and for each its place among them.

    Two can become one: "NO" and "No", or a null and the text that names it.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if column == "related_govt_units":  # an unknown spelling stays as it is, for the schema to refuse by its value
        texts = [RELATED_GOVT_UNITS.get(text, text) for text in published.to_pylist()]
        published = pa.array(texts, pa.string())
    named = pa.concat_arrays([published, pa.array([no_member(column)], pa.string())])
    ascending = pc.array_sort_indices(named)
    place, first = runs(named.take(ascending).dictionary_encode().indices.to_numpy())
    ranks = np.empty(len(named), dtype=np.int64)
    ranks[ascending] = place
    return named.take(ascending.take(pa.array(first))), ranks


def runs(numbers: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
    """For numbers that stand together where they are equal, which of them, from 0, each is; and where each begins."""
    import numpy as np

    is_first = np.ones(len(numbers), dtype=bool)
    is_first[1:] = numbers[1:] != numbers[:-1]
    return np.cumsum(is_first) - 1, np.flatnonzero(is_first)


def distinct(numbers: "np.ndarray") -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Of the distinct numbers, ascending: a row in which each stands, for every row its place, and the row counts."""
    import numpy as np
    import pandas as pd

    appeared, found = pd.factorize(numbers)  # by hash, so that only the distinct ones are sorted
    ascending = np.argsort(found)
    place = np.empty(len(found), dtype=np.int64)
    place[ascending] = np.arange(len(found))
    index = place[appeared]
    row = np.zeros(len(found), dtype=np.int64)
    row[index] = np.arange(len(numbers))
    return row, index, np.bincount(index, minlength=len(found))


def mixed_radix(digits: "Sequence[np.ndarray]", sizes: Sequence[int]) -> "np.ndarray":
    """One int64 a row for several columns of small numbers, each below its size: equal where all of them are equal,
    and ordered as they are."""
    import numpy as np

    number = digits[0].astype(np.int64)
    size = sizes[0]
    for column, radix in zip(digits[1:], sizes[1:], strict=True):
        if size * radix >= LARGEST:
            values, number = np.unique(number, return_inverse=True)
            size = len(values)
        number *= radix
        number += column
        size *= radix
    return number


def _dictionary(column: "pa.ChunkedArray") -> "pa.DictionaryArray":
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if column.num_chunks == 0:
        return pa.array([], pa.string()).dictionary_encode()
    return column.unify_dictionaries().combine_chunks()
