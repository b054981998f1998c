"""Dollars exact to the cent: published text as whole cents (int64), and the totals that must agree at every hop."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sf_transactions.model import SIDES

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

AMOUNT = r"^-?[0-9]{1,16}(\.[0-9]{1,2})?$"  # what DECIMAL(18,2) holds


class AmountError(ValueError):
    """An amount is no decimal with at most two places; `position` is its row, from 0, and `value` its text."""

    def __init__(self, position: int, value: str | None) -> None:
        super().__init__(f"row {position + 1}: {value!r} is no amount in dollars and cents")
        self.position = position
        self.value = value


@dataclass(frozen=True)
class ControlTotal:
    """Rows and dollars of one side of the books in one fiscal year."""

    rows: int
    amount: Decimal


Totals = dict[tuple[str, str], ControlTotal]  # by fiscal year and side


def cents(amounts: "pa.ChunkedArray | pa.Array") -> "np.ndarray":
    """Whole cents (int64) of amounts published as text. Raises AmountError for the first that is none."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(amounts, pa.Array):
        amounts = pa.chunked_array([amounts])
    valid = pc.fill_null(pc.match_substring_regex(amounts, AMOUNT), False)
    position = pc.index(valid, False).as_py()
    if position >= 0:
        raise AmountError(position, amounts[position].as_py())
    chunks = [cents_of_decimals(chunk) for chunk in amounts.cast(pa.decimal128(18, 2)).chunks if len(chunk)]
    return np.concatenate(chunks) if chunks else np.zeros(0, dtype=np.int64)


def cents_of_decimals(amounts: "pa.Array") -> "np.ndarray":
    """DECIMAL(18,2) as whole cents (int64)."""
    import numpy as np

    # The low half of a little-endian 16-byte decimal is its value in cents: 18 digits fit into 63 bits.
    start, stop = 2 * amounts.offset, 2 * (amounts.offset + len(amounts))
    return np.frombuffer(amounts.buffers()[1], dtype="<i8")[start:stop:2]


def cents_by_side(rows: "pa.Table", amounts: "np.ndarray | None" = None) -> "dict[str, np.ndarray]":
    """For each side of the books, by its name in lower case, the cents (int64) of every row: 0 on the other side.

    `amounts` are the cents of the rows, where they are known already. Raises AmountError.
    """
    import numpy as np
    import pyarrow.compute as pc

    whole = cents(rows["amount"]) if amounts is None else amounts
    sides = rows["revenue_or_spending"].cast("string")
    return {side.lower(): np.where(pc.fill_null(pc.equal(sides, side), False), whole, 0) for side in SIDES}


def decimals(cents: "np.ndarray") -> "pa.Array":
    """Whole cents (int64) as DECIMAL(18,2): the inverse of `cents_of_decimals`."""
    import numpy as np
    import pyarrow as pa

    # A 16-byte little-endian decimal is the cents, and their sign carried into the upper half.
    words = np.stack([cents, cents >> 63], axis=1).astype("<i8")
    return pa.Array.from_buffers(pa.decimal128(18, 2), len(cents), [None, pa.py_buffer(words.tobytes())])


def dollars(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def control_totals(table: "pa.Table") -> dict[str, ControlTotal]:
    """The total of each side in rows as published. Raises AmountError."""
    import pyarrow as pa

    whole = cents(table["amount"])
    # A sum of large amounts may exceed int64, and pyarrow would not say so: sum the two halves apart.
    sides = table["revenue_or_spending"].cast(pa.string())  # chunks may have dictionaries of their own
    halves = {"side": sides, "high": whole >> 32, "low": whole & 0xFFFFFFFF}
    sums = pa.table(halves).group_by("side").aggregate([("high", "sum"), ("low", "sum"), ("low", "count")])
    return {
        row["side"]: ControlTotal(row["low_count"], dollars((row["high_sum"] << 32) + row["low_sum"]))
        for row in sums.to_pylist()
    }


def published_totals(table: "pa.Table | pa.RecordBatch") -> dict[str, ControlTotal]:
    """The totals of both sides as the portal computes them: of amounts that are none it counts the row alone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pa.table({name: table[name] for name in ("revenue_or_spending", "amount")})
    known = pc.fill_null(pc.match_substring_regex(rows["amount"], AMOUNT), False)
    totals = control_totals(rows.filter(known))
    for row in rows.filter(pc.invert(known)).to_pylist():
        try:
            amount = Decimal(row["amount"])
        except (TypeError, ArithmeticError):
            amount = Decimal(0)
        add_totals(totals, {row["revenue_or_spending"]: ControlTotal(1, amount)})
    return totals


def add_totals(totals: dict[str, ControlTotal], more: Mapping[str, ControlTotal]) -> None:
    """Adds `more` to `totals`, side by side."""
    for side, total in more.items():
        before = totals.get(side, ControlTotal(0, Decimal(0)))
        totals[side] = ControlTotal(before.rows + total.rows, before.amount + total.amount)


def totals_json(totals: Mapping[str, ControlTotal]) -> dict[str, dict[str, int | str]]:
    """The totals of both sides as they are kept in a file: amounts are text, so that they stay exact."""
    return {side: {"rows": total.rows, "amount": str(total.amount)} for side, total in totals.items()}


def totals_from_json(totals: Mapping[str, Mapping]) -> dict[str, ControlTotal]:
    """The inverse of `totals_json`."""
    return {side: ControlTotal(total["rows"], Decimal(total["amount"])) for side, total in totals.items()}
