"""report/quality: the results of all checks as a page that people can read."""

import time
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.dashboard import DASHBOARD
from sf_transactions.assets.profile import PROFILE
from sf_transactions.assets.raw import RESTATEMENTS
from sf_transactions.assets.receipt import RECEIPT
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.dashboard.quality import Checked, build
from sf_transactions.model import CODE_CROSSWALK, CODE_MAPPING
from sf_transactions.resources import made
from sf_transactions.resources.home import Home, read_json, replacing

QUALITY = dg.AssetKey(["report", "quality"])


@dg.asset(
    key=QUALITY,
    deps=[DASHBOARD, RECEIPT, PROFILE, RESTATEMENTS],
    group_name="report",
    kinds={"html"},
    owners=["team:data-engineering"],
    **BY_FISCAL_YEAR,
)
def report_quality(context: dg.AssetExecutionContext, home: Home) -> Iterator[dg.MaterializeResult]:
    """`quality.html`, beside the dashboard: what each check expects, what it observed, the rows that fail, and its last
    runs; what must hold in the output, and what was found in the input. One file that opens without a network.
    """
    graph = context.op_execution_context.job_def.asset_layer.asset_graph
    specs = [graph.get_check_spec(key) for key in sorted(graph.asset_check_keys, key=str)]
    checked = [_checked(context.instance, spec) for spec in specs]
    source = read_json(home.source(context.partition_keys[-1]), "raw/transactions")["source"]
    page = build(checked, source, context.run.run_id, time.strftime("%Y-%m-%d %H:%M", time.gmtime()), _appendix(home))
    with replacing(home.quality) as incoming:
        incoming.write_text(page, encoding="utf-8")
    states = [check.state for check in checked]
    yield dg.MaterializeResult(
        asset_key=QUALITY,
        metadata={
            "page": dg.MetadataValue.url(home.quality.resolve().as_uri()),
            "path": dg.MetadataValue.path(str(home.quality)),
            **{f"checks_{state.replace(' ', '_')}": states.count(state) for state in dict.fromkeys(states)},
        },
    )


def _checked(instance: dg.DagsterInstance, spec: dg.AssetCheckSpec) -> Checked:
    """A check with its evaluation in this run, and its history."""
    history = checks.history(instance, spec.key)
    rows = [(when, checks.figure(evaluation, "failing_rows")) for when, evaluation in history]
    check = Checked(
        asset=spec.asset_key.to_user_string(),
        name=spec.name,
        expectation=spec.description or "",
        blocking=spec.blocking,
        state="not run",
        observed="",
        sample=[],
        history=[(when, f"{count:,}" if isinstance(count, int) else "") for when, count in rows],
    )
    if not history:
        return check
    _, last = history[0]
    failed = "warned" if last.severity is dg.AssetCheckSeverity.WARN else "failed"
    sample = last.metadata.get("sample")
    records = sample.records if isinstance(sample, dg.TableMetadataValue) else []
    return replace(
        check,
        state="passed" if last.passed else failed,
        observed=_observed(last),
        sample=[{name: str(value) for name, value in record.data.items()} for record in records],
    )


def _observed(evaluation) -> str:
    rows, of = (checks.figure(evaluation, name) for name in ("failing_rows", "rows_checked"))
    share = checks.figure(evaluation, "failing_share")
    counted = f"{rows or 0:,} of {of:,} fail ({share:.2%})" if of else f"{rows or 0:,} fail"
    found = checks.figure(evaluation, "found")
    told = (counted, f"{found:,} found in all" if found else "", evaluation.description)
    return ". ".join(text for text in told if text)


def _appendix(home: Home) -> dict[str, list[dict]]:
    """What the codes and the load look like."""
    profile = read_json(home.profile, "codes/profile")
    crosswalk = made.facts(home.star(CODE_CROSSWALK.name), "codes/code_crosswalk")["told"]
    mapping = made.facts(home.star(CODE_MAPPING.name), "codes/code_mapping")["told"]
    return {
        "Why names keep their codes": [
            {"reason": reason, "names": count} for reason, count in mapping["names_by_reason"].items()
        ],
        "How much of the codes before FY2018 is matched with one since": crosswalk["coverage"],
        "Fiscal years": [{"fiscal_year": year, **facts} for year, facts in profile["years"].items()],
        "Columns": [{"column": name, **facts} for name, facts in profile["columns"].items()],
    }


assets = [report_quality]
