"""From the chart of accounts before FY2018 to the present one: which new code stands for an old one.

Every old code is compared with the new ones that share something with it. What they share bears witness, and a witness
may err: the score is the probability that not all of them do, if each is right as often as `WITNESSES` says. A
similar label alone never suffices, and where two new codes come out alike, none is taken. A new code that was there
before stands for itself first, and gives way to one that comes out alike and was not.
"""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sf_transactions.model import CHART_CHANGE, CODE_CROSSWALK, COUNTS, SIDES, Dimension, code_column
from sf_transactions.transform.amounts import dollars
from sf_transactions.transform.conformed import twin_key

if TYPE_CHECKING:
    import pandas as pd

# The pairs whose codes changed, and the level whose members below two codes are compared.
PAIRS = {
    "department": "program", "character": "sub_object", "object": "sub_object", "sub_object": None,
    "fund_type": "fund", "fund": None,
}  # fmt: skip
WITNESSES = {"same_code": 0.6, "same_name": 0.8, "same_below": 0.5, "dollars_covered": 0.5, "label_similarity": 0.5}
ENOUGH = 60  # points of a hundred
CLEAR = 5  # points between the best and the second
SIMILAR = 80  # of a hundred, from which labels make two codes worth a comparison
SHOWN = 3  # other candidates that are told
LISTED = 25  # codes without a match that are told first; all are in the table


def crosswalk(evidence: "Mapping[Dimension, pd.DataFrame]") -> "pd.DataFrame":
    """One row for every code published before FY2018, columns as in `CODE_CROSSWALK`, dollars in cents.

    `evidence` is that of all loaded fiscal years.
    """
    import pandas as pd

    parts = [
        _pair(charts, level, PAIRS[level])
        for dimension, frame in evidence.items()
        for charts in [_charts(frame, dimension)]
        for level in dimension.levels
        if level in PAIRS
    ]
    return pd.concat(parts, ignore_index=True)[list(CODE_CROSSWALK.column_names)]


def _charts(evidence: "pd.DataFrame", dimension: Dimension) -> "dict[bool, pd.DataFrame]":
    """The distinct members before (False) and since (True) the change, with rows, dollars and last fiscal year."""
    sides = [side.lower() for side in SIDES]
    frame = evidence.assign(since=evidence["fiscal_year"] >= CHART_CHANGE, dollars=evidence[sides].abs().sum(axis=1))
    sums = {name: (name, "sum") for name in (*(column.name for column in COUNTS), "dollars")}
    key = ["since", *dimension.levels, *dimension.codes]
    members = frame.groupby(key, as_index=False).agg(last_fiscal_year=("fiscal_year", "max"), **sums)
    for level in dimension.levels:
        members[f"{level}_key"] = members[level].map(twin_key)
    return {since: members[members["since"] == since] for since in (False, True)}


def coverage(found: "pd.DataFrame") -> "pd.DataFrame":
    """For every pair: old codes, and the percent of their number, rows and dollars that are matched."""
    matched = found["status"] == "matched"
    weights = found.assign(codes=1, dollars=found[[side.lower() for side in SIDES]].abs().sum(axis=1))
    totals = weights.groupby("pair")[["codes", "row_count", "dollars"]].sum()
    shares = 100 * weights[matched].groupby("pair")[["codes", "row_count", "dollars"]].sum() / totals
    shares = shares.fillna(0).round(2).rename(columns={"row_count": "rows"}).add_suffix("_matched_percent")
    return totals[["codes"]].join(shares).reset_index()


def not_matched(found: "pd.DataFrame") -> "pd.DataFrame":
    """The codes that no code since stands for, those of most dollars first, `dollars` (both sides, without signs) in
    words: what a series by code loses at the change."""
    open_ = found[found["status"] != "matched"]
    open_ = open_.assign(dollars=open_[[side.lower() for side in SIDES]].abs().sum(axis=1))
    most = open_.sort_values(["dollars", "pair", "old_code"], ascending=[False, True, True]).head(LISTED)
    told = most[["pair", "old_code", "label", "status", "row_count", "dollars", "candidates"]].reset_index(drop=True)
    return told.assign(dollars=[f"{dollars(int(cents)):,}" for cents in told["dollars"]])


def _pair(charts: "dict[bool, pd.DataFrame]", level: str, below: str | None) -> "pd.DataFrame":
    code = code_column(level)
    olds, news = _codes(charts[False], code, level), _codes(charts[True], code, level)
    scored = _scored(_candidates(charts, olds, news, level, below), olds, news)
    olds = olds.join(_chosen(scored)).reset_index(names="old_code")
    olds["status"] = olds["status"].fillna("unmatched")
    for column in CODE_CROSSWALK.columns:
        if column.name in olds and column.max_bytes:
            olds[column.name] = olds[column.name].astype("object").fillna("").astype("str")
        elif column.name in olds:
            olds[column.name] = olds[column.name].fillna(0).astype("int64")
    return olds.assign(pair=level)


def _codes(chart: "pd.DataFrame", code: str, level: str) -> "pd.DataFrame":
    """Every code of a chart: its rows and dollars, and as its label the name published last, most rows first."""
    names = chart.groupby([code, level], as_index=False).agg({"last_fiscal_year": "max", "row_count": "sum"})
    last = names.sort_values([code, "last_fiscal_year", "row_count", level], ascending=[True, False, False, True])
    label = last.drop_duplicates(code).set_index(code)[level]
    return chart.groupby(code)[[column.name for column in COUNTS]].sum().assign(label=label)


