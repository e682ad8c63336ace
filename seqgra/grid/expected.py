"""What the results of a grid are to be made from; those that an earlier grid left were made from others."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from seqgra.architecture.load import architecture_fingerprint, untuned_fingerprint
from seqgra.architecture.optimizers import Optimizer
from seqgra.architecture.schema import BayesOptimal, Network
from seqgra.attribute import attribution_options
from seqgra.compare.cells import Inputs, Options
from seqgra.errors import InputError
from seqgra.evaluate import scores_options
from seqgra.fingerprint import read_run
from seqgra.grid import EXACT, Cell, Grid
from seqgra.probe import constructed_identity
from seqgra.results import read_tuning
from seqgra.simulate import dataset_identity
from seqgra.subsample import subsample_identity
from seqgra.train import model_options
from seqgra.training import Options as TrainingOptions
from seqgra.training import engine_used
from seqgra.tune import tuning_engine, tuning_options

log = logging.getLogger(__name__)

#: The architecture of a model whose tuning was made from something else: none is right.
_TUNED_OTHERWISE = "tuned otherwise"


class Expected:
    """What the results of each cell of a grid are to be made from, each fingerprint computed once."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._dataset = cache(self._find_dataset)
        self._architecture = cache(self._find_architecture)
        self._chosen: dict[Path, Optimizer] = {}

    def inputs(self, cell: Cell) -> Inputs:
        """Return the fingerprints of what a cell's results are made from."""
        test = self._dataset(cell.grammar, None)
        exact = isinstance(self._grid.architectures[cell.architecture], BayesOptimal)
        dataset = test if exact else self._dataset(cell.grammar, cell.data_seed)
        size = cell.size if self._grid.tuned(cell.architecture) else 0
        place = cell._replace(size=size, data_seed=0, model_seed=0)
        constructed = ""
        if (plan := self._grid.config.probe) and self._grid.probed(cell):
            grammar = self._grid.resolved.source(cell.grammar)
            constructed = constructed_identity(grammar, plan.seed).fingerprint
        return Inputs(dataset, self._architecture(place), test, constructed)

    def options(self, cell: Cell) -> Options:
        """Return the options that a cell's results are made with."""
        grid, plan = self._grid, self._grid.config.attribution
        exact, threads = cell.backend == EXACT, grid.config.train.threads
        size = None if exact else cell.size
        model = model_options(
            cell.backend,
            size,
            cell.model_seed,
            threads,
            seeds=grid.config.seeds,
            engine=self._engine(cell),
        )
        tested = ("test", grid.test_examples(cell.grammar))
        attributions = {
            method.name: attribution_options(
                method.kind,
                plan.examples,
                plan.settings_of(method),
                *tested,
                correct=method.correct,
                untrained=method.untrained,
            )
            for method in plan.methods
        }
        return Options(model, scores_options(*tested), attributions)

    def _engine(self, cell: Cell) -> str:
        """Return the engine that trains a cell's network, with the optimiser that was chosen for it."""
        network, plan = self._grid.architectures[cell.architecture], self._grid.config.train
        if not isinstance(network, Network):
            return ""
        if self._grid.tuned(cell.architecture):
            folder = self._grid.tuning(cell)
            if folder not in self._chosen:
                self._chosen[folder] = self._find_optimizer(folder, network)
            network = network.with_optimizer(self._chosen[folder])
        return engine_used(network, cell.architecture, cell.backend, plan.engine, plan.device)

    def _find_optimizer(self, tuning: Path, network: Network) -> Optimizer:
        """Return what a tuning chose; the network's own while there is no tuning that can be read."""
        try:
            return read_tuning(tuning).optimizer if read_run(tuning) else network.optimizer
        except InputError:  # `_find_architecture` says so
            return network.optimizer

    def _find_dataset(self, name: str, seed: int | None) -> str:
        """Return the fingerprint of the dataset of a data seed; None: of the test set."""
        whole = self._grid.resolved.source(name)
        if not self._grid.sources[name].simulated:
            sets = ("training", "validation")
            return whole if seed is None else subsample_identity(whole, seed, sets).fingerprint
        seed = self._grid.config.test.seed if seed is None else seed
        return dataset_identity(whole, seed).fingerprint

    def _find_architecture(self, cell: Cell) -> str:
        network = self._grid.architectures[cell.architecture]
        if not isinstance(network, Network) or not self._grid.tuned(cell.architecture):
            return architecture_fingerprint(network)
        plan, folder = self._grid.config.tune, self._grid.tuning(cell)
        assert plan is not None
        made_from = {
            "dataset": self._dataset(cell.grammar, plan.seed),
            "architecture": untuned_fingerprint(network),
        }
        if (run := read_run(folder)) is None:
            return ""
        config = self._grid.config
        asked = config.train
        tried = network.model_copy(update={"tune": network.tune or plan.candidates})
        engine = tuning_engine(tried, cell.architecture, cell.backend, asked.engine, asked.device)
        how = TrainingOptions(0, asked.device, asked.threads, config.seeds, engine)
        options = tuning_options(cell.backend, cell.size, how, plan.epochs, tried.tune)
        if run["inputs"] != made_from or run["options"] != options:
            return _TUNED_OTHERWISE
        try:
            return architecture_fingerprint(network.with_optimizer(read_tuning(folder).optimizer))
        except InputError as error:
            log.warning("%s; not compared with the models tuned by it", error)
            return ""
