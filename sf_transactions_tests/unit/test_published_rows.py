"""Whatever is published, the star says the same in other words: properties over random rows."""

import random as randoms
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sf_transactions.local.sample import generate
from sf_transactions.model import (
    CODE_CROSSWALK,
    CODE_MAPPING,
    CODED_DIMENSIONS,
    DIMENSIONS,
    FINANCE,
    MEMBER,
    code_column,
    name_path,
    no_member,
)
from sf_transactions.resources.parts import write_part
from sf_transactions.transform.amounts import cents_by_side
from sf_transactions.transform.codes import code_mapping, dimension_table, evidence, mapping
from sf_transactions.transform.conformed import members_seen
from sf_transactions.transform.crosswalk import crosswalk
from sf_transactions.transform.members import members
from sf_transactions.transform.star import facts, finance_table
from sf_transactions_tests.rows import published

NAMES = st.sampled_from(["A", "a", "A ", "B > C", "É", '"', ",", None])
CODES = st.sampled_from(["1", "01", "0", "NA", "1G", "", None])
LEVELS = [level for dimension in CODED_DIMENSIONS for level in dimension.levels]
ROW = st.fixed_dictionaries(
    {
        "fiscal_year": st.sampled_from(["2016", "2017", "2018"]),
        "related_govt_units": st.sampled_from(["No", "NO", "Yes", "YES"]),
        "revenue_or_spending": st.sampled_from(["Revenue", "Spending"]),
        "amount": st.decimals(-(10**9), 10**9, places=2).map(str),
    }
    | dict.fromkeys(LEVELS, NAMES)
    | {code_column(level): CODES for level in LEVELS}
)


def made(rows: list[dict], about_codes: bool = False) -> dict[str, pd.DataFrame]:
    """The star that is made of these published rows and its mapping; and the other tables `about_codes`."""
    years = {year: published(*(row for row in rows if row["fiscal_year"] == year)) for year in ("2016", "2017", "2018")}
    found = {
        dimension: pd.concat(
            [evidence(members(table, dimension), cents_by_side(table), int(year)) for year, table in years.items()],
            ignore_index=True,
        )
        for dimension in CODED_DIMENSIONS
    }
    mapped = {dimension: mapping(frame, dimension) for dimension, frame in found.items()}
    parts = [facts(table, int(year)) for year, table in years.items()]
    tables = {dimension.name: dimension_table(found[dimension], mapped[dimension], dimension) for dimension in found}
    for name in ("transaction", "transaction_published", "published_codes"):
        tables[name] = pd.concat([getattr(part, name) for part in parts], ignore_index=True)
    tables |= {FINANCE.name: finance_table(), CODE_MAPPING.name: code_mapping(mapped)}
    if not about_codes:
        return tables
    return tables | {
        CODE_CROSSWALK.name: crosswalk(found),
        MEMBER.name: pd.concat([members_seen(frame, dimension) for dimension, frame in found.items()]),
    }


def named(row: dict, level: str) -> str:
    return no_member(level) if row[level] is None else row[level]


def says_the_same(rows: list[dict]) -> None:
    tables = made(rows)
    star = tables["transaction"]
    for dimension in DIMENSIONS:
        star = star.merge(tables[dimension.name], on=dimension.id_column, how="left", validate="many_to_one")
    columns = ["fiscal_year", *LEVELS, "revenue_or_spending"]
    told = Counter((*key, Decimal(int(cents)).scaleb(-2)) for *key, cents in star[[*columns, "amount"]].values.tolist())
    assert told == Counter(
        (
            int(row["fiscal_year"]),
            *(named(row, level) for level in LEVELS),
            row["revenue_or_spending"],
            Decimal(row["amount"]),
        )
        for row in rows
    )
    codes = tables[CODE_MAPPING.name]
    assert not codes.duplicated(["pair", "parents", "name", "code"]).any()
    for dimension in CODED_DIMENSIONS:
        for level in dimension.levels:
            expected = Counter(
                (
                    name_path(named(row, parent) for parent in dimension.parents(level)),
                    named(row, level),
                    no_member(code_column(level)) if row[code_column(level)] is None else row[code_column(level)],
                )
                for row in rows
            )
            ours = codes[codes["pair"] == level].set_index(["parents", "name", "code"])["row_count"]
            assert ours.to_dict() == expected
            one = tables[dimension.name].groupby([*dimension.parents(level), level])[code_column(level)].nunique()
            assert (one == 1).all()


def is_idempotent(rows: list[dict]) -> None:
    tables = made(rows)
    keys = {dimension: tables[dimension.name].set_index(list(dimension.key)) for dimension in CODED_DIMENSIONS}

    def recoded(row: dict) -> dict:
        row = row | {level: named(row, level) for level in LEVELS}
        row["related_govt_units"] = row["related_govt_units"].title()
        for dimension, frame in keys.items():
            kept = frame.loc[tuple(row[name] for name in dimension.key)]
            row |= {code: kept[code] for code in dimension.codes}
        return row

    again = made([recoded(row) for row in rows])
    for name in (*(dimension.name for dimension in DIMENSIONS), "transaction"):
        pd.testing.assert_frame_equal(again[name], tables[name])
    assert set(again[CODE_MAPPING.name]["reason"]) == {"only"}


ROWS = st.lists(ROW, min_size=1, max_size=25)


@settings(max_examples=8)
@given(ROWS)
def test_no_name_no_amount_and_no_row_is_changed_and_every_code_stays(rows):
    says_the_same(rows)


@settings(max_examples=5)
@given(ROWS)
def test_rows_that_carry_the_kept_codes_already_keep_them(rows):
    is_idempotent(rows)


@pytest.mark.full
@settings(max_examples=60)
@given(ROWS)
def test_both_hold_for_many_more_rows(rows):
    says_the_same(rows)
    is_idempotent(rows)


def parts(tables: dict[str, pd.DataFrame], folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    for name, frame in tables.items():
        write_part(folder / name, frame)
    return {name: (folder / name).read_bytes() for name in tables}


def test_rows_in_another_order_give_the_same_bytes(tmp_path):
    rows = [row for row in generate(4_000).to_pylist() if row["fiscal_year"] in ("2016", "2017", "2018")]
    shuffled = randoms.Random(1).sample(rows, len(rows))
    assert parts(made(shuffled, about_codes=True), tmp_path / "1") == parts(made(rows, True), tmp_path / "2")
