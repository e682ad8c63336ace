"""Scaling motifs until the twin is as hard as the data: a search in one number, then in a second.

The target is the macro ROC AUC of PWM regression on real training and validation examples that it was not
trained on. First the probability of every rule is multiplied by `density` (at most 1 each); a twin that is
still too hard gets stronger sites: none below the quantile `floor` of the motif's scores. Both are found by
bisection, with the same random numbers at every step, between values whose ROC AUC lies on both sides of
the target. Let s be the standard error of the difference: a twin within 2 s (or 0.01) of the target stays
as it is, and the search ends within s (or 0.005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from seqgra.fit.compose import Scale
from seqgra.metrics import Area, error_of_difference

_NEAR, _CLOSE = 0.01, 0.005
_STEPS = 6
_THINNEST, _DENSEST, _STRONGEST = 0.1, 4.0, 0.9


class Scaling(NamedTuple):
    """Scales that were tried, the unscaled twin first."""

    #: ROC AUC on the real examples.
    target: Area
    #: That on the twin of each scale.
    steps: list[tuple[Scale, Area]]

    @property
    def best(self) -> Scale:
        """Scale whose ROC AUC is nearest to the target; of equally near ones the first."""
        return min(self.steps, key=lambda step: abs(step[1].value - self.target.value))[0]


def search(area: Callable[[Scale], Area], target: Area, probabilities: Sequence[float]) -> Scaling:
    """Try scales until the twin's ROC AUC is that on the real examples.

    Parameters
    ----------
    area
        ROC AUC of PWM regression on the twin of a scale.
    target
        That on the real examples.
    probabilities
        Of the rules. Density goes up to where the most probable rule is sure, and on to where all are if that
        made the twin easier; at most to 4.
    """
    scaling = Scaling(target, [])

    def off(scale: Scale) -> float:
        reached = area(scale)
        scaling.steps.append((scale, reached))
        return reached.value - target.value

    def denser(density: float) -> float:
        return off(Scale(density))

    last = denser(1.0)
    error = error_of_difference(scaling.steps[0][1], target)
    if abs(last) <= max(_NEAR, 2 * error):
        return scaling
    close = max(_CLOSE, error)
    if last > 0:
        if denser(_THINNEST) < -close:
            _bisect(denser, _THINNEST, 1.0, close)
        return scaling
    density = 1.0
    for top in sorted({min(1 / p, _DENSEST) for p in (max(probabilities), min(probabilities))}):
        if top == 1:
            continue
        reached = denser(top)
        if reached > close:
            _bisect(denser, density, top, close)
        if reached >= -close:
            return scaling
        if reached <= last:  # denser is harder, as where several conditions have the motif
            break
        density, last = top, reached
    if off(Scale(density, _STRONGEST)) > close:
        _bisect(lambda floor: off(Scale(density, round(floor, 3))), 0.0, _STRONGEST, close)
    return scaling


def _bisect(off: Callable[[float], float], low: float, high: float, close: float) -> None:
    """Narrow the range in which `off`, which grows, is 0."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = off(middle)
        if abs(found) <= close:
            return
        low, high = (low, middle) if found > 0 else (middle, high)
