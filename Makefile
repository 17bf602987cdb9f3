# Everything a person needs, by name. `make` alone prints this help.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.tools
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup tools run demo test lint type arch bench docs clean

help:  ## print this help
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make setup PYTHON=python3.12")'
	@echo "installing into $(VENV), which takes a minute or two, this once"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[exchanges]'
	@touch $(STAMP)

$(TOOLS): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(TOOLS)

setup: $(STAMP)  ## create .venv with the cdts command

tools: $(TOOLS)  ## add the tools that tests and checks want, some gigabytes with torch

run: $(STAMP)  ## start the service on live upstreams (ARGS="--port 8000")
	$(BIN)/cdts serve $(ARGS)

demo: $(STAMP)  ## start the service beside the bundled simulator, no network needed
	$(BIN)/cdts demo $(ARGS)

test: $(TOOLS)  ## run every test, real PostgreSQL included
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(TOOLS)  ## style, names, blanket excepts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(TOOLS)  ## mypy, strict
	$(BIN)/mypy

arch: $(TOOLS)  ## layer contracts
	$(BIN)/lint-imports

bench: $(TOOLS)  ## every benchmark; each prints a ratio to a reference measured in the same run
	@test -x $(VENV)/bench/bin/python || $(BIN)/python -m venv $(VENV)/bench
	$(VENV)/bench/bin/python -m pip install --quiet --disable-pip-version-check -c bench/constraints.txt -e '.[bench]'
	-@$(VENV)/bench/bin/python -m pip install --quiet --disable-pip-version-check -c bench/constraints.txt -e '.[cryptofeed]' \
		|| echo "cryptofeed needs a C compiler and could not be built: what is compared with it is left out"
	$(BIN)/python -m bench $(ARGS)

docs: $(TOOLS)  ## regenerate docs/reference and docs/examples from the code
	$(BIN)/python tools/make_reference.py
	$(BIN)/python tools/make_openapi.py
	$(BIN)/python tools/make_examples.py

clean:  ## remove the environment and caches (data stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache
