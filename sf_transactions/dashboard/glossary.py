"""The words of the accounts, as the page explains them; what a column is, is said once, in `model.py`."""

from sf_transactions.model import CHART_CHANGE, CODED_DIMENSIONS, DESCRIPTIONS


def _level(name: str) -> tuple[str, str]:
    return name.replace("sub_", "sub-").replace("_", " ").capitalize(), f"{DESCRIPTIONS[name]}."


GLOSSARY = {
    "Fiscal year": "July 1 to June 30, named by the year it ends in: FY2025 is July 2024 to June 2025.",
    "Closed, preliminary, in progress": (
        "A fiscal year is in progress until June 30. The year before it stays preliminary until it is audited, months "
        "later. Older ones are closed, though the City may still recode them."
    ),
    "Revenue and spending": (
        "The two sides of the books. Both are normally positive; refunds, recoveries and corrections are negative and "
        "are counted as such. A negative amount is written, never drawn as a bar."
    ),
    "Net": (
        "Revenue minus spending of the same rows: an arithmetic difference, not a surplus or a deficit. A department "
        "that is paid from taxes booked elsewhere has a negative net."
    ),
    "Transaction": "A published row: a summary of one program, account and fund in a fiscal year, not a payment.",
    "Related government units": (
        "Legally separate affiliates of the City, and funds it holds for others. The City leaves them out of its own "
        "figures unless asked, and so does this page."
    ),
    "Transfer adjustments": (
        "Negative rows that cancel transfers between the City's own funds, which would otherwise count twice. They are "
        "part of every total and are also shown apart."
    ),
    f"The change of FY{CHART_CHANGE}": (
        f"In FY{CHART_CHANGE} the City moved to a new chart of accounts. Totals compare across it; single "
        "members may begin, end or be renamed there."
    ),
} | dict(_level(level) for dimension in CODED_DIMENSIONS for level in dimension.levels)
