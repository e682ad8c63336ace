#!/usr/bin/env bash
# Run by Snakemake once the conda environment is made: install seqgra itself from its repository.
set -euo pipefail
python -m pip install --no-deps "${SEQGRA_HOME:-$PWD}"
