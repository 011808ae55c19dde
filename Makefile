SHELL := bash
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help venv demo test bench crash chaos simulate mutants lint types format chromium lock coverage

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

venv: .venv/.stamp ## build .venv from the lock file (any Python from 3.11 on; PYTHON= chooses)
.venv/.stamp: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Holdfast needs Python 3.11 or newer: install it, or name it with PYTHON="; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: venv ## run the refund agent on http://127.0.0.1:8000 (PORT= for another port)
	@$(BIN)/python -m apps.refund_agent

test: venv chromium ## run every test: real PostgreSQL, real browser, real crashes
	$(BIN)/pytest -n 2 -m "not chaos" --session-timeout=1500 $(ARGS)

coverage: venv chromium ## run every test and report which branches none of them took
	$(BIN)/coverage erase && $(BIN)/coverage run -m pytest -n 2 $(ARGS) && $(BIN)/coverage combine -q && $(BIN)/coverage report --skip-covered

bench: venv ## measure Holdfast beside its peers, and write benchmarks/RESULTS.md (about an hour)
	$(BIN)/python -m benchmarks $(ARGS)

crash: venv ## kill real processes at every write and every effect, and write docs/crash-matrix.md (some minutes)
	$(BIN)/pytest -m crash $(ARGS)
	$(BIN)/python -m tests.crash.matrix --table docs/crash-matrix.md

chaos: venv ## break real processes, connections and disks, with KILLS=1000 kills (needs strace for all of it)
	KILLS=$(or $(KILLS),1000) $(BIN)/pytest -n 0 -m chaos --timeout=3600 $(ARGS)

simulate: venv ## simulate the runtime with SEEDS=10000 seeds, on two cores
	PYTHONPATH=src $(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),10000) --processes 2 --require-coverage $(ARGS)

mutants: venv ## plant a bug at a time and see that the simulation notices each (docs/simulation.md)
	PYTHONPATH=src $(BIN)/python -m tests.simulation.planting $(ARGS)

lint: venv ## check style
	$(BIN)/ruff check && $(BIN)/ruff format --check

types: venv ## check types
	$(BIN)/mypy src tests apps benchmarks

format: venv ## mend style
	$(BIN)/ruff check --fix && $(BIN)/ruff format

chromium: ## get Debian's Chromium for the browser tests, where that is possible
	@which chromium chromium-browser google-chrome 2>/dev/null | grep -q . || test -n "$$HOLDFAST_CHROMIUM" || \
	{ test "$$(id -u)" = 0 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } || \
	echo "No Chromium, and none could be installed: the browser tests will be skipped. HOLDFAST_CHROMIUM names one."

lock: venv ## resolve the newest versions that go together into requirements.lock (needs uv)
	uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-strip-extras \
	--custom-compile-command 'make lock' --extra dev -o requirements.lock pyproject.toml
