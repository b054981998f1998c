"""Which objects in S3 make up what is loaded: `manifest/current.json`, written after COMMIT, and what it supersedes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from sf_transactions.resources.storage import Storage, StorageError

RAW = "raw"  # the table name of the raw fiscal years
MANIFESTS = "manifest"  # the folder of all that say which objects belong together
CURRENT = f"{MANIFESTS}/current.json"
ABANDONED = timedelta(days=7)  # after that, what no load took over is left of one that failed
ATTEMPTS = 10


@dataclass(frozen=True)
class Part:
    """An object of a table (or of `raw`): of one fiscal year, or of all where `fiscal_year` is None.

    `loaded_at` is when the load that it came with began, by the clock of the warehouse, which orders loads; `facts` is
    what else is known of it, such as its totals.
    """

    table: str
    fiscal_year: str | None
    url: str
    bytes: int
    sha256: str
    loaded_at: str
    facts: dict


def current(storage: Storage) -> list[Part]:
    """The objects of all loaded fiscal years; none when nothing was loaded. Raises StorageError."""
    return _read(storage)[0]


def _read(storage: Storage) -> tuple[list[Part], str | None]:
    found = storage.find(CURRENT)
    if found is None:
        return [], None
    content, etag = found
    try:
        return [Part(**each) for each in json.loads(content)["parts"]], etag
    except (ValueError, KeyError, TypeError):
        raise StorageError(
            f"{storage.url(CURRENT)} is not what this project writes there: delete it, and load all fiscal years"
        ) from None


def take_over(storage: Storage, parts: Iterable[Part]) -> tuple[list[Part], list[Part]]:
    """Puts these parts in the place of those of the same table and fiscal year, unless a later load did already.

    Returns what is current then, and what was before. Raises StorageError.
    """
    ours = list(parts)
    for _ in range(ATTEMPTS):
        before, etag = _read(storage)
        after = {_place(part): part for part in before}
        for part in ours:
            if part.loaded_at >= getattr(after.get(_place(part)), "loaded_at", ""):
                after[_place(part)] = part
        kept = [after[place] for place in sorted(after, key=str)]
        if kept == before:
            return kept, before
        content = json.dumps({"parts": [asdict(part) for part in kept]}, indent=1).encode()
        if storage.put_if_unchanged(CURRENT, content, etag):
            return kept, before
    raise StorageError(f"{storage.url(CURRENT)} was changed by others {ATTEMPTS} times in a row: run again")


def _place(part: Part) -> tuple[str, str | None]:
    return part.table, part.fiscal_year


def superseded(
    storage: Storage,
    current: Iterable[Part],
    before: Iterable[Part],
    folders: Iterable[str],
    manifests: Iterable[str],
    now: datetime,
) -> list[str]:
    """The keys of objects that no load needs any more: taken over by a later load, or left of one that failed.

    What a load in progress has just sent is neither. `manifests` are the URLs of those of the last load.
    """
    needed = {part.url for part in current} | {*manifests, storage.url(CURRENT)}
    replaced = {part.url for part in before} - needed
    return [
        each.key
        for each in storage.in_folders(folders).values()
        if (url := storage.url(each.key)) in replaced or (url not in needed and now - each.modified > ABANDONED)
    ]


def manifest(objects: Iterable[Mapping]) -> bytes:
    """The manifest by which COPY reads these objects, each with `url` and `bytes`: all of them, of just this length."""
    entries = [{"url": each["url"], "mandatory": True, "meta": {"content_length": each["bytes"]}} for each in objects]
    return json.dumps({"entries": entries}, indent=1).encode()


def now() -> datetime:
    return datetime.now(UTC)


def parts(
    objects: Mapping[str, Iterable[Mapping]], loaded_at: str, facts: Callable[[str, str | None], dict]
) -> Iterator[Part]:
    """The objects of a load, by table, as parts."""
    for table, entries in objects.items():
        for each in entries:
            year = each["fiscal_year"]
            yield Part(table, year, each["url"], each["bytes"], each["sha256"], loaded_at, facts(table, year))
