# What all rules share: the checked grid, its jobs, and which of them have to run.

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from seqgra.errors import InputError
from seqgra.grid import Grid, jobs
from seqgra.grid.batches import Batches, Job
from seqgra.grid.stages import EXAMPLES, PACK_STAGES, SOURCE_STAGES
from seqgra.library import SHIPPED, library_folders, pip_requirement
from seqgra.yamlfile import read_yaml
from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import LocalSourceFile

# A module may be read from a Git host, file by file; the grammars that ship are then those of the package.
HERE = workflow.current_basedir
REPOSITORY = (
    Path(str(HERE)).parents[1] if isinstance(HERE, LocalSourceFile) else SHIPPED
)

# Grid checks the config, against the model that schemas/config.schema.yaml is made from.
try:
    for file in workflow.configfiles:
        read_yaml(Path(file))  # refuses what Snakemake would take for another number
    GRID = Grid(
        dict(config),
        "config",
        roots=library_folders(REPOSITORY),
        trial=workflow.is_main_process,  # not again in every job
    )
except InputError as error:
    raise WorkflowError(str(error))

# For `--sdm conda`: pip reads it in envs/seqgra.yaml, also where this is a module, whose post-deploy script would not run.
if source := pip_requirement():
    os.environ.setdefault("SEQGRA", source)

# Of a module, Snakemake runs neither onstart nor onerror.
IN_MODULE = not workflow.modifier.is_main_snakefile()
RESULTS = str(GRID.folder)
BATCHES = Batches(GRID, REPOSITORY)

if workflow.is_main_process:
    for note in GRID.notes:
        logger.info(f"seqgra: {note}")

# Only where a GPU is asked for in this way: it would hide what a profile sets.
SLURM_EXTRA = (
    {"slurm_extra": lambda w: jobs.slurm_extra(GRID, w.pack)}
    if any(jobs.slurm_extra(GRID, pack) for pack in GRID.packs)
    else {}
)


wildcard_constraints:
    source="[^/]+",
    pack="[^/]+/[^/]+/[^/]+/n[0-9]+",
    round="[0-9]+",


localrules:
    all,


def earlier(stage, name=""):
    """The markers that a job waits for. One whose content is not as it would be now is made to run.

    Snakemake by itself looks at file times and at its own records, which are lost when a folder is copied,
    and does not miss a file where one that was made from it is left.
    """
    job = Job(stage, name)
    if BATCHES.stale(job):
        workflow.dag.forcefiles.add(BATCHES.marker(job))
    return BATCHES.earlier(job)


def after_planning(stage, name=""):
    """The same for a job that looks at the whole grid, once the rounds of planning before it are done."""
    rounds = BATCHES.rounds[: int(name)] if name else BATCHES.rounds
    if rounds:
        checkpoints.next_sizes.get(round=rounds[-1])
        BATCHES.look_again()
    return earlier(stage, name)


@cache
def write_batches():
    """Write what all jobs read, once."""
    BATCHES.write()


def batch(wildcards, output):
    """The batch file of a job lies beside its marker; Python writes it before the first job starts."""
    if IN_MODULE and workflow.is_main_process and not workflow.dryrun:
        write_batches()
    return str(Path(output[-1]).with_suffix(".txt"))


def cancel_slurm_jobs(logs):
    """After Ctrl-C the Slurm plugin misses jobs whose state it is just asking for (test_ctrl_c_... of tests/slurm)."""
    for log in logs if shutil.which("scancel") else ():
        run = re.search(r"(?m)^SLURM run ID: ([A-Za-z0-9_-]+)$", Path(log).read_text())
        if run:
            subprocess.run(["scancel", f"--name={run[1]}"])
