"""The ceiling of a grammar before anything is trained, and what less than all knowledge reaches.

`ceiling` draws examples and scores the exact posterior on them. `restricted_ceilings` says how far
classifiers get that know only the letters' counts, the best score of each element, the true position of
one element, or additive terms in all true positions: they show what a grammar can be solved without. Those
are fitted to drawn examples (logistic regression on counts and scores with their squares, or on binned
positions), so they are estimates, and somewhat too low.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.grammar.schema import Grammar
from seqgra.law.elements import best_scores
from seqgra.law.law import Examples, Law, compile_law, draw_block
from seqgra.law.posterior import compile_posterior
from seqgra.logits import log_odds
from seqgra.streams import BLOCK

#: ROC AUCs of full and of restricted knowledge this close count as equal.
NEEDED = 0.02
_RESAMPLES = 200
_BINS = 40
#: Probability added to every letter before a motif column is scored.
_PSEUDOCOUNT = 0.001


class Measured(NamedTuple):
    """A value and its standard error over examples."""

    value: float
    error: float


class Areas(NamedTuple):
    """Means over conditions, one against the others (macro); PR AUC of all of them pooled, too (micro)."""

    roc_auc: Measured
    pr_auc: Measured
    pr_auc_micro: Measured


class CeilingOf(NamedTuple):
    """What the exact posterior of a grammar reaches.

    Attributes
    ----------
    kind, notes
        ``exact``, or ``estimate`` or ``approximation`` and why: then it is no bound.
    examples
        How many were drawn.
    roc_auc, pr_auc, pr_auc_micro
        See `Areas`.
    accuracy
        Share of examples whose likeliest labels are right; in a multi-label task, all of them at 1/2.
    entropy
        H(Y|X) in nats, the least log loss: a mean over conditions in a multi-label task.
    """

    kind: str
    notes: tuple[str, ...]
    examples: int
    roc_auc: Measured
    pr_auc: Measured
    pr_auc_micro: Measured
    accuracy: Measured
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
        Whose law: confounders, noise and backgrounds may differ between sets.

    Raises
    ------
    InputError
        If the elements can hardly be placed, or the grammar has too many outcomes.
    """
    law = compile_law(grammar, "grammar")
    drawn = _draw(law, seed, set_name, examples)
    posterior = compile_posterior(grammar, set_name)
    values, _ = posterior.log_posterior(drawn.x)
    truth = drawn.y.astype(bool)
    multi_label = grammar.task == "multi-label"
    if multi_label:
        p = 1 / (1 + np.exp(-values))
        hits = ((values > 0) == truth).all(axis=1)
        entropies = _entropy(p, 1 - p).mean(axis=1)
    else:
        p = np.exp(values)
        hits = truth[np.arange(examples), values.argmax(axis=1)]
        entropies = _entropy(*p.T)
    areas = _areas(log_odds(values, multi_label), truth, seed)
    root = np.sqrt(examples)
    return CeilingOf(
        posterior.kind,
        tuple(posterior.notes),
        examples,
        *areas,
        Measured(float(hits.mean()), float(hits.std() / root)),
        Measured(float(entropies.mean()), float(entropies.std() / root)),
    )


def restricted_ceilings(
    grammar: Grammar,
    examples: int = 4000,
    seed: int = 0,
    set_name: str = "test",
    resamples: int = _RESAMPLES,
) -> dict[str, Areas]:
    """Return the areas that less than all knowledge reaches: estimates, see the module.

    Arguments are as in `ceiling`; half of the examples fit, half are scored. Standard errors are of
    `resamples` bootstrap draws.

    Returns
    -------
    dict
        ``composition``, ``vocabulary``, ``one position`` (that of the best element) and
        ``additive positions``.
    """
    law = compile_law(grammar, "grammar")
    drawn = _draw(law, seed, set_name, examples)
    truth, half = drawn.y.astype(bool), examples // 2
    counts = np.stack(
        [(drawn.x == c).mean(axis=1) for c in range(len(ALPHABETS[grammar.alphabet].letters))], 1
    )
    bins = _binned_positions(drawn, law, len(grammar.elements))
    additive = np.concatenate(bins, axis=1)
    known = {
        "composition": _with_squares(counts),
        "vocabulary": _with_squares(_scores(grammar, drawn.x)),
    }
    alone = [_fitted(part, truth, half, seed, 0).roc_auc.value for part in bins]
    known["one position"] = bins[int(np.argmax(alone))]
    known["additive positions"] = additive
    return {name: _fitted(values, truth, half, seed, resamples) for name, values in known.items()}


