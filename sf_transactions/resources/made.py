"""What a file was made from: one whose makings are still the same need not be made again."""

import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sf_transactions.resources.home import Home, HomeError, write_json


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(file: Path, made_by: str) -> str:
    """The hash of a file. Raises HomeError naming the asset that makes it when it is not there."""
    try:
        return sha256(file)
    except FileNotFoundError:
        raise HomeError(f"{file} is not there: materialize {made_by} for these fiscal years first") from None


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


def stands(file: Path, of: str, noted_as: str = "made_from") -> bool:
    """Whether the file is there, as it was made, and made from just this."""
    try:
        noted = json.loads(_beside(file).read_text(encoding="utf-8"))
        return noted[noted_as] == of and noted["sha256"] == sha256(file)
    except (FileNotFoundError, ValueError, KeyError):
        return False


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
