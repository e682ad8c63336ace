"""From logits of constructed sequences to scores: how near a model is to the exact posterior, above chance.

Every measure is computed from logits alone and for weighted backgrounds, so that a bootstrap over backgrounds
is a matrix product: draw 0 counts every background once, each further one is drawn. The model and the exact
posterior are resampled alike, and the score, (raw - chance) / (ceiling - chance), is computed in each draw.
What the posterior's measures are is computed once for all models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from seqgra.probe.designs import (
    BACKGROUNDS,
    CONTRASTS,
    CURVES,
    NEVER_MADE,
    THE_RULE,
    Design,
    ProbeCell,
    asked_about,
)
from seqgra.streams import stream

#: Bootstrap draws of backgrounds.
DRAWS = 2000
#: Accuracy above chance below which a shift is not graded.
LEAST_ACCURACY = 0.1
AT_CHANCE = "the exact posterior is not shown to be above chance"
_TAIL = 0.025
#: Properties measured by the AUROC between two arms.
_AREAS = ("vocabulary", "spacing", *CONTRASTS)
#: Level of a measure that others are made of: it is no line.
_PART = "part"


class Estimate(NamedTuple):
    """A value and the ends of its 95 % bootstrap interval over backgrounds."""

    value: float
    low: float
    high: float


NOTHING = Estimate(float("nan"), float("nan"), float("nan"))


class Line(NamedTuple):
    """One number about a rule."""

    #: The question.
    design: Design
    #: Where it was asked; both empty in the line that sums a design up.
    gap: tuple[int, int] | None
    place: str
    #: ``summary``, ``cell`` or ``curve``.
    level: str
    #: How many sequences of each arm.
    sequences: int
    #: The measure of the model and of the exact posterior.
    raw: Estimate
    ceiling: Estimate
    #: Of a model that ignores the property.
    chance: float
    #: (raw - chance) / (ceiling - chance), clipped to at most 1 and at least 0; NaN where it is not graded.
    score: Estimate
    #: Why it is not graded, else empty.
    reason: str
    #: The measure of untrained copies of the model: mean, least and most.
    untrained: Estimate = NOTHING


class Logits:
    """Logits of all sequences, and how they are read.

    Attributes
    ----------
    values
        float64 (C, K, M): logits of each condition, of K models.
    multi_label
        Whether each logit stands for itself.

    Parameters
    ----------
    logits
        float64 (K, M, C).
    multi_label
        See above.
    """

    def __init__(self, logits: np.ndarray, multi_label: bool) -> None:
        self.values = np.ascontiguousarray(logits.transpose(2, 0, 1))
        self.multi_label = multi_label

    @cached_property
    def centred(self) -> np.ndarray:
        """f_y of every condition: the logit, in a multi-class task less the mean logit; float64 (C, K, M)."""
        if self.multi_label:
            return self.values
        return np.asarray(self.values - self.values.mean(axis=0))

    @cached_property
    def _predicted(self) -> np.ndarray:
        return _shares(self.values)

    def of(self, rows: np.ndarray, condition: int) -> np.ndarray:
        """Return f_y: float64 (K, n)."""
        return np.asarray(self.centred[condition].take(rows, axis=1))

    def contrast(self, rows: np.ndarray, condition: int, other: int) -> np.ndarray:
        """Return f_y - f_y', or f_y where y' is -1: float64 (K, n)."""
        if other < 0:
            return self.of(rows, condition)
        own, others = (self.values[number].take(rows, axis=1) for number in (condition, other))
        return np.asarray(own - others)

    def called(
        self, rows: np.ndarray, condition: int, among: Sequence[int] | None = None
    ) -> np.ndarray:
        """Return where a condition is predicted, multi-class ahead of the others of `among`: float64 (K, n).

        Ties count as their share. `among` None: all conditions.
        """
        if self.multi_label:
            own = self.values[condition].take(rows, axis=1)
            return np.asarray((own > 0) + 0.5 * (own == 0))
        if among is None or len(among) == len(self.values):
            return np.asarray(self._predicted[condition].take(rows, axis=1))
        few = np.stack([self.values[number].take(rows, axis=1) for number in among])
        return np.asarray(_shares(few)[list(among).index(condition)])


def _shares(values: np.ndarray) -> np.ndarray:
    """Return 1 where a logit is the largest of all conditions (C, ...), ties as their share, NaN for NaN."""
    top = values == values.max(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(top / top.sum(axis=0))


class Bootstrap:
    """Draws of backgrounds, the same ones for all models of a grammar.

    Attributes
    ----------
    weights
        float32 (B, D): how often each background counts in each draw, whole numbers; in draw 0 once.
    """

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights
        self._rows = list(weights)
        self._totals: dict[int, np.ndarray] = {}

    def total(self, count: int) -> np.ndarray:
        """Return how often backgrounds 0 to `count` - 1 count together: float32 (D,)."""
        if count not in self._totals:
            self._totals[count] = self.weights[:count].sum(axis=0)
        return self._totals[count]

    def means(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return weighted means over backgrounds, of all values in one matrix product.

        Parameters
        ----------
        values
            P arrays, float64 (K, n): of backgrounds 0 to n - 1.

        Returns
        -------
        ndarray
            float32 (K, P, D).
        """
        models = len(values[0]) if values else 0
        every = np.zeros((models, len(values), len(self.weights)), np.float32)
        totals = np.empty((len(values), self.weights.shape[1]), np.float32)
        for place, own in enumerate(values):
            every[:, place, : own.shape[1]] = own
            totals[place] = self.total(own.shape[1])
        found = every @ self.weights
        found /= np.maximum(totals, 1e-9, out=totals)
        return np.asarray(found)

    def area(self, positive: Sequence[np.ndarray], negative: Sequence[np.ndarray]) -> np.ndarray:
        """Return P(positive > negative) + P(tie) / 2 over pairs of examples.

        A compiled loop is three times as fast, and to load it takes as long as two hundred areas. Sums are of
        halves of whole numbers below 2^23, so that they are exact.

        Parameters
        ----------
        positive, negative
            Arrays float64 (K, n), each of backgrounds 0 to n - 1; those of one side are pooled.

        Returns
        -------
        ndarray
            float32 (K, D).
        """
        counts = [[part.shape[1] for part in side] for side in (negative, positive)]
        total = [sum(map(self.total, side)) for side in counts]
        weights = [row for side in counts for count in side for row in self._rows[:count]]
        values, many = np.concatenate([*negative, *positive], axis=1), sum(counts[0])
        found = np.zeros((len(values), self.weights.shape[1]), np.float32)
        below, pairs = np.empty((2, self.weights.shape[1]), np.float32)
        for own, wins in zip(values, found, strict=True):
            below[:] = 0
            order = np.argsort(own, kind="stable")  # of equal ones the negative first
            for place in order.tolist():
                if place < many:
                    below += weights[place]
                else:
                    np.multiply(weights[place], below, out=pairs)
                    wins += pairs
            for tie in np.intersect1d(own[:many], own[many:]):
                equal = np.flatnonzero(own == tie).tolist()
                ones = sum(weights[place] for place in equal if place >= many)
                wins -= ones * sum(weights[place] for place in equal if place < many) / 2
        found /= np.maximum(total[0] * total[1], 1e-9)
        return np.asarray(found)


