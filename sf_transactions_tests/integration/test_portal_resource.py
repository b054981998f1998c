import logging
import socket
import tempfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sf_transactions.local.portal import Portal as StandIn
from sf_transactions.local.sample import generate
from sf_transactions.model import PUBLISHED_NAMES
from sf_transactions.resources.portal import Portal, PortalError
from sf_transactions.transform.amounts import ControlTotal
from sf_transactions_tests.integration import scripted_portal as script
from sf_transactions_tests.rows import ROW

TOKEN = "aSecretAppToken1234567890"


def rows(count: int, **changes) -> list[dict]:
    return [ROW | {"program": f"Program {number}", "amount": f"{number}.25"} | changes for number in range(count)]


@pytest.fixture
def served():
    with script.scripted_portal(*rows(7)) as served:
        yield served


def door(served, **settings) -> Portal:
    return Portal(base_url=served.url, **({"backoff_seconds": 0.001, "attempts": 3, "page_size": 5} | settings))


def year_2025(portal: Portal, folder: Path | None = None) -> pa.Table:
    """The file of fiscal year 2025, whose pages are kept in the folder."""
    published = portal.control_totals()
    expected = {side: total for (year, side), total in published.items() if year == "2025"}
    return arrived(portal, "2025", expected, folder)


def arrived(portal: Portal, year: str, expected, folder: Path | None = None) -> pa.Table:
    with tempfile.TemporaryDirectory() as ours:
        incoming = Path(ours) / "incoming.parquet"
        portal.fiscal_year(year, expected, incoming, folder or Path(ours))
        return pq.read_table(incoming)


def test_the_rows_arrive_in_order_as_text_exactly_as_published(served):
    table = year_2025(door(served))
    assert table.to_pylist() == served.rows
    assert set(table.schema.types) == {pa.string()}


def test_control_totals_are_the_portals_own_by_year_and_side(served):
    served.rows += [ROW | {"fiscal_year": "1999", "revenue_or_spending": "Revenue", "amount": "-10242888.26"}]
    assert door(served, page_size=1).control_totals() == {
        ("2025", "Spending"): ControlTotal(7, Decimal("22.75")),
        ("1999", "Revenue"): ControlTotal(1, Decimal("-10242888.26")),
    }


def test_metadata_tells_when_it_was_published_and_the_type_of_each_column(served):
    found = door(served).metadata()
    assert found.rows_updated_at == 1_790_000_000
    assert found.columns["amount"] == "number"
    assert tuple(found.columns) == PUBLISHED_NAMES


def test_codes_that_look_like_numbers_or_nulls_stay_text(served):
    served.rows = rows(2, program_code="NA", object_code="00310", fund_code="NULL", sub_object_code="1e5")
    row = year_2025(door(served)).to_pylist()[1]
    assert [row["program_code"], row["object_code"], row["fund_code"], row["sub_object_code"]] == [
        *("NA", "00310", "NULL", "1e5")
    ]


def test_a_null_and_an_empty_text_are_told_apart(served):
    served.rows = [ROW | {"department": None, "fund": ""}, ROW | {"department": "", "fund": None}]
    table = year_2025(door(served))
    assert table["department"].to_pylist() == [None, ""]
    assert table["fund"].to_pylist() == ["", None]


def test_a_column_of_nulls_alone_is_text(served):
    served.rows = rows(3, fund_category=None)
    assert year_2025(door(served)).schema.field("fund_category").type == pa.string()


def test_quotes_commas_newlines_and_foreign_letters_survive(served):
    served.rows = rows(6, program='He said "no",\r\nthen\nleft', department="Pe\u00f1a \u2014 \U0001f309")
    assert year_2025(door(served)).to_pylist() == served.rows


def test_a_year_that_the_portal_lacks_is_empty_with_every_column(served):
    table = arrived(door(served), "2003", {})
    assert table.num_rows == 0
    assert tuple(table.column_names) == PUBLISHED_NAMES


def test_pages_go_on_by_what_arrived_when_the_portal_caps_them(served):
    served.page_cap = 2
    assert year_2025(door(served)).num_rows == 7
    assert [query["$offset"] for query in served.pages_asked] == ["0", "2", "4", "6"]


