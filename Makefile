# On a machine with Python 3.11+ and make: `make run` serves, `make test` tests. Paths are relative, because make
# cannot handle the absolute ones of a directory with a space.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
RUN_LOCKS := requirements/base.txt requirements/embedded.txt requirements/local.txt
DEV_LOCKS := requirements/dev.txt
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes
SETS := base embedded local dev

# An environment whose Python is gone (upgraded, moved) is none: forget what was installed in it.
ifneq ($(shell test -x $(PY) || echo broken),)
$(shell rm -f $(VENV)/.run $(VENV)/.dev)
endif

.DEFAULT_GOAL := help
.PHONY: help run test bench bench-quality bench-scale chaos lint format lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done

run: $(VENV)/.run ## install, start the embedded servers, serve on http://localhost:8000 (PORT, MEMORY_*)
	@exec $(PY) -m memory_layer.embedded run

test: $(VENV)/.dev ## install, run all tests against embedded servers (ARGS="-k search")
	@$(PY) -m pytest $(ARGS)

bench: $(VENV)/.dev ## speed, cost, load, full answers, ingest, retention, limits of a whole running stack (PARTS="cost load", PLANS=file)
	@$(PY) -m tests.benchmarks $(PARTS) $(PLANS:%=--plans %)

bench-quality: $(VENV)/.dev ## what searches find, and what each signal is worth (DATASET=locomo.json, MODEL=folder)
	@$(PY) -m tests.benchmarks quality $(DATASET:%=--dataset %) $(MODEL:%=--model %)

bench-scale: $(VENV)/.dev ## speed, cost, filters and load with tenants up to 1M messages beside 1M of others (PLANS=file)
	@$(PY) -m tests.benchmarks $(or $(PARTS),speed cost filters load) --scale $(or $(SCALE),full) $(OTHERS:%=--others %) $(PLANS:%=--plans %)

chaos: $(VENV)/.dev ## long fault runs: bad provider, killed workers, killed Redis, killed retention (a quarter of an hour)
	@$(PY) -m tests.faults $(COUNT)

lint: $(VENV)/.dev ## style, types, layers, missing migrations
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy memory_layer memories retention tenants
	$(PY) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(PY) -m memory_layer.embedded exec -- $(PY) manage.py makemigrations --check --dry-run

format: $(VENV)/.dev ## rewrite the code in our style
	$(PY) -m ruff check --fix-only .
	$(PY) -m ruff format .

lock: $(VENV)/.dev ## pin requirements/*.in anew
	cd requirements && for set in $(SETS); do ../$(PY) -m uv pip compile --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links $$set.in -o $$set.txt || exit 1; done

clean: ## remove the virtual environment and caches, never the data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage htmlcov staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written when its installation is whole, so an interrupted one is done again.
$(VENV)/.run: $(RUN_LOCKS) | $(PY)
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what runs (a minute or two, once)"
	@$(INSTALL) $(RUN_LOCKS:%=-r %)
	@touch $@

$(VENV)/.dev: $(DEV_LOCKS) $(VENV)/.run
	@echo "Installing what tests and checks"
	@$(INSTALL) $(DEV_LOCKS:%=-r %)
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is none. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