@lru_cache(maxsize=1)
def bootstrap(seed: int) -> Bootstrap:
    """Return the draws of the sequences of a seed; all models share them."""
    generator = np.random.Generator(stream(seed, "bootstrap", "constructed", 0))
    drawn = generator.multinomial(BACKGROUNDS, np.full(BACKGROUNDS, 1 / BACKGROUNDS), size=DRAWS)
    every = np.concatenate([np.ones((1, BACKGROUNDS)), drawn]).astype(np.float32)
    return Bootstrap(np.ascontiguousarray(every.T))


#: Every background once, no draws.
ONCE = Bootstrap(np.ones((BACKGROUNDS, 1), np.float32))


def estimates(draws: np.ndarray) -> np.ndarray:
    """Return first values, and the 2.5 and 97.5 % quantiles of the others: float64 (P, 3) of (P, D).

    Draws that are not finite are left out; where the first is not, all three are NaN.
    """
    found = np.full((len(draws), 3), np.nan)
    found[:, 0] = draws[:, 0]
    rest = draws[:, 1:]
    whole = np.isfinite(rest).all(axis=1)
    if rest.shape[1]:
        found[whole, 1:] = _ends(rest[whole])
    for row in np.flatnonzero(~whole):
        finite = rest[row][np.isfinite(rest[row])]
        if finite.size:
            found[row, 1:] = _ends(finite[None])[0]
    found[~np.isfinite(found[:, 0])] = np.nan
    return found


