"""Pure functions: null filling, code mapping, star. No Dagster, no I/O."""
