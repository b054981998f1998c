"""The words of Redshift's SQL that the stand-in knows, as sqlglot names them. Whatever is not listed here is refused.

A list of what is allowed, not of what is forbidden: DuckDB understands much that Redshift does not.
"""

from sf_transactions.local.redshift import pg_catalog

_STRUCTURE = """
    Select From Where Group Having Order Ordered Limit Offset Qualify Join Subquery CTE With Table TableAlias Alias
    Column Identifier Star Distinct Paren Tuple Union Intersect Except Window WindowSpec Rollup Cube GroupingSets
    Literal Null Boolean Parameter Var Interval DataType DataTypeParam WithinGroup IgnoreNulls RespectNulls
    RawString National
"""
_OPERATORS = """
    Add Sub Mul Div Mod Neg DPipe And Or Not EQ NEQ GT GTE LT LTE Is In Between Like ILike SimilarTo RegexpLike
    RegexpILike Escape Any All Exists Case If Cast BitwiseAnd BitwiseOr AtTimeZone
"""
_AGGREGATES = """
    Count Sum Avg Min Max Stddev StddevPop StddevSamp Variance VariancePop Median PercentileCont PercentileDisc
    ApproxDistinct AnyValue GroupConcat LogicalAnd LogicalOr RowNumber Rank DenseRank PercentRank CumeDist Ntile
    Lag Lead FirstValue LastValue NthValue
"""
_FUNCTIONS = """
    Coalesce Nullif Nvl2 Greatest Least DecodeCase Lower Upper Length BitLength Substring Left Right Trim Concat
    ConcatWs Replace StrPosition SplitPart Initcap Repeat Reverse Pad Translate Ascii Chr RegexpReplace RegexpExtract
    RegexpCount Abs Ceil Floor Round Trunc Sqrt Cbrt Exp Ln Log Sign Pow Pi Rand Degrees Radians Sin Cos Tan Asin Acos
    Atan Atan2 MD5 SHA SHA2 CurrentTimestamp CurrentDate CurrentUser CurrentDatabase CurrentVersion CurrentSchema
    CurrentSchemas CurrentCatalog SessionUser
    TimestampTrunc DateTrunc Extract TsOrDsAdd TsOrDsDiff DateAdd DateDiff LastDay Date TimeToStr StrToDate StrToTime
    TsOrDsToDate MonthsBetween ConvertTimezone ToNumber FromBase
"""
_STATEMENTS = """
    Insert Values Schema Update Delete Merge When Whens Create Properties TemporaryProperty Drop Comment Alter
    AlterRename RenameColumn ColumnDef ColumnConstraint DefaultColumnConstraint NotNullColumnConstraint TruncateTable
    Grant Revoke GrantPrivilege GrantPrincipal
"""
NODES = frozenset((_STRUCTURE + _OPERATORS + _AGGREGATES + _FUNCTIONS + _STATEMENTS).split())

# What a node may carry, where DuckDB takes more than Redshift does.
ARGUMENTS = {
    "Select": "with_ expressions hint distinct from_ joins where group having qualify windows order limit offset",
    "Table": "this alias db catalog joins",
    "Subquery": "this alias with_ joins order limit offset where group",
    "Insert": "with_ this expression",
    "Update": "with_ this expressions from_ where",
    "Delete": "with_ this using where",
    "Merge": "this using on whens",
    "Star": "",
    "Join": "this on side kind using",
    "Distinct": "expressions",
    "Drop": "this kind expressions tables exists cascade constraints restrict",
    "Alter": "this kind actions",
    "ColumnDef": "this kind constraints",
    "Create": "this kind expression exists properties replace no_schema_binding with_",
    "TruncateTable": "expressions",
    "Cast": "this to",
}  # fmt: skip

# Functions that sqlglot has no name of its own for: what DuckDB calls them.
FUNCTIONS = {
    "octet_length": "strlen",
    "replicate": "repeat",
    "dlog10": "log10",
    "dlog1": "ln",
    "date_part_year": "year",
    "ifnull": "coalesce",
    "isnull": "coalesce",
    **pg_catalog.FUNCTIONS,
}
# Functions answered by the session: the DuckDB variable that holds the answer.
ANSWERED = {
    "pg_backend_pid": "backend_pid",
    "pg_last_copy_count": "last_copy_count",
    "current_user": "login_user",
    "current_database": "login_database",
    "version": "server_version",
}
# Names of columns without one, where sqlglot's name of the function is not Redshift's.
COLUMN_NAMES = {
    "group_concat": "listagg", "current_timestamp": "getdate", "ts_or_ds_add": "date_add",
    "ts_or_ds_diff": "date_diff", "timestamp_trunc": "date_trunc", "time_to_str": "to_char",
    "str_to_date": "to_date", "str_to_time": "to_timestamp", "decode_case": "case", "nvl2": "case",
    "current_version": "version", "approx_distinct": "count", "str_position": "strpos", "extract": "date_part",
    "rand": "random", "logical_and": "bool_and", "logical_or": "bool_or", "pad": "lpad",
    "from_base": "strtol",
}  # fmt: skip
# Types: the name sqlglot gives, and DuckDB's. Texts carry a limit in bytes besides.
TYPES = {
    "SMALLINT": "SMALLINT", "INT": "INTEGER", "BIGINT": "BIGINT", "DECIMAL": "DECIMAL", "FLOAT": "REAL",
    "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMPTZ",
    "VARCHAR": "VARCHAR", "TEXT": "VARCHAR", "CHAR": "VARCHAR", "NCHAR": "VARCHAR", "NVARCHAR": "VARCHAR",
    "BPCHAR": "VARCHAR", "NAME": "VARCHAR",
}  # fmt: skip
# The session parameters a client may set, with what they are before. Only search_path changes anything here.
SETTINGS = {
    "search_path": "$user, public", "application_name": "", "client_encoding": "UTF8", "statement_timeout": "0",
    "query_group": "default", "datestyle": "ISO, MDY", "timezone": "UTC", "extra_float_digits": "0",
    "standard_conforming_strings": "on", "enable_result_cache_for_session": "on", "server_version": "8.0.2",
    "server_encoding": "UTF8", "integer_datetimes": "on", "is_superuser": "off",
    "transaction_isolation": "serializable",
}  # fmt: skip
# Their value cannot be another here.
FIXED = {
    "client_encoding": ("utf8", "utf-8", "unicode"),
    "timezone": ("utc", "default"),
    "standard_conforming_strings": ("on",),
    "server_version": (),
    "server_encoding": (),
    "integer_datetimes": (),
    "is_superuser": (),
    "transaction_isolation": (),
}
