"""Verb train: dataset + architecture -> model folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqgra.architecture.custom import require_permission
from seqgra.architecture.load import architecture_fingerprint, load_architecture
from seqgra.architecture.schema import BayesOptimal, Network
from seqgra.architecture.shapes import check_fit
from seqgra.dataset import Dataset, open_dataset, split_size
from seqgra.errors import bad_input
from seqgra.fingerprint import RESULTS_VERSIONS, Draft, Identity, claim
from seqgra.model import NETWORK_BACKENDS, backend_module, task_of
from seqgra.training import Options, Trained, TrainingData, fit_temperature

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
        Dataset size n: 70 % training, 10 % validation. The exact posterior has neither size nor seed.
    seed
        Model seed.
    backend
        ``pytorch`` or ``tensorflow``; an architecture file that names its own backend overrides this.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        CPU threads; their number can change the last bits of a model.

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
    elif backend not in NETWORK_BACKENDS:
        message = f"no such backend of networks; choose from {', '.join(NETWORK_BACKENDS)}"
        raise bad_input(f"--backend {backend}", "", message)
    exact = isinstance(resolved, BayesOptimal)
    if size is None and not exact:
        raise bad_input("--size", "", "is missing; say how many examples to train on")
    options = {"size": size, "seed": seed, "threads": threads}
    opened = open_dataset(dataset)
    if isinstance(resolved, Network):
        if resolved.module:
            require_permission(architecture)
        setting = (opened.alphabet.name, opened.window, task_of(opened))
        check_fit(resolved, *setting, architecture, (backend,))
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
        module = backend_module(backend)
        trained: Trained = module.fit(resolved, data, Options(seed, device, threads), draft)
        module.save(trained.model, draft)
        _write_history(draft, trained.history)
        facts: Mapping[str, Any] = {
            **trained.facts,
            "temperature": _temperature(trained, data),
            "threads": threads,
            "reason": trained.reason,
        }
        draft.publish(trained.status, **facts)
    return trained.status


def _training_data(dataset: Dataset, size: int, exact: bool) -> TrainingData:
    if exact:  # knows the law, and reads no example
        none, labels = np.zeros((0, dataset.window), np.uint8), np.zeros(0, np.int64)
        return TrainingData(none, labels, none, labels, dataset)
    counts = split_size(size)
    if counts["validation"] < 1:
        raise bad_input("--size", "", f"is {size}; at least 10 examples are needed")
    dataset.verify("training", "validation")
    return TrainingData(
        dataset.x("training", counts["training"]),
        dataset.y("training", counts["training"]),
        dataset.x("validation", counts["validation"]),
        dataset.y("validation", counts["validation"]),
        dataset,
    )


def _temperature(trained: Trained, data: TrainingData) -> float | None:
    """Return the temperature of the validation set; None without one, or after divergence."""
    if trained.status == "diverged" or not len(data.validation_x):
        return None
    x = data.validation_x
    parts = [trained.model.logits(np.array(x[i : i + _BATCH])) for i in range(0, len(x), _BATCH)]
    return fit_temperature(np.concatenate(parts), np.asarray(data.validation_y), data.task)


def _write_history(draft: Draft, history: list[dict[str, float]]) -> None:
    with draft.aside("history.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
