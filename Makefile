# Copyright (c) 2026, keyturn.devices contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every target makes the environment it needs, under .cache, and uses it again the next time.

PYTHON ?= python3
# CORES=2.16,2.21 narrows the integration tests to these ansible-cores.
export KEYTURN_CORES ?= $(CORES)
TOOLS = PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=tests $(PYTHON) -m tools

.DEFAULT_GOAL := help
.PHONY: help demo test lint sanity unit integration molecule build docs bench format environments clean

help: ## This list
	@echo "keyturn.devices: make <target>"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

demo: ## A simulated site, rotated and reported; with INVENTORY=path your own devices instead
	@$(TOOLS) demo $(if $(INVENTORY),--inventory "$(abspath $(INVENTORY))")

test: ## Everything that must pass (PYTEST="..." for pytest's own options)
	@$(TOOLS) test -- $(PYTEST)

lint: ## Style, types, YAML, roles, documentation, changelog, licences
	@$(TOOLS) lint

sanity: ## ansible-test sanity on the newest and the oldest ansible-core
	@$(TOOLS) sanity

unit: ## Unit tests
	@$(TOOLS) unit -- $(PYTEST)

integration: ## Playbooks against the simulators, on every ansible-core there is a Python for
	@$(TOOLS) integration -- $(PYTEST)

molecule: ## The roles' scenarios
	@$(TOOLS) molecule

build: ## Build the collection, import it as Galaxy does, install it elsewhere, read its documentation there
	@$(TOOLS) build

docs: ## The guides and the module reference, into .cache/docs
	@$(TOOLS) docs

bench: ## Benchmarks (BENCH="..." for the script's own options)
	@$(TOOLS) bench -- $(BENCH)

format: ## Let ruff rewrite the Python files
	@$(TOOLS) format

environments: ## Make the virtual environments and say which there are
	@$(TOOLS) environments

clean: ## Remove .cache and all that was made in it
	@$(TOOLS) clean
