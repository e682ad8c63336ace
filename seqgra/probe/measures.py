"""From logits of constructed sequences to scores: how near a model is to the exact posterior, above chance.

Every measure is computed from logits alone and for weighted backgrounds, so that a bootstrap over backgrounds
is a matrix product: row 0 of the weights counts every background once, each further row is a draw. The
model and the exact posterior are resampled alike, and the score, (raw - chance) / (ceiling - chance), is
computed in each draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from seqgra.metrics import weighted_roc_auc
from seqgra.model import MULTI_CLASS, MULTI_LABEL, explained_part
from seqgra.probe.designs import (
    BACKGROUNDS,
    CONTRASTS,
    CURVES,
    NEVER_MADE,
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


class Estimate(NamedTuple):
    """A value and the ends of its 95 % bootstrap interval over backgrounds."""

    value: float
    low: float
    high: float


NOTHING = Estimate(float("nan"), float("nan"), float("nan"))


class Line(NamedTuple):
    """One number about a rule.

    Attributes
    ----------
    design
        The question.
    gap, place
        Where it was asked; both empty in the line that sums a design up.
    level
        ``summary``, ``cell`` or ``curve``.
    sequences
        How many sequences of each arm.
    raw, ceiling
        The measure of the model and of the exact posterior.
    chance
        Of a model that ignores the property.
    score
        (raw - chance) / (ceiling - chance), clipped to at most 1 and at least 0; NaN where it is not graded.
    reason
        Why it is not graded, else empty.
    untrained
        The measure of untrained copies of the model: mean, least and most.
    """

    design: Design
    gap: tuple[int, int] | None
    place: str
    level: str
    sequences: int
    raw: Estimate
    ceiling: Estimate
    chance: float
    score: Estimate
    reason: str
    untrained: Estimate = NOTHING


class Logits(NamedTuple):
    """Logits of all sequences, and how they are read.

    Attributes
    ----------
    values
        float64 (M, C).
    multi_label
        Whether each logit stands for itself.
    """

    values: np.ndarray
    multi_label: bool

    def of(self, rows: np.ndarray, condition: int) -> np.ndarray:
        """Return f_y: the logit, in a multi-class task less the mean logit; float64 (n,)."""
        task = MULTI_LABEL if self.multi_label else MULTI_CLASS
        return explained_part(self.values[rows], np.full(len(rows), condition), task)

    def contrast(self, rows: np.ndarray, condition: int, other: int) -> np.ndarray:
        """Return f_y - f_y': float64 (n,)."""
        return np.asarray(self.values[rows, condition] - self.values[rows, other])

    def called(self, rows: np.ndarray, condition: int, among: Sequence[int]) -> np.ndarray:
        """Return where a condition is predicted (multi-class: ahead of the others of `among`), float64 (n,).

        Ties count as their share.
        """
        values = self.values[rows]
        if self.multi_label:
            own = values[:, condition]
            return np.asarray((own > 0) + 0.5 * (own == 0))
        top = values[:, list(among)] == values[:, list(among)].max(axis=1, keepdims=True)
        return np.asarray(top[:, list(among).index(condition)] / top.sum(axis=1))


