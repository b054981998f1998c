"""Errors as the server sends them: an SQLSTATE, a message, a detail."""

import re

# DuckDB says the kind of error by its class and its first words; clients decide by SQLSTATE.
_BY_TEXT = (
    (re.compile(r"Table with name .* does not exist"), "42P01"),
    (re.compile(r"Schema with name .* does not exist"), "3F000"),
    (re.compile(r"(Referenced column|column) .* (not found|does not exist)", re.I), "42703"),
    (re.compile(r"(Scalar|Aggregate|Table|Macro) Function with name .* does not exist", re.I), "42883"),
    (re.compile(r"No function matches", re.I), "42883"),
    (re.compile(r"already exists"), "42P07"),
    (re.compile(r"NOT NULL constraint failed"), "23502"),
    (re.compile(r"strlen\("), "22001"),
    (re.compile(r"Conflict on|write-write conflict|Transaction conflict", re.I), "40001"),
    (re.compile(r"aborted"), "25P02"),
)
_BY_CLASS = {
    "ParserException": "42601",
    "ConversionException": "22P02",
    "OutOfRangeException": "22003",
    "BinderException": "42804",
    "CatalogException": "42704",
    "PermissionException": "42501",
    "NotImplementedException": "0A000",
    "TransactionException": "25000",
    "ConstraintException": "23514",
}


class SqlError(Exception):
    """An error that ends a statement."""

    def __init__(self, code: str, message: str, detail: str = "", severity: str = "ERROR") -> None:
        super().__init__(message)
        self.code, self.message, self.detail, self.severity = code, message, detail, severity


def from_duckdb(error: Exception) -> SqlError:
    """DuckDB's error with the SQLSTATE that Redshift would give."""
    text = str(error).split("\n\nLINE")[0].strip()
    code = next((code for pattern, code in _BY_TEXT if pattern.search(text)), None)
    code = code or _BY_CLASS.get(type(error).__name__, "XX000")
    if code == "40001":
        text = f"1023 Serializable isolation violation: {text}"
    return SqlError(code, re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", text))
