"""The code question: which one code a name carries.

Published, a name may come with several codes, mostly because the chart of accounts changed in FY2018. The rule
of this project is many-to-one: within its parents a name carries exactly one code, while one code may serve
several names. Kept is the code of the latest fiscal year in which the name appears; most rows break a tie, then
the smaller text. What was published stays in the evidence and the mapping, so that nothing is lost.
"""

from typing import TYPE_CHECKING

from sf_transactions.model import Dimension, code_column
from sf_transactions.transform.keys import surrogate_keys

if TYPE_CHECKING:
    import pandas as pd


def mapping(evidence: "pd.DataFrame", dimension: Dimension) -> "pd.DataFrame":
    """Every published (level, name path, code) with its evidence and whether it is the code kept.

    `evidence` has the columns of `dimension.evidence`, for all loaded fiscal years. The result has the columns
    `level`, the levels (None below the row's own), `code`, `first_fiscal_year`, `last_fiscal_year`, `row_count`,
    `last_row_count` (rows in the latest year of the name) and `kept`; it is sorted and so independent of the
    order of rows.
    """
    import pandas as pd

    parts = [_level(evidence, dimension, level) for level in dimension.levels]
    return pd.concat(parts, ignore_index=True)


def _level(evidence: "pd.DataFrame", dimension: Dimension, level: str) -> "pd.DataFrame":
    path = [*dimension.parents(level), level]
    code = code_column(level)
    yearly = evidence.groupby([*path, code, "fiscal_year"], as_index=False)["row_count"].sum()
    latest = yearly.groupby(path)["fiscal_year"].transform("max")
    yearly["last_row_count"] = yearly["row_count"].where(yearly["fiscal_year"] == latest, 0)
    codes = yearly.groupby([*path, code], as_index=False).agg(
        first_fiscal_year=("fiscal_year", "min"),
        last_fiscal_year=("fiscal_year", "max"),
        row_count=("row_count", "sum"),
        last_row_count=("last_row_count", "sum"),
    )
    ranked = codes.sort_values(
        [*path, "last_fiscal_year", "last_row_count", code], ascending=[True] * len(path) + [False, False, True]
    )
    codes["kept"] = False
    codes.loc[ranked.drop_duplicates(path).index, "kept"] = True
    codes.insert(0, "level", level)
    for position, below in enumerate(dimension.levels[len(path) :], start=1 + len(path)):
        codes.insert(position, below, None)
    return codes.rename(columns={code: "code"})


def dimension_table(evidence: "pd.DataFrame", mapping: "pd.DataFrame", dimension: Dimension) -> "pd.DataFrame":
    """The dimension: one row for every member in `evidence`, its id, its names and the one code each name keeps.

    Columns as in `dimension.table`, sorted by name path. Raises KeyCollision when two members share an id.
    """
    key = list(dimension.key)
    frame = evidence[key].drop_duplicates().sort_values(key, ignore_index=True)
    for level in dimension.levels:
        path = [*dimension.parents(level), level]
        kept = mapping[(mapping["level"] == level) & mapping["kept"]]
        codes = kept[[*path, "code"]].rename(columns={"code": code_column(level)})
        frame = frame.merge(codes, on=path, how="left", validate="many_to_one")
    frame[dimension.id_column] = surrogate_keys(dimension.name, frame[key].itertuples(index=False, name=None))
    return frame[list(dimension.table.column_names)]
