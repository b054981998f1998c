"""docs/benchmark.md: where the time goes, and what is promised, for people."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.process import Took

HEAD = """# Benchmark

Made by `make bench`, on two cores. Times of a noisy machine mean little; the ratios are of medians of works that were
measured one after the other, each in a process of its own, on the synthetic sample at the size of the real dataset
(776,841 rows). The other libraries' versions stand in `bench/ways/`, and their answers are proved to be the same.

## Promises

| ratio | found | promised | |
|---|---:|---:|---|
"""


def write_page(page: Path, targets: Sequence[Mapping[str, object]], samples: Mapping[str, Sequence[Took]]) -> None:
    lines = [HEAD.rstrip("\n")]
    for target in targets:
        bound = "≥" if target["at_least"] else "≤"
        met = "met" if target["met"] else "**not met**, see decisions.md"
        lines.append(f"| {target['name']} | {target['ratio']} | {bound} {target['target']} | {met} |")
    lines += [
        "",
        "## Where time goes",
        "",
        "| work | seconds | CPU seconds | peak MB | rounds |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, series in samples.items():
        wall, cpu, megabytes = (statistics.median(figures) for figures in zip(*map(_figures, series), strict=True))
        lines.append(f"| {name} | {wall:.2f} | {cpu:.2f} | {megabytes:.0f} | {len(series)} |")
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _figures(took: Took) -> tuple[float, float, float]:
    return took.wall, took.cpu, took.megabytes
