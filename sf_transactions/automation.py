"""Partitions and jobs."""

import warnings
from datetime import date
from typing import Any

import dagster as dg

from sf_transactions.model import fiscal_years

# `backfill_policy` is beta in name only: it is what makes a range of partitions one run, and it is tested here.
warnings.filterwarnings("ignore", category=dg.BetaWarning)


# One partition a fiscal year, to that of today. A new one appears when the code location reloads on July 1.
FISCAL_YEARS = dg.StaticPartitionsDefinition([str(year) for year in fiscal_years(date.today())])

# Every asset shares the partitions and takes a range of them in one run, so that "Materialize all" is one run.
BY_FISCAL_YEAR: dict[str, Any] = {"partitions_def": FISCAL_YEARS, "backfill_policy": dg.BackfillPolicy.single_run()}

all_assets = dg.define_asset_job(
    "all_assets",
    selection=dg.AssetSelection.all(),
    description="Portal to dashboard, for a range of fiscal years.",
)
