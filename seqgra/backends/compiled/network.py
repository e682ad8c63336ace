"""A network that is compiled whole: its parameters, its scratch, an epoch of training, its logits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from seqgra.architecture.family import Family
from seqgra.architecture.optimizers import Adam, AdamW, Sgd
from seqgra.architecture.schema import Network
from seqgra.backends.compiled.last_layers import (
    ParameterLayout,
    Running,
    UpdateRule,
    UpperLayers,
    Work,
)
from seqgra.backends.compiled.modules import kernels
from seqgra.backends.compiled.parts import (
    LANES,
    TILE,
    ConvolutionSizes,
    FirstLayerArrays,
    aligned,
    make_tables,
)
from seqgra.backends.compiled.step import PARTS, step_source

#: Examples of a batch that is predicted.
_PREDICTED = 32
Arrays = dict[str, np.ndarray]
#: Arrays with the shapes that PyTorch gives them.
Views = dict[str, tuple[np.ndarray, tuple[int, ...]]]


def rule_of(network: Network) -> UpdateRule:
    """Return the optimiser of a network of the family, and how it limits gradients."""
    plan, s = network.training, network.optimizer.settings
    clip = (plan.clip_norm or math.inf, plan.clip_value or math.inf)
    if isinstance(s, Sgd):
        return UpdateRule(0, s.momentum, 0.0, 1.0, s.weight_decay, int(s.nesterov), *clip)
    assert isinstance(s, Adam | AdamW)
    kind = 2 if isinstance(s, AdamW) else 1
    return UpdateRule(kind, s.beta1, s.beta2, s.epsilon, s.weight_decay, 0, *clip)


class CompiledNetwork:
    """A network of the family.

    Parameters
    ----------
    family
        Its layers.
    shape
        Sizes of the convolution over letters, without the maximum after it.
    outputs
        C.
    multi_label
        Whether the task is.
    names
        PyTorch's names of the layers with parameters, in their order, without those left out.
    """

    def __init__(
        self,
        family: Family,
        shape: ConvolutionSizes,
        outputs: int,
        multi_label: bool,
        names: list[str],
    ) -> None:
        pool = family.pool or shape.positions
        self.shape = shape = shape._replace(pool=pool, pooled=shape.positions // pool)
        normal, dense_normal = family.normal, family.dense_normal
        self._normalised = normal is not None
        self.head = UpperLayers(
            units=family.dense.units,
            outputs=outputs,
            multi_label=int(multi_label),
            normalised=int(dense_normal is not None),
            epsilon=tuple(n.epsilon if n else 1e-5 for n in (normal, dense_normal)),  # type: ignore[arg-type]
            momentum=tuple(n.momentum if n else 0.1 for n in (normal, dense_normal)),  # type: ignore[arg-type]
            dropout=family.dropout,
        )
        self.layout = _layout(shape, self.head)
        self._names = names
        size = self.layout.size
        self.params, self.grads = aligned(size), aligned(size)
        self._first, self._second, self._steps = aligned(size), aligned(size), 0
        self.running = _running(shape, self.head)
        self._kernels = kernels(step_source(shape, self.head.units, self._normalised), PARTS)
        self._batch = 0
        self._tables: FirstLayerArrays
        self._work: Work
        self._reserve(_PREDICTED, training=False)

    def _reserve(self, examples: int, training: bool) -> None:
        """Have scratch for batches of so many examples."""
        if examples > self._batch or (training and not self._work.gradient.size > LANES):
            self._batch = max(examples, self._batch)
            self._tables = make_tables(self.shape, self._batch)
            self._work = _work(self.shape, self.head, self._batch, self._normalised, training)

    def train(
        self,
        codes: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        order: NDArray[np.int64],
        *,
        rule: UpdateRule,
        weights: NDArray[np.float64],
        batch: int,
        rate: float,
        keys: tuple[int, int],
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Train on each example of `order` once.

        Parameters
        ----------
        codes, labels
            (N, L) letter codes and (N, C) conditions.
        order
            Numbers of the examples, in the order in which they are taken.
        rule
            The optimiser.
        weights
            (C,): of the conditions in the loss.
        batch, rate
            Examples of a step; the learning rate.
        keys
            Of the random streams of dropout, after the first layer and after the dense one.

        Returns
        -------
        (ndarray, ndarray)
            The mean loss of each batch, and how many examples it had. A batch of one example is passed over
            where batch normalisation needs two.
        """
        self._reserve(min(batch, len(order)), training=True)
        counts = np.minimum(batch, len(order) - np.arange(0, len(order), batch))
        skip = self._normalised or bool(self.head.normalised)
        counts = counts[counts > 1] if skip else counts
        losses = np.zeros(len(counts) + 1)
        done = self._kernels.run(
            "train",
            *(self.shape, self.head, self.layout, self._tables, self._work, self.params),
            *(self.grads, self.running, rule, self._first, self._second),
            *(contiguous(codes), contiguous(labels), np.ascontiguousarray(order, np.int64)),
            *(np.ascontiguousarray(weights, np.float64), batch, skip, float(rate), self._steps),
            *(np.array(keys, np.uint64), losses),
        )
        self._steps += done
        return losses[:done], counts

    def logits(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 (N, C) logits; the bits of each do not depend on the others."""
        logits = np.empty((len(codes), self.head.outputs), np.float32)
        self._kernels.run(
            "predict",
            *(self.shape, self.head, self.layout, self._tables, self._work, self.params),
            *(self.running, self._normalised, contiguous(codes), _PREDICTED, logits),
        )
        return logits

    def weights(self) -> Arrays:
        """Return copies of parameters and running statistics, by PyTorch's names and in its shapes."""
        views = {**self._parameters(), **self._statistics()}
        arrays = {name: np.ascontiguousarray(v).reshape(s) for name, (v, s) in views.items()}
        for name in self._statistics():
            if name.endswith("running_mean"):
                counter = f"{name.rpartition('.')[0]}.num_batches_tracked"
                arrays[counter] = np.array(self._steps, np.int64)
        return {name: np.array(values) for name, values in arrays.items()}

    def optimizer_state(self) -> Arrays:
        """Return copies of what the optimiser remembers, and of its count of steps."""
        steps = np.array(self._steps, np.int64)
        return {"steps": steps, "first": self._first.copy(), "second": self._second.copy()}

    def restore(self, weights: Arrays, optimizer_state: Arrays | None = None) -> None:
        """Take over what `weights` and `optimizer_state` returned."""
        for name, (view, _) in {**self._parameters(), **self._statistics()}.items():
            view[...] = weights[name].reshape(view.shape)
        if optimizer_state is not None:
            self._steps = int(optimizer_state["steps"])
            self._first[...], self._second[...] = (
                optimizer_state["first"],
                optimizer_state["second"],
            )

    def _parameters(self) -> Views:
        """Return where each parameter lies, in an order of axes that PyTorch's shape follows from."""
        shape, head, place = self.shape, self.head, self.layout
        filters, units, outputs = shape.outputs, head.units, head.outputs
        names = iter(self._names)

        def view(start: int, *sizes: int) -> np.ndarray:
            return self.params[start : start + math.prod(sizes)].reshape(sizes)

        name = next(names)
        kernel = (shape.filters, shape.letters, shape.width)
        views = {
            f"{name}.weight": (view(place.weight, *kernel), kernel),
            f"{name}.bias": (view(place.bias, shape.filters), (shape.filters,)),
        }
        if self._normalised:
            name = next(names)
            views[f"{name}.weight"] = view(place.scale, filters), (filters,)
            views[f"{name}.bias"] = view(place.shift, filters), (filters,)
        name = next(names)
        dense = view(place.dense, shape.pooled, units, shape.channels)[:, :, :filters]
        views[f"{name}.weight"] = dense.transpose(1, 2, 0), (units, filters * shape.pooled)
        views[f"{name}.bias"] = view(place.dense_bias, units), (units,)
        if head.normalised:
            name = next(names)
            views[f"{name}.weight"] = view(place.dense_scale, units), (units,)
            views[f"{name}.bias"] = view(place.dense_shift, units), (units,)
        name = next(names)
        views[f"{name}.weight"] = view(place.output, outputs, units), (outputs, units)
        views[f"{name}.bias"] = view(place.output_bias, outputs), (outputs,)
        return views

    def _statistics(self) -> Views:
        """Return the running statistics, as `_parameters`."""
        filters, units, run = self.shape.outputs, self.head.units, self.running
        views: Views = {}
        if self._normalised:
            views[f"{self._names[1]}.running_mean"] = run.mean[:filters], (filters,)
            views[f"{self._names[1]}.running_var"] = run.variance[:filters], (filters,)
        if self.head.normalised:
            name = self._names[-2]
            views[f"{name}.running_mean"] = run.dense_mean[:units], (units,)
            views[f"{name}.running_var"] = run.dense_variance[:units], (units,)
        return views


def contiguous(values: np.ndarray) -> np.ndarray:
    """Return an array, mapped files included, as kernels read it."""
    return np.ascontiguousarray(values).view(np.ndarray)


def _layout(shape: ConvolutionSizes, head: UpperLayers) -> ParameterLayout:
    """Put the parameters one behind the other."""
    sizes = (
        shape.filters * shape.letters * shape.width,
        shape.filters,
        shape.channels,
        shape.channels,
        shape.pooled * head.units * shape.channels,
        head.units,
        head.units,
        head.units,
        head.outputs * head.units,
        head.outputs,
    )
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // LANES) * LANES)
    return ParameterLayout(*starts)


def _running(shape: ConvolutionSizes, head: UpperLayers) -> Running:
    """Return running statistics before any training."""
    running = Running(
        aligned(shape.channels), aligned(shape.channels), aligned(head.units), aligned(head.units)
    )
    running.variance[: shape.outputs] = 1
    running.dense_variance[: head.units] = 1
    return running


def _work(
    shape: ConvolutionSizes, head: UpperLayers, examples: int, normalised: bool, training: bool
) -> Work:
    """Return scratch for batches of so many examples; without training only what a prediction needs."""
    row = examples * shape.channels
    tile = max(TILE, row)
    features = shape.pooled * row
    hidden = examples * head.units
    return Work(
        convolved=aligned(shape.positions * row if training and normalised else 0),
        features=aligned(max(tile, features) if training and not normalised else tile),
        gradient=aligned(max(tile, features) if training and normalised else tile * training),
        best=aligned(features if shape.pool > 1 else 0, np.int32),
        partial=aligned(hidden * LANES),
        hidden=aligned(hidden),
        normal=aligned(hidden),
        active=aligned(hidden),
        hidden_gradient=aligned(hidden),
        logits=np.zeros(head.outputs),
        sums=np.zeros((2, shape.channels)),
        lanes=aligned(2 * LANES),
        factor=aligned(shape.channels),
        offset=aligned(shape.channels),
        back=np.zeros((3, shape.channels), np.float32),
        mean=np.zeros(shape.channels + head.units),
        inverse=np.zeros(shape.channels + head.units),
        rows=np.zeros(examples, np.int64),
    )
