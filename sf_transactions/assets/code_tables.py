"""codes/{code_mapping,code_crosswalk,member}: what is known about codes and names, as tables of the warehouse."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg

from sf_transactions import checks, schemas
from sf_transactions.assets.codes import codes_key
from sf_transactions.automation import BY_FISCAL_YEAR
from sf_transactions.model import CODE_CROSSWALK, CODE_MAPPING, CODED_DIMENSIONS, FINANCE, MEMBER, Dimension, Table
from sf_transactions.once import once
from sf_transactions.resources import loaded, made
from sf_transactions.resources.home import Home, replacing
from sf_transactions.resources.parts import write_part
from sf_transactions.resources.warehouse import Warehouse
from sf_transactions.transform.codes import code_mapping
from sf_transactions.transform.conformed import AS_PUBLISHED, members_seen
from sf_transactions.transform.crosswalk import coverage, crosswalk, not_matched
from sf_transactions.transform.star import sides_seen
from sf_transactions.transform.vanished import not_in

if TYPE_CHECKING:
    import pandas as pd


def _reasons(frame: "pd.DataFrame") -> dict[str, int]:
    """How many names keep their code for which reason."""
    names = frame.drop_duplicates(["pair", "parents", "name"])
    return {str(reason): int(count) for reason, count in names["reason"].value_counts().items()}


def _shown(told: "dict[str, Any]") -> "dict[str, Any]":
    """What is told of a table, lists of rows as tables."""
    import pandas as pd

    return {
        name: checks.frame_preview(pd.DataFrame(value)) if isinstance(value, list) else value
        for name, value in told.items()
    }


def _members(frames: "dict[Dimension, pd.DataFrame]") -> "pd.DataFrame":
    import pandas as pd

    every = frames | {FINANCE: sides_seen(frames[CODED_DIMENSIONS[0]])}
    return pd.concat([members_seen(frame, dimension) for dimension, frame in every.items()], ignore_index=True)


def _table_asset(
    table: Table,
    source: str,
    make: "Callable[[dict[Dimension, pd.DataFrame]], pd.DataFrame]",
    tell: "Callable[[pd.DataFrame], dict]",
    description: str,
) -> dg.AssetsDefinition:
    """An asset that makes a table from the codes of all dimensions, `source` being the file of each."""
    key = codes_key(table)

    @dg.asset(
        key=key,
        deps=[codes_key(dimension) for dimension in CODED_DIMENSIONS],
        group_name="codes",
        kinds={"pandas", "pandera", "csv"},
        owners=["team:data-engineering"],
        metadata={"dagster/column_schema": checks.column_schema(table)},
        description=f"{table.description}.\n\n{description}",
        check_specs=checks.specs(key, {"schema": "Columns, types, no nulls, texts that fit, unique keys."}),
        **BY_FISCAL_YEAR,
    )
    def code_table(context: dg.AssetExecutionContext, home: Home, warehouse: Warehouse) -> Iterator:
        sources = {dimension: home.codes(dimension.name, source) for dimension in CODED_DIMENSIONS}
        # Where rows are replaced by key, those that nothing is known of any more stay.
        beside = loaded.sha256_held(warehouse, home, table) if table.replaces == "keys" else ""
        of = made.makings(*(made.sha256_of(path, "codes/*") for path in sources.values()))
        file = home.star(table.name)

        def anew() -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
            import pandas as pd

            frame = make({dimension: pd.read_parquet(path) for dimension, path in sources.items()})
            if beside:
                frame = pd.concat([frame, not_in(frame, loaded.rows_of(warehouse, table), table)], ignore_index=True)
            failures = schemas.failures(frame, schemas.table_schema(table))
            yield from checks.settle(checks.result(key, "schema", failures, of=len(frame)))
            with replacing(file) as incoming:
                write_part(incoming, frame)
            told = tell(frame)
            made.note(file, of, told=told)
            path = dg.MetadataValue.path(str(file))
            yield dg.MaterializeResult(
                asset_key=key, metadata={"dagster/row_count": len(frame), "path": path, **_shown(told)}
            )

        yield from once(home, key.to_user_string(), of, [file], anew, beside)

    return code_table


TABLES = {
    CODE_MAPPING: _table_asset(
        CODE_MAPPING,
        "mapping",
        code_mapping,
        lambda frame: {"names_by_reason": _reasons(frame)},
        "Why a name keeps its code: `only`: no other was published. `latest`: no other in the latest fiscal year of "
        "the name. `more_rows`: others in that year had fewer rows. `tie`: others had as many, and this is the "
        "smallest text. `override`: a person decided, in `overrides.csv`.",
    ),
    CODE_CROSSWALK: _table_asset(
        CODE_CROSSWALK,
        "evidence",
        crosswalk,
        lambda frame: {
            "coverage": coverage(frame).to_dict("records"),
            "not_matched": not_matched(frame).to_dict("records"),
        },
        "With it a series by code can be drawn across the change of the chart of accounts. A code is matched by what "
        "it shares with another: the code itself, names, members below it and their dollars, a similar label. Where "
        "no other is clear, none is taken: such codes are listed with an empty new code.",
    ),
    MEMBER: _table_asset(
        MEMBER,
        "evidence",
        _members,
        lambda frame: {"members_under_another_label": int((frame["rule"] != AS_PUBLISHED).sum())},
        'Near-twins such as "Charges For Services" and "Charges for Services" stay members of their own, as published; '
        "the conformed labels group them, so that a report can use either.",
    ),
}
assets = [*TABLES.values()]
