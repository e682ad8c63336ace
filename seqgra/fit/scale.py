"""Scaling motifs until the twin is as hard as the data: a search in one number, then in a second.

The target is the macro ROC AUC of PWM regression on the real test set. First the probability of every
rule is multiplied by `density` (at most 1 each); a twin that is still too hard with all rules at most
probable gets stronger sites: none below the quantile `floor` of the motif's scores. Both are found by
bisection, with the same random numbers at every step. A twin within 0.01 of the target stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable

from seqgra.fit.compose import Scale

_NEAR, _CLOSE = 0.01, 0.005
_STEPS = 6
_THINNEST, _DENSEST, _STRONGEST = 0.1, 4.0, 0.9

Step = tuple[Scale, float]


def search(area: Callable[[Scale], float], target: float, densest: float) -> list[Step]:
    """Return the scales that were tried with the twin's ROC AUC; the best is the closest to `target`.

    Parameters
    ----------
    area
        ROC AUC of PWM regression on the twin of a scale.
    target
        That on the real examples.
    densest
        Factor at which every rule is sure; at most 4 is tried.
    """
    steps: list[Step] = []

    def tried(scale: Scale) -> float:
        steps.append((scale, area(scale)))
        return steps[-1][1] - target

    off = tried(Scale())
    if abs(off) <= _NEAR:
        return steps
    densest = min(densest, _DENSEST)
    if off > 0:
        _bisect(lambda density: tried(Scale(density)), _THINNEST, 1.0)
    elif densest > 1 and tried(Scale(densest)) > 0:
        _bisect(lambda density: tried(Scale(density)), 1.0, densest)
    elif abs(steps[-1][1] - target) > _CLOSE:
        top = max(densest, 1.0)
        _bisect(lambda floor: tried(Scale(top, round(floor, 3))), 0.0, _STRONGEST)
    return steps


def closest(steps: list[Step], target: float) -> Step:
    """Return the step whose ROC AUC is nearest to the target."""
    return min(steps, key=lambda step: abs(step[1] - target))


def _bisect(off: Callable[[float], float], low: float, high: float) -> None:
    """Narrow the range in which `off`, which grows, is 0."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = off(middle)
        if abs(found) <= _CLOSE:
            return
        low, high = (low, middle) if found > 0 else (middle, high)
