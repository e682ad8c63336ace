"""The grid: config file -> cells, packs of cells, and the command lines that make them.

Snakemake asks here what to run and the command line asks here what to compare, so that decisions live in
Python that tests can reach, not in rule files.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from seqgra.alphabet import ALPHABETS, SETS
from seqgra.architecture.custom import Sizes, custom_code, module_file
from seqgra.architecture.schema import Architecture, Baseline, BayesOptimal, Network
from seqgra.architecture.shapes import check_fit, check_stack
from seqgra.dataset import Dataset, open_dataset, split_size
from seqgra.errors import InputError, Problem, bad_input, raise_problems
from seqgra.fingerprint import RUN_FILE
from seqgra.grammar.blocks import blocks_of
from seqgra.grammar.laws import highest
from seqgra.grammar.load import load_grammar, merge
from seqgra.grammar.schema import Grammar
from seqgra.grid import cost
from seqgra.grid.config import GridConfig
from seqgra.grid.variants import architecture_variant, files_named, grammar_variant
from seqgra.yamlfile import read_yaml, suggest, validate

#: Cells that one job holds at most, so that its batch file stays a reasonable shell argument.
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
        """Its place below models/, scores/ and attributions/; the exact posterior has one a grammar."""
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

    Raises
    ------
    InputError
        Holding every problem found.
    """

    def __init__(self, content: Any, file: str, roots: tuple[Path, ...] = (Path(),)) -> None:
        self.config, problems = validate(GridConfig, content, file)
        self.file, self.roots = file, roots
        self._given: dict[str, Any] = dict(content)
        self.grammar_files: dict[str, Path] = {}
        self.grammars: dict[str, Grammar] = {}
        self.datasets: dict[str, Dataset] = {}
        self.architectures: dict[str, Architecture] = {}
        for read in (self._read_grammar, self._read_architecture):
            entries = (
                self.config.grammars if read == self._read_grammar else self.config.architectures
            )
            for name, changes in entries.items():
                try:
                    read(name, changes)
                except InputError as error:
                    problems += error.problems
        for name, given in self.config.datasets.items():
            try:
                self._read_dataset(name, Path(given.folder))
            except InputError as error:
                problems += error.problems
        problems += self._shape_problems()
        problems += self._other_problems()
        raise_problems(problems)

    def _read_grammar(self, name: str, changes: dict[str, Any]) -> None:
        self.grammar_files[name] = self._find("grammars", str(changes.get("from", name)))
        self.grammars[name] = (
            grammar_variant(self.grammar_files[name], changes)
            if changes
            else load_grammar(self.grammar_files[name])
        )
        if any(_blocks(self.grammars[name])):
            from seqgra.law.law import compile_law

            compile_law(self.grammars[name], f"{self.file}: grammars.{name}")

    def _read_dataset(self, name: str, folder: Path) -> None:
        dataset = open_dataset(folder)
        place = f"datasets.{name}.folder"
        if dataset.simulated:
            message = f"{folder} was simulated; name its grammar among grammars instead"
            raise bad_input(self.file, place, message)
        if missing := [s for s in SETS if not dataset.counts.get(s)]:
            message = f"{folder} has no {missing[0]} set; ingest it with all three"
            raise bad_input(self.file, place, message)
        smallest = min(self.config.sizes)
        if not _holds(dataset, smallest):
            held = ", ".join(f"{count:,} {s}" for s, count in dataset.counts.items())
            message = f"holds {held} examples, too few for the smallest size, {smallest:,}"
            raise bad_input(self.file, place, message)
        self.datasets[name], self.grammars[name] = dataset, dataset.grammar

    def _read_architecture(self, name: str, changes: dict[str, Any]) -> None:
        base = self.architecture_base(name)
        self.architectures[name] = architecture_variant(base, changes, name)

    def architecture_base(self, name: str) -> str:
        """Return the file or descriptor that an architecture of the config starts from."""
        base = str(self.config.architectures[name].get("from", name))
        for root in self.roots:
            if (file := root / "architectures" / f"{base}.yaml").is_file():
                return str(file)
        return base

    def _find(self, kind: str, name: str) -> Path:
        written = name.endswith((".yaml", ".yml"))  # a path, such as that of a fitted grammar
        for root in self.roots:
            if (file := root / name if written else root / kind / f"{name}.yaml").is_file():
                return file
        if written:
            message = f"no file {name}; it is relative to the working folder"
            raise bad_input(self.file, kind, message)
        known = sorted({file.stem for root in self.roots for file in (root / kind).glob("*.yaml")})
        message = f"no {kind}/{name}.yaml; {suggest(name, known)}"
        raise bad_input(self.file, f"{kind}.{name}", message)

    def _shape_problems(self) -> Iterator[Problem]:
        """Every network must fit every window."""
        for (name, network), (grammar_name, grammar) in itertools.product(
            self.architectures.items(), self.grammars.items()
        ):
            if isinstance(network, Network):
                file = f"{self.file}: architectures.{name}"
                setting = (grammar.alphabet, grammar.longest, grammar.task)
                try:
                    check_fit(network, *setting, file, self.config.backends)
                    self._try_module(network, grammar, file)
                except InputError as error:
                    for problem in error.problems:
                        yield problem._replace(message=f"{problem.message}, grammar {grammar_name}")

    def _try_module(self, network: Network, grammar: Grammar, file: str) -> None:
        """Try a module of the user's own on two sequences, where the config allows to run it."""
        from seqgra.model import NETWORK_BACKENDS, backend_module

        if not network.module or not self.config.train.allow_custom_code:
            return
        letters = len(ALPHABETS[grammar.alphabet].letters)
        sizes = Sizes(letters, grammar.longest, len(grammar.conditions))
        with custom_code(True):
            for backend in self.config.backends:
                if backend not in NETWORK_BACKENDS:
                    continue  # said elsewhere
                module = backend_module(backend)
                module.make_deterministic(self.config.train.threads)
                module.try_custom(network, sizes, file)

    def _other_problems(self) -> Iterator[Problem]:
        from seqgra.model import NETWORK_BACKENDS

        at, sizes = self.config.at, self.config.sizes
        if at is not None and not min(sizes) <= at <= max(sizes):
            message = f"is {at}; expected a size within the grid's, {min(sizes)} to {max(sizes)}"
            yield Problem(self.file, "at", message)
        for number, plan in enumerate(self.config.attribution.methods):
            for option, message in plan.problems():
                place = f"attribution.methods[{number}]"
                yield Problem(self.file, f"{place}.{option}" if option else place, message)
        yield from self._tune_problems()
        yield from self._stack_problems()
        exact = any(isinstance(a, BayesOptimal) for a in self.architectures.values())
        if self.config.adaptive is not None and not exact:
            message = "needs the ceiling; add bayes-optimal to architectures"
            yield Problem(self.file, "adaptive", message)
        for name in self.custom() if not self.config.train.allow_custom_code else ():
            message = "runs code of your own; allow it with train.allow_custom_code: true"
            yield Problem(self.file, f"architectures.{name}.module", message)
        for backend in self.config.backends:
            if backend not in NETWORK_BACKENDS:
                advice = suggest(backend, list(NETWORK_BACKENDS))
                message = f"{backend!r} is no backend of networks; {advice}"
                yield Problem(self.file, "backends", message)

    def _stack_problems(self) -> Iterator[Problem]:
        if self.config.train.stack == 1:
            return
        if "tensorflow" in self.config.backends:
            yield Problem(self.file, "train.stack", "tensorflow trains no stacks; leave it out")
        for name, network in self.architectures.items():
            if isinstance(network, Network):
                try:
                    check_stack(network, f"{self.file}: architectures.{name}")
                except InputError as error:
                    yield from error.problems

    def _tune_problems(self) -> Iterator[Problem]:
        if self.config.tune is None:
            return
        if self.config.tune.seed in self.config.data_seeds:
            message = (
                f"is {self.config.tune.seed}, one of data_seeds; choose one used for nothing else"
            )
            yield Problem(self.file, "tune.seed", message)
        counts = {
            name: self.config.tune.trials(network)
            for name, network in self.architectures.items()
            if isinstance(network, Network)
        }
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            message = f"networks have different numbers of candidates ({listed}); give all the same"
            yield Problem(self.file, "tune", message)

    @property
    def notes(self) -> list[str]:
        """What a user should know before the grid runs: sizes that real datasets cannot have."""
        found = []
        for name, dataset in self.datasets.items():
            out = [f"{n:,}" for n in sorted(self.config.sizes) if not _holds(dataset, n)]
            if out:
                held = f"{dataset.counts['training']:,} training examples"
                found.append(f"datasets.{name}: has {held}; left out: size {', '.join(out)}")
        return found

    def tuned(self, architecture: str) -> bool:
        """Tell whether an architecture's optimiser is chosen before it is trained."""
        network = isinstance(self.architectures[architecture], Network)
        return network and self.config.tune is not None

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
        return [name for name, a in known if isinstance(a, Network) and a.module]

    @property
    def content(self) -> dict[str, Any]:
        """The config as given, but for `cluster`: where a grid runs is no part of what it is."""
        return {key: value for key, value in self._given.items() if key != "cluster"}

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return Path("results") / self.config.name

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, in the order of the config; real datasets come after the grammars."""
        return tuple(
            Cell(grammar, size, data_seed, name, backend, model_seed)
            for grammar, name in itertools.product(self.grammars, self.config.architectures)
            for backend in self._backends(name)
            for size, data_seed, model_seed in self._runs(grammar, name)
        )

    def _runs(self, grammar: str, architecture: str) -> Iterator[tuple[int, int, int]]:
        """Return size, data seed and model seed of every run of an architecture on a grammar.

        A real dataset has no exact posterior, and no more examples than it has.
        """
        c, real = self.config, self.datasets.get(grammar)
        if isinstance(self.architectures[architecture], BayesOptimal):
            return iter([] if real else [(0, 0, 0)])
        sizes = [size for size in sorted(c.sizes) if real is None or _holds(real, size)]
        return itertools.product(sizes, c.data_seeds, self._model_seeds(architecture))

    def _backends(self, architecture: str) -> tuple[str, ...]:
        resolved = self.architectures[architecture]
        return self.config.backends if isinstance(resolved, Network) else (resolved.backend,)

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
                further = len(more) * self.estimate("train", more[0]).seconds / 60
                alone = self.config.adaptive is not None  # which sizes follow is not known yet
                too_long = alone or minutes + further > self.config.pack.minutes_per_job
                if held and (too_long or len(held) + len(more) > _MOST_LINES):
                    _add_pack(packs, f"{grammar}/{name}/{backend}", held, minutes)
                    held, minutes = [], 0.0
                held += more
                minutes += further
            _add_pack(packs, f"{grammar}/{name}/{backend}", held, minutes)
        return packs

    def estimate(self, stage: str, cell: Cell) -> cost.Cost:
        """Estimate what a stage of a cell takes on one CPU core."""
        architecture, grammar = self.architectures[cell.architecture], self.grammars[cell.grammar]
        network = self.network_sizes[cell.grammar, cell.architecture]
        if stage == "train":
            alone = cost.training(architecture, grammar, cell.size, network)
            together = self.config.train.stack if isinstance(architecture, Network) else 1
            return alone._replace(mib=together * alone.mib)
        if stage == "tune":
            plan = self.config.tune
            assert isinstance(architecture, Network) and plan is not None
            return cost.tuning(architecture, grammar, cell.size, plan, network)
        if stage == "evaluate":
            return cost.evaluation(architecture, grammar, self.test_examples(cell.grammar), network)
        return cost.attribution(architecture, grammar, self.config.attribution, network)

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
        if grammar in self.datasets:
            return self.datasets[grammar].folder
        return self.folder / "data" / grammar / "test"

    def test_examples(self, grammar: str) -> int:
        """Return how many test examples models are evaluated on: of a real dataset as many as it has."""
        wanted, real = self.config.test.examples, self.datasets.get(grammar)
        return min(wanted, real.counts["test"]) if real else wanted

    def maker(self, grammar: str) -> str:
        """Return the stage that makes the datasets of a grammar, or of a real dataset."""
        return "subsample" if grammar in self.datasets else "simulate"

    def grammar_file(self, grammar: str) -> Path:
        """Return the file to simulate from: the variant's own where the config changes it."""
        if self.config.grammars[grammar]:
            return self.folder / "grammars" / f"{grammar}.yaml"
        return self.grammar_files[grammar]

    def architecture_file(self, architecture: str) -> str:
        """Return what to train: a file, or a descriptor."""
        if self.config.architectures[architecture]:
            return str(self.folder / "architectures" / f"{architecture}.yaml")
        return self.architecture_base(architecture)

    def grammar_inputs(self, grammar: str) -> list[str]:
        """Return the files whose change can change a grammar: its own and those it reads.

        Of a real dataset, the file that identifies it.
        """
        if grammar in self.datasets:
            return [str(self.datasets[grammar].folder / RUN_FILE)]
        return [str(self.grammar_file(grammar)), *self.files_read(grammar)]

    def files_read(self, grammar: str) -> list[str]:
        """Return the files that a grammar, with the config's changes, reads: motifs, tables, FASTA."""
        file = self.grammar_files[grammar]
        content = merge(read_yaml(file), self.config.grammars[grammar])
        return sorted(str(file.parent / name) for name in files_named(content))

    def architecture_inputs(self, architecture: str) -> list[str]:
        """Return the files that an architecture is trained from; none for a plain descriptor."""
        return _files(self.architecture_file(architecture)) + self._modules(architecture)

    def _modules(self, architecture: str) -> list[str]:
        network = self.architectures[architecture]
        if not isinstance(network, Network) or not network.module:
            return []
        return [str(module_file(network, self.architecture_base(architecture)))]

    def architecture_sources(self, architecture: str) -> list[str]:
        """Return the file that a variant of an architecture changes; none for a descriptor."""
        return _files(self.architecture_base(architecture))

    def noun(self, kind: str, cell: Cell) -> Path:
        """Return the folder of a cell's noun; `kind` is models, scores or attributions."""
        return self.folder / kind / cell.path

    def variant_changes(self, kind: str, name: str) -> str:
        """Return the changes that make a variant, as JSON; `kind` is grammars or architectures."""
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


def _blocks(grammar: Grammar) -> Iterator[bool]:
    """Tell of each condition whether its elements might not fit beside one another."""
    for condition in grammar.conditions.values():
        rules = (*condition.rules, *grammar.common.rules)
        blocks = [block for rule in rules for block in blocks_of(rule) * highest(rule.copies)]
        yield len(blocks) > 1 or any(len(block.slots) > 2 for block in blocks)


def _holds(dataset: Dataset, size: int) -> bool:
    """Tell whether a real dataset has the training and validation examples of a size."""
    wanted = split_size(size)
    return all(wanted[name] <= dataset.counts[name] for name in ("training", "validation"))


def _files(name: str) -> list[str]:
    return [name] if name.endswith((".yaml", ".yml")) else []


def _add_pack(packs: dict[str, Pack], prefix: str, cells: list[Cell], minutes: float) -> None:
    name = f"{prefix}/n{cells[0].size}"
    packs[name] = Pack(name, tuple(cells), minutes)
