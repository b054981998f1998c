"""The stand-in for DataSF answers SoQL as a portal does, whatever it keeps its texts as."""

import json
import urllib.parse
import urllib.request

import pytest

from sf_transactions.local.portal import Portal
from sf_transactions.model import DATASET_ID
from sf_transactions_tests.rows import published

FUNDS = ["b", "é", "B", "", "ab", "b", None]


@pytest.fixture(scope="module")
def served():
    portal = Portal(published(*({"fund": fund, "program": None} for fund in FUNDS))).start()
    yield portal
    portal.stop()


def asked(served: Portal, **clauses: str) -> list[dict]:
    words = urllib.parse.urlencode({f"${name}": text for name, text in clauses.items()})
    with urllib.request.urlopen(f"{served.url}/resource/{DATASET_ID}.json?{words}") as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("fund = 'b'", ["b", "b"]),
        ("fund = 'c'", []),
        ("fund in ('ab', 'c')", ["ab"]),
        ("fund > 'aa'", ["ab", "b", "b", "é"]),
        ("fund between 'B' and 'b'", ["B", "ab", "b", "b"]),
        ("fund like 'b%'", ["b", "b"]),
        ("fund != 'c' and fund != ''", ["B", "ab", "b", "b", "é"]),
        ("program is null and fund is null", [None]),
        ("program = 'x'", []),
    ],
)
def test_texts_are_found_by_what_they_are(served, where, found):
    assert [row.get("fund") for row in asked(served, select="fund", where=where, order="fund")] == found


def test_texts_are_counted_and_stand_in_the_order_of_their_characters(served):
    (told,) = asked(
        served, select="count(distinct fund) as n, min(fund) as first, max(fund) as last, count(program) as p"
    )
    assert told == {"n": "5", "first": "", "last": "é", "p": "0"}
    texts = [row.get("fund") for row in asked(served, select="fund", order="fund")]
    assert texts == ["", "B", "ab", "b", "b", "é", None]
    groups = asked(served, select="fund, count(*) as n", group="fund", having="count(*) > 1")
    assert groups == [{"fund": "b", "n": "2"}]
