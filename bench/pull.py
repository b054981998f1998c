"""A full pull in a process of its own: `python -m bench.pull URL HOME` prints seconds and peak memory as JSON."""

import json
import sys
import time
from pathlib import Path

import dagster as dg
import pandas as pd  # noqa: F401  what a pull imports is not what it takes
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
import urllib3  # noqa: F401

from sf_transactions.assets.raw import raw_transactions
from sf_transactions.automation import FISCAL_YEARS
from sf_transactions.resources.home import Home
from sf_transactions.resources.portal import Portal
from sf_transactions.resources.raw_files import Ingestion


def memory(what: str) -> int:
    """Bytes of memory that this process holds now (VmRSS), or held at most (VmHWM)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


def main(url: str, home: str) -> None:
    pyarrow.compute.is_in(pyarrow.array(["a"]), pyarrow.array(["a"]))  # loads the library of the compute functions
    years = FISCAL_YEARS.get_partition_keys()
    before = memory("VmRSS")
    started = time.perf_counter()
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [raw_transactions],
            resources={"home": Home(path=home), "portal": Portal(base_url=url), "ingestion": Ingestion()},
            tags={"dagster/asset_partition_range_start": years[0], "dagster/asset_partition_range_end": years[-1]},
            instance=instance,
        )
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "megabytes": (memory("VmHWM") - before) / 1e6}))


if __name__ == "__main__":
    main(*sys.argv[1:])
