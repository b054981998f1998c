"""Redshift's SQL, read by sqlglot: text into statements, a statement into a tree that DuckDB takes, and back to text.

The tree is checked against `vocabulary.py` before anything is made of it.
"""

import logging
import re

import sqlglot
from sqlglot import exp, tokens

from sf_transactions.local.redshift import pg_catalog, vocabulary
from sf_transactions.local.redshift.errors import SqlError, not_supported

# sqlglot says so when it does not understand a statement; here that is an error for the client, not a line in a log.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

SYSTEM_SCHEMA = "stand_in"
SYSTEM_TABLES = frozenset({"sys_load_error_detail", "svv_tables", "svv_columns"}) | pg_catalog.TABLES
INFORMATION_SCHEMA = frozenset({"tables", "columns", "schemata"})
_HIDDEN_SCHEMAS = frozenset({"main", "temp", "system", SYSTEM_SCHEMA})
_HIDDEN_TABLE = re.compile(r"(duckdb|pragma|sqlite|copied)_")
_DEFAULT_BYTES = {"CHAR": 1, "NCHAR": 1, "BPCHAR": 256}
_NAME = r'(?:"[^"]+"|[A-Za-z_]\w*)'
QUALIFIED = rf"{_NAME}(?:\.{_NAME})?"


def tokenize(text: str) -> list[tokens.Token]:
    try:
        return sqlglot.tokenize(text, read="redshift")
    except sqlglot.errors.TokenError as error:
        raise SqlError("42601", f"syntax error: {_first_line(error)}") from None


def split(text: str) -> list[str]:
    """The statements in a text, without semicolons and empty ones."""
    parts, start, seen = [], 0, False
    for token in tokenize(text):
        if token.token_type == tokens.TokenType.SEMICOLON:
            if seen:
                parts.append(text[start : token.start].strip())
            start, seen = token.end + 1, False
        else:
            seen = True
    if seen:
        parts.append(text[start:].strip())
    return parts


def parse(source: str) -> exp.Expr:
    """One statement as a tree, as sqlglot reads it."""
    try:
        found = sqlglot.parse(source, read="redshift")
    except sqlglot.errors.SqlglotError as error:
        raise SqlError("42601", f"syntax error: {_first_line(error)}", position=_position(error, source)) from None
    except RecursionError:
        raise SqlError("54001", "the statement is nested too deeply") from None
    if len(found) != 1 or found[0] is None:
        raise SqlError("42601", "one statement at a time")
    tree = found[0]
    if isinstance(tree, exp.Command):
        raise not_supported(tree.name.upper())
    selects = sum(token.token_type == tokens.TokenType.SELECT for token in tokenize(source))
    if len(list(tree.find_all(exp.Select))) > selects:
        raise SqlError("42601", "syntax error: a query starts with SELECT")
    return _of_pg_catalog(tree)


def _of_pg_catalog(tree: exp.Expr) -> exp.Expr:
    """Functions and operators without their schema pg_catalog, and casts to the types of its OIDs as what they mean."""
    for node in list(tree.walk()):
        if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Func):
            if isinstance(node.this, exp.Identifier) and node.this.name.lower() == "pg_catalog":
                called = node.expression
                schemas = isinstance(called, exp.Anonymous) and called.name.lower() == "current_schemas"
                node.replace(exp.CurrentSchemas(this=called.expressions[0]) if schemas else called)
        elif isinstance(node, exp.Operator) and node.args.get("operator") == "pg_catalog.~":
            node.replace(exp.RegexpLike(this=node.this, expression=node.expression))
        elif isinstance(node, exp.Cast) and isinstance(node.to, exp.ObjectIdentifier):
            kind = node.to.name.upper()
            if kind == "OID":
                node.set("to", exp.DataType.build("BIGINT"))
            elif kind == "REGCLASS":
                node.replace(exp.Anonymous(this="regclass", expressions=[node.this]))
    return tree


def _position(error: Exception, source: str) -> int:
    """Where the token at fault begins, from 1; sqlglot tells its line and its last column."""
    told = (getattr(error, "errors", None) or [{}])[0]
    if not told.get("line"):
        return 0
    before = source.splitlines(keepends=True)[: told["line"] - 1]
    return max(1, sum(map(len, before)) + (told.get("col") or 1) - len(told.get("highlight") or " ") + 1)


