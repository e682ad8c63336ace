"""Training loop of the PyTorch backend: early stopping, best weights, checkpoints, exact resume."""

from __future__ import annotations

import hashlib
import logging
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import nn

from seqgra.architecture.schema import Network, Optimizer
from seqgra.backends.pytorch import (
    OneHot,
    PytorchModel,
    build_from_recipe,
    choose_device,
    make_deterministic,
)
from seqgra.fingerprint import Draft
from seqgra.progress import Progress
from seqgra.training import Options, Trained, TrainingData, constant_loss, outcome

log = logging.getLogger(__name__)

_CHECKPOINT_SECONDS = 5.0
_VALIDATION_BATCH = 512


@dataclass
class State:
    """Everything that a checkpoint must hold to go on as if nothing had happened."""

    module: nn.Sequential
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        aside = path.with_name(path.name + ".partial")
        content = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": self.epoch,
            "best_loss": self.best_loss,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "history": self.history,
            "device": device_type(self.module),
        }
        torch.save(content, aside)
        aside.replace(path)

    def restore(self, path: Path, device: torch.device) -> None:
        """Continue from a checkpoint.

        Raises
        ------
        ValueError
            If it was written on another kind of device, whose bits differ.
        """
        content = torch.load(path, map_location=device, weights_only=True)
        if content["device"] != device.type:
            raise ValueError(f"was written on {content['device']}")
        self.module.load_state_dict(content["module"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.epoch, self.best_loss = content["epoch"], content["best_loss"]
        self.best_epoch, self.best_weights = content["best_epoch"], content["best_weights"]
        self.history = content["history"]

    def keep_best(self, loss: float) -> None:
        """Remember the weights of the epoch with the lowest validation loss."""
        if loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best_weights = {k: v.clone() for k, v in self.module.state_dict().items()}


def fit(network: Network, data: TrainingData, options: Options, draft: Draft) -> Trained:
    """Train a network until its validation loss has not fallen for `patience` epochs.

    Raises
    ------
    InputError
        If a layer does not fit the window, or the device is missing.
    """
    device = choose_device(options.device)
    make_deterministic(options.threads)
    recipe: dict[str, Any] = {
        "architecture": network.model_dump(mode="json"),
        "alphabet": data.dataset.alphabet.name,
        "window": data.dataset.window,
        "conditions": list(data.dataset.conditions),
    }
    torch.manual_seed(_derived_seed(options.seed, "initial weights"))
    module = build_from_recipe(recipe, network.description or "architecture").to(device)
    state = State(module, make_optimizer(network.optimizer, module))
    _resume(state, draft, device)
    reason = _run(state, network, _Tensors(data, device), options, draft)
    state.module.load_state_dict(state.best_weights or state.module.state_dict())
    constant = constant_loss(data.y, data.validation_y, len(recipe["conditions"]))
    status, why = ("diverged", reason) if reason else outcome(state.best_loss, constant)
    model = PytorchModel(module, recipe, device)
    facts = {
        "device": model.device,
        "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "best_validation_loss": state.best_loss if state.best_epoch else None,
        "constant_loss": constant,
    }
    return Trained(model, state.history, status, why, facts)


def _resume(state: State, draft: Draft, device: torch.device) -> None:
    """Continue from the draft's checkpoint, if there is a whole one of this device."""
    if not draft.checkpoint.exists():
        return
    try:
        state.restore(draft.checkpoint, device)
    except (RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
        log.warning("%s: checkpoint %s; starting anew", draft.folder, error)
        draft.checkpoint.unlink()
        return
    log.warning("resuming %s after epoch %d", draft.folder, state.epoch)


def device_type(module: nn.Module) -> str:
    """Return the kind of device that a module's weights are on."""
    return next(module.parameters()).device.type


class _Tensors:
    """Letter codes (uint8) and conditions on the device; one-hot is made batch by batch."""

    def __init__(self, data: TrainingData, device: torch.device) -> None:
        self.x, self.validation_x = (
            torch.from_numpy(np.array(x)).to(device) for x in (data.x, data.validation_x)
        )
        self.y, self.validation_y = (
            torch.from_numpy(y).to(device) for y in (data.y, data.validation_y)
        )
        self.encode = OneHot(len(data.dataset.alphabet.letters), device)


def _run(state: State, network: Network, tensors: _Tensors, options: Options, draft: Draft) -> str:
    """Train epoch by epoch; return why it diverged, or nothing."""
    plan = network.training
    progress = Progress(f"train {draft.folder}", plan.epochs)
    progress.advance(state.epoch)
    saved = time.monotonic()
    while state.epoch < plan.epochs and state.epoch - state.best_epoch < plan.patience:
        started = time.perf_counter()
        state.epoch += 1
        training_loss = _epoch(state, network, tensors, options.seed)
        loss, accuracy = _validate(state.module, tensors)
        row = {"epoch": state.epoch, "training_loss": training_loss, "validation_loss": loss}
        row |= {"validation_accuracy": accuracy, "seconds": time.perf_counter() - started}
        state.history.append(
            {k: float(f"{v:.7g}") for k, v in row.items()} | {"epoch": state.epoch}
        )
        if not math.isfinite(training_loss) or not math.isfinite(loss):
            progress.close()
            rate = network.optimizer.learning_rate
            return f"the loss is not a number at epoch {state.epoch}, learning rate {rate:g}"
        state.keep_best(loss)
        progress.advance(1, f"validation loss {loss:.4f}")
        if time.monotonic() - saved > _CHECKPOINT_SECONDS:
            state.save(draft.checkpoint)
            saved = time.monotonic()
    progress.close()
    return ""


def _epoch(state: State, network: Network, tensors: _Tensors, seed: int) -> float:
    """Train one epoch; its order and dropout depend on the seed and the epoch's number alone."""
    module, optimizer = state.module, state.optimizer
    examples, batch = len(tensors.x), network.training.batch_size
    generator = torch.Generator().manual_seed(_derived_seed(seed, f"order {state.epoch}"))
    order = torch.randperm(examples, generator=generator) if network.training.shuffle else None
    torch.manual_seed(_derived_seed(seed, f"dropout {state.epoch}"))
    order = (torch.arange(examples) if order is None else order).to(tensors.x.device)
    total = torch.zeros((), device=tensors.x.device, dtype=torch.float64)
    module.train()
    normalised = any(isinstance(layer, nn.BatchNorm1d) for layer in module)
    counted = 0
    for rows in order.split(batch):
        if normalised and len(rows) == 1:
            continue  # one example has no variance to normalise by
        counted += len(rows)
        loss = nn.functional.cross_entropy(module(tensors.encode(tensors.x[rows])), tensors.y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
    return float(total) / max(counted, 1)


def _validate(module: nn.Sequential, tensors: _Tensors) -> tuple[float, float]:
    """Return mean cross-entropy (nats) and accuracy on the validation set."""
    module.eval()
    loss, correct = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(tensors.validation_x), _VALIDATION_BATCH):
            rows = slice(start, start + _VALIDATION_BATCH)
            logits = module(tensors.encode(tensors.validation_x[rows]))
            y = tensors.validation_y[rows]
            loss += float(nn.functional.cross_entropy(logits, y, reduction="sum"))
            correct += int((logits.argmax(dim=1) == y).sum())
    return loss / len(tensors.validation_x), correct / len(tensors.validation_x)


def make_optimizer(chosen: Optimizer, module: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a network for its module."""
    if chosen.sgd:
        return torch.optim.SGD(
            module.parameters(),
            lr=chosen.sgd.learning_rate,
            momentum=chosen.sgd.momentum,
            weight_decay=chosen.sgd.weight_decay,
            fused=True,
        )
    assert chosen.adam is not None
    return torch.optim.Adam(
        module.parameters(),
        lr=chosen.adam.learning_rate,
        weight_decay=chosen.adam.weight_decay,
        fused=True,
    )


def _derived_seed(seed: int, purpose: str) -> int:
    text = f"seqgra model {seed}|{purpose}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "little")
