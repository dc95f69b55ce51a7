# Every command of the project. Needs Python 3.11 or newer and make; uv is used when present and fetched when not.

PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo .venv/uv/bin/uv)
UV_VERSION := 0.13.9
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-once test check format lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(INSTALLED) ## Install the locked packages into .venv

demo: $(INSTALLED) ## Start a simulated 1C, the database and Dagster's UI; ctrl-C ends all three
	$(BIN)/onec demo

demo-once: $(INSTALLED) ## Sync a simulated 1C once, without the UI, and print the result as JSON
	@$(BIN)/onec demo --once --json

# In the order of the tree: e2e, whose files take longest, come first, and the short ones fill the gaps at the end.
test: $(INSTALLED) ## Run the tests, several files at once; ARGS is passed to pytest
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(INSTALLED) ## Format, lint, types and layers, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format the code and repair what ruff can repair
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: | $(UV) ## Resolve pyproject.toml anew into requirements.lock
	$(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-header pyproject.toml --group dev -o requirements.lock

clean: ## Remove .venv and caches; data in var/ stays
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The hashes in the lock file are checked. The project itself is installed as a link to this folder.
$(INSTALLED): requirements.lock pyproject.toml | $(BIN)/python $(UV)
	$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv

# Beside the packages and not among them, where `uv pip sync` would remove it.
.venv/uv/bin/uv: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target .venv/uv uv==$(UV_VERSION)
