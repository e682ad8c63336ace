"""Optimisers and learning-rate schedules as frozen objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from seqgra.architecture.layers import Positive, Rate
from seqgra.yamlfile import Strict

Above0 = Annotated[float, Field(gt=0)]
From0 = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Sgd(Strict):
    """Stochastic gradient descent: v = momentum v + g, then a step of -rate v."""

    learning_rate: Above0 = 0.001
    momentum: Rate = 0.9
    nesterov: bool = False
    weight_decay: From0 = 0.0

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Sgd:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Adam(Strict):
    """Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980)."""

    learning_rate: Above0 = 0.001
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    epsilon: Above0 = 1e-8
    weight_decay: From0 = 0.0


class AdamW(Strict):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101)."""

    learning_rate: Above0 = 0.001
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    epsilon: Above0 = 1e-8
    weight_decay: From0 = 0.01


class RmsProp(Strict):
    """RMSprop: gradients over the root of the running mean of their squares."""

    learning_rate: Above0 = 0.001
    decay: Rate = 0.9
    momentum: Rate = 0.0
    epsilon: Above0 = 1e-8
    weight_decay: From0 = 0.0


class Adagrad(Strict):
    """Adagrad (Duchi et al. 2011, https://jmlr.org/papers/v12/duchi11a.html)."""

    learning_rate: Above0 = 0.01
    initial_accumulator: From0 = 0.0
    epsilon: Above0 = 1e-10
    weight_decay: From0 = 0.0


class Adadelta(Strict):
    """Adadelta (Zeiler 2012, https://arxiv.org/abs/1212.5701)."""

    learning_rate: Above0 = 1.0
    decay: Rate = 0.9
    epsilon: Above0 = 1e-6
    weight_decay: From0 = 0.0


class Adamax(Strict):
    """Adamax, Adam with the largest gradient in place of the mean square (Kingma & Ba 2015)."""

    learning_rate: Above0 = 0.002
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    epsilon: Above0 = 1e-8
    weight_decay: From0 = 0.0


Settings = Sgd | Adam | AdamW | RmsProp | Adagrad | Adadelta | Adamax


def _only_one(choice: Any, names: list[str], at_least: int) -> None:
    given = [name for name in names if getattr(choice, name) is not None]
    if not at_least <= len(given) <= 1:
        wanted = "exactly one" if at_least else "at most one"
        raise ValueError(f"needs {wanted} of {', '.join(names)}")


class Optimizer(Strict):
    """Exactly one optimiser with its parameters."""

    sgd: Sgd | None = None
    adam: Adam | None = None
    adamw: AdamW | None = None
    rmsprop: RmsProp | None = None
    adagrad: Adagrad | None = None
    adadelta: Adadelta | None = None
    adamax: Adamax | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Optimizer:
        _only_one(self, list(type(self).model_fields), at_least=1)
        return self

    @property
    def settings(self) -> Settings:
        """The chosen optimiser."""
        result: Settings = next(value for _, value in self if value is not None)
        return result

    @property
    def learning_rate(self) -> float:
        """The initial learning rate."""
        return self.settings.learning_rate


def _distinct(given: tuple[Optimizer, ...]) -> tuple[Optimizer, ...]:
    for number, candidate in enumerate(given):
        if candidate in given[:number]:
            raise ValueError(
                f"candidate {number + 1} is candidate {given.index(candidate) + 1} again"
            )
    return given


#: Settings that `tune` chooses from.
Candidates = Annotated[tuple[Optimizer, ...], AfterValidator(_distinct)]


class CandidateList(Strict):
    """Candidates by themselves, as `seqgra tune --candidates` takes them."""

    candidates: Annotated[Candidates, Field(min_length=1)]


#: What every architecture that lists no candidates is tuned with.
CANDIDATES: Candidates = (
    Optimizer(sgd=Sgd(learning_rate=0.01)),
    Optimizer(adam=Adam(learning_rate=0.0003)),
    Optimizer(adam=Adam(learning_rate=0.001)),
    Optimizer(adam=Adam(learning_rate=0.003)),
)


class Step(Strict):
    """The rate times `factor` after every so many epochs."""

    epochs: Positive = 10
    factor: Share = 0.5


class Exponential(Strict):
    """The rate times `factor` after every epoch."""

    factor: Share = 0.95


class Cosine(Strict):
    """From the full rate to `final` of it at the last epoch, along half a cosine."""

    final: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Plateau(Strict):
    """The rate times `factor` when the monitored metric has not improved for `patience` epochs."""

    factor: Share = 0.5
    patience: Positive = 5


class Schedule(Strict):
    """How the learning rate changes from epoch to epoch: after a linear `warmup`, at most one rule."""

    warmup: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    step: Step | None = None
    exponential: Exponential | None = None
    cosine: Cosine | None = None
    plateau: Plateau | None = None

    @model_validator(mode="after")
    def _at_most_one(self) -> Schedule:
        _only_one(self, [name for name in type(self).model_fields if name != "warmup"], at_least=0)
        return self

    def factor(self, epoch: int, epochs: int, badness: Sequence[float]) -> float:
        """Return what the initial learning rate is multiplied by.

        Parameters
        ----------
        epoch, epochs
            Number of the epoch, from 1, and how many there are at most.
        badness
            The monitored metric after each epoch before this one; lower is better.

        >>> schedule = Schedule(warmup=2, step=Step(epochs=2, factor=0.1))
        >>> [round(schedule.factor(e, 9, []), 3) for e in range(1, 8)]
        [0.333, 0.667, 1.0, 1.0, 0.1, 0.1, 0.01]
        """
        if epoch <= self.warmup:
            return epoch / (self.warmup + 1)
        gone = epoch - self.warmup - 1
        if self.step:
            return self.step.factor ** (gone // self.step.epochs)
        if self.exponential:
            return self.exponential.factor**gone
        if self.cosine:
            share = gone / max(epochs - self.warmup - 1, 1)
            return self.cosine.final + (1 - self.cosine.final) * (1 + math.cos(math.pi * share)) / 2
        return _after_plateaus(self.plateau, badness[self.warmup :]) if self.plateau else 1.0


def _after_plateaus(plateau: Plateau, badness: Sequence[float]) -> float:
    factor, best, waited = 1.0, math.inf, 0
    for value in badness:
        if value < best:
            best, waited = value, 0
            continue
        waited += 1
        if waited == plateau.patience:
            factor, waited = factor * plateau.factor, 0
    return factor
