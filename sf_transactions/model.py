"""The star schema as data: what DataSF publishes, how it is folded into dimensions, and the tables that result.

Everything else derives from here: the columns expected of the portal, the pandera schemas, the DDL in
`sql/schema/`, the column metadata in Dagster and the pictures in `docs/`. No other file lists columns.
This module imports nothing but the standard library.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

DATASET_ID = "bpnb-jwfb"
SCHEMA = "report"
FIRST_FISCAL_YEAR = 1999
CHART_CHANGE = 2018  # the fiscal year from which the City's present chart of accounts holds


def fiscal_years(today: date) -> range:
    """From the first that is published to that of today. Fiscal year 2025 is July 1, 2024 to June 30, 2025."""
    return range(FIRST_FISCAL_YEAR, today.year + (today.month >= 7) + 1)


def closed_fiscal_years(today: date) -> range:
    """Those that are audited by now: the year before the current one stays preliminary for months."""
    return fiscal_years(today)[:-2]


@dataclass(frozen=True)
class Published:
    """A column of the published dataset, in the words of the portal."""

    name: str
    type: str  # the portal's dataTypeName: text, number or calendar_date
    description: str


PUBLISHED = (
    Published("fiscal_year", "text", "City fiscal year, July 1 to June 30, named by the year it ends in"),
    Published("related_govt_units", "text", "Whether a related government unit, legally separate from the City"),
    Published("organization_group_code", "text", "Code of the group of departments"),
    Published("organization_group", "text", "Departments that serve one purpose, such as Public Protection"),
    Published("department_code", "text", "Code of the department"),
    Published("department", "text", "The City's main organizational unit, such as the Public Library"),
    Published("program_code", "text", "Code of the program"),
    Published("program", "text", "What a department does: a service, or the administration behind it"),
    Published("character_code", "text", "Code of the character"),
    Published("character", "text", "Broadest class of accounts, such as salaries or property taxes"),
    Published("object_code", "text", "Code of the object"),
    Published("object", "text", "Class of accounts within a character, such as overtime"),
    Published("sub_object_code", "text", "Code of the sub-object"),
    Published("sub_object", "text", "Single account, the most detailed level"),
    Published("fund_type_code", "text", "Code of the fund type"),
    Published("fund_type", "text", "Class of funds in governmental accounting, such as special revenue funds"),
    Published("fund_code", "text", "Code of the fund"),
    Published("fund", "text", "Money set apart for a purpose, with books of its own"),
    Published("fund_category_code", "text", "Code of the fund category"),
    Published("fund_category", "text", "Kind of activity within a fund: operating, projects, grants"),
    Published("revenue_or_spending", "text", "Side of the books: Revenue or Spending"),
    Published("amount", "number", "US dollars received or spent, positive on both sides"),
    Published("data_as_of", "calendar_date", "When the source system last updated the data"),
    Published("data_loaded_at", "calendar_date", "When the data reached the portal"),
)
PUBLISHED_NAMES = tuple(column.name for column in PUBLISHED)
DESCRIPTIONS = {column.name: column.description for column in PUBLISHED}

# Spellings of related_govt_units: upper case since FY2018.
RELATED_GOVT_UNITS = {"No": "No", "NO": "No", "Yes": "Yes", "YES": "Yes"}
SIDES = ("Revenue", "Spending")
# The character codes of the negative rows that cancel internal transfers counted twice, on either side.
TRANSFER_ADJUSTMENTS = ("ELS", "ELU")
# Columns that are published without a value, those of a set together.
NULL_PATTERNS = (
    frozenset({"department"}),
    frozenset({"program", "program_code"}),
    frozenset({"character", "object", "object_code", "sub_object"}),
    frozenset({"fund"}),
    frozenset({"fund_category", "fund_category_code"}),
)
PATH_SEPARATOR = " > "


def name_path(names: Iterable[str]) -> str:
    """Names top down as one text. A backslash marks what would be taken for a separator, so that no two paths share
    a text."""
    return PATH_SEPARATOR.join(name.replace("\\", "\\\\").replace(">", "\\>") for name in names)


def code_column(name: str) -> str:
    return f"{name}_code"


def no_member(column: str) -> str:
    """The named member that stands for a null: program -> "No Program", program_code -> "No Program Code"."""
    return f"No {column.replace('_', ' ').title()}"


DOLLARS = "DECIMAL(18,2)"


@dataclass(frozen=True)
class Column:
    """A column of a warehouse table. Every column is NOT NULL: the star has named members instead of nulls."""

    name: str
    sql_type: str
    description: str

    @property
    def max_bytes(self) -> int | None:
        """The limit of a VARCHAR in bytes, as Redshift counts it; None for other types."""
        return int(self.sql_type[8:-1]) if self.sql_type.startswith("VARCHAR(") else None

    @property
    def is_dollars(self) -> bool:
        """Whether it holds dollars, which are cents (int64) in memory."""
        return self.sql_type == DOLLARS


@dataclass(frozen=True)
class Table:
    """A table of schema `report`: its columns, its key and what Redshift is told about its storage.

    Redshift does not enforce keys; the pipeline checks them itself, inside the load. `replaces` says which rows of the
    warehouse give way to those of a load: "all", those of the loaded "fiscal_years", those of the same "keys", or
    "nothing": then rows that stand already are not added again. With `part_a_year` its files are one a fiscal year.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[tuple[str, str], ...] = ()  # (column, table)
    distribution: str = "DISTSTYLE ALL"
    sort_key: tuple[str, ...] = ()
    replaces: Literal["all", "fiscal_years", "keys", "nothing"] = "all"
    part_a_year: bool = False

    @property
    def by_fiscal_year(self) -> bool:
        return self.replaces == "fiscal_years"

    @property
    def qualified(self) -> str:
        return f"{SCHEMA}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def _bigint(name: str, description: str) -> Column:
    return Column(name, "BIGINT", description)


