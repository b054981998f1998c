"""The form that published values are known to have; rows outside of it are set apart."""

from typing import TYPE_CHECKING

from sf_transactions.model import RELATED_GOVT_UNITS, SIDES
from sf_transactions.transform.amounts import AMOUNT

if TYPE_CHECKING:
    import pyarrow as pa

FORM = ("fiscal_year", "related_govt_units", "revenue_or_spending", "amount")  # the columns that have a known form
FISCAL_YEAR = r"^[0-9]{4}$"


def outside(batch: "pa.RecordBatch | pa.Table") -> "pa.Array | pa.ChunkedArray":
    """For every row as published, why it cannot become a fact: the first column at fault, its value and what it
    should be. Null where nothing is wrong."""
    import pyarrow as pa
    import pyarrow.compute as pc

    reasons = pa.nulls(batch.num_rows, pa.string())
    for column, known, expected in (
        (
            "related_govt_units",
            pc.is_in(batch["related_govt_units"], pa.array(RELATED_GOVT_UNITS)),
            "is neither Yes nor No",
        ),
        (
            "revenue_or_spending",
            pc.is_in(batch["revenue_or_spending"], pa.array(SIDES)),
            "is neither Revenue nor Spending",
        ),
        (
            "amount",
            pc.match_substring_regex(batch["amount"], AMOUNT),
            "is no number of dollars with at most two decimals",
        ),
        ("fiscal_year", pc.match_substring_regex(batch["fiscal_year"], FISCAL_YEAR), "is no year of four digits"),
    ):
        known = pc.fill_null(known, False)
        if pc.all(known).as_py() in (True, None):
            continue
        value = pc.if_else(pc.is_null(batch[column]), "null", pc.binary_join_element_wise("'", batch[column], "'", ""))
        reason = pc.binary_join_element_wise(f"{column}", value, expected, " ")
        reasons = pc.if_else(known, reasons, reason)
    return reasons
