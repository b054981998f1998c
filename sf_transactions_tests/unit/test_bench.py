"""What the benchmark compares does the same work."""

import importlib

import pyarrow.csv
import pytest

from bench import works
from bench.answer import answer
from sf_transactions.local.sample import generate


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("csv")
    table = generate(3_000)
    for year in sorted(set(table["fiscal_year"].to_pylist())):
        of_year = table.filter(pyarrow.compute.equal(table["fiscal_year"], year))
        pyarrow.csv.write_csv(of_year, folder / f"{year}.csv")
    return folder


@pytest.mark.parametrize("library", ["duckdb", "pandas", "polars"])
def test_other_libraries_give_the_same_star(published, tmp_path, library):
    if not importlib.util.find_spec(library):
        pytest.skip(f"{library} is installed by `make bench` alone")
    works.transform(str(published), str(tmp_path / "ours"))()
    works.other_way(library, str(published), str(tmp_path / library))()
    assert answer(tmp_path / library) == answer(tmp_path / "ours")
    assert answer(tmp_path / "ours")[:2] == (3_000, 3_000)
