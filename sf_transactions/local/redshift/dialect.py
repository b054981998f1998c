"""Redshift's SQL as DuckDB's, statement by statement. What is not known is refused, never passed on."""

import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp, tokens

from sf_transactions.local.redshift.errors import SqlError

# Functions that sqlglot has no name of its own for and that mean the same in DuckDB.
KNOWN_FUNCTIONS = {"strpos", "len", "ltrim", "rtrim", "btrim", "strlen", "octet_length", "version", "current_schema"}
ANSWERED_HERE = {"pg_backend_pid", "pg_last_copy_count"}
SETTINGS = {
    "search_path", "application_name", "client_encoding", "statement_timeout", "query_group", "datestyle",
    "timezone", "extra_float_digits", "standard_conforming_strings",
}  # fmt: skip
TRANSACTION_WORDS = {
    "BEGIN": "BEGIN", "START": "BEGIN", "COMMIT": "COMMIT", "END": "COMMIT", "ROLLBACK": "ROLLBACK",
    "ABORT": "ROLLBACK",
}  # fmt: skip
_VARCHAR = re.compile(r"^(?:N?VARCHAR|CHARACTER VARYING|CHAR|TEXT)\((\d+)\)$")


@dataclass
class Statement:
    """What to do: `kind` is begin, commit, rollback, copy, like, nothing, show, query or execute."""

    kind: str
    tag: str
    sql: str = ""
    source: str = ""
    detail: dict[str, str] = field(default_factory=dict)


def split(text: str) -> list[str]:
    """The statements in a text, without semicolons and empty ones."""
    try:
        found = sqlglot.tokenize(text, read="redshift")
    except sqlglot.errors.TokenError as error:
        raise SqlError("42601", f"syntax error: {str(error).splitlines()[0]}") from None
    parts, start, seen = [], 0, False
    for token in found:
        if token.token_type == tokens.TokenType.SEMICOLON:
            if seen:
                parts.append(text[start : token.start].strip())
            start, seen = token.end + 1, False
        else:
            seen = True
    if seen:
        parts.append(text[start:].strip())
    return parts


def translate(source: str) -> Statement:
    """One statement. Raises SqlError when it is not understood."""
    words = [token.text.upper() for token in sqlglot.tokenize(source, read="redshift")[:4]]
    first = words[0]
    if first in TRANSACTION_WORDS:
        tag = TRANSACTION_WORDS[first]
        return Statement(tag.lower(), tag)
    if first == "COPY":
        return Statement("copy", "COPY", source=source)
    if first == "SET":
        name = words[1].lower() if words[1] not in ("SESSION", "LOCAL") else words[2].lower()
        if name not in SETTINGS:
            raise SqlError("42704", f'unrecognized configuration parameter "{name}"')
        return Statement("nothing", "SET")
    if first == "SHOW":
        return Statement("show", "SHOW", source=words[1].lower())
    if first in ("ANALYZE", "LOCK", "GRANT"):
        return Statement("nothing", "LOCK TABLE" if first == "LOCK" else first)
    if first == "CREATE" and "TABLE" in words:
        return _create_table(source)
    tree = _parse(source)
    _refuse_unknown(tree)
    _name_columns(tree)
    return Statement(*_kind(tree), tree.sql(dialect="duckdb"), source)


def _parse(source: str) -> exp.Expr:
    try:
        found = sqlglot.parse(source, read="redshift")
    except sqlglot.errors.SqlglotError as error:
        raise SqlError("42601", f"syntax error: {str(error).splitlines()[0]}") from None
    if len(found) != 1 or found[0] is None:
        raise SqlError("42601", "one statement at a time")
    return found[0]


def _kind(tree: exp.Expr) -> tuple[str, str]:
    if isinstance(tree, exp.Query):
        return "query", "SELECT"
    if isinstance(tree, exp.Insert):
        return "execute", "INSERT 0"
    if isinstance(tree, exp.Update):
        return "execute", "UPDATE"
    if isinstance(tree, exp.Delete):
        return "execute", "DELETE"
    if isinstance(tree, exp.Comment):
        return "execute", "COMMENT"
    if isinstance(tree, exp.Create) and tree.kind in ("SCHEMA", "VIEW"):
        return "execute", f"CREATE {tree.kind}"
    if isinstance(tree, exp.Drop) and tree.kind in ("SCHEMA", "VIEW", "TABLE"):
        return "execute", f"DROP {tree.kind}"
    raise SqlError("0A000", f"{tree.key.upper()} is not supported by the stand-in")


def _refuse_unknown(tree: exp.Expr) -> None:
    """Functions that are not Redshift's, functions as tables, and statements that sqlglot did not understand."""
    for node in tree.walk():
        if isinstance(node, exp.Command):
            raise SqlError("0A000", f"{node.name.upper()} is not supported by the stand-in")
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Func):
            raise SqlError("0A000", "a function cannot stand where a table is expected")
        if isinstance(node, exp.Star) and (
            node.args.get("except_") or node.args.get("except") or node.args.get("replace")
        ):
            raise SqlError("42601", "syntax error at or near EXCLUDE")
        if isinstance(node, exp.Anonymous) and node.name.lower() not in KNOWN_FUNCTIONS | ANSWERED_HERE:
            raise SqlError("42883", f"function {node.name.lower()} does not exist")


