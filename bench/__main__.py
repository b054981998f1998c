"""`make bench`: the pull and the transform of full-size data against their floors, in one run.

Times of a noisy machine mean little; ratios of neighbouring measurements do. Each round measures the floor and the
work one after the other, and the ratio is that of their medians.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from sf_transactions.assets.star import AT_ONCE
from sf_transactions.local.sample import generate
from sf_transactions.model import CODED_DIMENSIONS, DATASET_ID, DIMENSIONS, PUBLISHED_NAMES, REPEATED
from sf_transactions.resources.parts import write_part
from sf_transactions.resources.socrata import TEXT
from sf_transactions.transform.amounts import cents_by_side
from sf_transactions.transform.codes import dimension_table, evidence, mapping
from sf_transactions.transform.members import members
from sf_transactions.transform.star import transactions

ROWS = 776_841
ROUNDS = 5
RESULTS = Path(__file__).with_name("results.json")


def read(path: Path, dictionaries: Iterable[str] = ()) -> pa.Table:
    """The floor: the fastest typed read of the CSV."""
    types = dict.fromkeys(PUBLISHED_NAMES, pa.string()) | dict.fromkeys(dictionaries, TEXT())
    return pyarrow.csv.read_csv(path, convert_options=pyarrow.csv.ConvertOptions(column_types=types))


def transform(paths: list[Path], out: Path) -> int:
    """CSV by fiscal year to the files of the star. Returns the number of fact rows."""
    import pandas as pd

    (out / "transaction").mkdir(parents=True, exist_ok=True)
    yearly: dict[str, list[pd.DataFrame]] = {dimension.name: [] for dimension in CODED_DIMENSIONS}
    rows = 0

    def make(path: Path) -> tuple[list[pd.DataFrame], int]:
        table, year = read(path, REPEATED), int(path.stem)
        found = [members(table, dimension) for dimension in DIMENSIONS]
        fact = transactions(table, year, found)
        write_part(out / "transaction" / f"{year}.csv.gz", fact)
        cents = cents_by_side(table)
        return [evidence(each, cents, year) for each in found[: len(CODED_DIMENSIONS)]], len(fact)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for frames, count in pool.map(make, paths):
            for dimension, frame in zip(CODED_DIMENSIONS, frames, strict=True):
                yearly[dimension.name].append(frame)
            rows += count
    for dimension in CODED_DIMENSIONS:
        every = pd.concat(yearly[dimension.name], ignore_index=True)
        write_part(out / f"{dimension.name}.csv.gz", dimension_table(every, mapping(every, dimension), dimension))
    return rows


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def transform_and_read(table: pa.Table, folder: Path) -> dict[str, list[float]]:
    """Seconds of the transform and of its floor, the fastest typed read of the same CSV."""
    paths = []
    for year in sorted(set(table["fiscal_year"].to_pylist())):
        path = folder / f"{year}.csv"
        pyarrow.csv.write_csv(table.filter(pa.compute.equal(table["fiscal_year"], year)), path)
        paths.append(path)
    size = sum(path.stat().st_size for path in paths)
    print(f"{ROWS:,} rows, {size / 1e6:,.0f} MB of CSV in {len(paths)} fiscal years, {ROUNDS} rounds")
    assert transform(paths, folder / "star") == ROWS
    floors, works = [], []
    for _ in range(ROUNDS):
        floors.append(seconds(lambda: [read(path) for path in paths]))
        works.append(seconds(lambda: transform(paths, folder / "star")))
    return {"typed read": floors, "transform": works}


def pull_and_curl(table: pa.Table, folder: Path) -> dict[str, list[float]]:
    """Seconds and megabytes of a full pull, and seconds of its floor: curl, one after the other, of the same pages."""
    file = folder / "published.parquet"
    pyarrow.parquet.write_table(table, file)
    years = sorted(set(table["fiscal_year"].to_pylist()))
    samples: dict[str, list[float]] = {"curl": [], "pull": [], "pull megabytes": []}
    with subprocess.Popen([sys.executable, "-m", "bench.portal", file], stdout=subprocess.PIPE, text=True) as portal:
        assert portal.stdout
        url = portal.stdout.readline().strip()
        pages = [
            f"{url}/resource/{DATASET_ID}.csv?"
            + urllib.parse.urlencode(
                {"$where": f"fiscal_year='{year}'", "$order": ":id", "$limit": "50000", "$offset": "0"}
            )
            for year in years
        ]
        outputs = [word for number, page in enumerate(pages) for word in ("-o", str(folder / f"{number}.curl"), page)]
        try:
            for round in range(ROUNDS):
                curl = ["curl", "--silent", "--fail", "--compressed", *outputs]
                samples["curl"].append(seconds(lambda curl=curl: subprocess.run(curl, check=True)))
                pull = [sys.executable, "-m", "bench.pull", url, str(folder / f"home{round}")]
                told = subprocess.run(pull, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
                measured = json.loads(told)
                samples["pull"].append(measured["seconds"])
                samples["pull megabytes"].append(measured["megabytes"])
        finally:
            portal.terminate()
    return samples


def main() -> None:
    table = generate(ROWS)
    samples: dict[str, list[float]] = {}
    for stage in (transform_and_read, pull_and_curl):
        with tempfile.TemporaryDirectory() as folder:
            samples |= stage(table, Path(folder))
    middle = {name: statistics.median(values) for name, values in samples.items()}
    targets = [
        _target("transform / typed read", middle["transform"] / middle["typed read"], 3.0),
        _target("full pull / curl of the same pages", middle["pull"] / middle["curl"], 1.5),
        _target("memory of a full pull above the imports, MB", middle["pull megabytes"], 150),
    ]
    RESULTS.write_text(json.dumps({"targets": targets, "samples": samples}, indent=1) + "\n", encoding="utf-8")
    for target in targets:
        print(
            f"{target['name']}: {target['ratio']} (target at most {target['target']}, "
            f"{'met' if target['met'] else 'not met'})"
        )


def _target(name: str, ratio: float, target: float) -> dict[str, object]:
    ratio = round(ratio, 2)
    return {"name": name, "ratio": ratio, "target": target, "at_least": False, "met": ratio <= target}


if __name__ == "__main__":
    main()
