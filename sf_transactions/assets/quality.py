"""report/quality: the results of all checks as a page that people can read."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.dashboard import DASHBOARD
from sf_transactions.assets.profile import PROFILE
from sf_transactions.assets.raw import RESTATEMENTS
from sf_transactions.assets.receipt import RECEIPT
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.dashboard.quality import Checked, Evaluation, build
from sf_transactions.model import CHART_CHANGE, CODE_CROSSWALK, CODE_MAPPING
from sf_transactions.resources import made
from sf_transactions.resources.home import Home, HomeError, read_json, replacing

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
    states = write_quality(context.instance, context.op_execution_context.job_def.asset_layer.asset_graph, home)
    yield dg.MaterializeResult(
        asset_key=QUALITY,
        metadata={
            "page": dg.MetadataValue.url(home.quality.resolve().as_uri()),
            "path": dg.MetadataValue.path(str(home.quality)),
            **{f"checks_{state.replace(' ', '_')}": count for state, count in states.items()},
        },
    )


def quality_sensor(home: Home) -> dg.SensorDefinition:
    """The sensor that writes the page of this home. It takes no lock: another run may have begun."""

    @dg.run_failure_sensor(
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Writes the quality page after a run that failed, when it is wanted most: its own asset is not "
        "made then.",
    )
    def quality_of_a_failed_run(context: dg.RunFailureSensorContext) -> None:
        from sf_transactions.definitions import defs

        write_quality(context.instance, defs.resolve_asset_graph(), home)

    return quality_of_a_failed_run


def write_quality(instance: dg.DagsterInstance, graph, home: Home) -> dict[str, int]:
    """Writes the page of all checks of an asset graph as of now. Returns how many are in which state."""
    specs = [graph.get_check_spec(key) for key in sorted(graph.asset_check_keys, key=str)]
    checked = [_checked(instance, spec) for spec in specs]
    sources = sorted(home.root.glob("raw/fiscal_year=*/source.json"))
    source = read_json(sources[-1], "raw/transactions")["source"] if sources else "nothing fetched yet"
    runs = instance.get_runs(limit=1)
    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    page = build(checked, source, runs[0].run_id if runs else "", when, _appendix(home))
    with replacing(home.quality) as incoming:
        incoming.write_text(page, encoding="utf-8")
    return dict(Counter(check.state for check in checked))


def _checked(instance: dg.DagsterInstance, spec: dg.AssetCheckSpec) -> Checked:
    """A check with its evaluation in this run, and its history."""
    history = checks.history(instance, spec.key)
    runs = [
        Evaluation(when, each.passed, checks.figure(each, "failing_rows") or 0, checks.figure(each, "found"))
        for when, each in history
    ]
    check = Checked(
        asset=spec.asset_key.to_user_string(),
        name=spec.name,
        expectation=spec.description or "",
        blocking=spec.blocking,
        state="not run",
        observed="",
        sample=[],
        history=runs,
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
    _, _, first = (evaluation.description or "").partition(checks.FIRST)
    told = (counted, f"{found:,} found in all" if found else "", f"{checks.FIRST.capitalize()}{first}" if first else "")
    return ". ".join(text for text in told if text)


def _appendix(home: Home) -> dict[str, list[dict]]:
    """What the codes and the load look like, as far as they were made."""
    found: dict[str, list[dict]] = {}
    with contextlib.suppress(HomeError):
        told = made.facts(home.star(CODE_MAPPING.name), "codes/code_mapping")["told"]
        found["Why names keep their codes"] = [
            {"reason": reason, "names": count} for reason, count in told["names_by_reason"].items()
        ]
    with contextlib.suppress(HomeError):
        told = made.facts(home.star(CODE_CROSSWALK.name), "codes/code_crosswalk")["told"]
        found[f"How much of the codes before FY{CHART_CHANGE} is matched with one since"] = told["coverage"]
        found["The largest codes without a match (all of them are in report.code_crosswalk)"] = told.get(
            "not_matched", []
        )
    with contextlib.suppress(HomeError):
        profile = read_json(home.profile, "codes/profile")
        found["Fiscal years"] = [{"fiscal_year": year, **facts} for year, facts in profile["years"].items()]
        found["Columns"] = [{"column": name, **facts} for name, facts in profile["columns"].items()]
    return found


assets = [report_quality]
