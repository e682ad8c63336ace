"""The stages of a grid: for each its jobs, their calls, what they wait for and what they cost.

What a stage is stands in `seqgra.stages`; a stage that grids run has an entry of `GRID_STAGES` here, and
batches, plan, status, the cells file and the workflow follow from it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.schema import Baseline, Network
from seqgra.grid import EXACT, Cell, Grid, cost
from seqgra.grid.cost import COMPILE_SECONDS, Cost
from seqgra.grid.sources import Simulated
from seqgra.stages import Stage, find_stage

if TYPE_CHECKING:
    from seqgra.grid.expected import Expected

#: The words of a call.
Call: TypeAlias = list[object]


@dataclass(frozen=True)
class _GridStage:
    name: str

    @property
    def stage(self) -> Stage:
        """Its declaration."""
        return find_stage(self.name)

    def takes(self, kind: str) -> bool:
        """Return whether an input is of a kind: grammar, architecture, ..."""
        return any(each.kind == kind for each in self.stage.inputs)


@dataclass(frozen=True)
class SourceStage(_GridStage):
    """A stage with a job for each source of examples."""

    #: Of the source of a name.
    calls: Callable[[Grid, str], Iterator[Call]]
    #: Of all calls of a job.
    cost: Callable[[Grid, str], Cost]
    #: About how many its results take.
    bytes: Callable[[Grid, str], float]
    #: Whether a source has a job.
    wanted: Callable[[Grid, str], bool]
    #: CPU seconds of a job before its first result.
    start: float = COMPILE_SECONDS
    #: The stages that a job waits for: their jobs of its source.
    after: tuple[str, ...] = ()

    def jobs(self, grid: Grid) -> list[str]:
        """Return the sources that have a job."""
        return [name for name in grid.sources if self.wanted(grid, name)]

    def has_job(self, grid: Grid, name: str) -> bool:
        """Return whether there is a job for a source, or for that of a pack."""
        return self.wanted(grid, name.split("/")[0])

    def job_of(self, name: str) -> str:
        """Return the job that the job of a pack waits for."""
        return name.split("/")[0]

    def calls_of(self, grid: Grid, name: str) -> Iterator[Call]:
        """Return the calls of a job."""
        return self.calls(grid, name)

    def made_from(self, grid: Grid, name: str, place: int, expected: Expected) -> dict[str, str]:
        """Return fingerprints, by role, of what the call at a place names no folder of: none."""
        return {}

    def seconds(self, grid: Grid, name: str) -> float:
        """Estimate the CPU seconds of a job."""
        return self.start + self.cost(grid, name).seconds

    def mib(self, grid: Grid, name: str) -> tuple[float, str]:
        """Return MiB at the peak of a job, and the backend that takes more: none."""
        return self.cost(grid, name).mib, ""

    def results(self, grid: Grid) -> int:
        """Return how many results all jobs make."""
        return sum(len(list(self.calls(grid, name))) for name in self.jobs(grid))

    def disk(self, grid: Grid) -> float:
        """Return about how many bytes all results take."""
        return sum(self.bytes(grid, name) for name in self.jobs(grid))


@dataclass(frozen=True)
class PackStage(_GridStage):
    """A stage with a job for each pack of cells."""

    #: Of a cell.
    calls: Callable[[Grid, Cell], Iterator[Call]]
    cost: Callable[[Grid, Cell], Cost]
    #: About how many the results of a cell take.
    bytes: Callable[[Grid, Cell], float]
    #: The stages that a job waits for: their jobs of its pack or its source.
    after: tuple[str, ...]
    #: How many there are.
    results_of_cell: Callable[[Grid], int] = lambda grid: 1
    #: Whether there is anything to do for a cell.
    wanted: Callable[[Grid, Cell], bool] = lambda grid, cell: True
    #: Those that the config names for it, if it names any.
    sizes: Callable[[Grid], Collection[Any] | None] = lambda grid: None
    #: What cells have in common that share a result: the first of them has the call.
    share: Callable[[Grid, Cell], object] | None = None
    #: Fingerprints, by `Input.cell_role`, of what a cell's results are to be made from, but for its model.
    inputs: Callable[[Expected, Cell], dict[str, str]] = lambda expected, cell: {}
    #: What they are to be made with, as it stands in their `run.json` (by name where there are several); None
    #: where that is not compared.
    options: Callable[[Expected, Cell], dict[str, Any]] | None = None

    def cells(self, grid: Grid, pack: str) -> tuple[Cell, ...]:
        """Return the cells of a pack that have calls."""
        cells = tuple(cell for cell in grid.packs[pack].cells if self.wanted(grid, cell))
        if self.share is None:
            return cells
        firsts: dict[object, Cell] = {}
        for cell in cells:
            firsts.setdefault(self.share(grid, cell), cell)
        return tuple(firsts.values())

    def jobs(self, grid: Grid) -> list[str]:
        """Return the packs that have a job."""
        return [name for name in grid.packs if self.has_job(grid, name)]

    def has_job(self, grid: Grid, name: str) -> bool:
        """Return whether a pack has a job.

        All have one where rounds of planning choose among packs, also those with nothing to do: an adaptive
        grid always runs the largest size, and the others are not known yet.
        """
        sizes = self.sizes(grid)
        if grid.config.adaptive and sizes and sizes != ("largest",):
            return True
        return any(self.wanted(grid, cell) for cell in grid.packs[name].cells)

    def job_of(self, name: str) -> str:
        """Return the job of the same pack."""
        return name

    def calls_of(self, grid: Grid, name: str) -> Iterator[Call]:
        """Return the calls of a job."""
        return (call for cell in self.cells(grid, name) for call in self.calls(grid, cell))

    def made_from(self, grid: Grid, name: str, place: int, expected: Expected) -> dict[str, str]:
        """Return fingerprints, by role, of what the call at a place names no folder of."""
        named = [each for each in self.stage.inputs if each.kind == "architecture"]
        if not named:  # the cells of a pack are not gone through for each of its results
            return {}
        found = self.inputs(expected, self.cells(grid, name)[place // self.results_of_cell(grid)])
        return {each.name: found[each.cell_role] for each in named if each.cell_role in found}

    def seconds(self, grid: Grid, name: str) -> float:
        """Estimate the CPU seconds of a job."""
        cells = self.cells(grid, name)
        alike = Counter(cell._replace(data_seed=0, model_seed=0) for cell in cells)
        each = (count * self.cost(grid, cell).seconds for cell, count in alike.items())
        return cost.START_SECONDS + sum(each)

    def mib(self, grid: Grid, name: str) -> tuple[float, str]:
        """Return MiB at the peak of a job, that of its largest cell, and that cell's backend."""
        largest = max(grid.packs[name].cells, key=lambda cell: cell.size)
        return self.cost(grid, largest).mib, largest.backend

    def results(self, grid: Grid) -> int:
        """Return how many results all jobs make."""
        cells = sum(len(self.cells(grid, name)) for name in self.jobs(grid))
        return cells * self.results_of_cell(grid)

    def disk(self, grid: Grid) -> float:
        """Return about how many bytes all results take."""
        cells = (cell for name in self.jobs(grid) for cell in self.cells(grid, name))
        alike = Counter(cell._replace(data_seed=0, model_seed=0) for cell in cells)
        return sum(count * self.bytes(grid, cell) for cell, count in alike.items())