@lru_cache(maxsize=1)
def bootstrap_weights(seed: int) -> np.ndarray:
    """Return how often each background counts: float32 (1 + DRAWS, BACKGROUNDS), the first row all ones.

    It is shared by all models and must not be changed.
    """
    generator = np.random.Generator(stream(seed, "bootstrap", "constructed", 0))
    drawn = generator.multinomial(BACKGROUNDS, np.full(BACKGROUNDS, 1 / BACKGROUNDS), size=DRAWS)
    every = np.concatenate([np.ones((1, BACKGROUNDS)), drawn])
    return every.astype(np.float32, order="F")  # draws of one background lie side by side


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of values (n,), of backgrounds 0 to n - 1, in each draw: float64 (D,)."""
    own = weights[:, : len(values)]
    total = (own @ values.astype(np.float32)).astype(np.float64)
    if len(values) == BACKGROUNDS:  # each draw holds as many
        return np.asarray(total / BACKGROUNDS)
    return np.asarray(total / np.maximum(own.sum(axis=1), 1e-9), np.float64)


def estimate(draws: np.ndarray) -> Estimate:
    """Return the first value and the 2.5 and 97.5 % quantiles of the others; NaN where there is none."""
    rest = draws[1:]
    if len(draws) == 1:
        return Estimate(float(draws[0]), float("nan"), float("nan"))
    if not np.isfinite(rest).all():
        rest = rest[np.isfinite(rest)]
    if not np.isfinite(draws[0]) or not rest.size:
        return NOTHING
    places = np.array([_TAIL, 1 - _TAIL]) * (len(rest) - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(rest) - 1)
    ordered = np.partition(rest, np.concatenate([below, above]))
    ends = ordered[below] + (places - below) * (ordered[above] - ordered[below])
    return Estimate(float(draws[0]), float(ends[0]), float(ends[1]))


class Raw(NamedTuple):
    """A measure in each draw, float64 (D,), of the model and of the exact posterior, and its chance level."""

    model: np.ndarray
    ceiling: np.ndarray
    chance: float

    @property
    def score(self) -> np.ndarray:
        """(raw - chance) / (ceiling - chance): float64 (D,), not clipped."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.model - self.chance) / (self.ceiling - self.chance))


Measure = Callable[[Design, ProbeCell, Logits, np.ndarray], np.ndarray]


def _auroc_of_arms(
    design: Design, cell: ProbeCell, logits: Logits, weights: np.ndarray
) -> np.ndarray:
    """AUROC of f_y - f_y' between the arms of y and of y'."""
    mine, theirs = (
        logits.contrast(cell.arms[arm], design.condition, design.other)
        for arm in ("condition", "other")
    )
    return weighted_roc_auc(mine, theirs, weights)


def _vocabulary(design: Design, cell: ProbeCell, logits: Logits, weights: np.ndarray) -> np.ndarray:
    """AUROC of f_y with and without the element, unpaired."""
    held, lost = (logits.of(cell.arms[arm], design.condition) for arm in ("with", "without"))
    return weighted_roc_auc(held, lost, weights)


def _sufficiency(
    design: Design, cell: ProbeCell, logits: Logits, weights: np.ndarray
) -> np.ndarray:
    """P(y is predicted | the rule of y) less the mean of P(y is predicted | another condition)."""
    every = range(logits.values.shape[1])
    called = {
        arm: weighted_mean(logits.called(rows, design.condition, every), weights)
        for arm, rows in cell.arms.items()
    }
    own = called.pop("rule")
    return np.asarray(own - np.mean([*called.values()], axis=0))


def _flip(design: Design, cell: ProbeCell, logits: Logits, weights: np.ndarray) -> np.ndarray:
    """Share of pairs of which both versions are predicted rightly.

    The swapped version is that of y'. In a multi-label task f_y must be above 0 before and below 0 after.
    """
    one, two = cell.arms["as it is"], cell.arms["swapped"]
    if design.other >= 0:
        before = logits.contrast(one, design.condition, design.other)
        after = logits.contrast(two, design.condition, design.other)
    else:
        before, after = (logits.of(rows, design.condition) for rows in (one, two))
    return weighted_mean(((before > 0) & (after < 0)).astype(np.float64), weights)


def _balanced(
    names: Sequence[str], cell: ProbeCell, logits: Logits, weights: np.ndarray
) -> np.ndarray:
    """Mean over the arms, each of the condition of its name, of the share that is predicted rightly.

    In a multi-label task that of y and of not y: sequences of the other arms.
    """
    among = [names.index(arm) for arm in cell.arms]
    shares = []
    for arm, rows in cell.arms.items():
        own = weighted_mean(logits.called(rows, names.index(arm), among), weights)
        if logits.multi_label:
            others = [
                1 - weighted_mean(logits.called(other, names.index(arm), among), weights)
                for name, other in cell.arms.items()
                if name != arm
            ]
            own = (own + np.mean(others, axis=0)) / 2
        shares.append(own)
    return np.asarray(np.mean(shares, axis=0))


