# `make` alone says what there is. A study's stages form a chain of executed notebooks; each is a
# file, so that a finished stage is not run twice and an interrupted one leaves nothing behind.

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

ifneq ($(words $(STUDY))$(findstring /,$(STUDY))$(findstring .,$(STUDY)),1)
$(error STUDY='$(STUDY)': should be one name of params/ without .yaml, e.g. STUDY=demo)
endif

PYTHON ?= python3
BIN    := .venv/bin
VENV   := .venv/.installed
PEERS  := .venv-peers/.installed
RUN    := runs/$(STUDY)
SITE   := reports/$(STUDY)/index.html

# A value as one word of the shell, whatever is in it.
quote   = '$(subst ','\'',$(1))'
OPTIONS = --study $(call quote,$(STUDY)) $(if $(RAW),--raw $(call quote,$(RAW))) \
          $(foreach setting,$(SET),--set $(call quote,$(setting)))

EVERY     := $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))
# Some pages are made only for studies whose file asks for them.
JUDGED    := $(shell grep -s '^published_page: *true' params/$(STUDY).yaml)
COMPARED  := $(shell grep -s '^horizons:' params/$(STUDY).yaml | grep -v '\[ *\]')
POOLED    := $(shell grep -sE '^ *assets: *\[[^]]*,' params/$(STUDY).yaml)
LEFT_OUT  := $(if $(JUDGED),,%/07_published_study.ipynb) $(if $(COMPARED),,%/08_horizons.ipynb) \
             $(if $(POOLED),,%/09_assets.ipynb)
NOTEBOOKS := $(filter-out $(LEFT_OUT),$(EVERY))
EXECUTED  := $(NOTEBOOKS:notebooks/%=$(RUN)/notebooks/%)

# The modules that a stage is the first to use: a change runs it, and those after it, again.
# A module that is in no list belongs to the first stage, so forgetting one is never wrong.
PACKAGE    := $(sort $(shell find dvol_utils -type f ! -name '*.pyc' 2>/dev/null))
in_package = $(filter $(addprefix dvol_utils/,$(1)),$(PACKAGE))
CODE_02 := $(call in_package,jumps/patterns.py jumps/quality.py pages/jumps.py plots/jumps.py)
CODE_03 := $(call in_package,evaluation/__init__.py evaluation/forecast_table.py \
             evaluation/quantile_scores.py evaluation/scores.py forecasting/forecast_rows.py \
             forecasting/forecasters.py forecasting/intervals.py forecasting/train_command.py \
             forecasting/walk.py models/% pages/attention_weights.py \
             plots/training.py results/__init__.py results/judging.py results/published_figures.py \
             results/significance_table.py samples/% training/% wording/%)
CODE_04 := $(call in_package,evaluation/diagnostics.py evaluation/persistence.py pages/claims.py \
             pages/first_page.py pages/significance.py pages/uncertainty.py plots/intervals.py \
             plots/regimes.py significance/%)
CODE_05 := $(call in_package,plots/significance.py)
CODE_06 := $(call in_package,pages/trading.py plots/trading.py trading/%)
CODE_07 := $(call in_package,pages/published.py plots/published.py published/%)
CODE_08 := $(call in_package,forecasting/horizons.py plots/horizons.py)
CODE_09 := $(call in_package,forecasting/pooling.py pages/assets.py plots/assets.py)
CODE_10 := $(call in_package,evaluation/worst.py pages/card.py pages/established.py \
             pages/failing.py plots/card.py report/provenance.py results/headline.py \
             results/results_json.py)
CODE_site := $(call in_package,plots/first_page.py report/__init__.py report/notebook_html.py \
             report/overview.py report/site.py report/templates/% results/compared.py)
CODE_none := $(call in_package,cli.py data/fetching/deribit.py data/fetching/download.py \
             data/fetching/fetch.py data/fetching/fields.py data/fetching/http.py \
             data/fetching/merge.py data/fetching/onchain.py data/fetching/pages.py \
             data/fetching/sources.py data/fetching/update.py report/compare.py report/execute.py \
             report/expected.py report/verify.py results/readme.py results/shared_rows.py \
             serving/% study/reference.py)
CODE_01 := $(filter-out $(CODE_02) $(CODE_03) $(CODE_04) $(CODE_05) $(CODE_06) $(CODE_07) $(CODE_08) \
             $(CODE_09) $(CODE_10) $(CODE_site) $(CODE_none),$(filter %.py,$(PACKAGE)))

.PHONY: help report data test test-faults lint lab monitor verify bench bench-peers clean distclean FORCE

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@printf '\nSTUDY=%s, one of: %s\n' '$(STUDY)' '$(notdir $(basename $(wildcard params/*.yaml)))'
	@printf '%s\n' 'RAW=folder      raw store in place of the study'"'"'s data.raw_dir' \
	  'SET="key=value" parameters in place of the study'"'"'s, e.g. SET="training.epochs=3"'

