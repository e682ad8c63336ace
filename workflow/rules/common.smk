# What all rules share: the checked grid and how its jobs are described.

from pathlib import Path

import yaml

from seqgra.errors import InputError
from seqgra.grid import Grid, commands, jobs
from seqgra.library import library_folders
from seqgra.yamlfile import read_yaml
from snakemake.exceptions import WorkflowError

REPOSITORY = Path(str(workflow.current_basedir)).parents[1]

try:
    for file in workflow.configfiles:
        read_yaml(Path(file))  # refuses what Snakemake would take for another number
    GRID = Grid(dict(config), "config", roots=library_folders(REPOSITORY))
except InputError as error:
    raise WorkflowError(str(error))

RESULTS = str(GRID.folder)

if workflow.is_main_process:
    for note in GRID.notes:
        logger.info(f"seqgra: {note}")


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


def packs():
    """The packs that the report waits for."""
    return GRID.packs if GRID.config.adaptive is None else planned(GRID.rounds - 1)


def markers(stage):
    """One marker per pack and stage; the nouns themselves are no declared outputs, see docs/workflow.md."""
    return [f"{RESULTS}/packs/{pack}/{stage}.done" for pack in packs()]


def lost():
    """What failed jobs have taken away of what the report is made from.

    Snakemake removes what a failed job was to make again, but does not miss a file where one that is made
    of it is left: after an edit and a failure, results of before the edit would pass for finished.
    """
    reported = Path(f"{RESULTS}/report.html").exists()
    found, begun = {f"{RESULTS}/config.yaml", *planning()}, set()
    for pack in packs():
        stages = ("train", "evaluate", "attribute") + ("tune",) * bool(
            tune_marker(pack)
        )
        made = [f"{RESULTS}/packs/{pack}/{stage}" for stage in stages]
        if reported or any(Path(f"{stage}.done").exists() for stage in made):
            found.update(
                f"{stage}.{part}" for stage in made for part in ("txt", "done")
            )
            begun.add(tuple(pack.split("/")[:2]))
    for grammar in {grammar for grammar, _ in begun}:
        marker = data_marker(grammar)
        found.update([marker, f"{marker.removesuffix('.done')}.txt"])
        found.update(made_here(GRID.sources[grammar].inputs))
    for architecture in {architecture for _, architecture in begun}:
        found.update(made_here(GRID.architecture_inputs(architecture)))
    return sorted(file for file in found if not Path(file).exists())


def made_here(files):
    return [file for file in files if file.startswith(f"{RESULTS}/")]


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
