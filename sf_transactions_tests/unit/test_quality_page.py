import re
from dataclasses import replace
from html.parser import HTMLParser

import dagster as dg
import pandas as pd

from sf_transactions import checks
from sf_transactions.assets.quality import quality_sensor, write_quality
from sf_transactions.dashboard.page import policy
from sf_transactions.dashboard.quality import Checked, Evaluation, build
from sf_transactions.resources.home import Home

PASSED = Checked(
    "star/fund", "schema", "Columns.", True, "passed", "0 of 5 fail", [], [Evaluation("2026-11-25 02:00", True, 0)]
)
FAILED = Checked(
    "star/type", "many_to_one", "One code.", True, "failed", "2 of 5 fail", [{"row": "1", "value": "<b>513</b>"}],
    [Evaluation("2026-11-25 02:00", False, 2), Evaluation("2026-11-18 02:00", True, 0)],
)  # fmt: skip
WARNED = Checked("codes/profile", "jumps", "No jump & no fall.", False, "warned", "1 fail", [], [])


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data.strip())


def read(page: str) -> Text:
    found = Text()
    found.feed(page)
    assert found.open == []
    return found


def test_the_page_shows_every_check_failed_ones_first_and_needs_no_network():
    page = build(
        [PASSED, WARNED, FAILED], "a <source>", "run-1", "2026-11-25 02:01", {"Years": [{"fiscal_year": "2016"}]}
    )
    found = read(page)
    assert found.links == []
    words = [text for text in found.text if text]
    assert [word for word in words if word in ("Passed", "Failed", "Warned")] == ["Failed", "Passed", "Warned"]
    for text in ("many_to_one", "One code.", "2 of 5 fail", "<b>513</b>", "No jump & no fall.", "2016", "2", "0"):
        assert text in words
    assert "1" in words and "warned" in words
    assert "0 → 2 failing" in words and "0 in the last run" in words


def test_a_finding_shows_its_trend_though_nothing_of_it_is_new():
    runs = [Evaluation("2026-11-25 02:00", True, 0, found=161), Evaluation("2026-11-18 02:00", False, 1, found=161)]
    finding = replace(WARNED, name="several_codes", state="passed", history=[*runs, Evaluation("", True, 0, found=160)])
    assert "160 → 161 → 161 found" in read(build([finding], "", "", "", {})).text


def test_the_page_allows_its_own_style_and_nothing_else():
    page = build([PASSED], "", "", "", {})
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    assert f'content="{policy(style)}"' in page
    assert "script-src 'none'" in policy(style)


def test_nothing_to_show_is_a_page_too():
    assert "What must hold" in " ".join(read(build([], "", "", "", {"Empty": []})).text)


def test_after_a_run_that_failed_the_page_says_why(tmp_path):
    key = dg.AssetKey(["star", "fund"])

    @dg.asset(key=key, check_specs=checks.specs(key, {"schema": "No nulls.", "many_to_one": "One code."}))
    def fund():
        yield from checks.settle(checks.result(key, "schema", pd.DataFrame({"fund": ["Trust"]}), of=4))
        raise AssertionError("a failing check stops the asset")

    with dg.DagsterInstance.ephemeral() as instance:
        assert not dg.materialize([fund], instance=instance, raise_on_error=False).success
        states = write_quality(instance, dg.Definitions([fund]).resolve_asset_graph(), Home(path=str(tmp_path)))
    assert states == {"failed": 1, "not run": 1}
    words = read((tmp_path / "quality.html").read_text(encoding="utf-8")).text
    assert "1 of 4 fail (25.00%). First: fund Trust" in words
    assert "Trust" in words and "Not run" in words


def test_the_sensor_writes_the_page_after_a_failed_run(tmp_path):
    @dg.op
    def fails():
        raise ValueError("no")

    @dg.job
    def load():
        fails()

    with dg.DagsterInstance.ephemeral() as instance:
        result = load.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            "quality_of_a_failed_run", result.get_run_failure_event(), instance, result.dagster_run
        ).for_run_failure()
        quality_sensor(Home(path=str(tmp_path)))(context)
    assert "What must hold" in (tmp_path / "quality.html").read_text(encoding="utf-8")