report: $(SITE) ## run the study and build its pages: reports/STUDY/index.html
	@echo "report: $(SITE) is up to date"

$(SITE): $(EXECUTED) $(CODE_site) | $(VENV)
	@$(BIN)/dvol site --study $(call quote,$(STUDY))

$(EXECUTED): $(RUN)/notebooks/%.ipynb: notebooks/%.ipynb $(RUN)/.inputs | $(VENV)
	@$(BIN)/dvol notebook $< --output $@ $(OPTIONS)

# Each stage follows the one before it, and its own code.
previous :=
define follow
$(RUN)/notebooks/$(notdir $(1)): $(previous) $(CODE_$(firstword $(subst _, ,$(notdir $(1)))))
previous := $(RUN)/notebooks/$(notdir $(1))
endef
$(foreach notebook,$(NOTEBOOKS),$(eval $(call follow,$(notebook))))

# What is not a file of its own: rewritten only when the settings, the parameters or the raw data
# have changed, by content, and only when they can be used: a slip of the pen costs no stage.
$(RUN)/.inputs: FORCE | $(VENV)
	@[ -f params/$(STUDY).yaml ] || { $(BIN)/dvol params --study $(call quote,$(STUDY)); exit 2; }
	@if [ -z $(call quote,$(RAW)) ] && grep -q '^ *source: *raw_store' params/$(STUDY).yaml; then \
	  $(BIN)/dvol data $(OPTIONS) --if-needed; \
	fi
	@raw=$(call quote,$(RAW)); \
	if [ -z "$$raw" ]; then raw=$$(sed -n '/^ *raw_dir:/{s/^[^:]*: *//;s/ *#.*//;p;}' \
	  params/$(STUDY).yaml); fi; \
	if [ -n "$$raw" ] && [ ! -d "$$raw" ]; then \
	  echo "$$raw: no such folder; should hold the raw store's CSV files (RAW=folder)" >&2; exit 2; \
	fi; \
	now=$$(printf '%s\n' $(call quote,$(RAW)) $(call quote,$(SET)); \
	  cksum params/$(STUDY).yaml constraints.txt; \
	  if [ -n "$$raw" ]; then find -L "$$raw" -maxdepth 1 ! -name '*.refused.*' \
	    \( -name '*.csv' -o -name '*.parquet' -o -name manifest.json \) -exec cksum {} + | sort; fi); \
	if [ "$$now" != "$$(cat $@ 2>/dev/null)" ]; then \
	  $(BIN)/dvol params $(OPTIONS) > /dev/null; \
	  mkdir -p $(RUN); echo "$$now" > $@.new; mv $@.new $@; \
	fi

$(VENV): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

data: $(VENV) ## fetch STUDY's raw store, or bring it up to date (RAW=folder for another place)
	@$(BIN)/dvol data $(OPTIONS)

test: $(VENV) ## run the tests (ARGS="-k name" for some of them)
	$(BIN)/python -m pytest $(ARGS)

test-faults: $(VENV) ## run the tests of killed, stopped and starved training alone
	$(BIN)/python -m pytest -m faults $(ARGS)

lint: $(VENV) ## check style, format, and that notebooks hold no outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(EVERY),$(BIN)/nbstripout --verify --keep-id $(EVERY))

lab: $(VENV) ## open the notebooks in JupyterLab (ARGS="--no-browser" and the like)
	$(BIN)/jupyter-lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks \
	  --KernelManager.transport_encryption=auto $(ARGS)

monitor: $(VENV) ## watch STUDY's networks train, in TensorBoard (ARGS="--port 6007")
	$(BIN)/tensorboard --logdir $(RUN)/checkpoints $(ARGS)

verify: $(VENV) ## run a study with expected numbers (demo) again and compare; check others' finished run
	@$(BIN)/dvol verify $(OPTIONS) $(if $(wildcard params/$(STUDY).expected.json),--rerun)

bench: $(VENV) ## measure speed: bootstrap, data, growth, jumps, training (those of benchmarks/)
	@for what in bootstrap data growth jumps training; do \
	  echo "benchmarks/$$what.py"; $(BIN)/python "benchmarks/$$what.py"; \
	done

bench-peers: $(PEERS) ## time neuralforecast's LSTM beside ours on STUDY's windows
	@.venv-peers/bin/python benchmarks/peers/lstm.py $(OPTIONS) $(ARGS)

$(PEERS): benchmarks/peers/requirements.txt pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check -c constraints.txt \
	  -r $< -e .
	@touch $@

clean: ## remove what STUDY has produced
	rm -rf $(RUN) $(dir $(SITE))

distclean: ## remove what all studies have produced, .venv and .venv-peers
	rm -rf runs .venv .venv-peers
	find reports -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
