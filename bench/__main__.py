"""`make bench`: every stage and the whole, full size, against their floors, in one run.

Times of a noisy machine mean little; ratios of neighbouring measurements do. Each round measures the works of a suite
one after the other, each in a process of its own, and a ratio is that of the medians.
"""

import json
import shutil
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import inputs, pipeline, stages, startup
from bench.process import Took
from bench.report import write_page

ROUNDS = 5
RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[1] / "docs" / "benchmark.md"
Samples = Mapping[str, list[Took]]


@dataclass(frozen=True)
class Target:
    """A ratio that is to be at most, or at least, a figure."""

    name: str
    ratio: Callable[["Medians"], float]
    target: float
    at_least: bool = False


class Medians:
    """The median of each work's seconds, CPU seconds and megabytes."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def wall(self, *works: str) -> float:
        """The sum of the seconds of these works."""
        return sum(self._median(work, "wall") for work in works)

    def megabytes(self, work: str) -> float:
        return self._median(work, "megabytes")

    def _median(self, work: str, figure: str) -> float:
        return statistics.median(getattr(took, figure) for took in self._samples[work])


def targets(once: inputs.Input, ten: inputs.Input) -> list[Target]:
    """What is promised, each as a ratio of works of the same run."""
    floors = ("curl of the same pages", "typed read", "OpenSSH sftp of the same files", "DuckDB reading the same files")
    return [
        Target("transform / typed read of the same CSV", lambda m: m.wall("transform") / m.wall("typed read"), 3.0),
        Target("transform / polars", lambda m: m.wall("transform") / m.wall("polars"), 1.0),
        Target("DuckDB / transform", lambda m: m.wall("duckdb") / m.wall("transform"), 2.0, at_least=True),
        Target("pandas / transform", lambda m: m.wall("pandas") / m.wall("transform"), 3.0, at_least=True),
        Target("validation / typed read of the same CSV", lambda m: m.wall("validation") / m.wall("typed read"), 0.4),
        Target("peak memory of the transform / bytes of the CSV", lambda m: _memory(m, "transform", once), 0.8),
        Target("the same at 10x the rows", lambda m: _memory(m, "transform 10x", ten), 0.3),
        Target("transform of 10x the rows / of 1x", lambda m: m.wall("transform 10x") / m.wall("transform"), 11.0),
        Target("full pull / curl of the same pages", lambda m: m.wall("full pull") / m.wall(floors[0]), 1.5),
        Target(
            "memory of a full pull above the imports, MB",
            lambda m: m.megabytes("full pull") - m.megabytes("imports of a pull"),
            150,
        ),
        Target(
            "throughput of our upload / of OpenSSH's sftp",
            lambda m: m.wall("OpenSSH sftp of the same files") / m.wall("upload"),
            0.5,
            at_least=True,
        ),
        Target("load / DuckDB reading the same files", lambda m: m.wall("load") / m.wall(floors[3]), 3.0),
        Target("memory of a load, client and SQL endpoint together, MB", lambda m: m.megabytes("load"), 500),
        Target(
            "whole run / (its floors + an empty job of as many assets, Dagster as it comes)",
            lambda m: m.wall("whole run") / m.wall(*floors, "empty job, Dagster as it comes"),
            2.0,
        ),
        Target(
            "the same, but an empty job with our event log",
            lambda m: m.wall("whole run") / m.wall(*floors, "empty job"),
            2.0,
        ),
        Target(
            "refresh of one fiscal year / whole run, Dagster's start taken off both",
            lambda m: (
                (m.wall("refresh of one year") - m.wall("empty job of one year"))
                / (m.wall("whole run") - m.wall("empty job"))
            ),
            0.30,
        ),
        Target(
            "run where nothing changed / empty job of as many assets, both with our event log",
            lambda m: m.wall("nothing changed") / m.wall("empty job"),
            1.5,
        ),
        Target(
            "import of the definitions / import of dagster and dagster_aws.s3",
            lambda m: m.wall("import of the definitions") / m.wall("import of dagster"),
            1.3,
        ),
    ]


def _memory(medians: Medians, work: str, input: inputs.Input) -> float:
    return medians.megabytes(work) * 1e6 / input.bytes


def main() -> None:
    once, ten = inputs.full_size(), inputs.full_size(10)
    print(f"{inputs.ROWS:,} rows, {once.bytes / 1e6:,.0f} MB of CSV, {ROUNDS} rounds; 10x: {ten.bytes / 1e6:,.0f} MB")
    scratch = inputs.FOLDER / "scratch"
    samples: dict[str, list[Took]] = {}
    for suite in (stages.transform, stages.growth, stages.pull, startup.imports, pipeline.whole):
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        for name, took in suite(once, ten, scratch, ROUNDS):
            print(f"  {name:<42} {took.wall:8.2f} s {took.cpu:8.2f} s CPU {took.megabytes:8.0f} MB", flush=True)
            samples.setdefault(name, []).append(took)
    shutil.rmtree(scratch)
    medians = Medians(samples)
    found = [_settled(target, medians) for target in targets(once, ten)]
    RESULTS.write_text(
        json.dumps(
            {
                "targets": found,
                "samples": {name: [took.as_json() for took in series] for name, series in samples.items()},
            },
            indent=1,
        )
        + "\n",
        encoding="utf-8",
    )
    write_page(PAGE, found, samples)
    for each in found:
        bound = "at least" if each["at_least"] else "at most"
        verdict = "met" if each["met"] else "NOT MET"
        print(f"{each['name']}: {each['ratio']} ({bound} {each['target']}, {verdict})")
    sys.exit(any(not each["met"] for each in found))


def _settled(target: Target, medians: Medians) -> dict[str, object]:
    ratio = round(target.ratio(medians), 2)
    met = ratio >= target.target if target.at_least else ratio <= target.target
    return {"name": target.name, "ratio": ratio, "target": target.target, "at_least": target.at_least, "met": met}


if __name__ == "__main__":
    main()