def _ends(draws: np.ndarray) -> np.ndarray:
    """Return the 2.5 and 97.5 % quantiles of each row, as `numpy.percentile` does: float64 (P, 2)."""
    places = np.array([_TAIL, 1 - _TAIL]) * (draws.shape[1] - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, draws.shape[1] - 1)
    ordered = np.sort(draws, axis=1).astype(np.float64)  # of float32 faster than np.partition
    low, high = ordered[:, below], ordered[:, above]
    return np.asarray(low + (places - below) * (high - low))


class Slot(NamedTuple):
    """What one row of measures is about; see `Line`. Those of level ``part`` are no lines."""

    design: int
    gap: tuple[int, int] | None
    place: str
    level: str
    sequences: int
    chance: float


class Measures(NamedTuple):
    """What was measured of K models, in each draw of backgrounds."""

    #: P of them, the same for all models of a grammar.
    slots: tuple[Slot, ...]
    #: float32 (K, P, D).
    draws: np.ndarray


class Thirds(NamedTuple):
    """Points of a curve, by their numbers, where the posterior has it highest and lowest."""

    high: tuple[int, ...]
    low: tuple[int, ...]


class Reference(NamedTuple):
    """Measures of the exact posterior, K = 1, and their values and intervals: float64 (P, 3)."""

    measures: Measures
    estimates: np.ndarray
    #: Number of a design that is a curve -> its `Thirds`.
    thirds: Mapping[int, tuple[Thirds, Thirds]]


def reference_of(
    designs: Sequence[Design], names: Sequence[str], posterior: Logits, draws: Bootstrap
) -> Reference:
    """Return the measures of the exact posterior; see `measure`."""
    measures = measure(designs, names, posterior, draws)
    thirds = {n: _thirds(d, posterior) for n, d in enumerate(designs) if d.property in CURVES}
    return Reference(measures, estimates(measures.draws[0]), thirds)


def measure(
    designs: Sequence[Design],
    names: Sequence[str],
    logits: Logits,
    draws: Bootstrap,
    reference: Reference | None = None,
) -> Measures:
    """Measure models by all designs.

    Parameters
    ----------
    designs
        The questions.
    names
        Of the grammar's conditions.
    logits
        Of the models.
    draws
        Of backgrounds.
    reference
        Of the exact posterior; None: the model is the posterior.
    """
    asked = [(number, design) for number, design in enumerate(designs) if not design.reason]
    values = [
        part
        for _, design in asked
        if design.property not in _AREAS
        for cell in design.cells
        for part in _by_background(design, names, cell, logits)
    ]
    means = draws.means(values)
    slots: list[Slot] = []
    rows: list[np.ndarray] = []
    first = 0
    for number, design in asked:
        if design.property in _AREAS:
            found = np.stack([_area(design, cell, logits, draws) for cell in design.cells], axis=1)
        else:
            count = len(design.cells) * (3 if design.property == "confounder" else 1)
            found, first = means[:, first : first + count], first + count
        if design.property in CURVES:
            curve = found if reference is None else _rows_of(reference, number)
            thirds = _thirds(design, logits) if reference is None else reference.thirds[number]
            made = _curve(design, logits, draws, found, curve, thirds)
        else:
            made = _others(design, found, 1 / len(names), logits.multi_label)
        for slot, row in made:
            slots.append(slot._replace(design=number))
            rows.append(row)
    shape = (logits.values.shape[1], 0, draws.weights.shape[1])
    return Measures(tuple(slots), np.stack(rows, axis=1) if rows else np.zeros(shape, np.float32))


def _rows_of(reference: Reference, design: int) -> np.ndarray:
    """Return the posterior's draws of a design's points: float32 (1, n, D)."""
    slots, draws = reference.measures
    own = [n for n, slot in enumerate(slots) if slot.design == design and slot.level == "curve"]
    return draws[:, own]


