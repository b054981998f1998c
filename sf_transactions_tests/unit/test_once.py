from collections.abc import Iterator

import dagster as dg
import pytest

from sf_transactions import once as module
from sf_transactions.once import once
from sf_transactions.resources import made
from sf_transactions.resources.home import Home

KEY = dg.AssetKey(["star", "type"])
TABLE = dg.MetadataValue.table([dg.TableRecord({"name": "Taxes"})], dg.TableSchema([dg.TableColumn("name")]))


class Step:
    """A step that writes the file `type` with what it is given, and counts how often it has."""

    def __init__(self, folder) -> None:
        self.home, self.file, self.made = Home(path=str(folder)), folder / "type", 0

    def tell(self, of: str = "codes", content: str = "1,Taxes", beside: str = "") -> list:
        def make() -> Iterator:
            self.made += 1
            yield dg.AssetCheckResult(
                asset_key=KEY,
                check_name="schema",
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description="1 row fails",
                metadata={"failing_rows": 1, "failing_share": 0.5, "sample": TABLE},
            )
            self.file.write_text(content)
            yield dg.MaterializeResult(asset_key=KEY, metadata={"dagster/row_count": 1, "preview": TABLE})

        return list(once(self.home, "star/type", made.makings(of), [self.file], make, beside))


@pytest.fixture
def step(tmp_path) -> Step:
    return Step(tmp_path)


def test_what_was_told_is_told_again_while_the_file_and_its_makings_are_the_same(step):
    check, _ = step.tell()
    check_again, materialized_again = step.tell()
    assert step.made == 1
    assert check_again == check
    assert materialized_again.asset_key == KEY
    assert materialized_again.metadata["dagster/row_count"] == dg.MetadataValue.int(1)
    assert materialized_again.metadata["preview"] == TABLE


@pytest.mark.parametrize("change", ["makings", "file", "no file", "note cut short", "code"])
def test_it_is_made_again_when_anything_has_changed(step, change, monkeypatch):
    step.tell()
    if change == "file":
        step.file.write_text("1,Texas")
    if change == "no file":
        step.file.unlink()
    if change == "note cut short":
        note = step.home.told("star/type")
        note.write_text(note.read_text()[:-9])
    if change == "code":
        monkeypatch.setattr(module, "_code", lambda: "newer code")
    step.tell(of="other codes" if change == "makings" else "codes")
    assert step.made == 2
    assert step.file.read_text() == "1,Taxes"


def test_rows_of_the_warehouse_that_are_the_file_itself_change_nothing(step):
    step.tell(beside="what was loaded before")
    step.tell(beside="what was loaded before")
    step.tell(beside=made.sha256(step.file))
    assert step.made == 1
    step.tell(beside="rows that another load brought")
    assert step.made == 2


def test_a_step_that_failed_is_made_again(step):
    def fails() -> Iterator:
        yield dg.AssetCheckResult(asset_key=KEY, check_name="schema", passed=False)
        raise RuntimeError("check schema failed")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            list(once(step.home, "star/type", made.makings("codes"), [], fails))
    step.tell()
    assert step.made == 1
