from html.parser import HTMLParser

from sf_transactions.dashboard.quality import Checked, build

PASSED = Checked("star/fund", "schema", "Columns.", True, "passed", "0 of 5 fail", [], [("2026-11-25 02:00", "0")])
FAILED = Checked(
    "star/type", "many_to_one", "One code.", True, "failed", "2 of 5 fail", [{"row": "1", "value": "<b>513</b>"}],
    [("2026-11-25 02:00", "2"), ("2026-11-18 02:00", "0")],
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


def test_nothing_to_show_is_a_page_too():
    assert "What must hold" in " ".join(read(build([], "", "", "", {"Empty": []})).text)
