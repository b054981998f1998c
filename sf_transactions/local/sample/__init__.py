"""A synthetic sample of the City's accounts: invented rows in the shape, and with the defects, of the published data.

No row is real. The shape follows the portal's public profile: rows a fiscal year, the change of the chart of
accounts in FY2018, spellings, nulls, negative and repeated rows.
"""

from typing import TYPE_CHECKING

from sf_transactions.local.sample.chart import Leaf, chart
from sf_transactions.model import CHART_CHANGE, PUBLISHED_NAMES

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

ROWS = 40_000
AS_OF = {"data_as_of": "2026-09-20T23:05:20.000", "data_loaded_at": "2026-09-21T03:03:01.000"}

# Share of the rows of each column's nulls in the published data; small samples have at least two rows of each.
NULLS = {
    ("program", "program_code"): 413, ("character", "object_code", "object", "sub_object"): 246, ("fund",): 5,
    ("fund_category", "fund_category_code"): 3262,
}  # fmt: skip
PUBLISHED_ROWS = 776_841
TRANSFER_ADJUSTMENTS = 8_113
ZEROS = 670
ALWAYS_IN_USE = 40
YEARS_ON, YEARS_ON_AND_OFF = 16, 29
LARGEST = 267_307_023_217  # cents


def generate(rows: int = ROWS, seed: int = 1999, years: range = range(1999, 2028)) -> "pa.Table":
    """A table of the published columns, all text, in random order. The same for a seed on any machine.

    Every defect is there from 2,000 rows on.
    """
    import numpy as np
    import pyarrow as pa

    random = np.random.Generator(np.random.PCG64(seed))
    fiscal_year = random.permutation(_years(rows, years))
    revenue = random.random(rows) < 115_405 / PUBLISHED_ROWS
    since = fiscal_year >= CHART_CHANGE
    accounts = chart(rows)
    columns: dict[str, np.ndarray] = {
        "fiscal_year": fiscal_year.astype(str).astype(object),
        "revenue_or_spending": np.where(revenue, "Revenue", "Spending").astype(object),
    }
    everywhere = np.ones(rows, dtype=bool)
    for leaves in (accounts.programs, accounts.funds):
        _fill(columns, leaves, fiscal_year, everywhere, random)
    for side in ("Revenue", "Spending"):
        leaves = [leaf for leaf in accounts.types if leaf.side == side]
        _fill(columns, leaves, fiscal_year, revenue == (side == "Revenue"), random)
    cents = _amounts(fiscal_year, revenue, random)
    _add_defects(columns, cents, since, revenue, random)
    columns["amount"] = np.array([_text(value) for value in cents.tolist()], dtype=object)
    for name, value in AS_OF.items():
        columns[name] = np.full(rows, value, dtype=object)
    return pa.table({name: pa.array(columns[name], pa.string()) for name in PUBLISHED_NAMES})


def _years(rows: int, years: range) -> "np.ndarray":
    """Fiscal years in about the published proportions: growing slowly, the newest one just begun."""
    import numpy as np

    weights = np.linspace(20_000, 30_000, len(years))
    weights[-1] = 3_000
    counts = np.floor(weights / weights.sum() * rows).astype(int)
    counts[0] += rows - counts.sum()
    return np.repeat(np.array(years), counts)


def _fill(columns, leaves: list[Leaf], fiscal_year: "np.ndarray", where: "np.ndarray", random) -> None:
    """Draws a leaf for every row in `where`, the earlier the likelier, and writes its columns."""
    import numpy as np

    for year in np.unique(fiscal_year):
        rows = np.flatnonzero(where & (fiscal_year == year))
        used = [leaf for number, leaf in enumerate(leaves) if _in_use(number, year)]
        members = [found for leaf in used if (found := leaf.since if year >= CHART_CHANGE else leaf.before)]
        weights = 1 / (np.arange(len(members)) + 10.0)
        drawn = random.choice(len(members), size=len(rows), p=weights / weights.sum())
        for name in members[0]:
            values = np.array([member[name] for member in members], dtype=object)
            columns.setdefault(name, np.full(len(where), None, dtype=object))[rows] = values[drawn]


