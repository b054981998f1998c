"""What a run did, from Dagster's own records: seconds a stage, and the results of its checks."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

ENDED = (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE)
STAGES = ("raw", "codes", "star", "s3", "redshift", "catalog", "report")


@dataclass(frozen=True)
class RunSummary:
    """Seconds by stage, in the order in which the stages follow, and the checks by their outcome."""

    seconds: Mapping[str, float]
    passed: "list[AssetCheckEvaluation]"
    failed: "list[AssetCheckEvaluation]"
    warned: "list[AssetCheckEvaluation]"

    def checks(self) -> str:
        """As in "37 passed, 0 failed, 1 warned"."""
        warned = f", {len(self.warned)} warned" if self.warned else ""
        return f"{len(self.passed)} passed, {len(self.failed)} failed{warned}"


def run_summary(instance: dg.DagsterInstance, run_id: str) -> RunSummary:
    """Of the steps that have ended and the checks that were evaluated until now."""
    # Of the events of a step only these: Dagster's own statistics read every materialization too.
    started: dict[str, float] = {}
    stages: dict[str, float] = defaultdict(float)
    for entry in instance.all_logs(run_id, of_type={dg.DagsterEventType.STEP_START, *ENDED}):
        key = entry.step_key or ""
        if entry.dagster_event_type is dg.DagsterEventType.STEP_START:
            started.setdefault(key, entry.timestamp)
        elif key in started:
            stages[key.partition("_")[0]] += entry.timestamp - started.pop(key)
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = [entry.dagster_event.asset_check_evaluation_data for entry in events if entry.dagster_event]
    return RunSummary(
        {stage: stages[stage] for stage in STAGES},
        [check for check in checks if check.passed],
        [check for check in checks if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR],
        [check for check in checks if not check.passed and check.severity is dg.AssetCheckSeverity.WARN],
    )
