"""The code question: which one code a name carries.

Published, a name may come with several codes, mostly because the chart of accounts changed in FY2018. The rule
of this project is many-to-one: within its parents a name carries exactly one code, while one code may serve
several names. Kept is the code of the latest fiscal year in which the name appears; most rows break a tie, then
the smaller text. Where a person knows better, an override decides. What was published stays in the evidence and the
mapping, so that nothing is lost.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sf_transactions.model import CHART_CHANGE, CODE_MAPPING, COUNTS, Dimension, code_column, name_path
from sf_transactions.transform.keys import surrogate_keys
from sf_transactions.transform.members import Members
from sf_transactions.transform.overrides import Override, apply_overrides

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def evidence(found: Members, cents: "Mapping[str, np.ndarray]", fiscal_year: int) -> "pd.DataFrame":
    """The members of the rows of a fiscal year with rows and dollars, columns as in `dimension.evidence`.

    `cents` are those of every row, by side; the dollars of the result are cents (int64) too.
    """
    import numpy as np

    frame = found.frame
    frame.insert(0, "fiscal_year", fiscal_year)
    for side, amounts in cents.items():
        sums = np.zeros(len(frame), dtype=np.int64)
        np.add.at(sums, found.index, amounts)
        frame[side] = sums
    return frame


def mapping(evidence: "pd.DataFrame", dimension: Dimension, overrides: Iterable[Override] = ()) -> "pd.DataFrame":
    """Every published (level, name path, code) with its evidence, the code that the name keeps, and why.

    `evidence` has the columns of `dimension.evidence`, for all loaded fiscal years. The result has the columns
    `level`, the levels (None below the row's own), `code`, `first_fiscal_year`, `last_fiscal_year`, `row_count`,
    `revenue` and `spending` (cents), `last_row_count` (rows in the latest year of the name), `kept_code` and
    `reason`; it is sorted and so independent of the order of rows. Each of `overrides` names a published code.
    """
    import pandas as pd

    parts = [
        _level(evidence, dimension, level, [override for override in overrides if override.pair == level])
        for level in dimension.levels
    ]
    return pd.concat(parts, ignore_index=True)


def _level(evidence: "pd.DataFrame", dimension: Dimension, level: str, overrides: Iterable[Override]) -> "pd.DataFrame":
    path = [*dimension.parents(level), level]
    codes = _published(evidence, path, code_column(level))
    kept = apply_overrides(_kept(codes, path), overrides, path)
    codes = codes.merge(kept, on=path, validate="many_to_one")
    codes.insert(0, "level", level)
    for position, below in enumerate(dimension.levels[len(path) :], start=1 + len(path)):
        codes.insert(position, below, None)
    return codes


def _published(evidence: "pd.DataFrame", path: list[str], code: str) -> "pd.DataFrame":
    """The distinct (name path, code), with first and last fiscal year, rows and cents; sorted."""
    counts = [column.name for column in COUNTS]
    yearly = evidence.groupby([*path, code, "fiscal_year"], as_index=False)[counts].sum()
    latest = yearly.groupby(path)["fiscal_year"].transform("max")
    yearly["last_row_count"] = yearly["row_count"].where(yearly["fiscal_year"] == latest, 0)
    return (
        yearly.groupby([*path, code], as_index=False)
        .agg(
            first_fiscal_year=("fiscal_year", "min"),
            last_fiscal_year=("fiscal_year", "max"),
            **{count: (count, "sum") for count in (*counts, "last_row_count")},
        )
        .rename(columns={code: "code"})
    )


def _kept(codes: "pd.DataFrame", path: list[str]) -> "pd.DataFrame":
    """For every name path the one code it keeps, and the first reason that holds: it is the only code; the only one
    of the name's latest fiscal year; has more rows than any other in that year; or is the smallest text of a tie."""
    import numpy as np

    rank = [*path, "last_fiscal_year", "last_row_count", "code"]
    ranked = codes.sort_values(rank, ascending=[True] * len(path) + [False, False, True])
    names = ranked.groupby(path, sort=False)
    first = ranked[names.cumcount() == 0].set_index(path)
    second = ranked[names.cumcount() == 1].set_index(path).reindex(first.index)
    reason = np.select(
        [
            second["code"].isna(),
            second["last_fiscal_year"] < first["last_fiscal_year"],
            second["last_row_count"] < first["last_row_count"],
        ],
        ["only", "latest", "more_rows"],
        "tie",
    )
    return first[["code"]].rename(columns={"code": "kept_code"}).assign(reason=reason).reset_index()


def kept_code(mapping: "pd.DataFrame") -> "pd.Series":
    """Which rows of a mapping hold the code that the name keeps."""
    return mapping["code"] == mapping["kept_code"]


def code_mapping(mappings: "Mapping[Dimension, pd.DataFrame]") -> "pd.DataFrame":
    """The mappings of all dimensions as one table, columns as in `CODE_MAPPING`, dollars in cents."""
    import numpy as np
    import pandas as pd

    parts = []
    for dimension, mapped in mappings.items():
        for level in dimension.levels:
            part = mapped[mapped["level"] == level]
            parents = part[list(dimension.parents(level))].itertuples(index=False, name=None)
            parts.append(
                part.assign(
                    dimension=dimension.name, pair=level, parents=list(map(name_path, parents)), name=part[level]
                )
            )
    frame = pd.concat(parts, ignore_index=True)
    old, new = frame["first_fiscal_year"] < CHART_CHANGE, frame["last_fiscal_year"] >= CHART_CHANGE
    frame["chart"] = np.select([old & new, old], ["both", "before"], "since")
    return frame[list(CODE_MAPPING.column_names)]


def dimension_table(evidence: "pd.DataFrame", mapping: "pd.DataFrame", dimension: Dimension) -> "pd.DataFrame":
    """The dimension: one row for every member in `evidence`, its id, its names and the one code each name keeps.

    Columns as in `dimension.table`, sorted by name path. Raises KeyCollision when two members share an id.
    """
    key = list(dimension.key)
    frame = evidence[key].drop_duplicates().sort_values(key, ignore_index=True)
    for level in dimension.levels:
        path = [*dimension.parents(level), level]
        kept = mapping[(mapping["level"] == level) & kept_code(mapping)]
        codes = kept[[*path, "code"]].rename(columns={"code": code_column(level)})
        frame = frame.merge(codes, on=path, how="left", validate="many_to_one")
    frame[dimension.id_column] = surrogate_keys(dimension.name, frame[key].itertuples(index=False, name=None))
    return frame[list(dimension.table.column_names)]
