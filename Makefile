# Quarterdeck. `make demo` opens the practice world, `make test` runs every test this machine can run.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test collected lint types imports bench crash soak real screenshots lock man wheel clean

help:  ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

venv: $(STAMP)  ## make .venv with the locked dependencies

$(STAMP): pyproject.toml requirements.lock
	@command -v git >/dev/null || { echo "git is missing: install the package git"; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install the package python3 (3.11 to 3.13)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "$(PYTHON) must be 3.11 to 3.13; name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "the venv module is missing: install the package python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $(STAMP)

demo: $(STAMP)  ## open the practice world
	@$(BIN)/quarterdeck demo

test: $(STAMP)  ## lint, types, import rules and every test this machine can run
	@$(MAKE) --no-print-directory --output-sync=target -j2 lint types imports collected
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 6 --dist loadgroup $(ARGS)

collected: $(STAMP)  # pytest rewrites every test module once here, and not in each of its workers
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --collect-only -q >/dev/null || true

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

bench: $(STAMP)  ## print the budgets: value, reference, ratio, budget
	PYTHONPATH=tests $(BIN)/python -m bench $(ARGS)

crash: $(STAMP)  ## make crash [SHARD=i/n]: kill, hang up and cut releases at every step, on real engines
	PYTHONPATH=tests $(BIN)/python -m crash --shard $(or $(SHARD),1/1) $(ARGS)

soak: $(STAMP)  ## make soak HOURS=8: memory over a long run
	PYTHONPATH=tests $(BIN)/python -m bench.soak --hours $(or $(HOURS),8)

real: $(STAMP)  ## bring the real servers that the tests run against (asks before sudo, starts nothing)
	@PYTHON=$(PYTHON) bash tests/real/install.sh

screenshots: $(STAMP)  ## make every picture in screenshots/
	$(BIN)/python -m tests.screenshots

lock: $(STAMP)  ## resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev --extra gpu --extra keyring --extra aws pyproject.toml -o requirements.lock

man: $(STAMP)  ## write the manual page into dist/
	@mkdir -p dist && $(BIN)/quarterdeck man > dist/quarterdeck.1 && echo dist/quarterdeck.1

wheel: $(STAMP)  ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

clean:  ## remove what was built here
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
