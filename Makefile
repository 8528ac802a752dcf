.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# The Python of an existing $(VENV) is not asked about, unless one was asked for: make test PYTHON=python3.13
WHICH := import sys; print(sys.base_prefix, sys.version)
IS_AS_ASKED := $(if $(filter file,$(origin PYTHON)),true,[ "$$($(BIN)/python -c '$(WHICH)')" = "$$($(PYTHON) -c '$(WHICH)')" ])
IS_FIT := { $(BIN)/python -c 'import pip; $(IS_NEW_ENOUGH)' && $(IS_AS_ASKED); } >/dev/null 2>&1
.PHONY: help run test test-python lint check fuzz torture bench gallery check-store backup

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

run: $(VENV)/.product ## Install what is missing and serve at http://localhost:5000
	$(BIN)/python web_app.py

test: $(VENV)/.tests ## Run every test, real Chromium included
	@sh tests/browser/install
	$(BIN)/python -m pytest -n 3 --dist loadscope

test-python: $(VENV)/.tests ## Run all but the browser tests: make test-python PYTHON=python3.13 VENV=.venv-3.13
	$(BIN)/python -m pytest -n 3 --dist loadscope --ignore tests/browser

lint: $(VENV)/.tests ## Format, lint and type checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## Everything that has to pass before a change lands

fuzz: $(VENV)/.tests ## Ask the API nonsense: make fuzz CALLS=20000
	FUZZ_CALLS=$(or $(CALLS),20000) $(BIN)/python -m pytest -n 0 -q -s tests/web/test_fuzz.py

bench: $(VENV)/.tests ## Measure speed and memory, each against a peer in the same run
	$(BIN)/python -m bench

torture: $(VENV)/.tests ## Faults, kills, full disks against the real server: make torture ROUNDS=200 SEED=1
	$(BIN)/python -m tests.torture --rounds $(or $(ROUNDS),200) --seed $(or $(SEED),1)

gallery: $(VENV)/.tests ## Take the screenshots in docs/images anew
	@sh tests/browser/install
	$(BIN)/python -m tests.browser.gallery

check-store: $(VENV)/.product ## Compare records with picture files; reports, deletes nothing
	$(BIN)/python -m app.cli

backup: $(VENV)/.product ## Copy everything while it runs: make backup TO=folder
	$(BIN)/python -m app.cli backup "$(TO)"

# A .venv whose Python is gone, moved, too old or not the one asked for is made anew, with all that belongs in it.
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

$(VENV)/.tests: requirements.txt requirements-test.txt
	$(MAKE_VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@ $(VENV)/.product
