# Everything the desk needs is set up by the command that needs it: a fresh machine wants `make run` and nothing before it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
PORT ?= 8501
VENV := .venv
UV := $(VENV)/bin/uv
# Most tests wait more than they work: three processes share them. ARGS="-n 0 …" is one process, for a debugger.
SIDE_BY_SIDE := -n 3 --no-loadscope-reorder

help:       ## Show these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run  ## Start the desk with its local workspace on http://localhost:8501 (PORT=8502 for another port)
	@exec $(VENV)/bin/python -m services.preflight --port $(PORT) --run

test: $(VENV)/.test tools  ## Run every test (rules, workspace, services, pages, browser, kills)
	$(VENV)/bin/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

test-fast: $(VENV)/.test  ## Run the tests that need no browser and no scoring environment
	$(VENV)/bin/python -m pytest -m "not slow" $(SIDE_BY_SIDE) $(ARGS)

check: $(VENV)/.test  ## Check format, lint and types
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(VENV)/.test tools  ## Measure: each figure is a ratio against something named, in one run
	$(VENV)/bin/python -m benchmarks $(ARGS)

soak: $(VENV)/.test tools  ## Run what is too long for `make test`: random kills, hours of load
	$(VENV)/bin/python -m pytest -m soak --timeout 7200 $(ARGS)

lock: $(VENV)/.uv  ## Write requirements.txt and requirements-dev.txt anew from the .in files
	$(UV) pip compile --quiet --python-version 3.11 --universal --no-annotate --upgrade requirements.in -o requirements.txt
	$(UV) pip compile --quiet --python-version 3.11 --universal --no-annotate --upgrade -c requirements.txt requirements-dev.in -o requirements-dev.txt

$(VENV)/.uv:
	@command -v $(PYTHON) >/dev/null || { echo "The desk needs Python 3.11: install it, or say which one with PYTHON=/path/to/python3.11."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv
	@touch $@

$(VENV)/.run: $(VENV)/.uv requirements.txt
	$(UV) pip install --quiet --python $(VENV)/bin/python -r requirements.txt
	@touch $@

$(VENV)/.test: $(VENV)/.uv requirements-dev.txt
	$(UV) pip install --quiet --python $(VENV)/bin/python -r requirements-dev.txt
	@touch $@ $(VENV)/.run

# Chromium for the browser tests and Microsoft's KQL parser: a missing one fails with CI=true and is a named skip elsewhere.
tools:
	@bash tests/install_tools.sh

.PHONY: help run test test-fast check bench soak lock tools
