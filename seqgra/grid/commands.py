"""The command lines that make the cells of a grid, and the file that says where they lie."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Iterator

from seqgra.architecture.schema import Network
from seqgra.errors import bad_input
from seqgra.grid import EXACT, Cell, Grid, jobs
from seqgra.grid.sources import Simulated
from seqgra.stages import find_stage


def lines(grid: Grid, stage: str, name: str) -> str:
    """Return the batch file of a stage: of a grammar or dataset where it makes examples, else of a pack."""
    head = f"# seqgra {stage}, results version {find_stage(stage).version}\n"
    data_stages = {"simulate": _simulate, "subsample": _subsample, "construct": _construct}
    if stage in data_stages:
        return head + _text(data_stages[stage](grid, name))
    if stage == "tune":
        return head + _text(_tune(grid, cell) for cell in jobs.tunings(grid, name))
    of_cell = {"train": _train, "evaluate": _evaluate, "attribute": _attribute, "probe": _probe}
    make = of_cell[stage]
    cells = jobs.cells(grid, stage, name)
    return head + _text(line for cell in cells for line in make(grid, cell))


def _subsample(grid: Grid, dataset: str) -> Iterator[list[object]]:
    whole = grid.test_set(dataset)  # a real dataset holds all three sets
    for seed in grid.data_seeds:
        target = grid.dataset(dataset, seed)
        options = ["--seed", seed, "--sets", "training,validation"]
        yield [whole, "-o", target, *options, "--expect", grid.resolved.source(dataset)]


def _simulate(grid: Grid, grammar: str) -> Iterator[list[object]]:
    source, most, test = grid.sources[grammar], max(grid.config.sizes), grid.config.test
    assert isinstance(source, Simulated)
    file, expect = source.file, ["--expect", grid.resolved.source(grammar)]
    sets: list[object] = ["--sets", "training,validation", "--size", most, *expect]
    for seed in grid.data_seeds:
        yield [file, "-o", grid.dataset(grammar, seed), "--seed", seed, *sets]
    sets = ["--sets", "test", "--examples", test.examples, *expect]
    yield [file, "-o", grid.test_set(grammar), "--seed", test.seed, *sets]


def _construct(grid: Grid, grammar: str) -> Iterator[list[object]]:
    source, plan = grid.sources[grammar], grid.config.probe
    assert isinstance(source, Simulated) and plan is not None
    expect = ["--expect", grid.resolved.source(grammar)]
    yield [source.file, "-o", grid.constructed(grammar), "--seed", plan.seed, *expect]


def _train(grid: Grid, cell: Cell) -> Iterator[list[object]]:
    if cell.backend == EXACT:  # needs the grammar only, which every dataset holds
        target = grid.noun("models", cell)
        yield [grid.test_set(cell.grammar), *_architecture(grid, cell), "-o", target]
        return
    dataset, target = grid.dataset(cell.grammar, cell.data_seed), grid.noun("models", cell)
    options = ["--seed", cell.model_seed, *_train_options(grid, cell)]
    options += ["--tuned", grid.tuning(cell)] if grid.tuned(cell.architecture) else []
    yield [dataset, *_architecture(grid, cell), "-o", target, *options]


def _architecture(grid: Grid, cell: Cell) -> list[object]:
    """Return what to train, and the fingerprint that it had when the grid was read."""
    expected = grid.resolved.architecture(cell.architecture)
    return [grid.architecture_file(cell.architecture), "--expect", expected]


def _train_options(grid: Grid, cell: Cell) -> list[object]:
    plan = grid.config.train
    options: list[object] = ["--size", cell.size, "--backend", cell.backend]
    options += ["--device", plan.device, "--threads", plan.threads]
    if isinstance(grid.architectures[cell.architecture], Network):
        options += ["--seeds", grid.config.seeds]
    options += ["--engine", plan.engine] if plan.engine != "auto" else []
    return options + _code_option(grid, cell)


def _tune(grid: Grid, cell: Cell) -> list[object]:
    network, plan = grid.architectures[cell.architecture], grid.config.tune
    assert isinstance(network, Network) and plan is not None
    options = [*_train_options(grid, cell), "--epochs", plan.epochs]
    if not network.tune:
        content = [c.model_dump(mode="json", exclude_unset=True) for c in plan.candidates]
        options += ["--candidates", json.dumps(content)]
    dataset = grid.dataset(cell.grammar, plan.seed)
    target = grid.tuning(cell)
    return [dataset, *_architecture(grid, cell), "-o", target, *options]


def _evaluate(grid: Grid, cell: Cell) -> Iterator[list[object]]:
    inputs = [grid.noun("models", cell), grid.test_set(cell.grammar)]
    yield [*inputs, "-o", grid.noun("scores", cell), *_test_options(grid, cell)]


def _attribute(grid: Grid, cell: Cell) -> Iterator[list[object]]:
    plan = grid.config.attribution
    for method in plan.methods:
        inputs = [grid.noun("models", cell), grid.test_set(cell.grammar)]
        options = ["--method", method.kind, "--examples", plan.examples]
        settings = {"steps": plan.steps, **method.settings}
        options += [part for name, value in settings.items() for part in (f"--{name}", value)]
        options += [f"--{flag}" for flag in ("correct", "untrained") if getattr(method, flag)]
        target = grid.noun("attributions", cell) / method.name
        yield [*inputs, "-o", target, *options, *_test_options(grid, cell)]


def _probe(grid: Grid, cell: Cell) -> Iterator[list[object]]:
    inputs = [grid.noun("models", cell), grid.constructed(cell.grammar)]
    options = ["--device", grid.config.train.device, *_code_option(grid, cell)]
    yield [*inputs, "-o", grid.noun("probes", cell), *options]


def _test_options(grid: Grid, cell: Cell) -> list[object]:
    config = grid.config
    examples = grid.test_examples(cell.grammar)
    options: list[object] = ["--set-size", examples, "--device", config.train.device]
    return options + _code_option(grid, cell)


def _code_option(grid: Grid, cell: Cell) -> list[object]:
    return ["--allow-custom-code"] if cell.architecture in grid.custom() else []


def cell_rows(grid: Grid, spared: Collection[Cell] = frozenset()) -> Iterator[dict[str, object]]:
    """Yield one row of the cells file for each cell (see `compare`); `spared` are those not needed."""
    from seqgra.grid.expected import Expected

    expected = Expected(grid)
    for cell in grid.cells:
        attributions = (
            f"{method.name}={grid.noun('attributions', cell) / method.name}"
            for method in (grid.config.attribution.methods if grid.explained(cell) else ())
        )
        yield {
            **cell._asdict(),
            "model": grid.noun("models", cell),
            "scores": grid.noun("scores", cell),
            "attributions": ";".join(attributions),
            "probes": grid.noun("probes", cell) if grid.probed(cell) else "",
            "refused": "; ".join(_refused(grid, cell)),
            "test": grid.test_set(cell.grammar),
            "spared": "yes" if cell in spared else "",
            **expected.inputs(cell)._asdict(),
            **expected.options(cell).columns(),
        }


def _refused(grid: Grid, cell: Cell) -> Iterator[str]:
    """Yield the methods that are not defined for a cell's architecture, each with the reason."""
    from seqgra.attribute.methods import refusal

    architecture = grid.architectures[cell.architecture]
    network = architecture if isinstance(architecture, Network) else None
    for method in grid.config.attribution.methods:
        if reason := refusal(method.kind, network):
            yield f"skipped: {reason}"


def _text(lines: Iterator[list[object]]) -> str:
    return "\n".join(map(call_text, lines))


def call_text(arguments: Iterable[object]) -> str:
    """Return the arguments of a call as a line of a batch file.

    Raises
    ------
    InputError
        If one holds a line break, or another character that is not printed.
    """
    parts = list(map(str, arguments))
    if broken := [part for part in parts if not part.isprintable()]:
        raise bad_input(repr(broken[0]), "", "is no path on one line; rename it")
    return shlex.join(parts)
