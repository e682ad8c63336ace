"""Verb train: dataset + architecture -> model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seqgra.architecture.load import (
    architecture_fingerprint,
    load_architecture,
    untuned_fingerprint,
)
from seqgra.architecture.schema import Architecture, BayesOptimal, Network
from seqgra.dataset import Dataset, largest_size, open_dataset
from seqgra.errors import bad_input
from seqgra.fingerprint import RESULTS_VERSIONS, Identity, claim, require_run
from seqgra.model import backend_module
from seqgra.results import read_tuning
from seqgra.streams import stream
from seqgra.training import (
    Options,
    Trained,
    TrainingData,
    fit_temperature,
    ready_network,
    training_data,
    write_history,
)

#: Examples predicted at a time.
_BATCH = 1024


def train(
    dataset: Path,
    architecture: str,
    folder: Path,
    *,
    size: int | None,
    seed: int,
    backend: str = "pytorch",
    device: str = "auto",
    threads: int = 1,
    tuned: Path | None = None,
    permute_labels: bool = False,
) -> str:
    """Train one model on the first examples of a dataset's training and validation sets.

    An interrupted training goes on from its last checkpoint and ends like an unbroken one.

    Parameters
    ----------
    dataset
        Folder with sets training and validation, at least as large as `size` asks.
    architecture
        File, name or descriptor.
    folder
        The model.
    size
        Dataset size n: 70 % training, 10 % validation. The exact posterior has neither size nor seed; None
        takes all real examples.
    seed
        Model seed.
    backend
        ``pytorch`` or ``tensorflow``; an architecture file that names its own backend overrides this.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        CPU threads; their number can change the last bits of a model.
    tuned
        Folder that ``seqgra tune`` made of this architecture: what it chose replaces the optimiser.
    permute_labels
        Train on labels that are dealt out to the examples of each set at random: a null for recovery.

    Returns
    -------
    str
        ``done``, ``collapsed``, ``diverged`` or ``up to date``.

    Raises
    ------
    InputError
        If an input is wrong or missing.
    """
    resolved = load_architecture(architecture)
    if not isinstance(resolved, Network):
        backend = resolved.backend
    exact = isinstance(resolved, BayesOptimal)
    opened = open_dataset(dataset)
    if size is None and not exact:
        if opened.simulated:
            raise bad_input("--size", "", "is missing; say how many examples to train on")
        size = largest_size(opened.counts)
    if exact and permute_labels:
        raise bad_input("--permute-labels", "", f"is for what is trained; {architecture} is not")
    options: dict[str, Any] = {"size": size, "seed": seed, "threads": threads}
    if permute_labels:
        options["permute_labels"] = True
    facts: dict[str, Any] = {"threads": threads}
    if isinstance(resolved, Network):
        resolved = ready_network(resolved, architecture, backend, opened)
    if tuned:
        resolved, facts["tuned"] = _tuned(resolved, architecture, opened, tuned)
    identity = Identity(
        "train",
        RESULTS_VERSIONS["train"],
        {"dataset": opened.fingerprint, "architecture": architecture_fingerprint(resolved)},
        {"backend": backend} if exact else {"backend": backend, **options},
    )
    with claim(folder, identity) as draft:
        if draft.previous:
            return "up to date"
        data = _training_data(opened, size or 0, exact)
        data = _permuted(data, seed) if permute_labels else data
        module = backend_module(backend)
        trained: Trained = module.fit(resolved, data, Options(seed, device, threads), draft)
        module.save(trained.model, draft)
        write_history(draft, trained.history)
        temperature = _temperature(trained, data)
        outcome: dict[str, Any] = {"temperature": temperature, "reason": trained.reason}
        draft.publish(trained.status, **trained.facts, **facts, **outcome)
    return trained.status


def _tuned(
    architecture: Architecture, name: str, dataset: Dataset, folder: Path
) -> tuple[Network, dict[str, Any]]:
    """Return the network with the optimiser that was chosen, and what to say of the choice."""
    if not isinstance(architecture, Network):
        raise bad_input("--tuned", "", f"is for networks; {name} has no optimiser")
    run, tuning = require_run(folder, "tune"), read_tuning(folder)
    if run["inputs"]["architecture"] != untuned_fingerprint(architecture):
        message = f"was made for another architecture than {name}; run seqgra tune on this one"
        raise bad_input(folder, "", message)
    if run["inputs"]["dataset"] == dataset.fingerprint:
        message = f"was tuned on {dataset.folder} itself; train on the dataset of another data seed"
        raise bad_input(folder, "", message)
    return architecture.with_optimizer(tuning.optimizer), tuning.as_json()


def _training_data(dataset: Dataset, size: int, exact: bool) -> TrainingData:
    if exact:  # knows the law, and reads no example
        none, labels = np.zeros((0, dataset.window), np.uint8), np.zeros(0, np.int64)
        return TrainingData(none, labels, none, labels, dataset)
    return training_data(dataset, size)


def _permuted(data: TrainingData, seed: int) -> TrainingData:
    """Return the same examples, the labels of each set in an order that the model seed decides."""

    def order(name: str, count: int) -> np.ndarray:
        return np.random.Generator(stream(seed, "permuted labels", name, 0)).permutation(count)

    training = np.asarray(data.y)[order("training", len(data.y))]
    validation = np.asarray(data.validation_y)[order("validation", len(data.validation_y))]
    return data._replace(y=training, validation_y=validation)


def _temperature(trained: Trained, data: TrainingData) -> float | None:
    """Return the temperature of the validation set; None without one, or after divergence."""
    if trained.status == "diverged" or not len(data.validation_x):
        return None
    x = data.validation_x
    parts = [trained.model.logits(np.array(x[i : i + _BATCH])) for i in range(0, len(x), _BATCH)]
    return fit_temperature(np.concatenate(parts), np.asarray(data.validation_y), data.task)
