# `make` alone says what there is. A study's stages are executed notebooks; each is a file, so that
# a finished stage is not run twice and an interrupted one leaves nothing behind.

STUDY ?= demo
RAW   ?=
SET   ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
# Python's string hashes may order sets, and with them what a page shows.
export PYTHONHASHSEED := 0
# Notebooks run in .venv's own kernel, whatever other `python3` kernels a user has.
export JUPYTER_PATH := $(CURDIR)/.venv/share/jupyter$(if $(JUPYTER_PATH),:$(JUPYTER_PATH))

# Before a shell or a path sees it: a name of letters, digits, _ and - alone.
LETTERS := a b c d e f g h i j k l m n o p q r s t u v w x y z A B C D E F G H I J K L M N O P Q R S T \
           U V W X Y Z 0 1 2 3 4 5 6 7 8 9 _ -
without  = $(if $(1),$(call without,$(wordlist 2,99,$(1)),$(subst $(firstword $(1)),,$(2))),$(2))
ifneq (<$(if $(STUDY),$(call without,$(LETTERS),$(STUDY)),none)>,<>)
$(error STUDY='$(STUDY)': should be one name of params/ without .yaml, of letters, digits, _ and -)
endif

PYTHON ?= python3
BIN    := .venv/bin
VENV   := .venv/.installed
PEERS  := .venv-peers/.installed
# A trial, which SET makes, has others: the rules below name them.
RUN    := runs/$(STUDY)
SITE   := reports/$(STUDY)/index.html

# Replaces a file by $(1), whole or not at all, and says what to do where there is no room.
replace = { mkdir -p $(dir $@) && printf '%s\n' $(1) > $@.new && mv $@.new $@; } || \
          { rm -f $@.new; echo "$@: could not be written; see to room and permissions there, then run \
          the same command again" >&2; exit 2; }

# A value as one word of the shell, whatever is in it.
quote   = '$(subst ','\'',$(1))'
OPTIONS = --study $(call quote,$(STUDY)) $(if $(RAW),--raw $(call quote,$(RAW))) \
          $(if $(strip $(SET)),--set $(call quote,$(SET)))

EVERY   := $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))
PACKAGE := $(shell find dvol_utils -name '*.py' -o -name '*.csv' -o -path '*/templates/*' -type f)
# Not in runs/, which may be somebody else's: what Make includes is code.
RULES   := .venv/.rules/$(STUDY).mk

