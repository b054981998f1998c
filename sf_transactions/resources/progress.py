"""How far a pull is: lines in Dagster's log, and a bar where somebody looks at a terminal."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

EVERY_SECONDS = 5.0


class Progress:
    """Counts rows and bytes of pages that have arrived, from any thread, against `rows` in all."""

    def __init__(self, rows: int, tell: Callable[[str], None]) -> None:
        self._of, self._tell = rows, tell
        self._rows = self._bytes = 0
        self._lock = threading.Lock()
        self._stack = contextlib.ExitStack()
        self._advance: Callable[[int], None] = lambda rows: None

    def __enter__(self) -> "Progress":
        self._began = self._told = time.monotonic()
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            bar = self._stack.enter_context(Bar(*columns, console=Console(stderr=True), transient=True))
            task = bar.add_task("rows", total=self._of)
            self._advance = lambda rows: bar.advance(task, rows)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if error is None:
            self._tell(self._words())

    def add(self, rows: int, size: int) -> None:
        """A page of so many rows, and bytes as kept on disk, has arrived."""
        with self._lock:
            self._rows += rows
            self._bytes += size
            self._advance(rows)
            due = time.monotonic() - self._told >= EVERY_SECONDS
            if due:
                self._told = time.monotonic()
                self._tell(self._words())

    def _words(self) -> str:
        seconds = time.monotonic() - self._began
        told = f"{self._rows:,} of {self._of:,} rows, {self._bytes / 1e6:.1f} MB on disk, {seconds:.0f} s"
        if 0 < self._rows < self._of:
            told += f", about {seconds * (self._of - self._rows) / self._rows:.0f} s left"
        return told
