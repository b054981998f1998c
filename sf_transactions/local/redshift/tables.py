"""CREATE TABLE: Redshift's attributes of tables and columns are checked and left out; what it enforces is kept.

Kept are NOT NULL, DEFAULT and the limit of a text in bytes (a CHECK). Keys are not enforced, as in Redshift; a CHECK
that always holds keeps what was declared, for `pg_constraint`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp, tokens

from sf_transactions.local.redshift.errors import SqlError, not_supported
from sf_transactions.local.redshift.parse import (
    QUALIFIED,
    check,
    column_type,
    generate,
    normalise,
    parse,
    tokenize,
)

_HEAD = re.compile(
    rf"CREATE\s+(?:LOCAL\s+)?(?P<temp>TEMP\s+|TEMPORARY\s+)?TABLE\s+(?P<exists>IF\s+NOT\s+EXISTS\s+)?(?P<name>{QUALIFIED})\s*",
    re.I,
)
_NAMES = r'\(\s*(?:"[^"]+"|\w+)(?:\s*,\s*(?:"[^"]+"|\w+))*\s*\)'
_ATTRIBUTE = re.compile(
    rf"""\s*(?:DISTSTYLE\s+(?P<style>AUTO|EVEN|ALL|KEY)\b|DISTKEY\s*(?P<distkey>{_NAMES})
    |(?:COMPOUND\s+|INTERLEAVED\s+)?SORTKEY\s*(?:(?P<sortkey>{_NAMES})|AUTO\b)|ENCODE\s+AUTO\b|BACKUP\s+(?:YES|NO)\b)""",
    re.I | re.X,
)
_LIKE = re.compile(rf"\(\s*LIKE\s+({QUALIFIED})(?:\s+(INCLUDING|EXCLUDING)\s+DEFAULTS)?\s*\)\s*", re.I)


@dataclass
class NewTable:
    """What a CREATE TABLE asks for: DuckDB's statement; or the name of a table to be alike."""

    name: str
    sql: str = ""
    like: str = ""
    like_defaults: bool = False
    temporary: bool = False
    if_not_exists: bool = False
    keys: list[str] = field(default_factory=list)  # a CHECK for each
    references: list[str] = field(default_factory=list)  # tables that must be there


def create_table(source: str) -> NewTable:
    """Reads CREATE TABLE in its three forms: columns, LIKE and AS. Raises SqlError."""
    head = _HEAD.match(source)
    if not head:
        raise SqlError("42601", "syntax error in CREATE TABLE")
    rest = source[head.end() :]
    new = NewTable(duckdb_name(head["name"]), temporary=bool(head["temp"]), if_not_exists=bool(head["exists"]))
    start = f"CREATE {'TEMP ' if new.temporary else ''}TABLE {'IF NOT EXISTS ' if new.if_not_exists else ''}{new.name}"
    if like := _LIKE.match(rest):
        _attributes(rest[like.end() :])
        new.like, new.like_defaults = duckdb_name(like[1]), (like[2] or "").upper() == "INCLUDING"
    elif rest.startswith("("):
        columns, rest = _parentheses(rest)
        known, parts = _columns(columns, new)
        keys = _attributes(rest)
        for key in keys:
            if key not in known:
                raise SqlError("42703", f'column "{key}" named in key does not exist')
        new.sql = f"{start} ({', '.join(parts)})"
    else:
        attributes, query = _before_as(rest)
        _attributes(attributes)
        tree = parse(query)
        if not isinstance(tree, exp.Query):
            raise SqlError("42601", "CREATE TABLE AS needs a query")
        check(tree)
        new.sql = f"{start} AS {generate(normalise(tree))}"
    return new


def duckdb_name(text: str) -> str:
    """A name as written, checked, in lower case and quoted."""
    table = exp.to_table(text, dialect="redshift")
    return generate(normalise(table))


def _before_as(text: str) -> tuple[str, str]:
    """The attributes before AS, and the query behind it."""
    depth = 0
    for token in tokenize(text):
        depth += (token.token_type == tokens.TokenType.L_PAREN) - (token.token_type == tokens.TokenType.R_PAREN)
        if token.token_type == tokens.TokenType.ALIAS and depth == 0:
            return text[: token.start], text[token.end + 1 :]
    raise SqlError("42601", "syntax error in CREATE TABLE: neither columns, nor LIKE, nor AS")


def _parentheses(text: str) -> tuple[str, str]:
    """What stands inside the first balanced parentheses, and behind them."""
    depth = 0
    for token in tokenize(text):
        depth += (token.token_type == tokens.TokenType.L_PAREN) - (token.token_type == tokens.TokenType.R_PAREN)
        if depth == 0:
            return text[1 : token.start], text[token.end + 1 :]
    raise SqlError("42601", "syntax error in CREATE TABLE: a parenthesis is not closed")


def _attributes(text: str) -> list[str]:
    """Reads the attributes of a table and returns the columns that its keys name."""
    keys: list[str] = []
    style = distkey = ""
    rest = text
    while rest.strip():
        found = _ATTRIBUTE.match(rest)
        if not found:
            raise SqlError("42601", f'syntax error at or near "{rest.split()[0]}"')
        style, distkey = style or found["style"] or "", distkey or found["distkey"] or ""
        for names in (found["distkey"], found["sortkey"]):
            keys += [name.strip().strip('"').lower() for name in (names or "").strip("()").split(",") if name.strip()]
        rest = rest[found.end() :]
    if bool(distkey) and style.upper() not in ("", "KEY"):
        raise SqlError("42P16", f"cannot specify DISTKEY column for DISTSTYLE {style.upper()}")
    return keys


