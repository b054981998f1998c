"""Partitions, jobs, and what starts a run by itself."""

import time
import warnings
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

import dagster as dg

from sf_transactions.model import fiscal_years
from sf_transactions.resources.home import Home
from sf_transactions.resources.portal import Portal
from sf_transactions.resources.raw_files import Ingestion, changed, says

# `backfill_policy` is beta in name only: it is what makes a range of partitions one run, and it is tested here.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

# One partition a fiscal year, to that of today. A new one appears when the code location reloads on July 1.
FISCAL_YEARS = dg.StaticPartitionsDefinition([str(year) for year in fiscal_years(date.today())])

# Every asset shares the partitions and takes a range of them in one run, so that "Materialize all" is one run.
BY_FISCAL_YEAR: dict[str, Any] = {"partitions_def": FISCAL_YEARS, "backfill_policy": dg.BackfillPolicy.single_run()}

# The portal publishes weekly; a holiday may delay it.
WEEKLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=14), warn_window=timedelta(days=9))

all_assets = dg.define_asset_job(
    "all_assets",
    selection=dg.AssetSelection.all(),
    description="Portal to dashboard, for a range of fiscal years.",
)


def one_run(years: Iterable[str], run_key: str) -> dg.RunRequest:
    """One run of everything for the smallest range that holds these fiscal years; those between that did not change
    are neither fetched nor rewritten."""
    ordered = sorted(years)
    return dg.RunRequest(
        run_key=run_key,
        tags={
            "dagster/asset_partition_range_start": ordered[0],
            "dagster/asset_partition_range_end": ordered[-1],
        },
    )


def publication_sensor(home: Home) -> dg.SensorDefinition:
    """The sensor over the raw files of this home. It takes no lock: it only reads, beside a run."""

    @dg.sensor(
        job=all_assets,
        minimum_interval_seconds=3600,
        description="Asks the portal hourly when it last published, and starts one run for the fiscal years that "
        "changed.",
    )
    def publication(context: dg.SensorEvaluationContext, portal: Portal, ingestion: Ingestion):
        """The cursor is the publication last seen, in epoch seconds; it is also the run's key, so that one publication
        starts one run."""
        metadata = portal.metadata()
        seen = str(metadata.rows_updated_at)
        if context.cursor == seen:
            return dg.SkipReason(f"nothing was published since {_day(metadata.rows_updated_at)}")
        years = changed(
            home,
            FISCAL_YEARS.get_partition_keys(),
            says(portal, home)[1],
            metadata.columns,
            time.time(),
            ingestion.sweep_weeks,
        )
        context.update_cursor(seen)
        if not years:
            return dg.SkipReason(f"the publication of {_day(metadata.rows_updated_at)} changed no fiscal year")
        context.log.info(f"published {_day(metadata.rows_updated_at)}: {years}")
        return one_run(years, f"publication-{seen}")

    return publication


@dg.schedule(
    job=all_assets,
    cron_schedule="0 6 * * 2",
    execution_timezone="America/Los_Angeles",
    description="Tuesday morning in San Francisco, after the weekly publication: all fiscal years, of which those that "
    "changed are fetched. It finds what the sensor missed, and what a failed run left undone.",
)
def weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    return one_run(FISCAL_YEARS.get_partition_keys(), f"weekly-{context.scheduled_execution_time:%Y-%m-%d}")


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
