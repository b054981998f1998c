"""The whole pipeline for tests: runs of the real assets against the stand-ins of a home, and what they left behind."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sf_transactions.definitions import build_defs
from sf_transactions.local import control
from sf_transactions.model import PUBLICATION, TABLES
from sf_transactions.resources import warehouse
from sf_transactions.resources.warehouse import Warehouse, execute
from sf_transactions.settings import Settings, env_name


@dataclass(frozen=True)
class Run:
    """What a run did. `errors` are the distinct root causes of its failed steps; `shares` are those of the rows that
    failed, of the checks that tell one; `materialized` is the metadata by asset, of any fiscal year, and `of_year` that
    by asset and fiscal year; `told` is all it logged."""

    success: bool
    errors: set[str]
    checks: dict[str, bool]
    shares: dict[str, object]
    materialized: dict[str, dict[str, object]]
    of_year: dict[tuple[str, str], dict[str, object]]
    told: str


@dataclass(frozen=True)
class Pipeline:
    """A home whose stand-ins run. Environment variables lead boto3 to them."""

    settings: Settings

    def run(self, portal_url: str, first: int, last: int | None = None, select: str = "*", **changed: str) -> Run:
        """Materializes the selected assets for a range of fiscal years, with some settings changed.

        Dagster reads secrets from the environment, so that is where they are changed.
        """
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"datasf_base_url": portal_url, "home_dir": self.settings.home_dir, **changed}.items():
                patch.setenv(env_name(name), value)
            patch.setattr(warehouse, "BACKOFF_SECONDS", 0.01)
            portal: dict[str, Any] = {"base_url": portal_url, "backoff_seconds": 0.01}
            if "datasf_app_token" in changed:
                portal["app_token"] = {"env": env_name("datasf_app_token")}
            return self._run(build_defs(Settings.from_environ()), portal, first, last or first, select)

    def _run(self, definitions: dg.Definitions, portal: dict[str, Any], first: int, last: int, select: str) -> Run:
        instance = dg.DagsterInstance.ephemeral()
        job = definitions.resolve_implicit_global_asset_job_def()
        keys = dg.AssetSelection.from_string(select).resolve(definitions.resolve_asset_graph())
        with instance:
            result = job.execute_in_process(
                instance=instance,
                asset_selection=sorted(keys),
                tags={
                    "dagster/asset_partition_range_start": str(first),
                    "dagster/asset_partition_range_end": str(last),
                },
                run_config={"resources": {"portal": {"config": portal}}},
                raise_on_error=False,
            )
            return outcome(result, instance)

    def query(self, statement: str) -> list[tuple]:
        frame = Warehouse.from_settings(self.settings).query(statement)
        return [tuple(row) for row in frame.itertuples(index=False)]

    def execute(self, statement: str) -> None:
        with Warehouse.from_settings(self.settings).connect() as connection:
            execute(connection, statement)
            connection.commit()

    def state(self, where: str = "") -> dict[str, list[tuple]]:
        """Every row of every table of the warehouse; `where` narrows those that have fiscal years."""
        return {
            table.name: self.query(
                f"select * from {table.qualified} {where if table.by_fiscal_year else ''}"
                f" order by {', '.join(str(number + 1) for number in range(len(table.column_names)))}"
            )
            for table in (*TABLES, PUBLICATION)
        }

    def secrets(self) -> list[str]:
        """What no log may hold: the password, and a line of the private key."""
        assert self.settings.redshift_password
        return [
            self.settings.redshift_password,
            (self.settings.home / "keys" / "client_key").read_text(encoding="utf-8").splitlines()[1],
        ]

    def fresh_home(self, folder: Path) -> "Pipeline":
        """The same warehouse from another home, which holds nothing but the keys."""
        shutil.copytree(self.settings.home / "keys", folder / "keys")
        return Pipeline(replace(self.settings, home_dir=str(folder)))


def outcome(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> Run:
    failed = [event for event in result.all_events if event.is_step_failure]
    evaluations = {
        f"{check.asset_key.to_user_string()}:{check.check_name}": check
        for check in result.get_asset_check_evaluations()
    }
    of_year = {
        (event.asset_key.to_user_string(), event.partition or ""): {
            name: [record.data for record in value.records] if isinstance(value, dg.TableMetadataValue) else value.value
            for name, value in event.step_materialization_data.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }
    return Run(
        result.success,
        {_root(event.step_failure_data.error) for event in failed},
        {name: check.passed for name, check in evaluations.items()},
        {
            name: check.metadata["failing_share"].value
            for name, check in evaluations.items()
            if "failing_share" in check.metadata
        },
        {asset: metadata for (asset, _), metadata in of_year.items()},
        of_year,
        "\n".join(f"{entry.user_message} {entry.dagster_event}" for entry in instance.all_logs(result.run_id)),
    )


def _root(error) -> str:
    while error.cause is not None:
        error = error.cause
    return error.message.strip()


@contextlib.contextmanager
def pipeline(folder: Path) -> Iterator[Pipeline]:
    """Starts stand-ins with a home in this folder, and ends them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "S3_", "SFTP_", "REDSHIFT_", "DATASF_")):
                patch.delenv(name)
        stand_ins = Settings(home_dir=str(folder), sample_rows="100")
        control.up(stand_ins)
        try:
            for name, value in control.environment(stand_ins).items():
                patch.setenv(name, value)
            yield Pipeline(Settings.from_environ())
        finally:
            control.down(stand_ins)
