"""Redshift's statements as DuckDB's, one by one. What is not known is refused, never passed on."""

import functools
import re
from dataclasses import dataclass, field

from sqlglot import exp

from sf_transactions.local.redshift import unload as unloading
from sf_transactions.local.redshift import vocabulary
from sf_transactions.local.redshift.errors import SqlError, not_supported
from sf_transactions.local.redshift.parse import (
    QUALIFIED,
    SYSTEM_SCHEMA,
    check,
    generate,
    normalise,
    parse,
    split,
    tokenize,
)
from sf_transactions.local.redshift.tables import NewTable, create_table, duckdb_name

__all__ = ["Statement", "split", "translate"]

_MODES = r"(\s+(ISOLATION\s+LEVEL\s+(SERIALIZABLE|REPEATABLE\s+READ|READ\s+(UN)?COMMITTED)|READ\s+(WRITE|ONLY))\s*,?)*"
_TRANSACTION = (
    (re.compile(rf"(BEGIN(\s+(WORK|TRANSACTION))?|START\s+TRANSACTION){_MODES}", re.I), "BEGIN"),
    (re.compile(r"(COMMIT|END)(\s+(WORK|TRANSACTION))?", re.I), "COMMIT"),
    (re.compile(r"(ROLLBACK|ABORT)(\s+(WORK|TRANSACTION))?", re.I), "ROLLBACK"),
)
_SET = re.compile(r"SET\s+(?:SESSION\s+|LOCAL\s+)?(\w+)\s*(?:=|\s+TO\s)\s*(.+)", re.I | re.S)
_RESET = re.compile(r"RESET\s+(\w+)", re.I)
_SHOW = re.compile(r"SHOW\s+(\w+)", re.I)
_SHOW_ISOLATION = re.compile(r"SHOW\s+TRANSACTION\s+ISOLATION\s+LEVEL", re.I)
_TABLES = rf"(?P<tables>{QUALIFIED}(?:\s*,\s*{QUALIFIED})*)"
_PRIVILEGE = r"(?:SELECT|INSERT|UPDATE|DELETE|DROP|TRUNCATE|REFERENCES|USAGE|CREATE|ALL(?:\s+PRIVILEGES)?)"
_ON = rf"ON\s+(?:(?P<schema>SCHEMA|ALL\s+TABLES\s+IN\s+SCHEMA)\s+|TABLE\s+)?{_TABLES}\s+(?:TO|FROM)\s+[\w\",\s]+"
# Statements that change nothing that could be seen here: only what they name must be there.
_WITHOUT_EFFECT = (
    (re.compile(rf"ANALYZE(?:\s+VERBOSE)?(?:\s+(?:COMPRESSION\s+)?{_TABLES}(?:\s*\([^)]*\))?)?", re.I), "ANALYZE"),
    (re.compile(rf"LOCK(?:\s+TABLE)?\s+{_TABLES}", re.I), "LOCK TABLE"),
    (re.compile(rf"VACUUM(?:\s+(?:FULL|SORT\s+ONLY|DELETE\s+ONLY|REINDEX))?(?:\s+{_TABLES})?", re.I), "VACUUM"),
    (re.compile(rf"GRANT\s+{_PRIVILEGE}(?:\s*,\s*{_PRIVILEGE})*\s+{_ON}", re.I), "GRANT"),
    (re.compile(rf"REVOKE\s+{_PRIVILEGE}(?:\s*,\s*{_PRIVILEGE})*\s+{_ON}", re.I), "REVOKE"),
)  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """What to do: `kind` is begin, commit, rollback, set, show, copy, unload, like, truncate, nothing, query or
    execute."""

    kind: str
    tag: str
    sql: str = ""
    source: str = ""
    parameter_count: int = 0
    setting: tuple[str, str | None] = ("", None)  # name, and value as written; None is the default
    table: NewTable | None = None
    needs: list[str] = field(default_factory=list)  # tables that must be there
    needs_schema: list[str] = field(default_factory=list)
    view: tuple[str, str] = ("", "")  # schema and name of one that is made
    unload: unloading.Unload | None = None

    @property
    def returns_rows(self) -> bool:
        return self.kind in ("query", "show")


@functools.lru_cache(maxsize=1024)
def translate(source: str) -> Statement:
    """One statement. Raises SqlError when it is not understood. Clients send the same ones again and again."""
    found = tokenize(source)
    source = source[found[0].start :]  # without comments before it
    first = found[0].text.upper()
    for pattern, tag in _TRANSACTION:
        if pattern.fullmatch(source):
            return Statement(tag.lower(), tag)
    if first in ("SET", "RESET", "SHOW"):
        return _setting(source, first)
    if first == "COPY":
        return Statement("copy", "COPY", source=source)
    if first == "UNLOAD":
        return _unload(source)
    for pattern, tag in _WITHOUT_EFFECT:
        if match := pattern.fullmatch(source):
            return _without_effect(match, tag)
    words = [token.text.upper() for token in found[1:4]]
    if first == "CREATE" and "TABLE" in words:
        return _create_table(source)
    tree = parse(source)
    kind, tag = _kind(tree)
    check(tree)
    if not isinstance(tree, exp.Query):
        _refuse_system_tables(tree)
    if isinstance(tree, exp.Alter):
        _check_alter(tree)
    if isinstance(tree, exp.Create):
        tree.set("no_schema_binding", None)
    count = max((int(node.name) for node in tree.find_all(exp.Parameter)), default=0)
    sql = generate(normalise(tree))
    view = (tree.this.db, tree.this.name) if tag == "CREATE VIEW" and isinstance(tree.this, exp.Table) else ("", "")
    return Statement("view" if tag == "CREATE VIEW" else kind, tag, sql, source, count, view=view)