def _name_columns(tree: exp.Expr) -> None:
    """Names for columns without one, as Redshift gives them: the function's, or ?column?."""
    select: exp.Expr = tree
    while isinstance(select, exp.SetOperation):
        select = select.left
    if not isinstance(select, exp.Select):
        return
    for column in list(select.expressions):
        if isinstance(column, exp.Cast) and isinstance(column.this, exp.Column):
            column.replace(exp.alias_(column.copy(), column.this.name))
        elif not isinstance(column, (exp.Alias, exp.Column, exp.Star)):
            function = column.this if isinstance(column, exp.Window) else column
            name = (
                function.name
                if isinstance(function, exp.Anonymous)
                else function.sql_name()
                if isinstance(function, exp.Func)
                else "?column?"
            )
            column.replace(exp.alias_(column.copy(), name.lower(), quoted=True))


def _create_table(source: str) -> Statement:
    """CREATE TABLE with Redshift's attributes, which are checked and left out, as are the keys it does not enforce."""
    head, columns, rest = _parentheses(source)
    _table_attributes(rest)
    temporary = bool(re.search(r"\bTEMP(ORARY)?\b", head, re.I))
    like = re.match(r"\s*LIKE\s+([\w.\"]+)\s*$", columns, re.I)
    if like:
        name = head.split()[-1]
        return Statement("like", "CREATE TABLE", source=source, detail={"name": name, "like": like[1]})
    tree = _parse(f"{head} ({_column_attributes(columns)})")
    if not isinstance(tree, exp.Create) or not isinstance(tree.this, exp.Schema):
        raise SqlError("42601", "CREATE TABLE needs a list of columns")
    kept = []
    for part in tree.this.expressions:
        if isinstance(part, (exp.PrimaryKey, exp.ForeignKey, exp.UniqueColumnConstraint)):
            continue
        if not isinstance(part, exp.ColumnDef):
            raise SqlError("0A000", f"{part.sql(dialect='redshift')} is not supported by the stand-in")
        kept.append(_column(part))
    exists = "IF NOT EXISTS " if tree.args.get("exists") else ""
    name = tree.this.this.sql(dialect="duckdb")
    sql = f"CREATE {'TEMP ' if temporary else ''}TABLE {exists}{name} ({', '.join(kept)})"
    return Statement("execute", "CREATE TABLE", sql, source)


def _column(column: exp.ColumnDef) -> str:
    """A column as DuckDB takes it: NOT NULL kept, VARCHAR(n) a limit in bytes."""
    name = column.this.sql(dialect="duckdb", identify=True)
    kind = column.args["kind"].sql(dialect="redshift").upper()
    parts = [name, column.args["kind"].sql(dialect="duckdb")]
    for constraint in column.constraints:
        if isinstance(constraint.kind, exp.NotNullColumnConstraint):
            parts.append("NOT NULL" if not constraint.kind.args.get("allow_null") else "")
        elif isinstance(constraint.kind, exp.DefaultColumnConstraint):
            parts.append(constraint.sql(dialect="duckdb"))
        elif not isinstance(
            constraint.kind, (exp.PrimaryKeyColumnConstraint, exp.UniqueColumnConstraint, exp.Reference)
        ):
            raise SqlError("0A000", f"{constraint.sql(dialect='redshift')} is not supported by the stand-in")
    if limit := _VARCHAR.match(kind):
        parts.append(f"CHECK (strlen({name}) <= {limit[1]})")
    return " ".join(part for part in parts if part)


def _parentheses(source: str) -> tuple[str, str, str]:
    """Text before, inside and after the first balanced parentheses."""
    depth, start = 0, -1
    for token in sqlglot.tokenize(source, read="redshift"):
        if token.token_type == tokens.TokenType.L_PAREN:
            depth += 1
            start = token.end + 1 if depth == 1 and start < 0 else start
        elif token.token_type == tokens.TokenType.R_PAREN:
            depth -= 1
            if depth == 0:
                return source[: start - 1].strip(), source[start : token.start], source[token.end + 1 :]
    raise SqlError("42601", "CREATE TABLE needs a list of columns")


def _column_attributes(columns: str) -> str:
    """The list without ENCODE, DISTKEY and SORTKEY, which say how Redshift stores a column."""
    columns = re.sub(r"(?i)\bENCODE\s+\w+", "", columns)
    return re.sub(r"(?i)\b(DISTKEY|SORTKEY)\b", "", columns)


def _table_attributes(rest: str) -> None:
    attribute = (
        r"DISTSTYLE\s+(AUTO|EVEN|ALL|KEY)|DISTKEY\s*\([\w\" ]+\)|((COMPOUND|INTERLEAVED)\s+)?SORTKEY\s*\([\w\", ]+\)"
    )
    if not re.fullmatch(rf"\s*((({attribute})|SORTKEY\s+AUTO|ENCODE\s+AUTO|BACKUP\s+(YES|NO))\s*)*", rest, re.I):
        raise SqlError("42601", f"syntax error at or near {rest.split()[0]!r}")
