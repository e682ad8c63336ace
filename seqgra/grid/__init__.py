"""The grid: config file -> cells, packs of cells, and the command lines that make them.

Snakemake asks here what to run and the command line asks here what to compare, so that decisions live in
Python that tests can reach, not in rule files.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from seqgra.architecture.schema import Architecture, Baseline, BayesOptimal, Network
from seqgra.dataset import largest_size
from seqgra.errors import InputError, Problem, raise_problems
from seqgra.grammar.schema import Grammar
from seqgra.grid import checks, cost
from seqgra.grid.config import ChosenSizes, GridConfig
from seqgra.grid.resolved import Resolved
from seqgra.grid.sources import Source, find_grammar, read_grammar, read_real, with_all_sizes
from seqgra.grid.variants import architecture_variant
from seqgra.training import engine_used
from seqgra.yamlfile import read_yaml, validate

#: Cells that one job holds at most: what a failure or a time limit interrupts at once.
_MOST_LINES = 300
#: Backend of the exact posterior: one model a grammar, without sizes and seeds.
EXACT = "bayes-optimal"


class Cell(NamedTuple):
    """One model of the grid; size and seeds are 0 for the exact posterior, which has none."""

    grammar: str
    size: int
    data_seed: int
    architecture: str
    backend: str
    model_seed: int

    @property
    def path(self) -> str:
        """Its place below the folder of a kind of results; the exact posterior has one a grammar."""
        if self.backend == EXACT:
            return f"{self.grammar}/{self.architecture}"
        seeds = f"s{self.data_seed}-m{self.model_seed}"
        return f"{self.grammar}/{self.size}/{self.architecture}/{self.backend}/{seeds}"


class Pack(NamedTuple):
    """Cells that one job makes, and its estimated cost."""

    name: str
    cells: tuple[Cell, ...]
    minutes: float


class Grid:
    """A checked config, with every grammar and architecture it names.

    Parameters
    ----------
    content
        The config as read from YAML.
    file
        Its name for messages.
    roots
        Folders that may hold grammars/ and architectures/; the first that has a file wins.
    trial
        Whether code of the user's own is tried on a few sequences, where the config allows it.

    Raises
    ------
    InputError
        Holding every problem found.
    """

    def __init__(
        self, content: Any, file: str, roots: tuple[Path, ...] = (Path(),), trial: bool = True
    ) -> None:
        self.config, problems = validate(GridConfig, with_all_sizes(content, file), file)
        self.file, self.roots, self.trial = file, roots, trial
        self._given: dict[str, Any] = dict(content)
        self.sources: dict[str, Source] = {}
        self.architectures: dict[str, Architecture] = {}
        config = self.config
        for read, key, names in (
            (self._read_grammar, "grammars", config.grammars),
            (self._read_architecture, "architectures", config.architectures),
            (self._read_dataset, "datasets", config.datasets),
        ):
            for name in names:
                try:
                    read(name)
                except InputError as error:
                    problems += (self._at(f"{key}.{name}", each) for each in error.problems)
        problems += checks.problems(self)
        raise_problems(problems)

    def _at(self, place: str, problem: Problem) -> Problem:
        """Return what is wrong with an entry, at its place in the config unless a file is at fault."""
        if problem.file.startswith(self.file) or os.path.exists(problem.file):  # noqa: PTH110 (of any text)
            return problem
        return problem._replace(file=f"{self.file}: {place}")

    def _read_grammar(self, name: str) -> None:
        changes = json.loads(self.variant_changes("grammars", name))
        base = find_grammar(str(changes.get("from", name)), self.file, self.roots)
        self.sources[name] = read_grammar(name, base, changes, self.file, self.folder)

    def _read_dataset(self, name: str) -> None:
        folder, smallest = Path(self.config.datasets[name].folder), min(self.config.sizes)
        self.sources[name] = read_real(folder, smallest, self.file, f"datasets.{name}.folder")

    def _read_architecture(self, name: str) -> None:
        base = self.architecture_base(name)
        changes = json.loads(self.variant_changes("architectures", name))
        self.architectures[name] = architecture_variant(base, changes)

    def architecture_base(self, name: str) -> str:
        """Return the file or descriptor that an architecture of the config starts from."""
        base = str(self.config.architectures[name].get("from", name))
        for root in self.roots:
            if (file := root / "architectures" / f"{base}.yaml").is_file():
                return str(file)
        return base

    @property
    def notes(self) -> list[str]:
        """What a user should know before the grid runs: sizes that real datasets cannot have."""
        found, largest = [], max(self.config.sizes)
        for name, source in self.sources.items():
            out = [f"{n:,}" for n in sorted(self.config.sizes) if not source.holds(n)]
            if out:
                counts = source.pool(largest)
                message = f"datasets.{name}: left out: size {', '.join(out)}: training holds "
                message += f"{counts['training']:,}, validation {counts['validation']:,} (size "
                message += f"{largest_size(counts):,} at most; `sizes: [..., all]` adds that)"
                found.append(message)
        return found

    @cached_property
    def grammars(self) -> dict[str, Grammar]:
        """The grammar of each source of examples; that of a real dataset has no rules."""
        return {name: source.grammar for name, source in self.sources.items()}

    @cached_property
    def resolved(self) -> Resolved:
        """The fingerprints of its grammars, datasets and architectures."""
        return Resolved(self.file, self.sources, self.architectures)

    def tuned(self, architecture: str) -> bool:
        """Return whether an architecture's optimiser is chosen before it is trained."""
        network = isinstance(self.architectures[architecture], Network)
        return network and self.config.tune is not None

    def probed(self, cell: Cell) -> bool:
        """Return whether a cell's model is probed: the exact posterior is its own ceiling."""
        plan = self.config.probe
        if plan is None or cell.backend == EXACT or not self.sources[cell.grammar].simulated:
            return False
        return self._chosen(plan.sizes, cell)

    @cached_property
    def probed_grammars(self) -> frozenset[str]:
        """The grammars some of whose models are probed."""
        return frozenset(cell.grammar for cell in self.cells if self.probed(cell))

    def explained(self, cell: Cell) -> bool:
        """Return whether a cell's model is explained: one of a size that the config names, if it does."""
        plan = self.config.attribution
        return bool(plan.methods) and (cell.backend == EXACT or self._chosen(plan.sizes, cell))

    def _chosen(self, sizes: ChosenSizes, cell: Cell) -> bool:
        """Return whether a cell's size is one of some of the grid's."""
        if "all" in sizes or cell.size in sizes:
            return True
        own = filter(self.sources[cell.grammar].holds, self.config.sizes)
        return "largest" in sizes and cell.size == max(own)

    def constructed(self, grammar: str) -> Path:
        """Return the folder of the sequences that probe the models of a grammar."""
        return self.folder / "constructed" / grammar

    def tuning(self, cell: Cell) -> Path:
        """Return the folder of what was chosen for a cell: all its seeds share it."""
        place = f"{cell.grammar}/{cell.size}/{cell.architecture}/{cell.backend}"
        return self.folder / "tunings" / place

    @property
    def data_seeds(self) -> list[int]:
        """The data seeds that are drawn, that of tuning among them where something is tuned."""
        plan = self.config.tune if any(map(self.tuned, self.architectures)) else None
        return [*self.config.data_seeds, *([plan.seed] if plan else [])]

    def custom(self) -> list[str]:
        """Return the architectures that run code of the user's own."""
        known = self.architectures.items()
        return [name for name, a in known if not isinstance(a, BayesOptimal) and a.own_names]

    @property
    def content(self) -> dict[str, Any]:
        """The config as given, but for `cluster`: where a grid runs is no part of what it is."""
        return {key: value for key, value in self._given.items() if key != "cluster"}

    @cached_property
    def folder(self) -> Path:
        """Where the results go."""
        return Path("results") / self.config.name

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, in the order of the config; real datasets come after the grammars."""
        return tuple(
            Cell(grammar, size, data_seed, name, backend, model_seed)
            for grammar, name in itertools.product(self.sources, self.config.architectures)
            for backend in self.backends(name)
            for size, data_seed, model_seed in self._runs(grammar, name)
        )

    def _runs(self, grammar: str, architecture: str) -> Iterator[tuple[int, int, int]]:
        """Return size, data seed and model seed of every run of an architecture on a grammar.

        A real dataset has no exact posterior, and no more examples than it has.
        """
        c, source = self.config, self.sources[grammar]
        if isinstance(self.architectures[architecture], BayesOptimal):
            return iter([(0, 0, 0)] if source.simulated else [])
        sizes = filter(source.holds, sorted(c.sizes))
        return itertools.product(sizes, c.data_seeds, self._model_seeds(architecture))

    def backends(self, architecture: str) -> tuple[str, ...]:
        """Return what trains an architecture: what its file says, or the config."""
        resolved = self.architectures[architecture]
        if isinstance(resolved, Network):
            return resolved.backends(self.config.backends)
        return (resolved.backend,)

    def _model_seeds(self, architecture: str) -> tuple[int, ...]:
        """Return the model seeds: one for a baseline, whose fit has no random part."""
        baseline = isinstance(self.architectures[architecture], Baseline)
        return self.config.model_seeds[:1] if baseline else self.config.model_seeds

    @cached_property
    def packs(self) -> dict[str, Pack]:
        """Cells by job: all seeds of a (grammar, architecture, backend), sizes while it is short."""
        packs: dict[str, Pack] = {}
        for (grammar, name, backend), cells in itertools.groupby(
            self.cells, lambda cell: (cell.grammar, cell.architecture, cell.backend)
        ):
            held: list[Cell] = []
            minutes = 0.0
            for _, same_size in itertools.groupby(cells, lambda cell: cell.size):
                more = list(same_size)
                further = len(more) * self.training_cost(more[0]).seconds / 60
                alone = self.config.adaptive is not None  # which sizes follow is not known yet
                too_long = alone or minutes + further > self.config.pack.minutes_per_job
                if held and (too_long or len(held) + len(more) > _MOST_LINES):
                    _add_pack(packs, f"{grammar}/{name}/{backend}", held, minutes)
                    held, minutes = [], 0.0
                held += more
                minutes += further
            _add_pack(packs, f"{grammar}/{name}/{backend}", held, minutes)
        return packs

    @property
    def rounds(self) -> int:
        """After how many rounds of planning and running every bisection of an adaptive grid is done."""
        return 1 + math.ceil(math.log2(len(self.config.sizes)))

    def training_cost(self, cell: Cell) -> cost.Cost:
        """Estimate what the training of a cell takes on one CPU core."""
        architecture, grammar = self.architectures[cell.architecture], self.grammars[cell.grammar]
        network = self.network_sizes[cell.grammar, cell.architecture]
        compiled = self._compiled(cell)
        return cost.training(architecture, grammar, cell.size, network, compiled=compiled)

    def tuning_cost(self, cell: Cell) -> cost.Cost:
        """Estimate what the tuning of a cell takes on one CPU core."""
        architecture, grammar = self.architectures[cell.architecture], self.grammars[cell.grammar]
        network, plan = self.network_sizes[cell.grammar, cell.architecture], self.config.tune
        assert isinstance(architecture, Network) and plan is not None
        compiled = self._compiled(cell)
        return cost.tuning(architecture, grammar, cell.size, plan, network, compiled)

    def _compiled(self, cell: Cell) -> bool:
        """Whether the compiled engine trains a cell, with the optimiser that its architecture names."""
        network = self.architectures[cell.architecture]
        return isinstance(network, Network) and self.engine(network, cell) == "compiled"

    def engine(self, network: Network, cell: Cell) -> str:
        """Return the engine that trains a cell's network, with the optimiser that the network has."""
        plan = self.config.train
        # what is not defined was refused by `checks`, but for an optimiser that tuning replaces
        engine = "auto" if plan.engine == "compiled" else plan.engine
        return engine_used(network, cell.architecture, cell.backend, engine, plan.device)

    @cached_property
    def network_sizes(self) -> dict[tuple[str, str], cost.Size]:
        """How large each network is, by grammar and architecture."""
        return {
            (grammar, name): cost.network_size(self.architectures[name], self.grammars[grammar])
            for grammar, name in itertools.product(self.grammars, self.architectures)
        }

    def dataset(self, grammar: str, seed: int) -> Path:
        """Return the folder that holds the training and validation sets of all sizes."""
        return self.folder / "data" / grammar / f"s{seed}"

    def test_set(self, grammar: str) -> Path:
        """Return the folder of the test set that all models of a grammar share."""
        return self.sources[grammar].test_set

    def test_examples(self, grammar: str) -> int:
        """Return how many test examples models are evaluated on: of a real dataset as many as it has."""
        return self.sources[grammar].test_examples(self.config.test.examples)

    def architecture_file(self, architecture: str) -> str:
        """Return what to train: a file, or a descriptor."""
        if self.config.architectures[architecture]:
            return str(self.folder / "architectures" / f"{architecture}.yaml")
        return self.architecture_base(architecture)

    def result(self, kind: str, cell: Cell) -> Path:
        """Return the folder of a cell's result; `kind` is models, scores, attributions or probes."""
        return Path(f"{self.folder}/{kind}/{cell.path}")

    def variant_changes(self, kind: str, name: str) -> str:
        """Return the changes that make a variant, as JSON with sorted keys, whose order can count.

        `kind` is grammars or architectures.
        """
        changes: dict[str, dict[str, Any]] = getattr(self.config, kind)
        return json.dumps(changes[name], sort_keys=True)


def read_grid(file: Path, roots: tuple[Path, ...] = (Path(),)) -> Grid:
    """Read and check a config file.

    Raises
    ------
    InputError
        Holding every problem found.
    """
    return Grid(read_yaml(file), str(file), roots)


def _add_pack(packs: dict[str, Pack], prefix: str, cells: list[Cell], minutes: float) -> None:
    name = f"{prefix}/n{cells[0].size}"
    packs[name] = Pack(name, tuple(cells), minutes)
