# The commands a person calls; CI calls the same.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.requirements-installed
DEV_READY := $(VENV)/.requirements-dev-installed

.DEFAULT_GOAL := help
.PHONY: help run install test check format evaluate bench screenshots clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: $(RUN_READY) ## install what is needed, then serve the page at HOST and PORT
	@HOST=$(HOST) PORT=$(PORT) $(BIN)/python -m app serve

install: $(RUN_READY) ## install the application, what it needs and its command ris into .venv

test: $(DEV_READY) ## run the tests (REQUIRE_BROWSER=1, REAL_DATA=folder widen them)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --cov --cov-report=term

check: $(DEV_READY) ## check style, types, imports and documents
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_docs.py

format: $(DEV_READY) ## put the code into its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

evaluate: $(DEV_READY) ## measure quality and search times on Caltech101 (REAL_DATA=folder that holds it)
	$(BIN)/python -m benchmarks.evaluate

bench: $(DEV_READY) ## measure the build, the server's memory and start, a query, the page (REAL_DATA=folder)
	$(BIN)/python -m benchmarks.speed

screenshots: $(DEV_READY) ## make the README's pictures of the page anew (needs Chromium)
	$(BIN)/python -m docs.screenshots

clean: ## remove .venv and the caches of the tools
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUN_READY): requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.txt --editable .
	@touch $@

$(DEV_READY): requirements-dev.txt requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt --editable .
	@touch $@ $(RUN_READY)
