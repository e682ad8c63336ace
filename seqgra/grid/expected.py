"""What the results of a grid are to be made from; those that an earlier grid left were made from others."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from seqgra.architecture.load import architecture_fingerprint, untuned_fingerprint
from seqgra.architecture.optimizers import Optimizer
from seqgra.architecture.schema import BayesOptimal, Network
from seqgra.errors import InputError
from seqgra.fingerprint import read_run
from seqgra.grid import Cell, Grid
from seqgra.results import read_tuning
from seqgra.simulate import dataset_identity
from seqgra.subsample import subsample_identity
from seqgra.training import TrainingOptions
from seqgra.tune import tuning_engine, tuning_options

log = logging.getLogger(__name__)

#: The architecture of a model whose tuning was made from something else: none is right.
_TUNED_OTHERWISE = "tuned otherwise"


class Expected:
    """Fingerprints and engines that the results of each cell of a grid are to be made with, each found once.

    What of it a stage's results are made from, and with which options, stands in `seqgra.grid.stages`.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._dataset = cache(self._find_dataset)
        self._architecture = cache(self._find_architecture)
        self._chosen: dict[Path, Optimizer] = {}

    def dataset(self, cell: Cell) -> str:
        """Return the fingerprint of what a model is trained on; the exact posterior reads the test set."""
        exact = isinstance(self.grid.architectures[cell.architecture], BayesOptimal)
        return self._dataset(cell.grammar, None if exact else cell.data_seed)

    def test_set(self, cell: Cell) -> str:
        """Return the fingerprint of the dataset that a cell's model is looked at with."""
        return self._dataset(cell.grammar, None)

    def architecture(self, cell: Cell) -> str:
        """Return the fingerprint of a cell's architecture; empty while its tuning is not whole."""
        size = cell.size if self.grid.tuned(cell.architecture) else 0
        return self._architecture(cell._replace(size=size, data_seed=0, model_seed=0))

    def is_tuned(self, cell: Cell) -> bool:
        """Return whether the tuning of a cell is there, and made from what the grid says."""
        return self.architecture(cell) not in ("", _TUNED_OTHERWISE)

    def engine(self, cell: Cell) -> str:
        """Return the engine that trains a cell's network, with the optimiser that was chosen for it."""
        network = self.grid.architectures[cell.architecture]
        if not isinstance(network, Network):
            return ""
        if self.grid.tuned(cell.architecture):
            folder = self.grid.tuning(cell)
            if folder not in self._chosen:
                self._chosen[folder] = self._find_optimizer(folder, network)
            network = network.with_optimizer(self._chosen[folder])
        return self.grid.engine(network, cell)

    def _find_optimizer(self, tuning: Path, network: Network) -> Optimizer:
        """Return what a tuning chose; the network's own while there is no tuning that can be read."""
        try:
            return read_tuning(tuning).optimizer if read_run(tuning) else network.optimizer
        except InputError:  # `_find_architecture` says so
            return network.optimizer

    def _find_dataset(self, name: str, seed: int | None) -> str:
        """Return the fingerprint of the dataset of a data seed; None: of the test set."""
        whole = self.grid.resolved.source(name)
        if not self.grid.sources[name].simulated:
            sets = ("training", "validation")
            return whole if seed is None else subsample_identity(whole, seed, sets).fingerprint
        seed = self.grid.config.test.seed if seed is None else seed
        return dataset_identity(whole, seed).fingerprint

    def _find_architecture(self, cell: Cell) -> str:
        network = self.grid.architectures[cell.architecture]
        if not isinstance(network, Network) or not self.grid.tuned(cell.architecture):
            return architecture_fingerprint(network)
        plan, folder = self.grid.config.tune, self.grid.tuning(cell)
        assert plan is not None
        made_from = {
            "dataset": self._dataset(cell.grammar, plan.seed),
            "architecture": untuned_fingerprint(network),
        }
        if (run := read_run(folder)) is None:
            return ""
        config = self.grid.config
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
