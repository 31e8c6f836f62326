# Every target sets up what it needs; nothing is installed on the machine (see devstack/).
PYTHON ?= python3
DEVSTACK_CACHE ?= .cache
export DEVSTACK_CACHE
# Compiled Python goes to the cache folder too, also where the environment forbids writing it.
export PYTHONPYCACHEPREFIX := $(abspath $(DEVSTACK_CACHE))/pycache
unexport PYTHONDONTWRITEBYTECODE
BIN := $(DEVSTACK_CACHE)/venvs/dev/bin
# Passed to pytest, for example: make test-receiver ARGS='-k dedupe -x'
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format test-addon test-receiver test-versions test-e2e test-odoo bench-capture bench-push bench-feed bench-receiver bench-copying clean environment

help:  ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

environment:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11, 3.12 or 3.13 is needed: apt install python3"; exit 1; }
	@$(PYTHON) -m devstack.bootstrap

setup: environment  ## Fetch and build everything that the other targets need
	@$(BIN)/python -m devstack setup

demo: environment  ## Show real changes travel from Odoo to the receiver; ONCE=1 does not stay up
	@$(BIN)/python -m devstack demo $(if $(filter-out 0,$(ONCE)),--once)

# Each of these targets uses little more than one core, so two of them run at a time. The longest comes
# as soon as one of the first two is done. The output of each comes in one piece, when it is done.
test: environment  ## Check and test everything
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target \
		test-addon test-receiver test-e2e test-versions
	@echo "All checks and tests passed."

lint: environment  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pylint --recursive=y odoo_addons

format: environment  ## Format the code and mend what can be mended automatically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-addon: environment  ## Test the addon inside Odoo (ARGS='…' for pytest)
	@$(BIN)/python -m devstack test-addon $(ARGS)

test-receiver: environment  ## Test the receiver against a real Redis-protocol server
	$(BIN)/python -m pytest tests/unit tests/integration $(ARGS)

test-versions: environment  ## Test the receiver on other Pythons, and with the lowest versions allowed
	@$(BIN)/python -m devstack test-versions

test-odoo: environment  ## Run Odoo's own tests of contacts and sales with every model recorded
	@$(BIN)/python -m devstack test-odoo

test-e2e: environment  ## Test the whole path, from Odoo to a handler and back
	$(BIN)/python -m pytest tests/e2e $(ARGS)

bench-capture: environment  ## Measure what recording costs, beside peers (ROUNDS=10, ONLY=ours,untracked)
	@$(BIN)/python -m benchmarks.capture $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(ARGS)

bench-push: environment  ## Measure how fast events get to an endpoint, beside peers (ROUNDS=2, ONLY=ours,erpdoo)
	@$(BIN)/python -m benchmarks.push $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY)) $(ARGS)

bench-feed: environment  ## Measure the feed on a million events (ROUNDS=20)
	@$(BIN)/python -m benchmarks.feed $(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

bench-receiver: environment  ## Measure what the receiver accepts and handles (ROUNDS=3, STORED=1000000)
	@$(BIN)/python -m benchmarks.receiver $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(STORED),--stored $(STORED)) $(ARGS)

bench-copying: environment  ## Measure how many records a second sync-data copies
	@$(BIN)/python -m benchmarks.copying $(ARGS)

clean:  ## Remove everything that was downloaded, built or run
	@$(PYTHON) -m devstack clean
