"""What starts a run by itself: the sensor over the portal's publications, and the weekly schedule."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from sf_transactions.automation import FISCAL_YEARS, publication_sensor, weekly
from sf_transactions.definitions import defs
from sf_transactions.local.portal import Portal
from sf_transactions.resources.home import Home
from sf_transactions.resources.portal import Portal as Door
from sf_transactions.resources.raw_files import Ingestion
from sf_transactions_tests.integration.ingestion.pulling import SMALL, changed, in_2018, pull

NEVER = [year for year in FISCAL_YEARS.get_partition_keys() if not 2016 <= int(year) <= 2019]


@pytest.fixture
def home(tmp_path, served) -> Home:
    """A home that holds everything that is published."""
    home = Home(path=str(tmp_path / "home"))
    assert pull(served, home, int(NEVER[0]), int(NEVER[-1])).success
    return home


def tick(served: Portal, home: Home, cursor: str | None):
    """What the sensor answers, and its cursor afterwards."""
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance=instance,
            cursor=cursor,
            resources={"portal": Door(base_url=served.url), "ingestion": Ingestion()},
        )
        return publication_sensor(home)(context), context.cursor


def test_a_publication_starts_one_run_for_the_years_that_changed(served, home):
    seen = str(served.rows_updated_at)
    served.republish(changed(SMALL, in_2018, amount="99.5"))
    request, cursor = tick(served, home, seen)
    assert request.run_key == f"publication-{served.rows_updated_at}"
    assert request.tags == {
        "dagster/asset_partition_range_start": "2018",
        "dagster/asset_partition_range_end": "2018",
    }
    assert cursor == str(served.rows_updated_at)


def test_the_range_holds_all_years_that_changed(served, home):
    served.republish(changed(SMALL, lambda row: row["fiscal_year"] in ("2016", "2019"), fund="Another Fund"))
    request, _ = tick(served, home, None)
    assert request.tags["dagster/asset_partition_range_start"] == "2016"
    assert request.tags["dagster/asset_partition_range_end"] == "2019"


def test_without_a_publication_one_request_is_made_and_no_run_started(served, home):
    served.requests.clear()
    answer, _ = tick(served, home, str(served.rows_updated_at))
    assert isinstance(answer, dg.SkipReason)
    assert len(served.requests) == 1


def test_a_publication_that_changes_nothing_starts_no_run(served, home):
    served.republish(SMALL)
    answer, cursor = tick(served, home, "1")
    assert "changed no fiscal year" in answer.skip_message
    assert cursor == str(served.rows_updated_at)


def test_a_fresh_home_starts_one_run_of_all_years(served, tmp_path):
    request, _ = tick(served, Home(path=str(tmp_path / "fresh")), None)
    assert request.tags["dagster/asset_partition_range_start"] == FISCAL_YEARS.get_partition_keys()[0]
    assert request.tags["dagster/asset_partition_range_end"] == FISCAL_YEARS.get_partition_keys()[-1]


def test_the_weekly_schedule_runs_all_years_once_a_week():
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 24, 14, tzinfo=UTC))
    request = weekly(context)
    assert request.run_key == "weekly-2026-11-24"
    assert request.tags == {
        "dagster/asset_partition_range_start": FISCAL_YEARS.get_partition_keys()[0],
        "dagster/asset_partition_range_end": FISCAL_YEARS.get_partition_keys()[-1],
    }


def test_dagster_s_ui_says_of_everything_what_it_is():
    graph = defs.resolve_asset_graph()
    assets = {key: graph.get(key).description for key in graph.materializable_asset_keys}
    beside = {
        each.name: each.description for each in (*(defs.sensors or ()), *(defs.schedules or ()), *(defs.jobs or ()))
    }
    checks = {str(key): graph.get_check_spec(key).description for key in graph.asset_check_keys}
    assert beside.keys() >= {"publication", "weekly", "quality_of_a_failed_run", "provision_aws"}
    assert [name for named in (assets, beside, checks) for name, told in named.items() if not told] == []
