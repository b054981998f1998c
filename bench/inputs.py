"""What the works are fed with: the synthetic sample at the size of the real dataset, and ten times that."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sf_transactions.local.sample import generate

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 776_841
FOLDER = Path(__file__).parents[1] / ".bench"


@dataclass(frozen=True)
class Input:
    """`csv` holds a file a fiscal year, `published` is the same as one Parquet file."""

    csv: Path
    published: Path
    times: int

    @property
    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.csv.glob("*.csv"))


def full_size(times: int = 1) -> Input:
    """The sample at `times` the size of the real dataset; generated once, then used again."""
    found = Input(FOLDER / f"csv-{times}x", FOLDER / f"published-{times}x.parquet", times)
    done = FOLDER / f"done-{times}x"
    if not done.exists():
        _generate(found)
        done.touch()
    return found


def _generate(input: Input) -> None:
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet as pq

    input.csv.mkdir(parents=True, exist_ok=True)
    for old in input.csv.iterdir():
        old.unlink()
    with ProcessPoolExecutor(2) as pool:
        for seed, table in enumerate(pool.map(_table, range(input.times))):
            if seed == 0:
                pq.write_table(table, input.published)
            options = pyarrow.csv.WriteOptions(include_header=seed == 0)
            for year in pc.unique(table["fiscal_year"]).to_pylist():
                with (input.csv / f"{year}.csv").open("ab") as file:
                    pyarrow.csv.write_csv(table.filter(pc.equal(table["fiscal_year"], year)), file, options)


def _table(seed: int) -> "pa.Table":
    return generate(ROWS, seed=1999 + seed)
