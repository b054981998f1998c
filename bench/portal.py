"""A portal in a process of its own: `python -m bench.portal PARQUET` prints its address and serves until ended.

A fiscal year written to its standard input is published anew, with other dollars in one row.
"""

import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sf_transactions.local.portal import Portal


def restated(table: pa.Table, year: str) -> pa.Table:
    """The table with one more dollar in the first row of a fiscal year."""
    row = pc.index(table["fiscal_year"], year).as_py()
    amounts = table["amount"].to_pylist()
    amounts[row] = str(pc.add(pa.scalar(amounts[row]).cast(pa.decimal128(18, 2)), 1).as_py())
    return table.set_column(table.column_names.index("amount"), "amount", pa.array(amounts))


def main(file: str) -> None:
    table = pq.read_table(file)
    portal = Portal(table).start()
    print(portal.url, flush=True)
    for line in sys.stdin:
        table = restated(table, line.strip())
        portal.republish(table)
        print("published", flush=True)
    portal.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
