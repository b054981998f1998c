"""The tables of pg_catalog by which DBeaver and the drivers of PostgreSQL find schemas, tables, columns and types.

They hold what PostgreSQL 8.0 has of them and clients ask for; OIDs of types and of the catalog itself are PostgreSQL's.
`pg_constraint` has the keys that were declared, which nothing enforces; `pg_index` and `pg_depend` are empty.
"""

import re

# OIDs of the catalog's own tables, which `pg_description` refers to.
_CLASSES = {"pg_class": 1259, "pg_namespace": 2615, "pg_type": 1247, "pg_constraint": 2606, "pg_database": 1262}
_OURS = "not internal and schema_name not in ('main', 'stand_in') and database_name = current_database()"
_FIRST = 100000  # DuckDB numbers from 0, where PostgreSQL's own OIDs are
# PostgreSQL's type: OID, size in bytes or -1, category, name in SQL, DuckDB's names of it.
_TYPES = (
    ("bool", 16, 1, "B", "boolean", ("BOOLEAN",)),
    ("int8", 20, 8, "N", "bigint", ("BIGINT",)),
    ("int2", 21, 2, "N", "smallint", ("SMALLINT",)),
    ("int4", 23, 4, "N", "integer", ("INTEGER",)),
    ("text", 25, -1, "S", "text", ()),
    ("float4", 700, 4, "N", "real", ("FLOAT",)),
    ("float8", 701, 8, "N", "double precision", ("DOUBLE",)),
    ("varchar", 1043, -1, "S", "character varying", ("VARCHAR",)),
    ("date", 1082, 4, "D", "date", ("DATE",)),
    ("timestamp", 1114, 8, "D", "timestamp without time zone", ("TIMESTAMP",)),
    ("timestamptz", 1184, 8, "D", "timestamp with time zone", ("TIMESTAMP WITH TIME ZONE",)),
    ("numeric", 1700, -1, "N", "numeric", ("DECIMAL", "HUGEINT")),
)


def _cases(subject: str, pairs: list[tuple[str | int, str | int]], otherwise: str) -> str:
    def text(value: str | int) -> str:
        return str(value) if isinstance(value, int) else f"'{value}'"

    whens = " ".join(f"when {text(key)} then {text(value)}" for key, value in pairs)
    return f"case {subject} {whens} else {otherwise} end"


