# make demo   set up, run the demo grid, say where the report is
# make test   set up, then lint, types, doctests and all tests but the slow ones; before each commit
# make test-all   make test, then the slow tests: whole grids through Snakemake, killed and edited
# make test-slurm   the grid through a real one-node Slurm (root only, else skipped)
# make smoke  a small grid through Snakemake
# make paper  which of the paper's figures there are; make paper FIGURE=2 SCALE=small  one of them
# make ladder RULE=order   a rule of the ladder, kept in docs/results/ladder/ (docs/ladder.md); SCALE=tiny: only that it runs
#             ARCHITECTURES="conv-gru my-network"   these alone, beside what is kept of the others; of paper too, and GRAMMARS
# make ladder-check        what data seeds 11 to 15 say of the claims of docs/ladder.md; before a release
# All set-up happens in .venv, once; it is repeated only when a file that it depends on changes. Grids need less of it
# than tests do: no TensorFlow, no linters.

PYTHON ?= python3
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
SCALE ?= small
BIN := .venv/bin
RUN := .venv/.run
SETUP := .venv/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-all test-slurm smoke paper ladder ladder-check lint clean

$(RUN): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(SETUP): $(RUN)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(RUN)
	snakemake --cores $(CORES)
	@echo
	@echo "The report: file://$(CURDIR)/results/demo/report.html"

test: $(SETUP) lint
	pytest --numprocesses $(CORES) --dist loadfile

test-all: test
	pytest --numprocesses $(CORES) --dist loadfile -m slow

test-slurm: $(SETUP)
	tests/slurm/run

lint: $(SETUP)
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check workflow
	snakemake --lint --quiet

smoke: $(RUN)
	rm -rf .test/results .test/.snakemake
	snakemake --cores $(CORES) --directory .test
	test -s .test/results/smoke/report.html

# The config of what ARCHITECTURES and GRAMMARS leave of a grid, $(1).
PART = $(if $(ARCHITECTURES),--architectures $(ARCHITECTURES)) $(if $(GRAMMARS),--grammars $(GRAMMARS))
some = $(if $(strip $(PART)),$$(python tools/part.py $(1) $(PART)),$(1))

ifdef FIGURE
GRID := $(wildcard config/paper/figure-$(FIGURE)-$(SCALE).yaml config/paper/$(FIGURE)-$(SCALE).yaml)
ifeq ($(GRID),)
$(error no figure $(FIGURE) at scale $(SCALE); `make paper` says what there is)
endif
RESULT := results/$(basename $(notdir $(GRID)))
paper: $(if $(filter s10-s11,$(FIGURE)),$(SETUP),$(RUN))
	snakemake --cores $(CORES) --configfile $(call some,$(GRID))
	$(if $(filter 2 3,$(FIGURE)),python tools/paper.py page $(FIGURE) $(RESULT))
	@echo
	@echo "The report: file://$(CURDIR)/$(RESULT)/report.html"
else
paper:
	@awk 'FNR == 2 { figure = scale = FILENAME; sub(/.*paper\/(figure-)?/, "", figure); \
		sub(/-[a-z]*\.yaml$$/, "", figure); sub(/.*-/, "", scale); sub(/\.yaml$$/, "", scale); \
		printf "make paper FIGURE=%-12s SCALE=%-6s %s\n", figure, scale, substr($$0, 3) }' \
		config/paper/*.yaml
endif

LADDER := motif affinity position orientation order order-scaffold near-far near-far-scaffold exact-gap helical and xor confounder
RULE ?= $(LADDER)
ifeq ($(SCALE),tiny)
ladder: $(RUN)
	snakemake --cores $(CORES) --configfile config/ladder/tiny.yaml
	python tools/ladder.py results/ladder-tiny --to results/ladder-tiny/page
else
ladder: $(RUN)
	set -e; for rule in $(RULE); do \
		snakemake --cores $(CORES) --configfile $(call some,config/ladder/$$rule.yaml); \
		python tools/ladder.py results/ladder-$$rule; done
endif

ladder-check: $(RUN)
	set -e; for rule in $(RULE); do \
		snakemake --cores $(CORES) --configfile $(call some,config/ladder/$$rule.yaml) \
			--config name=ladder-check-$$rule 'data_seeds=[11,12,13,14,15]'; \
		python tools/ladder.py results/ladder-check-$$rule --to results/ladder-check; done
	python tools/ladder.py --repeated results/ladder-check/tables

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
