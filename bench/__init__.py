"""The benchmark: what the pipeline's own work costs, as ratios to the fastest way known to read the same data."""

import sf_transactions  # noqa: F401  first, as everywhere: it chooses Arrow's allocator