def _draw(law: Law, seed: int, set_name: str, examples: int) -> Examples:
    blocks = [draw_block(law, seed, set_name, b) for b in range(-(-examples // BLOCK))]
    parts = [np.concatenate([getattr(block, part) for block in blocks])[:examples] for part in "xy"]
    placed = blocks[0].placed._replace(
        **{
            name: np.concatenate([getattr(block.placed, name) for block in blocks])[:examples]
            for name in blocks[0].placed._fields
        }
    )
    return blocks[0]._replace(x=parts[0], y=parts[1], placed=placed)


def _entropy(*probabilities: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(p > 0, -p * np.log(p), 0.0) for p in probabilities]
    return np.asarray(np.sum(terms, axis=0))


def _areas(odds: np.ndarray, truth: np.ndarray, seed: int, resamples: int = _RESAMPLES) -> Areas:
    """Return the areas of log odds; standard errors by bootstrap over examples, NaN without draws."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    generator = np.random.Generator(np.random.PCG64(seed))
    values: list[tuple[float, ...]] = []
    for draw in range(resamples + 1):
        rows = np.arange(len(odds))
        if draw:
            rows = (generator.random(len(odds)) * len(odds)).astype(np.int64)
        used = truth[rows].any(axis=0) & ~truth[rows].all(axis=0)
        areas = [
            (
                roc_auc_score(truth[rows, c], odds[rows, c]),
                average_precision_score(truth[rows, c], odds[rows, c]),
            )
            for c in np.flatnonzero(used)
        ]
        micro = average_precision_score(truth[rows].ravel(), odds[rows].ravel())
        values.append((*np.mean(areas, axis=0).tolist(), float(micro)))
    table = np.array(values)
    errors = table[1:].std(axis=0) if resamples else np.full(3, np.nan)
    return Areas(*(Measured(float(v), float(e)) for v, e in zip(table[0], errors, strict=True)))


def _scores(grammar: Grammar, x: np.ndarray) -> np.ndarray:
    """Return the best score of each element in each example, on either strand of DNA: (N, E)."""
    letters, background = ALPHABETS[grammar.alphabet].letters, grammar.letter_distribution()
    columns = []
    for element in grammar.elements.values():
        p = element.letter_probabilities(letters) + _PSEUDOCOUNT
        odds = np.log2(p / p.sum(axis=1, keepdims=True) / background).astype(np.float32)
        columns.append(best_scores(x, odds))
        if grammar.alphabet == "DNA":
            columns.append(best_scores(x, np.ascontiguousarray(odds[::-1, ::-1])))
    return np.stack(columns, axis=1).astype(np.float64)


def _with_squares(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    centred = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.concatenate([centred, centred**2], axis=1)


def _binned_positions(drawn: Examples, law: Law, elements: int) -> list[np.ndarray]:
    """Return for each element the bin of its first true position, one-hot, and that position: (N, B + 1)."""
    found = []
    start = drawn.placed.start
    for element in range(elements):
        here = (start >= 0) & (drawn.placed.element == element)
        first = np.where(here, start, np.iinfo(np.int32).max).min(axis=1)
        there = here.any(axis=1)
        width = max(1, -(-law.window // _BINS))
        number = np.where(there, first // width, _BINS)
        place = np.where(there, first / law.window, 0.5)[:, None]
        found.append(np.concatenate([np.eye(_BINS + 1)[number], place], axis=1))
    return found


def _fitted(values: np.ndarray, truth: np.ndarray, half: int, seed: int, resamples: int) -> Areas:
    """Fit a logistic regression to the first half, one condition against the others; score the rest."""
    from sklearn.linear_model import LogisticRegression

    odds = np.zeros((len(values) - half, truth.shape[1]))
    for condition in range(truth.shape[1]):
        labels = truth[:half, condition]
        if labels.any() and not labels.all():
            model = LogisticRegression(C=10.0, max_iter=500).fit(values[:half], labels)
            odds[:, condition] = model.decision_function(values[half:])
    return _areas(odds, truth[half:], seed, resamples)