_TYPE_OF = _cases(
    "regexp_extract(c.data_type, '^[A-Z ]+')", [(name, each[1]) for each in _TYPES for name in each[5]], "1043"
)
_TYPE_ROWS = ", ".join(f"({oid}, '{name}', {size}, '{category}')" for name, oid, size, category, _, _ in _TYPES)
PG_CATALOG = f"""
create or replace view stand_in.pg_type as
select oid, typname, 11 as typnamespace, 10 as typowner, typlen, typlen > 0 as typbyval, 'b' as typtype, typcategory,
    true as typisdefined, ',' as typdelim, 0 as typrelid, 0 as typelem, 0 as typarray, false as typnotnull,
    0 as typbasetype, -1 as typtypmod, 0 as typndims, null::varchar as typdefault
from (values {_TYPE_ROWS}) t(oid, typname, typlen, typcategory);
create or replace view stand_in.pg_database as
select 1 as oid, getvariable('login_database') as datname, 10 as datdba, 6 as encoding, false as datistemplate,
    true as datallowconn, 0 as dattablespace;
create or replace view stand_in.pg_user as
select getvariable('login_user') as usename, 10 as usesysid, false as usecreatedb, false as usesuper;
create or replace view stand_in.pg_namespace as
select oid + {_FIRST} as oid, schema_name as nspname, 10 as nspowner, null::varchar as nspacl
from duckdb_schemas() where {_OURS}
union all select 11, 'pg_catalog', 10, null union all select 12, 'information_schema', 10, null;
create or replace view stand_in.pg_class as
select oid + {_FIRST} as oid, relname, schema_oid + {_FIRST} as relnamespace, 0 as reltype, 10 as relowner, 0 as relam,
    relpages, reltuples, false as relhasindex, false as relisshared, relkind, relnatts, false as relhasoids,
    false as relhaspkey, false as relhasrules, null::varchar as relacl
from (
    select table_oid as oid, table_name as relname, schema_oid, 0 as relpages, estimated_size::float as reltuples,
        'r' as relkind, column_count as relnatts
    from duckdb_tables() where {_OURS} and not temporary
    union all
    select view_oid, view_name, schema_oid, 0, 0, 'v', column_count
    from duckdb_views() where {_OURS} and not temporary
);
create or replace view stand_in.pg_attribute as
select a.*, t.typlen as attlen from (
    select c.table_oid + {_FIRST} as attrelid, c.column_name as attname, {_TYPE_OF} as atttypid,
        c.column_index as attnum, 0 as attndims,
        case when l.character_maximum_length is not null then l.character_maximum_length + 4
            when c.data_type like 'DECIMAL%' then c.numeric_precision * 65536 + c.numeric_scale + 4
            else -1 end as atttypmod,
        not c.is_nullable as attnotnull, c.column_default is not null as atthasdef, false as attisdropped,
        true as attislocal, 0 as attinhcount
    from duckdb_columns() c
    left join stand_in.svv_columns l on l.table_schema = c.schema_name and l.table_name = c.table_name
        and l.column_name = c.column_name
    where not c.internal and c.schema_name not in ('main', 'stand_in') and c.database_name = current_database()
) a join stand_in.pg_type t on t.oid = a.atttypid;
create or replace view stand_in.pg_attrdef as
select table_oid + {_FIRST} + column_index as oid, table_oid + {_FIRST} as adrelid, column_index as adnum,
    column_default as adbin, column_default as adsrc
from duckdb_columns() where {_OURS} and column_default is not null;
create or replace view stand_in.pg_description as
select oid + {_FIRST} as objoid, {_CLASSES["pg_class"]} as classoid, objsubid, description from (
    select table_oid as oid, 0 as objsubid, comment as description from duckdb_tables() where {_OURS}
    union all select view_oid, 0, comment from duckdb_views() where {_OURS}
    union all select table_oid, column_index, comment from duckdb_columns() where {_OURS}
) where description is not null;
create or replace view stand_in.pg_constraint as
with declared as (
    select schema_name, schema_oid, table_name, table_oid, constraint_index,
        string_split(regexp_extract(constraint_text, '''key:(.*)'' != ', 1), '|') as parts
    from duckdb_constraints()
    where constraint_type = 'CHECK' and constraint_text like '%(''key:%' and database_name = current_database()
), numbered as (
    select k.*, parts[1] as contype, string_split(parts[2], ',') as names, t.table_oid as other,
        case when parts[5] = '' then p.names else string_split(parts[5], ',') end as other_names
    from declared k
    left join duckdb_tables() t on t.schema_name = coalesce(nullif(parts[3], ''), k.schema_name)
        and t.table_name = parts[4] and t.database_name = current_database()
    left join (select table_oid, string_split(parts[2], ',') as names from declared where parts[1] = 'p') p
        on p.table_oid = t.table_oid
), columns as (select table_oid, column_name, column_index::smallint as number from duckdb_columns() where {_OURS})
select {_FIRST} + table_oid * 1000 + constraint_index as oid,
    table_name || case contype when 'p' then '' else '_' || array_to_string(names, '_') end
        || case contype when 'p' then '_pkey' when 'u' then '_key' else '_fkey' end as conname,
    schema_oid + {_FIRST} as connamespace, contype, false as condeferrable, false as condeferred,
    table_oid + {_FIRST} as conrelid, 0 as contypid, coalesce(other + {_FIRST}, 0) as confrelid,
    case contype when 'f' then 'a' else ' ' end as confupdtype,
    case contype when 'f' then 'a' else ' ' end as confdeltype,
    case contype when 'f' then 'u' else ' ' end as confmatchtype,
    (select list(number order by list_position(names, column_name)) from columns
        where columns.table_oid = numbered.table_oid and list_contains(names, column_name)) as conkey,
    (select list(number order by list_position(other_names, column_name)) from columns
        where columns.table_oid = numbered.other and list_contains(other_names, column_name)) as confkey,
    null::varchar as conbin, null::varchar as consrc
from numbered;
create or replace view stand_in.svv_external_schemas as
select 0 as esoid, 0 as eskind, '' as schemaname, 0 as esowner, '' as databasename, '' as esoptions where false;
create or replace view stand_in.pg_index as
select 0 as indexrelid, 0 as indrelid, '' as indkey, 0 as indnatts, false as indisunique, false as indisprimary,
    false as indisclustered where false;
create or replace view stand_in.pg_depend as
select 0 as classid, 0 as objid, 0 as objsubid, 0 as refclassid, 0 as refobjid, 0 as refobjsubid, '' as deptype
where false;
create or replace macro stand_in.format_type(kind, modifier) as
    {_cases("kind", [(each[1], each[4]) for each in _TYPES], "case when kind is not null then '???' end")}
    || case when kind = 1043 and modifier > 4 then '(' || (modifier - 4) || ')'
        when kind = 1700 and modifier > 4 then '(' || ((modifier - 4) >> 16) || ',' || ((modifier - 4) & 65535) || ')'
        else '' end;
create or replace macro stand_in.pg_get_userbyid(id) as getvariable('login_user');
create or replace macro stand_in.pg_get_expr(expression, relation) as expression,
    (expression, relation, pretty) as expression;
create or replace macro stand_in.pg_table_is_visible(relation) as
    exists (select 1 from stand_in.pg_class c join stand_in.pg_namespace n on n.oid = c.relnamespace
        where c.oid = relation and list_contains(string_split(current_setting('search_path'), ','), n.nspname));
create or replace macro stand_in.obj_description(object, catalog) as
    (select any_value(description) from stand_in.pg_description where objoid = object and objsubid = 0);
create or replace macro stand_in.col_description(relation, number) as
    (select any_value(description) from stand_in.pg_description where objoid = relation and objsubid = number);
create or replace macro stand_in.regclass(name) as coalesce(
    {_cases("name", list(_CLASSES.items()), "null")},
    (select any_value(c.oid) from stand_in.pg_class c join stand_in.pg_namespace n on n.oid = c.relnamespace
        where n.nspname || '.' || c.relname =
            case when name like '%.%' then name else current_schema() || '.' || name end),
    error('relation "' || name || '" does not exist'));
"""
ARRAYS = frozenset({"conkey", "confkey"})  # the columns that hold some
TABLES = frozenset(re.findall(r"view stand_in\.(\w+)", PG_CATALOG))
# Functions: Redshift's name, and the macro that answers.
FUNCTIONS = {
    name: f"stand_in.{name}"
    for name in (
        "format_type", "pg_get_userbyid", "pg_get_expr", "pg_table_is_visible", "obj_description", "col_description",
        "regclass",
    )
}  # fmt: skip
