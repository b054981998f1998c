import dagster as dg
import pandas as pd

from sf_transactions import checks

KEY = dg.AssetKey(["codes", "profile"])


def test_a_finding_tells_how_it_went_in_the_last_runs():
    rows = iter([3, 0, 2])

    @dg.asset(key=KEY, check_specs=checks.specs(KEY, {"float_codes": "No float."}, blocking=False))
    def found(context: dg.AssetExecutionContext):
        failing = pd.DataFrame({"code": ["0.0"] * next(rows)})
        trend = checks.trend(context.instance, KEY, "float_codes")
        yield checks.result(KEY, "float_codes", failing, dg.AssetCheckSeverity.WARN, of=10, trend=trend)
        yield dg.MaterializeResult(asset_key=KEY)

    with dg.DagsterInstance.ephemeral() as instance:
        (last,) = [dg.materialize([found], instance=instance).get_asset_check_evaluations() for _ in range(3)][-1]
    assert last.metadata["failing_share"].value == 0.2
    trend = [record.data for record in last.metadata["trend"].records]
    assert [(row["failing_rows"], row["passed"]) for row in trend] == [("0", "True"), ("3", "False")]


def test_a_preview_is_a_table_of_markdown_whatever_the_names_hold():
    shown = checks.preview(["code", "name"], [("0", "Parks | Lakes"), ("1", None)])
    assert shown.md_str == "| code | name |\n| --- | --- |\n| 0 | Parks \\| Lakes |\n| 1 | None |"
