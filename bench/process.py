"""Work in a process of its own, and what it took: wall clock, CPU and memory."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Took:
    """Seconds on the clock, seconds of CPU over all cores, and megabytes of memory at the peak."""

    wall: float
    cpu: float
    megabytes: float

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in asdict(self).items()}


def load_modules(*names: str) -> None:
    """Loads what a work imports while it runs, before the clock starts."""
    for name in names:
        importlib.import_module(name)


def command(words: Sequence[str | os.PathLike], environment: Mapping[str, str] | None = None) -> Took:
    """What a whole command took. Raises RuntimeError with the end of its output when it fails.

    It is started by a small process: of one that this process starts, the kernel counts our own memory as its peak.
    """
    with tempfile.TemporaryFile() as output:
        starter = [sys.executable, "-m", "bench.process", *map(str, words)]
        done = subprocess.run(
            starter, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, text=True
        )
        if done.returncode:
            output.seek(0)
            told = output.read().decode(errors="replace")[-3000:]
            raise RuntimeError(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{told}")
    return Took(**json.loads(done.stdout))


def work(name: str, *arguments: str | os.PathLike, environment: Mapping[str, str] | None = None) -> Took:
    """What the work `name` of `bench.works` took after its imports; memory is that of the whole process."""
    words = [sys.executable, "-m", "bench.works", name, *map(str, arguments)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return Took(**json.loads(done.stdout.splitlines()[-1]))


def main(*words: str) -> None:
    """Runs a command, whose output goes to standard error, and prints what it took, as JSON."""
    started = time.perf_counter()
    process = subprocess.Popen(words, stdout=sys.stderr)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(1)
    print(json.dumps(Took(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6).as_json()))


if __name__ == "__main__":
    main(*sys.argv[1:])
