"""Dagster alone: as many assets and partitions as the product has, which do nothing. `-m bench.empty` finds `defs`."""

import dagster as dg

from sf_transactions import definitions
from sf_transactions.automation import BY_FISCAL_YEAR


def _empty(key: dg.AssetKey, deps) -> dg.AssetsDefinition:
    @dg.asset(key=key, deps=deps, **BY_FISCAL_YEAR)
    def nothing() -> None:
        pass

    return nothing


_graph = definitions.defs.resolve_asset_graph()
defs = dg.Definitions(
    assets=[_empty(key, sorted(_graph.get(key).parent_keys)) for key in sorted(_graph.materializable_asset_keys)],
    executor=dg.in_process_executor,
)
