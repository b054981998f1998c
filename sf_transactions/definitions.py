"""The code location, assembled."""

import atexit
import gc
import sys

import dagster as dg
from dagster_aws.s3 import S3Resource

from sf_transactions import automation
from sf_transactions.assets import (
    catalog,
    code_tables,
    codes,
    dashboard,
    profile,
    quality,
    raw,
    receipt,
    redshift,
    report,
    s3,
    star,
)
from sf_transactions.provision.jobs import jobs as provision_jobs
from sf_transactions.rebuild import rebuild_warehouse
from sf_transactions.resources.glue import Catalog
from sf_transactions.resources.home import Home
from sf_transactions.resources.portal import Portal
from sf_transactions.resources.raw_files import Ingestion
from sf_transactions.resources.storage import Storage
from sf_transactions.resources.transfer import Transfer
from sf_transactions.resources.warehouse import Warehouse
from sf_transactions.settings import Settings, env_name


def _secret(settings: Settings, name: str):
    """A secret by reference, so that Dagster shows its name and never its value; None when it is unset."""
    return dg.EnvVar(env_name(name)) if getattr(settings, name) else None


def build_defs(settings: Settings) -> dg.Definitions:
    """The assets, jobs and resources for these settings."""
    home = Home(path=str(settings.home))
    return dg.Definitions(
        assets=[
            *raw.assets,
            *codes.assets,
            *code_tables.assets,
            *profile.assets,
            *star.assets,
            *s3.assets,
            *redshift.assets,
            *report.assets,
            *dashboard.assets,
            *receipt.assets,
            *catalog.assets,
            *quality.assets,
        ],
        jobs=[automation.all_assets, rebuild_warehouse, *provision_jobs],
        sensors=[automation.publication_sensor(home), quality.quality_sensor(home)],
        schedules=[automation.weekly],
        resources={
            "home": home,
            "portal": Portal(
                base_url=settings.datasf_base_url,
                app_token=_secret(settings, "datasf_app_token"),
                api=settings.datasf_api,
                years_at_once=settings.number("datasf_years_at_once", 1),
                deadline_seconds=settings.number("datasf_deadline_seconds", 1),
            ),
            "ingestion": Ingestion(
                sweep_weeks=settings.number("sweep_weeks", 1),
                previous_versions=settings.number("previous_versions", 1),
                continue_without_quarantined=settings.one_of("quarantine", ("stop", "continue")) == "continue",
                restatement_percent=settings.number("restatement_percent"),
            ),
            "transfer": Transfer.from_settings(settings),
            "storage": Storage(s3=S3Resource(), bucket=settings.s3_bucket, prefix=settings.prefix),
            "catalog": Catalog(database=settings.glue_database),
            "warehouse": Warehouse.from_settings(settings, _secret(settings, "redshift_password")),
        },
        # A process a step costs more than the work, and the run's lock and files want one process.
        executor=dg.in_process_executor,
    )


defs = build_defs(Settings.from_environ())

# What was imported stays: else the collector walks over all of it several times a run.
gc.freeze()


@atexit.register
def _leave() -> None:
    """At the end of the process there is nothing left to collect for; only DuckDB's objects are to go before DuckDB."""
    if "duckdb" in sys.modules:
        gc.unfreeze()
    else:
        gc.freeze()
