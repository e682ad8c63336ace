"""Restricted ceilings: tiny grammars in which what one thing tells is known by enumeration.

Estimates may lie 5.2 standard errors from the known value (1e-6 for a value), and 0.02 below it, since the
classifiers were fitted.
"""

import itertools

import numpy as np
import pytest
from scipy.stats import multinomial
from sklearn.metrics import average_precision_score, roc_auc_score

from seqgra.grammar.load import resolve
from seqgra.law.ceiling import areas_of, suffices
from seqgra.law.restricted import KNOWLEDGE, motifs_of, restricted_ceilings

A, B = "ACGTTGCATCAGGCTA", "GGATCTTCACCGATTC"
EXAMPLES = 1000


def ceilings(window, elements, one, two, knows):
    """Return the restricted ceilings of a grammar with two conditions."""
    exclusive = "mutually-exclusive"
    content = {
        "window": window,
        "elements": {
            name: {"consensus": element} if isinstance(element, str) else element
            for name, element in elements.items()
        },
        "conditions": {
            name: {"rules": rules} | ({"mode": exclusive} if "probability" in rules[0] else {})
            for name, rules in {"one": one, "two": two}.items()
        },
    }
    grammar = resolve(content, "tiny.yaml", None)
    return restricted_ceilings(grammar, EXAMPLES, seed=1, resamples=60, knows=knows)


def holds(found, known):
    """Whether an estimate agrees with a known ROC AUC."""
    value, spread = found.roc_auc
    return known - 0.02 - 5.2 * spread <= value <= known + 5.2 * spread + 1e-9


def auc(one, two):
    """Return the ROC AUC of a score whose values in both classes are equally likely."""
    pairs = [(b > a) + 0.5 * (b == a) for a, b in itertools.product(one, two)]
    return float(np.mean(pairs))


def test_nothing_tells_where_there_is_nothing_to_tell():
    """Nine estimates within 5.2 standard errors of 1/2, bands of one matrix included."""
    matrix = {"matrix": [[0.7, 0.1, 0.1, 0.1], [0.1, 0.7, 0.1, 0.1]] * 4}
    bands = {"weak": {**matrix, "affinity": {"max": 0.5}}}
    bands["strong"] = {**matrix, "affinity": {"min": 0.5}}
    rules = [{"elements": ["weak"], "probability": 0.5}]
    rules += [{"elements": ["strong"], "strand": "-", "copies": 2, "probability": 0.5}]
    found = ceilings(60, bands, rules, rules, KNOWLEDGE)
    assert tuple(found) == KNOWLEDGE
    for name, areas in found.items():
        assert abs(areas.roc_auc.value - 0.5) < 5.2 * areas.roc_auc.error, name
        assert 0 < areas.roc_auc.error < 0.03


def test_composition():
    """Two A or two C in 12 letters: the log odds are log nA (nA - 1) - log nC (nC - 1)."""
    fixed = {"position": 3}
    one, two = [{"elements": ["a"], **fixed}], [{"elements": ["c"], **fixed}]
    found = ceilings(12, {"a": "AA", "c": "CC"}, one, two, ["composition"])
    counts = [n for n in itertools.product(range(11), repeat=3) if sum(n) <= 10]
    chance = multinomial.pmf([(*n, 10 - sum(n)) for n in counts], 10, [0.25] * 4)
    added = np.array([(0, 0), (2, 0), (0, 2)])
    known = {}
    for name, extra in (("one", added[1]), ("two", added[2])):
        a, c = np.array(counts)[:, :2].T + extra[:, None]
        with np.errstate(divide="ignore"):
            known[name] = np.log(a * (a - 1.0)) - np.log(c * (c - 1.0))
    above = known["one"][:, None] > known["two"]
    same = known["one"][:, None] == known["two"]
    best = chance @ (above + 0.5 * same) @ chance
    assert 0.8 < best < 0.95
    assert holds(found["composition"], best)


