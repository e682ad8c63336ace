"""Verb tune: dataset + architecture -> which of its candidate optimiser settings suits best."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seqgra.architecture.load import (
    architecture_fingerprint,
    load_architecture,
    untuned_fingerprint,
)
from seqgra.architecture.optimizers import Candidates, Optimizer
from seqgra.architecture.schema import Network
from seqgra.dataset import Dataset, open_dataset
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Outcome, identity_of, make, within
from seqgra.markers import require_unchanged
from seqgra.model import trainer
from seqgra.results import Candidate, Tuning, write_tuning
from seqgra.stages.train import DEFAULTS
from seqgra.stages.tune import DEFAULTS as TRIALS
from seqgra.streams import SeedDesign
from seqgra.training import (
    Trained,
    TrainingOptions,
    engine_used,
    ready_network,
    training_data,
    write_history,
)

log = logging.getLogger(__name__)


class _Trial(NamedTuple):
    """What all candidates share."""

    network: Network
    dataset: Dataset
    size: int
    epochs: int
    backend: str
    options: TrainingOptions

    def candidate(self, optimizer: Optimizer) -> Network:
        """Return the network that tries an optimiser."""
        plan = self.network.training
        short = plan.model_copy(update={"epochs": min(plan.epochs, self.epochs)})
        return self.network.with_optimizer(optimizer).model_copy(update={"training": short})


def tune(
    dataset: Path,
    architecture: str,
    folder: Path,
    *,
    size: int,
    seed: int = DEFAULTS.seed,
    epochs: int = TRIALS.epochs,
    candidates: Candidates = TRIALS.candidates,
    backend: str = DEFAULTS.backend,
    device: str = DEFAULTS.device,
    threads: int = DEFAULTS.threads,
    seeds: SeedDesign = DEFAULTS.seeds,
    expected: str | None = None,
    engine: str = DEFAULTS.engine,
) -> str:
    """Train each candidate for a few epochs and write the one with the least validation loss.

    A finished candidate is kept, and an interrupted one goes on from its last checkpoint.

    Parameters
    ----------
    dataset
        Folder with sets training and validation, of a data seed that is used for nothing else.
    architecture
        File, name or descriptor of a network.
    folder
        Gets chosen.yaml, and the history of each candidate in candidates/.
    size
        Dataset size n: 70 % training, 10 % validation.
    seed
        Model seed of all candidates.
    epochs
        That each candidate trains at most.
    candidates
        Of an architecture whose file lists none.
    backend, device, threads, seeds, expected, engine
        As for training.

    Returns
    -------
    str
        ``done``, ``up to date``, or ``collapsed`` or ``diverged`` where the best candidate did.

    Raises
    ------
    InputError
        If an input is wrong or missing, or the architecture is no network.
    """
    network = load_architecture(architecture)
    if not isinstance(network, Network):
        raise bad_input(architecture, "", "has no optimiser; only networks are tuned")
    opened = open_dataset(dataset)
    (backend,) = network.backends((backend,))
    network = ready_network(network, architecture, backend, opened)
    found = architecture_fingerprint(network, with_candidates=True)
    require_unchanged(architecture, found, expected)
    network = network.model_copy(update={"tune": network.tune or candidates})
    tried = network.tune
    used = tuning_engine(network, architecture, backend, engine, device)
    how = TrainingOptions(seed, device, threads, seeds, used)
    trial = _Trial(network, opened, size, epochs, backend, how)
    identity = identity_of(
        "tune",
        {"dataset": opened.fingerprint, "architecture": untuned_fingerprint(network)},
        tuning_options(backend, size, trial.options, epochs, tried),
    )

    def compute(draft: Draft) -> Outcome:
        tuning = Tuning.choose([_try(trial, optimizer, folder) for optimizer in tried])
        write_tuning(tuning, draft)
        best = next(c for c in tuning.candidates if c.optimizer == tuning.optimizer)
        log.info("%s: %s", folder, best)
        return Outcome({"threads": threads}, best.status)

    return make(identity, folder, compute).status


def tuning_options(
    backend: str, size: int, options: TrainingOptions, epochs: int, candidates: Candidates
) -> dict[str, Any]:
    """Return the options of a tuning's identity; see `tune`."""
    content = [c.model_dump(mode="json", exclude_none=True) for c in candidates]
    shared = _candidate_options(backend, size, options)
    return {**shared, "epochs": epochs, "candidates": content}


def _candidate_options(backend: str, size: int, options: TrainingOptions) -> dict[str, Any]:
    """Return the options of a candidate's identity: those that can change bits."""
    settings = {name: getattr(options, name) for name in ("seed", "threads", "seeds")}
    settings |= {"engine": options.engine} if options.engine else {}
    return {"backend": backend, "size": size, **settings}


def tuning_engine(network: Network, name: str, backend: str, engine: str, device: str) -> str:
    """Return the engine that trains all candidates of a network, as `engine_used`."""
    used = {
        engine_used(network.with_optimizer(optimizer), name, backend, engine, device)
        for optimizer in network.tune
    }
    return "torch" if "torch" in used else used.pop()


def _try(trial: _Trial, optimizer: Optimizer, folder: Path) -> Candidate:
    """Train one candidate of the tuning in `folder`, or read how it did before."""
    network = trial.candidate(optimizer)
    inputs = {
        "dataset": trial.dataset.fingerprint,
        "architecture": architecture_fingerprint(network),
    }
    options = _candidate_options(trial.backend, trial.size, trial.options)
    identity = identity_of("tune", inputs, options)
    place = within(folder, "candidates", identity.fingerprint[:12])

    def compute(draft: Draft) -> Outcome:
        data = training_data(trial.dataset, trial.size)
        trained: Trained = trainer(trial.backend).fit(network, data, trial.options, draft)
        write_history(draft, trained.history)
        return Outcome({**trained.facts, "reason": trained.reason}, trained.status)

    return _candidate(optimizer, make(identity, place, compute).run)


def _candidate(optimizer: Optimizer, run: Mapping[str, Any]) -> Candidate:
    return Candidate(
        optimizer=optimizer,
        validation_loss=run["best_validation_loss"],
        epochs=run["epochs"],
        status=run["status"],
    )
