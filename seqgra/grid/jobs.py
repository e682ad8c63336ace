"""What a job of a grid asks for: memory, minutes and a GPU; `name` is a source of examples, or a pack."""

from __future__ import annotations

import re

from seqgra.architecture.schema import Network
from seqgra.grid import Grid, cost
from seqgra.grid.stages import GRID_STAGES

#: What Snakemake's plugin for Slurm takes for a generic resource.
_GRES = re.compile(r"[A-Za-z0-9_]+(:[A-Za-z0-9_.]+)?:[0-9]+")


def names(grid: Grid, stage: str) -> list[str]:
    """Return the jobs of a stage."""
    return GRID_STAGES[stage].jobs(grid)


def seconds(grid: Grid, stage: str, name: str) -> float:
    """Estimate the CPU seconds of a job."""
    return GRID_STAGES[stage].seconds(grid, name)


def memory(grid: Grid, stage: str, name: str, attempt: int) -> int:
    """Return MiB to ask for a job: those of its largest cell, at most the config's; `compare` has no name."""
    if stage == "compare":
        wanted = 2000 * attempt
    else:
        wanted = cost.memory(*GRID_STAGES[stage].mib(grid, name), attempt)
    return min(wanted, grid.config.cluster.max_mem_mb or wanted)


def runtime(grid: Grid, stage: str, name: str, attempt: int) -> int:
    """Return minutes to ask for a job, at most the config's; `compare` has no name."""
    compared = stage == "compare"
    wanted = 60 * attempt if compared else cost.runtime(seconds(grid, stage, name), attempt)
    return min(wanted, grid.config.cluster.max_runtime or wanted)


def needs_gpu(grid: Grid, pack: str) -> bool:
    """Return whether the jobs of a pack ask for a GPU: networks, where `train.device` is cuda."""
    network = isinstance(grid.architectures[grid.packs[pack].cells[0].architecture], Network)
    return network and grid.config.train.device == "cuda"


def gpu(grid: Grid, pack: str) -> int:
    """Return the resource `gpu` of a pack's jobs; 0 where they ask otherwise."""
    return int(needs_gpu(grid, pack) and grid.config.cluster.gpu == "gpus")


def gres(grid: Grid, pack: str) -> str:
    """Return the resource `gres` of a pack's jobs; empty where they ask otherwise."""
    by_gres = needs_gpu(grid, pack) and _GRES.fullmatch(grid.config.cluster.gpu)
    return grid.config.cluster.gpu if by_gres else ""


def slurm_extra(grid: Grid, pack: str) -> str:
    """Return what a pack's jobs ask for beside `gpu` and `gres`: a GPU whose type the plugin refuses.

    ``--gpus-per-node=TYPE:COUNT`` is what Slurm makes of ``--gres=gpu:TYPE:COUNT``.
    """
    if gpu(grid, pack) or gres(grid, pack) or not needs_gpu(grid, pack):
        return ""
    return f"--gpus-per-node={grid.config.cluster.gpu.removeprefix('gpu:')}"
