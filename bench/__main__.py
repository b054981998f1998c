"""`make bench`: the transform of full-size data against its floor, in one run. First cut: one stage, one process.

Times of a noisy machine mean little; ratios of neighbouring measurements do. Each round measures the floor and the
work one after the other, and the ratio is that of their medians.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from sf_transactions.assets.star import write_part
from sf_transactions.local.sample import generate
from sf_transactions.model import CODED_DIMENSIONS, PUBLISHED_NAMES
from sf_transactions.transform.codes import dimension_table, mapping
from sf_transactions.transform.members import members
from sf_transactions.transform.star import transactions

ROWS = 776_841
ROUNDS = 5
TARGET = 3.0
RESULTS = Path(__file__).with_name("results.json")


def read(path: Path) -> pa.Table:
    """The floor: the fastest typed read of the CSV."""
    types = dict.fromkeys(PUBLISHED_NAMES, pa.string())
    return pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=types))


def transform(paths: list[Path], out: Path) -> int:
    """CSV by fiscal year to the files of the star. Returns the number of fact rows."""
    import pandas as pd

    evidence: dict[str, list[pd.DataFrame]] = {dimension.name: [] for dimension in CODED_DIMENSIONS}
    rows = 0
    for path in paths:
        table, year = read(path), int(path.stem)
        for dimension in CODED_DIMENSIONS:
            frame = members(table, dimension).frame
            frame.insert(0, "fiscal_year", year)
            evidence[dimension.name].append(frame)
        fact = transactions(table, year)
        write_part(out / "transaction" / f"{year}.csv.gz", fact)
        rows += len(fact)
    for dimension in CODED_DIMENSIONS:
        every = pd.concat(evidence[dimension.name], ignore_index=True)
        write_part(out / f"{dimension.name}.csv.gz", dimension_table(every, mapping(every, dimension), dimension))
    return rows


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = generate(ROWS)
        paths = []
        for year in sorted(set(table["fiscal_year"].to_pylist())):
            path = Path(folder) / f"{year}.csv"
            pyarrow.csv.write_csv(table.filter(pa.compute.equal(table["fiscal_year"], year)), path)
            paths.append(path)
        size = sum(path.stat().st_size for path in paths)
        print(f"{ROWS:,} rows, {size / 1e6:,.0f} MB of CSV in {len(paths)} fiscal years, {ROUNDS} rounds")
        assert transform(paths, Path(folder) / "star") == ROWS
        floors, works = [], []
        for _ in range(ROUNDS):
            floors.append(seconds(lambda: [read(path) for path in paths]))
            works.append(seconds(lambda: transform(paths, Path(folder) / "star")))
    ratio = round(statistics.median(works) / statistics.median(floors), 2)
    target = {"name": "transform / typed read", "ratio": ratio, "target": TARGET, "at_least": False}
    target["met"] = ratio <= TARGET
    samples = {"typed read": floors, "transform": works}
    RESULTS.write_text(json.dumps({"targets": [target], "samples": samples}, indent=1) + "\n", encoding="utf-8")
    print(f"{target['name']}: {ratio} (target at most {TARGET}, {'met' if target['met'] else 'not met'})")


if __name__ == "__main__":
    main()
