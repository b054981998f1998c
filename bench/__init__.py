"""The benchmark: what the pipeline's own work costs, as ratios to the fastest way known to read the same data."""
