"""Verb train: dataset + architecture -> model folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqgra.architecture.load import architecture_fingerprint, load_architecture
from seqgra.architecture.schema import Baseline
from seqgra.dataset import Dataset, open_dataset, split_size
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Identity, claim, require_run
from seqgra.model import NETWORK_BACKENDS, AbstractModel, backend_module

#: Raised whenever the same inputs would give another model.
TRAIN_VERSION = 1


class TrainingData(NamedTuple):
    """What a backend may see of a dataset.

    Attributes
    ----------
    x, validation_x
        uint8 (N, L): letter codes, memory-mapped.
    y, validation_y
        int64 (N,): number of the condition.
    dataset
        For names and, in informed baselines, the grammar's elements.
    """

    x: np.ndarray
    y: np.ndarray
    validation_x: np.ndarray
    validation_y: np.ndarray
    dataset: Dataset


class Options(NamedTuple):
    """How to train: model seed, device (auto, cpu, cuda) and CPU threads."""

    seed: int
    device: str
    threads: int


class Trained(NamedTuple):
    """What a backend returns.

    Attributes
    ----------
    model
        With the best weights.
    history
        One row an epoch: epoch, training_loss, validation_loss, validation_accuracy, seconds.
    status, reason
        ``done``, ``collapsed`` or ``diverged``, and why.
    facts
        What else goes into ``run.json``: parameters, epochs, best_epoch, device.
    """

    model: AbstractModel
    history: list[dict[str, float]]
    status: str
    reason: str
    facts: dict[str, Any]


def train(
    dataset: Path,
    architecture: str,
    folder: Path,
    *,
    size: int,
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
        Dataset size n: 70 % training, 10 % validation.
    seed
        Model seed.
    backend
        ``pytorch``; an architecture file that names its own backend overrides this.
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
    if isinstance(resolved, Baseline):
        backend = resolved.backend
    elif backend not in NETWORK_BACKENDS:
        message = f"no such backend of networks; choose from {', '.join(NETWORK_BACKENDS)}"
        raise bad_input(f"--backend {backend}", "", message)
    run = require_run(dataset, "simulate")
    identity = Identity(
        "train",
        TRAIN_VERSION,
        {"dataset": run["fingerprint"], "architecture": architecture_fingerprint(resolved)},
        {"backend": backend, "size": size, "seed": seed, "threads": threads},
    )
    with claim(folder, identity) as draft:
        if draft.previous:
            return "up to date"
        data = _training_data(open_dataset(dataset), size)
        module = backend_module(backend)
        trained: Trained = module.fit(resolved, data, Options(seed, device, threads), draft)
        module.save(trained.model, draft)
        _write_history(draft, trained.history)
        facts: Mapping[str, Any] = {**trained.facts, "threads": threads, "reason": trained.reason}
        draft.publish(trained.status, **facts)
    return trained.status


def _training_data(dataset: Dataset, size: int) -> TrainingData:
    counts = split_size(size)
    if counts["validation"] < 1:
        raise bad_input("--size", "", f"is {size}; at least 10 examples are needed")
    dataset.verify("training", "validation")
    return TrainingData(
        dataset.x("training", counts["training"]),
        dataset.y("training", counts["training"]).argmax(axis=1),
        dataset.x("validation", counts["validation"]),
        dataset.y("validation", counts["validation"]).argmax(axis=1),
        dataset,
    )


def _write_history(draft: Draft, history: list[dict[str, float]]) -> None:
    with draft.aside("history.csv").open("w", newline="") as stream:
        columns = ["epoch", "training_loss", "validation_loss", "validation_accuracy", "seconds"]
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def constant_loss(training_y: np.ndarray, validation_y: np.ndarray, conditions: int) -> float:
    """Return the validation loss (nats) of the predictor that always says the training shares.

    A model within 1 % of it has collapsed: it learnt nothing that carries over.

    >>> round(constant_loss(np.array([0, 1, 0, 1]), np.array([0, 1]), 2), 4)
    0.6931
    """
    shares = (np.bincount(training_y, minlength=conditions) + 0.5) / (
        len(training_y) + conditions / 2
    )
    return float(-np.log(shares[validation_y]).mean())


def outcome(best_loss: float, constant: float) -> tuple[str, str]:
    """Return the status of a finished training and its reason."""
    if best_loss >= 0.99 * constant:
        return "collapsed", (
            f"validation loss {best_loss:.4f} is within 1 % of the constant predictor's {constant:.4f}"
        )
    return "done", ""