def test_it_says_who_asks_and_takes_gzip(served):
    door(served).metadata()
    _, _, headers = served.asked[0]
    assert headers["User-Agent"].startswith("sf_transactions/")
    assert headers["Accept-Encoding"] == "gzip"
    assert "X-App-Token" not in headers


def test_the_app_token_is_sent_when_set(served):
    served.token = TOKEN
    assert year_2025(door(served, app_token=TOKEN)).num_rows == 7
    assert {headers["X-App-Token"] for _, _, headers in served.asked} == {TOKEN}


def test_a_portal_without_soda_3_is_asked_in_soda_2_and_the_reason_is_logged(served, caplog):
    served.token = TOKEN
    assert year_2025(door(served, app_token=TOKEN)).num_rows == 7
    (told,) = [record.message for record in caplog.records]
    assert told == "SODA 3 answers 404 (no such resource): going on in SODA 2"


def test_soda_3_alone_is_an_error_where_the_portal_has_none(served):
    served.token = TOKEN
    with pytest.raises(PortalError, match="answered 404"):
        door(served, app_token=TOKEN, api="soda3").control_totals()
    with pytest.raises(PortalError, match="set DATASF_APP_TOKEN, or DATASF_API=soda2"):
        door(served, api="soda3").control_totals()
    with pytest.raises(PortalError, match="DATASF_API is 'soap': write one of auto, soda2, soda3"):
        door(served, api="soap").control_totals()


@pytest.mark.parametrize(
    "fault",
    [
        *(script.cut, script.cut_gzip, script.cut_chunked, script.cut_unannounced, script.reset, script.damaged_gzip),
        *(script.status(500), script.status(502), script.status(503), script.status(504), script.status(202)),
        pytest.param(script.sends(b""), id="empty body"),
        pytest.param(script.sends(b'"fiscal_year","amount"\n"2025"\n'), id="too few values"),
        pytest.param(script.sends(b'"fiscal_year","fiscal_year"\n"2025","2025"\n'), id="a column twice"),
        pytest.param(script.sends(b'"program"\n"\xff\xfe"\n'), id="no UTF-8"),
        pytest.param(script.sends(b"<html>Please wait</html>\n"), id="a web page"),
    ],
)
def test_a_fault_that_passes_is_retried_and_logged_wherever_it_strikes(served, fault, caplog):
    honest = script.Handler.answer
    for request in range(3):  # the control totals, the first page, the second page
        with caplog.at_level(logging.WARNING, "sf_transactions.portal"):
            caplog.clear()
            served.faults = [lambda handler, body: honest(handler, 200, body)] * request + [fault]
            assert year_2025(door(served)).to_pylist() == served.rows
            assert caplog.records


def test_a_throttled_portal_is_asked_again_when_it_says(served):
    import time

    served.faults = [script.status(429, Retry_After="1")]
    begun = time.monotonic()
    assert door(served).metadata()
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (script.status(500, "database is down"), r"answered 500 \(database is down\) in each of 3 attempts"),
        (script.status(400, "query.soql: no such column"), r"answered 400 \(query.soql: no such column\)"),
        (script.cut, "the body was cut"),
        (script.reset, "Connection reset by peer"),
        (script.sends(b"<html>Hello</html>\n"), "none of the dataset's columns, but <html>Hello</html>"),
        (script.sends(b""), "cut or unreadable in each of 3 attempts"),
    ],
)
def test_a_fault_that_stays_ends_in_one_sentence_that_names_portal_and_year(served, fault, told):
    expected = {"Spending": ControlTotal(7, Decimal("22.75"))}
    served.faults = [fault] * 50
    with pytest.raises(PortalError, match=told) as error:
        arrived(door(served), "2025", expected)
    assert served.url in str(error.value)
    assert "fiscal year 2025" in str(error.value)
    assert "\n" not in str(error.value)
    assert "object at 0x" not in str(error.value)
    assert len(served.asked) in (1, 3)