def _area(design: Design, cell: ProbeCell, logits: Logits, draws: Bootstrap) -> np.ndarray:
    """AUROC between two arms, of f_y - f_y', of vocabulary of f_y; float32 (K, D).

    The arms of vocabulary are with and without the element, unpaired.
    """
    one, two = (
        logits.contrast(rows, design.condition, design.other) for rows in cell.arms.values()
    )
    return draws.area([one], [two])


def _by_background(
    design: Design, names: Sequence[str], cell: ProbeCell, logits: Logits
) -> Iterator[np.ndarray]:
    """Yield what a cell's measure is the mean of, a number a background: float64 (K, n)."""
    arms, name = cell.arms, design.property
    if name in CURVES:
        yield logits.contrast(arms["block"], design.condition, design.other)
    elif name == "order":  # both versions are predicted rightly
        before, after = (
            logits.contrast(arms[arm], design.condition, design.other)
            for arm in ("as it is", "swapped")
        )
        yield (before > 0) & (after < 0)
    elif name == "sufficiency":  # P(y | the rule of y) less the mean of P(y | another condition)
        called = {arm: logits.called(rows, design.condition) for arm, rows in arms.items()}
        own = called.pop(THE_RULE)
        yield own - np.mean([*called.values()], axis=0)
    elif name == "logic":  # share of a truth table's row that is given to its condition
        ((arm, rows),) = arms.items()
        yield logits.called(rows, names.index(arm))
    elif (
        name == "confounder"
    ):  # mean absolute change of the centred logits when a stretch is redrawn
        base = logits.centred.take(arms["as it is"], axis=2)
        for arm in ("confounder", "element", "background"):
            yield np.abs(logits.centred.take(arms[arm], axis=2) - base).mean(axis=0)
    else:
        yield _balanced(names, cell, logits)


def _balanced(names: Sequence[str], cell: ProbeCell, logits: Logits) -> np.ndarray:
    """Mean over the arms, each of the condition of its name, of what is predicted rightly: (K, n).

    In a multi-label task that of y and of not y: sequences of the other arms.
    """
    among = [names.index(arm) for arm in cell.arms]
    shares = []
    for arm, rows in cell.arms.items():
        own = logits.called(rows, names.index(arm), among)
        if logits.multi_label:
            others = [
                1 - logits.called(other, names.index(arm))
                for name, other in cell.arms.items()
                if name != arm
            ]
            own = (own + np.mean(others, axis=0)) / 2
        shares.append(own)
    return np.asarray(np.mean(shares, axis=0))


_Row = tuple[Slot, np.ndarray]


def _slot(
    cell: ProbeCell | None, level: str, chance: float, sequences: int = 0, place: str | None = None
) -> Slot:
    """Return a slot about a cell; one that sums cells up has neither gap nor place."""
    if cell is None:
        return Slot(-1, None, place or "", level, sequences, chance)
    count = min(map(len, cell.arms.values()))
    return Slot(-1, cell.gap, cell.place if place is None else place, level, count, chance)


