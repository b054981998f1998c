"""What Dagster materialises, one file a stage, in the order the data flows."""
