"""What less than all knowledge reaches: how far a grammar can be solved without the rule it is about.

Each restricted ceiling knows one thing about an example: its composition, the number, positions or span of
its sites, or the best score of each motif. Classifiers that see nothing else are fitted to drawn examples
and scored on others, those that `seqgra.law.ceiling.ceiling` scores as well. So these are estimates, and
somewhat too low. Where there are several candidates (penalties, motifs, trees), the one with the least log
loss on a quarter of the fitting examples, which it has not seen, is fitted again to all of them.

Elements with the same letter probabilities are one motif: affinity bands of a matrix, and a matrix and its
reverse complement, whose sites lie on the other strand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, hstack

from seqgra.alphabet import ALPHABETS, lengths_of
from seqgra.grammar.schema import Element, Grammar, Rule
from seqgra.law.ceiling import RESAMPLES, Areas, areas_of
from seqgra.law.elements import best_scores
from seqgra.law.law import SampledExamples, compile_law, draw_examples
from seqgra.motif import ADDED, Zeros, log_odds, reverse_complement

#: Examples that fit, for each one that is scored.
FITTED = 4
#: Inverse penalties of the logistic regressions, of which one is chosen.
_STRENGTHS = (0.01, 0.1, 1.0, 10.0)
_BINS = 40
_TREES = 200
#: Up to so many scores, products of all pairs are a candidate.
_MOST_PAIRED = 24

#: What may be known, see `restricted_ceilings`.
KNOWLEDGE = (
    *("composition", "number of sites", "sum of positions", "nearest edge", "span"),
    *("one position", "additive positions", "additive best scores", "best scores"),
)

#: Knowledge of which elements are present, and of where sites are.
_OF_ELEMENTS = ("one position", "additive positions", "additive best scores", "best scores")
_OF_PLACES = ("sum of positions", "nearest edge", "one position", "additive positions")

#: Known by a classifier that sees one motif, and no other: any function of its best score. Asked for by name.
ONE_MOTIF = "best score of one motif"

#: Fits to the examples of the first rows (int64) and returns the log odds (M, C) of those of the second.
Learner = Callable[[np.ndarray, np.ndarray], np.ndarray]


def rule_itself(grammar: Grammar) -> frozenset[str]:
    """Return the entries of `KNOWLEDGE` that the conditions differ in by definition, so no shortcuts.

    Different elements: presence (any knowledge of sites, if a condition has no element). The same elements at
    different positions: positions. The same rules but for the number of copies: the number of sites.
    """
    sites = [
        [
            (name, rule)
            for rule in condition.rules
            for slot in rule.elements.values()
            for name in slot
        ]
        for condition in grammar.conditions.values()
    ]

    def differ(part: Callable[[Rule], object]) -> bool:
        """Whether no two conditions have the same elements with the same part of their rules."""
        return len({frozenset((n, repr(part(r))) for n, r in own) for own in sites}) == len(sites)

    if differ(lambda rule: None):
        return frozenset(_OF_ELEMENTS if all(sites) else KNOWLEDGE[1:])
    if differ(lambda rule: rule.position):
        return frozenset(_OF_PLACES)
    bare = {"copies": None}
    rules = [
        repr([r.model_copy(update=bare) for r in c.rules]) for c in grammar.conditions.values()
    ]
    return frozenset(["number of sites"] if len(set(rules)) == 1 else ())


class SampledSites(NamedTuple):
    """Sites of N examples, S slots each."""

    #: bool (N, S): whether the slot holds a site; the rest means nothing where it does not.
    present: np.ndarray
    #: int64 (N, S): first position, and the one after the last.
    start: np.ndarray
    end: np.ndarray
    #: int64 (N, S): number of its motif.
    motif: np.ndarray
    #: int64 (N, S): 1 or -1, of the motif; 1 where the motif is its own reverse complement.
    strand: np.ndarray
    #: int64 (N,): letters of each example.
    length: np.ndarray


def restricted_ceilings(
    grammar: Grammar,
    examples: int = 2000,
    seed: int = 0,
    set_name: str = "test",
    resamples: int = RESAMPLES,
    knows: Sequence[str] = KNOWLEDGE,
) -> dict[str, Areas]:
    """Return the areas that less than all knowledge reaches: estimates, see the module.

    Parameters
    ----------
    grammar
        Resolved.
    examples
        How many are scored; `FITTED` times as many others fit.
    seed, set_name
        As of `seqgra.law.ceiling.ceiling`, which scores the same examples.
    resamples
        Bootstrap draws of the scored examples for the standard errors; 0: none, errors are NaN.
    knows
        Which of `KNOWLEDGE`, or `ONE_MOTIF`.

    Returns
    -------
    dict
        By what is known:

        ``composition``: the share of each letter, in additive terms;
        ``number of sites``: any function of it;
        ``sum of positions``: the sum of the first positions of all sites, larger or smaller;
        ``nearest edge``: the letters between an end of the example and the site nearest to one, more or
        fewer, or no site;
        ``span``: the letters from the first site to the end of the last, more or fewer, or less than two
        sites;
        ``one position``: a sum over the sites of one motif of any function of position and strand;
        ``additive positions``: the same over the sites of all motifs;
        ``additive best scores``: a sum over motifs and strands of functions of the best score in the
        example;
        ``best scores``: any function of these scores.

    Raises
    ------
    InputError
        If the elements can hardly be placed.
    """
    law = compile_law(grammar, "grammar")
    drawn = draw_examples(law, seed, set_name, (1 + FITTED) * examples)
    truth = drawn.y.astype(bool)
    fitting, scored = np.arange(examples, len(truth)), np.arange(examples)
    areas = {}
    for name in knows:
        candidates = _candidates(name, grammar, drawn, law.placement.width, truth, fitting)
        odds = _chosen(candidates, truth, fitting)(fitting, scored)
        areas[name] = areas_of(odds, truth[scored], seed, resamples)
    return areas


def _candidates(
    name: str,
    grammar: Grammar,
    drawn: SampledExamples,
    width: np.ndarray,
    truth: np.ndarray,
    fitting: np.ndarray,
) -> list[Learner]:
    """Return the classifiers that know only one of `KNOWLEDGE`; width (E,) is of the elements."""
    if name == "composition":
        return _regressions(_with_squares(_scaled(_shares(grammar, drawn.x))), truth)
    motif, strand = motifs_of(grammar)
    if name == ONE_MOTIF:
        scaled = _scaled(best_motif_scores(grammar, motif, drawn.x))
        strands = 2 if grammar.alphabet == "DNA" else 1
        parts = [
            csr_array(_with_squares(scaled[:, first : first + strands]))
            for first in range(0, scaled.shape[1], strands)
        ]
        return _regressions(_best_motif(parts, truth, fitting), truth)
    if name in ("additive best scores", "best scores"):
        scores = best_motif_scores(grammar, motif, drawn.x)
        scaled = _scaled(scores)
        candidates = _regressions(_with_squares(scaled), truth)
        if name == "best scores":
            if scores.shape[1] <= _MOST_PAIRED:
                candidates += _regressions(_with_products(scaled), truth)
            candidates.append(_Trees(scores, truth))
        return candidates
    sites = _sites(drawn, width, motif, strand)
    if name in ("one position", "additive positions"):
        motifs = range(motif.max(initial=-1) + 1)
        parts = [_positions(sites, number, drawn.x.shape[1]) for number in motifs]
        if name == "one position":
            return _regressions(_best_motif(parts, truth, fitting), truth)
        return _regressions(_side_by_side(parts), truth)
    numbers = {
        "number of sites": _number_of_sites,
        "sum of positions": _sum_of_positions,
        "nearest edge": _nearest_edge,
        "span": _span,
    }
    return _regressions(numbers[name](sites), truth)


def motifs_of(grammar: Grammar) -> tuple[np.ndarray, np.ndarray]:
    """Return the motif that each element is of, and the strand on which a forward element shows it.

    Parameters
    ----------
    grammar
        Resolved.

    Returns
    -------
    tuple of ndarray
        int64 (E,): number of the motif, from 0 in the elements' order; int64 (E,): 1, or -1 for the reverse
        complement of an earlier element, or 0 for a motif that is its own.
    """
    numbers: dict[object, int] = {}
    motif, strand = [], []
    for element in grammar.elements.values():
        forward = _letters_of(element)
        reverse = _reverse_of(element) if grammar.alphabet == "DNA" else forward
        known = reverse in numbers and forward not in numbers
        motif.append(numbers.setdefault(reverse if known else forward, len(numbers)))
        own = grammar.alphabet == "DNA" and reverse == forward
        strand.append(0 if own else -1 if known else 1)
    return np.array(motif, np.int64), np.array(strand, np.int64)


def _letters_of(element: Element) -> object:
    return element.matrix or frozenset((element.kmers or {}).items())


def _reverse_of(element: Element) -> object:
    if element.matrix:
        return tuple(column[::-1] for column in element.matrix[::-1])
    complement = str.maketrans("ACGT", "TGCA")
    kmers = (element.kmers or {}).items()
    return frozenset((kmer.translate(complement)[::-1], weight) for kmer, weight in kmers)


def _sites(
    drawn: SampledExamples, width: np.ndarray, motif: np.ndarray, strand: np.ndarray
) -> SampledSites:
    """Return the sites of examples; width, motif and strand (E,) are of the elements."""
    placed = drawn.placed
    if not motif.size:
        nothing = np.zeros(placed.start.shape, np.int64)
        return SampledSites(nothing > 0, nothing, nothing, nothing, nothing, lengths_of(drawn.x))
    start = placed.start.astype(np.int64)
    side = placed.strand * strand[placed.element]
    return SampledSites(
        start >= 0,
        start,
        start + width[placed.element],
        motif[placed.element],
        np.where(side == 0, 1, side),
        lengths_of(drawn.x),
    )


def _shares(grammar: Grammar, x: np.ndarray) -> np.ndarray:
    """Return the share of each letter of the alphabet in each example: float64 (N, A)."""
    letters = range(len(ALPHABETS[grammar.alphabet].letters))
    counts = np.stack([(x == letter).sum(axis=1) for letter in letters], axis=1)
    return np.asarray(counts / lengths_of(x)[:, None])


def best_motif_scores(grammar: Grammar, motif: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the best score of each motif, for DNA on each strand, in each example.

    Parameters
    ----------
    grammar
        Resolved.
    motif
        int64 (E,): number of the motif of each element, from `motifs_of`.
    x
        uint8 (N, L): letter codes.

    Returns
    -------
    ndarray
        float64 (N, M), of DNA (N, 2 M): log odds in bits, strands of a motif beside each other.
    """
    letters, background = ALPHABETS[grammar.alphabet].letters, grammar.letter_distribution()
    elements = list(grammar.elements.values())
    columns = [np.zeros((len(x), 0), np.float32)]
    for first in np.unique(motif, return_index=True)[1]:
        p = elements[first].letter_probabilities(letters)
        odds = log_odds(p, background, ADDED, Zeros.ADDED).astype(np.float32)
        columns.append(best_scores(x, odds)[:, None])
        if grammar.alphabet == "DNA":
            columns.append(best_scores(x, np.ascontiguousarray(reverse_complement(odds)))[:, None])
    scores = np.concatenate(columns, axis=1).astype(np.float64)
    lowest = scores.min(axis=0, where=np.isfinite(scores), initial=0)
    return np.where(np.isfinite(scores), scores, lowest)  # no place in an example: as bad as can be


