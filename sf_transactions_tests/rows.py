"""Rows as published, for tests: one plausible row, and tables of variations on it."""

import pyarrow as pa

from sf_transactions.model import PUBLISHED_NAMES

ROW = {
    "fiscal_year": "2025",
    "related_govt_units": "NO",
    "organization_group_code": "02",
    "organization_group": "Public Works, Transportation & Commerce",
    "department_code": "PUC",
    "department": "PUC Public Utilities Commsn",
    "program_code": "BAW",
    "program": "Administration",
    "character_code": "SALARIES",
    "character": "Salaries",
    "object_code": "PERM_SAL_MISC",
    "object": "Permanent Salaries - Misc",
    "sub_object_code": "501010",
    "sub_object": "Perm Salaries-Misc-Regular",
    "fund_type_code": "ENT_FUND",
    "fund_type": "Enterprise Funds",
    "fund_code": "5WAAA",
    "fund": "Water Operating Fund",
    "fund_category_code": "1",
    "fund_category": "Operating",
    "revenue_or_spending": "Spending",
    "amount": "100.5",
    "data_as_of": "2026-09-20T23:05:20.000",
    "data_loaded_at": "2026-09-21T03:03:01.000",
}


def published(*changes: dict) -> pa.Table:
    """A table with a row for every mapping of changes to `ROW`."""
    schema = pa.schema([(name, pa.string()) for name in PUBLISHED_NAMES])
    return pa.Table.from_pylist([ROW | change for change in changes], schema=schema)
