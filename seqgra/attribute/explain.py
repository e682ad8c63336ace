"""Attributions of a model and how they recover the grammar, computed batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import one_hot
from seqgra.architecture.schema import Network
from seqgra.attribute.consistency import Patterns
from seqgra.attribute.explanations import PICTURED, Explanations, fixed_explanations
from seqgra.attribute.methods import (
    AUTO,
    FIRST_STEPS,
    METHODS,
    MOST_STEPS,
    NULL_STEPS,
    Method,
)
from seqgra.attribute.null import background_only
from seqgra.attribute.solvable import solvable
from seqgra.attribute.sources import completeness_gap, method_settings, predictions, source_of
from seqgra.dataset import Dataset
from seqgra.model import AbstractModel, ModelCard
from seqgra.recovery import AlignedMotifs, recover
from seqgra.results import AttributionScores, BackgroundOnly, failed_limit
from seqgra.stages.attribute import Settings

_BATCH = 256


class ExplanationPlan(NamedTuple):
    """What to explain and how; the rows are of `x`, uint8 (N, L)."""

    dataset: Dataset
    set_name: str
    x: np.ndarray
    wanted: Explanations
    method: str
    settings: Settings
    correct: bool

    @property
    def chosen(self) -> Method:
        """The method."""
        return METHODS[self.method]

    @property
    def fill(self) -> np.ndarray | None:
        """What masked positions hold, float32 (A,); None for no letter."""
        if "mask" not in self.chosen.settings or self.settings.mask == "zeros":
            return None
        return self.dataset.grammar.letter_distribution().astype(np.float32)


def network_of(model: AbstractModel) -> Network | None:
    """Return the architecture of a network, None for other models."""
    card = getattr(model, "card", None)
    if not isinstance(card, ModelCard) or not card.is_network:
        return None
    return card.network("the model")[0]


def explain(model: AbstractModel, plan: ExplanationPlan) -> tuple[np.ndarray, BackgroundOnly]:
    """Return the attributions of all that is wanted, float32 (K, A, L), and of background alone.

    Raises
    ------
    NotDefined
        If the model has no gradient, or the method is not defined for its layers.
    """
    x, target = np.array(plan.x[plan.wanted.rows]), plan.wanted.conditions
    parts = [
        _values(model, plan, x[first : first + _BATCH], target[first : first + _BATCH])[0]
        for first in range(0, len(x), _BATCH)
    ]
    return np.concatenate(parts), _background_only(model, plan)


def attributions(model: AbstractModel, plan: ExplanationPlan) -> AttributionScores:
    """Explain batch by batch, keeping scores and the values of a few.

    Raises
    ------
    NotDifferentiable
        If the model has no gradient.
    """
    labels = np.eye(len(plan.dataset.conditions), dtype=np.uint8)[plan.wanted.conditions]
    pictured = fixed_explanations(labels, PICTURED, PICTURED).rows
    null = _background_only(model, plan)
    motifs = AlignedMotifs(plan.dataset, plan.set_name, plan.chosen.signed)
    tables, kept, patterns = [], [], Patterns()
    for first in range(0, len(plan.wanted.rows), _BATCH):
        part = slice(first, first + _BATCH)
        table, values = _explain(model, plan, plan.wanted.part(part), null)
        tables.append(table)
        patterns.add(values, plan.wanted.conditions[part])
        motifs.add(*plan.wanted.part(part), values)
        kept.append(values[pictured[(pictured >= first) & (pictured < first + _BATCH)] - first])
    recovery = pd.concat(tables, ignore_index=True)
    sure = solvable(plan.dataset, plan.set_name, *plan.wanted)
    if sure is not None:
        recovery.insert(3, "solvable", sure)
    return AttributionScores(
        plan.method,
        recovery,
        *plan.wanted.part(pictured),
        np.concatenate(kept),
        *motifs.tables(),
        patterns.scores(plan.dataset.conditions),
    )


def _background_only(model: AbstractModel, plan: ExplanationPlan) -> BackgroundOnly:
    """Return attributions of background-only sequences, by the same method and settings."""
    x, explained = background_only(plan.dataset, plan.set_name)
    if (
        plan.settings.steps == AUTO
    ):  # their own differences from the baseline may be next to nothing
        plan = plan._replace(settings=plan.settings.model_copy(update={"steps": NULL_STEPS}))
    parts = [
        _values(model, plan, x[first : first + _BATCH], explained[first : first + _BATCH])[0]
        for first in range(0, len(x), _BATCH)
    ]
    return BackgroundOnly(np.concatenate(parts), explained)


def _values(
    model: AbstractModel, plan: ExplanationPlan, x: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the attributions of letter codes, float32 (K, A, L), and the settings that made them.

    Where steps are `AUTO` they are in the settings by explanation, int64 (K,).
    """
    method = plan.chosen
    inputs = one_hot(x, len(plan.dataset.alphabet.letters))
    source = source_of(model, method, correct=plan.correct, fill=plan.fill)
    predict = predictions(model, plan.fill)
    settings = method_settings(method, plan.settings, plan.dataset, x, predict)
    if settings.get("steps") == AUTO:
        start = settings["baseline"]

        def integrated(rows: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
            path = start[:, rows] if start.ndim == 4 else start
            given = inputs[rows], target[rows]
            values = method.function(
                source, *given, **{**settings, "baseline": path, "steps": steps}
            )
            return values, completeness_gap(model, *given, values, path)

        values, settings["steps"] = refined(integrated, len(x))
        return values, settings
    return method.function(source, inputs, target, **settings), settings


def refined(
    integrated: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return values of explanations with as many steps as the gate of completeness needs.

    Steps are doubled, from `FIRST_STEPS` to `MOST_STEPS`, where an explanation's own gap is above the limit
    of the median until the median is below it, then above that of the 99th percentile until that is.

    Parameters
    ----------
    integrated
        ``integrated(rows, steps)``: values float32 (M, A, L) and gaps float64 (M,) of some explanations,
        rows int64 (M,).
    count
        Explanations K, at least 1.

    Returns
    -------
    (ndarray, ndarray)
        Values float32 (K, A, L), and the steps of each, int64 (K,). Where gaps are not known (NaN), the
        default.
    """
    rows, steps = np.arange(count), np.full(count, FIRST_STEPS)
    values, gaps = integrated(rows, FIRST_STEPS)
    if np.isnan(gaps).all():
        default = int(Settings().steps)
        return integrated(rows, default)[0], np.full(count, default)
    while limit := failed_limit(gaps):
        rows = np.flatnonzero((gaps >= limit) & (steps < MOST_STEPS))
        if not rows.size:
            break
        rows = rows[steps[rows] == steps[rows].min()]
        steps[rows] *= 2
        values[rows], gaps[rows] = integrated(rows, int(steps[rows[0]]))
    return values, steps


def _explain(
    model: AbstractModel,
    plan: ExplanationPlan,
    wanted: Explanations,
    null: BackgroundOnly,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the recovery table (see `AttributionScores`) and the attributions of some explanations."""
    (rows, target), dataset = wanted, plan.dataset
    x, method = np.array(plan.x[rows]), plan.chosen
    values, settings = _values(model, plan, x, target)
    metrics = recover(dataset, plan.set_name, rows, target, values, method.signed, null)
    if method.complete:
        start = settings.get("baseline", settings.get("references"))
        inputs = one_hot(x, len(dataset.alphabet.letters))
        gap = completeness_gap(model, inputs, target, values, start)
        metrics = metrics.assign(completeness_gap=gap)
        if "steps" in settings:
            metrics = metrics.assign(steps=settings["steps"])
    names = np.array(dataset.conditions)[target]
    correct = _is_correct(model.logits(x), target, dataset.task)
    keys = {"example": rows, "condition": names, "correct": correct}
    return pd.concat([pd.DataFrame(keys), metrics.reset_index(drop=True)], axis=1), values


def _is_correct(logits: np.ndarray, target: np.ndarray, task: str) -> np.ndarray:
    """Return where the target's probability is above one half: bool (N,).

    In a multi-class task it is then the largest; in a multi-label task its logit is above 0.
    """
    logits = logits.astype(np.float64)
    own = logits[np.arange(len(target)), target]
    if task == "multi-label":
        return np.asarray(own > 0)
    with np.errstate(over="ignore"):
        odds_against = np.exp(logits - own[:, None]).sum(axis=1)
    result: np.ndarray = odds_against < 2
    return result