def _positions(sites: SampledSites, number: int, window: int) -> csr_array:
    """Return, for each strand, a motif's sites that start in each bin, and the sum of their positions."""
    width = max(1, -(-window // _BINS))
    parts = []
    for side in (1, -1):
        here = sites.present & (sites.motif == number) & (sites.strand == side)
        example, slot = np.nonzero(here)
        start = sites.start[example, slot]
        rows = np.concatenate([example, example])
        columns = np.concatenate([start // width, np.full(start.size, _BINS)])
        values = np.concatenate([np.ones(start.size), start / window])
        parts.append(csr_array((values, (rows, columns)), shape=(len(here), _BINS + 1)))
    return _side_by_side(parts)


def _side_by_side(parts: Sequence[csr_array]) -> csr_array:
    return csr_array(hstack(parts)) if parts else csr_array((0, 0))


def _number_of_sites(sites: SampledSites) -> np.ndarray:
    number = sites.present.sum(axis=1)
    return np.asarray(np.eye(number.max() + 1)[number])


def _sum_of_positions(sites: SampledSites) -> np.ndarray:
    return _scaled(np.where(sites.present, sites.start, 0).sum(axis=1)[:, None])


def _nearest_edge(sites: SampledSites) -> np.ndarray:
    edge = np.minimum(sites.start, sites.length[:, None] - sites.end)
    nearest = edge.min(axis=1, where=sites.present, initial=np.iinfo(np.int64).max)
    return _number_or_none(nearest, sites.present.sum(axis=1) > 0)


def _span(sites: SampledSites) -> np.ndarray:
    first = sites.start.min(axis=1, where=sites.present, initial=np.iinfo(np.int64).max)
    end = sites.end.max(axis=1, where=sites.present, initial=0)
    return _number_or_none(end - first, sites.present.sum(axis=1) > 1)


def _number_or_none(number: np.ndarray, defined: np.ndarray) -> np.ndarray:
    """Return a number (N,), scaled, 0 where it is not defined, and whether it is: float64 (N, 2)."""
    values = np.zeros(number.size)
    if defined.any():
        values[defined] = _scaled(number[defined, None].astype(np.float64))[:, 0]
    return np.stack([values, defined], axis=1)


def _scaled(values: np.ndarray) -> np.ndarray:
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1))


def _with_squares(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, values**2], axis=1)


def _with_products(values: np.ndarray) -> np.ndarray:
    one, two = np.triu_indices(values.shape[1])
    return np.concatenate([values, values[:, one] * values[:, two]], axis=1)


class _Regression:
    """Logistic regressions, one condition against the others, on features (N, F), dense or sparse."""

    def __init__(
        self, features: np.ndarray | csr_array, truth: np.ndarray, strength: float
    ) -> None:
        self.features, self.truth, self.strength = features, truth, strength

    def __call__(self, train: np.ndarray, others: np.ndarray) -> np.ndarray:
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        odds = np.zeros((len(others), self.truth.shape[1]))
        for condition in range(self.truth.shape[1] if self.features.shape[1] else 0):
            labels = self.truth[train, condition]
            if labels.any() and not labels.all():
                model = LogisticRegression(C=self.strength, max_iter=1000)
                with threadpool_limits(
                    1
                ):  # products this small wait for threads far longer than they take
                    model.fit(self.features[train], labels)
                odds[:, condition] = model.decision_function(self.features[others])
        return odds


def _regressions(features: np.ndarray | csr_array, truth: np.ndarray) -> list[Learner]:
    return [_Regression(features, truth, strength) for strength in _STRENGTHS]


class _Trees:
    """Extremely randomised trees for all conditions together, on features (N, F)."""

    def __init__(self, features: np.ndarray, truth: np.ndarray) -> None:
        self.features, self.truth = features, truth

    def __call__(self, train: np.ndarray, others: np.ndarray) -> np.ndarray:
        from sklearn.ensemble import ExtraTreesRegressor

        model = ExtraTreesRegressor(
            _TREES, min_samples_leaf=5, max_features=1.0, random_state=0, n_jobs=1
        )
        if not self.features.shape[1]:
            return np.zeros((len(others), self.truth.shape[1]))
        model.fit(self.features[train], self.truth[train].astype(np.float64))
        share = model.predict(self.features[others]).reshape(len(others), -1)
        share = np.clip(share, 1e-3, 1 - 1e-3)
        result: np.ndarray = np.log(share / (1 - share))
        return result


def _chosen(candidates: Sequence[Learner], truth: np.ndarray, fitting: np.ndarray) -> Learner:
    """Return the candidate with the least log loss on the last quarter of `fitting`, fitted to the rest."""
    if len(candidates) == 1:
        return candidates[0]
    train, held_out = np.split(fitting, [3 * len(fitting) // 4])
    signs = np.where(truth[held_out], -1.0, 1.0)
    losses = [np.logaddexp(0, signs * learner(train, held_out)).mean() for learner in candidates]
    return candidates[int(np.argmin(losses))]


def _best_motif(by_motif: Sequence[csr_array], truth: np.ndarray, fitting: np.ndarray) -> csr_array:
    """Return the positions of the motif whose regression has the least log loss, as `_chosen` takes it."""
    if not by_motif:
        return _side_by_side(by_motif)
    learners: list[Learner] = [_Regression(features, truth, 1.0) for features in by_motif]
    return by_motif[learners.index(_chosen(learners, truth, fitting))]
