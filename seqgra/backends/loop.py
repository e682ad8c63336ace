"""The loop around epochs that all networks share: early stopping, checkpoints, exact resume."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_arrays

from seqgra.architecture.schema import Network
from seqgra.fingerprint import Draft
from seqgra.progress import Progress
from seqgra.training import (
    TrainingData,
    badness,
    balanced_weights,
    constant_loss,
    outcome,
    validation_row,
)

log = logging.getLogger(__name__)

_CHECKPOINT_SECONDS = 5.0
Arrays = dict[str, np.ndarray]


class Trainee(ABC):
    """A network in training, as the loop sees it; all randomness of an epoch follows from its number.

    Attributes
    ----------
    device
        Kind of device (cpu, cuda), since bits differ between them.
    """

    device: str

    @abstractmethod
    def train_epoch(self, epoch: int, rate: float) -> float:
        """Train one epoch at a learning rate; return the mean training loss (nats)."""

    @abstractmethod
    def validation_logits(self) -> np.ndarray:
        """Return float32 (N, C) logits of the validation set."""

    @abstractmethod
    def weights(self) -> Arrays:
        """Return copies of everything that predictions depend on."""

    @abstractmethod
    def optimizer_state(self) -> Arrays:
        """Return copies of what the optimiser remembers."""

    @abstractmethod
    def restore(self, weights: Arrays, optimizer_state: Arrays | None = None) -> None:
        """Take over weights, and what the optimiser remembers if given."""


@dataclass
class State:
    """How far a training has come."""

    epoch: int = 0
    best: float = math.inf
    best_epoch: int = 0
    best_weights: Arrays = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    def keep_best(self, value: float, trainee: Trainee) -> None:
        """Remember the weights of the best epoch so far."""
        if value < self.best:
            self.best, self.best_epoch = value, self.epoch
            self.best_weights = trainee.weights()

    def save(self, trainee: Trainee, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        parts = {
            "weights": trainee.weights(),
            "optimizer": trainee.optimizer_state(),
            "best": self.best_weights,
        }
        arrays = {f"{part}/{k}": v for part, values in parts.items() for k, v in values.items()}
        scalars = {name: getattr(self, name) for name in ("epoch", "best", "best_epoch", "history")}
        text = json.dumps({**scalars, "device": trainee.device})
        _write(path, save_arrays(arrays, metadata={"state": text}))

    def load(self, trainee: Trainee, path: Path) -> None:
        """Continue from a checkpoint.

        Raises
        ------
        ValueError
            If it was written on another kind of device, whose bits differ.
        """
        parts: dict[str, Arrays] = {"weights": {}, "optimizer": {}, "best": {}}
        with safe_open(path, framework="numpy") as file:
            content = json.loads((file.metadata() or {})["state"])
            for name in file.keys():  # noqa: SIM118 (not a mapping)
                part, _, rest = name.partition("/")
                parts[part][rest] = file.get_tensor(name)
        if content["device"] != trainee.device:
            raise ValueError(f"was written on {content['device']}")
        trainee.restore(parts["weights"], parts["optimizer"])
        self.best_weights = parts["best"]
        self.epoch, self.best, self.best_epoch = (
            content[k] for k in ("epoch", "best", "best_epoch")
        )
        self.history = content["history"]


def _write(path: Path, content: bytes) -> None:
    aside = path.with_name(path.name + ".partial")
    aside.write_bytes(content)
    aside.replace(path)


def run(
    trainee: Trainee, network: Network, data: TrainingData, draft: Draft
) -> tuple[State, str, str, dict[str, Any]]:
    """Train until the monitored metric has not improved for `patience` epochs.

    Returns
    -------
    (State, str, str, dict)
        How it went, the status, its reason, and facts for ``run.json``. The trainee holds the best
        epoch's weights.
    """
    state = State()
    _resume(state, trainee, draft)
    reason = _epochs(state, trainee, network, data, draft)
    if state.best_weights:
        trainee.restore(state.best_weights)
    weights = loss_weights(network, data)
    constant = constant_loss(data.y, data.validation_y, data.task, weights)
    losses = [row["validation_loss"] for row in state.history]
    finite = [loss for loss in losses if math.isfinite(loss)]
    status, why = ("diverged", reason) if reason else outcome(min(losses), constant)
    facts = {
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "best_validation_loss": min(finite) if finite else None,
        "constant_loss": constant,
    }
    return state, status, why, facts


def loss_weights(network: Network, data: TrainingData) -> np.ndarray | None:
    """Return the weights of conditions in the loss, float32 (C,), or None for ones."""
    if network.training.class_weights == "none":
        return None
    return balanced_weights(np.asarray(data.y), data.task)


def _resume(state: State, trainee: Trainee, draft: Draft) -> None:
    """Continue from the draft's checkpoint, if there is a whole one of this device."""
    if not draft.checkpoint.exists():
        return
    try:
        state.load(trainee, draft.checkpoint)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        log.warning("%s: checkpoint %s; starting anew", draft.folder, error)
        draft.checkpoint.unlink()
        return
    log.warning("resuming %s after epoch %d", draft.folder, state.epoch)


def _epochs(
    state: State, trainee: Trainee, network: Network, data: TrainingData, draft: Draft
) -> str:
    """Train epoch by epoch; return why it diverged, or nothing."""
    plan, monitor = network.training, network.training.monitor
    weights = loss_weights(network, data)
    progress = Progress(f"train {draft.folder}", plan.epochs)
    progress.advance(state.epoch)
    saved = time.monotonic()
    while state.epoch < plan.epochs and state.epoch - state.best_epoch < plan.patience:
        started = time.perf_counter()
        state.epoch += 1
        past = [badness(row, monitor) for row in state.history]
        factor = network.schedule.factor(state.epoch, plan.epochs, past)
        rate = network.optimizer.learning_rate * factor
        row = {"epoch": float(state.epoch), "learning_rate": rate}
        row["training_loss"] = trainee.train_epoch(state.epoch, rate)
        logits = trainee.validation_logits()
        row |= validation_row(logits, data.validation_y, data.task, monitor, weights)
        row["seconds"] = time.perf_counter() - started
        state.history.append(_rounded(row))
        if not math.isfinite(row["training_loss"]) or not math.isfinite(row["validation_loss"]):
            progress.close()
            return f"the loss is not a number at epoch {state.epoch}, learning rate {rate:g}"
        state.keep_best(badness(row, monitor), trainee)
        progress.advance(1, f"validation loss {row['validation_loss']:.4f}")
        if time.monotonic() - saved > _CHECKPOINT_SECONDS:
            state.save(trainee, draft.checkpoint)
            saved = time.monotonic()
    progress.close()
    return ""


def _rounded(row: Mapping[str, float]) -> dict[str, float]:
    rounded = {name: float(f"{value:.7g}") for name, value in row.items()}
    return {**rounded, "epoch": int(row["epoch"])}


def derived_seed(seed: int, purpose: str) -> int:
    """Return a seed of 56 bits for one purpose, such as the order of an epoch."""
    text = f"seqgra model {seed}|{purpose}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "little")
