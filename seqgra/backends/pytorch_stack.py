"""Training of several models of one network in one vectorised loop (`stack`): one call does a step of all.

Weights of all models lie in one tensor with a first axis K, and `torch.func.vmap` runs over it. Order,
augmentation and dropout of each model come from its own random streams, as when it is trained alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from seqgra.architecture.schema import Augment, Network
from seqgra.backends.loop import Arrays, derived_seed, loss_weights, run_stack
from seqgra.backends.pytorch import (
    PytorchModel,
    batch_size,
    build_from_recipe,
    choose_device,
    prepare_process,
)
from seqgra.backends.pytorch_letters import OneHot
from seqgra.backends.pytorch_training import (
    as_targets,
    as_tensor,
    augment,
    epoch_order,
    make_optimizer,
)
from seqgra.model import MULTI_LABEL
from seqgra.training import Options, Trained, TrainingData, recipe_of

Tensors = dict[str, torch.Tensor]


def fit_stack(
    network: Network,
    data: Mapping[int, TrainingData],
    seeds: Mapping[int, int],
    how: Options,
    width: int,
) -> dict[int, Trained]:
    """Train a network several times at once, on data and with a seed of its own each time.

    Parameters
    ----------
    network
        What all of them train (see `architecture.shapes.check_stack`).
    data, seeds
        By the model's place, from 0 and below `width`; sets of one size, window, alphabet and task.
    how
        Device, threads and seed design of all.
    width
        Models in the stack. Places without a model are filled with copies of one that has, so that
        a model's bits depend on `width` and its place, and not on which others there are.
    """
    device = choose_device(how.device)
    prepare_process(how.threads)
    filler = min(data)
    filled = [place if place in data else filler for place in range(width)]
    sources = [how._replace(seed=seeds[k]).source(data[k].dataset) for k in filled]
    stack = Stack(network, [data[k] for k in filled], sources, device)
    trained = {}
    for place, (state, status, reason, facts) in run_stack(stack, network, data).items():
        module = stack.module(place, state.best_weights)
        model = PytorchModel(module, recipe_of(network, data[place]), device)
        parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
        facts = {"device": model.device, "parameters": parameters, **facts}
        trained[place] = Trained(model, state.history, status, reason, facts)
    return trained


class GivenDropout(nn.Module):
    """Dropout by a mask that is given from outside, since each model draws its own.

    Attributes
    ----------
    mask
        Like the values: 0, or 1 / (1 - rate) where they are kept.
    shape
        Of one example's values, known after the first pass.
    """

    mask: torch.Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.shape = torch.Size()
        self.register_buffer("mask", torch.empty(0))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values times the mask; in evaluation mode themselves."""
        if self.training:
            return values * self.mask
        self.shape = values.shape[1:]
        return values