GridStage: TypeAlias = SourceStage | PackStage


def _simulate(grid: Grid, grammar: str) -> Iterator[Call]:
    source, most, test = grid.sources[grammar], max(grid.config.sizes), grid.config.test
    assert isinstance(source, Simulated)
    file, expect = source.file, ["--expect", grid.resolved.source(grammar)]
    sets: Call = ["--sets", "training,validation", "--size", most, *expect]
    for seed in grid.data_seeds:
        yield [file, "-o", grid.dataset(grammar, seed), "--seed", seed, *sets]
    sets = ["--sets", "test", "--examples", test.examples, *expect]
    yield [file, "-o", grid.test_set(grammar), "--seed", test.seed, *sets]


def _simulate_cost(grid: Grid, grammar: str) -> Cost:
    config = grid.config
    count = len(grid.data_seeds) * max(config.sizes) + config.test.examples
    return cost.simulation(grid.grammars[grammar], count)


def _examples_bytes(grid: Grid, name: str) -> float:
    source, grammar = grid.sources[name], grid.grammars[name]
    counts = source.pool(max(grid.config.sizes))
    count = len(grid.data_seeds) * (counts["training"] + counts["validation"])
    count += grid.config.test.examples if source.simulated else 0
    return count * (grammar.longest + len(grammar.conditions) + 40)


