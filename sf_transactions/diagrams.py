"""The pictures of the model: the ERD, the flow and the column tables of `docs/model.md`, as Mermaid and Markdown."""

from sf_transactions.model import (
    CODED_DIMENSIONS,
    CODES,
    DATASET_ID,
    DIMENSIONS,
    LOADED_BESIDE,
    SCHEMA,
    STAR,
    TABLES,
    TRANSACTION,
)


def erd() -> str:
    """The star as a Mermaid entity-relationship diagram."""
    lines = ["erDiagram"]
    for key, dimension in TRANSACTION.foreign_keys:
        lines.append(f"    {dimension} ||--o{{ {TRANSACTION.name} : {key}")
    for table in STAR:
        lines.append(f"    {table.name} {{")
        for column in table.columns:
            foreign = column.name in {name for name, _ in table.foreign_keys}
            key = " PK" if column.name in table.primary_key else " FK" if foreign else ""
            lines.append(f"        {column.sql_type.split('(')[0].lower()} {column.name}{key}")
        lines.append("    }")
    return "\n".join(lines)


def architecture() -> str:
    """The flow from the portal to the dashboard as a Mermaid flowchart."""
    coded = ", ".join(dimension.name for dimension in CODED_DIMENSIONS)
    star = ", ".join(table.name for table in STAR)
    return "\n".join(
        [
            "flowchart LR",
            f'    portal(["DataSF {DATASET_ID}"]) -- SODA --> raw["raw/transactions<br/>text as published, Parquet"]',
            f'    raw --> codes["codes/*<br/>{coded}<br/>mapping, crosswalk, profile"]',
            f'    codes --> star["star/*<br/>{star}<br/>gzip CSV"]',
            "    raw --> star",
            '    star -- SFTP, Transfer Family --> s3[("s3/*<br/>objects + manifest")]',
            f'    s3 -- COPY, one transaction --> redshift[("redshift/*<br/>schema {SCHEMA}")]',
            "    redshift -. evidence of loaded years .-> codes",
            '    redshift --> report["report/*<br/>views, dashboard.html, receipt, quality.html"]',
            '    redshift --> catalog["catalog/*<br/>manifest/current.json, Glue"]',
        ]
    )


def model_page() -> str:
    """`docs/model.md`: hierarchies, ERD and every column of every table."""
    lines = [
        "# The model",
        "",
        "Generated from `sf_transactions/model.py` by `make generated`; edit there.",
        "",
        "```mermaid",
        erd(),
        "```",
        "",
        "| dimension | hierarchy, top down | a member is told apart by |",
        "|---|---|---|",
    ]
    for dimension in DIMENSIONS:
        lines.append(f"| {dimension.name} | {' > '.join(dimension.levels)} | {', '.join(dimension.key)} |")
    for table in (*TABLES, *LOADED_BESIDE):
        kind = "star" if table in STAR else "codes" if table in CODES else "loads"
        lines += [
            "",
            f"## {table.qualified} ({kind})",
            "",
            f"{table.description}.",
            "",
            "| column | type | |",
            "|---|---|---|",
        ]
        lines += [f"| {column.name} | {column.sql_type} | {column.description} |" for column in table.columns]
    return "\n".join(lines) + "\n"
