"""AWS and DataSF on a laptop, for those who have neither. Only `cli/local.py` imports this package."""

import atexit
import gc
import sys


@atexit.register
def _release() -> None:
    """Loading the code location keeps all that is there from the collector; DuckDB's objects are to go before it."""
    if "duckdb" in sys.modules:
        gc.unfreeze()
