# Kelp: `make` lists the targets. PYTHON=python3.12 chooses another Python.

PYTHON ?= python3
BIN := .venv/bin
CONFIG ?= configs/flights.yaml
# The data that `kelp data` can write, and that of CONFIG.
EXAMPLES := flights digits reviews electricity mixed
EXAMPLE := $(basename $(notdir $(CONFIG)))
# Test workers: a file of tests stays on one, and the longest files begin. One more than there
# are cores, since tests wait for servers and for processes that they have ended.
WORKERS ?= $(shell n=$$(nproc); echo $$(( n < 4 ? n + 1 : 4 )))
PYTEST = -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
PACKAGES := pipelines components evidence report models serving contracts examples

# Keep what Python compiled, whatever the environment says: see scripts/setup.py.
unexport PYTHONDONTWRITEBYTECODE

# Test processes keep all cores busy: threads of OpenBLAS and OpenMP would spin for one another.
test test-quick: export OPENBLAS_NUM_THREADS = 1
test test-quick: export OMP_NUM_THREADS = 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup train serve test test-quick check bench schemas lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make .venv from requirements.lock, where it is missing or stale
	@command -v $(PYTHON) > /dev/null || { \
	  echo "error: missing: $(PYTHON): apt-get install python3 python3-dev python3-venv" >&2; exit 1; }
	@$(PYTHON) scripts/setup.py

train: setup ## Get the data of CONFIG (the flights), then train, evaluate and push a model
	@case " $(EXAMPLES) " in *" $(EXAMPLE) "*) \
	  test -e data/$(EXAMPLE) || $(BIN)/kelp data $(EXAMPLE) ;; esac
	@$(BIN)/kelp run $(CONFIG)

serve: setup ## Serve the trained models by REST, for development
	@$(BIN)/kelp serve

test: setup ## Run all tests, with coverage
	@$(PYTHON) scripts/browser.py
	@$(PYTHON) scripts/promtool.py
	@$(PYTHON) scripts/schedulers.py
	@$(PYTHON) scripts/postgresql.py
	$(BIN)/python -m scripts.line_coverage $(PYTEST) tests/e2e tests/integration tests/unit
	$(BIN)/coverage report

test-quick: setup ## Run the unit tests, without coverage
	@$(PYTHON) scripts/promtool.py
	@$(PYTHON) scripts/schedulers.py
	$(BIN)/python $(PYTEST) tests/unit

check: setup ## Lint, check formatting, wording, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(PYTHON) scripts/wording.py
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports

bench: setup ## Time Kelp beside TFX's own components, the whole pipeline, the server
	$(BIN)/python -m bench.example_gen
	$(BIN)/python -m bench.intervals
	$(BIN)/python -m bench.pipeline
	$(BIN)/python -m bench.serving

schemas: setup ## Write the JSON Schemas of summary.json and artifact.json anew
	$(BIN)/python -m contracts.schemas

lock: setup ## Resolve all dependencies anew into requirements.lock, and docker's part of it
	@uv=$$($(PYTHON) scripts/setup.py --print-uv) && $$uv lock && \
	  export="$$uv export --quiet --format requirements-txt --no-emit-project --no-header \
	    --no-annotate --output-file" && \
	  $$export requirements.lock --all-extras --all-groups > /dev/null && \
	  $$export docker/requirements.lock --no-default-groups --group build --extra postgres \
	    --extra kubeflow > /dev/null

clean: ## Remove caches and build leftovers; data, runs and models stay
	rm -rf build dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache \
	  .import_linter_cache .hypothesis
	find $(PACKAGES) tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +
