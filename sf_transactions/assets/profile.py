"""codes/profile: what the load looks like beside the one before and beside the portal's own profile, and what was found
in the input."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions import checks
from sf_transactions.assets.codes import codes_key, read_raw
from sf_transactions.automation import BY_FISCAL_YEAR, FISCAL_YEARS
from sf_transactions.model import AMOUNT, CODED_DIMENSIONS
from sf_transactions.once import once
from sf_transactions.resources import made
from sf_transactions.resources.home import Home, read_json, write_json
from sf_transactions.transform import findings, profile
from sf_transactions.transform.amounts import cents

if TYPE_CHECKING:
    import pandas as pd

PROFILE = dg.AssetKey(["codes", "profile"])
LOADS = {
    "jumps": f"No year's rows or dollars, no column's nulls or distinct values moved by over {profile.PERCENT} % "
    "since the last load.",
    "members_vanished": f"No dimension lost more than {profile.PERCENT} % of its members since the last load.",
    "members_appeared": f"No dimension gained more than {profile.PERCENT} % members since the last load.",
    "published_profile": "Rows, nulls and the smallest and largest amount are those of the portal's own profile.",
    "published_names": "Each fiscal year has as many distinct names and codes as the portal counts itself.",
    "known_nulls": "Columns are null together as they are known to be.",
}
FINDINGS = findings.DEFECTS | findings.PECULIARITIES


@dg.asset(
    key=PROFILE,
    deps=[codes_key(dimension) for dimension in CODED_DIMENSIONS],
    group_name="codes",
    kinds={"pandas", "json"},
    owners=["team:data-engineering"],
    check_specs=checks.specs(PROFILE, LOADS | {name: told for name, (_, told) in FINDINGS.items()}, blocking=False),
    **BY_FISCAL_YEAR,
)
def codes_profile(context: dg.AssetExecutionContext, home: Home) -> Iterator:
    """The profile of all loaded fiscal years: rows and dollars of each, nulls, distinct values, smallest and largest of
    each column, members. It is compared with that of the load before, and with the one the portal publishes.

    What is found in the input warns and blocks nothing: the rules of the star hold whatever the input is like. The
    trend of each finding over the last runs is told with it. All of it is done on members, not on rows. While nothing
    that it is made from has changed, it is the same load, and what was found then is told again.
    """
    years = context.partition_keys
    read = [home.published_profile, *(home.codes(dimension.name, "evidence") for dimension in CODED_DIMENSIONS)]
    signals = {year: read_json(home.source(year), "raw/transactions")["signals"] for year in years}
    told = [*years, *FISCAL_YEARS.get_partition_keys(), json.dumps(signals)]
    of = made.makings(
        *told, *(made.sha256_of(file, "raw/transactions and codes/*") for file in read), *made.raw_sha256(home, years)
    )
    for each in once(home, PROFILE.to_user_string(), of, [home.profile], lambda: _profiled(home, years, signals)):
        if isinstance(each, dg.AssetCheckResult) and each.check_name:
            trend = checks.trend(context.instance, PROFILE, each.check_name)
            yield each._replace(metadata={**each.metadata, "trend": trend})
            continue
        of_years = read_json(home.profile, "codes/profile")["years"]
        for year in years:
            context.add_asset_metadata(of_years.get(year, {}), partition_key=year)
        yield each


def _profiled(
    home: Home, years: Sequence[str], signals: Mapping[str, Mapping[str, str] | None]
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Makes the profile and compares it."""
    import pandas as pd

    evidence = {dimension: pd.read_parquet(home.codes(dimension.name, "evidence")) for dimension in CODED_DIMENSIONS}
    pairs = findings.published_pairs(evidence)
    found = {name: find(pairs) for name, (find, _) in FINDINGS.items()}
    now = profile.profile(evidence) | {
        name: found[name][list(findings.NAME)].values.tolist() for name in findings.PECULIARITIES
    }
    before = read_json(home.profile, "codes/profile") if home.profile.exists() else None
    results = _compared(now, before) | {"known_nulls": (findings.unknown_nulls(evidence), len(evidence))}
    results["published_profile"] = _as_published(home, now, years)
    results["published_names"] = profile.distinct_as_published(evidence, signals)
    for name, frame in found.items():
        if name in findings.PECULIARITIES:
            frame = findings.appeared(frame, None if before is None else map(tuple, before[name]))
        results[name] = frame, len(pairs)
    for name, (failing, of) in results.items():
        counted = {"found": len(found[name])} if name in found else {}
        yield checks.result(PROFILE, name, failing, dg.AssetCheckSeverity.WARN, of=of, **counted)
    write_json(home.profile, now)
    yield dg.MaterializeResult(asset_key=PROFILE, metadata=_told(home, now, before))


def _compared(now: Mapping[str, Any], before: Mapping[str, Any] | None) -> "dict[str, tuple[pd.DataFrame | None, int]]":
    """What moved since the load before, of how much; nothing where there was none."""
    facts = 3 * len(now["years"]) + 2 * len(now["columns"])
    members = sum(map(len, now["members"].values()))
    if before is None:
        return {"jumps": (None, facts), "members_vanished": (None, members), "members_appeared": (None, members)}
    return {
        "jumps": (profile.jumps(now, before), facts),
        "members_vanished": (profile.many(profile.vanished(now, before), before), members),
        "members_appeared": (profile.many(profile.appeared(now, before), before), members),
    }


def _as_published(home: Home, now: Mapping[str, Any], years) -> "tuple[pd.DataFrame | None, int]":
    """The comparison with the portal's profile, which is of all fiscal years: nothing before all of them are here."""
    published = read_json(home.published_profile, "raw/transactions")
    if not set(FISCAL_YEARS.get_partition_keys()).issubset(years):
        return None, 0
    whole = [cents(read_raw(home, year, [AMOUNT.name])[AMOUNT.name]) for year in years]
    extremes = [(int(amounts.min()), int(amounts.max())) for amounts in whole if len(amounts)]
    spread = (min(least for least, _ in extremes), max(most for _, most in extremes)) if extremes else None
    return profile.against_published(now, published, spread), 2 * len(published)


def _told(home: Home, now: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
    import pandas as pd

    columns = pd.DataFrame(now["columns"]).T.rename_axis("column").reset_index()
    told = {
        "dagster/row_count": len(columns),
        "columns": checks.frame_preview(columns),
        "path": dg.MetadataValue.path(str(home.profile)),
    }
    if before is not None:
        for name, missing in (("appeared", profile.appeared(now, before)), ("vanished", profile.vanished(now, before))):
            told |= {f"members_{name}": len(missing), name: checks.frame_preview(missing.head(checks.SAMPLE))}
    return told


assets = [codes_profile]
