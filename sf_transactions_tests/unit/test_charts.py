import pytest

from sf_transactions.dashboard import charts

BARS = [
    {
        "rows": [
            {"name": f"Fund {number}", "length": number, "dollars": number, "figure": "$1", "color": "#123", "told": ""}
        ]
    }
    for number in (1, 2)
]


def test_charts_are_drawn_elsewhere_as_they_are_here_and_in_order():
    with charts.drawing() as draw:
        drawn = [draw("bars", data) for data in BARS]
    assert [each.result() for each in drawn] == [charts.svg("bars", data) for data in BARS]
    assert "Fund 1" in drawn[0].result() and "Fund 2" in drawn[1].result()


def test_a_chart_that_cannot_be_drawn_is_named_and_so_is_each_that_waits_behind_it():
    with charts.drawing() as draw:
        drawn = [draw("nonsense", BARS[0]), draw("bars", BARS[1])]
        for each, kind in zip(drawn, ("nonsense", "bars"), strict=True):
            with pytest.raises(RuntimeError, match=f"the chart {kind} could not be drawn: exit code 1"):
                each.result()
