"""`make demo`: one run of every asset by Dagster's own command, and a summary of what it did."""

import importlib
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sf_transactions.model import fiscal_years

MATERIALIZE = (sys.executable, "-m", "dagster", "asset", "materialize", "-m", "sf_transactions")


def run(environment: Mapping[str, str]) -> int:
    """Materializes every asset for all fiscal years. Returns the exit code: 0 when every check passed."""
    console = Console()
    home = Path(environment["SF_TRANSACTIONS_HOME"])
    years = fiscal_years(date.today())
    log = home / "logs" / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    console.print(
        f"Materializing every asset for fiscal years {years[0]} to {years[-1]} (log: {_shown(log)})", soft_wrap=True
    )
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as file:
        command = [*MATERIALIZE, "--select", "*", "--partition-range", f"{years[0]}...{years[-1]}"]
        with subprocess.Popen(command, env=dict(environment), stdout=file, stderr=subprocess.STDOUT) as process:
            for needed_afterwards in ("dagster", "pandas", "redshift_connector"):
                importlib.import_module(needed_afterwards)  # while it runs
            code = process.wait()
    seconds = time.monotonic() - started
    checks_failed = _summary(console, environment)
    if code or checks_failed:
        console.print(f"[bold red]The run failed[/] after {seconds:.0f} s. The end of {_shown(log)}:\n")
        console.print("\n".join(log.read_text(encoding="utf-8").splitlines()[-25:]), markup=False, highlight=False)
        _write_quality(environment)
        console.print(f"Every check: [bold]{_shown(home / 'quality.html')}[/]", soft_wrap=True)
        return code or 1
    console.print(f"Done in {seconds:.0f} s. Dashboard: [bold]{_shown(home / 'dashboard.html')}[/]", soft_wrap=True)
    console.print(f"Every check: {_shown(home / 'quality.html')}", soft_wrap=True)
    console.print(
        "Look closer: `make dev` (Dagster's UI), or `sf-transactions local up`, "
        '`eval "$(sf-transactions local env)"` and `sf-transactions report`',
        soft_wrap=True,
    )
    return 0


def _write_quality(environment: Mapping[str, str]) -> None:
    """The page of all checks, which a run that failed does not make itself."""
    import dagster as dg

    from sf_transactions.assets.quality import write_quality
    from sf_transactions.definitions import defs
    from sf_transactions.resources.home import Home

    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        write_quality(instance, defs.resolve_asset_graph(), Home(path=environment["SF_TRANSACTIONS_HOME"]))


def _shown(path: Path) -> Path:
    """The path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _summary(console: Console, environment: Mapping[str, str]) -> int:
    """Prints seconds a stage, the checks and the totals of the last run. Returns how many checks failed."""
    import dagster as dg

    from sf_transactions.run_summary import run_summary

    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        runs = instance.get_run_records(limit=1)
        if not runs:
            return 0
        summary = run_summary(instance, runs[0].dagster_run.run_id)
        dashboard = instance.get_latest_materialization_event(dg.AssetKey(["report", "dashboard"]))
    table = Table("stage", "seconds", title="Seconds a stage")
    for stage, seconds in summary.seconds.items():
        table.add_row(stage, f"{seconds:.2f}")
    console.print(table)
    console.print(f"Checks: {summary.checks()}")
    for word, those in (("failed", summary.failed), ("warned", summary.warned)):
        for check in those:
            console.print(f"  {word}: {check.asset_key.to_user_string()} {check.check_name}")
    if dashboard is not None and not summary.failed:
        _totals(console, environment)
    return len(summary.failed)


def _totals(console: Console, environment: Mapping[str, str]) -> None:
    from sf_transactions.resources.warehouse import Warehouse
    from sf_transactions.settings import Settings

    settings = Settings.from_environ(environment)
    frame = Warehouse.from_settings(settings).query(
        "select f.revenue_or_spending as side, count(*) as row_count, sum(t.amount) as dollars"
        " from report.transaction t join report.finance f on f.finance_id = t.finance_id group by 1 order by 1"
    )
    table = Table("side", "rows", "dollars", title="In the warehouse")
    for row in frame.itertuples():
        table.add_row(row.side, f"{row.row_count:,}", f"{row.dollars:,.2f}")
    console.print(table)