def _in_use(number: int, year: int) -> bool:
    """Whether a leaf is used in a year: the first always, the others for some years on end, so that members come, go
    and return."""
    return number < ALWAYS_IN_USE or (year + 7 * number) % YEARS_ON_AND_OFF < YEARS_ON


def _amounts(fiscal_year: "np.ndarray", revenue: "np.ndarray", random) -> "np.ndarray":
    """Whole cents: many small amounts, few very large ones, some round, a tenth negative.

    Each side of a year comes to a total near the City's, from seven to nineteen billion dollars, and in a small
    sample to a part of it, so that no single amount is larger than the largest published.
    """
    import numpy as np

    rows = len(fiscal_year)
    amounts = np.exp(random.normal(0.0, 2.5, rows))
    group = 2 * (fiscal_year - fiscal_year.min()) + revenue
    years = np.arange(np.ptp(fiscal_year) + 1)
    billions = np.repeat(7 + 12 * years / len(years), 2) * min(1, rows / ROWS)
    billions[-2:] /= 8  # the newest year has just begun
    whole = np.bincount(group, amounts, minlength=len(billions))
    cents = (amounts * billions[group] * 1e11 / whole[group]).astype(np.int64) % LARGEST + 1
    round_ones = random.random(rows) < 0.05
    cents[round_ones] = random.choice([4_000, 10_000, 50_000, 100_000, 500_000, 1_000_000], int(round_ones.sum()))
    negative = random.random(rows) < 0.1
    return np.where(negative, -cents, cents)


def _add_defects(columns, cents: "np.ndarray", since, revenue, random) -> None:
    """Nulls, transfer adjustments, zeros, repeated rows, and the department without a name."""
    import numpy as np

    rows = len(cents)
    order = random.permutation(rows)
    used = 0

    def take(published: int, least: int = 2) -> np.ndarray:
        nonlocal used
        count = max(least, round(published * rows / PUBLISHED_ROWS))
        used += count
        return order[used - count : used]

    # Rows that agree on everything, and rows that agree on everything but the amount.
    copies, originals = take(400), take(400)
    for values in columns.values():
        values[copies] = values[originals]
    cents[copies] = cents[originals]
    cents[copies[: len(copies) // 2]] += 100
    since[copies], revenue[copies] = since[originals], revenue[originals]

    for names, published in NULLS.items():
        where = take(published)
        for name in names:
            columns[name][where] = None
        if "character" in names:
            columns["character_code"][where], columns["sub_object_code"][where] = "NKE", "NKEY"
    (nameless,) = take(1, least=1)
    columns["department"][nameless], columns["department_code"][nameless] = None, "RDA"
    cents[take(ZEROS)] = 0
    for side, code, word in (("Revenue", "ELS", "Sources"), ("Spending", "ELU", "Uses")):
        where = take(TRANSFER_ADJUSTMENTS)
        cents[where] = -np.abs(cents[where]) - 1
        columns["revenue_or_spending"][where] = side
        name = f"Transfer Adjustments-{word}"
        fixed = {"character": name, "character_code": code, "object": name, "object_code": code}
        for column, value in (fixed | {"sub_object": name, "sub_object_code": f"{code}000"}).items():
            columns[column][where] = value
    # A second code for a fund in the same fiscal year.
    for level, member, code_column, code in (
        ("fund", "Sustainable Streets", "fund_code", "ENT_FUND~STBL_ST"),
        ("fund", "General Fund", "fund_code", "1GAGG"),
    ):
        where = np.flatnonzero((columns[level] == member) & (random.random(rows) < 0.2))
        columns[code_column][where] = code


def _text(cents: int) -> str:
    """Dollars as the portal prints them, without trailing zeros: 300, 37.1, -10242888.26."""
    whole, part = divmod(abs(cents), 100)
    fraction = f".{part:02d}".rstrip("0") if part else ""
    return f"{'-' if cents < 0 else ''}{whole}{fraction}"