def test_a_page_that_comes_short_once_is_fetched_again(served):
    short = script.csv_body(list(PUBLISHED_NAMES), served.rows[:3])
    totals = door(served).control_totals()
    served.faults = [script.sends(short), script.sends(script.csv_body(list(PUBLISHED_NAMES), []))]
    assert arrived(door(served), "2025", {"Spending": totals["2025", "Spending"]}).num_rows == 7


def test_rows_that_never_arrive_are_told_with_both_counts(served):
    served.every_page = lambda body: script.csv_body(list(PUBLISHED_NAMES), [])
    with pytest.raises(PortalError, match=r"no rows arrived, but the portal counts Spending 7 rows \$22\.75") as error:
        year_2025(door(served))
    assert len(served.pages_asked) == 3
    assert "run again" in str(error.value)


def test_an_amount_that_differs_from_the_portals_sum_is_noticed(served):
    served.every_page = lambda body: body.replace(b'"3.25"', b'"3.26"')
    with pytest.raises(PortalError, match=r"Spending 7 rows \$22\.76 arrived, .*Spending 7 rows \$22\.75"):
        year_2025(door(served))


def test_a_missing_column_is_named(served):
    served.columns.remove("fund_type")
    with pytest.raises(PortalError, match="missing column fund_type, and no other is new"):
        year_2025(door(served))


def test_a_renamed_column_is_named_with_its_new_name(served):
    served.columns[served.columns.index("related_govt_units")] = "related_gov_t_units"
    with pytest.raises(PortalError, match="missing column related_govt_units, new is column related_gov_t_units"):
        year_2025(door(served))


def test_a_new_column_is_kept_as_text(served):
    served.columns.append("ledger")
    served.rows = rows(7, ledger="01")
    assert year_2025(door(served))["ledger"].to_pylist() == ["01"] * 7


def test_the_order_of_columns_does_not_matter_even_between_pages(served):
    served.columns.reverse()
    turned = script.csv_body(list(PUBLISHED_NAMES), served.rows[:5])
    served.faults = [lambda handler, body: handler.answer(200, body), script.sends(turned)]
    assert year_2025(door(served)).to_pylist() == served.rows


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("amount", "1,234.56", "amount '1,234.56' is no number of dollars with at most two decimals"),
        ("amount", "1.005", "amount '1.005' is no number of dollars with at most two decimals"),
        ("amount", None, "amount null is no number of dollars with at most two decimals"),
        ("related_govt_units", "yes", "related_govt_units 'yes' is neither Yes nor No"),
        ("related_govt_units", None, "related_govt_units null is neither Yes nor No"),
        ("revenue_or_spending", "Transfer", "revenue_or_spending 'Transfer' is neither Revenue nor Spending"),
    ],
)
def test_a_row_of_unknown_form_is_set_apart_with_its_reason(served, tmp_path, column, value, reason):
    served.rows[5][column] = value
    portal = door(served)
    expected = {side: total for (_, side), total in portal.control_totals().items()}
    found = portal.fiscal_year("2025", expected, tmp_path / "incoming.parquet", tmp_path)
    assert found.totals == expected
    assert found.quarantined.to_pylist() == [{"reason": reason} | served.rows[5]]
    assert pq.read_table(tmp_path / "incoming.parquet").to_pylist() == served.rows[:5] + served.rows[6:]


def test_pages_that_arrived_are_not_asked_for_again(served, tmp_path):
    served.faults = [lambda handler, body: handler.answer(200, body)] * 2 + [script.status(500)] * 3
    with pytest.raises(PortalError):
        year_2025(door(served), tmp_path)  # the totals and the first page came
    served.asked.clear()
    assert year_2025(door(served), tmp_path).to_pylist() == served.rows
    assert [query["$offset"] for query in served.pages_asked] == ["5"]


def test_a_portal_that_drips_is_given_up_and_told(served):
    def drip(handler, body):
        import contextlib
        import time

        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        with contextlib.suppress(OSError):
            for number in range(200):
                handler.wfile.write(body[number : number + 1])
                time.sleep(0.01)
        handler.close_connection = True

    served.faults = [drip] * 2
    with pytest.raises(PortalError, match="the answer drips"):
        door(served, attempts=2, timeout_seconds=0.05).metadata()