def _candidates(charts, olds, news, level: str, below: str | None) -> "pd.DataFrame":
    """Pairs of an old and a new code, and what each witness says, from 0 to 1."""
    import pandas as pd

    witnesses = [_same_code(olds, news), _share(charts, level, [f"{level}_key"], {"same_name": "row_count"})]
    if below:
        keys = [f"{below}_key", code_column(below)]
        witnesses.append(_share(charts, level, keys, {"same_below": None, "dollars_covered": "dollars"}))
    known = pd.concat(witnesses, axis=1).fillna(0.0)
    alone = olds.index.difference(known.index.get_level_values("old_code").unique())
    candidates = pd.concat([known, _similar(olds.loc[alone], news)]).fillna(0.0)
    return candidates.reindex(columns=list(WITNESSES)[:-1], fill_value=0.0)


def _same_code(olds, news) -> "pd.DataFrame":
    import pandas as pd

    both = olds.index.intersection(news.index)
    return pd.DataFrame({"same_code": 1.0}, pd.MultiIndex.from_arrays([both, both], names=["old_code", "new_code"]))


def _share(charts, level: str, keys: list[str], witnesses: "Mapping[str, str | None]") -> "pd.DataFrame":
    """How much of each old code is found, by any of these keys, below each new one: of the weight that a witness goes
    by, or of the number of its members. What is found below several new codes counts for each in part."""
    import pandas as pd

    code = code_column(level)
    ours = charts[False].groupby([code, *keys], as_index=False)[["row_count", "dollars"]].sum()
    ours = ours.rename(columns={code: "old_code"})
    theirs = charts[True].rename(columns={code: "new_code"})
    found = pd.concat(
        [
            ours.rename_axis("member")
            .reset_index()[["member", key]]
            .merge(theirs[["new_code", key]].drop_duplicates(), on=key)[["member", "new_code"]]
            for key in keys
        ]
    ).drop_duplicates()
    part = 1 / found.groupby("member")["new_code"].transform("size")
    shares = {}
    for witness, weight in witnesses.items():
        weights = ours[weight] if weight else pd.Series(1, ours.index)
        whole = weights.groupby(ours["old_code"]).transform("sum").where(lambda sums: sums > 0, 1)
        shares[witness] = found["member"].map(weights / whole) * part
    by = [found["member"].map(ours["old_code"]).rename("old_code"), found["new_code"]]
    return pd.DataFrame(shares).groupby(by).sum()


def _similar(olds, news) -> "pd.DataFrame":
    """For old codes that share nothing with a new one: those whose labels look alike."""
    import numpy as np
    import pandas as pd
    from rapidfuzz import fuzz, process

    ours, theirs = (list(map(_words, codes["label"])) for codes in (olds, news))
    alike = process.cdist(ours, theirs, scorer=fuzz.ratio, score_cutoff=SIMILAR, dtype=np.float64)
    old, new = np.nonzero(alike)
    order = np.lexsort((new, -alike[old, new], old))
    old, new = old[order], new[order]
    nearest = np.arange(len(old)) - np.searchsorted(old, old) < SHOWN
    pairs = [olds.index[old[nearest]], news.index[new[nearest]]]
    return pd.DataFrame(index=pd.MultiIndex.from_arrays(pairs, names=["old_code", "new_code"]))


@functools.cache
def _words(label: str) -> str:
    """The words of a label in order: `ratio` of two is their `token_sort_ratio`, which would sort them each time."""
    return " ".join(sorted(twin_key(label).split()))


def _scored(candidates, olds, news) -> "pd.DataFrame":
    """The candidates with the similarity of their labels and their score, in points, the best of each code first."""
    import numpy as np
    from rapidfuzz import fuzz

    frame = candidates.reset_index()
    labels = zip(frame["old_code"].map(olds["label"]), frame["new_code"].map(news["label"]), strict=True)
    frame["label_similarity"] = [fuzz.ratio(_words(ours), _words(its)) / 100 for ours, its in labels]
    doubts = np.prod([1 - right * frame[witness] for witness, right in WITNESSES.items()], axis=0)
    frame["score"] = np.round(100 * (1 - doubts)).astype("int64")
    for witness in WITNESSES:
        frame[witness] = (100 * frame[witness]).round().astype("int64")
    frame["new_label"] = frame["new_code"].map(news["label"])
    stands_for_itself = frame["new_code"].isin(olds.index) & (frame["new_code"] != frame["old_code"])
    frame["rank"] = frame["score"] - CLEAR * stands_for_itself
    return frame.sort_values(["old_code", "rank", "score", "new_code"], ascending=[True, False, False, True])


def _chosen(scored) -> "pd.DataFrame":
    """For every old code that has candidates: the new code where one is clear, the witnesses, and who else was near."""
    groups = scored.groupby("old_code", sort=True)
    best = groups.head(1).set_index("old_code")
    second = scored[groups.cumcount() == 1].set_index("old_code")["rank"].reindex(best.index).fillna(0)
    enough = best["score"] >= ENOUGH
    clear = best.pop("rank") - second >= CLEAR
    best["status"] = "unmatched"
    best.loc[enough, "status"] = "ambiguous"
    best.loc[enough & clear, "status"] = "matched"
    open_ = best["status"] != "matched"
    best.loc[open_, ["new_code", "new_label"]] = ""
    told: dict[str, list[str]] = {}
    for old, new, score in zip(scored["old_code"], scored["new_code"], scored["score"], strict=True):
        told.setdefault(old, []).append(f"{new} ({score})")
    best["candidates"] = [
        ", ".join(told[code][:SHOWN] if unsure else told[code][1 : 1 + SHOWN])
        for code, unsure in zip(best.index, open_, strict=True)
    ]
    return best
