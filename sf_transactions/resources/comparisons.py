"""Rows, dollars, ids, links and codes in the warehouse, as it counts and compares them itself; before each COMMIT."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from sf_transactions.ddl import listed, quoted
from sf_transactions.model import (
    DIMENSIONS,
    FINANCE,
    PUBLISHED_CODES,
    TABLES,
    TRANSACTION,
    TRANSACTION_PUBLISHED,
    Dimension,
    Table,
    code_column,
)
from sf_transactions.resources.warehouse import rows
from sf_transactions.transform.amounts import ControlTotal, Totals

if TYPE_CHECKING:
    import pandas as pd
    import redshift_connector


def counts(connection: "redshift_connector.Connection") -> dict[Table, int]:
    """The rows of each table."""
    each = (f"select '{table.name}' as table_name, count(*) as row_count from {table.qualified}" for table in TABLES)
    found = dict(rows(connection, " union all ".join(each))[1])
    return {table: int(found[table.name]) for table in TABLES}


def totals(connection: "redshift_connector.Connection", fiscal_years: Sequence[int] | None = None) -> Totals:
    """Rows and dollars of the fact, of these fiscal years or of all."""
    where = f" where fiscal_year in ({listed(fiscal_years)})" if fiscal_years else ""
    by_id = (
        f"select fiscal_year, finance_id, count(*) as row_count, sum(amount) as amount from {TRANSACTION.qualified}"
        f"{where} group by 1, 2"
    )
    return totals_of(
        connection,
        f"select t.fiscal_year, f.revenue_or_spending, sum(t.row_count) as row_count, sum(t.amount) as amount"
        f" from ({by_id}) as t join {FINANCE.table.qualified} f on f.finance_id = t.finance_id"
        " group by 1, 2 order by 1, 2",
    )


def totals_of(connection: "redshift_connector.Connection", statement: str) -> Totals:
    """The totals that a query gives as fiscal_year, revenue_or_spending, row_count and amount."""
    return {
        (str(fiscal_year), side): ControlTotal(int(row_count), Decimal(amount))
        for fiscal_year, side, row_count, amount in rows(connection, statement)[1]
    }


def duplicated_ids(connection: "redshift_connector.Connection", table: Table) -> "pd.DataFrame | None":
    """The ids that more than one row has, as `_failing` tells them; Redshift does not enforce keys."""
    (key,) = table.primary_key
    return _failing(
        connection, f"select {key}, count(*) as row_count from {table.qualified} group by {key} having count(*) > 1"
    )


def dangling_ids(connection: "redshift_connector.Connection") -> dict[str, int]:
    """For each dimension, the number of fact rows whose id it lacks."""
    each = (
        f"select '{dimension.name}' as dimension, count(*) as row_count from {TRANSACTION.qualified} t"
        f" left join {dimension.table.qualified} d on d.{dimension.id_column} = t.{dimension.id_column}"
        f" where d.{dimension.id_column} is null"
        for dimension in DIMENSIONS
    )
    return {name: int(lacking) for name, lacking in rows(connection, " union all ".join(each))[1]}


def without_published_codes(connection: "redshift_connector.Connection") -> "pd.DataFrame | None":
    """The transactions that do not find the codes under which they were published, as `_failing` tells them."""
    (id,), (key,) = TRANSACTION.primary_key, PUBLISHED_CODES.primary_key
    return _failing(
        connection,
        f"select t.{id}, t.fiscal_year, p.{key} from {TRANSACTION.qualified} t"
        f" left join {TRANSACTION_PUBLISHED.qualified} p on p.{id} = t.{id} and p.fiscal_year = t.fiscal_year"
        f" left join {PUBLISHED_CODES.qualified} c on c.{key} = p.{key} where c.{key} is null",
    )


def names_with_several_codes(
    connection: "redshift_connector.Connection", dimension: Dimension
) -> "pd.DataFrame | None":
    """The names that carry more than one code within their parents, as `_failing` tells them."""
    levels = []
    for level in dimension.levels:
        path = ", ".join(quoted(name) for name in (*dimension.parents(level), level))
        codes = f"count(distinct {code_column(level)})"
        levels.append(
            f"select '{level}' as level, {quoted(level)} as name, {codes} as codes"
            f" from {dimension.table.qualified} group by {path} having {codes} > 1"
        )
    return _failing(connection, " union all ".join(levels))


def _failing(connection: "redshift_connector.Connection", statement: str) -> "pd.DataFrame | None":
    """The first 20 rows of an answer that should have none, or None; `attrs["rows"]` says how many there are."""
    names, answer = rows(connection, f"select f.*, count(*) over () as rows_in_all from ({statement}) as f limit 20")
    if not answer:
        return None
    import pandas as pd

    found = pd.DataFrame(answer, columns=names, dtype=object)
    found.attrs["rows"] = int(found.pop("rows_in_all").iloc[0])
    return found
