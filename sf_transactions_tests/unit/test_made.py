import hashlib
import os
import time

import pandas as pd
import pytest

from sf_transactions.resources import made
from sf_transactions.resources.home import HomeError


def test_a_file_stands_as_long_as_it_and_its_makings_are_the_same(tmp_path):
    file = tmp_path / "part.csv"
    of = made.makings("raw rows of 2025")
    assert not made.stands(file, of)
    file.write_text("1,2")
    assert not made.stands(file, of)
    made.note(file, of, rows=1)
    assert made.stands(file, of)
    assert made.facts(file, "star/*")["rows"] == 1
    assert not made.stands(file, made.makings("other rows of 2025"))
    file.write_text("1,3")
    assert not made.stands(file, of)


def test_a_file_is_read_again_only_when_it_is_another_or_was_written_to(tmp_path, monkeypatch):
    read = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, name: read.append(1) or digest(file, name))
    monkeypatch.setattr(made, "SETTLED", -1)
    file, other = tmp_path / "part.csv", tmp_path / "incoming"
    file.write_text("1,2")
    first = made.sha256(file)
    assert made.sha256(file) == first and len(read) == 1
    stamps = file.stat()
    time.sleep(0.05)  # the clock that stamps files goes by ticks
    file.write_text("1,3")
    os.utime(file, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    assert made.sha256(file) != first and len(read) == 2
    other.write_text("1,2")
    other.replace(file)
    assert made.sha256(file) == first and len(read) == 3


def test_a_file_that_was_just_written_is_read_every_time(tmp_path):
    file = tmp_path / "part.csv"
    hashes = set()
    for number in range(50):
        file.write_text(f"{number:02}")
        hashes.add(made.sha256(file))
    assert len(hashes) == 50


def test_a_note_that_is_cut_short_makes_no_file_stand(tmp_path):
    file = tmp_path / "part.csv"
    file.write_text("1,2")
    made.note(file, "of")
    (tmp_path / "part.csv.json").write_text('{"made_from": "of"')
    assert not made.stands(file, "of")


def test_rows_have_another_hash_when_a_value_or_their_order_is_another():
    rows = pd.DataFrame({"fiscal_year": [2024, 2025], "code": ["001", "1"], "revenue": [10, 10]})
    others = [rows.iloc[::-1], rows.head(1), rows.assign(code="1"), rows.assign(revenue=[10, 11])]
    hashes = {made.rows_sha256(frame) for frame in (rows, *others)}
    assert len(hashes) == 1 + len(others)
    assert made.rows_sha256(rows.copy().set_axis([7, 8])) == made.rows_sha256(rows)


def test_what_is_made_depends_on_the_code_that_makes_it(monkeypatch):
    before = made.makings("rows")
    monkeypatch.setattr(made, "_code", lambda: "newer code")
    assert made.makings("rows") != before


def test_a_file_that_is_not_there_names_the_asset_that_makes_it(tmp_path):
    with pytest.raises(HomeError, match="materialize star/transaction"):
        made.facts(tmp_path / "part.csv", "star/transaction")
