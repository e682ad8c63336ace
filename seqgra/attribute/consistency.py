"""How far a model's attributions repeat local patterns over examples: a measure that needs no truth.

After Majdandzic et al. 2022 (https://proceedings.mlr.press/v200/majdandzic22a.html), for alphabets of four
letters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqgra.attribute.gradients import correct
from seqgra.streams import stream

#: Neighbouring positions that make a pattern.
NEIGHBOURS = 3
#: Share of patterns, the strongest, that count.
STRONGEST = 0.04
#: Bins of the sphere of directions: bands of equal area, and parts of each band.
BANDS, PARTS = 6, 12
#: Shuffles that tell what chance gives.
SHUFFLES = 4
#: Orthonormal axes of the space of columns that sum up to 0: (3, 4).
_AXES = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]], np.float32) / 2


def columns(values: np.ndarray) -> np.ndarray:
    """Return each position's attribution in three coordinates, examples brought to one scale.

    Parameters
    ----------
    values
        float32 (N, 4, L): attributions, 0 beyond an example's end. Each position loses its mean over
        letters; each example is divided by the sum of its positions' norms.

    Returns
    -------
    ndarray
        float32 (N, L, 3); 0 for an example without any attribution, or one that is not finite.
    """
    found = np.einsum("ka,nal->nlk", _AXES, correct(values.astype(np.float32)))
    total = np.linalg.norm(found, axis=2).sum(axis=1)[:, None, None]
    usable = np.isfinite(total) & (total > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(usable, found / total, np.float32(0))


def consistency(examples: np.ndarray) -> float:
    """Return the information, in nats, in which local patterns come up: near 0 for random ones.

    The sum of `NEIGHBOURS` neighbouring columns is a point; of all points the `STRONGEST` share by
    radius r count. With p the distribution of their directions, weighted by r^2, and q the same after
    the positions of every example are shuffled (which keeps what a method gives single positions):
    KL(p || q) less the mean KL(q_s || q_others) over shuffles s, which is what chance gives.

    Parameters
    ----------
    examples
        float32 (N, L, 3), see `columns`.

    Returns
    -------
    float
        NaN where there is nothing to measure.
    """
    own = _directions(examples)
    if own is None:
        return float("nan")
    shuffled = [_directions(_shuffled(examples, number)) for number in range(SHUFFLES)]
    draws = np.array([draw for draw in shuffled if draw is not None])
    chance = [
        _divergence(draws[number], np.delete(draws, number, axis=0).mean(axis=0))
        for number in range(len(draws))
    ]
    return _divergence(own, draws.mean(axis=0)) - float(np.mean(chance))


def _shuffled(examples: np.ndarray, number: int) -> np.ndarray:
    """Return the examples with their positions shuffled; empty ones, such as padding, stay behind."""
    generator = np.random.Generator(stream(0, "consistency", "shuffle", number))
    keys = generator.random(examples.shape[:2])
    keys[~examples.any(axis=2)] = 2
    return np.take_along_axis(examples, np.argsort(keys, axis=1)[..., None], axis=1)


def _directions(examples: np.ndarray) -> np.ndarray | None:
    """Return the distribution of directions over bins of equal area, float64 (BANDS * PARTS,)."""
    length = examples.shape[1] - NEIGHBOURS + 1
    if length < 1:
        return None
    points = np.zeros((len(examples), length, 3))
    for shift in range(NEIGHBOURS):
        points += examples[:, shift : shift + length]
    points = points.reshape(-1, 3)
    radius = np.linalg.norm(points, axis=1)
    count = max(1, int(STRONGEST * radius.size))
    strongest = (radius >= np.partition(radius, -count)[-count]) & (radius > 0)  # with all ties
    if not strongest.any():
        return None
    points, radius = points[strongest], radius[strongest]
    height = points[:, 2] / radius
    band = np.minimum(((height + 1) / 2 * BANDS).astype(np.int64), BANDS - 1)
    turn = (np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi)) % 1
    part = np.minimum((turn * PARTS).astype(np.int64), PARTS - 1)
    weights = np.bincount(band * PARTS + part, radius**2, BANDS * PARTS)
    return np.asarray(weights / weights.sum())


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Return KL(p || q) in nats, q mixed with a hundredth of the uniform distribution."""
    q = 0.99 * q + 0.01 / q.size
    return float(np.where(p > 0, p * np.log(np.maximum(p, np.finfo(float).tiny) / q), 0).sum())


class Patterns:
    """Collects the attributions of a model, batch by batch, and tells how consistent they are."""

    def __init__(self) -> None:
        self._columns: list[np.ndarray] = []
        self._explained: list[np.ndarray] = []

    def add(self, values: np.ndarray, explained: np.ndarray) -> None:
        """Take attributions, float32 (N, A, L), and the number of the condition of each."""
        if values.shape[1] == _AXES.shape[1]:
            self._columns.append(columns(values))
            self._explained.append(explained)

    def scores(self, conditions: Sequence[str]) -> dict[str, float]:
        """Return the consistency of each condition that was explained, by name; empty unless A = 4."""
        if not self._columns:
            return {}
        examples, explained = np.concatenate(self._columns), np.concatenate(self._explained)
        return {
            conditions[number]: consistency(examples[explained == number])
            for number in np.unique(explained).tolist()
        }
