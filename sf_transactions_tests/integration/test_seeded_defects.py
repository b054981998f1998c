"""Defects seeded into a copy of the sample: each is caught by the check that names it."""

import contextlib
import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sf_transactions.assets import codes
from sf_transactions.local.portal import Portal
from sf_transactions.local.sample import generate
from sf_transactions.model import CODED_DIMENSIONS, code_column
from sf_transactions.transform import star
from sf_transactions.transform.keys import row_keys
from sf_transactions_tests.integration.pipeline import Pipeline, Run, pipeline
from sf_transactions_tests.rows import published

pytestmark = pytest.mark.full

YEARS = (2018, 2019)
WITHOUT_WAREHOUSE = "group:raw or group:codes or group:star"
SAMPLE = [row for row in generate(9_000).to_pylist() if row["fiscal_year"] in map(str, YEARS)]
LEVELS = [level for dimension in CODED_DIMENSIONS for level in dimension.levels]


@dataclass(frozen=True)
class Defect:
    """Changes some rows of the sample; `check` fails by it, and tells the words. An error `stops` the run."""

    name: str
    seed: Callable[[list[dict]], None]
    check: str
    words: tuple[str, ...]
    stops: bool = False


def change(count: int, where: Callable[[dict], bool], **values) -> Callable[[list[dict]], None]:
    """Sets values (or what a function makes of the row) in the first `count` rows for which `where` holds."""

    def seed(rows: list[dict]) -> None:
        hits = [row for row in rows if where(row)][:count]
        assert hits, "the sample has no such row"
        for row in hits:
            row.update({name: value(row) if callable(value) else value for name, value in values.items()})

    return seed


def second_code(level: str) -> Defect:
    """A second code for a name that has one."""
    published: dict[tuple, set] = {}
    dimension = next(each for each in CODED_DIMENSIONS if level in each.levels)
    path = (*dimension.parents(level), level)
    for row in SAMPLE:
        published.setdefault(tuple(row[name] for name in path), set()).add(row[code_column(level)])
    names = next(names for names, found in published.items() if len(found) == 1 and None not in names)
    where = {column: name for column, name in zip(path, names, strict=True)}
    seed = change(1, lambda row: all(row[at] == name for at, name in where.items()), **{code_column(level): "ZZ9"})
    return Defect(f"second code of a {level}", seed, "codes/profile:several_codes", (level, names[-1], "ZZ9"))


def any_row(row: dict) -> bool:
    return True


def swapped(row: dict) -> None:
    row["program"], row["program_code"] = row["program_code"], row["program"]


