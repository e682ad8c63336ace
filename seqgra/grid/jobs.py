"""What a job of a grid asks for: memory, minutes and a GPU; a job is a stage of a pack, or simulates."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from seqgra.architecture.schema import Network
from seqgra.grid import Cell, Grid, cost


def names(grid: Grid, stage: str) -> list[str]:
    """Return the jobs of a stage: a grammar each for simulate and construct, otherwise a pack each."""
    if stage == "simulate":
        return [name for name, source in grid.sources.items() if source.simulated]
    if stage == "construct":
        return list(dict.fromkeys(cell.grammar for cell in grid.cells if grid.probed(cell)))
    packs = grid.packs
    if stage == "tune":
        return [name for name in packs if grid.tuned(packs[name].cells[0].architecture)]
    if stage == "probe" and not _probes_as_planned(grid):
        return [name for name, pack in packs.items() if any(map(grid.probed, pack.cells))]
    return list(packs)


def _probes_as_planned(grid: Grid) -> bool:
    """Tell whether rounds of planning choose among all packs, the ones that hold nothing to probe too."""
    config = grid.config
    return bool(config.adaptive and config.probe and config.probe.sizes)


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
    cells = tunings(grid, name) if stage == "tune" else grid.packs[name].cells
    if stage == "probe":
        cells = tuple(filter(grid.probed, cells))
    sizes = Counter(cell._replace(data_seed=0, model_seed=0) for cell in cells)
    alike = (count * grid.estimate(stage, cell).seconds for cell, count in sizes.items())
    return cost.START_SECONDS + sum(alike)


def memory(grid: Grid, stage: str, name: str, attempt: int) -> int:
    """Return MiB to ask for a job (see `seconds`): those of its largest cell."""
    if stage == "simulate":
        return cost.memory(cost.simulation(grid.grammars[name], 0).mib, attempt)
    if stage == "construct":
        return cost.memory(cost.construction(grid.grammars[name]).mib, attempt)
    largest = max(grid.packs[name].cells, key=lambda cell: cell.size)
    return cost.memory(grid.estimate(stage, largest).mib, attempt, largest.backend)


def runtime(grid: Grid, stage: str, name: str, attempt: int) -> int:
    """Return minutes to ask for a job (see `seconds`)."""
    return cost.runtime(seconds(grid, stage, name), attempt)


def needs_gpu(grid: Grid, pack: str) -> bool:
    """Tell whether the jobs of a pack ask for a GPU: networks, where `train.device` is cuda."""
    network = isinstance(grid.architectures[grid.packs[pack].cells[0].architecture], Network)
    return network and grid.config.train.device == "cuda"


def gpu(grid: Grid, pack: str) -> int:
    """Return the resource `gpu` of a pack's jobs; 0 where they ask by `gres`."""
    return int(needs_gpu(grid, pack) and grid.config.cluster.gpu == "gpus")


def gres(grid: Grid, pack: str) -> str:
    """Return the resource `gres` of a pack's jobs; empty where they ask by `gpu`."""
    by_gres = needs_gpu(grid, pack) and grid.config.cluster.gpu != "gpus"
    return grid.config.cluster.gpu if by_gres else ""