class Stack:
    """K models of one network with their optimiser and data, K = `len(data)`."""

    def __init__(
        self,
        network: Network,
        data: Sequence[TrainingData],
        sources: Sequence[str],
        device: torch.device,
    ) -> None:
        self._network, self._plan, self._sources, self._on = (
            network,
            network.training,
            sources,
            device,
        )
        self._recipe = recipe_of(network, data[0])
        modules = [self._fresh(source) for source in sources]
        stacked, self._buffers = torch.func.stack_module_state(modules)
        self._weights: Tensors = {k: nn.Parameter(v.detach()) for k, v in stacked.items()}
        self._base, self._dropouts = _with_given_dropout(modules[0])
        letters, window = len(data[0].dataset.alphabet.letters), data[0].x.shape[1]
        with torch.inference_mode():  # masks get to know their shapes
            self._base.eval()(torch.zeros(2, letters, window, device=device))
        self._letters, self._encode = letters, OneHot(letters, device)
        self._optimizer = make_optimizer(
            network.optimizer, nn.ParameterList(self._weights.values())
        )
        self._x = [as_tensor(each.x) for each in data]
        self._validation_x = [as_tensor(each.validation_x) for each in data]
        self._y = torch.stack([torch.from_numpy(as_targets(each)) for each in data]).to(device)
        self._multi_label = data[0].task == MULTI_LABEL
        weights = [loss_weights(network, each) for each in data]
        given = [torch.from_numpy(w) for w in weights if w is not None]
        self._loss_weights = torch.stack(given).to(device) if given else None
        self._all = torch.func.vmap(self._one, in_dims=(0, 0, 0))

    def _fresh(self, source: str) -> nn.Module:
        torch.manual_seed(derived_seed(source, "initial weights"))
        return build_from_recipe(self._recipe, "architecture").to(self._on)

    def _one(self, weights: Tensors, buffers: Tensors, inputs: torch.Tensor) -> Any:
        return torch.func.functional_call(self._base, (weights, buffers), (inputs,))

    def module(self, number: int, weights: Arrays) -> nn.Module:
        """Return one model's module with weights as `weights` returns them; without, as it started."""
        module = self._fresh(self._sources[number])
        if weights:
            module.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        return module

    def weights(self, number: int) -> Arrays:
        """Return copies of everything that one model's predictions depend on."""
        both = {**self._weights, **self._buffers}
        return {k: v[number].detach().cpu().numpy().copy() for k, v in both.items()}

    def train_epoch(self, epoch: int, rate: float) -> np.ndarray:
        """Train all models for one epoch; return the mean training loss of each, float64 (K,)."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._base.train()
        size = self._plan.batch_size
        orders = [
            epoch_order(len(self._x[0]), self._plan, source, epoch).split(size)
            for source in self._sources
        ]
        draws = [self._generator(s, f"augmentation {epoch}", "cpu") for s in self._sources]
        masks = [self._generator(s, f"dropout {epoch}", self._on) for s in self._sources]
        normalised = any(isinstance(m, nn.BatchNorm1d) for m in self._base.modules())
        counts, losses = [], []
        for rows in zip(*orders, strict=True):
            if normalised and len(rows[0]) == 1:
                continue  # one example has no variance to normalise by
            inputs = torch.stack(
                [self._codes(number, own, draws[number]) for number, own in enumerate(rows)]
            )
            losses.append(self._step(inputs.to(self._on), torch.stack(rows).to(self._on), masks))
            counts.append(len(rows[0]))
        return np.average(torch.stack(losses).double().cpu().numpy(), axis=0, weights=counts)

    def _generator(self, source: str, purpose: str, device: Any) -> torch.Generator:
        return torch.Generator(device).manual_seed(derived_seed(source, purpose))

    def _codes(self, number: int, rows: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        codes = self._x[number][rows]
        if self._plan.augment == Augment():
            return codes
        return augment(codes, self._plan.augment, self._letters, draws)

    def _one_hot(self, codes: torch.Tensor) -> torch.Tensor:
        """Return float32 (K, N, A, L) of letter codes (K, N, L)."""
        return self._encode(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])

    def _step(
        self, codes: torch.Tensor, rows: torch.Tensor, masks: Sequence[torch.Generator]
    ) -> torch.Tensor:
        """Learn from one batch of each model; return their mean losses (K,)."""
        buffers = self._buffers | self._masks(rows.shape[1], masks)
        logits = self._all(self._weights, buffers, self._one_hot(codes))
        models = torch.arange(len(rows), device=self._on)[:, None]
        losses = self._losses(logits, self._y[models, rows])
        self._optimizer.zero_grad()
        losses.sum().backward()
        self._clip()
        self._optimizer.step()
        return losses.detach()

    def _masks(self, examples: int, generators: Sequence[torch.Generator]) -> Tensors:
        """Draw the masks of a step, each model its own, layer after layer."""
        masks = {}
        for name, layer in self._dropouts.items():
            shape = (len(generators), examples, *layer.shape)
            masks[f"{name}.mask"] = torch.empty(shape, device=self._on)
        for number, generator in enumerate(generators):
            for layer, mask in zip(self._dropouts.values(), masks.values(), strict=True):
                mask[number].bernoulli_(1 - layer.rate, generator=generator).div_(1 - layer.rate)
        return masks

    def _losses(self, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return each model's mean loss of a batch (K,), as `training.mean_loss` defines it."""
        w = self._loss_weights
        if self._multi_label:
            positive = None if w is None else w[:, None, :]
            each = nn.functional.binary_cross_entropy_with_logits(
                logits, y, pos_weight=positive, reduction="none"
            )
            return each.mean(dim=(1, 2))
        each = nn.functional.cross_entropy(
            logits.flatten(0, 1), y.flatten(), reduction="none"
        ).unflatten(0, y.shape)
        return (each if w is None else each * w.gather(1, y)).mean(dim=1)

    def _clip(self) -> None:
        """Limit each model's gradients by themselves, as the plan says."""
        gradients = [w.grad for w in self._weights.values() if w.grad is not None]
        if (most := self._plan.clip_norm) is not None:
            squares = torch.stack([g.flatten(1).square().sum(1) for g in gradients])
            factor = (most / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)
            for gradient in gradients:
                gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))
        if self._plan.clip_value is not None:
            nn.utils.clip_grad_value_(self._weights.values(), self._plan.clip_value)

    def validation_logits(self) -> np.ndarray:
        """Return float32 (K, N, C) logits of each model's validation set."""
        self._base.eval()
        batch = batch_size(self._validation_x[0].shape[1], self._on)
        parts = []
        with torch.inference_mode():
            for codes in zip(*(x.split(batch) for x in self._validation_x), strict=True):
                inputs = self._one_hot(torch.stack(codes).to(self._on))
                logits = self._all(self._weights, self._buffers, inputs)
                if self._network.predict.reverse_complement:
                    turned = self._all(self._weights, self._buffers, inputs.flip(2, 3))
                    logits = (logits + turned) / 2
                parts.append(logits.cpu().numpy())
        return np.concatenate(parts, axis=1)


def _with_given_dropout(module: nn.Module) -> tuple[nn.Module, dict[str, GivenDropout]]:
    """Return a copy whose dropout layers take their masks from outside, and those layers by name."""
    base, found = copy.deepcopy(module), {}
    for name, part in list(base.named_modules()):
        if isinstance(part, nn.Dropout):
            new = GivenDropout(part.p) if part.p else nn.Identity()
            base.set_submodule(name, new)
            if isinstance(new, GivenDropout):
                found[name] = new
    return base, found
