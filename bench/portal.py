"""A portal in a process of its own: `python -m bench.portal PARQUET` prints its address and serves until ended."""

import signal
import sys

import pyarrow.parquet as pq

from sf_transactions.local.portal import Portal


def main(file: str) -> None:
    portal = Portal(pq.read_table(file)).start()
    print(portal.url, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(*sys.argv[1:])
