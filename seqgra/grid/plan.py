"""What a grid will cost, before anything is submitted: jobs, CPU and GPU hours, memory, disk.

The figures are those of `cost`, of one core of a server of 2026.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from seqgra.dataset import split_size
from seqgra.grid import Grid, jobs
from seqgra.grid.stages import GRID_STAGES, GridStage, PackStage


class PlannedStage(NamedTuple):
    """What one stage of a grid takes."""

    #: How many.
    results: int
    jobs: int
    #: Of all jobs; those of jobs that hold a GPU are in both.
    cpu_hours: float
    gpu_hours: float
    #: MiB that the largest job asks for at first.
    memory: int
    #: Hours of the longest job.
    longest: float


class Plan(NamedTuple):
    """What a grid takes."""

    #: How many.
    cells: int
    packs: int
    #: By name, in the order they run.
    stages: dict[str, PlannedStage]
    #: Disk that the results take, about.
    mib: float
    #: Sentences: what an adaptive grid spares, sets that will not show a condition.
    notes: tuple[str, ...] = ()

    def wall_hours(self, jobs: int) -> float:
        """Return about how long the grid takes with so many jobs at once."""
        work = sum(stage.cpu_hours for stage in self.stages.values()) / jobs
        return max(work, sum(stage.longest for stage in self.stages.values()))


def plan(grid: Grid) -> Plan:
    """Return what a grid takes."""
    planned = [stage for stage in GRID_STAGES.values() if stage.jobs(grid)]
    stages = {stage.name: _stage(grid, stage) for stage in planned}
    mib = sum(stage.disk(grid) for stage in planned) / 2**20
    return Plan(len(grid.cells), len(grid.packs), stages, mib, tuple(_notes(grid)))


def _notes(grid: Grid) -> Iterator[str]:
    if grid.config.adaptive is not None:
        yield "adaptive: this is all sizes, at most; those that need not run are spared"
    yield from _absent_conditions(grid)


def _absent_conditions(grid: Grid) -> Iterator[str]:
    """Yield a sentence for each set of a grammar whose smallest dataset will not show a condition."""
    from seqgra.law.law import balanced_order

    smallest = min(grid.config.sizes)
    for name, grammar in grid.grammars.items():
        if not grid.sources[name].simulated:
            continue
        order = balanced_order([group.share for group in grammar.examples])
        counts = split_size(smallest) | {"test": grid.config.test.examples}
        for set_name, count in counts.items():
            groups = [grammar.examples[g].conditions for g in np.unique(order[:count])]
            shown = {condition for group in groups for condition in group}
            if absent := [condition for condition in grammar.conditions if condition not in shown]:
                of = "" if set_name == "test" else f" of a dataset of {smallest:,}"
                yield (
                    f"{name}: none of the {count:,} examples of {set_name}{of} will show "
                    f"{' or '.join(absent)}"
                )


def _stage(grid: Grid, stage: GridStage) -> PlannedStage:
    names = stage.jobs(grid)
    hours = [stage.seconds(grid, name) / 3600 for name in names]
    on_gpu = [isinstance(stage, PackStage) and jobs.needs_gpu(grid, name) for name in names]
    gpu_hours = sum(time for time, gpu in zip(hours, on_gpu, strict=True) if gpu)
    memory = max((jobs.memory(grid, stage.name, name, 1) for name in names), default=0)
    longest = max(hours, default=0.0)
    return PlannedStage(stage.results(grid), len(names), sum(hours), gpu_hours, memory, longest)


def table(found: Plan, file: str, on_gpu: bool) -> str:
    """Return a plan as text.

    Parameters
    ----------
    found, file
        The plan, and the config that it is of.
    on_gpu
        Whether networks ask for GPUs.
    """
    lines = [
        f"{file}: {found.cells:,} cells in {found.packs:,} packs",
        f"{'stage':10}{'results':>10}{'jobs':>8}{'CPU h':>10}{'GPU h':>10}{'memory':>11}{'longest job':>14}",
    ]
    for name, stage in found.stages.items():
        cells = f"{name:10}{stage.results:>10,}{stage.jobs:>8,}{stage.cpu_hours:>10,.2f}"
        cells += (
            f"{stage.gpu_hours:>10,.2f}{_size(stage.memory):>11}{stage.longest * 60:>10,.1f} min"
        )
        lines.append(cells)
    results, count, cpu, gpu, *_ = (sum(c) for c in zip(*found.stages.values(), strict=True))
    lines.append(f"{'all':10}{results:>10,}{count:>8,}{cpu:>10,.2f}{gpu:>10,.2f}")
    lines.append(f"about {_size(found.mib)} on disk; then one job compares and draws")
    for many in (2, 16, 100):
        lines.append(f"with {many:>3} jobs at once about {_time(found.wall_hours(many))}")
    if on_gpu:
        lines.append("GPU hours are the hours of one CPU core, an upper bound")
    return "\n".join([*lines, *found.notes])


def _size(mib: float) -> str:
    return f"{mib / 1024:,.1f} GiB" if mib >= 1000 else f"{math.ceil(mib):,} MiB"


def _time(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{math.ceil(60 * hours)} min"