def _text(name: str, size: int) -> Column:
    return Column(name, f"VARCHAR({size})", DESCRIPTIONS[name])


FISCAL_YEAR = Column("fiscal_year", "INTEGER", DESCRIPTIONS["fiscal_year"])
FIRST_YEAR = Column("first_fiscal_year", "INTEGER", "First fiscal year in which it is published")
LAST_YEAR = Column("last_fiscal_year", "INTEGER", "Last fiscal year in which it is published")
AMOUNT = Column("amount", DOLLARS, DESCRIPTIONS["amount"])
# What is counted of published rows, wherever rows are counted; the dollars of a side are named by the side.
COUNTS = (
    _bigint("row_count", "Published rows that are counted here"),
    *(Column(side.lower(), DOLLARS, f"Dollars of {side.lower()} in these rows") for side in SIDES),
)
DIMENSION_NAME = Column("dimension", "VARCHAR(20)", "Dimension: program, type, fund or finance")


@dataclass(frozen=True)
class Dimension:
    """A dimension: its levels top down, each a name column, with codes or without, and attributes beside them.

    Within its parents (the levels above) a name carries one code; an attribute is part of the member's
    identity but no parent of any name.
    """

    name: str
    description: str
    levels: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    coded: bool = True

    @property
    def id_column(self) -> str:
        return f"{self.name}_id"

    @property
    def key(self) -> tuple[str, ...]:
        """The columns whose filled values make the surrogate key: the name path and the attributes, no codes."""
        return (*self.levels, *self.attributes)

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(code_column(level) for level in self.levels) if self.coded else ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every published column the dimension takes up, bottom level first, as in the original model."""
        pairs = [
            column
            for level in reversed(self.levels)
            for column in ((level, code_column(level)) if self.coded else (level,))
        ]
        return (*pairs, *self.attributes)

    def parents(self, level: str) -> tuple[str, ...]:
        return self.levels[: self.levels.index(level)]

    def _text_columns(self) -> tuple[Column, ...]:
        return tuple(_text(name, 100 if name in self.codes else 300) for name in self.columns)

    @property
    def table(self) -> Table:
        identifier = _bigint(self.id_column, f"Surrogate key of the {self.name}: a hash of its names, never of codes")
        return Table(
            self.name, self.description, (identifier, *self._text_columns()), (self.id_column,), replaces="keys"
        )

    @property
    def evidence(self) -> Table:
        """The members exactly as published (nulls filled), by fiscal year: what the choice of codes rests on."""
        return Table(
            f"{self.name}_evidence",
            f"Every {self.name} with the codes published for it in a fiscal year, in how many rows and dollars",
            (FISCAL_YEAR, *self._text_columns(), *COUNTS),
            ("fiscal_year", *self.columns),
            distribution="DISTSTYLE EVEN",
            sort_key=("fiscal_year",),
            replaces="fiscal_years",
        )


PROGRAM = Dimension(
    "program",
    "The service under which a transaction is recorded: program, department, organization group",
    ("organization_group", "department", "program"),
    attributes=("related_govt_units",),
)
TYPE = Dimension(
    "type",
    "What the money was spent on or came from: sub-object, object, character of the account",
    ("character", "object", "sub_object"),
)
FUND = Dimension(
    "fund",
    "The fund that pays or receives: fund category, fund, fund type",
    ("fund_type", "fund", "fund_category"),
)
FINANCE = Dimension("finance", "Whether a transaction is revenue or spending", ("revenue_or_spending",), coded=False)
DIMENSIONS = (PROGRAM, TYPE, FUND, FINANCE)
# Published columns of few distinct texts: read as dictionaries, they are integers to all work on rows.
REPEATED = ("fiscal_year", *(name for dimension in DIMENSIONS for name in dimension.columns))
CODED_DIMENSIONS = tuple(dimension for dimension in DIMENSIONS if dimension.coded)

TRANSACTION = Table(
    "transaction",
    "One row for every published row: dollars of one program, type, fund and side in a fiscal year",
    (
        _bigint("transaction_id", "Hash of the row's own values and its number among identical rows"),
        FISCAL_YEAR,
        *(_bigint(dimension.id_column, f"The {dimension.name}") for dimension in DIMENSIONS),
        AMOUNT,
    ),
    ("transaction_id",),
    foreign_keys=tuple((dimension.id_column, dimension.name) for dimension in DIMENSIONS),
    distribution="DISTSTYLE EVEN",
    sort_key=("fiscal_year",),
    replaces="fiscal_years",
    part_a_year=True,
)

CODE_MAPPING = Table(
    "code_mapping",
    "Every code published for a name within its parents, with its evidence, and which one the name keeps",
    (
        DIMENSION_NAME,
        Column("pair", "VARCHAR(30)", "Name column that the code belongs to, such as department"),
        Column("parents", "VARCHAR(1300)", f"Names of the levels above, top down, joined by '{PATH_SEPARATOR}'"),
        Column("name", "VARCHAR(300)", "Name as published"),
        Column("code", "VARCHAR(100)", "Code as published for this name"),
        FIRST_YEAR,
        LAST_YEAR,
        *COUNTS,
        Column("chart", "VARCHAR(10)", f"Chart of accounts: before FY{CHART_CHANGE}, since then, or both"),
        Column("kept_code", "VARCHAR(100)", "The one code that the name keeps"),
        Column("reason", "VARCHAR(10)", "Why that code: only, latest, more_rows, tie or override"),
    ),
    ("pair", "parents", "name", "code"),
)
CODE_CROSSWALK = Table(
    "code_crosswalk",
    f"The code since FY{CHART_CHANGE} that stands for a code before it, with the evidence",
    (
        Column("pair", "VARCHAR(30)", "Name column that the codes belong to, such as character"),
        Column("old_code", "VARCHAR(100)", f"Code published before FY{CHART_CHANGE}"),
        Column("label", "VARCHAR(300)", f"Name it carried last before FY{CHART_CHANGE}"),
        Column("new_code", "VARCHAR(100)", "Code that stands for it since; empty where none is clear"),
        Column("new_label", "VARCHAR(300)", "Name that the new code carries"),
        Column("status", "VARCHAR(10)", "matched; ambiguous: several come out alike; or unmatched"),
        *(
            Column(name, "INTEGER", description)
            for name, description in (
                ("score", "From 0 to 100, of the best candidate"),
                ("same_code", "100 where both codes are the same"),
                ("same_name", "Percent of the old code's rows whose name is also one of the new code's"),
                ("same_below", "Percent of the members below the old code that are also below the new one"),
                ("dollars_covered", "Percent of the old code's dollars in these members"),
                ("label_similarity", "Likeness of the two labels, from 0 to 100"),
            )
        ),
        *COUNTS,
        Column("candidates", "VARCHAR(400)", "Other codes that came near, with their scores"),
    ),
    ("pair", "old_code"),
)
MEMBER = Table(
    "member",
    "Every member of a dimension: when it was published, and the label that it shares with its near-twins",
    (
        DIMENSION_NAME,
        _bigint("member_id", "Its id in the dimension"),
        FIRST_YEAR,
        LAST_YEAR,
        Column("conformed_label", "VARCHAR(300)", "Label of its lowest level"),
        Column("conformed_parent", "VARCHAR(300)", "Label of the level above; empty where there is none"),
        Column("conformed_grandparent", "VARCHAR(300)", "Label of the level above that; empty where there is none"),
        Column("rule", "VARCHAR(100)", "as_published, or by level what sets the published name apart from the label"),
    ),
    ("dimension", "member_id"),
    replaces="keys",
)
PUBLISHED_CODES = Table(
    "published_codes",
    "The nine codes of a published row, exactly as published",
    (
        _bigint("published_id", "Hash of the nine codes"),
        *(_text(code, 100) for dimension in CODED_DIMENSIONS for code in dimension.codes),
    ),
    ("published_id",),
    replaces="nothing",
    part_a_year=True,
)
TRANSACTION_PUBLISHED = Table(
    "transaction_published",
    "The codes under which a transaction was published",
    (
        _bigint("transaction_id", "The transaction"),
        FISCAL_YEAR,
        _bigint("published_id", "Its codes as published"),
    ),
    ("transaction_id",),
    foreign_keys=(("transaction_id", "transaction"), ("published_id", "published_codes")),
    distribution="DISTSTYLE EVEN",
    sort_key=("fiscal_year",),
    replaces="fiscal_years",
    part_a_year=True,
)

STAR = (*(dimension.table for dimension in DIMENSIONS), TRANSACTION)
EVIDENCE = tuple(dimension.evidence for dimension in CODED_DIMENSIONS)
CODES = (*EVIDENCE, CODE_MAPPING, CODE_CROSSWALK, MEMBER, PUBLISHED_CODES, TRANSACTION_PUBLISHED)
TABLES = (*STAR, *CODES)  # loaded by COPY from S3

# The hops of a receipt in the order the data flows; S3 is compared by size and checksum of the star's file.
HOPS = {
    "portal": "counted by the portal",
    "quarantined": "set apart, because they are not of the known form",
    "raw": "in the raw file",
    "star": "in the file of the fact",
    "warehouse": "in report.transaction",
    "views": "in report.average_amount_by_side",
}

LOAD = Table(
    "load",
    "One row for every load that was committed; a load holds the lock on this table, so that loads follow one another",
    (
        Column("run_id", "VARCHAR(64)", "Dagster's id of the run"),
        Column("load_id", "VARCHAR(64)", "Hash of what was loaded: the manifests of all tables"),
        Column("loaded_at", "TIMESTAMP", "When the load began to write, by the clock of the warehouse (UTC)"),
        Column("first_fiscal_year", "INTEGER", "First fiscal year that was replaced"),
        Column("last_fiscal_year", "INTEGER", "Last fiscal year that was replaced"),
        _bigint("row_count", "Rows that were copied, of all tables"),
    ),
    ("run_id", "load_id"),
)
PUBLICATION = Table(
    "publication",
    "When the source system last updated the rows of each loaded fiscal year: the as-of date of every figure",
    (FISCAL_YEAR, Column("data_as_of", "TIMESTAMP", DESCRIPTIONS["data_as_of"])),
    ("fiscal_year",),
)
LOAD_RECEIPT = Table(
    "load_receipt",
    "Rows and dollars of each fiscal year and side at every hop from the portal to the views, of every run",
    (
        *LOAD.columns[:2],
        FISCAL_YEAR,
        Column("revenue_or_spending", "VARCHAR(300)", DESCRIPTIONS["revenue_or_spending"]),
        *(
            column
            for hop, description in HOPS.items()
            for column in (
                _bigint(f"{hop}_rows", f"Rows: {description}"),
                Column(f"{hop}_amount", DOLLARS, f"Dollars: {description}"),
            )
        ),
        _bigint("s3_bytes", "Size of the year's object in S3"),
        Column("s3_sha256", "VARCHAR(64)", "Its SHA-256, read back; empty when it is not the star's file"),
        Column("first_difference", "VARCHAR(20)", "First hop that differs from the one before; else empty"),
    ),
    ("run_id", "load_id", "fiscal_year", "revenue_or_spending"),
)
LOADED_BESIDE = (LOAD, PUBLICATION, LOAD_RECEIPT)  # written by the pipeline itself, not copied
