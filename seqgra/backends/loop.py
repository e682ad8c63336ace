"""The loop around epochs that all networks share: early stopping, checkpoints, exact resume."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from seqgra.architecture.schema import Network, Training
from seqgra.errors import out_of_memory
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

#: Between checkpoints; as many times longer as writing one takes seconds, times the second number.
_CHECKPOINT_SECONDS, _CHECKPOINTS_APART = 5.0, 10.0
Arrays = dict[str, np.ndarray]


class Trainee(ABC):
    """A network in training, as the loop sees it; all randomness of an epoch follows from its number."""

    #: Kind of device (cpu, cuda), since bits differ between them.
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

    def goes_on(self, plan: Training) -> bool:
        """Tell whether there are epochs left, and patience."""
        return self.epoch < plan.epochs and self.epoch - self.best_epoch < plan.patience

    def add(
        self,
        row: dict[str, float],
        logits: np.ndarray,
        network: Network,
        data: TrainingData,
        weights: Callable[[], Arrays],
        seconds: float,
    ) -> str:
        """Count one more epoch and remember its weights if it is the best; return why it diverged.

        Parameters
        ----------
        row
            Its learning rate and training loss.
        logits
            float32 (N, C) of the validation set.
        network, data
            What is trained, and on what.
        weights
            Returns copies of the weights.
        seconds
            That it took.
        """
        self.epoch += 1
        monitor = network.training.monitor
        row = {"epoch": float(self.epoch), **row}
        loss_by = loss_weights(network, data)
        row |= validation_row(logits, data.validation_y, data.task, monitor, loss_by)
        self.history.append(_rounded({**row, "seconds": seconds}))
        if not math.isfinite(row["training_loss"]) or not math.isfinite(row["validation_loss"]):
            rate = row["learning_rate"]
            return f"the loss is not a number at epoch {self.epoch}, learning rate {rate:g}"
        value = badness(row, monitor)
        if value < self.best:
            self.best, self.best_epoch, self.best_weights = value, self.epoch, weights()
        return ""

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
        arrays["state"] = np.frombuffer(text.encode(), np.uint8)
        _write(path, save_arrays(arrays))

    def load(self, trainee: Trainee, path: Path) -> None:
        """Continue from a checkpoint.

        Raises
        ------
        ValueError
            If it does not match its checksum, or was written on another kind of device, whose bits differ.
        """
        arrays = load_arrays(_read(path))
        content = json.loads(arrays.pop("state").tobytes())
        parts: dict[str, Arrays] = {"weights": {}, "optimizer": {}, "best": {}}
        for name, values in arrays.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = values
        if content["device"] != trainee.device:
            raise ValueError(f"was written on {content['device']}")
        trainee.restore(parts["weights"], parts["optimizer"])
        self.best_weights = parts["best"]
        self.epoch, self.best, self.best_epoch = (
            content[k] for k in ("epoch", "best", "best_epoch")
        )
        self.history = content["history"]


def _write(path: Path, content: bytes) -> None:
    """Write a checkpoint after its SHA-256, and wait until both are on the disk."""
    aside = path.with_name(path.name + ".partial")
    with aside.open("wb") as stream:
        stream.write(hashlib.sha256(content).digest())
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)


def _read(path: Path) -> bytes:
    """Return what `_write` wrote."""
    with path.open("rb") as stream:
        expected, content = stream.read(hashlib.sha256().digest_size), stream.read()
    if hashlib.sha256(content).digest() != expected:
        raise ValueError("does not match its checksum (damaged, or of an earlier version)")
    return content


def run(
    trainee: Trainee, network: Network, data: TrainingData, draft: Draft | None
) -> tuple[State, str, str, dict[str, Any]]:
    """Train until the monitored metric has not improved for `patience` epochs.

    Returns
    -------
    (State, str, str, dict)
        How it went, the status, its reason, and facts for ``run.json``. The trainee holds the best
        epoch's weights.
    """
    state = State()
    if draft is not None:  # a model that stays in memory has no checkpoints
        _resume(state, trainee, draft)
    reason = _epochs(state, trainee, network, data, draft)
    if state.best_weights:
        trainee.restore(state.best_weights)
    return _ended(state, network, data, reason)


def _ended(
    state: State, network: Network, data: TrainingData, reason: str
) -> tuple[State, str, str, dict[str, Any]]:
    """Return what `run` returns of a training that has ended, `reason` being why it diverged."""
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
        if out_of_memory(error):
            raise
        log.warning("%s: checkpoint %s; starting anew", draft.folder, error)
        draft.checkpoint.unlink()
        return
    log.warning("resuming %s after epoch %d", draft.folder, state.epoch)


def _epochs(
    state: State, trainee: Trainee, network: Network, data: TrainingData, draft: Draft | None
) -> str:
    """Train epoch by epoch; return why it diverged, or nothing."""
    plan, monitor = network.training, network.training.monitor
    progress = Progress(f"train {draft.folder}" if draft else "train", plan.epochs)
    progress.advance(state.epoch)
    saved, wait = time.monotonic(), _CHECKPOINT_SECONDS
    while state.goes_on(plan):
        started = time.perf_counter()
        past = [badness(row, monitor) for row in state.history]
        factor = network.schedule.factor(state.epoch + 1, plan.epochs, past)
        rate = network.optimizer.learning_rate * factor
        row = {"learning_rate": rate, "training_loss": trainee.train_epoch(state.epoch + 1, rate)}
        logits = trainee.validation_logits()
        seconds = time.perf_counter() - started
        if reason := state.add(row, logits, network, data, trainee.weights, seconds):
            progress.close()
            return reason
        progress.advance(1, f"validation loss {state.history[-1]['validation_loss']:.4f}")
        if draft and state.goes_on(plan) and time.monotonic() - saved > wait:
            began = time.monotonic()
            state.save(trainee, draft.checkpoint)
            saved = time.monotonic()
            wait = _CHECKPOINT_SECONDS * max(1.0, _CHECKPOINTS_APART * (saved - began))
    progress.close()
    return ""


def _rounded(row: Mapping[str, float]) -> dict[str, float]:
    rounded = {name: float(f"{value:.7g}") for name, value in row.items()}
    return {**rounded, "epoch": int(row["epoch"])}


def derived_seed(source: str, purpose: str) -> int:
    """Return a seed of 56 bits for one purpose, such as the order of an epoch.

    Parameters
    ----------
    source
        From `seqgra.training.Options.source`.
    purpose
        What the random numbers are for.
    """
    text = f"seqgra model {source}|{purpose}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "little")
