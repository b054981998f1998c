"""The receipt of a load: what each hop counted, and where a difference first appears."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sf_transactions.model import HOPS
from sf_transactions.transform.amounts import ControlTotal

NOTHING = ControlTotal(0, Decimal(0))


@dataclass(frozen=True)
class Stored:
    """The year's object in S3: `sha256` is empty when it is not the file of the star."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Line:
    """One fiscal year and side: its total at each hop of `HOPS`, and what S3 holds."""

    fiscal_year: int
    revenue_or_spending: str
    totals: Mapping[str, ControlTotal]
    stored: Stored

    @property
    def first_difference(self) -> str:
        """The first hop that differs from the one before it, or nothing. What was set apart is missing in raw."""
        portal, apart = self.totals["portal"], self.totals["quarantined"]
        before = ControlTotal(portal.rows - apart.rows, portal.amount - apart.amount)
        for hop in ("raw", "star", "s3", "warehouse", "views"):
            if hop == "s3":
                if not self.stored.sha256:
                    return hop
            elif self.totals[hop] != before:
                return hop
        return ""

    def row(self) -> tuple[int | str | Decimal, ...]:
        """The values of report.load_receipt behind the ids of run and load."""
        counted = [value for hop in HOPS for value in (self.totals[hop].rows, self.totals[hop].amount)]
        where = (self.fiscal_year, self.revenue_or_spending)
        return (*where, *counted, self.stored.bytes, self.stored.sha256, self.first_difference)


def lines(totals: Mapping[str, Mapping[tuple[str, str], ControlTotal]], stored: Mapping[str, Stored]) -> list[Line]:
    """A line for every (fiscal year, side) that any hop knows, in order; `totals` by hop, `stored` by fiscal year."""
    keys = sorted({key for hop in totals.values() for key in hop}, key=str)
    return [
        Line(int(year), str(side), {hop: totals[hop].get((year, side), NOTHING) for hop in HOPS}, stored[year])
        for year, side in keys
    ]
