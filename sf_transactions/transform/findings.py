"""What is found in the input, on its distinct members: defects that the published data is known not to have, and
peculiarities that it is known to have, which matter when they become more.

Every finding is a frame with a row for each failing name or code: `pair` (the name column it belongs to), `parents`,
`name`, `code`, what is wrong (`found`), and in how many rows (`row_count`).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from sf_transactions.model import NULL_PATTERNS, Dimension, code_column, name_path, no_member

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("pair", "parents", "name", "code", "found", "row_count")
NAME = ("pair", "parents", "name")


def published_pairs(evidence: "Mapping[Dimension, pd.DataFrame]") -> "pd.DataFrame":
    """Every (pair, parents, name, code) with its rows: what all findings about names and codes are made on."""
    import pandas as pd

    parts = []
    for dimension, frame in evidence.items():
        for level in dimension.levels:
            path, code = [*dimension.parents(level), level], code_column(level)
            rows = frame.groupby([*path, code], as_index=False)["row_count"].sum()
            parents = list(map(name_path, rows[path[:-1]].itertuples(index=False, name=None)))
            columns = {"parents": parents or [""] * len(rows), "name": rows[level], "code": rows[code]}
            parts.append(pd.DataFrame({**columns, "row_count": rows["row_count"], "pair": level}))
    return pd.concat(parts, ignore_index=True)[["pair", "parents", "name", "code", "row_count"]]


def float_codes(pairs: "pd.DataFrame") -> "pd.DataFrame":
    """Codes that went through a float on their way: "0.0" for "0"."""
    return _found(pairs, pairs["code"].str.fullmatch(r"-?[0-9]+\.[0-9]+(e[+-]?[0-9]+)?"), "code is a float")


def lost_zeros(pairs: "pd.DataFrame") -> "pd.DataFrame":
    """Codes of a name that lost the zeros in front which another of its codes has: "2" beside "02"."""
    bare = pairs["code"].str.lstrip("0")
    longest = pairs["code"].str.len().groupby([*(pairs[name] for name in NAME), bare]).transform("max")
    numeric = pairs["code"].str.fullmatch("[0-9]+")
    return _found(pairs, numeric & (pairs["code"].str.len() < longest), "code lost its zeros in front")


def swapped_columns(pairs: "pd.DataFrame") -> "pd.DataFrame":
    """Names that stand where the code should: a code that reads like a name beside a name that reads like a code."""
    import pandas as pd

    fills = pairs["pair"].map({pair: no_member(code_column(pair)) for pair in pairs["pair"].unique()})
    like_a_name = pairs["code"].str.contains(r"[a-z]|[A-Z] ", regex=True) & (pairs["code"] != fills)
    suspects = pairs[like_a_name]
    like_a_code = suspects["name"].str.fullmatch(r"[A-Z0-9_~.&/-]+")
    names = pairs[["pair", "name"]].itertuples(index=False, name=None)
    elsewhere = pd.MultiIndex.from_frame(suspects[["pair", "code"]]).isin(set(names))
    return _found(suspects, like_a_code | elsewhere, "name and code are swapped")


def stray_spaces(pairs: "pd.DataFrame") -> "pd.DataFrame":
    """Names and codes that are empty, begin or end in a space, or hold a tab, a line break or a control character."""
    stray = r"^$|^\s|\s$|[\x00-\x1f\x7f]"
    wrong = pairs["name"].str.contains(stray, regex=True) | pairs["code"].str.contains(stray, regex=True)
    return _found(pairs, wrong, "empty, or spaces around")


def mojibake(pairs: "pd.DataFrame") -> "pd.DataFrame":
    """Names whose letters were read in the wrong encoding: "CafÃ©" for "Café"."""
    import ftfy

    repaired = {name: ftfy.fix_encoding(name) for name in pairs["name"].unique() if not name.isascii()}
    return _found(pairs, [repaired.get(name, name) != name for name in pairs["name"]], "wrong encoding")


def unknown_nulls(evidence: "Mapping[Dimension, pd.DataFrame]") -> "pd.DataFrame":
    """Members with nulls in columns that are not known to be null together (`NULL_PATTERNS`)."""
    import pandas as pd

    parts = [pd.DataFrame(columns=COLUMNS)]
    for dimension, frame in evidence.items():
        columns = [*dimension.levels, *dimension.codes]
        nulls = pd.DataFrame({column: frame[column] == no_member(column) for column in columns})
        rows = frame["row_count"].groupby([nulls[column] for column in columns]).sum()
        for pattern, count in rows.items():
            at = {column for column, null in zip(columns, pattern, strict=True) if null}
            left = at.difference(*(known for known in NULL_PATTERNS if known <= at))
            if left:
                pair = next(level for level in dimension.levels if {level, code_column(level)} & left)
                found = f"null in {', '.join(sorted(left))}"
                parts.append(pd.DataFrame([(pair, "", "", "", found, count)], columns=COLUMNS))
    return pd.concat(parts, ignore_index=True)


def several_codes(pairs: "pd.DataFrame") -> "pd.DataFrame":
    """Names that are published with several codes, one row a name, `code` being all of them."""
    several = pairs[pairs.duplicated(list(NAME), keep=False)]
    names = several.groupby(list(NAME), as_index=False).agg(
        codes=("code", "nunique"), code=("code", lambda codes: ", ".join(sorted(codes))), row_count=("row_count", "sum")
    )
    return names[names["codes"] > 1].assign(found="several codes")[list(COLUMNS)].reset_index(drop=True)


def near_twins(pairs: "pd.DataFrame") -> "pd.DataFrame":
    """Names that differ from another of their level in encoding, spaces, casing or punctuation alone."""
    from sf_transactions.transform.conformed import twin_key

    names = pairs.groupby(["pair", "name"], as_index=False)["row_count"].sum()
    keys = names["name"].map(twin_key)
    twins = names[keys.groupby([names["pair"], keys]).transform("size") > 1]
    return twins.assign(parents="", code="", found="near-twins")[list(COLUMNS)].reset_index(drop=True)


def _found(pairs: "pd.DataFrame", where, found: str) -> "pd.DataFrame":
    return pairs[where].assign(found=found)[list(COLUMNS)].reset_index(drop=True)


# What the published data does not have: any of it is a defect.
DEFECTS: "dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]]" = {
    "float_codes": (float_codes, 'No code went through a float, as "0.0".'),
    "lost_zeros": (lost_zeros, "No code of a name lost the zeros in front that another of its codes has."),
    "swapped_columns": (swapped_columns, "No name stands in the place of its code."),
    "stray_spaces": (stray_spaces, "No name or code is empty, has spaces around it or control characters in it."),
    "encoding": (mojibake, "No name was read in the wrong encoding."),
}
# What it has: more of it than at the last run is worth a look.
PECULIARITIES: "dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]]" = {
    "several_codes": (several_codes, "No name has several codes that did not have them at the last run."),
    "near_twins": (near_twins, "No name is a near-twin of another that was none at the last run."),
}


def appeared(found: "pd.DataFrame", before: Iterable[tuple[str, ...]] | None) -> "pd.DataFrame":
    """The rows of a finding whose name was not among its names `before`; none where nothing is known of before."""
    known = None if before is None else set(before)
    names = found[list(NAME)].itertuples(index=False, name=None)
    return found[[known is not None and name not in known for name in names]].reset_index(drop=True)
