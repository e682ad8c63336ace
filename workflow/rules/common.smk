# What all rules share: the checked grid and how its jobs are described.

from pathlib import Path

import yaml

from seqgra.errors import InputError
from seqgra.grid import Grid, commands, jobs
from seqgra.grid.adaptive import rounds
from snakemake.exceptions import WorkflowError

REPOSITORY = Path(workflow.basedir).parent

try:
    GRID = Grid(dict(config), "config", roots=(Path(), REPOSITORY))
except InputError as error:
    raise WorkflowError(str(error))

RESULTS = str(GRID.folder)


wildcard_constraints:
    grammar="[^/]+",
    name="[^/]+",
    pack="[^/]+/[^/]+/[^/]+/n[0-9]+",
    round="[0-9]+",
    stage="tune|train|evaluate|attribute",
    maker="simulate|subsample",


def data_marker(grammar):
    """What the training of a grammar or real dataset waits for: its examples."""
    return f"{RESULTS}/packs/{grammar}/{GRID.sources[grammar].maker}.done"


def markers(stage):
    """One marker per pack and stage; the nouns themselves are no declared outputs, see docs/workflow.md."""
    packs = GRID.packs if GRID.config.adaptive is None else planned(rounds(GRID) - 1)
    return [f"{RESULTS}/packs/{pack}/{stage}.done" for pack in packs]


def priority(wildcards):
    return int(60 * GRID.packs[wildcards.pack].minutes)


localrules:
    all,
    variant_grammar,
    variant_architecture,
    batch_data,
    subsample,
    batch_pack,
    grid_config,
    next_sizes,


def tune_marker(pack):
    """What the training of a pack waits for; nothing where its architecture is not tuned."""
    tuned = GRID.tuned(pack.split("/")[1])
    return [f"{RESULTS}/packs/{pack}/tune.done"] if tuned else []
