# osteon on a machine with Python >= 3.11 and make:  `make demo`, then `make test`.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
JOBS ?= 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint weights benchmark clean

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: $(VENV)/.installed ## A phantom patient as DICOM, read with the shipped model; prints where report.html is
	rm -rf out/demo
	$(BIN)/osteon demo --out out/demo

# Many threads on small arrays are slower than one, and the test processes share the cores.
test: export OMP_NUM_THREADS = 1
test: lint ## Lint, formatting, types and all tests, the README's example among them
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

lint: $(VENV)/.installed-dev ## Lint, formatting and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# --- the small models, made again: hours on 2 cores; a killed run goes on where it stopped --------------------------

SYSTEMS := lytic metastasis tumor differential fracture
PATIENTS_lytic := --patients 61 --lesions 40
PATIENTS_metastasis := --patients 60
PATIENTS_tumor := --patients 140
PATIENTS_differential := --patients 80
PATIENTS_fracture := --patients 120
TUNE_lytic := --validation work/lytic/tune

weights: $(SYSTEMS:%=weights-%) ## Phantoms and the small models, made again (hours); weights-SYSTEM for one

weights-%: work/%/model/model.toml
	rm -rf src/osteon/models/$*
	mkdir -p src/osteon/models
	cp -R work/$*/model src/osteon/models/$*

.PRECIOUS: work/%/train/cohort.json work/%/tune/cohort.json work/%/model/model.toml

work/%/train/cohort.json: | $(VENV)/.installed
	$(BIN)/osteon phantom $* $(PATIENTS_$*) --seed 1 --out work/$*/train

work/%/tune/cohort.json: | $(VENV)/.installed
	$(BIN)/osteon phantom $* --patients 12 --seed 501 --out work/$*/tune

work/lytic/model/model.toml: | work/lytic/tune/cohort.json

work/%/model/model.toml: | work/%/train/cohort.json
	$(BIN)/osteon train $* work/$*/train $(TUNE_$*) --out work/$*/model --config recipes/$*-small.toml --resume

# --- speed and accuracy figures of the README ------------------------------------------------------------------------

benchmark: $(VENV)/.installed-dev ## Speed of networks, metrics and, where OSTEON_REAL_DATA names real scans, reading
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/detection_metrics.py
	$(BIN)/python benchmarks/networks.py
ifdef OSTEON_REAL_DATA
	$(BIN)/python benchmarks/read_series.py "$(OSTEON_REAL_DATA)/ct_abdomen_cb001"
else
	@echo "benchmark: set OSTEON_REAL_DATA to a folder with ct_abdomen_cb001 to time the reading of DICOM as well"
endif

clean: ## Remove what can be made again in a minute; keeps .venv and work/
	rm -rf out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment: made once, again when the dependencies change ---------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "osteon needs Python 3.11 or newer; none was found. Say which: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No virtual environment could be made; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

define install
	@echo "installing into $(VENV): a few minutes, several GB"
	$(PIP_INSTALL) -e '$(1)'
endef

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.)
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(call install,.[dev])
	touch $(VENV)/.installed $@
