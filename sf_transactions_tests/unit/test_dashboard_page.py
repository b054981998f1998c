"""The page as text: what is in it, what is not, and what it allows."""

import hashlib
import re
from base64 import b64encode
from datetime import date

import pytest

from sf_transactions.dashboard import charts, page
from sf_transactions.dashboard.facts import facts
from sf_transactions.dashboard.glossary import GLOSSARY
from sf_transactions.model import CODED_DIMENSIONS
from sf_transactions_tests.unit.test_dashboard_facts import DIMENSIONS, table

HOSTILE = '</script><script>alert("x")</script>'
SOURCE = page.Source("Spending and Revenue", date(2026, 9, 20))
ROWS = table([(2024, 1, 2, 3, "Revenue", 1), (2027, 4, 5, 6, "Spending", -2)])


@pytest.fixture(scope="module")
def built() -> str:
    return page.build(facts(ROWS, DIMENSIONS), SOURCE, charts.bundle)


def test_a_name_from_the_data_is_no_markup():
    named = {
        name: frame.replace(to_replace=r"^(program|fund|object) .*", value=HOSTILE, regex=True)
        for name, frame in DIMENSIONS.items()
    }
    text = page.build(facts(ROWS, named), page.Source(HOSTILE, None), lambda: "library")
    assert "alert" in text
    assert HOSTILE not in text
    header, _ = page.carried(text)
    assert header["source"] == HOSTILE
    assert set(header["hierarchies"]["program"]["nodes"][2]["names"]) == {HOSTILE}


def test_the_page_allows_its_own_scripts_and_style_and_nothing_else(built):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', built)[1]
    parts = [
        re.search(r'<script type="module">(.*?)</script>', built, re.S)[1],
        page.payload.expanded(re.search(r'id="library">([^<]*)</script>', built)[1]).decode(),
        re.search(r"<style>(.*?)</style>", built, re.S)[1],
    ]
    script, library, style = (b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts)
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{script}' 'sha256-{library}'; style-src 'sha256-{style}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_the_page_names_no_other_place(built):
    shown = re.sub(r'<script type="application/octet-stream".*?</script>', "", built, flags=re.S)
    assert set(re.findall(r"https?://[\w./-]+", shown)) <= {"https://vega.github.io/schema/vega-lite/v6.json"}
    assert not re.search(r"<(link|img|iframe)\b|\bsrc=|@import|url\(", shown)


def test_nothing_is_styled_or_run_by_attributes(built):
    body = built[built.index("<body>") : built.index('<script type="application/json"')]
    assert not re.search(r"\s(style|on\w+)=", body)


def test_every_slot_is_filled(built):
    assert "{{" not in built[: built.index('<script type="application/octet-stream"')]


def test_the_status_of_a_year_is_that_of_the_as_of_date(built):
    header, _ = page.carried(built)
    assert (header["closed_to"], header["current_year"], header["default_year"]) == (2025, 2027, 2024)
    assert "as of September 20, 2026" in built


def test_a_page_without_rows_says_so_and_carries_none():
    text = page.build(facts(table([]), DIMENSIONS), page.Source("Nothing", None), lambda: "library")
    header, columns = page.carried(text)
    assert header["rows"] == 0
    assert all(len(column) == 0 for column in columns.values())


def test_every_level_is_in_the_glossary():
    assert {page.level_title(level) for dimension in CODED_DIMENSIONS for level in dimension.levels} <= GLOSSARY.keys()
