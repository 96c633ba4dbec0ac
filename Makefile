# On a machine with Python 3.11+ and make: `make run` serves, `make test` tests. Paths are relative, because make
# cannot handle the absolute ones of a directory with a space.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
RUN_LOCKS := requirements/base.txt requirements/embedded.txt requirements/local.txt
DEV_LOCKS := requirements/dev.txt
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes
# As tests/handing_out.py has it; with servers of one's own, one process.
SIDE_BY_SIDE := $(if $(MEMORY_DATABASE_URL)$(MEMORY_REDIS_URL),,-n logical --maxprocesses 4 -q)
SETS := base embedded local tracing dev

# An environment whose Python is gone (upgraded, moved) is none: forget what was installed in it.
ifneq ($(shell test -x $(PY) || echo broken),)
$(shell rm -f $(VENV)/.run $(VENV)/.dev)
endif

.DEFAULT_GOAL := help
.PHONY: help run test bench bench-quality bench-scale chaos fuzz drill lint format lock clean model bench-peers load soak

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done

run: $(VENV)/.run ## install, start the embedded servers, serve on http://localhost:8000 (PORT, MEMORY_*)
	@exec $(PY) -m memory_layer.embedded run

# With bytecode, whatever the shell says: without, each process compiles all tests anew, 6 s of CPU time.
test: $(VENV)/.dev ## install, run all tests against embedded servers, side by side (ARGS="-k search": in one process)
	@PYTHONDONTWRITEBYTECODE= $(PY) -m pytest $(or $(ARGS),$(SIDE_BY_SIDE))

bench: $(VENV)/.dev ## speed, cost, load, full answers, ingest, retention, limits of a whole running stack (PARTS="cost load", PLANS=file)
	@$(PY) -m tests.benchmarks $(PARTS) $(PLANS:%=--plans %)

bench-quality: $(VENV)/.dev ## what searches find, and what each signal is worth (DATASET=locomo.json, MODEL=folder)
	@$(PY) -m tests.benchmarks quality $(DATASET:%=--dataset %) $(MODEL:%=--model %)

bench-scale: $(VENV)/.dev ## speed, cost, filters and load with tenants up to 1M messages beside 1M of others (PLANS=file)
	@$(PY) -m tests.benchmarks $(or $(PARTS),speed cost filters load) --scale $(or $(SCALE),full) $(OTHERS:%=--others %) $(PLANS:%=--plans %)

bench-peers: $(VENV)/.dev ## beside mem0, LangGraph's store and Hindsight, each in an environment of its own (SCALE=full, DATASET=locomo.json, SYSTEMS=ours,mem0, OUT=file)
	@$(PY) -m tests.benchmarks peers $(SCALE:%=--scale %) $(DATASET:%=--dataset %) $(SYSTEMS:%=--systems %) $(OUT:%=--out %)

load: $(VENV)/.dev ## mixed requests of 8 clients for 100 tenants; an error fails it (SECONDS=60, REQUESTS=100000, OUT=file)
	@$(PY) -m tests.benchmarks mixed $(SECONDS:%=--seconds %) $(REQUESTS:%=--requests %) $(OUT:%=--out %)

soak: $(VENV)/.dev ## the same for long; memory, files, connections or jobs that grow fail it (MINUTES=20, OUT=file)
	@$(PY) -m tests.benchmarks soak $(MINUTES:%=--minutes %) $(OUT:%=--out %)

chaos: $(VENV)/.dev ## break a running stack in every way, for an hour: nothing acknowledged is lost (COUNT=2000, PARTS="kills disk")
	@$(PY) -m tests.faults $(COUNT) $(PARTS)

model: $(VENV)/.dev ## random sequences of everything against a plain model, other ones each time (SEQUENCES=300, STEPS=50)
	@MODEL_SEQUENCES=$(or $(SEQUENCES),300) MODEL_STEPS=$(or $(STEPS),50) $(PY) -m pytest tests/model --show-capture=no

fuzz: $(VENV)/.dev ## made-up requests to every operation of the API (CASES=2000)
	@FUZZ_CASES=$(or $(CASES),2000) $(PY) -m pytest tests/integration/test_fuzz.py -q -s --show-capture=no

drill: $(VENV)/.dev ## dump a filled installation, restore it on a new server, compare everything (MESSAGES=5000)
	@$(PY) -m tests.drill $(MESSAGES:%=--messages %)

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
	rm -rf $(VENV) .peers .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage htmlcov staticfiles
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
	@sh tests/e2e/chromium.sh
	@touch $@

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is none. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
