import ast
import importlib
import subprocess
import sys
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest

import sf_transactions
from sf_transactions import ddl, diagrams, generated
from sf_transactions.assets.raw import LATER
from sf_transactions.model import (
    DIMENSIONS,
    LOADED_BESIDE,
    PUBLISHED_NAMES,
    STAR,
    TABLES,
    closed_fiscal_years,
    fiscal_years,
    no_member,
)
from sf_transactions.settings import Settings

PACKAGE = Path(sf_transactions.__file__).parent


def test_what_derives_from_the_model_is_kept_up_to_date():
    for path, text in generated.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is out of date: run `make generated`"
    assert {path.stem for path in (ddl.SQL / "schema").iterdir()} == {table.name for table in (*TABLES, *LOADED_BESIDE)}


def test_the_readme_shows_the_pictures_of_the_model():
    readme = (ddl.SQL.parent / "README.md").read_text(encoding="utf-8")
    assert diagrams.architecture() in readme
    assert diagrams.erd() in readme


def test_the_star_has_the_columns_of_the_original_model():
    assert {table.name: table.column_names for table in STAR} == {
        "program": (
            "program_id", "program", "program_code", "department", "department_code",
            "organization_group", "organization_group_code", "related_govt_units",
        ),
        "type": (
            "type_id", "sub_object", "sub_object_code", "object", "object_code", "character", "character_code",
        ),
        "fund": (
            "fund_id", "fund_category", "fund_category_code", "fund", "fund_code", "fund_type", "fund_type_code",
        ),
        "finance": ("finance_id", "revenue_or_spending"),
        "transaction": (
            "transaction_id", "fiscal_year", "program_id", "type_id", "fund_id", "finance_id", "amount",
        ),
    }  # fmt: skip


def test_every_published_column_has_one_place_in_the_star():
    placed = [column for dimension in DIMENSIONS for column in dimension.columns]
    assert sorted([*placed, "fiscal_year", "amount", "data_as_of", "data_loaded_at"]) == sorted(PUBLISHED_NAMES)


def test_a_fiscal_year_begins_on_july_1_and_is_closed_when_two_more_have_begun():
    assert fiscal_years(date(2026, 6, 30)) == range(1999, 2027)
    assert fiscal_years(date(2026, 7, 1)) == range(1999, 2028)
    assert closed_fiscal_years(date(2026, 7, 1)) == range(1999, 2026)


def test_nulls_have_names():
    assert [no_member(c) for c in ("program", "program_code")] == ["No Program", "No Program Code"]


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_cli_knows_the_stand_ins():
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0] != "local" and str(inside) != "cli/local.py":
            assert not any(name.startswith("sf_transactions.local") for name in _imports(path)), inside


def test_the_pure_rooms_import_neither_dagster_nor_boto3():
    pure = [PACKAGE / "model.py", PACKAGE / "provision" / "desired.py", *(PACKAGE / "transform").glob("*.py")]
    for path in pure:
        assert not any(name.split(".")[0] in ("dagster", "boto3", "botocore") for name in _imports(path)), path


@pytest.mark.parametrize("module", ["sf_transactions.model", "sf_transactions.settings"])
def test_importing_the_declarations_loads_nothing_heavy(module):
    script = f"import sys, {module}; print([m for m in ('dagster', 'boto3', 'pandas', 'pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", LATER)
def test_what_is_loaded_beside_the_portal_can_be_loaded(module):
    """Where it cannot, nobody is told: it is loaded when it is used, and the run takes longer."""
    importlib.import_module(module)


def test_the_readme_lists_every_setting_with_its_default():
    readme = (ddl.SQL.parent / "README.md").read_text(encoding="utf-8")
    for setting in fields(Settings):
        default = f"`{setting.default}`" if setting.default else ""
        assert f"| `{setting.metadata['env']}` | {default} | {setting.metadata['description']} |" in readme


def test_the_external_schema_names_the_glue_database_and_the_default_role_and_is_the_one_of_the_docs():
    statement = ddl.external_schema(Settings().glue_database)
    assert statement.split("\n") == [
        "CREATE EXTERNAL SCHEMA IF NOT EXISTS lake",
        "FROM DATA CATALOG",
        "DATABASE 'sf_transactions'",
        "IAM_ROLE default",
    ]
    assert f"{statement};" in (PACKAGE.parent / "docs" / "aws.md").read_text(encoding="utf-8")
    assert "DATABASE 'o''clock'" in ddl.external_schema("o'clock")


@pytest.mark.parametrize(
    "variable",
    [
        "AWS_ACCOUNT_ID", "AWS_DEFAULT_REGION", "S3_BUCKET",
        "TRANSFER_ROLE", "TRANSFER_S3_POLICY", "TRANSFER_AWS_POLICIES", "SFTP_USERNAME",
        "REDSHIFT_ROLE", "REDSHIFT_S3_POLICY", "REDSHIFT_CLUSTER",
        "REDSHIFT_DATABASE", "REDSHIFT_USER", "REDSHIFT_PASSWORD",
    ],
)  # fmt: skip
def test_the_readme_lists_every_value_of_the_original_configuration(variable):
    assert f"| `{variable}` |" in (ddl.SQL.parent / "README.md").read_text(encoding="utf-8")