def _subsample(grid: Grid, dataset: str) -> Iterator[Call]:
    whole = grid.test_set(dataset)  # a real dataset holds all three sets
    for seed in grid.data_seeds:
        target = grid.dataset(dataset, seed)
        options = ["--seed", seed, "--sets", "training,validation"]
        yield [whole, "-o", target, *options, "--expect", grid.resolved.source(dataset)]


def _subsample_cost(grid: Grid, dataset: str) -> Cost:
    counts = grid.sources[dataset].pool(0)
    count = len(grid.data_seeds) * (counts["training"] + counts["validation"])
    return cost.copying(grid.grammars[dataset], count)


def _construct(grid: Grid, grammar: str) -> Iterator[Call]:
    source, plan = grid.sources[grammar], grid.config.probe
    assert isinstance(source, Simulated) and plan is not None
    expect = ["--expect", grid.resolved.source(grammar)]
    yield [source.file, "-o", grid.constructed(grammar), "--seed", plan.seed, *expect]


def _construct_bytes(grid: Grid, name: str) -> float:
    grammar = grid.grammars[name]
    return cost.PROBED * (grammar.longest + 8 * len(grammar.conditions)) + 20_000


def _tune(grid: Grid, cell: Cell) -> Iterator[Call]:
    network, plan = grid.architectures[cell.architecture], grid.config.tune
    assert isinstance(network, Network) and plan is not None
    options = [*_train_options(grid, cell), "--epochs", plan.epochs]
    if not network.tune:
        content = [c.model_dump(mode="json", exclude_unset=True) for c in plan.candidates]
        options += ["--candidates", json.dumps(content)]
    dataset = grid.dataset(cell.grammar, plan.seed)
    yield [dataset, *_architecture(grid, cell), "-o", grid.tuning(cell), *options]


def _train(grid: Grid, cell: Cell) -> Iterator[Call]:
    target = grid.result("models", cell)
    if cell.backend == EXACT:  # needs the grammar only, which every dataset holds
        yield [grid.test_set(cell.grammar), *_architecture(grid, cell), "-o", target]
        return
    dataset = grid.dataset(cell.grammar, cell.data_seed)
    options = ["--seed", cell.model_seed, *_train_options(grid, cell)]
    options += ["--tuned", grid.tuning(cell)] if grid.tuned(cell.architecture) else []
    yield [dataset, *_architecture(grid, cell), "-o", target, *options]


def _train_identity(expected: Expected, cell: Cell) -> dict[str, Any]:
    from seqgra.train import model_options

    config = expected.grid.config
    return model_options(
        cell.backend,
        None if cell.backend == EXACT else cell.size,
        cell.model_seed,
        config.train.threads,
        seeds=config.seeds,
        engine=expected.engine(cell),
    )


def _architecture(grid: Grid, cell: Cell) -> Call:
    """Return what to train, and the fingerprint that it had when the grid was read."""
    expected = grid.resolved.architecture(cell.architecture)
    return [grid.architecture_file(cell.architecture), "--expect", expected]


def _train_options(grid: Grid, cell: Cell) -> Call:
    plan = grid.config.train
    options: Call = ["--size", cell.size, "--backend", cell.backend]
    options += ["--device", plan.device, "--threads", plan.threads]
    if isinstance(grid.architectures[cell.architecture], Network):
        options += ["--seeds", grid.config.seeds]
    options += ["--engine", plan.engine] if plan.engine != "auto" else []
    return options + _code_option(grid, cell)