.PHONY: help report data test test-faults lint lab monitor verify bench bench-peers clean distclean FORCE

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@printf '\nSTUDY=%s, one of:' '$(STUDY)'; for file in params/*.yaml; do name=$$(basename "$$file" .yaml); \
	  case "$$name" in *[!A-Za-z0-9_-]*) ;; *) printf ' %s' "$$name";; esac; done; echo
	@printf '%s\n' 'RAW=folder      raw store in place of the study'"'"'s data.raw_dir' \
	  'SET="key=value" a trial beside the study'"'"'s run, e.g. SET="training.epochs=3"'

report: ## run the study and build its pages: reports/STUDY/index.html

# One run at a time: these goals are made by another make, which holds the study's lock for as long
# as it or a process of its stages lives. Who comes second is told who works there. It runs stages
# that do not read from each other side by side, one per core, unless -j says how many.
BUILDS := $(filter report reports/% runs/%,$(MAKECMDGOALS))
ifneq ($(BUILDS),)
ifndef HELD
# Of those that this process may use; macOS has no nproc.
CORES = $(or $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN),1)
.PHONY: hold $(BUILDS)
$(BUILDS): hold
hold: | $(VENV)
	@+$(BIN)/dvol hold $(OPTIONS) --doing $(call quote,make $(BUILDS)) -- \
	  $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(CORES)) HELD=1 $(BUILDS)
else

# What each stage reads and by which code it runs, from the study itself: `dvol rules` writes it where
# parameters, notebooks or package have changed, by content. Only what builds a report reads it.
include $(RULES)

report: $(SITE)
	@echo "report: $(SITE) is up to date$(if $(findstring /trials/,$(SITE)),; a trial: the study's own run and pages stay as they are)"

$(RULES): FORCE | $(VENV)
	@now="# $$({ printf '%s\n' $(call quote,$(RAW)) $(call quote,$(SET)); \
	  cat $(wildcard params/$(STUDY).yaml) $(EVERY) $(PACKAGE); } | cksum)"; \
	if [ "$$now" != "$$(head -n 1 $@ 2>/dev/null)" ]; then \
	  rules=$$($(BIN)/dvol rules $(OPTIONS)); \
	  $(call replace,"$$now" "$$rules"); \
	fi

$(SITE): $(EXECUTED) | $(VENV)
	@$(BIN)/dvol site $(OPTIONS)

$(EXECUTED): $(RUN)/notebooks/%.ipynb: notebooks/%.ipynb $(RUN)/.inputs | $(VENV)
	@$(BIN)/dvol notebook $< --output $@ $(OPTIONS)

# What is not a file of its own: rewritten only when the parameters or the raw data have changed, by
# content, and only when they can be used: a slip of the pen costs no stage. SET is not in it: what
# changes a result has a RUN of its own, and the rest is no reason to run again.
$(RUN)/.inputs: FORCE | $(VENV)
	@$(if $(RAW),,$(if $(RAW_DIR),$(BIN)/dvol data $(OPTIONS) --if-needed))
	@raw=$(call quote,$(RAW_DIR)); \
	if [ -n "$$raw" ] && [ ! -d "$$raw" ]; then \
	  echo "$$raw: no such folder; should hold the raw store's CSV files (RAW=folder)" >&2; exit 2; \
	fi; \
	now=$$(printf '%s\n' $(call quote,$(RAW)); \
	  cksum params/$(STUDY).yaml constraints.txt; \
	  if [ -n "$$raw" ]; then find -L "$$raw" -maxdepth 1 ! -name '*.refused.*' \
	    \( -name '*.csv' -o -name '*.parquet' -o -name manifest.json \) -exec cksum {} + | sort; fi); \
	if [ "$$now" != "$$(cat $@ 2>/dev/null)" ]; then \
	  $(call replace,"$$now"); \
	fi

endif
endif

# The programs in .venv hold the path at which it was made, and the path of the package: in a project
# that was copied or renamed they would run the other one, or none.
MADE_AT := $(shell cat $(VENV) 2>/dev/null)
ifneq ($(MADE_AT),)
ifneq ($(MADE_AT),$(CURDIR))
$(VENV): FORCE
ANEW := --clear
endif
endif

$(VENV): pyproject.toml constraints.txt
	@[ ! -L .venv ] || rm .venv # a link's folder is another project's, and --clear would empty it
	$(PYTHON) -m venv $(ANEW) .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@printf '%s\n' $(call quote,$(CURDIR)) > $@

data: $(VENV) ## fetch STUDY's raw store, or bring it up to date (RAW=folder for another place)
	@$(BIN)/dvol data $(OPTIONS)

test: $(VENV) ## run the tests, side by side (ARGS="-k name" for some of them, "-n 0" one by one)
	$(BIN)/python -m pytest -n auto $(ARGS)

test-faults: $(VENV) ## kill commands and fill their disk at random moments (FAULTS_SEED=number again)
	$(BIN)/python -m pytest -n auto -m "faults or endurance" $(ARGS)

lint: $(VENV) ## check style, format, and that notebooks hold no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(EVERY),$(BIN)/nbstripout --verify --keep-id $(EVERY))

lab: $(VENV) ## open the notebooks in JupyterLab (ARGS="--no-browser" and the like)
	$(BIN)/jupyter-lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks \
	  --KernelManager.transport_encryption=auto $(ARGS)

monitor: $(VENV) ## watch STUDY's networks train, in TensorBoard (ARGS="--port 6007")
	$(BIN)/tensorboard --logdir $(RUN) $(ARGS)

verify: $(VENV) ## run a study with expected numbers (demo) again and compare; check others' finished run
	@$(BIN)/dvol verify $(OPTIONS) $(if $(wildcard params/$(STUDY).expected.json),--rerun)

bench: $(VENV) ## measure speed: bootstrap, data, growth, jumps, training (those of benchmarks/)
	@for what in bootstrap data growth jumps training; do \
	  echo "benchmarks/$$what.py"; $(BIN)/python "benchmarks/$$what.py"; \
	done

bench-peers: $(PEERS) ## measure two peers' LSTMs beside ours on STUDY's windows
	@.venv-peers/bin/python benchmarks/peers/lstm.py $(OPTIONS) $(ARGS)

$(PEERS): benchmarks/peers/requirements.txt pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -r $< -e .
	@touch $@

CLEANS = clean: would remove the study's own run too; leave SET out, or remove one trial by \
         rm -r $(RUN)/trials/HASH $(dir $(SITE))trials/HASH

clean: ## remove what STUDY has produced, its trials too
	@$(if $(strip $(SET)),$(error $(CLEANS)))
	rm -rf $(RUN) $(dir $(SITE)) $(RULES)

distclean: ## remove what all studies have produced, .venv and .venv-peers
	rm -rf runs .venv .venv-peers
	find reports -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
