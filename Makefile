# All commands for people; `make` lists them.

PYTHON ?= python3
ARGS ?=
ONLY ?=
SEEDS ?= 200
MINUTES ?= 60
# Number of test processes: more than processors, because tests mostly wait.
WORKERS ?= 3
# Many short processes start; each would compile the sources again without .pyc files.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test up psql airflow generate lint format docs bench soak lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Create .venv and install the pinned requirements and this package

$(STAMP): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
	  echo "✗ $(PYTHON) not found: install Python 3.11 or newer, or set its path: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "✗ $(PYTHON) is $$($(PYTHON) -V 2>&1); 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "✗ $(PYTHON) has no venv module: install it (on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@PYTHON="$(BIN)/python" sh scripts/install.sh
	@touch $@

demo: install ## Run backfill, dbt and a live change once against the sandbox (about a minute)
	@$(BIN)/stripe-stack demo

up: install ## Run the sandbox or your account with Airflow's UI until Ctrl-C
	@$(BIN)/stripe-stack up

psql: install ## Open the warehouse in psql (ARGS="-c 'select 1'")
	@$(BIN)/stripe-stack psql $(ARGS)

airflow: install ## Run Airflow's command line (ARGS="dags list")
	@$(BIN)/stripe-stack airflow $(ARGS)

test: install ## Run all tests (ARGS="tests/unit -k retry" for some)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: install ## Check style (ruff) and types (mypy)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: install ## Format the code (ruff)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

generate: install ## Generate typed views and field lists from the Stripe SDK and the catalogue
	@$(BIN)/python -m stripe_stack.generate

docs: install ## Build the data docs into dbt/target
	@$(BIN)/stripe-stack docs

bench: install ## Measure speed (ONLY=backfill, collections, live, connect, mutation, pull, query, streams or deliver); writes build/bench.json
	@PYTHONPATH=tests $(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

soak: install ## Run 200 random scenarios and a busy hour (SEEDS=…, MINUTES=…); writes build/soak.json
	@PYTHONPATH=tests $(BIN)/python -m soak --seeds $(SEEDS) --minutes $(MINUTES)

lock: install ## Compile requirements.txt from requirements.in
	@$(BIN)/uv pip compile --quiet --universal --no-emit-index-url \
	  --custom-compile-command "make lock" --python-version 3.11 requirements.in -o requirements.txt

clean: ## Delete .venv, the stack's data and all build files
	@rm -rf $(VENV) .stack build dist dbt/target dbt/logs *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
