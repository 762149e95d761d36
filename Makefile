# `make run` and `make test` do all the set-up on a bare machine that has Python 3.11 or newer (with venv), git and make.
# Another Python: PYTHON=python3.12 make run. More for Snakemake: make run ARGS="--configfile workflow/presets/smoke.yaml".

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
GPU_TESTS := tests/gpu tests/unit/runtime tests/unit/training tests/unit/tasks tests/unit/evaluation
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help set-up run test test-gpu lint unit functional thorough cluster generated restore lock bench bench-gpu abuse clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

set-up: ## make or update .venv (the others do it by themselves)
	@$(PYTHON) tools/set_up.py

run: set-up ## the whole pipeline, resumed where it stopped
	@$(BIN)/python tools/run.py --cores all $(ARGS)

test: lint unit functional ## everything that must hold

lint: set-up ## style, format and types of Python and Snakemake code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy

unit: set-up ## unit tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 tests/unit tests/gpu tests/benchmarks

functional: set-up ## tests of the whole: real runs of the smoke preset, also on two nodes of a SLURM where it can be had
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 tests/functional
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -m "not slow" tests/integration tests/docs tests/browser

thorough: lint ## everything there is, also what takes long: documentation's commands, DVC, browsers, fifty kills, clusters
	OMP_NUM_THREADS=1 $(BIN)/pytest -q tests/unit tests/functional tests/integration tests/docs tests/browser
	OMP_NUM_THREADS=1 $(BIN)/pytest -q tests/cluster

generated: set-up ## params.default.yaml and the schema, from the types
	$(BIN)/python -m autoshrink.params.document

restore: set-up ## after dvc pull, git checkout: tell Snakemake that what is there is what it made
	@for pack in results*/packs/*.zip; do if [ -e "$$pack" ]; then $(BIN)/autoshrink lineage unpack "$$pack"; fi; done
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --touch --forceall --cores 1 --quiet all $(ARGS)

lock: ## resolve pyproject.toml anew into requirements.lock
	$(PYTHON) tools/set_up.py lock

test-gpu: set-up ## tests of training, proxies and engine on a CUDA GPU, and what only a GPU can show
	AUTOSHRINK_TEST_DEVICE=cuda OMP_NUM_THREADS=1 $(BIN)/pytest -q $(GPU_TESTS)

bench: set-up ## speed of the default searches and final trainings here; leave the machine alone meanwhile
	@for set in mnist5k sotu; do $(BIN)/autoshrink prepare $$set --params params.default.yaml; done
	$(BIN)/python -m benchmarks.search --data data --scaling 1,2,5,10,20 --out benchmarks/results/search-cpu.csv
	$(BIN)/python -m benchmarks.final --data data --out benchmarks/results/final.csv

bench-gpu: set-up ## numbers that need a CUDA GPU, in calls of ten minutes that go on from each other
	$(BIN)/python -m benchmarks.gpu $(ARGS)

abuse: set-up ## two thousand damages, forgeries, kills and mistakes, each counted in docs/reference/abuse.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.abuse

clean: set-up ## remove what runs have written (results, prepared data, the environment); downloads, the store and files of yours stay
	@for run in results results-smoke; do if [ -d "$$run" ]; then $(BIN)/autoshrink lineage clean --data "$$run" || exit 1; fi; done
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

cluster: set-up ## all tests on a real SLURM of two nodes on this machine; needs root, slurm-wlm and munge
	OMP_NUM_THREADS=1 $(BIN)/pytest -q tests/cluster
