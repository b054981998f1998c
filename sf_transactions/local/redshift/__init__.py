"""A strict stand-in for Redshift's SQL endpoint: the PostgreSQL wire protocol, executed on DuckDB.

It understands the SQL this project and its readers use. What it does not understand it refuses with an SQLSTATE.
"""
