"""Conformed labels: near-twin names ("Charges For Services", "Charges for Services") under one label.

Published names stay members of their own; the label stands beside them, with the rule that made it, so that a report
can use either. Names of one level are twins when nothing sets them apart but, in this order, how their letters were
encoded, spaces, upper and lower case, or punctuation ("&" reads as "and"). Their label is the twin published last;
most rows break a tie, then the smaller text; it is repaired in encoding and spaces.
"""

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from sf_transactions.model import MEMBER, Dimension
from sf_transactions.transform.keys import surrogate_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

AS_PUBLISHED = "as_published"
RULES = (AS_PUBLISHED, "encoding", "spacing", "casing", "punctuation")
_APOSTROPHES = re.compile("['\u2018\u2019`]")
_PUNCTUATION = re.compile(r"[-\u2010-\u2015.,:;/\\()\[\]{}\"\u201c\u201d_]")


@cache
def forms(name: str) -> tuple[str, ...]:
    """A name as each of `RULES` leaves it; the last form is what twins share."""
    import ftfy

    def mended(text: str) -> str:
        if text.isascii():  # as ftfy leaves it, and quicker
            return text
        return unicodedata.normalize("NFC", ftfy.fix_encoding(text))

    encoded = spaced = mended(name)
    while (again := " ".join(mended(spaced).split())) != spaced:  # other spaces can show another wrong encoding
        spaced = again
    cased = spaced.casefold()
    bare = _PUNCTUATION.sub(" ", _APOSTROPHES.sub("", cased.replace("&", " and ")))
    return name, encoded, spaced, cased, " ".join(bare.split()) or cased


def twin_key(name: str) -> str:
    """What a name shares with its twins, and with no other name."""
    return forms(name)[-1]


def labels(evidence: "pd.DataFrame", level: str) -> "dict[str, tuple[str, str]]":
    """For every name of a level, whatever its parents, its label and the rule that made it."""
    names = evidence.groupby([level, "fiscal_year"], as_index=False)["row_count"].sum()
    latest = names.sort_values(["fiscal_year", "row_count", level], ascending=[False, False, True])
    found: dict[str, tuple[str, str]] = {}
    label_of: dict[str, str] = {}
    for name in latest[level].drop_duplicates():
        label = label_of.setdefault(twin_key(name), forms(name)[RULES.index("spacing")])
        rule = next(rule for rule, ours, its in zip(RULES, forms(name), forms(label), strict=True) if ours == its)
        found[name] = label, rule
    return found


def members_seen(evidence: "pd.DataFrame", dimension: Dimension) -> "pd.DataFrame":
    """One row a member of the dimension, columns as in `MEMBER`: first and last fiscal year, label and rule.

    `evidence` has the dimension's key columns, `fiscal_year` and `row_count`, for all loaded fiscal years.
    """
    key = list(dimension.key)
    frame = evidence.groupby(key, as_index=False)["fiscal_year"].agg(["min", "max"])
    of_level = {level: labels(evidence, level) for level in dimension.levels}
    bottom_up = [*reversed(dimension.levels)]
    label_columns = ("conformed_label", "conformed_parent", "conformed_grandparent")
    for position, column in enumerate(label_columns):
        if position < len(bottom_up):
            level = bottom_up[position]
            frame[column] = [of_level[level][name][0] for name in frame[level]]
        else:
            frame[column] = ""
    members = list(frame[key].itertuples(index=False, name=None))
    frame["rule"] = [_rule(dict(zip(key, member, strict=True)), of_level) for member in members]
    frame["member_id"] = [surrogate_key(dimension.name, member) for member in members]
    frame = frame.rename(columns={"min": "first_fiscal_year", "max": "last_fiscal_year"})
    return frame.assign(dimension=dimension.name)[list(MEMBER.column_names)]


def _rule(member: "Mapping[str, str]", of_level: "Mapping[str, Mapping[str, tuple[str, str]]]") -> str:
    """The rules that made the label, by level: "character: casing; sub_object: spacing"."""
    rules = {level: names[member[level]][1] for level, names in of_level.items()}
    return "; ".join(f"{level}: {rule}" for level, rule in rules.items() if rule != AS_PUBLISHED) or AS_PUBLISHED
