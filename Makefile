# `make run` and `make test` do all the set-up on a bare machine that has Python 3.11 or newer (with venv), git and make.
# Another Python: PYTHON=python3.12 make run. More for Snakemake: make run ARGS="--configfile workflow/presets/smoke.yaml".

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help set-up run test lint unit functional generated restore lock clean

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
	$(BIN)/snakefmt --quiet --check Snakefile workflow
	$(BIN)/mypy
