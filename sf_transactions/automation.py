"""Partitions and jobs."""

import warnings
from datetime import date
from typing import Any

import dagster as dg

from sf_transactions.model import FIRST_FISCAL_YEAR

# `backfill_policy` is beta in name only: it is what makes a range of partitions one run, and it is tested here.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


def fiscal_year_of(day: date) -> int:
    """Fiscal year 2025 is July 1, 2024 to June 30, 2025."""
    return day.year + (day.month >= 7)


def fiscal_years() -> dg.StaticPartitionsDefinition:
    """One partition a fiscal year, to that of today. A new one appears when the code location reloads on July 1."""
    last = fiscal_year_of(date.today())
    return dg.StaticPartitionsDefinition([str(year) for year in range(FIRST_FISCAL_YEAR, last + 1)])


FISCAL_YEARS = fiscal_years()

# Every asset shares the partitions and takes a range of them in one run, so that "Materialize all" is one run.
BY_FISCAL_YEAR: dict[str, Any] = {"partitions_def": FISCAL_YEARS, "backfill_policy": dg.BackfillPolicy.single_run()}

all_assets = dg.define_asset_job(
    "all_assets",
    selection=dg.AssetSelection.all(),
    description="Portal to dashboard, for a range of fiscal years.",
)
