"""What a backend gets to train on, and what it gives back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from seqgra.dataset import Dataset
from seqgra.model import AbstractModel


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


def constant_loss(training_y: np.ndarray, validation_y: np.ndarray, conditions: int) -> float:
    """Return the validation loss (nats) of the predictor that always says the training shares.

    A model that is not 1 % better has collapsed: it learnt nothing that carries over.

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
            f"validation loss {best_loss:.4f} is not 1 % below the constant predictor's {constant:.4f}"
        )
    return "done", ""
