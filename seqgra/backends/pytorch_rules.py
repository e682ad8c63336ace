"""Backward rules of attribution methods on PyTorch modules.

A module is walked layer by layer, as `pytorch_layers.build` made it; the rule says what each kind of
layer does. Nothing is hooked or changed, so there is nothing to take back. What a walk does not know,
it refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from seqgra.backends.pytorch_layers import (
    AddedPositions,
    AttentionMean,
    ChannelGate,
    ChannelNorm,
    Composite,
    ExponentialActivation,
    Gated,
    Join,
    Recurrent,
    RelativeBias,
    Rotary,
    SelfAttention,
    SharedConv,
    Steps,
    StrandAverage,
    Sum,
    explained_logits,
)
from seqgra.model import NotDefined

_LINEAR = (
    *(nn.Conv1d, SharedConv, nn.Linear, nn.AvgPool1d, nn.BatchNorm1d),
    *(nn.Dropout, nn.Flatten, nn.Identity, AddedPositions, RelativeBias, Rotary),
)
_ACTIVATIONS = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Softplus),
    ExponentialActivation,
)
_ADDED = (Sum, Join)  # these multiply nothing, but for a join by products
_MULTIPLIED = (SelfAttention, AttentionMean, Gated, ChannelGate)
#: Input differences below this share of the input's size are taken for none.
_SAME = {torch.float32: 1e-5, torch.float64: 1e-10}


class BackpropagationRule(Steps):
    """What layers do on a walk; here what they do by themselves, and nothing for what multiplies outputs."""

    name = "a gradient"

    def layer(self, module: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return the output of a part of a layer, walked by the same rule."""
        return walk(module, values, self)

    def activation(self, layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return the output of an activation."""
        return _call(layer, values)

    def pool(self, layer: nn.MaxPool1d, values: torch.Tensor) -> torch.Tensor:
        """Return the output of a maximum over windows of positions."""
        return _call(layer, values)

    def linear(self, layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return the output of an affine layer."""
        return _call(layer, values)

    def composite(self, layer: Composite, values: torch.Tensor) -> torch.Tensor:
        """Return the output of a layer made of others."""
        if isinstance(layer, _ADDED) and getattr(layer, "join", "") != "product":
            return layer.through(values, self)
        return self.other(layer, values)

    def normalise(self, layer: nn.LayerNorm, values: torch.Tensor) -> torch.Tensor:
        """Return the output of layer normalisation over the last axis."""
        return self.other(layer, values)

    def other(self, layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return the output of any other layer; refused unless a rule knows better."""
        raise NotDefined(f"{self.name} is not defined for the layer {type(layer).__name__}")


def _call(layer: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor) -> torch.Tensor:
    """Apply a layer to values that stay as they are, even if it works in place."""
    result: torch.Tensor = layer(values.clone() if getattr(layer, "inplace", False) else values)
    return result


def walk(module: nn.Module, values: torch.Tensor, rule: BackpropagationRule) -> torch.Tensor:
    """Return what `module` makes of `values`, its layers acting by `rule`.

    Raises
    ------
    NotDefined
        If the rule is not defined for a layer, or the module is none of this package's.
    """
    kind = type(module)  # of the very class: a subclass may do something else
    if isinstance(module, nn.Sequential) and kind is nn.Sequential:
        for part in module:
            values = walk(part, values, rule)
        return values
    if isinstance(module, Composite) and kind in (*_ADDED, *_MULTIPLIED):
        return rule.composite(module, values)
    if isinstance(module, StrandAverage) and kind is StrandAverage:
        turned = walk(module.body, module.turned(values), rule)
        return (walk(module.body, values, rule) + turned) / 2
    if kind in _LINEAR:
        return rule.linear(module, values)
    if kind in _ACTIVATIONS:
        return rule.activation(module, values)
    if isinstance(module, nn.MaxPool1d) and kind is nn.MaxPool1d:
        return rule.pool(module, values)
    if isinstance(module, ChannelNorm) and kind is ChannelNorm:
        return rule.normalise(module, values.transpose(1, 2)).transpose(1, 2)
    if isinstance(module, nn.LayerNorm) and kind is nn.LayerNorm:
        return rule.normalise(module, values)
    if kind is Recurrent:
        return rule.other(module, values)
    raise NotDefined(f"{rule.name} needs layers it knows; {kind.__name__} is none of them")


class _Guided(torch.autograd.Function):
    """ReLU whose gradient passes where it is positive (and, if guided, the input is too)."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, guided: bool) -> torch.Tensor:
        ctx.save_for_backward(values)
        ctx.guided = guided
        return values.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (values,), passed = ctx.saved_tensors, gradients[0].clamp(min=0)
        return (passed * (values > 0) if ctx.guided else passed), None


class Rectified(BackpropagationRule):
    """Guided backpropagation, or deconvolution: positive gradients only, at every ReLU."""

    def __init__(self, guided: bool) -> None:
        self.guided = guided
        self.name = "guided backpropagation" if guided else "deconvolution"

    def activation(self, layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return ReLU with the rule's gradient."""
        if type(layer) is not nn.ReLU:
            raise NotDefined(
                f"{self.name} is defined for ReLU only, not for {type(layer).__name__}"
            )
        passed: torch.Tensor = _Guided.apply(values, self.guided)  # type: ignore[no-untyped-call]
        return passed


class _Rescaled(torch.autograd.Function):
    """An activation over inputs and, after them, their references; the gradient is a multiplier."""

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, layer: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        result = _call(layer, values)
        ctx.save_for_backward(values, result)
        ctx.layer = layer
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        values, result = ctx.saved_tensors
        (x, start), (y, y_start) = values.chunk(2), result.chunk(2)
        with torch.enable_grad():
            middle = ((x + start) / 2).detach().requires_grad_()
            (slope,) = torch.autograd.grad(_call(ctx.layer, middle).sum(), middle)
        far, difference = _far(x, start)
        slope = torch.where(far, (y - y_start) / difference, slope)
        own = gradients[0].chunk(2)[0] * slope
        return torch.cat([own, torch.zeros_like(own)]), None


def _far(x: torch.Tensor, start: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where x differs from its reference, and the difference (1 where it does not)."""
    difference = x - start
    far = difference.abs() > _SAME[x.dtype] * (x.abs() + start.abs()).clamp(min=1e-3)
    return far, torch.where(far, difference, torch.ones_like(difference))


class _RescaledPool(torch.autograd.Function):
    """Maximum over windows of positions; the whole difference goes to where the larger maximum is."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, layer: nn.MaxPool1d) -> torch.Tensor:
        result, places = nn.functional.max_pool1d(
            values, layer.kernel_size, layer.stride, return_indices=True
        )
        ctx.save_for_backward(values, result, places)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        values, result, places = ctx.saved_tensors
        (x, start), (y, y_start) = values.chunk(2), result.chunk(2)
        place, place_start = places.chunk(2)
        at = torch.where(y >= y_start, place, place_start)
        far, difference = _far(x.gather(2, at), start.gather(2, at))
        slope = torch.where(far, (y - y_start) / difference, (y == y_start).to(y.dtype))
        own = torch.zeros_like(x).scatter_add(2, at, gradients[0].chunk(2)[0] * slope)
        return torch.cat([own, torch.zeros_like(own)]), None


class _Product(torch.autograd.Function):
    """A product of two outputs, each over inputs and, after them, references; gradients are multipliers.

    Either factor's difference is multiplied by the mean of the other factor at both ends, so that the two
    parts add up to the product's difference.
    """

    @staticmethod
    def forward(
        ctx: Any, left: torch.Tensor, right: torch.Tensor, multiply: Callable[..., torch.Tensor]
    ) -> torch.Tensor:
        ctx.save_for_backward(left, right)
        ctx.multiply = multiply
        return multiply(left, right)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        means = [sum(values.chunk(2)) / 2 for values in ctx.saved_tensors]
        with torch.enable_grad():
            middle = [values.detach().requires_grad_() for values in means]
            own = torch.autograd.grad(ctx.multiply(*middle), middle, gradients[0].chunk(2)[0])
        return *(torch.cat([part, torch.zeros_like(part)]) for part in own), None


def _log(values: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of sums, which are 0 where one end lies far below the other: then the least."""
    return values.clamp(min=torch.finfo(values.dtype).tiny).log()


class Rescale(BackpropagationRule):
    """DeepLIFT's rescale rule; values hold the inputs and, after them, their references.

    Softmax and layer normalisation are walked as what they are made of: exponentials, sums and logarithms,
    and squares, means, inverse roots and products.
    """

    name = "DeepLIFT"

    def composite(self, layer: Composite, values: torch.Tensor) -> torch.Tensor:
        """Return the output of a layer made of others, by the rules of these."""
        return layer.through(values, self)

    def product(
        self,
        left: torch.Tensor,
        right: torch.Tensor,
        multiply: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = torch.mul,
    ) -> torch.Tensor:
        """Return the product with multipliers for gradients."""
        result: torch.Tensor = _Product.apply(left, right, multiply)  # type: ignore[no-untyped-call]
        return result

    def softmax(self, values: torch.Tensor) -> torch.Tensor:
        """Return exp(x - log(sum(exp(x)))) over the last axis with multipliers for gradients."""
        largest = values.detach().amax(dim=-1, keepdim=True)
        both = torch.maximum(*largest.chunk(2)).repeat(2, *[1] * (values.ndim - 1))
        shifted = values - both
        total = self._rescale(torch.exp, shifted).sum(dim=-1, keepdim=True)
        return self._rescale(torch.exp, shifted - self._rescale(_log, total))

    def normalise(self, layer: nn.LayerNorm, values: torch.Tensor) -> torch.Tensor:
        """Return values less their mean, divided by their deviation, with multipliers for gradients."""
        centred = values - values.mean(dim=-1, keepdim=True)
        variance = self.product(centred, centred).mean(dim=-1, keepdim=True)
        normal = self.product(centred, self._rescale(torch.rsqrt, variance + layer.eps))
        return normal * layer.weight + layer.bias

    def _rescale(
        self, function: Callable[[torch.Tensor], torch.Tensor], values: torch.Tensor
    ) -> torch.Tensor:
        result: torch.Tensor = _Rescaled.apply(values, function)  # type: ignore[no-untyped-call]
        return result

    def activation(self, layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Return the activation with multipliers for gradients."""
        result: torch.Tensor = _Rescaled.apply(values, layer)  # type: ignore[no-untyped-call]
        return result

    def pool(self, layer: nn.MaxPool1d, values: torch.Tensor) -> torch.Tensor:
        """Return the maxima with multipliers for gradients."""
        if layer.padding or layer.dilation != 1 or layer.ceil_mode:
            raise NotDefined(f"{self.name} is defined for max pooling without padding only")
        result: torch.Tensor = _RescaledPool.apply(values, layer)  # type: ignore[no-untyped-call]
        return result


class _Map(NamedTuple):
    """Feature maps (N, F, P): map position p is centred at `start` + p * `jump` of the input."""

    values: torch.Tensor
    start: float
    jump: float


class LastMaps(BackpropagationRule):
    """Grad-CAM: remember the feature maps of the last convolution, activated and normalised.

    Attributes
    ----------
    maps
        One for each strand that is read, the reverse one first.
    """

    name = "Grad-CAM"

    def __init__(self) -> None:
        self.maps: list[_Map] = []
        self._start, self._jump, self._open = 0.0, 1.0, False

    def activation(self, layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Activated maps take the place of those before."""
        return self._remember(_call(layer, values))

    def pool(self, layer: nn.MaxPool1d, values: torch.Tensor) -> torch.Tensor:
        """Maps end where positions are merged."""
        return self._merge(layer, values)

    def linear(self, layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """A convolution begins new maps; normalisation continues them."""
        if isinstance(layer, nn.Conv1d):
            self._convolve(layer)
            return self._remember(_call(layer, values))
        if isinstance(layer, nn.AvgPool1d):
            return self._merge(layer, values)
        if isinstance(layer, nn.BatchNorm1d):
            return self._remember(_call(layer, values))
        self._open &= isinstance(layer, (nn.Dropout, nn.Identity))
        return _call(layer, values)

    def composite(self, layer: Composite, values: torch.Tensor) -> torch.Tensor:
        """Walk into blocks; each path of several begins at the same places, and the last one's maps count."""
        start, jump = self._start, self._jump
        if isinstance(layer, Sum):
            added = values if layer.projection is None else layer.projection(values)
            return self.layer(layer.body, values) + added
        if not isinstance(layer, Join):
            return self.other(layer, values)
        outputs = []
        for path in layer.paths:
            self._start, self._jump = start, jump
            outputs.append(self.layer(path, values))
        return layer.joined(outputs, Steps())

    def normalise(self, layer: nn.LayerNorm, values: torch.Tensor) -> torch.Tensor:
        """Layer normalisation may follow."""
        self._open = False
        return nn.functional.layer_norm(
            values, layer.normalized_shape, layer.weight, layer.bias, layer.eps
        )

    def other(self, layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
        """Any layer may follow."""
        self._open = False
        return _call(layer, values)

    def begin(self) -> None:
        """Start at the input again."""
        self._start, self._jump, self._open = 0.0, 1.0, False

    def _convolve(self, layer: nn.Conv1d) -> None:
        span = layer.dilation[0] * (layer.kernel_size[0] - 1)
        same, number = layer.padding == "same", layer.padding[0]
        before = span // 2 if same else int(number)
        self._start += (span / 2 - before) * self._jump
        self._jump *= layer.stride[0]
        self._open = True
        self.maps.append(_Map(torch.empty(0), 0, 0))

    def _remember(self, values: torch.Tensor) -> torch.Tensor:
        if self._open and values.ndim == 3:
            self.maps[-1] = _Map(values, self._start, self._jump)
        return values

    def _merge(self, layer: Any, values: torch.Tensor) -> torch.Tensor:
        width, stride = (
            int(n[0] if isinstance(n, tuple) else n) for n in (layer.kernel_size, layer.stride)
        )
        self._start += (width - 1) / 2 * self._jump
        self._jump *= stride
        self._open = False
        return _call(layer, values)


class Backprop:
    """Gradients of a module's explained quantity by rules.

    Parameters
    ----------
    module
        From float (N, A, L) to logits (N, C), in evaluation mode.
    task
        ``multi-class`` (the centred logit is explained) or ``multi-label`` (the label's own).
    """

    def __init__(self, module: nn.Module, task: str) -> None:
        self.module, self.task = module, task
        parameter = next(module.parameters(), torch.zeros(()))
        self.device, self.dtype = parameter.device, parameter.dtype

    def guided(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return guided backpropagation's gradient (N, A, L) of inputs (N, A, L), target (N,)."""
        return self._gradient(Rectified(guided=True), inputs, target)

    def deconvolution(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return deconvolution's gradient (N, A, L) of inputs (N, A, L), target (N,)."""
        return self._gradient(Rectified(guided=False), inputs, target)

    def multipliers(self, inputs: np.ndarray, start: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return DeepLIFT's multipliers (N, A, L) from references `start` to inputs (N, A, L)."""
        both = np.concatenate([inputs, start])
        return self._gradient(Rescale(), both, target)[: len(inputs)]

    def class_activation(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return Grad-CAM's map (N, L): ReLU of the last maps weighted by their mean gradient.

        Between the centres of what map positions see it is interpolated; of two strands the sum.

        Raises
        ------
        NotDefined
            If there is no convolution.
        """
        rule, points = LastMaps(), self._tensor(inputs)
        passes = []
        bodies = [(self.module, points)]
        if isinstance(self.module, StrandAverage):
            bodies = [(self.module.body, p) for p in (points, self.module.turned(points))]
        with self._plain():
            logits = torch.zeros(())
            for body, seen in bodies:
                rule.begin()
                part = walk(body, seen.detach().requires_grad_(), rule)
                logits = logits.to(part) + part / len(bodies)
                if not rule.maps:
                    raise NotDefined("Grad-CAM needs a convolution; the network has none")
                passes.append(rule.maps[-1])
            explained = explained_logits(logits, target, self.task).sum()
            gradients = torch.autograd.grad(explained, [part.values for part in passes])
        total = np.zeros((inputs.shape[0], inputs.shape[2]))
        for number, (found, gradient) in enumerate(zip(passes, gradients, strict=True)):
            weighted = (found.values * gradient.mean(dim=2, keepdim=True)).sum(dim=1).relu()
            at = found.start + found.jump * np.arange(weighted.shape[1])
            places = np.arange(inputs.shape[2])
            own = weighted.detach().cpu().double().numpy()
            rows = np.array([np.interp(places, at, row) for row in own])
            if number:  # what turns a strand turns it back
                sources = StrandAverage.sources(points).cpu().numpy()
                rows = np.take_along_axis(rows, sources, axis=1)
            total += rows
        return total

    def _gradient(
        self, rule: BackpropagationRule, inputs: np.ndarray, target: np.ndarray
    ) -> np.ndarray:
        points = self._tensor(inputs).requires_grad_()
        with self._plain():
            logits = walk(self.module, points, rule)[: len(target)]
            (gradient,) = torch.autograd.grad(
                explained_logits(logits, target, self.task).sum(), points
            )
        return np.asarray(gradient.cpu().numpy())

    def _tensor(self, inputs: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(inputs)).to(self.device, self.dtype)

    def _plain(self) -> Any:
        """Let the GPU's library repeat itself; it has no backward pass of recurrent layers here."""
        recurrent = any(isinstance(part, Recurrent) for part in self.module.modules())
        return torch.backends.cudnn.flags(
            enabled=not recurrent, deterministic=True, benchmark=False
        )