def _unload(source: str) -> Statement:
    asked = unloading.read(source)
    query = translate(asked.query)
    if query.kind != "query" or query.parameter_count:
        raise SqlError("42601", "UNLOAD takes one query, without parameters")
    if parse(asked.query).args.get("limit"):
        raise SqlError("0A000", "Limit clause is not supported")
    return Statement("unload", "UNLOAD", query.sql, source, unload=asked)


def _setting(source: str, first: str) -> Statement:
    value: str | None = None
    if _SHOW_ISOLATION.fullmatch(source):
        name = "transaction_isolation"
    elif match := _SHOW.fullmatch(source) or _RESET.fullmatch(source):
        name = match[1].lower()
    elif first == "SET" and (match := _SET.fullmatch(source)):
        name, value = match[1].lower(), match[2].strip()
    else:
        raise not_supported(f"this form of {first}")
    if name not in vocabulary.SETTINGS:
        raise SqlError("42704", f'unrecognized configuration parameter "{name}"')
    if first == "SHOW":
        return Statement("show", "SHOW", setting=(name, None))
    if value is not None and value.upper() == "DEFAULT":
        value = None
    plain = (value or "").strip("'\"").lower()
    if value is not None and name in vocabulary.FIXED and plain not in vocabulary.FIXED[name]:
        raise SqlError("22023", f'the stand-in has one value only for parameter "{name}": {vocabulary.SETTINGS[name]}')
    return Statement("set", first, setting=(name, value))


def _without_effect(match: re.Match[str], tag: str) -> Statement:
    groups = match.groupdict()
    names = re.findall(QUALIFIED, groups.get("tables") or "")
    if groups.get("schema"):
        return Statement("nothing", tag, needs_schema=[name.strip('"').lower() for name in names])
    return Statement("vacuum" if tag == "VACUUM" else "nothing", tag, needs=[duckdb_name(name) for name in names])


def _create_table(source: str) -> Statement:
    new = create_table(source)
    if f'"{SYSTEM_SCHEMA}".' in new.name or new.name.startswith(f"{SYSTEM_SCHEMA}."):
        raise SqlError("42501", f"permission denied for {new.name}")
    needs = [name for name in new.references if name != new.name]
    return Statement("like" if new.like else "execute", "CREATE TABLE", new.sql, source, table=new, needs=needs)


def _kind(tree: exp.Expr) -> tuple[str, str]:
    if isinstance(tree, exp.Select) and tree.args.get("into"):
        raise not_supported("SELECT INTO")
    if isinstance(tree, exp.Query):
        return "query", "SELECT"
    if isinstance(tree, exp.TruncateTable):
        return "truncate", "TRUNCATE TABLE"
    tags = {"insert": "INSERT 0", "update": "UPDATE", "delete": "DELETE", "merge": "MERGE"}
    if tag := tags.get(tree.key):
        return "execute", tag
    if isinstance(tree, exp.Comment) and str(tree.args["kind"]).upper() in ("TABLE", "COLUMN", "VIEW"):
        return "execute", "COMMENT"
    if isinstance(tree, exp.Create) and tree.kind in ("SCHEMA", "VIEW"):
        return "execute", f"CREATE {tree.kind}"
    if isinstance(tree, exp.Drop) and tree.kind in ("SCHEMA", "VIEW", "TABLE"):
        return "execute", f"DROP {tree.kind}"
    if isinstance(tree, exp.Alter) and tree.args["kind"] == "TABLE":
        return "execute", "ALTER TABLE"
    raise not_supported(tree.key.upper())


def _refuse_system_tables(tree: exp.Expr) -> None:
    target = tree.this if isinstance(tree.this, exp.Expr) else tree
    table = target if isinstance(target, exp.Table) else target.find(exp.Table)
    if table is not None and not isinstance(tree, exp.Comment):
        checked = normalise(table.copy())
        if checked.text("db").lower() in (SYSTEM_SCHEMA, "pg_catalog"):
            raise SqlError("42501", f"permission denied for relation {table.name.lower()}")


def _check_alter(tree: exp.Alter) -> None:
    """A new column with a limit in bytes cannot be added: DuckDB adds no CHECK to a table."""
    for action in tree.args["actions"]:
        if isinstance(action, exp.ColumnDef) and action.args["kind"].sql(dialect="duckdb").startswith("TEXT"):
            raise not_supported("ADD COLUMN of a text")