DEFECTS = [
    *map(second_code, LEVELS),
    Defect(
        "unknown null pattern", change(2, any_row, fund_type=None), "codes/profile:known_nulls", ("null in fund_type",)
    ),
    Defect(
        "casing of a name",
        change(3, lambda row: row["program"] == "Operating", program="OPERATING"),
        "codes/profile:near_twins",
        ("program", "OPERATING"),
    ),
    Defect(
        "a fifth spelling of related units",
        change(1, any_row, related_govt_units="yes"),
        "raw/transactions:known_form",
        ("related_govt_units 'yes'",),
        stops=True,
    ),
    Defect(
        "an unknown side", change(1, any_row, revenue_or_spending="Sideways"), "raw/transactions:known_form",
        ("revenue_or_spending 'Sideways'",), stops=True,
    ),
    Defect(
        "an unknown fiscal year", change(1, any_row, fiscal_year="2051"), "raw/transactions:known_fiscal_years",
        ("2051",), stops=True,
    ),
    Defect(
        "a lost zero",
        change(3, lambda row: row["organization_group_code"] == "02", organization_group_code="2"),
        "codes/profile:lost_zeros",
        ("organization_group", "code 2"),
    ),
    Defect(
        "a float code",
        change(3, lambda row: row["fund_category_code"] == "0", fund_category_code="0.0"),
        "codes/profile:float_codes",
        ("fund_category", "code 0.0"),
    ),
    Defect(
        "swapped columns",
        lambda rows: [swapped(row) for row in [row for row in rows if row["program"] == "Operating"][:4]],
        "codes/profile:swapped_columns",
        ("program", "name OPR", "code Operating"),
    ),
    Defect(
        "spaces around a name",
        change(2, any_row, department=lambda row: f" {row['department']}"),
        "codes/profile:stray_spaces",
        ("department",),
    ),
    Defect(
        "mojibake",
        change(2, lambda row: "Café" in (row["program"] or ""), program=lambda row: row["program"].replace("é", "Ã©")),
        "codes/profile:encoding",
        ("program", "CafÃ©"),
    ),
    Defect(
        "a text that does not fit", change(1, any_row, program="p" * 301), "codes/program:schema",
        ("column program", "longer than 300 bytes"), stops=True,
    ),
    Defect(
        "rows that are gone",
        lambda rows: rows.__delitem__(slice(0, len(rows) // 2)),
        "codes/profile:members_vanished",
        ("dimension",),
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A home in which the sample was loaded, and a copy of the profile of that load."""
    with pipeline(tmp_path_factory.mktemp("defects") / "home") as started, serving(SAMPLE) as url:
        run = started.run(url, *YEARS)
        assert run.success, run.errors
        failed = [name for name, passed in run.checks.items() if not passed]
        assert failed == []
        shutil.copy(profile(started), profile(started).with_suffix(".good"))
        yield started


@contextlib.contextmanager
def serving(rows: list[dict]):
    """The address of a portal of these rows."""
    portal = Portal(published(*rows)).start()
    try:
        yield portal.url
    finally:
        portal.stop()


def profile(of: Pipeline):
    return of.settings.home / "codes" / "profile.json"


def seeded(good: Pipeline, defect: Defect) -> Run:
    rows = [dict(row) for row in SAMPLE]
    defect.seed(rows)
    shutil.copy(profile(good).with_suffix(".good"), profile(good))
    with serving(rows) as url:
        return good.run(url, *YEARS, select=WITHOUT_WAREHOUSE)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_seeded_defect_is_caught_by_the_check_that_names_it(good, defect):
    run = seeded(good, defect)
    assert run.checks[defect.check] is False
    told = run.told
    for word in defect.words:
        assert word in told, word
    assert "Traceback" not in "".join(run.errors)
    if defect.stops:
        (error,) = run.errors
        assert not run.success and defect.check.split(":")[1] in error
        assert "star/transaction" not in run.materialized
    else:
        assert run.success, run.errors
        blocking = {name: passed for name, passed in run.checks.items() if not name.startswith("codes/profile")}
        assert all(blocking.values()), blocking


def test_an_override_that_is_stale_or_contradicts_another_is_told_by_its_line(good, tmp_path, monkeypatch):
    overrides = tmp_path / "overrides.csv"
    monkeypatch.setattr(codes, "OVERRIDES", overrides)
    line = "fund,General Fund,Nowhere,{},because,someone,2026-11-25\n"
    overrides.write_text("pair,parents,name,code,reason,who,when\n" + line.format("1"))
    with serving(SAMPLE) as url:
        run = good.run(url, *YEARS, select=WITHOUT_WAREHOUSE)
        assert run.checks["codes/fund:overrides"] is False  # a warning, as long as years are missing
        assert "line 2, problem no fund 'Nowhere' is published" in run.told
        assert run.shares["codes/fund:overrides"] == 1  # of the lines of the file
        assert run.success, run.errors
        overrides.write_text(overrides.read_text() + line.format("2"))
        run = good.run(url, *YEARS, select=WITHOUT_WAREHOUSE)
    assert not run.success
    assert any("overrides.csv, line 3, problem contradicts line 2" in error for error in run.errors)


def test_an_id_that_dangles_stops_before_the_fact_is_made(good):
    with serving(SAMPLE) as url:
        assert good.run(url, *YEARS, select=WITHOUT_WAREHOUSE).success
        part = good.settings.home / "star" / "program" / "part-000.csv.gz"
        lines = gzip.decompress(part.read_bytes()).splitlines(keepends=True)
        part.write_bytes(gzip.compress(b"".join(lines[:1] + lines[6:])))
        shutil.rmtree(good.settings.home / "star" / "transaction")
        made_together = ("transaction", "transaction_published", "published_codes")
        run = good.run(url, *YEARS, select=" or ".join(f'key:"star/{name}"' for name in made_together))
    assert run.checks["star/transaction:dimensions_found"] is False
    assert "program_id" in "".join(run.errors)


def test_ids_that_two_fiscal_years_share_stop_the_run_before_any_file_is_put_in_place(good, monkeypatch):
    row, other = SAMPLE[0], str(sum(YEARS) - int(SAMPLE[0]["fiscal_year"]))
    parts = good.settings.home / "star" / "transaction"
    shutil.rmtree(parts)
    with serving([*SAMPLE, row | {"fiscal_year": other}]) as url:
        # No two rows are known whose ids are the same; without the fiscal year, those of equal rows are.
        monkeypatch.setattr(star, "row_keys", lambda columns: row_keys([0 * columns[0], *columns[1:]]))
        run = good.run(url, *YEARS, select=WITHOUT_WAREHOUSE)
    assert not run.success
    assert run.checks["star/transaction:unique_ids"] is False
    assert any("star/transaction, check unique_ids: 1 row fails" in error for error in run.errors), run.errors
    assert not [path for path in parts.rglob("*") if path.is_file()]


def test_ids_that_are_there_twice_are_all_counted_and_told_before_anything_is_committed(good):
    with serving(SAMPLE) as url:
        assert good.run(url, *YEARS, select=WITHOUT_WAREHOUSE).success
        before = good.state()
        part = good.settings.home / "star" / "program" / "part-000.csv.gz"
        lines = gzip.decompress(part.read_bytes()).splitlines(keepends=True)
        part.write_bytes(gzip.compress(b"".join([*lines, *lines[1:26]])))
        run = good.run(url, *YEARS, select="group:s3 or group:redshift")
    assert run.checks["redshift/program:unique_ids"] is False
    assert any("redshift/program, check unique_ids: 25 rows fail, first: program_id" in error for error in run.errors)
    assert not run.success
    assert good.state() == before
