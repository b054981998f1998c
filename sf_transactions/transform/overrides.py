"""Where a person knows better than the rule which code a name should carry: the reviewed file `overrides.csv`."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING

from sf_transactions.model import CODED_DIMENSIONS, PATH_SEPARATOR, Dimension, name_path

if TYPE_CHECKING:
    import pandas as pd

DIMENSION_OF = {level: dimension for dimension in CODED_DIMENSIONS for level in dimension.levels}


@dataclass(frozen=True)
class Override:
    """One line of the file: within `parents` (names top down, joined by " > ") this name of this pair carries `code`.

    `pair` is a name column such as department; `reason`, `who` and `when` (a date such as 2026-11-25) are for the
    reviewer.
    """

    pair: str
    parents: str
    name: str
    code: str
    reason: str
    who: str
    when: str


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line of the file, and what to do."""

    line: int
    problem: str


COLUMNS = tuple(field.name for field in fields(Override))


def read_overrides(text: str) -> tuple[dict[int, Override], list[Problem]]:
    """The overrides in a file's text, by line number, and what is wrong with the other lines.

    A line that says the same as an earlier one, or something else of the same name, is one of the others.
    """
    rows = csv.reader(io.StringIO(text), strict=True)
    found: dict[int, Override] = {}
    problems: list[Problem] = []
    said: dict[tuple[str, str, str], int] = {}
    try:
        if (header := tuple(next(rows, []))) != COLUMNS:
            return {}, [Problem(1, f"the columns are {', '.join(header) or 'missing'}, not {', '.join(COLUMNS)}")]
        for row in rows:
            line = rows.line_num
            if not row:
                continue
            if problem := _problem(row):
                problems.append(Problem(line, problem))
                continue
            override = Override(*row)
            earlier = said.setdefault((override.pair, override.parents, override.name), line)
            if earlier == line:
                found[line] = override
            elif found[earlier].code == override.code:
                problems.append(Problem(line, f"says what line {earlier} says already: remove one"))
            else:
                problems.append(
                    Problem(line, f"contradicts line {earlier}, by which the name carries {found[earlier].code!r}")
                )
    except csv.Error as error:
        problems.append(Problem(rows.line_num, f"is no CSV: {error}"))
    return found, problems


def _problem(row: list[str]) -> str | None:
    """What is wrong with a line alone."""
    if len(row) != len(COLUMNS):
        return f"has {len(row)} values, not {len(COLUMNS)}"
    override = Override(*row)
    empty = [name for name in COLUMNS if name != "parents" and not getattr(override, name).strip()]
    if empty:
        return f"says nothing about {', '.join(empty)}"
    if override.pair not in DIMENSION_OF:
        return f"pair {override.pair!r} is none of {', '.join(DIMENSION_OF)}"
    parents = DIMENSION_OF[override.pair].parents(override.pair)
    given = override.parents.count(PATH_SEPARATOR) + 1 if override.parents else 0
    if given != len(parents):
        wanted = PATH_SEPARATOR.join(parents) or "no parents"
        return f"parents {override.parents!r} should be {wanted}"
    try:
        date.fromisoformat(override.when)
    except ValueError:
        return f"when {override.when!r} is no date such as 2026-11-25"
    return None


def apply_overrides(kept: "pd.DataFrame", overrides: Iterable[Override], path: list[str]) -> "pd.DataFrame":
    """`kept` (name path, `kept_code`, `reason`) with the codes of these overrides, all of one pair, in their place."""
    import pandas as pd

    codes = {(override.parents, override.name): override.code for override in overrides}
    if not codes:
        return kept
    names = kept[path].itertuples(index=False, name=None)
    decided = pd.Series([codes.get((name_path(name[:-1]), name[-1])) for name in names], kept.index, dtype="str")
    return kept.assign(
        kept_code=decided.fillna(kept["kept_code"]), reason=kept["reason"].where(decided.isna(), "override")
    )


def published_only(
    overrides: dict[int, Override], evidence: "pd.DataFrame", dimension: Dimension
) -> tuple[list[Override], list[Problem]]:
    """The overrides of this dimension that name a code published for their name, and what is wrong with its others."""
    current, stale = [], []
    for line, override in overrides.items():
        if DIMENSION_OF[override.pair] is not dimension:
            continue
        codes = _published_codes(evidence, override, dimension)
        if override.code in codes:
            current.append(override)
        elif codes:
            known = ", ".join(map(repr, codes))
            stale.append(Problem(line, f"code {override.code!r} is not published for {override.name!r}, but {known}"))
        else:
            within = f" within {override.parents!r}" if override.parents else ""
            stale.append(Problem(line, f"no {override.pair} {override.name!r} is published{within}"))
    return current, stale


def _published_codes(evidence: "pd.DataFrame", override: Override, dimension: Dimension) -> list[str]:
    named = evidence[evidence[override.pair] == override.name]
    parents = list(dimension.parents(override.pair))
    within = [name_path(names) == override.parents for names in named[parents].itertuples(index=False, name=None)]
    if not parents:
        within = [True] * len(named)
    return sorted(set(named.loc[within, f"{override.pair}_code"]))
