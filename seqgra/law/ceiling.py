"""The ceiling of a grammar before anything is trained: the exact posterior's scores on drawn examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from seqgra.grammar.schema import Grammar
from seqgra.law.law import compile_law, draw_examples
from seqgra.law.posterior import compile_posterior
from seqgra.metrics import Sorted, log_odds

#: ROC AUCs of full and of restricted knowledge this close count as equal, see `suffices`.
NEEDED = 0.02
#: Share of the full PR AUC that restricted knowledge must reach beside that.
_SHARE = 0.75
#: Bootstrap draws for standard errors.
RESAMPLES = 200


class Measured(NamedTuple):
    """A value and its standard error over examples."""

    value: float
    error: float


class Areas(NamedTuple):
    """Means over conditions, one against the others (macro); PR AUC of all of them pooled, too (micro)."""

    roc_auc: Measured
    pr_auc: Measured
    pr_auc_micro: Measured

    @property
    def macro(self) -> dict[str, float]:
        """What `suffices` compares."""
        return {"roc_auc": self.roc_auc.value, "pr_auc": self.pr_auc.value}


def suffices(less: Mapping[str, float], full: Mapping[str, float]) -> bool:
    """Return whether restricted knowledge is enough: what goes beyond it is not needed.

    It is where its ROC AUC is less than `NEEDED` below that of full knowledge. With many conditions one
    against all others hides who is taken for one other (to take every second example for it costs
    0.25 / (C - 1) of ROC AUC), so PR AUC must be three quarters of the full one, too.

    Parameters
    ----------
    less, full
        Macro ``roc_auc`` and ``pr_auc``.
    """
    near = less["roc_auc"] > full["roc_auc"] - NEEDED
    return near and less["pr_auc"] >= _SHARE * full["pr_auc"]


class CeilingOf(NamedTuple):
    """What the exact posterior of a grammar reaches."""

    #: ``exact``, or ``estimate`` or ``approximation`` and why: then it is no bound.
    kind: str
    notes: tuple[str, ...]
    #: How many were drawn.
    examples: int
    #: See `Areas`.
    roc_auc: Measured
    pr_auc: Measured
    pr_auc_micro: Measured
    #: Share of examples whose likeliest labels are right; in a multi-label task, all of them at 1/2.
    accuracy: Measured
    #: H(Y|X) in nats, the least log loss: a mean over conditions in a multi-label task.
    entropy: Measured


def ceiling(
    grammar: Grammar, examples: int = 2000, seed: int = 0, set_name: str = "test"
) -> CeilingOf:
    """Return the ceiling of a resolved grammar, measured on freshly drawn examples.

    Parameters
    ----------
    grammar
        Resolved.
    examples
        How many to draw.
    seed
        Data seed of the draw.
    set_name
        Whose distributions hold: confounders, noise and backgrounds may differ between sets.

    Raises
    ------
    InputError
        If the elements can hardly be placed, or the grammar has too many outcomes.
    """
    law = compile_law(grammar, "grammar")
    drawn = draw_examples(law, seed, set_name, examples)
    posterior = compile_posterior(grammar, set_name)
    values, _ = posterior.log_posterior(drawn.x)
    truth = drawn.y.astype(bool)
    multi_label = grammar.task == "multi-label"
    if multi_label:
        p = expit(values)
        hits = ((values > 0) == truth).all(axis=1)
        entropies = _entropy(p, 1 - p).mean(axis=1)
    else:
        p = np.exp(values)
        hits = truth[np.arange(examples), values.argmax(axis=1)]
        entropies = _entropy(*p.T)
    areas = areas_of(log_odds(values, multi_label), truth, seed)
    root = np.sqrt(examples)
    return CeilingOf(
        posterior.kind,
        tuple(posterior.notes),
        examples,
        *areas,
        Measured(float(hits.mean()), float(hits.std() / root)),
        Measured(float(entropies.mean()), float(entropies.std() / root)),
    )


def _entropy(*probabilities: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(p > 0, -p * np.log(p), 0.0) for p in probabilities]
    return np.asarray(np.sum(terms, axis=0))


def areas_of(odds: np.ndarray, truth: np.ndarray, seed: int, resamples: int = RESAMPLES) -> Areas:
    """Return the areas of log odds.

    Parameters
    ----------
    odds
        float64 (N, C): log odds of each condition.
    truth
        bool (N, C): recorded labels.
    seed
        Of the bootstrap.
    resamples
        Bootstrap draws of examples for the standard errors; 0: none, errors are NaN.

    Returns
    -------
    Areas
        Means over the conditions that some of the examples have and others have not.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    pooled = Sorted(odds.ravel(), truth.ravel())
    examples = [Sorted(odds[:, c], truth[:, c]) for c in range(truth.shape[1])]
    values = np.empty((resamples + 1, 3))
    counts = np.ones(len(odds))
    for draw in range(resamples + 1):
        if draw:
            rows = (generator.random(len(odds)) * len(odds)).astype(np.int64)
            counts = np.bincount(rows, minlength=len(odds)).astype(np.float64)
        positive = counts @ truth
        used = np.flatnonzero((positive > 0) & (positive < counts.sum()))
        rankings = [examples[c].ranking(counts) for c in used]
        areas = np.array([(r.roc_auc, r.average_precision) for r in rankings]).reshape(-1, 2)
        all_pairs = pooled.ranking(np.repeat(counts, truth.shape[1]))
        values[draw] = (*areas.mean(axis=0), all_pairs.average_precision)
    errors = values[1:].std(axis=0) if resamples else np.full(3, np.nan)
    return Areas(*(Measured(float(v), float(e)) for v, e in zip(values[0], errors, strict=True)))
