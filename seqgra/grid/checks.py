"""What the parts of a config can get wrong with one another; every function yields all it finds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.custom import Sizes, custom_code
from seqgra.architecture.schema import Architecture, Baseline, BayesOptimal, Network
from seqgra.architecture.shapes import check_features, check_fit
from seqgra.errors import InputError, Problem
from seqgra.grammar.schema import Grammar
from seqgra.grid.config import GridConfig
from seqgra.model import NETWORK_BACKENDS, backend_module
from seqgra.training import engine_used
from seqgra.yamlfile import suggest


class Parts(Protocol):
    """A config whose grammars, datasets and architectures are read, as `grid.Grid` has them."""

    file: str
    config: GridConfig
    architectures: dict[str, Architecture]
    trial: bool

    @property
    def grammars(self) -> dict[str, Grammar]:
        """The grammar of each source of examples."""

    def custom(self) -> list[str]:
        """Return the names of architectures that are code of the user's."""


def problems(grid: Parts) -> Iterator[Problem]:
    """Yield every problem of a config whose grammars, datasets and architectures are read."""
    yield from _shape_problems(grid)
    yield from _other_problems(grid)


def _shape_problems(grid: Parts) -> Iterator[Problem]:
    """Every network must fit every window, and code of the user's own must do what it should."""
    tried: set[tuple[object, ...]] = set()
    for (name, found), (grammar_name, grammar) in itertools.product(
        grid.architectures.items(), grid.grammars.items()
    ):
        file = f"{grid.file}: architectures.{name}"
        setting = (grammar.alphabet, grammar.longest, grammar.task)
        kind = (name, *setting, len(grammar.conditions))
        try:
            if isinstance(found, Network):
                check_fit(found, *setting, file, found.backends(grid.config.backends))
            elif isinstance(found, Baseline):
                check_features(found, *setting[:2], file)
            if kind not in tried:
                tried.add(kind)
                _try_own(grid, found, grammar, file)
        except InputError as error:
            for problem in error.problems:
                yield problem._replace(message=f"{problem.message}, grammar {grammar_name}")


def _try_own(grid: Parts, found: Architecture, grammar: Grammar, file: str) -> None:
    """Run code of the user's own on a few sequences, where the config allows it."""
    allowed = grid.trial and grid.config.train.allow_custom_code
    if isinstance(found, BayesOptimal) or not found.own_names or not allowed:
        return
    with custom_code(True):
        if isinstance(found, Baseline):
            from seqgra.backends import sklearn
            from seqgra.backends.features import BaselineCard

            card = BaselineCard(
                architecture=found.model_dump(mode="json"),
                alphabet=grammar.alphabet,
                window=grammar.longest,
                conditions=tuple(grammar.conditions),
                task=grammar.task,
            )
            sklearn.try_own(found, card, file)
            return
        letters = len(ALPHABETS[grammar.alphabet].letters)
        sizes = Sizes(letters, grammar.longest, len(grammar.conditions))
        for backend in found.backends(grid.config.backends):
            if backend not in NETWORK_BACKENDS:
                continue  # said elsewhere
            module = backend_module(backend)
            module.prepare_process(grid.config.train.threads)
            module.try_custom(found, sizes, file)


def _other_problems(grid: Parts) -> Iterator[Problem]:
    at, sizes = grid.config.at, grid.config.sizes
    if at is not None and not min(sizes) <= at <= max(sizes):
        message = f"is {at}; expected a size within the grid's, {min(sizes)} to {max(sizes)}"
        yield Problem(grid.file, "at", message)
    for number, plan in enumerate(grid.config.attribution.methods):
        for option, message in plan.problems():
            place = f"attribution.methods[{number}]"
            yield Problem(grid.file, f"{place}.{option}" if option else place, message)
    for key, chosen in (("probe", grid.config.probe), ("attribution", grid.config.attribution)):
        named = chosen.sizes if chosen else ()
        for size in sorted({each for each in named if isinstance(each, int)} - set(sizes)):
            message = f"holds {size}, which is none of the grid's sizes"
            yield Problem(grid.file, f"{key}.sizes", message)
    alone = all(
        isinstance(grid.architectures.get(a), BayesOptimal) for a in grid.config.architectures
    )
    if alone and not grid.config.grammars:
        message = "has no cell: real datasets have no exact posterior; add a network or a baseline"
        yield Problem(grid.file, "architectures", message)
    yield from _tune_problems(grid)
    yield from _engine_problems(grid)
    exact = [name for name, a in grid.architectures.items() if isinstance(a, BayesOptimal)]
    if len(exact) > 1:
        message = f"has {len(exact)} exact posteriors, {', '.join(exact)}; a grid has one ceiling, keep one"
        yield Problem(grid.file, "architectures", message)
    if grid.config.adaptive is not None and not exact:
        message = "needs the ceiling; add bayes-optimal to architectures"
        yield Problem(grid.file, "adaptive", message)
    for name in grid.custom() if not grid.config.train.allow_custom_code else ():
        message = "runs code of your own; allow it with train.allow_custom_code: true"
        architecture = grid.architectures[name]
        assert not isinstance(architecture, BayesOptimal)
        yield Problem(grid.file, f"architectures.{name}.{min(architecture.own_names)}", message)
    for backend in grid.config.backends:
        if backend not in NETWORK_BACKENDS:
            advice = suggest(backend, list(NETWORK_BACKENDS))
            message = f"{backend!r} is no backend of networks; {advice}"
            yield Problem(grid.file, "backends", message)


def _engine_problems(grid: Parts) -> Iterator[Problem]:
    """The engine must be defined for all that it is to train; an architecture's first misfit is said."""
    plan, tune = grid.config.train, grid.config.tune
    for name, network in grid.architectures.items():
        if not isinstance(network, Network):
            continue
        trained = [(name, network)]
        if tune is not None:
            trained = [
                (
                    f"{name} with {type(optimizer.settings).__name__}",
                    network.with_optimizer(optimizer),
                )
                for optimizer in network.tune or tune.candidates
            ]
        known = [b for b in network.backends(grid.config.backends) if b in NETWORK_BACKENDS]
        try:
            for backend, (what, each) in itertools.product(known, trained):
                engine_used(each, what, backend, plan.engine, plan.device)
        except InputError as error:
            for problem in error.problems:
                message = f"{plan.engine} {problem.message.replace('--', '')}"
                yield Problem(grid.file, "train.engine", message)


def _tune_problems(grid: Parts) -> Iterator[Problem]:
    if grid.config.tune is None:
        return
    if grid.config.tune.seed in grid.config.data_seeds:
        message = f"is {grid.config.tune.seed}, one of data_seeds; choose one used for nothing else"
        yield Problem(grid.file, "tune.seed", message)
    counts = {
        name: grid.config.tune.trials(network)
        for name, network in grid.architectures.items()
        if isinstance(network, Network)
    }
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        message = f"networks have different numbers of candidates ({listed}); give all the same"
        yield Problem(grid.file, "tune", message)
