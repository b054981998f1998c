"""What changed between two publications of a fiscal year."""

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sf_transactions.model import CODED_DIMENSIONS, PUBLISHED_NAMES, code_column
from sf_transactions.transform.amounts import cents, dollars

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

CHANGES = ("added", "removed", "moved", "relabelled")
STAMPS = ("data_as_of", "data_loaded_at")  # every publication has others
LABELS = (
    *((level, code_column(level)) for dimension in CODED_DIMENSIONS for level in dimension.levels),
    ("related_govt_units", "related_govt_units"),
)


def restatement(before: "pa.Table", after: "pa.Table") -> "pd.DataFrame":
    """Rows and dollars by side that differ between two publications of one fiscal year, text as published.

    Rows that are equal but for the stamps of the publication cancel out, one for one. Of the rest, a row is
    `relabelled` when the other publication has one of the same side and amount with the same name or code at every
    level, `moved` when it has one elsewhere in the hierarchies, else `added` or `removed`.

    Columns: revenue_or_spending, change (in the order of `CHANGES`), rows and dollars (Decimal; of moved and relabelled
    rows those after). Added less removed is the difference of the totals. Raises AmountError.
    """
    import pandas as pd

    gone, come = _differing(before, after)
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    def count(change: str, group: tuple[str, int], rows: int) -> None:
        side, amount = group
        counts[side, change][0] += rows
        counts[side, change][1] += rows * amount

    for group in gone.keys() | come.keys():
        left, arrived = gone.get(group, []), come.get(group, [])
        pairs = _relabelled(left, arrived)
        moved = min(len(left), len(arrived)) - pairs
        for change, rows in zip(
            CHANGES, (len(arrived) - pairs - moved, len(left) - pairs - moved, moved, pairs), strict=True
        ):
            if rows:
                count(change, group, rows)
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], CHANGES.index(item[0][1])))
    return pd.DataFrame(
        [(side, change, rows, dollars(amount)) for (side, change), (rows, amount) in ordered],
        columns=["revenue_or_spending", "change", "rows", "dollars"],
    )


Labels = tuple[tuple[str, str], ...]
Groups = dict[tuple[str, int], list[Labels]]


def _differing(before: "pa.Table", after: "pa.Table") -> tuple[Groups, Groups]:
    """The rows that only one publication has, by side and cents: of each the names and codes, folded and sorted."""
    import pyarrow as pa

    columns = [name for name in PUBLISHED_NAMES if name not in (*STAMPS, "amount")]
    text = pa.schema([(name, pa.string()) for name in columns])
    sides = []
    for table, sign in ((before, -1), (after, 1)):
        sides.append(
            table.select(columns)
            .cast(text)
            .append_column("cents", pa.array(cents(table["amount"])))
            .append_column("sign", pa.array([sign] * table.num_rows, pa.int64()))
        )
    net = pa.concat_tables(sides).group_by([*columns, "cents"]).aggregate([("sign", "sum")])
    gone: Groups = defaultdict(list)
    come: Groups = defaultdict(list)
    for row in net.filter(pa.compute.not_equal(net["sign_sum"], 0)).to_pylist():
        labels = tuple((_folded(row[name]), _folded(row[code])) for name, code in LABELS)
        of = come if row["sign_sum"] > 0 else gone
        of[row["revenue_or_spending"], row["cents"]] += [labels] * abs(row["sign_sum"])
    for groups in (gone, come):
        for rows in groups.values():
            rows.sort()
    return dict(gone), dict(come)


def _relabelled(left: "Iterable[Labels]", arrived: "Iterable[Labels]") -> int:
    """How many rows pair up with one of the same name or code at every level; the most alike pair up first."""
    open_left = list(left)
    pairs = 0
    for labels in arrived:
        alike = [
            (sum(a == b for a, b in zip(labels, other, strict=True)), -position)
            for position, other in enumerate(open_left)
            if all(a[0] == b[0] or a[1] == b[1] for a, b in zip(labels, other, strict=True))
        ]
        if alike:
            open_left.pop(-max(alike)[1])
            pairs += 1
    return pairs


def _folded(text: str | None) -> str:
    return " ".join((text or "").lower().split())