def _code_option(grid: Grid, cell: Cell) -> Call:
    return ["--allow-custom-code"] if cell.architecture in grid.custom() else []


def _evaluate(grid: Grid, cell: Cell) -> Iterator[Call]:
    inputs = [grid.result("models", cell), grid.test_set(cell.grammar)]
    yield [*inputs, "-o", grid.result("scores", cell), *_test_options(grid, cell)]


def _evaluate_identity(expected: Expected, cell: Cell) -> dict[str, Any]:
    from seqgra.evaluate import scores_options

    return scores_options("test", expected.grid.test_examples(cell.grammar))


def _test_input(expected: Expected, cell: Cell) -> dict[str, str]:
    return {"test": expected.test_set(cell)}


def _test_options(grid: Grid, cell: Cell) -> Call:
    options: Call = ["--set-size", grid.test_examples(cell.grammar)]
    return [*options, "--device", grid.config.train.device, *_code_option(grid, cell)]


def _evaluate_cost(grid: Grid, cell: Cell) -> Cost:
    architecture, grammar, network = _network(grid, cell)
    return cost.evaluation(architecture, grammar, grid.test_examples(cell.grammar), network)


def _evaluate_bytes(grid: Grid, cell: Cell) -> float:
    conditions = len(grid.grammars[cell.grammar].conditions)
    return 40_000 + conditions * (10_000 + 4 * grid.config.test.examples)


def _attribute(grid: Grid, cell: Cell) -> Iterator[Call]:
    plan = grid.config.attribution
    inputs = [grid.result("models", cell), grid.test_set(cell.grammar)]
    for method in plan.methods:
        options = ["--method", method.kind, "--examples", plan.examples]
        settings = {"steps": plan.steps, **method.settings}
        options += [part for name, value in settings.items() for part in (f"--{name}", value)]
        options += [f"--{flag}" for flag in ("correct", "untrained") if getattr(method, flag)]
        target = grid.result("attributions", cell) / method.name
        yield [*inputs, "-o", target, *options, *_test_options(grid, cell)]


def _attribute_identity(expected: Expected, cell: Cell) -> dict[str, Any]:
    from seqgra.attribute import attribution_options

    grid, plan = expected.grid, expected.grid.config.attribution
    return {
        method.name: attribution_options(
            method.kind,
            plan.examples,
            plan.settings_of(method),
            "test",
            grid.test_examples(cell.grammar),
            correct=method.correct,
            untrained=method.untrained,
        )
        for method in plan.methods
    }


def _attribute_cost(grid: Grid, cell: Cell) -> Cost:
    architecture, grammar, network = _network(grid, cell)
    return cost.attribution(architecture, grammar, grid.config.attribution, network)


def _attribute_bytes(grid: Grid, cell: Cell) -> float:
    plan, grammar = grid.config.attribution, grid.grammars[cell.grammar]
    if isinstance(grid.architectures[cell.architecture], Baseline):
        return 1_000 * len(plan.methods)
    rows = min(2000, plan.examples * len(grammar.conditions))
    letters = len(ALPHABETS[grammar.alphabet].letters) * grammar.longest
    return len(plan.methods) * (20_000 + 100 * rows + 4 * letters * min(50, rows))


def _probe(grid: Grid, cell: Cell) -> Iterator[Call]:
    inputs = [grid.result("models", cell), grid.constructed(cell.grammar)]
    options = ["--device", grid.config.train.device, *_code_option(grid, cell)]
    yield [*inputs, "-o", grid.result("probes", cell), *options]


def _probe_input(expected: Expected, cell: Cell) -> dict[str, str]:
    from seqgra.probe import constructed_identity

    grid, plan = expected.grid, expected.grid.config.probe
    if plan is None or not grid.probed(cell):
        return {"constructed": ""}
    grammar = grid.resolved.source(cell.grammar)
    return {"constructed": constructed_identity(grammar, plan.seed).fingerprint}