def _others(design: Design, found: np.ndarray, share: float, multi_label: bool) -> Iterator[_Row]:
    """Yield the measures of each cell, and what sums them up, of what was `found`: (K, cells, D).

    `share` is 1 by the number of conditions.
    """
    name, cells = design.property, design.cells
    count = min(map(len, cells[0].arms.values()))
    if name == "confounder":
        above, below = (found[:, n] - found[:, 2] for n in (0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            yield _slot(None, "summary", 1.0, count), above / below
        yield _slot(None, _PART, 0.0), above
        yield _slot(None, _PART, 0.0), below
        return
    if name == "shift":  # accuracy above chance, as a share of that over the trained background
        above = found - (1 / len(cells[0].arms))
        yield _slot(None, _PART, 0.0), above[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            found = above[:, 1:] / above[:, :1]
        cells, chance = cells[1:], 0.0
    elif name == "translation":
        chance = 0.5 if multi_label else 1 / len(cells[0].arms)
    else:
        chance = {"order": 0.25, "sufficiency": 0.0, "logic": share}.get(name, 0.5)
    if len(cells) == 1 and name != "order":
        level = "summary" if name != "shift" else "cell"
        yield _slot(cells[0], level, chance), found[:, 0]
        if name != "shift":
            return
    else:
        for n, cell in enumerate(cells):
            yield _slot(cell, "cell", chance), found[:, n]
    if name == "order":  # the mean over places of each bin of gaps
        for gap in dict.fromkeys(cell.gap for cell in cells):
            own = [n for n, cell in enumerate(cells) if cell.gap == gap]
            yield _slot(cells[own[0]], "cell", chance, place=""), found[:, own].mean(axis=1)
    elif name != "spacing":
        yield _slot(None, "summary", chance, count), found.min(axis=1)


def _made(cells: Sequence[ProbeCell]) -> list[int]:
    """Return which points of a curve some condition makes."""
    return [n for n, cell in enumerate(cells) if cell.place != NEVER_MADE]


def _evidence(design: Design, logits: Logits, half: int) -> list[np.ndarray]:
    """Return f_y - f_y' at each point of a curve, of every other background: float64 (K, n) each."""
    rows = (cell.arms["block"][half::2] for cell in design.cells)
    return [logits.contrast(own, design.condition, design.other) for own in rows]


def _thirds(design: Design, posterior: Logits) -> tuple[Thirds, Thirds]:
    """Return the highest and the lowest third of a curve's points, by each half of the backgrounds."""
    made, found = _made(design.cells), []
    third = -(-len(made) // 3)
    for half in (0, 1):
        curve = [float(own.mean()) for own in _evidence(design, posterior, half)]
        rising = sorted(made, key=lambda n: curve[n])
        found.append(Thirds(tuple(rising[len(rising) - third :]), tuple(rising[:third])))
    return found[0], found[1]


def _curve(
    design: Design,
    logits: Logits,
    draws: Bootstrap,
    found: np.ndarray,
    posterior: np.ndarray,
    thirds: tuple[Thirds, Thirds],
) -> Iterator[_Row]:
    """Yield the mean evidence at each point, and how near the curve is to that of the posterior.

    Points that no condition makes are drawn and not graded. Of the others two numbers are taken: Spearman's
    rho of both curves (place ``ranks``), and the AUROC of the evidence between the thirds of points at which
    the posterior's curve is highest and lowest (level ``summary``): on each half of the backgrounds between
    those of the other half, since a choice by the same sequences would make a difference of chance. Spacing
    has a measure of its own.

    Parameters
    ----------
    design, logits, draws
        As of `measure`.
    found, posterior
        float32 (K, n, D), (1, n, D): the curves of the models and of the posterior.
    thirds
        Of the posterior.
    """
    cells = design.cells
    for n, cell in enumerate(cells):
        yield _slot(cell, "curve", 0.0), found[:, n]
    made = _made(cells)
    if design.property == "spacing curve" or len(made) < 2:
        return
    count = len(cells[made[0]].arms["block"])
    theirs = posterior[:, made, : found.shape[2]]
    ranks, summary = _slot(None, "cell", 0.0, count, "ranks"), _slot(None, "summary", 0.5, count)
    if not np.isfinite(theirs).all():  # the posterior is not exact
        nothing = np.full_like(found[:, 0], np.nan)
        yield from ((ranks, nothing), (summary, nothing))
        return
    if found is posterior:
        yield ranks, np.ones_like(found[:, 0])
    else:
        yield ranks, _correlation(_centred_ranks(found[:, made]), _centred_ranks(theirs))
    areas = []
    for half, chosen in enumerate(reversed(thirds)):
        evidence = _evidence(design, logits, half)
        sides = ([evidence[n] for n in points] for points in chosen)
        areas.append(Bootstrap(draws.weights[half::2]).area(*sides))
    yield summary, np.mean(areas, axis=0)


def _centred_ranks(curves: np.ndarray) -> np.ndarray:
    """Return ranks of points less their mean, ties at their middle: float32 (K, n, D) of (K, n, D)."""
    ranks = np.empty(curves.shape, np.float32)
    for n in range(curves.shape[1]):
        own = curves[:, n, None]
        ranks[:, n] = (own > curves).sum(axis=1) / 2 - (own < curves).sum(axis=1) / 2
    return ranks


def _correlation(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return the correlation of centred columns (K, n, D): float32 (K, D), 0 where one is constant."""
    spread = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    return np.asarray((one * two).sum(axis=1) / np.where(spread > 0, spread, 1))


def lines_of(
    designs: Sequence[Design],
    model: Measures,
    reference: Reference,
    untrained: Measures | None = None,
) -> list[Line]:
    """Return what designs say about a model: a line for each cell, and one that sums each design up.

    Parameters
    ----------
    designs
        The questions.
    model, untrained
        Measures of the model, K = 1, and of untrained copies of it in draw 0; None without.
    reference
        Of the exact posterior.
    """
    slots, (own,) = model
    best, ceiling = reference.measures.draws[0], reference.estimates
    chance = np.array([[slot.chance] for slot in slots], np.float32)
    levels = np.array([slot.level for slot in slots])
    scored = (ceiling[:, 1] > chance[:, 0]) & (levels != "curve") & (levels != _PART)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = (own[scored] - chance[scored]) / (best[scored] - chance[scored])
    raw, score = estimates(own), np.full((len(slots), 3), np.nan)
    score[scored] = np.clip(estimates(scores), 0.0, 1.0)
    copies = np.full((len(slots), 3), np.nan)
    if untrained is not None:
        of = untrained.draws[:, :, 0].astype(np.float64)
        of[~np.isfinite(of)] = np.nan
        copies = np.stack([of.mean(axis=0), of.min(axis=0), of.max(axis=0)], axis=1)
    lines: list[Line] = []
    for number, design in enumerate(designs):
        if design.reason:
            lines.append(_blank(design, design.reason, float("nan")))
            continue
        places = [n for n, slot in enumerate(slots) if slot.design == number]
        about = replace(design, property=asked_about(design))
        found = []
        for n in places:
            slot = slots[n]
            graded = scored[n] or slot.level in ("curve", _PART)
            found.append(
                Line(
                    design if slot.level == "curve" else about,
                    *slot[1:5],
                    Estimate(*raw[n].tolist()),
                    Estimate(*ceiling[n].tolist()),
                    slot.chance,
                    Estimate(*score[n].tolist()),
                    "" if graded else AT_CHANCE,
                    Estimate(*copies[n].tolist()),
                )
            )
        lines += _finished(design, found, own[places])
    return lines


def _blank(design: Design, reason: str, chance: float) -> Line:
    return Line(design, None, "", "summary", 0, NOTHING, NOTHING, chance, NOTHING, reason)


def _finished(design: Design, found: list[Line], own: np.ndarray) -> list[Line]:
    """Return the lines of a design, as `lines_of` has `found` them, with what sums it up.

    `own` are the model's draws of the same, float32 (n, D). Of a confounder the score is 1 - r, clipped: 1
    where it changes the logits no more than background does.
    """
    lines = [line for line in found if line.level != _PART]
    parts = [line.raw for line in found if line.level == _PART]
    if design.property in CURVES:
        if design.property == "spacing curve":
            return lines
        if lines and lines[-1].level == "summary":
            if lines[-1].reason:
                lines[-2] = lines[-2]._replace(score=NOTHING, reason=lines[-1].reason)
            return lines
        made = _made(design.cells)
        reason = "no condition makes it at another place" if made else "no condition makes it"
        about = replace(design, property=asked_about(design))
        return [*lines, _blank(about, reason, 0.5)]
    if design.property == "order":  # by the least gaps
        first = next(line for line in lines if not line.place)
        return [*lines, first._replace(level="summary")]
    if design.property == "spacing":  # who knows only where one element lies fails when it is held
        graded = [line for line in lines if not line.reason] or lines
        least = min(graded, key=lambda line: (line.score.value, line.raw.value))
        return [*lines, least._replace(place="", level="summary")]
    if design.property == "shift" and parts[0].value < LEAST_ACCURACY:
        reason = f"its accuracy is less than {LEAST_ACCURACY:g} above chance"
        return [line._replace(score=NOTHING, reason=reason) for line in lines]
    if design.property == "confounder":
        above, below = parts
        score, reason = NOTHING, "neither elements nor the confounder change the logits"
        if below.low > 0:
            score, reason = Estimate(*estimates(1 - np.clip(own[:1], 0, 1))[0].tolist()), ""
        elif above.low > 0:  # a model that uses the confounder alone
            score, reason = Estimate(0.0, 0.0, 0.0), ""
        return [lines[0]._replace(score=score, reason=reason)]
    return lines