def test_any_function_of_the_number_of_sites():
    """One has 1 or 3 sites, two 2 or 3: only threes are alike, and no sum over sites says as much."""
    one = [{"elements": ["a"], "copies": {1: 0.5, 3: 0.5}}]
    two = [{"elements": ["a"], "copies": {2: 0.5, 3: 0.5}}]
    knows = ["number of sites", "additive positions"]
    found = ceilings(150, {"a": A, "b": B}, one, two, knows)
    assert holds(found["number of sites"], 0.875)
    assert found["additive positions"].roc_auc.value < 0.75  # a constant for each site: 0.625


def test_sum_of_positions():
    """Two sites, of which the place of one is earlier in one class."""
    second = {"elements": ["b"], "position": [40, 47]}
    one = [{"elements": ["a"], "position": [1, 12]}, second]
    two = [{"elements": ["a"], "position": [5, 16]}, second]
    knows = ["sum of positions", "one position", "additive positions", "number of sites"]
    found = ceilings(80, {"a": A, "b": B}, one, two, knows)
    sums = [[a + b for a in range(*first) for b in range(8)] for first in ((1, 13), (5, 17))]
    assert holds(found["sum of positions"], auc(*sums))
    # alone: 4 of 12 places are in one class only, the other 8 equally likely in both
    alone = 1 - 0.5 * (8 / 12) ** 2
    assert auc(*sums) < alone - 0.03
    assert holds(found["one position"], alone)
    assert holds(found["additive positions"], alone)
    assert holds(found["number of sites"], 0.5)


def test_nearest_edge():
    one, two = [{"elements": ["a"]}], [{"elements": ["a"], "position": [12, 36]}]
    knows = ["nearest edge", "sum of positions", "span"]
    found = ceilings(62, {"a": A, "b": B}, one, two, knows)  # starts 0 to 46, or 11 to 35
    edges = [[min(start, 46 - start) for start in part] for part in (range(47), range(11, 36))]
    assert holds(found["nearest edge"], auc(*edges))
    assert holds(found["sum of positions"], 0.5)
    assert holds(found["span"], 0.5)  # of a single site: none, however wide


def test_span():
    def gap(low, high):
        spacing = {"elements": ["a", "b"], "gap": [low, high], "order": "random"}
        return [{"elements": ["a", "b"], "spacing": [spacing]}]

    knows = ["span", "number of sites", "best scores"]
    found = ceilings(120, {"a": A, "b": B}, gap(0, 20), gap(12, 32), knows)
    assert holds(found["span"], auc(range(21), range(12, 33)))
    assert holds(found["number of sites"], 0.5)
    assert holds(found["best scores"], 0.5)


def test_additive_positions_count_every_copy():
    """As in hard-and: both motifs, against one of them twice (0.45 each) or neither.

    A constant for each site reaches 0.55; terms that differ between places reach 0.575 at most for one motif
    with two levels. Presence alone would say nearly all.
    """
    one = [{"elements": ["a"]}, {"elements": ["b"]}]
    two = [{"elements": [name], "copies": 2, "probability": 0.45} for name in "ab"]
    knows = ["number of sites", "one position", "additive positions", "additive best scores"]
    found = ceilings(200, {"a": A, "b": B}, one, two, knows)
    assert holds(found["number of sites"], 0.55)
    for name in ("one position", "additive positions"):
        assert 0.55 - 0.02 - 5.2 * found[name].roc_auc.error < found[name].roc_auc.value < 0.65
    assert found["additive best scores"].roc_auc.value > 0.98


def test_additive_positions_know_strands():
    element = {"elements": ["a"]}
    knows = ["one position", "additive best scores", "number of sites"]
    found = ceilings(80, {"a": A}, [element], [{**element, "strand": "-"}], knows)
    assert holds(found["one position"], 1.0)
    assert holds(found["additive best scores"], 1.0)
    assert holds(found["number of sites"], 0.5)


