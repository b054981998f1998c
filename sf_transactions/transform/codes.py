"""The code question: which one code a name carries.

Published, a name may come with several codes, mostly because the chart of accounts changed in FY2018. The rule
of this project is many-to-one: within its parents a name carries exactly one code, while one code may serve
several names. Kept is the code of the latest fiscal year in which the name appears; most rows break a tie, then
the smaller text. Where a person knows better, an override decides. What was published stays in the evidence and the
mapping, so that nothing is lost.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sf_transactions.model import CHART_CHANGE, CODE_MAPPING, COUNTS, Dimension, code_column, name_path
from sf_transactions.transform.keys import surrogate_keys
from sf_transactions.transform.members import Members, distinct, mixed_radix, runs
from sf_transactions.transform.overrides import Override, apply_overrides

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Ranked = Mapping[str, tuple[np.ndarray, pd.Index]]  # by column: the rank of each row's text, and the texts


def evidence(found: Members, cents: "Mapping[str, np.ndarray]", fiscal_year: int) -> "pd.DataFrame":
    """The members of the rows of a fiscal year with rows and dollars, columns as in `dimension.evidence`.

    `cents` are those of every row, by side; the dollars of the result are cents (int64) too.
    """
    import numpy as np
    import pyarrow as pa

    sums = {side: np.zeros(len(found.row_counts), dtype=np.int64) for side in cents}
    for side, amounts in cents.items():
        np.add.at(sums[side], found.index, amounts)
    years = np.full(len(found.row_counts), fiscal_year)
    return pa.table({"fiscal_year": years, **found.columns, "row_count": found.row_counts, **sums}).to_pandas()


def mapping(evidence: "pd.DataFrame", dimension: Dimension, overrides: Iterable[Override] = ()) -> "pd.DataFrame":
    """Every published (level, name path, code) with its evidence, the code that the name keeps, and why.

    `evidence` has the columns of `dimension.evidence`, for all loaded fiscal years. The result has the columns
    `level`, the levels (None below the row's own), `code`, `first_fiscal_year`, `last_fiscal_year`, `row_count`,
    `revenue` and `spending` (cents), `last_row_count` (rows in the latest year of the name), `kept_code` and
    `reason`; it is sorted and so independent of the order of rows. Each of `overrides` names a published code.
    """
    import pandas as pd

    ranked = {column: pd.factorize(evidence[column], sort=True) for column in dimension.columns}
    parts = [
        _level(evidence, ranked, dimension, level, [override for override in overrides if override.pair == level])
        for level in dimension.levels
    ]
    return pd.concat(parts, ignore_index=True)


def _level(
    evidence: "pd.DataFrame", ranked: "Ranked", dimension: Dimension, level: str, overrides: Iterable[Override]
) -> "pd.DataFrame":
    """The mapping of one level. Texts are compared by their ranks; a published code is a (name path, code)."""
    import numpy as np

    path, code = [*dimension.parents(level), level], code_column(level)
    row, of_code, _ = distinct(_number(ranked, [*path, code]))
    of_name, first = runs(_number(ranked, path)[row])  # a name's codes are neighbours, in the order of their texts
    codes = evidence.iloc[row][[*path, code]].rename(columns={code: "code"}).reset_index(drop=True)

    years, by_code = evidence["fiscal_year"].to_numpy(), np.argsort(of_code, kind="stable")
    _, begin = runs(of_code[by_code])
    codes["first_fiscal_year"] = np.minimum.reduceat(years[by_code], begin)
    codes["last_fiscal_year"] = last = np.maximum.reduceat(years[by_code], begin)
    for count in (column.name for column in COUNTS):
        codes[count] = np.add.reduceat(evidence[count].to_numpy()[by_code], begin)
    is_latest = years == np.maximum.reduceat(last, first)[of_name][of_code]
    latest = np.where(is_latest, evidence["row_count"].to_numpy(), 0)
    codes["last_row_count"] = np.add.reduceat(latest[by_code], begin)

    kept = apply_overrides(_kept(codes, of_name, first, path), overrides, path)
    for column in ("kept_code", "reason"):
        codes[column] = kept[column].take(of_name).array
    codes.insert(0, "level", level)
    for position, below in enumerate(dimension.levels[len(path) :], start=1 + len(path)):
        codes.insert(position, below, None)
    return codes


def _number(ranked: "Ranked", columns: Sequence[str]) -> "np.ndarray":
    """One number a row for the texts of these columns, equal where they are and ordered as they are."""
    return mixed_radix([ranked[name][0] for name in columns], [len(ranked[name][1]) or 1 for name in columns])


def _kept(codes: "pd.DataFrame", of_name: "np.ndarray", begin: "np.ndarray", path: list[str]) -> "pd.DataFrame":
    """For every name path the one code it keeps, and the first reason that holds: it is the only code; the only one
    of the name's latest fiscal year; has more rows than any other in that year; or is the smallest text of a tie."""
    import numpy as np

    last, rows = codes["last_fiscal_year"].to_numpy(), codes["last_row_count"].to_numpy()
    ranked = np.lexsort([-rows, -last, of_name])  # what ties stays in the order of the texts
    is_only = np.bincount(of_name) == 1
    first, second = ranked[begin], ranked[begin + ~is_only]
    reason = np.select(
        [is_only, last[second] < last[first], rows[second] < rows[first]], ["only", "latest", "more_rows"], "tie"
    )
    kept = codes.loc[first, [*path, "code"]].rename(columns={"code": "kept_code"})
    return kept.assign(reason=reason).reset_index(drop=True)


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
    kept = mapping[kept_code(mapping)]
    for level in dimension.levels:
        path = [*dimension.parents(level), level]
        of_level = kept[kept["level"] == level]
        codes = dict(zip(_tuples(of_level, path), of_level["code"], strict=True))
        assert len(codes) == len(of_level), f"{level}: a name keeps several codes"
        frame[code_column(level)] = list(map(codes.get, _tuples(frame, path)))
    frame[dimension.id_column] = surrogate_keys(dimension.name, _tuples(frame, key))
    return frame[list(dimension.table.column_names)]


def _tuples(frame: "pd.DataFrame", columns: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return zip(*(frame[column].tolist() for column in columns), strict=True)
