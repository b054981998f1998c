"""What a file was made from: one whose makings are still the same need not be made again."""

import functools
import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sf_transactions.resources.home import Home, HomeError, read_note, write_json

if TYPE_CHECKING:
    import pandas as pd

SETTLED = 100_000_000  # nanoseconds: longer than a tick of the clock by which files are stamped

_hashed: dict[Path, tuple[tuple[int, ...], str]] = {}


def sha256(path: Path) -> str:
    """The hash of a file. One that this process has hashed is read again only when it is another file or was written to
    since; its ctime tells, which no program sets."""
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        before, digest = _hashed.get(path, ((), ""))
        if before != identity:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if time.time_ns() - found.st_ctime_ns > SETTLED:  # else it could be written to within the same tick
                _hashed[path] = identity, digest
        return digest


def sha256_of(file: Path, made_by: str) -> str:
    """The hash of a file. Raises HomeError naming the asset that makes it when it is not there."""
    try:
        return sha256(file)
    except FileNotFoundError:
        raise HomeError(f"{file} is not there: materialize {made_by} for these fiscal years first") from None


def rows_sha256(frame: "pd.DataFrame") -> str:
    """The hash of the rows of a frame, in their order."""
    import pandas as pd

    return hashlib.sha256(pd.util.hash_pandas_object(frame, index=False).to_numpy()).hexdigest()


def makings(*of: str) -> str:
    """One hash for everything a file is made from: hashes and texts, and the code of the transform."""
    return hashlib.sha256(json.dumps([_code(), *of]).encode()).hexdigest()


def note(file: Path, of: str, **facts: Any) -> None:
    """Writes beside a file what it is made from, its hash, and facts about it."""
    write_json(_beside(file), {"made_from": of, "sha256": sha256(file), **facts})


def facts(file: Path, made_by: str) -> dict[str, Any]:
    """What was noted beside a file. Raises HomeError naming the asset that makes it when it is not there."""
    try:
        return json.loads(_beside(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HomeError(f"{file} is not there: materialize {made_by} for these fiscal years first") from None


def noted(file: Path) -> dict[str, Any]:
    """What was noted beside a file; nothing where that cannot be read."""
    return read_note(_beside(file))


def stands(file: Path, of: str, noted_as: str = "made_from") -> bool:
    """Whether the file is there, as it was made, and made from just this."""
    told = noted(file)
    return told.get(noted_as) == of and file.exists() and told.get("sha256") == sha256(file)


def raw_sha256(home: Home, years: Iterable[str]) -> list[str]:
    """The hashes of the raw files of these fiscal years. Raises HomeError when one is not there."""
    return [sha256_of(home.raw(year), "raw/transactions") for year in years]


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


@functools.cache
def _code() -> str:
    """A hash of the code that decides what is in the files, so that newer code makes them anew."""
    from sf_transactions import model, transform

    sources = [Path(model.__file__), *sorted(Path(transform.__path__[0]).glob("*.py"))]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
