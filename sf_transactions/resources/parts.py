"""The files of the warehouse's tables: gzip CSV parts, as COPY takes them."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sf_transactions.model import TABLES
from sf_transactions.transform.amounts import decimals

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ROWS_AT_ONCE = 16_384  # rows that are written at once
DOLLARS = frozenset(column.name for table in TABLES for column in table.columns if column.is_dollars)


def write_part(path: Path, frame: "pd.DataFrame") -> None:
    """A frame as gzip CSV with a header; columns of dollars, held in cents, are written in dollars.

    The bytes depend on the rows alone: gzip is given no time and no name.
    """
    import pyarrow as pa
    import pyarrow.csv
    from isal import igzip

    table = pa.Table.from_pandas(frame, preserve_index=False)
    for position, name in enumerate(table.column_names):
        if name in DOLLARS:
            table = table.set_column(position, name, decimals(frame[name].to_numpy()))
    with (
        path.open("wb") as file,
        igzip.IGzipFile(filename="", mode="wb", fileobj=file, compresslevel=1, mtime=0) as stream,
    ):
        pyarrow.csv.write_csv(table, stream, pyarrow.csv.WriteOptions(batch_size=ROWS_AT_ONCE))


def read_part(path: Path, types: "Mapping[str, pa.DataType]") -> "pa.Table":
    """These columns of a part, in these types. Raises HomeError where the file cannot be read as that."""
    import pyarrow as pa
    import pyarrow.csv
    from isal import igzip, isal_zlib

    options = pyarrow.csv.ConvertOptions(include_columns=list(types), column_types=types)
    content = path.read_bytes()
    try:
        return pyarrow.csv.read_csv(pa.BufferReader(igzip.decompress(content)), convert_options=options)
    # The stubs of isal take the class of its error for an instance.
    except (OSError, EOFError, isal_zlib.IsalError, pa.ArrowException) as error:  # type: ignore[misc]
        from sf_transactions.resources.home import HomeError  # which brings Dagster; nothing else here needs it

        raise HomeError(f"{path} is damaged ({error}): materialize star/* again, which makes it anew") from None
