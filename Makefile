# make demo    a hub with three members, a staged rollout and an update run, played in the terminal
# make test    the whole test suite (under 10 minutes on two cores)
# Every target sets up what it needs; a fresh machine needs Python >= 3.11, make, git and a network.

BIN := .venv/bin
PYTEST_WORKERS ?= 2
IMAGE ?= ghcr.io/echelon-fleet/echelon:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: demo test test-az lint types contracts check bench soak crds image clean help

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.venv/.synced: pyproject.toml uv.lock scripts/setup
	@scripts/setup
	@touch $@

demo: .venv/.synced  ## play a staged rollout and an update run on an embedded hub
	@$(BIN)/echelon demo

test: .venv/.synced  ## lint, types, import contracts and all tests but the long ones
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -n $(PYTEST_WORKERS) --dist worksteal -q

test-az: .venv/.synced  ## az itself against a local hub; installs azure-cli into .az first
	@scripts/az-environment
	ECHELON_AZ=$(CURDIR)/.az/venv/bin/az AZURE_EXTENSION_DIR=$(CURDIR)/.az/extensions $(BIN)/pytest -q tests/az

soak: .venv/.synced  ## the long tests: kill loops, long runs
	$(BIN)/pytest -m soak -q

bench: .venv/.synced  ## measure a fresh embedded hub against the budgets
	$(BIN)/python -m bench

crds: .venv/.synced  ## write deploy/crds, deploy/roles and deploy/charts from what they are made of
	$(BIN)/python -m echelon.api.crds deploy/crds
	$(BIN)/python -m echelon.api.roles deploy/roles
	$(BIN)/python -m echelon.hub.chart deploy/charts/echelon

image:  ## build the image of hubs and agents, IMAGE=name:tag; needs Docker
	@docker info >/dev/null 2>&1 || { echo "make image: no Docker daemon answers here; run it where one does" >&2; exit 1; }
	docker build --tag $(IMAGE) .

clean:  ## remove what the targets made
	rm -rf .venv .tools .az .mypy_cache .ruff_cache .pytest_cache .hypothesis
