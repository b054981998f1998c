import pytest

from sf_transactions.model import FUND
from sf_transactions.transform.codes import dimension_table, mapping
from sf_transactions.transform.overrides import Override, Problem, published_only, read_overrides
from sf_transactions_tests.unit.test_codes import evidence

HEADER = "pair,parents,name,code,reason,who,when\n"
LINE = "fund,General Fund,Annual,1GAGF,Annual report,Controller,2026-11-25\n"


def problems(text: str) -> list[Problem]:
    return read_overrides(text)[1]


def test_a_line_is_read_with_its_number():
    found, wrong = read_overrides(f"{HEADER}\n{LINE}")
    override = Override("fund", "General Fund", "Annual", "1GAGF", "Annual report", "Controller", "2026-11-25")
    assert (found, wrong) == ({3: override}, [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "the columns are missing"),
        ("pair,name,code\n", 1, "not pair, parents, name"),
        (HEADER + "fund,General Fund\n", 2, "has 2 values, not 7"),
        (HEADER + LINE.replace("fund,", "fnd,"), 2, "pair 'fnd' is none of organization_group, department"),
        (HEADER + LINE.replace("1GAGF", ""), 2, "says nothing about code"),
        (HEADER + LINE.replace("Controller", ""), 2, "says nothing about who"),
        (HEADER + LINE.replace("General Fund", ""), 2, "parents '' should be fund_type"),
        (HEADER + LINE.replace("2026-11-25", "last week"), 2, "when 'last week' is no date"),
        (HEADER + LINE + LINE.replace("1GAGF", "OTHER"), 3, "contradicts line 2, by which the name carries '1GAGF'"),
        (HEADER + LINE + LINE.replace("Controller", "Mayor"), 3, "says what line 2 says already"),
        (HEADER + '"fund,General', 2, "is no CSV"),
    ],
)
def test_a_line_that_cannot_hold_is_named_with_what_is_wrong(text, line, words):
    (problem,) = problems(text)
    assert problem.line == line
    assert words in problem.problem


FRAME = evidence({"fiscal_year": 2017, "fund": "Annual", "fund_code": "1GAGF"}, {"fund": "Annual"})


def test_an_override_decides_the_code_and_says_so():
    overrides, stale = published_only(read_overrides(HEADER + LINE)[0], FRAME, FUND)
    assert stale == []
    mapped = mapping(FRAME, FUND, overrides)
    assert set(dimension_table(FRAME, mapped, FUND)["fund_code"]) == {"1GAGF"}
    reasons = mapped.groupby("level")["reason"].agg(set).to_dict()
    assert reasons == {"fund": {"override"}, "fund_type": {"only"}, "fund_category": {"only"}}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            LINE.replace("1GAGF", "1GAGG"),
            "code '1GAGG' is not published for 'Annual', but '1GAGF', 'GEN_FUND~10000'",
        ),
        (LINE.replace("Annual", "Anual"), "no fund 'Anual' is published within 'General Fund'"),
        (LINE.replace("General Fund", "Trust"), "no fund 'Annual' is published within 'Trust'"),
    ],
)
def test_an_override_of_what_is_not_published_is_stale(line, words):
    current, (problem,) = published_only(read_overrides(HEADER + line)[0], FRAME, FUND)
    assert current == []
    assert (problem.line, problem.problem) == (2, words)


def test_the_file_of_the_project_can_be_read():
    from sf_transactions.assets.codes import OVERRIDES

    assert problems(OVERRIDES.read_text(encoding="utf-8")) == []
