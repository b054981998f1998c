"""The codes as published, row by row: what the star's one code a name leaves out, kept beside it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sf_transactions.model import PUBLISHED_CODES
from sf_transactions.transform.keys import KeyCollision, row_keys, surrogate_keys
from sf_transactions.transform.members import Members, distinct, mixed_radix

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def published_codes(found: Sequence[Members]) -> "tuple[np.ndarray, pd.DataFrame]":
    """The id (int64) of every row's nine codes, and the distinct nine codes, columns as in `PUBLISHED_CODES`.

    An id is a hash of the codes and of nothing else, so that it is the same in any fiscal year and on any machine.
    `found` are the members of each dimension in the rows. Raises KeyCollision.
    """
    import numpy as np
    import pyarrow as pa

    coded = [_Codes(each) for each in found if each.dimension.coded]
    row, index, _ = distinct(mixed_radix([each.of_row for each in coded], [len(each.keys) or 1 for each in coded]))
    ids = row_keys([each.keys[each.of_row[row]] for each in coded])
    order = np.argsort(ids)
    if (np.diff(ids[order]) == 0).any():
        raise KeyCollision("two different sets of codes have the same published_id")
    columns = {PUBLISHED_CODES.primary_key[0]: ids[order]}
    for each in coded:
        for name, texts in each.texts.items():
            columns[name] = texts.take(pa.array(each.of_row[row[order]]))
    return ids[index], pa.table(columns).select(PUBLISHED_CODES.column_names).to_pandas()


class _Codes:
    """The distinct codes of one dimension: their hashes and texts, and for every row which of them it carries."""

    def __init__(self, found: Members) -> None:
        import numpy as np
        import pyarrow as pa

        dimension = found.dimension
        tuples = list(zip(*(found.columns[code].to_pylist() for code in dimension.codes), strict=True))
        place = {codes: number for number, codes in enumerate(dict.fromkeys(tuples))}
        self.keys = surrogate_keys(f"codes of {dimension.name}", place)
        self.texts = {
            name: pa.array([codes[position] for codes in place], pa.string())
            for position, name in enumerate(dimension.codes)
        }
        self.of_row = np.array([place[codes] for codes in tuples], dtype=np.int64)[found.index]
