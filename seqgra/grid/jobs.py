"""What a job of a grid asks for: memory, minutes and a GPU; a job is a stage of a pack, or simulates."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from seqgra.architecture.schema import Network
from seqgra.grid import Cell, Grid, cost

#: What Snakemake's plugin for Slurm takes for a generic resource.
_GRES = re.compile(r"[A-Za-z0-9_]+(:[A-Za-z0-9_.]+)?:[0-9]+")


def names(grid: Grid, stage: str) -> list[str]:
    """Return the jobs of a stage: a grammar each for simulate and construct, otherwise a pack each."""
    if stage == "simulate":
        return [name for name, source in grid.sources.items() if source.simulated]
    if stage == "construct":
        return list(dict.fromkeys(cell.grammar for cell in grid.cells if grid.probed(cell)))
    if _chosen_by_rounds(grid, stage):
        return list(grid.packs)
    return [name for name in grid.packs if cells(grid, stage, name)]


def cells(grid: Grid, stage: str, pack: str) -> tuple[Cell, ...]:
    """Return the cells of a pack that a stage has something to do for."""
    whole = grid.packs[pack].cells
    if stage == "tune":
        return tunings(grid, pack) if grid.tuned(whole[0].architecture) else ()
    if stage == "probe":
        return tuple(filter(grid.probed, whole))
    return tuple(filter(grid.explained, whole)) if stage == "attribute" else whole


def _chosen_by_rounds(grid: Grid, stage: str) -> bool:
    """Tell whether rounds of planning choose among all packs, the ones with nothing to do too.

    An adaptive grid always runs the largest size.
    """
    config = grid.config
    plan = {"probe": config.probe, "attribute": config.attribution}.get(stage)
    return bool(config.adaptive and plan and plan.sizes and plan.sizes != ("largest",))


def tunings(grid: Grid, pack: str) -> tuple[Cell, ...]:
    """Return the first cell of each tuning of a pack: all seeds of a size share one."""
    firsts: dict[Path, Cell] = {}
    for cell in grid.packs[pack].cells:
        firsts.setdefault(grid.tuning(cell), cell)
    return tuple(firsts.values())


def seconds(grid: Grid, stage: str, name: str) -> float:
    """Estimate the CPU seconds of a job; `name` is as in `names`."""
    config = grid.config
    if stage == "simulate":
        count = len(grid.data_seeds) * max(config.sizes) + config.test.examples
        return cost.COMPILE_SECONDS + cost.simulation(grid.grammars[name], count).seconds
    if stage == "construct":
        return cost.COMPILE_SECONDS + cost.construction(grid.grammars[name]).seconds
    alike_cells = Counter(
        cell._replace(data_seed=0, model_seed=0) for cell in cells(grid, stage, name)
    )
    alike = (count * grid.estimate(stage, cell).seconds for cell, count in alike_cells.items())
    return cost.START_SECONDS + sum(alike)


def memory(grid: Grid, stage: str, name: str, attempt: int) -> int:
    """Return MiB to ask for a job (see `seconds`): those of its largest cell, at most the config's."""
    if stage == "simulate":
        wanted = cost.memory(cost.simulation(grid.grammars[name], 0).mib, attempt)
    elif stage == "construct":
        wanted = cost.memory(cost.construction(grid.grammars[name]).mib, attempt)
    else:
        largest = max(grid.packs[name].cells, key=lambda cell: cell.size)
        wanted = cost.memory(grid.estimate(stage, largest).mib, attempt, largest.backend)
    return min(wanted, grid.config.cluster.max_mem_mb or wanted)


def runtime(grid: Grid, stage: str, name: str, attempt: int) -> int:
    """Return minutes to ask for a job (see `seconds`), at most the config's."""
    wanted = cost.runtime(seconds(grid, stage, name), attempt)
    return min(wanted, grid.config.cluster.max_runtime or wanted)


def needs_gpu(grid: Grid, pack: str) -> bool:
    """Tell whether the jobs of a pack ask for a GPU: networks, where `train.device` is cuda."""
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

    ``--gpus-per-node=TYPE:1`` is what Slurm makes of ``--gres=gpu:TYPE:1``.
    """
    if gpu(grid, pack) or gres(grid, pack) or not needs_gpu(grid, pack):
        return ""
    return f"--gpus-per-node={grid.config.cluster.gpu.removeprefix('gpu:')}"