def _network(grid: Grid, cell: Cell) -> tuple[Any, Any, cost.Size]:
    """Return the architecture and the grammar of a cell, and how large a network it is there."""
    network = grid.network_sizes[cell.grammar, cell.architecture]
    return grid.architectures[cell.architecture], grid.grammars[cell.grammar], network


#: The stages one of which makes the datasets of a source.
EXAMPLES = ("simulate", "subsample")
#: All of them, in the order they run.
GRID_STAGES: dict[str, GridStage] = {
    stage.name: stage
    for stage in (
        SourceStage(
            "simulate",
            _simulate,
            _simulate_cost,
            _examples_bytes,
            wanted=lambda grid, name: grid.sources[name].simulated,
        ),
        SourceStage(
            "subsample",
            _subsample,
            _subsample_cost,
            _examples_bytes,
            wanted=lambda grid, name: not grid.sources[name].simulated,
            start=cost.START_SECONDS,
        ),
        SourceStage(
            "construct",
            _construct,
            lambda grid, name: cost.construction(grid.grammars[name]),
            _construct_bytes,
            wanted=lambda grid, name: name in grid.probed_grammars,
        ),
        PackStage(
            "tune",
            _tune,
            lambda grid, cell: grid.tuning_cost(cell),
            lambda grid, cell: 5_000,
            after=EXAMPLES,
            wanted=lambda grid, cell: grid.tuned(cell.architecture),
            share=lambda grid, cell: grid.tuning(cell),
        ),
        PackStage(
            "train",
            _train,
            lambda grid, cell: grid.training_cost(cell),
            lambda grid, cell: 15_000 + 4 * _network(grid, cell)[2].weights,
            after=(*EXAMPLES, "tune"),
            inputs=lambda expected, cell: {
                "dataset": expected.dataset(cell),
                "architecture": expected.architecture(cell),
            },
            options=_train_identity,
        ),
        PackStage(
            "evaluate",
            _evaluate,
            _evaluate_cost,
            _evaluate_bytes,
            after=("train",),
            inputs=_test_input,
            options=_evaluate_identity,
        ),
        PackStage(
            "attribute",
            _attribute,
            _attribute_cost,
            _attribute_bytes,
            after=("train",),
            results_of_cell=lambda grid: len(grid.config.attribution.methods),
            wanted=lambda grid, cell: grid.explained(cell),
            sizes=lambda grid: (
                grid.config.attribution.sizes if grid.config.attribution.methods else None
            ),
            inputs=_test_input,
            options=_attribute_identity,
        ),
        PackStage(
            "probe",
            _probe,
            lambda grid, cell: cost.probing(*_network(grid, cell)),
            lambda grid, cell: 5_000,
            after=("train", "construct"),
            wanted=lambda grid, cell: grid.probed(cell),
            sizes=lambda grid: grid.config.probe.sizes if grid.config.probe else None,
            inputs=_probe_input,
        ),
    )
}
#: Those that have a job for each source of examples, and those that have one for each pack of cells.
SOURCE_STAGES = tuple(name for name, stage in GRID_STAGES.items() if isinstance(stage, SourceStage))
PACK_STAGES = tuple(name for name in GRID_STAGES if name not in SOURCE_STAGES)


def inputs_of(expected: Expected, cell: Cell) -> dict[str, str]:
    """Return the fingerprints of what a cell's results are to be made from, by `Input.cell_role`."""
    found: dict[str, str] = {}
    for stage in GRID_STAGES.values():
        if isinstance(stage, PackStage):
            found |= stage.inputs(expected, cell)
    return found


def options_of(expected: Expected, cell: Cell) -> dict[str, dict[str, Any]]:
    """Return what a cell's results are to be made with, by stage."""
    return {
        name: stage.options(expected, cell)
        for name, stage in GRID_STAGES.items()
        if isinstance(stage, PackStage) and stage.options is not None
    }