def test_any_function_of_best_scores_is_more_than_a_sum():
    """XOR: no sum over motifs, any function of both, and as it stands here the number of sites."""
    one = [{"elements": [name], "probability": 0.5} for name in "ab"]
    two = [{"elements": ["a", "b"], "probability": 0.5}]
    knows = ["additive best scores", "best scores", "number of sites"]
    found = ceilings(80, {"a": A, "b": B}, one, two, knows)
    assert holds(found["additive best scores"], 0.5)
    assert holds(found["best scores"], 1.0)
    assert holds(found["number of sites"], 1.0)


def test_motifs_of_elements():
    matrix = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]]
    turned = [column[::-1] for column in matrix[::-1]]
    elements = {
        "a": {"matrix": matrix},
        "band": {"matrix": matrix, "affinity": {"min": 0.5}},
        "turned": {"matrix": turned},
        "palindrome": {"consensus": "ACGT"},
        "words": {"kmers": {"AAC": 0.4, "AAG": 0.6}},
        "turned-words": {"kmers": {"CTT": 0.6, "GTT": 0.4}},
        "other-words": {"kmers": {"AAC": 0.6, "AAG": 0.4}},
    }
    rules = [{"elements": [name]} for name in elements]
    content = {"window": 80, "elements": elements, "conditions": {"one": {"rules": rules}}}
    content["conditions"]["two"] = {"rules": rules}
    motif, strand = motifs_of(resolve(content, "m.yaml", None))
    assert motif.tolist() == [0, 0, 0, 1, 2, 2, 3]
    assert strand.tolist() == [1, 1, -1, 0, 1, -1, 1]
    rna = {"a": elements["a"], "turned": elements["turned"]}
    content |= {"alphabet": "RNA", "elements": rna}
    for condition in content["conditions"].values():
        condition["rules"] = [{"elements": [name]} for name in rna]
    motif, strand = motifs_of(resolve(content, "m.yaml", None))
    assert (motif.tolist(), strand.tolist()) == ([0, 1], [1, 1])


@pytest.mark.parametrize("levels", [5, 10**9])
def test_areas_are_those_of_scikit_learn(levels):
    """With ties and without; the bootstrap is that of the examples themselves."""
    draw = np.random.default_rng(0)
    truth = np.eye(3, dtype=bool)[draw.integers(0, 3, 120)]
    odds = np.round((draw.normal(size=(120, 3)) + truth) * levels) / levels
    found = areas_of(odds, truth, seed=7, resamples=20)

    def areas(rows):
        roc = np.mean([roc_auc_score(truth[rows, c], odds[rows, c]) for c in range(3)])
        pr = np.mean([average_precision_score(truth[rows, c], odds[rows, c]) for c in range(3)])
        return roc, pr, average_precision_score(truth[rows].ravel(), odds[rows].ravel())

    np.testing.assert_allclose([m.value for m in found], areas(np.arange(120)), rtol=1e-12)
    generator = np.random.Generator(np.random.PCG64(7))
    draws = [areas((generator.random(120) * 120).astype(int)) for _ in range(20)]
    np.testing.assert_allclose([m.error for m in found], np.std(draws, axis=0), rtol=1e-9)


def test_who_takes_every_second_example_for_one_other_of_many_does_not_suffice():
    """30 conditions, 15 pairs that differ in order alone: macro ROC AUC hides it, PR AUC does not."""
    truth = np.repeat(np.eye(30, dtype=bool), 20, axis=0)
    pair = np.repeat(np.eye(15, dtype=float), 40, axis=0).repeat(2, axis=1)
    full, unordered = (areas_of(odds, truth, 0, 0).macro for odds in (truth * 1.0, pair))
    assert unordered["roc_auc"] == pytest.approx(1 - 0.5 / 29) and unordered["pr_auc"] < 0.51
    assert not suffices(unordered, full)
    nearly = truth * 1.0
    nearly[::50] = np.roll(nearly[::50], 1, axis=1)  # one of fifty is taken for another
    assert suffices(areas_of(nearly, truth, 0, 0).macro, full)
    two = {"roc_auc": 0.979, "pr_auc": 0.98}
    assert not suffices(two, full) and suffices(two | {"roc_auc": 0.981}, full)
