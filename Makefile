PYTHON ?= python3
BIN := .venv/bin

help:           ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "sf_transactions needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

install: .venv/installed  ## install everything into .venv

demo: install   ## portal to dashboard on this machine, no AWS and no internet
	$(BIN)/sf-transactions demo

dev: install    ## Dagster's UI at http://127.0.0.1:3000 over the local stand-ins
	$(BIN)/sf-transactions dev

test: install   ## the tests a newcomer runs, under five minutes
	$(BIN)/python -m pytest -n auto -m "not full and not browser and not cluster"

test-all: install  ## the full fault matrices and the browser tests too
	$(BIN)/python -m pytest -n auto -m "not cluster"

lint: install   ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: install  ## the benchmark, as ratios to its floors; under 15 minutes
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement bench/requirements.lock
	$(BIN)/python -m bench

generated: install  ## write sql/schema/ and docs/model.md anew from model.py
	$(BIN)/python -m sf_transactions.generated

lock: .venv/installed  ## resolve pyproject.toml into requirements.lock; what stands there stays
	$(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --all-extras pyproject.toml --output-file requirements.lock
	echo polars | $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header - --output-file bench/requirements.lock

upgrade: UPGRADE = --upgrade
upgrade: lock   ## the newest versions that fit into requirements.lock

.PHONY: help install demo dev test test-all lint bench generated lock upgrade
