"""The examples in docs/ are what Dagster takes."""

import importlib
from pathlib import Path

import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config_schema

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("dagster-*.yaml"))


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request, monkeypatch) -> dict:
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql://dagster@127.0.0.1:1/dagster")
    return yaml.safe_load(request.param.read_text(encoding="utf-8"))


def test_the_instance_takes_every_section(example):
    found = process_config(resolve_to_config_type(dagster_instance_config_schema()), example)
    assert found.success, found.errors


def test_the_launcher_takes_its_settings(example):
    module, name = example["run_launcher"]["module"], example["run_launcher"]["class"]
    launcher = getattr(importlib.import_module(module), name)
    found = process_config(resolve_to_config_type(launcher.config_type()), example["run_launcher"]["config"])
    assert found.success, found.errors
