"""Errors as the server sends them: an SQLSTATE, a message, a detail; and DuckDB's errors in Redshift's terms."""

import re

OUT_OF_MEMORY = "53200"
# DuckDB says the kind of error by its class and its first words; clients decide by SQLSTATE.
_BY_TEXT = (
    (re.compile(r"Could not write|failed to offload|No space left|File too large", re.I), "53100"),
    (re.compile(r"(because schema|Schema with name) .* does not exist|catalog \+ schema named"), "3F000"),
    (re.compile(r"(Table|View) with name .* does not exist|Referenced table .* not found"), "42P01"),
    (re.compile(r'^relation ".*" does not exist'), "42P01"),
    (re.compile(r"Cannot access file .* disabled by configuration"), "42P01"),
    (re.compile(r"(Referenced column|column) .* (not found|does not exist)|does not have a column", re.I), "42703"),
    (re.compile(r"Function with name .* does not exist|No function matches|Could not choose a best", re.I), "42883"),
    (re.compile(r"must appear in the GROUP BY"), "42803"),
    (re.compile(r"Ambiguous reference"), "42702"),
    (re.compile(r"Schema with name .* already exists"), "42P06"),
    (re.compile(r"already exists"), "42P07"),
    (re.compile(r"Existing object .* is of type"), "42809"),
    (re.compile(r"Division by zero", re.I), "22012"),
    (re.compile(r"out of range|Overflow|Could not cast value .* to DECIMAL", re.I), "22003"),
    (re.compile(r"NOT NULL constraint failed"), "23502"),
    (re.compile(r"strlen\("), "22001"),
    (re.compile(r"Conflict on|write-write conflict|Transaction conflict|has been altered", re.I), "40001"),
    (re.compile(r"transaction is aborted"), "25P02"),
)  # fmt: skip
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
    "InterruptException": "57014",
    "OutOfMemoryException": OUT_OF_MEMORY,
}
_TOO_LONG = re.compile(r"strlen\(.*?\) <= (\d+)")


class SqlError(Exception):
    """An error that ends a statement; `position` is the character of the statement at fault, from 1, or 0."""

    def __init__(self, code: str, message: str, detail: str = "", severity: str = "ERROR", position: int = 0) -> None:
        super().__init__(message)
        self.code, self.message, self.detail, self.severity, self.position = code, message, detail, severity, position


_NAMED = re.compile(r'(?:column|relation|function|table|view)(?: with name)? "?([\w.]+)"?', re.I)


def locate(error: SqlError, source: str) -> None:
    """Finds the name that an error is about in the statement as it was written."""
    named = _NAMED.search(error.message) if error.code in ("42703", "42P01", "42883") else None
    if named and not error.position:
        found = re.search(rf"\b{re.escape(named[1])}\b", source, re.I)
        error.position = found.start() + 1 if found else 0


def not_supported(what: str) -> SqlError:
    return SqlError("0A000", f"{what} is not supported by the stand-in")


def from_duckdb(error: Exception) -> SqlError:
    """DuckDB's error with the SQLSTATE that Redshift would give."""
    text = re.split(r"\n\n?(?:LINE|Did you mean|Candidate|\t)", str(error))[0].strip()
    text = re.sub(r"^[A-Z][A-Za-z ]+ Error: ", "", text)
    code = next((code for pattern, code in _BY_TEXT if pattern.search(text)), None)
    code = code or _BY_CLASS.get(type(error).__name__, "XX000")
    if code == "40001":
        return SqlError(code, "1023", f"Serializable isolation violation on table: {text}")
    if code == "53100":
        return SqlError(code, "Disk Full", text)
    if code == OUT_OF_MEMORY:
        return SqlError(code, "out of memory: there is more from now on, run it again", text.splitlines()[0])
    if code == "57014":
        return SqlError(code, "Query cancelled on user's request")
    if code == "22001" and (limit := _TOO_LONG.search(text)):
        return SqlError(code, f"value too long for type character varying({limit[1]})")
    if code == "22012":
        return SqlError(code, "division by zero")
    return SqlError(code, text)
