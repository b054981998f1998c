"""The transform and the pull against their floors, and against the same work by other libraries."""

import contextlib
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from bench.answer import answer
from bench.inputs import Input
from bench.process import Took, command, work
from sf_transactions.model import DATASET_ID

Measured = Iterator[tuple[str, Took]]
LIBRARIES = ("polars", "duckdb", "pandas")


def transform(once: Input, ten: Input, scratch: Path, rounds: int) -> Measured:
    """CSV to star files, by us and by others, whose answers must be the same."""
    for _ in range(rounds):
        yield "typed read", work("read", once.csv)
        yield "transform", work("transform", once.csv, scratch / "ours")
        yield "validation", work("validation", once.csv)
        for library in LIBRARIES:
            yield library, work("other_way", library, once.csv, scratch / library)
    ours = answer(scratch / "ours")
    for library in LIBRARIES:
        if (theirs := answer(scratch / library)) != ours:
            raise AssertionError(f"{library} gives {theirs}, not {ours}")


def growth(once: Input, ten: Input, scratch: Path, rounds: int) -> Measured:
    """Ten times the rows."""
    for _ in range(3):
        yield "typed read 10x", work("read", ten.csv)
        yield "transform 10x", work("transform", ten.csv, scratch / "ours")


@contextlib.contextmanager
def portal(input: Input) -> Iterator[subprocess.Popen[str]]:
    """The stand-in portal in a process of its own, with the address in `url`."""
    words = [sys.executable, "-m", "bench.portal", str(input.published)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def curl(url: str, input: Input, scratch: Path) -> Took:
    """The same pages by curl, one after the other."""
    words: list[str] = ["curl", "--silent", "--fail", "--compressed"]
    for file in sorted(input.csv.glob("*.csv")):
        asked = {"$where": f"fiscal_year='{file.stem}'", "$order": ":id", "$limit": "50000", "$offset": "0"}
        page = f"{url}/resource/{DATASET_ID}.csv?{urllib.parse.urlencode(asked)}"
        words += ["-o", str(scratch / f"{file.stem}.curl"), page]
    return command(words)


def pull(once: Input, ten: Input, scratch: Path, rounds: int) -> Measured:
    """All fiscal years from the portal into a fresh home."""
    with portal(once) as process:
        url = address(process)
        for number in range(rounds):
            yield "imports of a pull", work("nothing_but_imports")
            yield "curl of the same pages", curl(url, once, scratch)
            yield "full pull", work("pull", url, scratch / f"home-{number}")
