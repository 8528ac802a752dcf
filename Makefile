.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MUTATOR := .venv-mutants
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# An existing $(VENV) keeps its Python unless another one is requested: make test PYTHON=python3.13
IDENTITY := import sys; print(sys.base_prefix, sys.version)
IS_REQUESTED := $(if $(filter file,$(origin PYTHON)),true,[ "$$($(BIN)/python -c '$(IDENTITY)')" = "$$($(PYTHON) -c '$(IDENTITY)')" ])
IS_FIT := { $(BIN)/python -c 'import pip; $(IS_NEW_ENOUGH)' && $(IS_REQUESTED); } >/dev/null 2>&1
# What was compiled once is read by every process, also where the environment forbids to keep it.
export PYTHONDONTWRITEBYTECODE :=
WORKERS = auto
# In CI cases that fail (status 1: all others ran) run once more, alone: a busy machine delays, a defect stays.
PYTEST_ = $(BIN)/python -m pytest -o cache_dir=.pytest_cache/$(VENV)
PYTEST = $(PYTEST_) -n $(WORKERS) --dist loadscope $(1) || \
	{ [ "$$?$$CI" = 11 ] && $(PYTEST_) -n 0 --last-failed --last-failed-no-failures none $(1); }
# The same with every Python: what reads the sources or runs in a browser or Node; kills, races and rounds of processes.
SAME = browser js test_architecture.py test_fakes.py test_mutants.py test_promises.py test_torture.py \
	web/assets/test_bundler.py web/test_documented_names.py web/test_front_end_files.py web/api/test_fuzz.py web/test_secrets.py \
	web/test_translations.py web/api/test_workbook_circle.py worker/test_batch_run.py worker/test_lost_database.py \
	worker/test_older_store.py worker/test_restart.py worker/test_shared_limit.py worker/test_two_machines.py
.PHONY: help run test test-all test-rest test-python lint check fuzz walk torture bench bench-quick gallery mutants check-store \
	backup portable

help: ## List these commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

run: $(VENV)/.product ## Install what is missing and serve at http://localhost:5000
	$(BIN)/python web_app.py

test: $(VENV)/.tests ## Run the tests but the longest; in browsers those of docs/promises.md, on PostgreSQL what concerns it only
	@sh tests/browser/install || true
	@sh tests/postgres/install || true
	$(call PYTEST)

test-all: test test-rest ## Run all tests

test-rest: $(VENV)/.tests ## Run what make test leaves out: other browser cases, the longest, on PostgreSQL what runs statements
	@sh tests/browser/install
	@sh tests/postgres/install
	$(call PYTEST,--rest --store postgres)

test-python: $(VENV)/.tests ## Run a case of every second test without browsers: make test-python PYTHON=python3.13 VENV=.venv-3.13
	$(call PYTEST,--once $(addprefix --ignore tests/,$(SAME)) -m "not postgres")

lint: $(VENV)/.tests ## Format, lint and type checks; the ten longest modules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@find *.py app -name '*.py' -exec wc -l {} + | sed '/ total$$/d' | sort -rn | head \
		| awk '{ print $$1 " lines: " $$2 ($$1 < 400 ? "" : ", warning: 400 or more") }'

check: lint test bench-quick ## Everything that must pass before a commit

fuzz: $(VENV)/.tests ## Send random requests to the API: make fuzz CALLS=20000
	FUZZ_CALLS=$(or $(CALLS),20000) $(BIN)/python -m pytest -n 0 -q -s tests/web/api/test_fuzz.py

walk: $(VENV)/.tests ## Press and type at random on all pages of the demo: make walk SEED=7 STEPS=1500
	@sh tests/browser/install
	$(BIN)/python -m tools.walk --steps $(or $(STEPS),1500) $(addprefix --seed ,$(SEED))

bench: $(VENV)/.tests ## Measure speed and memory against references in the same run
	$(BIN)/python -m bench

bench-quick: $(VENV)/.tests ## What make bench measures in seconds, as ratios that hold on a busy machine
	$(BIN)/python -m bench --quick

torture: $(VENV)/.tests ## Test the real server under faults, kills and full disks: make torture ROUNDS=200 SEED=1 STORE=postgres
	$(BIN)/python -m tools.torture --rounds $(or $(ROUNDS),200) --seed $(or $(SEED),1) --store $(or $(STORE),sqlite)

mutants: $(VENV)/.tests ## Plant the faults of promises, then change one condition of the money code at a time: make mutants ONLY=queue
	$(BIN)/python -m tools.mutants.faults --only "$(ONLY)"
	@$(MUTATOR)/bin/python -c 'import cosmic_ray' 2>/dev/null || $(BIN)/python -m venv --clear $(MUTATOR)
	@$(MUTATOR)/bin/python -m pip install --quiet --disable-pip-version-check -r tools/mutants/requirements.txt
	$(BIN)/python -m tools.mutants --generator $(MUTATOR)/bin/python --only "$(ONLY)"

portable: $(VENV)/.tests ## Build the ZIP for Windows without Python: make portable PYTHON_EMBED=python-3.13.11-embed-amd64.zip
	$(BIN)/python -m tools.portable.build --embed "$(PYTHON_EMBED)"

gallery: $(VENV)/.tests ## Retake the screenshots in docs/images
	@sh tests/browser/install
	$(BIN)/python -m tools.gallery

check-store: $(VENV)/.product ## Compare records with image files; reports, deletes nothing
	$(BIN)/python -m app.cli

backup: $(VENV)/.product ## Back up all data, also while the server runs: make backup TO=folder
	$(BIN)/python -m app.cli backup "$(TO)"

# A .venv whose Python is missing, moved, too old or not the requested one is recreated, packages included.
$(shell $(IS_FIT) || rm -f $(VENV)/.product $(VENV)/.tests)

define MAKE_VENV
@$(IS_FIT) || $(PYTHON) -c '$(IS_NEW_ENOUGH)' \
	|| { echo "需要 Python 3.11 或更高版本；有几个的话，可以写 make run PYTHON=python3.12"; exit 1; }
@$(IS_FIT) || $(PYTHON) -m venv --clear $(VENV)
endef

$(VENV)/.product: requirements.txt
	$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tests: requirements.txt requirements-postgres.txt requirements-test.txt
	$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@ $(VENV)/.product