def _first_line(error: Exception) -> str:
    line = re.sub(r"\x1b\[\d*m", "", str(error)).splitlines()[0]
    return re.sub(r"\bfor <class .*?>", "", line)


def generate(tree: exp.Expr) -> str:
    """The text of a tree for DuckDB."""
    try:
        return tree.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
    except sqlglot.errors.UnsupportedError as error:
        raise not_supported(_first_line(error)) from None


def check(tree: exp.Expr) -> None:
    """Refuses what is not Redshift's, or not known here. Raises SqlError."""
    for node in tree.walk():
        kind = type(node).__name__
        if isinstance(node, exp.Anonymous):
            name = node.name.lower()
            if name not in vocabulary.FUNCTIONS and name not in vocabulary.ANSWERED:
                raise SqlError("42883", f"function {name} does not exist")
        elif isinstance(node, exp.Table) and node.this and not isinstance(node.this, exp.Identifier):
            raise not_supported("a function in the place of a table")
        elif kind not in vocabulary.NODES and not _is_item(node):
            if isinstance(node, exp.Func):
                raise SqlError("42883", f"function {node.sql_name().lower()} does not exist or is not known here")
            raise not_supported(kind)
        if isinstance(node, exp.Values) and not isinstance(node.parent, exp.Insert):
            raise SqlError("42601", "syntax error at or near VALUES")
        if isinstance(node, exp.Parameter) and not re.fullmatch(r"\d+", node.name):
            raise SqlError("42601", f"syntax error at or near ${node.name}")
        if isinstance(node, exp.Distinct) and node.args.get("on"):
            raise not_supported("DISTINCT ON")
        if kind in vocabulary.ARGUMENTS:
            allowed = vocabulary.ARGUMENTS[kind].split()
            for name, value in node.args.items():
                if value and name not in allowed:
                    raise SqlError("42601", f"syntax error: {name.strip('_').upper()} in {kind.upper()} is not known")


def _is_item(node: exp.Expr) -> bool:
    """Whether this is an item of one of the arrays that there are, (current_schemas(true))[1] or conkey[1]."""
    if not isinstance(node, exp.Bracket) or len(node.expressions) != 1 or isinstance(node.expressions[0], exp.Slice):
        return False
    array = node.this.unnest()
    named = isinstance(array, exp.Column) and array.name.lower() in pg_catalog.ARRAYS
    return named or isinstance(array, exp.CurrentSchemas)


def normalise(tree: exp.Expr) -> exp.Expr:
    """The checked tree in DuckDB's terms: names in lower case, tables, types and functions by DuckDB's names."""
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    _name_columns(tree)
    root = exp.Paren(this=tree)  # so that the top can be replaced like any other node
    for node in list(tree.walk()):
        if isinstance(node, exp.Identifier):
            node.set("this", node.name.lower())
            node.set("quoted", True)
        elif isinstance(node, exp.Table):
            _table(node, ctes)
        elif isinstance(node, exp.Cast):
            _cast(node)
        elif isinstance(node, exp.CurrentTimestamp):
            node.replace(exp.AtTimeZone(this=exp.CurrentTimestamp(), zone=exp.Literal.string("UTC")))
        elif isinstance(node, exp.GroupConcat):
            _listagg(node)
        elif isinstance(node, exp.Bracket):
            node.replace(exp.Anonymous(this="list_extract", expressions=[node.this, *node.expressions]))
        elif isinstance(node, exp.FromBase):
            node.replace(exp.Anonymous(this=f"{SYSTEM_SCHEMA}.strtol", expressions=[node.this, node.expression]))
        elif isinstance(node, _FUNCTIONS):
            _function(node)
    return root.this


def _table(node: exp.Table, ctes: set[str]) -> None:
    name, schema = node.name.lower(), node.db.lower()
    if node.catalog:
        raise not_supported("a table of another database")
    if not schema and name in ctes:
        return
    if schema in _HIDDEN_SCHEMAS:
        raise SqlError("3F000", f'schema "{schema}" does not exist')
    if _HIDDEN_TABLE.match(name) and not schema:
        raise SqlError("42P01", f'relation "{name}" does not exist')
    if name in SYSTEM_TABLES and schema in ("", "pg_catalog"):
        node.set("db", exp.to_identifier(SYSTEM_SCHEMA))
    elif schema == "information_schema":
        if name not in INFORMATION_SCHEMA:
            raise SqlError("42P01", f'relation "information_schema.{name}" does not exist')
        node.set("db", exp.to_identifier(SYSTEM_SCHEMA))
        if not node.alias:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))


