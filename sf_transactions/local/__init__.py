"""AWS and DataSF on a laptop, for those who have neither. Only `cli/local.py` imports this package."""
