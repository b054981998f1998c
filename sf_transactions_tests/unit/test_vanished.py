import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from sf_transactions import schemas
from sf_transactions.model import FUND
from sf_transactions.transform.keys import surrogate_keys
from sf_transactions.transform.vanished import with_vanished

NAMES = list(FUND.levels)
few = st.sampled_from(["a", "b", "c"])
PATHS = st.sets(st.tuples(few, few, few), min_size=1, max_size=12)


def funds(paths, generation: str) -> pd.DataFrame:
    """A dimension whose codes tell the generation in which its names were last published."""
    frame = pd.DataFrame(sorted(paths), columns=NAMES)
    for level in NAMES:
        parents = [*FUND.parents(level), level]
        frame[f"{level}_code"] = frame[parents].agg("/".join, axis=1) + generation
    frame[FUND.id_column] = surrogate_keys(FUND.name, frame[NAMES].itertuples(index=False, name=None))
    return frame[list(FUND.table.column_names)]


@given(st.lists(PATHS, min_size=2, max_size=5))
def test_members_that_vanish_stay_and_within_its_parents_a_name_carries_one_code(generations):
    standing = funds(generations[0], "@0")
    for number, paths in enumerate(generations[1:], start=1):
        standing = with_vanished(funds(paths, f"@{number}"), standing, FUND)
        assert schemas.failures(standing, schemas.one_code_schema(FUND)) is None
        assert standing[FUND.id_column].is_unique
    assert set(standing[NAMES].itertuples(index=False, name=None)) == set.union(*generations)
    assert standing.equals(with_vanished(funds(generations[-1], f"@{len(generations) - 1}"), standing, FUND))


def test_a_vanished_member_of_a_department_that_is_renumbered_takes_the_new_number():
    before = funds([("enterprise", "water", "grants"), ("enterprise", "water", "operating")], "@old")
    after = with_vanished(funds([("enterprise", "water", "operating")], "@new"), before, FUND)
    assert after["fund_code"].tolist() == ["enterprise/water@new"] * 2
    assert after["fund_category_code"].tolist() == ["enterprise/water/grants@old", "enterprise/water/operating@new"]