def column_type(kind: exp.Expr) -> tuple[str, int | None]:
    """A type as DuckDB's, and the limit in bytes of a text. Raises SqlError for a type that is not known."""
    name = kind.this.name if isinstance(kind, exp.DataType) else ""
    if name not in vocabulary.TYPES:
        raise not_supported(f"type {kind.sql(dialect='redshift')}")
    duckdb = vocabulary.TYPES[name]
    sizes = [parameter.name for parameter in kind.expressions]
    if duckdb == "DECIMAL":
        precision, scale = (*map(int, sizes), *(18, 0)[len(sizes) :])
        if not (1 <= precision <= 38 and 0 <= scale <= min(37, precision)):
            raise SqlError("22023", f"DECIMAL({precision},{scale}) is out of range")
        return f"DECIMAL({precision},{scale})", None
    if duckdb == "VARCHAR":
        if not sizes:
            return duckdb, _DEFAULT_BYTES.get(name)
        size = 65535 if sizes[0].upper() == "MAX" else int(sizes[0])
        if not 1 <= size <= 65535:
            raise SqlError("22023", f"length {size} for type {name.lower()} is not between 1 and 65535")
        return duckdb, size
    if sizes:
        raise not_supported(kind.sql(dialect="redshift"))
    return duckdb, None


def _cast(node: exp.Cast) -> None:
    """A cast to text of a given size cuts off what is longer."""
    kind, size = column_type(node.to)
    node.set("to", exp.DataType.build(kind, dialect="duckdb"))
    if size is not None:
        cut = exp.Left(this=exp.Null(), expression=exp.Literal.number(size))
        node.replace(cut)
        cut.set("this", node)


def _listagg(node: exp.GroupConcat) -> None:
    """LISTAGG without a separator has none. That of LISTAGG(DISTINCT a, ',') sqlglot takes for distinct, too."""
    distinct = node.this
    if isinstance(distinct, exp.Distinct) and len(distinct.expressions) == 2:
        value, separator = distinct.expressions
        distinct.set("expressions", [value])
        node.set("separator", separator)
    elif not node.args.get("separator"):
        node.set("separator", exp.Literal.string(""))


_KEYWORDS = {
    "sessionuser": "current_user",
    "currentuser": "current_user",
    "currentcatalog": "current_database",
    "currentdatabase": "current_database",
    "currentversion": "version",
}
_FUNCTIONS = (
    exp.Anonymous,
    exp.CurrentUser,
    exp.SessionUser,
    exp.CurrentCatalog,
    exp.CurrentDatabase,
    exp.CurrentVersion,
)


def _function(node: exp.Expr) -> None:
    name = node.name.lower() if isinstance(node, exp.Anonymous) else _KEYWORDS[node.key]
    if name in vocabulary.ANSWERED:
        node.replace(exp.Anonymous(this="getvariable", expressions=[exp.Literal.string(vocabulary.ANSWERED[name])]))
    else:
        node.set("this", vocabulary.FUNCTIONS[name])


def _name_columns(tree: exp.Expr) -> None:
    """Names for columns without one, as Redshift gives them: the function's, the cast column's, or ?column?."""
    for select in list(tree.find_all(exp.Select)):
        for column in list(select.expressions):
            if isinstance(column, (exp.Alias, exp.Column, exp.Star)):
                continue
            column.replace(exp.alias_(column.copy(), _column_name(column), quoted=True))


def _column_name(column: exp.Expr) -> str:
    if isinstance(column, (exp.Window, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)):
        return _column_name(column.this)
    if isinstance(column, exp.Cast):
        return column.this.name if isinstance(column.this, exp.Column) else column.to.sql(dialect="redshift").lower()
    if isinstance(column, exp.Anonymous):
        return column.name.lower()
    if isinstance(column, exp.Func) and not isinstance(column, (exp.Connector, exp.Binary)):
        name = column.sql_name().lower()
        return vocabulary.COLUMN_NAMES.get(name, name)
    return "?column?"
