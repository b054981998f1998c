"""AWS and DataSF on a laptop, for those who have neither. Only `cli/local.py` imports this package."""

import atexit
import gc

# Loading the code location keeps what is there from the collector; DuckDB's own objects are to go before DuckDB does.
atexit.register(gc.unfreeze)
