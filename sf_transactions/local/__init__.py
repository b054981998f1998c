"""AWS and DataSF on a laptop, for those who have neither. Only `cli.py` imports this package."""