def _without_attributes(columns: str) -> str:
    """The list without ENCODE, DISTKEY and SORTKEY, which say how Redshift stores a column."""
    found = tokenize(columns)
    depth, first, cut, skip = 0, True, [], False
    for token in found:
        depth += (token.token_type == tokens.TokenType.L_PAREN) - (token.token_type == tokens.TokenType.R_PAREN)
        quoted = columns[token.start] in "\"'"
        word = "" if quoted else token.text.upper()
        if skip:
            cut.append(token)
            skip = False
        elif depth == 0 and not first and word in ("ENCODE", "DISTKEY", "SORTKEY"):
            cut.append(token)
            skip = word == "ENCODE"
        first = depth == 0 and token.token_type == tokens.TokenType.COMMA
    for token in reversed(cut):
        columns = columns[: token.start] + columns[token.end + 1 :]
    return columns


def _columns(columns: str, new: NewTable) -> tuple[set[str], list[str]]:
    """The names of the columns, and their definitions as DuckDB takes them."""
    tree = parse(f"CREATE TABLE t ({_without_attributes(columns)})")
    if not isinstance(tree, exp.Create) or not isinstance(tree.this, exp.Schema):
        raise SqlError("42601", "CREATE TABLE needs a list of columns")
    definitions: list[exp.ColumnDef] = []
    keys: list[exp.Expr] = []
    for part in tree.this.expressions:
        for piece in part.expressions if isinstance(part, exp.Constraint) else [part]:
            if isinstance(piece, exp.ColumnDef):
                definitions.append(piece)
            elif isinstance(piece, (exp.PrimaryKey, exp.ForeignKey, exp.UniqueColumnConstraint)):
                keys.append(piece)
            else:
                raise not_supported(piece.sql(dialect="redshift"))
    known = {definition.name.lower() for definition in definitions}
    filled: set[str] = set()  # a primary key implies NOT NULL
    for key in keys:
        names = _key_names(key)
        for name in names:
            if name not in known:
                raise SqlError("42703", f'column "{name}" named in key does not exist')
        if isinstance(key, exp.PrimaryKey):
            filled |= set(names)
        kind = "p" if isinstance(key, exp.PrimaryKey) else "f" if isinstance(key, exp.ForeignKey) else "u"
        _keep(new, kind, names, key.args.get("reference"))
    return known, [*(_column(definition, filled, new) for definition in definitions), *new.keys]


def _key_names(key: exp.Expr) -> list[str]:
    columns = key.this.expressions if isinstance(key, exp.UniqueColumnConstraint) else key.expressions
    return [column.name.lower() for column in columns]


def _keep(new: NewTable, kind: str, columns: Sequence[str], reference: exp.Expr | None = None) -> None:
    """Notes a key: its kind as `pg_constraint.contype` has it, its columns, the table and the columns it refers to."""
    parts = [kind, ",".join(columns), "", "", ""]
    table = reference.find(exp.Table) if reference else None
    if reference and table:
        new.references.append(generate(normalise(table.copy())))
        named = reference.this.expressions if isinstance(reference.this, exp.Schema) else []
        parts[2:] = [table.db.lower(), table.name.lower(), ",".join(column.name.lower() for column in named)]
    kept = exp.Literal.string(f"key:{'|'.join(parts)}").sql(dialect="duckdb")
    new.keys.append(f"CHECK ({kept} <> '')")


def _column(column: exp.ColumnDef, filled: set[str], new: NewTable) -> str:
    """A column as DuckDB takes it: NOT NULL and DEFAULT kept, VARCHAR(n) with a limit in bytes."""
    name = exp.to_identifier(column.name.lower(), quoted=True).sql(dialect="duckdb")
    if "kind" not in column.args or column.args["kind"] is None:
        raise SqlError("42601", f"column {name} needs a type")
    kind, size = column_type(column.args["kind"])
    if kind == "VARCHAR":
        size = size or 256
    empty, default = column.name.lower() not in filled, ""
    for constraint in column.constraints:
        rule = constraint.kind
        if isinstance(rule, exp.NotNullColumnConstraint):
            empty = empty and bool(rule.args.get("allow_null"))
        elif isinstance(rule, exp.PrimaryKeyColumnConstraint):
            empty = False
            _keep(new, "p", [column.name.lower()])
        elif isinstance(rule, exp.DefaultColumnConstraint):
            check(rule)
            default = f" {generate(normalise(rule))}"
        elif isinstance(rule, exp.Reference):
            _keep(new, "f", [column.name.lower()], rule)
        elif isinstance(rule, exp.UniqueColumnConstraint):
            _keep(new, "u", [column.name.lower()])
        else:
            raise not_supported(constraint.sql(dialect="redshift"))
    limit = f" CHECK (strlen({name}) <= {size})" if size else ""
    return f"{name} {kind}{default}{'' if empty else ' NOT NULL'}{limit}"
