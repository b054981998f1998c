"""For all tests: hypothesis asserts no times, which say more about the machine than about the code."""

import atexit
import gc

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Loading the assets keeps from the collector what is there then: here also DuckDB's objects, which are to go first.
atexit.register(gc.unfreeze)