def _row(names: Sequence[str], cell: ProbeCell, logits: Logits, weights: np.ndarray) -> np.ndarray:
    """Share of a truth table's row that is given to its condition."""
    ((name, rows),) = cell.arms.items()
    return weighted_mean(logits.called(rows, names.index(name), range(len(names))), weights)


def _confounding(cell: ProbeCell, logits: Logits, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return r = (D_confounder - D_background) / (D_element - D_background), and both its parts.

    D is the mean absolute change of the centred logits when a stretch is redrawn.
    """
    base = logits.values[cell.arms["as it is"]]
    change = {}
    for arm in ("confounder", "element", "background"):
        moved = logits.values[cell.arms[arm]] - base
        if not logits.multi_label:
            moved = moved - moved.mean(axis=1, keepdims=True)
        change[arm] = weighted_mean(np.abs(moved).mean(axis=1), weights)
    above, below = (change[arm] - change["background"] for arm in ("confounder", "element"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return above / below, above, below


_PLAIN: dict[str, tuple[Measure, float]] = {
    "vocabulary": (_vocabulary, 0.5),
    "sufficiency": (_sufficiency, 0.0),
    "order": (_flip, 0.25),
    "spacing": (_auroc_of_arms, 0.5),
    **dict.fromkeys(CONTRASTS, (_auroc_of_arms, 0.5)),
}


def score_design(
    design: Design, names: Sequence[str], model: Logits, ceiling: Logits, weights: np.ndarray
) -> list[Line]:
    """Return what a design says about a model: a line for each cell, and one that sums them up.

    Parameters
    ----------
    design
        The question.
    names
        Of the grammar's conditions.
    model, ceiling
        Logits of the model and of the exact posterior on the same sequences.
    weights
        From `bootstrap_weights`.
    """
    if design.reason:
        line = Line(
            design, None, "", "summary", 0, NOTHING, NOTHING, float("nan"), NOTHING, design.reason
        )
        return [line]
    if design.property in CURVES:
        return _curve_lines(design, model, ceiling, weights)
    if design.property == "confounder":
        return [_confounder_line(design, model, ceiling, weights)]
    if design.property == "shift":
        return _shift_lines(design, names, model, ceiling, weights)

    def measure(cell: ProbeCell) -> Raw:
        if design.property in _PLAIN:
            how, chance = _PLAIN[design.property]
            own, best = (how(design, cell, logits, weights) for logits in (model, ceiling))
            return Raw(own, best, chance)
        if design.property == "translation":
            own, best = (_balanced(names, cell, logits, weights) for logits in (model, ceiling))
            return Raw(own, best, 0.5 if model.multi_label else 1 / len(cell.arms))
        own, best = (_row(names, cell, logits, weights) for logits in (model, ceiling))
        return Raw(own, best, 1 / len(names))

    raws = [measure(cell) for cell in design.cells]
    lines = [
        _line(design, cell.gap, cell.place, "cell", cell, raw)
        for cell, raw in zip(design.cells, raws, strict=True)
    ]
    if design.property == "order":
        return lines + _order_lines(design, raws)
    if len(raws) == 1:
        return [lines[0]._replace(level="summary")]
    return [*lines, _least_line(design, raws)]


def untrained_measures(
    design: Design,
    names: Sequence[str],
    copies: Sequence[Logits],
    ceiling: Logits,
    backgrounds: int,
) -> list[Estimate]:
    """Return the measure of untrained models for each line of a design: mean, least and most.

    Parameters
    ----------
    design, names, ceiling
        As of `score_design`.
    copies
        Logits of each; those of backgrounds from `backgrounds` on are not used.
    backgrounds
        How many are.
    """
    cells = [
        cell._replace(arms={arm: rows[:backgrounds] for arm, rows in cell.arms.items()})
        for cell in design.cells
    ]
    fewer = replace(design, cells=tuple(cells))
    once = np.ones((1, BACKGROUNDS), np.float32)
    with np.errstate(all="ignore"):  # shares of what untrained models do not know
        raw = np.array(
            [
                [line.raw.value for line in score_design(fewer, names, own, ceiling, once)]
                for own in copies
            ]
        )
    raw[~np.isfinite(raw)] = np.nan
    return [Estimate(*map(float, (own.mean(), own.min(), own.max()))) for own in raw.T]


def _line(
    design: Design,
    gap: tuple[int, int] | None,
    place: str,
    level: str,
    cell: ProbeCell,
    raw: Raw,
) -> Line:
    ceiling = estimate(raw.ceiling)
    graded = ceiling.low > raw.chance
    score = estimate(raw.score) if graded else NOTHING
    score = Estimate(*(float(np.clip(end, 0.0, 1.0)) for end in score))
    sequences = min(len(rows) for rows in cell.arms.values())
    reason = "" if graded else AT_CHANCE
    found = estimate(raw.model)
    return Line(design, gap, place, level, sequences, found, ceiling, raw.chance, score, reason)


def _mean_of(raws: Sequence[Raw]) -> Raw:
    return Raw(
        np.mean([raw.model for raw in raws], axis=0),
        np.mean([raw.ceiling for raw in raws], axis=0),
        raws[0].chance,
    )


def _order_lines(design: Design, raws: Sequence[Raw]) -> list[Line]:
    """Return a line for each gap bin, mean over places; the first, least gaps, sums the design up."""
    bins = list(dict.fromkeys(cell.gap for cell in design.cells))
    lines = []
    for gap in bins:
        own = [n for n, cell in enumerate(design.cells) if cell.gap == gap]
        mean = _mean_of([raws[n] for n in own])
        lines.append(_line(design, gap, "", "cell", design.cells[own[0]], mean))
    return [*lines, lines[0]._replace(level="summary")]


def _least_line(design: Design, raws: Sequence[Raw]) -> Line:
    """Return the summary of several cells: the least of them.

    Of spacing the cell with the least score; of others the least raw value over the posterior's least.
    """
    if design.property == "spacing":
        graded = [raw for raw in raws if estimate(raw.ceiling).low > raw.chance] or list(raws)
        least = min(graded, key=lambda raw: float(raw.score[0]))
        return _line(design, None, "", "summary", design.cells[0], least)
    least = Raw(
        np.min([raw.model for raw in raws], axis=0),
        np.min([raw.ceiling for raw in raws], axis=0),
        raws[0].chance,
    )
    return _line(design, None, "", "summary", design.cells[0], least)


def _evidence(design: Design, logits: Logits, rows: np.ndarray) -> np.ndarray:
    """Return f_y - f_y', or f_y where there is no y': float64 (n,)."""
    if design.other < 0:
        return logits.of(rows, design.condition)
    return logits.contrast(rows, design.condition, design.other)


def _curve_lines(design: Design, model: Logits, ceiling: Logits, weights: np.ndarray) -> list[Line]:
    """Return the mean evidence at each point, and how near the curve is to that of the posterior.

    Points that no condition makes are drawn and not graded. Of the others two numbers are taken: Spearman's
    rho of both curves (level ``cell``), and the AUROC of the evidence between the thirds of points at which
    the posterior's curve is highest and lowest (level ``summary``). Spacing has a measure of its own.
    """
    evidence = [
        [_evidence(design, logits, cell.arms["block"]) for cell in design.cells]
        for logits in (model, ceiling)
    ]
    own, best = ([weighted_mean(values, weights) for values in of] for of in evidence)
    lines = [
        Line(
            *(design, cell.gap, cell.place, "curve", len(cell.arms["block"])),
            *(estimate(own[n]), estimate(best[n]), 0.0, NOTHING, ""),
        )
        for n, cell in enumerate(design.cells)
    ]
    if design.property == "spacing curve":
        return lines
    graded = replace(design, property=asked_about(design))
    made = [n for n, cell in enumerate(design.cells) if cell.place != NEVER_MADE]
    if len(made) < 2:
        reason = "no condition makes it at another place" if made else "no condition makes it"
        blank = Line(graded, None, "", "summary", 0, NOTHING, NOTHING, 0.5, NOTHING, reason)
        return [*lines, blank]
    third = -(-len(made) // 3)
    rising = sorted(made, key=lambda n: float(best[n][0]))
    area, best_area = (
        _pooled_area(of, rising[-third:], rising[:third], weights) for of in evidence
    )
    cell = design.cells[made[0]]
    summary = _line(graded, None, "", "summary", cell, Raw(area, best_area, 0.5))
    ranks = [rankdata([curve[n] for n in made], axis=0) for curve in (own, best)]
    rho = _correlation(*(each - each.mean(axis=0) for each in ranks))
    agreement = _line(graded, None, "ranks", "cell", cell, Raw(rho, np.ones(len(rho)), 0.0))
    if summary.reason:
        agreement = agreement._replace(score=NOTHING, reason=summary.reason)
    return [*lines, agreement, summary]


def _pooled_area(
    evidence: Sequence[np.ndarray], high: Sequence[int], low: Sequence[int], weights: np.ndarray
) -> np.ndarray:
    """Return the AUROC between the sequences of some points and of others: float64 (D,)."""
    upper, lower = (np.concatenate([evidence[n] for n in points]) for points in (high, low))
    backgrounds = [
        np.concatenate([np.arange(len(evidence[n])) for n in points]) for points in (high, low)
    ]
    return weighted_roc_auc(upper, lower, *(weights[:, rows] for rows in backgrounds))


def _correlation(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return the correlation of centred columns (K, D): float64 (D,), 0 where one is constant."""
    spread = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
    return np.asarray((one * two).sum(axis=0) / np.where(spread > 0, spread, 1))


def _confounder_line(design: Design, model: Logits, ceiling: Logits, weights: np.ndarray) -> Line:
    """Return 1 - r, clipped: 1 where the confounder changes logits no more than background does.

    Where elements of rules do not change them either, a model that uses the confounder has 0, and one that
    does not is not graded.
    """
    (cell,) = design.cells
    (ratio, above, below), (best, *_) = (
        _confounding(cell, logits, weights) for logits in (model, ceiling)
    )
    graded = True
    if estimate(below).low > 0:
        score = estimate(1 - np.clip(ratio, 0, 1))
    elif estimate(above).low > 0:
        score = Estimate(0.0, 0.0, 0.0)
    else:
        graded, score = False, NOTHING
    return Line(
        design,
        None,
        "",
        "summary",
        len(cell.arms["as it is"]),
        estimate(ratio),
        estimate(best),
        1.0,
        score,
        "" if graded else "neither elements nor the confounder change the logits",
    )


def _shift_lines(
    design: Design, names: Sequence[str], model: Logits, ceiling: Logits, weights: np.ndarray
) -> list[Line]:
    """Return accuracy above chance over shifted backgrounds, as a share of that over the trained one."""
    chance = 1 / len(next(iter(design.cells)).arms)
    above = [
        [_balanced(names, cell, logits, weights) - chance for logits in (model, ceiling)]
        for cell in design.cells
    ]
    trained, best = above[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        raws = [Raw(own / trained, other / best, 0.0) for own, other in above[1:]]
    lines = [
        _line(design, None, cell.place, "cell", cell, raw)
        for cell, raw in zip(design.cells[1:], raws, strict=True)
    ]
    lines.append(_least_line(design, raws))
    if trained[0] < LEAST_ACCURACY:
        reason = f"its accuracy is less than {LEAST_ACCURACY:g} above chance"
        lines = [line._replace(score=NOTHING, reason=reason) for line in lines]
    return lines
