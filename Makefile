# What a person types. Each target makes its own environment first, below .venv, from the package index.

PYTHON ?= python3
BIN := .venv/bin
STORE ?= store
# One place for temporary pip noise: nothing on success, everything on failure.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test integration check hooks docs lock audit release-notes bench clean
.DELETE_ON_ERROR:

help:  ## Say what there is to type.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 15

demo: .venv/demo  ## See heartbeats counted over the attention of a real transformer.
	$(BIN)/python -m coordinator ingest samples/problems.jsonl.gz --dataset sample --chunk-size 25 --store $(STORE)
	$(BIN)/python -m gpu_workers extract --model samples/teacher --store $(STORE)
	$(BIN)/python -m coordinator run-stage heartbeat --store $(STORE)
	$(BIN)/python -m coordinator report --store $(STORE) --out report.html

test: .venv/dev  ## Run the tests, those against LocalStack in their short form.
	$(BIN)/python -m pytest --numprocesses auto -m "not integration_long"

# An endpoint that is there already is used in place of a LocalStack of our own; CONTRIBUTING.md says more.
integration: export MYCELIUM_INTEGRATION_ENDPOINT ?= $(AWS_ENDPOINT_URL)
integration: .venv/dev  ## Deploy to LocalStack, run there, meet every fault: a quarter of an hour.
	$(BIN)/python -m pytest tests/integration
	cd localstack-process-executor && LOCALSTACK_ROOT=../.cache/localstack ../$(BIN)/python -m pytest --quiet

check: .venv/dev  ## Lint, types and import contracts: what needs no running.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd localstack-process-executor && ../$(BIN)/mypy
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

hooks: .venv/dev  ## Have git look at what is committed, and run `make check` before a push.
	$(BIN)/pre-commit install

docs: .venv/docs  ## Build the documentation as a site, strictly, into build/site.
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lock: .venv/dev  ## Write requirements.lock anew, from pyproject.toml and constraints.txt.
	$(BIN)/uv pip compile pyproject.toml --extra coordinator --extra verify --extra infra --universal \
	  --python-version 3.11 --constraint constraints.txt --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command 'make lock' --quiet --output-file requirements.lock

# Strictly: a package that the database could not be asked about is an error, and no pass.
audit: .venv/python  ## Ask a database of known weaknesses about what is locked; needs a network.
	$(PIP) uv
	$(BIN)/uvx pip-audit@2.10.1 --strict --requirement requirements.lock --require-hashes --disable-pip

VERSION ?= Unreleased
release-notes:  ## Print what CHANGELOG.md says of VERSION, Unreleased if none is given.
	@awk '/^## \[/ { on = index($$0, "[$(VERSION)]"); next } on' CHANGELOG.md | cat -s
	@grep --quiet '^## \[$(VERSION)\]' CHANGELOG.md || { echo "CHANGELOG.md has no section [$(VERSION)]"; exit 2; }

bench: .venv/dev  ## Measure what the documentation quotes, or some of it: ONLY="heartbeat dispatch".
	$(BIN)/python -m benchmarks $(ONLY)

clean:  ## Remove environments and caches; never a store.
	rm -rf .venv .cache build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Mycelium needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 …"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/demo: .venv/python pyproject.toml constraints.txt
	$(PIP) --editable '.[coordinator,gpu]'
	@touch $@

.venv/docs: .venv/python pyproject.toml constraints.txt
	$(PIP) --editable '.[docs]'
	@touch $@

.venv/dev: .venv/demo
	$(PIP) --editable '.[coordinator,gpu,infra,dev]'
	@touch $@
