"""Members that no loaded fiscal year has any more: they stay in their dimension, with the codes of today."""

from typing import TYPE_CHECKING

from sf_transactions.model import Dimension, Table, code_column

if TYPE_CHECKING:
    import pandas as pd


def not_in(frame: "pd.DataFrame", loaded: "pd.DataFrame", table: Table) -> "pd.DataFrame":
    """The loaded rows of a table whose key no row of `frame` has, with the types of `frame`."""
    key = list(table.primary_key)
    typed = loaded[frame.columns].astype(frame.dtypes)
    known = frame.set_index(key).index
    return typed[~typed.set_index(key).index.isin(known)].reset_index(drop=True)


def with_vanished(frame: "pd.DataFrame", loaded: "pd.DataFrame", dimension: Dimension) -> "pd.DataFrame":
    """The rows of a dimension, and those of the loaded one whose id it lacks; the columns of the dimension's table.

    Where a name of a vanished member is still published within its parents, it carries the code that it has now, so
    that within its parents a name carries one code in the whole dimension.
    """
    import pandas as pd

    gone = not_in(frame, loaded, dimension.table)
    if gone.empty:
        return frame
    for level in dimension.levels if dimension.coded else ():
        path, code = [*dimension.parents(level), level], code_column(level)
        now = dict(zip(frame[path].itertuples(index=False, name=None), frame[code], strict=True))
        paths = gone[path].itertuples(index=False, name=None)
        gone[code] = [now.get(key, own) for key, own in zip(paths, gone[code], strict=True)]
    both = pd.concat([frame, gone])
    return both.sort_values(list(dimension.key), ignore_index=True)
