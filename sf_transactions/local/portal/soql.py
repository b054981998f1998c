"""SoQL, the portal's query language, as SQL: the clauses that SODA takes, read strictly."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

ROW_ID = "__row_id"
DEFAULT_LIMIT = 1000
AGGREGATES = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg, exp.Distinct)
ALLOWED = (
    *AGGREGATES, exp.Column, exp.Identifier, exp.Star, exp.Alias, exp.Literal, exp.Paren, exp.And, exp.Or, exp.Not,
    exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.Null, exp.In, exp.Like, exp.Neg, exp.Ordered,
    exp.Between, exp.Tuple,
)  # fmt: skip


class SoqlError(ValueError):
    """A query that the portal refuses: its code and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class Query:
    """SQL over a table named `dataset` that has a column `__row_id`; whether the order is defined."""

    sql: str
    ordered: bool
    limit: int
    offset: int


def compile_query(parameters: Mapping[str, str], columns: Collection[str]) -> Query:
    """The SQL for `$select`, `$where`, `$group`, `$having`, `$order`, `$limit` and `$offset`. Raises SoqlError."""
    known = {"$select", "$where", "$group", "$having", "$order", "$limit", "$offset"}
    for name in parameters:
        if name.startswith("$") and name not in known:
            raise SoqlError("query.compiler.malformed", f"Unrecognized parameter {name}")
        if not name.startswith("$"):
            raise SoqlError("query.compiler.malformed", f"Unrecognized arguments [{name}]")
    names = {**{column: column for column in columns}, ROW_ID: ROW_ID}
    selected = _expressions(parameters.get("$select", "*"), names)
    for column in selected:
        if isinstance(column, exp.Alias):
            names[column.alias] = column.alias
    star = ", ".join(f'"{column}"' for column in columns)
    select = ", ".join(star if isinstance(each, exp.Star) else each.sql(dialect="duckdb") for each in selected)
    sql = f"SELECT {select} FROM dataset"
    for clause, word in (("$where", "WHERE"), ("$group", "GROUP BY"), ("$having", "HAVING"), ("$order", "ORDER BY")):
        if parameters.get(clause):
            found = _expressions(parameters[clause], names, ordered=clause == "$order")
            sql += f" {word} " + ", ".join(each.sql(dialect="duckdb") for each in found)
    return Query(
        sql, "$order" in parameters, _number(parameters, "$limit", DEFAULT_LIMIT), _number(parameters, "$offset", 0)
    )


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    value = parameters.get(name, str(default))
    if not value.isdigit():
        raise SoqlError("query.compiler.malformed", f"{name} must be a whole number: {value}")
    return int(value)


def _expressions(text: str, names: Mapping[str, str], ordered: bool = False) -> list[exp.Expression]:
    """A comma-separated list of expressions, each made of what SoQL knows."""
    text = re.sub(r":id\b", ROW_ID, text)
    try:
        clause = f"SELECT 1 ORDER BY {text}" if ordered else f"SELECT {text}"
        parsed = sqlglot.parse_one(clause, read="duckdb")
    except sqlglot.errors.SqlglotError as error:
        raise SoqlError("query.compiler.malformed", f"Could not parse SoQL query near {text!r}: {error}") from None
    if not isinstance(parsed, exp.Select) or set(_given(parsed)) - (
        {"expressions", "order"} if ordered else {"expressions"}
    ):
        raise SoqlError("query.compiler.malformed", f"Could not parse SoQL query near {text!r}")
    found = parsed.args["order"].expressions if ordered else parsed.expressions
    for each in found:
        _check(each, names)
    return found


def _given(parsed: exp.Expression) -> list[str]:
    return [name for name, value in parsed.args.items() if value]


def _check(expression: exp.Expression, names: Mapping[str, str]) -> None:
    for node in expression.walk():
        if not isinstance(node, ALLOWED):
            raise SoqlError("query.compiler.malformed", f"No such function or operator: {node.sql()}")
        if isinstance(node, exp.Column):
            if node.name not in names or node.table:
                raise SoqlError("query.soql.no-such-column", f"No such column: {node.name}")
            node.this.set("quoted", True)


def from_statement(query: str) -> dict[str, str]:
    """The clauses of a SODA 3 statement, as the parameters of SODA 2. Raises SoqlError."""
    pattern = (
        r"\s*SELECT\s+(?P<select>.+?)(\s+WHERE\s+(?P<where>.+?))?(\s+GROUP\s+BY\s+(?P<group>.+?))?"
        r"(\s+HAVING\s+(?P<having>.+?))?(\s+ORDER\s+BY\s+(?P<order>.+?))?(\s+LIMIT\s+(?P<limit>\d+))?"
        r"(\s+OFFSET\s+(?P<offset>\d+))?\s*"
    )
    found = re.fullmatch(pattern, query, re.I | re.S)
    if not found:
        raise SoqlError("query.compiler.malformed", f"Could not parse SoQL query {query!r}")
    return {f"${name}": value for name, value in found.groupdict().items() if value}
