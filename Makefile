# `make help` lists what there is. Every target sets up what it needs, in .venv.
SHELL := /bin/bash
# The first Python that was built with optimisation, as distributions do and pyenv does not unless it is told to: the
# gateway costs a sixth less with it. Else any: `make run PYTHON=...` has the last word.
optimised = import ensurepip, sys, sysconfig, venv; \
	built = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS")) or sys.base_prefix == "/usr"; \
	sys.exit(not built or sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 /usr/bin/python3; do \
	$$python -c '$(optimised)' 2>/dev/null && echo $$python && exit; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help setup run test check fix docs bench load accept conformance chaos lock clean

help: ## This list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# What the gateway needs to run. uv installs in seconds; where it cannot, pip does the same.
$(VENV)/.run: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv -c constraints.txt 2>/dev/null || true
	@$(call install,-e .)
	@touch $@

# What the project's own tools need on top.
$(VENV)/.ready: $(VENV)/.run
	@echo "Installing the tools of the project ..."
	@$(call install,$$($(call groups,dev docs)))
	@touch $@

# pip learned --group only lately, so the groups are read here.
groups = $(BIN)/python -c 'import tomllib; g = tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]; print(*(p for n in "$(1)".split() for p in g[n]))'
# uv knows neither pip's configuration nor, unasked, the system's certificates: what it cannot do, pip does.
install = { test -x $(BIN)/uv && VIRTUAL_ENV=$(VENV) UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 \
	$(BIN)/uv pip install --quiet -c constraints.txt $(1) 2>/dev/null; } || \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(1)

$(VENV)/.ready-load: $(VENV)/.ready
	@echo "Installing what measurements need ..."
	@$(call install,$$($(call groups,load)))
	@touch $@

setup: $(VENV)/.ready ## Set up; the command is then at .venv/bin/sluice

run: $(VENV)/.run ## Start the gateway on 127.0.0.1:8080 with the embedded store
	@$(BIN)/sluice serve

# Tests wait more than they compute, so there are more of them than cores. CI takes in what is marked "ci", too.
TIER ?= not slow and not ci
test: setup ## All tests that need no root, in three minutes; skips are shown
	@$(BIN)/python -m pytest -q -n 4 --dist worksteal -m "$(TIER)" $(ARGS)

check: setup ## Lint, format, types, import contracts, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

fix: setup ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup ## Regenerate the reference pages and build the documentation into site/
	$(BIN)/python -m gateway.cli.reference
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

bench: $(VENV)/.ready-load ## Measure CPU, rate and memory against nginx and others; about 25 minutes
	@$(BIN)/python -m loadtests.bench $(ARGS)

load: $(VENV)/.ready-load ## Load a gateway with locust for a minute
	@$(BIN)/python -m loadtests.load $(ARGS)

accept: setup ## The long lists: real Ceph, XMPP servers, kills, faults
	@SLUICE_TEST_REQUIRE=all SLUICE_TEST_RANDOM=1 $(BIN)/python -m pytest -q $(ARGS)

conformance: setup ## Ask tus servers side by side what they do, and write docs/tus-conformance.md
	@$(BIN)/python -m tests.conformance.page $(ARGS)

chaos: setup ## A thousand uploads through gateways that are killed and a store that fails; about ten minutes
	@$(BIN)/python -m tests.chaos --runs 1000 $(ARGS)

lock: setup ## Renew constraints.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --no-emit-index-url --no-header --no-annotate --group dev --group docs --group load pyproject.toml -o constraints.txt

clean: ## Remove what was set up or built
	rm -rf $(VENV) site build dist .mypy_cache .ruff_cache .pytest_cache .coverage*
