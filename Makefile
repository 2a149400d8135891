# Everything a checkout can do; `make` alone says what.

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements/dev.txt
PYTHON ?=
PYTEST_ARGS ?=
STAY ?=
QUICK ?=
BENCH_ARGS ?=
AGAINST ?=

PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --system-certs \
	--universal --python-version 3.11 --generate-hashes --annotation-style line \
	--no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test lint format bench bench-plane figures load docs lock clean

help: ## Say what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

install: $(VENV)/.installed ## Make .venv with the package and its command (PYTHON=... picks the Python)

# A .venv whose Python still runs is kept: pip brings it to what the lock says.
$(VENV)/.locked: $(LOCK)
	@python=$$(scripts/find_python.sh $(PYTHON)) || exit 1; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Making $(VENV) with $$python"; \
		"$$python" -m venv --clear $(VENV); \
	fi
	@echo "Installing what $(LOCK) pins"
	@$(PIP) install --require-hashes --requirement $(LOCK)
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: install ## Release three versions of a real model and watch one revert (STAY=1 leaves it up)
	@STAY="$(STAY)" $(BIN)/python -m demo

test: install ## Run the tests (PYTEST_ARGS="-k word" picks some)
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: install ## Check style, types and the floors between the rooms
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: install ## Write the code in the house's style
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: install ## Measure beside nginx, HAProxy, Envoy and a plain proxy (QUICK=1: two minutes)
	@$(BIN)/python -m loadtests.bench $(if $(filter-out 0,$(QUICK)),--quick) $(BENCH_ARGS)

figures: install ## Simulate releases at full size: the figures of docs/judge-tools.md
	@$(BIN)/python -m loadtests.judge

bench-plane: install ## Measure the data plane alone (AGAINST=HEAD: in turns with that revision)
	@$(BIN)/python -m loadtests.plane $(if $(AGAINST),--against $(AGAINST))

# What may be adjusted: docs/load.md.
SCENARIO ?= all
LOAD = $(if $(filter-out 0,$(QUICK)),--quick) $(if $(MODEL),--model $(MODEL)) \
	$(if $(SECONDS),--seconds $(SECONDS)) $(if $(USERS),--users $(USERS)) $(if $(RATE),--rate $(RATE))

load: install ## Load tests within a budget (SCENARIO=spike, QUICK=1, MODEL=mlserver, SECONDS=60)
	@$(BIN)/python -m loadtests.load run $(SCENARIO) $(LOAD)

docs: install ## Make the reference pages in docs/ from the code
	@for page in config=proxy.settings.reference cli=proxy.cli.document metrics=proxy.admin.document; do \
		$(BIN)/python -m "$${page#*=}" > docs/.page && test -s docs/.page && mv docs/.page "docs/$${page%%=*}.md" || exit 1; \
	done

lock: install ## Resolve the newest versions that pyproject.toml allows into requirements/
	@$(COMPILE) pyproject.toml --output-file requirements/runtime.txt
	@$(COMPILE) pyproject.toml --group dev --constraints requirements/runtime.txt \
		--output-file requirements/dev.txt
	@$(COMPILE) --group build --constraints requirements/dev.txt \
		--output-file requirements/build.txt
	@$(COMPILE) requirements/mlserver.in --output-file requirements/mlserver.txt
	@$(COMPILE) requirements/load.in --output-file requirements/load.txt
	@$(COMPILE) requirements/bench.in --output-file requirements/bench.txt

clean: ## Remove everything that make made, the demo's data and the results as well
	@rm -rf $(VENV) .demo .load .bench .ci/tools build dist *.egg-info \
		.pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
