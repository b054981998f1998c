"""What a load looks like, to be compared with the one before and with the portal's own profile."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sf_transactions.model import DIMENSIONS, SIDES, Dimension, no_member
from sf_transactions.transform.amounts import dollars
from sf_transactions.transform.keys import surrogate_key

if TYPE_CHECKING:
    import pandas as pd

PERCENT = 10  # a jump: from the last load to this one
SETTLED = 2  # the newest fiscal years still grow


def profile(evidence: "Mapping[Dimension, pd.DataFrame]") -> dict[str, Any]:
    """The profile of all loaded fiscal years, as JSON takes it.

    `years`: rows and dollars of each; `columns`: nulls, distinct values, smallest and largest of each text column, a
    null being no value; `members`: for each dimension the ids of its members and the names that make them.
    """
    columns: dict[str, dict[str, Any]] = {}
    for dimension, frame in evidence.items():
        for name in dimension.columns:
            rows = frame.groupby(name)["row_count"].sum()
            null = no_member(name)
            values = rows.index[rows.index != null]
            columns[name] = {
                "nulls": int(rows.get(null, 0)),
                "distinct": len(values),
                "smallest": values.min() if len(values) else None,
                "largest": values.max() if len(values) else None,
            }
    members = {
        dimension.name: {
            str(surrogate_key(dimension.name, member)): " > ".join(member)
            for member in frame[list(dimension.key)].drop_duplicates().itertuples(index=False, name=None)
        }
        for dimension, frame in evidence.items()
    }
    return {"years": _years(next(iter(evidence.values()))), "columns": columns, "members": members}


def _years(evidence: "pd.DataFrame") -> dict[str, dict[str, Any]]:
    sums = evidence.groupby("fiscal_year")[["row_count", *(side.lower() for side in SIDES)]].sum()
    return {
        str(year): {"rows": int(row["row_count"]), **{side: str(dollars(int(row[side.lower()]))) for side in SIDES}}
        for year, row in sums.iterrows()
    }


def jumps(now: Mapping[str, Any], before: Mapping[str, Any]) -> "pd.DataFrame":
    """What moved by more than `PERCENT` since the profile before: `what`, `fact`, `before`, `now`, `percent`.

    The newest fiscal years still grow: their rows and dollars may move. A year that is no longer there has moved to 0.
    """
    import pandas as pd

    moves = []
    newest = sorted(now["years"])[-SETTLED:]
    for year, facts in before["years"].items():
        if year not in newest:
            ours = now["years"].get(year, {})
            moves += [(f"fiscal year {year}", fact, value, ours.get(fact, 0)) for fact, value in facts.items()]
    for column, facts in before["columns"].items():
        ours = now["columns"].get(column, {})
        moves += [(column, fact, facts[fact], ours.get(fact, 0)) for fact in ("nulls", "distinct")]
    rows = [(*move, _percent(float(move[2]), float(move[3]))) for move in moves]
    frame = pd.DataFrame(rows, columns=["what", "fact", "before", "now", "percent"])
    return frame[frame["percent"] > PERCENT].reset_index(drop=True)


def vanished(now: Mapping[str, Any], before: Mapping[str, Any]) -> "pd.DataFrame":
    """Members that were there before and are no longer: `dimension`, `member_id`, `member`."""
    return _missing(before, now)


def appeared(now: Mapping[str, Any], before: Mapping[str, Any]) -> "pd.DataFrame":
    """Members that are there now and were not before: `dimension`, `member_id`, `member`."""
    return _missing(now, before)


def _missing(here: Mapping[str, Any], there: Mapping[str, Any]) -> "pd.DataFrame":
    import pandas as pd

    rows = [
        (dimension.name, member_id, names)
        for dimension in DIMENSIONS
        for member_id, names in here["members"].get(dimension.name, {}).items()
        if member_id not in there["members"].get(dimension.name, {})
    ]
    return pd.DataFrame(rows, columns=["dimension", "member_id", "member"])


def many(missing: "pd.DataFrame", of: Mapping[str, Any]) -> "pd.DataFrame":
    """The missing members of those dimensions that lack more than `PERCENT` of their members."""
    lacking = [
        name
        for name, rows in missing.groupby("dimension").size().items()
        if 100 * rows > PERCENT * len(of["members"].get(name, {}))
    ]
    return missing[missing["dimension"].isin(lacking)].reset_index(drop=True)


def against_published(
    now: Mapping[str, Any], published: Mapping[str, Mapping[str, str]], amounts: tuple[int, int] | None
) -> "pd.DataFrame":
    """Where the load differs from the portal's own profile: `column`, `fact`, `published`, `loaded`.

    `published` gives for each column what the portal counted of all fiscal years (`non_null`, `null`, `smallest`,
    `largest`); `amounts` are the smallest and largest in cents, where they are known.
    """
    import pandas as pd

    rows = sum(year["rows"] for year in now["years"].values())
    facts: list[tuple[str, str, Any, Any]] = []
    for column, told in published.items():
        if column in now["columns"]:
            nulls = now["columns"][column]["nulls"]
            counts = {"null": nulls, "non_null": rows - nulls}
            facts += [(column, fact, told.get(fact), found) for fact, found in counts.items()]
        elif column == "amount" and amounts:
            extremes = zip(("smallest", "largest"), map(dollars, amounts), strict=True)
            facts += [(column, fact, told.get(fact), found) for fact, found in extremes]
    differing = [fact for fact in facts if fact[2] is not None and Decimal(fact[2]) != Decimal(fact[3])]
    return pd.DataFrame(differing, columns=["column", "fact", "published", "loaded"])


def distinct_as_published(
    evidence: "Mapping[Dimension, pd.DataFrame]", published: Mapping[str, Mapping[str, str] | None]
) -> "tuple[pd.DataFrame, int]":
    """Where a fiscal year has not as many distinct names or codes as the portal counted itself: `fiscal_year`,
    `column`, `published`, `loaded`; and how many counts were compared.

    `published` gives for each fiscal year the counts, `n_` and the column, or None where the portal gave none.
    """
    import pandas as pd

    compared, differing = 0, []
    for dimension, frame in evidence.items():
        for column in (*dimension.levels, *dimension.codes):
            values = frame.loc[frame[column] != no_member(column), ["fiscal_year", column]].drop_duplicates()
            loaded = values["fiscal_year"].value_counts()
            for year, told in published.items():
                if (count := (told or {}).get(f"n_{column}")) is None:
                    continue
                compared += 1
                if int(count) != (found := int(loaded.get(int(year), 0))):
                    differing.append((year, column, int(count), found))
    return pd.DataFrame(differing, columns=["fiscal_year", "column", "published", "loaded"]), compared


def _percent(before: float, now: float) -> float:
    if before == now:
        return 0.0
    return round(100 * abs(now - before) / abs(before), 2) if before else float("inf")
