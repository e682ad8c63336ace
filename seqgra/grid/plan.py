"""What a grid will cost, before anything is submitted: jobs, CPU and GPU hours, disk and files.

The built-in estimates (see `cost`) are scaled by what a few seconds of real work take on this machine.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.schema import Baseline, Network
from seqgra.dataset import open_dataset, split_size
from seqgra.errors import SeqgraError
from seqgra.fingerprint import read_run, write_atomically
from seqgra.grid import Cell, Grid, cost, jobs

STAGES = ("simulate", "construct", "tune", "train", "evaluate", "attribute", "probe")
#: Those that have a job for each grammar.
_DATA_STAGES = ("simulate", "construct")
#: Files and folders of a noun of each stage, with its lock and run.json.
_FILES = {"simulate": 9, "construct": 6, "tune": 5, "train": 6}
_FILES |= {"evaluate": 6, "attribute": 6, "probe": 4}
#: The same of a candidate of a tuning.
_CANDIDATE_FILES = 4
#: One sample: training examples that take about so long, between these bounds.
_SAMPLE_SECONDS, _FEWEST, _MOST = 0.5, 500, 20_000


class Stage(NamedTuple):
    """What one stage of a grid takes; `longest` is that of its longest job, in hours on one core."""

    nouns: int
    jobs: int
    cpu_hours: float
    gpu_hours: float
    mib: float
    longest: float


class Plan(NamedTuple):
    """What a grid takes.

    Attributes
    ----------
    cells, packs
        How many.
    stages
        By name, in the order they run.
    files
        Files and folders in the results.
    factors
        Measured over estimated seconds by stage; of a stage that was not measured, those of train.
    measured
        Seconds that the calibration took.
    on_cpu
        The grid asks for GPUs, and none was here to measure.
    notes
        Sentences on what is no cost: sets that will not show a condition.
    """

    cells: int
    packs: int
    stages: dict[str, Stage]
    files: int
    factors: dict[str, float]
    measured: float
    on_cpu: bool
    notes: tuple[str, ...] = ()

    def wall_hours(self, jobs: int) -> float:
        """Return about how long the grid takes with so many jobs at once."""
        work = sum(stage.cpu_hours for stage in self.stages.values()) / jobs
        return max(work, sum(stage.longest for stage in self.stages.values()))


def plan(grid: Grid, seconds: float = 20.0) -> Plan:
    """Return what a grid takes, after at most about `seconds` of real work on small samples.

    Raises
    ------
    SeqgraError
        If a sample fails.
    """
    started = time.perf_counter()
    ratios = _calibrate(grid, seconds) if seconds > 0 else {}
    alike = ratios.get("train", [1.0])  # of a stage that was not measured: as far off as training
    planned = [stage for stage in STAGES if jobs.names(grid, stage)]
    factors = {stage: median(ratios.get(stage, alike)) for stage in planned}
    stages = {stage: _stage(grid, stage, factors[stage]) for stage in planned}
    files = sum(_FILES[stage] * whole.nouns for stage, whole in stages.items())
    files += _CANDIDATE_FILES * sum(_trials(grid, cell) for cell in _tunings(grid))
    files += 10 * len(grid.packs)  # batch files, markers and logs
    measured = time.perf_counter() - started if ratios else 0.0
    on_cpu = grid.config.train.device != _device(grid)
    notes = tuple(_absent_conditions(grid))
    return Plan(len(grid.cells), len(grid.packs), stages, files, factors, measured, on_cpu, notes)


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


def _stage(grid: Grid, stage: str, factor: float) -> Stage:
    start = cost.COMPILE_SECONDS if stage in _DATA_STAGES else cost.START_SECONDS
    names = jobs.names(grid, stage)
    hours = [(start + factor * (jobs.seconds(grid, stage, name) - start)) / 3600 for name in names]
    on_gpu = [stage not in _DATA_STAGES and jobs.needs_gpu(grid, name) for name in names]
    gpu_hours = sum(time for time, gpu in zip(hours, on_gpu, strict=True) if gpu)
    sizes = list(_bytes(grid, stage))
    nouns = sum(count for count, _ in sizes)
    mib = sum(count * size for count, size in sizes) / 2**20
    return Stage(nouns, len(names), sum(hours), gpu_hours, mib, max(hours, default=0.0))


def _bytes(grid: Grid, stage: str) -> Iterator[tuple[int, float]]:
    """Yield how many nouns of a stage have about how many bytes."""
    config = grid.config
    if stage == "simulate":
        for name, grammar in grid.grammars.items():
            example = grammar.longest + len(grammar.conditions) + 40
            source = grid.sources[name]
            counts = source.pool(max(config.sizes))
            yield len(grid.data_seeds), example * (counts["training"] + counts["validation"])
            if source.simulated:
                yield 1, example * config.test.examples
        return
    if stage == "construct":
        for name in jobs.names(grid, stage):
            grammar = grid.grammars[name]
            yield 1, cost.PROBED * (grammar.longest + 8 * len(grammar.conditions)) + 20_000
        return
    if stage == "probe":
        yield sum(map(grid.probed, grid.cells)), 5_000
        return
    if stage == "tune":
        for cell in _tunings(grid):
            yield 1, 3_000 + 4_000 * _trials(grid, cell)
        return
    counts_by_kind: dict[tuple[str, str], int] = defaultdict(int)
    for cell in grid.cells:
        counts_by_kind[cell.grammar, cell.architecture] += 1
    for (name, architecture), count in counts_by_kind.items():
        grammar, conditions = grid.grammars[name], len(grid.grammars[name].conditions)
        letters = len(ALPHABETS[grammar.alphabet].letters) * grammar.longest
        if stage == "train":
            yield count, 15_000 + 4 * grid.network_sizes[name, architecture].weights
        elif stage == "evaluate":
            yield count, 40_000 + 10_000 * conditions + 4 * conditions * config.test.examples
        elif isinstance(grid.architectures[architecture], Baseline):
            yield count * len(config.attribution.methods), 1_000
        else:
            rows = min(2000, config.attribution.examples * conditions)
            size = 20_000 + 100 * rows + 4 * letters * min(50, rows)
            yield count * len(config.attribution.methods), size


def _tunings(grid: Grid) -> Iterator[Cell]:
    """Yield a cell of each tuning of the grid."""
    for pack in jobs.names(grid, "tune"):
        yield from jobs.tunings(grid, pack)


def _trials(grid: Grid, cell: Cell) -> int:
    network, plan = grid.architectures[cell.architecture], grid.config.tune
    assert isinstance(network, Network) and plan is not None
    return plan.trials(network)


def _calibrate(grid: Grid, seconds: float) -> dict[str, list[float]]:
    """Return measured over estimated seconds of samples, by stage, until the time is used up."""
    ratios: dict[str, list[float]] = defaultdict(list)
    until = time.perf_counter() + seconds
    with tempfile.TemporaryDirectory(prefix="seqgra-plan-") as folder:
        for number, cell in enumerate(_samples(grid)):
            if number and time.perf_counter() > until:
                break
            for stage, ratio in _sample(grid, cell, Path(folder) / str(number), until):
                ratios[stage].append(ratio)
    return ratios


def _samples(grid: Grid) -> list[Cell]:
    """Return cells to measure: of networks the median, the cheapest and the costliest; a baseline."""
    kinds = {(cell.grammar, cell.architecture): cell for cell in grid.cells}
    networks: list[Cell] = []
    baselines: list[Cell] = []
    for cell in kinds.values():
        architecture = grid.architectures[cell.architecture]
        if isinstance(architecture, Baseline):
            baselines.append(cell)
        elif isinstance(architecture, Network) and architecture.layers:
            networks.append(cell)
    networks.sort(key=lambda cell: grid.estimate("train", cell).seconds / cell.size)
    middle = [networks[len(networks) // 2], networks[0], networks[-1]] if networks else []
    return list(dict.fromkeys(middle + baselines[:1]))


def _sample(grid: Grid, cell: Cell, folder: Path, until: float) -> Iterator[tuple[str, float]]:
    """Make the nouns of one small cell; yield measured over estimated seconds of each stage."""
    from seqgra.simulate import simulate
    from seqgra.train import train

    folder.mkdir()
    grammar, architecture = grid.grammars[cell.grammar], grid.architectures[cell.architecture]
    per_example = grid.estimate("train", cell).seconds / cell.size
    size = int(min(max(_SAMPLE_SECONDS / per_example, _FEWEST), _MOST))
    if isinstance(architecture, Network):  # two epochs say what many take
        short = architecture.training.model_copy(update={"epochs": 2, "patience": 2})
        architecture = architecture.model_copy(update={"training": short})
    law, network = folder / "grammar.yaml", folder / "architecture.yaml"
    write_atomically(law, grammar.model_dump_json(exclude_none=True))
    write_atomically(network, architecture.model_dump_json(exclude_unset=True, by_alias=True))
    data, model = folder / "data", folder / "model"
    if not grid.sources[cell.grammar].simulated:
        data, size = grid.test_set(cell.grammar), min(size, cell.size)  # the largest that it holds
    else:
        simulate(law, folder / "warm", seed=0, counts={"test": 10})  # compiles
        simulate(law, folder / "many", seed=0, counts={"test": _MOST})
        yield "simulate", _seconds(folder / "many") / cost.simulation(grammar, _MOST).seconds
        simulate(law, data, seed=0, counts=split_size(size))
        simulate(law, data, seed=0, counts={"test": size})
    fit = partial(
        train,
        data,
        str(network),
        seed=0,
        backend=cell.backend,
        device=_device(grid),
        threads=grid.config.train.threads,
    )
    fit(folder / "first", size=50)  # imports
    fit(model, size=size)
    large = cost.network_size(architecture, grammar)
    estimate = cost.training(architecture, grammar, size, large).seconds
    yield "train", _seconds(model) / estimate
    if time.perf_counter() < until:
        yield from _sample_rest(grid, cell, folder, data)


def _sample_rest(grid: Grid, cell: Cell, folder: Path, data: Path) -> Iterator[tuple[str, float]]:
    from seqgra.attribute import attribute
    from seqgra.evaluate import evaluate

    grammar, architecture = grid.grammars[cell.grammar], grid.architectures[cell.architecture]
    large = cost.network_size(architecture, grammar)
    model, device = folder / "model", _device(grid)
    evaluate(model, data, folder / "scores", device=device)
    examples = open_dataset(data).counts["test"]
    estimate = cost.evaluation(architecture, grammar, examples, large).seconds
    yield "evaluate", _seconds(folder / "scores") / estimate
    if isinstance(architecture, Baseline):
        return
    wanted = grid.config.attribution
    few = wanted.model_copy(update={"examples": min(wanted.examples, 20)})
    for method in wanted.methods:
        target = folder / method.name
        attribute(
            model,
            data,
            target,
            method=method.kind,
            examples=few.examples,
            correct=method.correct,
            untrained_twin=method.untrained,
            device=device,
            **{"steps": few.steps, **method.settings},
        )
        one = few.model_copy(update={"methods": (method,)})
        estimate = cost.attribution(architecture, grammar, one, large).seconds
        yield "attribute", _seconds(target) / estimate


def _device(grid: Grid) -> str:
    """Return the device of the grid, or the CPU where a GPU is asked for and none is here."""
    import torch

    wanted = grid.config.train.device
    return wanted if wanted != "cuda" or torch.cuda.is_available() else "cpu"


def _seconds(noun: Path) -> float:
    """Return what a noun took: CPU seconds on a CPU, wall seconds on a GPU."""
    run = read_run(noun)
    if run is None:
        raise SeqgraError(f"{noun}: the calibration failed")
    cpu = run.get("device", "cpu") == "cpu"
    return float(run["cpu_seconds"] if cpu else run["seconds"])


def table(found: Plan, file: str) -> str:
    """Return a plan in words."""
    lines = [
        f"{file}: {found.cells:,} cells in {found.packs:,} packs",
        f"{'stage':10}{'nouns':>10}{'jobs':>8}{'CPU h':>10}{'GPU h':>10}{'disk':>11}{'longest job':>14}",
    ]
    for name, stage in found.stages.items():
        cells = f"{name:10}{stage.nouns:>10,}{stage.jobs:>8,}{stage.cpu_hours:>10,.2f}"
        cells += f"{stage.gpu_hours:>10,.2f}{_size(stage.mib):>11}{stage.longest * 60:>10,.1f} min"
        lines.append(cells)
    whole = [sum(column) for column in zip(*found.stages.values(), strict=True)]
    total = f"{'all':10}{whole[0]:>10,}{whole[1]:>8,}{whole[2]:>10,.2f}{whole[3]:>10,.2f}"
    lines.append(total + f"{_size(whole[4]):>11}")
    lines.append(f"about {found.files:,} files and folders; then one job compares and draws")
    for count in (2, 16, 100):
        lines.append(f"with {count:>3} jobs at once about {_time(found.wall_hours(count))}")
    if found.measured:
        said = ", ".join(f"{stage} {factor:.2g}" for stage, factor in found.factors.items())
        lines.append(
            f"measured here for {found.measured:.1f} s; seconds over built-in estimate: {said}"
        )
    lines += found.notes
    if found.on_cpu:
        lines.append(
            "there is no GPU here: GPU hours are the hours of one CPU core, an upper bound"
        )
    return "\n".join(lines)


def _size(mib: float) -> str:
    return f"{mib / 1024:,.1f} GiB" if mib >= 1000 else f"{math.ceil(mib):,} MiB"


def _time(hours: float) -> str:
    return f"{hours:,.1f} hours" if hours >= 1 else f"{math.ceil(60 * hours)} min"
