"""The home folder: where state and output live, and the lock that lets one run at a time work in it."""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


class HomeError(RuntimeError):
    """The home cannot be used: another run holds it, or it cannot be written."""


class Home(dg.ConfigurableResource):
    """`SF_TRANSACTIONS_HOME`: raw years, star files, receipts, dashboard; locked for the length of a run."""

    path: str

    @property
    def root(self) -> Path:
        return Path(self.path)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Home"]:
        holder = f"run {context.run.run_id} (process {os.getpid()})" if context.run else f"process {os.getpid()}"
        with locked(self.root, holder):
            yield self

    def raw(self, fiscal_year: str) -> Path:
        return self.root / "raw" / f"fiscal_year={fiscal_year}" / "transactions.parquet"

    def quarantine(self, fiscal_year: str) -> Path:
        """The published rows that are not of the known form."""
        return self.raw(fiscal_year).with_name("quarantine.parquet")

    def source(self, fiscal_year: str) -> Path:
        """What the raw rows are: of which publication, and the portal's fingerprint of them."""
        return self.raw(fiscal_year).with_name("source.json")

    def previous(self, fiscal_year: str) -> Path:
        """The folder of earlier versions of a fiscal year, `<publication>.parquet` each."""
        return self.root / "previous" / f"fiscal_year={fiscal_year}"

    @property
    def spool(self) -> Path:
        """Pages that have arrived, by publication, until the pull they belong to is complete."""
        return self.root / "raw" / ".incoming"

    def restatement(self, fiscal_year: str, publication: int) -> Path:
        return self.root / "restatements" / f"fiscal_year={fiscal_year}" / f"{publication}.json"

    @property
    def published_profile(self) -> Path:
        """The portal's own profile of the dataset, as of the last time it was asked."""
        return self.root / "codes" / "published_profile.json"

    @property
    def profile(self) -> Path:
        """The profile of the last load."""
        return self.root / "codes" / "profile.json"

    def codes(self, dimension: str, name: str) -> Path:
        return self.root / "codes" / dimension / f"{name}.parquet"

    def star(self, table: str, fiscal_year: str | None = None) -> Path:
        folder = self.root / "star" / table
        return (folder / f"fiscal_year={fiscal_year}" if fiscal_year else folder) / "part-000.csv.gz"

    def receipt(self, table: str) -> Path:
        """What stands in S3 for a table: the hand-over from `s3/*` to `redshift/*`."""
        return self.root / "s3" / f"{table}.json"

    def load_receipt(self, run_id: str) -> Path:
        """Rows and dollars of a run at every hop."""
        return self.root / "receipts" / f"{run_id}.json"

    @property
    def counted(self) -> Path:
        """Rows and dollars of the raw files and of those of the fact, with the content that was counted."""
        return self.root / "report" / "counted.json"

    def told(self, step: str) -> Path:
        """What a step told when it last made its files."""
        return self.root / "told" / f"{step}.json"

    def picture(self, view: str) -> Path:
        """The chart of an aggregate view."""
        return self.root / "report" / f"{view}.svg"

    @property
    def chart_library(self) -> Path:
        """The script that draws the dashboard's charts."""
        return self.root / "report" / "charts.js"

    @property
    def dashboard(self) -> Path:
        return self.root / "dashboard.html"

    @property
    def quality(self) -> Path:
        return self.root / "quality.html"


@contextlib.contextmanager
def locked(root: Path, holder: str) -> Iterator[None]:
    """Holds the home for `holder`. Raises HomeError naming who else holds it.

    The lock is the kernel's and goes with the process, so that a killed run leaves none behind.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / "run.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise HomeError(f"SF_TRANSACTIONS_HOME {root} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise HomeError(
                f"{root} is in use by {lock.read() or 'another run'}: wait until it has ended, "
                "or set SF_TRANSACTIONS_HOME to another folder"
            ) from None
        lock.truncate(0)
        lock.write(holder)
        lock.flush()
        yield


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of `path` only when it is complete and on disk."""
    incoming = path.with_name(f".{path.name}.incoming")
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield incoming
            with incoming.open("rb") as file:
                os.fsync(file.fileno())
            incoming.replace(path)
        finally:
            with contextlib.suppress(OSError):
                incoming.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises HomeError in the place of an error that says that this file, or one in this folder, cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise HomeError(
            f"{path} cannot be written: {os.strerror(error.errno)}; what stood there is untouched. Make room, or set "
            "SF_TRANSACTIONS_HOME to another folder"
        ) from None


def write_json(path: Path, value: object) -> None:
    with replacing(path) as incoming:
        incoming.write_text(json.dumps(value, indent=1), encoding="utf-8")


def read_json(path: Path, made_by: str):
    """The JSON in `path`. Raises HomeError naming the asset that makes it when it is not there."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HomeError(f"{path} is not there: materialize {made_by} for these fiscal years first") from None


def read_note(path: Path) -> dict[str, Any]:
    """The JSON of what was noted for a later run; nothing where it is not there or cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