def test_the_deadline_ends_the_asking(served):
    served.faults = [script.status(429, Retry_After="600")] * 9
    with pytest.raises(PortalError, match="not done within 30 s; the pages that arrived are kept"):
        door(served, deadline_seconds=30).metadata()


def test_both_dialects_give_the_same_bytes(tmp_path):
    served = StandIn(generate(300, years=range(2017, 2020))).start()
    (token,) = served.tokens
    files = []
    try:
        for api in ("soda2", "soda3"):
            portal = Portal(base_url=served.url, app_token=token, api=api, page_size=30)
            totals = portal.control_totals()
            signals = portal.signals()
            expected = {side: total for (year, side), total in totals.items() if year == "2018"}
            portal.fiscal_year("2018", expected, tmp_path / api, tmp_path / "spool")
            files.append((totals, signals, (tmp_path / api).read_bytes()))
        assert {path.split("?")[0] for method, path, _ in served.requests if method == "POST"} == {
            "/api/v3/views/bpnb-jwfb/query.csv"
        }
    finally:
        served.stop()
    assert files[0] == files[1]
    assert int(files[0][1]["2018"]["n_program"]) > 1


@pytest.mark.parametrize(("status", "attempts"), [(400, 1), (500, 2)], ids=["refused", "broken"])
def test_a_portal_that_counts_no_distinct_values_has_no_signals(served, status, attempts):
    served.faults = [script.status(status, "No such function")] * attempts
    assert door(served, attempts=attempts).signals()["2025"]["n_program"] == "7"
    served.faults = [script.status(status, "No such function")] * attempts * 2
    assert door(served, attempts=attempts).signals() is None


def test_a_portal_that_is_down_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortalError, match=f"{url} .*refused; check DATASF_BASE_URL"):
            Portal(base_url=url, attempts=2, backoff_seconds=0.001).metadata()


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://127.0.0.1:99999999"])
def test_what_is_no_address_is_named(url):
    with pytest.raises(PortalError, match="DATASF_BASE_URL"):
        Portal(base_url=url, attempts=2, backoff_seconds=0.001).metadata()


def test_a_portal_that_is_silent_is_given_up(served):
    import time

    served.faults = [lambda handler, body: time.sleep(1)] * 2
    with pytest.raises(PortalError, match="timed out"):
        door(served, attempts=2, timeout_seconds=0.2).metadata()


def test_a_web_page_in_the_place_of_the_metadata_is_told(served):
    served.faults = [script.sends(b"<html>Hello</html>\n")] * 3
    with pytest.raises(PortalError, match=r"metadata cut or unreadable .* Socrata portal"):
        door(served).metadata()


def test_a_dataset_without_any_row_is_refused(served):
    served.rows = []
    with pytest.raises(PortalError, match="no rows at all"):
        door(served).control_totals()


def test_a_refused_app_token_is_told_without_showing_it(served, caplog):
    served.token = "another"
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(PortalError, match="refused the app token in DATASF_APP_TOKEN") as error,
    ):
        door(served, app_token=TOKEN).metadata()
    assert TOKEN not in str(error.value)
    assert TOKEN not in caplog.text
    assert len(served.asked) == 1


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN}\u00e9", f"{TOKEN} x"])
def test_a_token_that_cannot_be_one_is_refused_without_showing_it(served, token):
    with pytest.raises(PortalError, match="DATASF_APP_TOKEN") as error:
        door(served, app_token=token).metadata()
    assert TOKEN not in str(error.value)
    assert not served.asked


def test_the_app_token_does_not_follow_a_redirect_to_another_host(served):
    with script.scripted_portal(*rows(2)) as elsewhere:
        moved = f"{elsewhere.url.replace('127.0.0.1', 'localhost')}{script.METADATA}"
        served.token = TOKEN
        served.faults = [script.status(301, Location=moved)]
        assert door(served, app_token=TOKEN).metadata()
        ((_, _, headers),) = elsewhere.asked
        assert "X-App-Token" not in headers
