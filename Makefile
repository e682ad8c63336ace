# make demo   set up, run the demo grid, say where the report is
# make test   set up, then lint, types, tests, doctests, workflow checks
# make test-slurm   the grid through a real one-node Slurm (root only, else skipped)
# make smoke  a small grid through Snakemake
# All set-up happens in .venv, once; it is repeated only when a file that it depends on changes.

PYTHON ?= python3
CORES ?= $(shell nproc)
BIN := .venv/bin
SETUP := .venv/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-slurm smoke lint clean

$(SETUP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(SETUP)
	snakemake --cores $(CORES)
	@echo
	@echo "The report: file://$(CURDIR)/results/demo/report.html"

test: $(SETUP) lint
	pytest --numprocesses $(CORES) --dist loadfile

test-slurm: $(SETUP)
	tests/slurm/run

lint: $(SETUP)
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check workflow
	snakemake --lint --quiet

smoke: $(SETUP)
	rm -rf tests/smoke/results tests/smoke/.snakemake
	snakemake --cores $(CORES) --directory tests/smoke
	test -s tests/smoke/results/smoke/report.html

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
