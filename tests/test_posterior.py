"""The exact posterior against brute force: all sequences, all placements."""

from itertools import pairwise, permutations, product
from pathlib import Path

import numpy as np
import pytest
import yaml
from brute_force import likelihood
from scipy.stats import chi2
from sklearn.metrics import roc_auc_score

from seqgra.alphabet import ALPHABETS, PADDING
from seqgra.errors import InputError
from seqgra.grammar.backgrounds import Background, Markov
from seqgra.grammar.load import load_grammar, resolve
from seqgra.law.law import compile_law, draw_block
from seqgra.law.posterior import (
    FLOOR_LOG,
    compile_posterior,
    joint_placements,
    labels_of,
    sequence_sums,
)
from seqgra.law.posterior.block_sums import packed_sums
from seqgra.law.posterior.gradient import NoGradient, log_posterior_at
from seqgra.law.posterior.sequence_sums import Ratios
from seqgra.law.posterior.two_blocks import beside_pair, two_blocks

REPOSITORY = Path(__file__).parents[1]
ELEMENTS = """
alphabet: DNA
background: {A: .3, C: .22, G: .18, T: .3}
elements:
  a: {matrix: [[.7, .1, .1, .1], [.05, .15, .75, .05]]}
  b: {matrix: [[.1, .6, .2, .1], [.4, .3, .2, .1]]}
  w: {matrix: [[.2, .5, .2, .1], [.1, .1, .1, .7], [.6, .2, .1, .1]]}
  sure: {matrix: [[0, 1, 0, 0], [.5, 0, .5, 0]]}
  k: {kmers: {AC: .5, GT: .3, CA: .2}}
  one: {kmers: {T: 1}}
  weak: {matrix: [[.7, .1, .1, .1], [.05, .15, .75, .05], [.3, .3, .2, .2]], affinity: {max: .4}}
  strong: {matrix: [[.7, .1, .1, .1], [.05, .15, .75, .05]], affinity: {min: .5}}
"""
CASES = {
    "kmers": (5, "two: {rules: [{elements: [k]}]}\none: {rules: [{elements: [one]}]}"),
    "pwm": (5, "two: {rules: [{elements: [a]}]}\none: {}"),
    "consensus": (4, "two: {rules: [{elements: [sure]}]}\none: {rules: [{elements: [w]}]}"),
    "affinity": (5, "two: {rules: [{elements: [weak]}]}\none: {rules: [{elements: [strong]}]}"),
    "fixed": (
        5,
        "two: {rules: [{elements: [a], position: 2}]}\n"
        "one: {rules: [{elements: [w], position: start}]}\n"
        "mid: {rules: [{elements: [a], position: center}]}\n"
        "end: {rules: [{elements: [k], position: end}]}",
    ),
    "position law": (
        5,
        "two: {rules: [{elements: [a], position: {2: 1, 4: 3, 5: 9}}]}\n"
        "one: {rules: [{elements: {x: {a: 1, w: 2}}, position: [2, 4]}]}",
    ),
    "choice": (
        5,
        "two: {rules: [{elements: {x: {a: .6, w: .3, k: .1}}}]}\n"
        "one: {rules: [{any-of: {b: 1, sure: 3}}]}",
    ),
    "probability": (
        5,
        "two: {rules: [{elements: [a], probability: .4}, {elements: [b], probability: .7}]}\none: {}",
    ),
    "exclusive": (
        5,
        "two: {mode: mutually-exclusive, rules: [{elements: [a], probability: .4},"
        " {elements: [w], probability: .5}]}\none: {rules: [{elements: [k]}]}",
    ),
    "strand": (
        5,
        "two: {rules: [{elements: [w], strand: random}]}\none: {rules: [{elements: [k], strand: '-'}]}",
    ),
    "gap": (
        6,
        "two: {rules: [{elements: [a, b], spacing: [{elements: [a, b], gap: [0, 1]}]}]}\n"
        "one: {rules: [{elements: [a, b], spacing: [{elements: [b, a], gap: {0: 1, 2: 3}}]}]}",
    ),
    "order, strand": (
        6,
        "two: {rules: [{elements: [w, b], strand: random, position: [1, 3],"
        " spacing: [{elements: [w, b], gap: [0, null], order: random}]}]}\n"
        "one: {rules: [{elements: [a, b], position: center,"
        " spacing: [{elements: [a, b], gap: [0, 2], order: random}]}]}",
    ),
    "facing": (
        6,
        "two: {rules: [{elements: [w, b], orientation: convergent, strand: random,"
        " spacing: [{elements: [w, b], gap: [0, 1], order: random}]}]}\n"
        "one: {rules: [{elements: [a, b], orientation: divergent, position: end,"
        " spacing: [{elements: [a, b], gap: [0, 2]}]}]}\n"
        "any: {rules: [{elements: [a, k], orientation: any,"
        " spacing: [{elements: [a, k], gap: [0, 2]}]}]}",
    ),
    "chain": (
        6,
        "two: {rules: [{elements: [one, a, k], spacing: [{elements: [one, a], gap: [0, 2]},"
        " {elements: [a, k], gap: [0, 2]}]}]}\n"
        "one: {rules: [{elements: {x: one, y: a, z: one}, strand: random, spacing:"
        " [{elements: [x, y], gap: [0, 2], order: random}, {elements: [z, x], gap: [0, 1]}]}]}",
    ),
    "star": (
        6,
        "two: {rules: [{elements: {x: one, y: a, z: k}, spacing:"
        " [{elements: [x, y], gap: [0, 2]}, {elements: [x, z], gap: [0, 2], order: random}]}]}\none: {}",
    ),
    "two blocks": (
        6,
        "two: {rules: [{elements: [a, w]}]}\n"
        "one: {rules: [{elements: [k, b], position: [1, 4]}, {elements: [one], probability: .5}]}",
    ),
    "block and element": (
        6,
        "two: {rules: [{elements: [a, one], spacing: [{elements: [a, one], gap: [0, 2], order: random}]},"
        " {elements: {x: {k: 1, one: 1}}, position: {1: 1, 3: 2, 4: 2}}]}\none: {}",
    ),
    "two chains": (
        6,
        "two: {rules: [{elements: {x: one, y: a}, spacing: [{elements: [x, y], gap: [0, 2]}]},"
        " {elements: {x: one, y: k}, spacing: [{elements: [x, y], gap: [0, 3], order: random}]}]}\none: {}",
    ),
    "copies": (
        6,
        "two: {rules: [{elements: [k], copies: {1: 1, 2: 2, 3: 1}}]}\n"
        "one: {rules: [{elements: {x: {one: 1, a: 2}}, copies: 2, strand: random}]}",
    ),
    "k-of": (
        6,
        "two: {rules: [{elements: [a, k, one], k-of: 2}]}\n"
        "one: {rules: [{elements: [a, b, one], k-of: {0: 1, 1: 2, 3: 1}}]}",
    ),
    "negative gap": (
        5,
        "two: {rules: [{elements: [w, a], strand: random,"
        " spacing: [{elements: [w, a], gap: [-1, 1], order: random}]}]}\n"
        "one: {rules: [{elements: [k, a], spacing: [{elements: [k, a], gap: -1, shared: first}]}]}\n"
        "last: {rules: [{elements: [a, weak], strand: random,"
        " spacing: [{elements: [a, weak], gap: -1, shared: first, order: random}]}]}\n"
        "both: {rules: [{elements: [w, k], spacing: [{elements: [k, w], gap: [-1, 1], shared: last}]},"
        " {elements: [one]}]}",
    ),
    "common": (
        5,
        "two: {rules: [{elements: [a]}]}\none: {}",
        "common: {rules: [{elements: [b], probability: .5, strand: random}]}",
    ),
    "overlap": (
        5,
        "two: {rules: [{elements: [w, k]}]}\n"
        "one: {rules: [{elements: [weak]}, {elements: [a], position: 2}]}\n"
        "pair: {rules: [{elements: [a, k], spacing: [{elements: [a, k], gap: [0, 1]}]},"
        " {elements: {x: w}, strand: random, probability: .6}]}\n"
        "shared: {rules: [{elements: [a, w], spacing: [{elements: [a, w], gap: -1}]}, {elements: [b]}]}",
        "overlap: allow",
    ),
    "overlap of shared columns": (
        4,
        "two: {rules: [{elements: [a, w], spacing: [{elements: [a, w], gap: -1}]}, {elements: [b]}]}\n"
        "one: {rules: [{elements: {x: w, y: a, z: w}, spacing: [{elements: [x, y], gap: -1},"
        " {elements: [x, z], gap: -2, shared: last}]}]}",
        "overlap: allow",
    ),
    "per condition": (
        4,
        "two: {rules: [{elements: [a]}]}\none: {rules: [{elements: [a]}]}",
        "background: {by-condition: {two: {A: .4, C: .1, G: .1, T: .4}, one: {gc: {mean: .5, sd: .05}}}}",
    ),
    "gc": (
        5,
        "two: {rules: [{elements: [a, k]}]}\none: {}",
        "background: {gc: {mean: .45, sd: .06}}",
    ),
    "multi-label": (
        5,
        "two: {rules: [{elements: [a]}]}\none: {rules: [{elements: [k], probability: .8}]}",
        "task: multi-label\nexamples: [{conditions: [two], share: 2}, {conditions: [one, two]},"
        " {conditions: []}]\n"
        "background: {by-condition: {two: {A: .4, C: .1, G: .1, T: .4}, one: uniform}}",
    ),
    "background of none": (
        5,
        "two: {rules: [{elements: [a]}]}\none: {rules: [{elements: [k], probability: .8}]}",
        "task: multi-label\nexamples: [{conditions: [two]}, {conditions: [one, two]}, {conditions: []}]\n"
        "background: {by-condition: {two: {A: .4, C: .1, G: .1, T: .4}, one: uniform,"
        " none: {A: .1, C: .4, G: .4, T: .1}}}",
    ),
    "confounder": (
        5,
        "two: {rules: [{elements: [a]}]}\none: {}",
        "confounders: [{elements: [k], probability: {two: .8, one: .2}, test: {two: .5, one: .3}}]",
    ),
}


def grammar_of(window, conditions, extra=""):
    content = yaml.safe_load(ELEMENTS) | yaml.safe_load(extra or "{}")
    content |= {"window": window, "conditions": yaml.safe_load(conditions)}
    return resolve(content, Path("case.yaml"), Path())


def all_sequences(letters, length):
    return np.indices((letters,) * length, np.uint8).reshape(length, -1).T.copy()


def compare(grammar, set_name="test"):
    """Compare the likelihoods of all sequences of the longest length with brute force."""
    size = len(ALPHABETS[grammar.alphabet].letters)
    posterior = compile_posterior(grammar, set_name)
    assert posterior.kind == "exact"
    for length in range(grammar.shortest, grammar.longest + 1):
        x = all_sequences(size, length)
        padded = np.full((len(x), grammar.longest), PADDING, np.uint8)
        padded[:, :length] = x
        found = posterior.likelihoods(padded)
        assert not found.errors.any()
        for number, group in enumerate(grammar.examples):
            truth = likelihood(grammar, group.conditions, set_name, length).ravel()
            mine = np.exp(found.logs[:, number])
            np.testing.assert_allclose(mine, truth, rtol=1e-9, atol=1e-25)
            assert abs(mine.sum() - 1) < 1e-9
    return posterior


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=[pytest.mark.slow] if c == "overlap" else []) for c in CASES],
)
def test_every_sequence_has_the_probability_that_brute_force_gives(case):
    compare(grammar_of(*CASES[case]))


RULES = {
    "one": "two: {rules: [{elements: [w], strand: random}]}\none: {rules: [{elements: [k], position: 1}]}",
    "gap": "two: {rules: [{elements: [a, one], position: {1: 1, 2: 3}, strand: random,"
    " spacing: [{elements: [a, one], gap: [0, 3], order: random}]}]}\none: {}",
    "two": "two: {rules: [{elements: [a, k], strand: random}]}\n"
    "one: {rules: [{elements: [one, a], spacing: [{elements: [one, a], gap: [0, 1]}]},"
    " {elements: [one], probability: .5}]}",
    "copies": "two: {rules: [{elements: [k], copies: {1: 1, 2: 2, 3: 1}, strand: random}]}\n"
    "one: {rules: [{elements: {x: {one: 1, a: 2}}, copies: 2}, {elements: [one], position: {1: 1, 3: 2}},"
    " {elements: [one], probability: .3}]}",
    "pair without holes": "two: {rules: [{elements: [w, a], strand: random, spacing: [{elements: [w, a],"
    " gap: -1}]}, {elements: [one], copies: {1: 1, 2: 1}}]}\n"
    "one: {rules: [{elements: [a, one], spacing: [{elements: [a, one], gap: 0}]}, {elements: [k]}]}",
}


def with_chain(grammar, order):
    """Return the grammar over a chain of random tables."""
    draw = np.random.default_rng(order)
    table = draw.dirichlet(np.full(4, 2.0), 4**order)
    initial = draw.dirichlet(np.full(4**order, 2.0))
    chain = Markov(order=order, initial=tuple(initial), table=tuple(map(tuple, table.tolist())))
    return grammar.model_copy(update={"background": Background(markov=chain)})


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("rules", RULES)
def test_elements_over_a_chain_share_bridges(rules, order):
    overlap = "overlap: allow" if (rules, order) == ("two", 2) else ""
    grammar = grammar_of(6, RULES[rules], overlap)
    compare(with_chain(grammar, order))


@pytest.mark.parametrize(
    "gate", ["_LARGEST_CHAINED", pytest.param("_MOST_STEPS", marks=pytest.mark.slow)]
)
def test_what_is_too_dear_over_a_chain_is_tried_or_drawn(gate, monkeypatch):
    grammar = with_chain(grammar_of(6, RULES["copies"]), 2)
    x = all_sequences(4, 6)[::397]
    exact = compile_posterior(grammar).likelihoods(x)
    assert not exact.errors.any()
    monkeypatch.setattr(sequence_sums, gate, 0)
    posterior = compile_posterior(grammar)
    drawn = posterior.likelihoods(x)
    assert posterior.kind == "estimate"  # three copies, and three elements
    off = np.abs(drawn.logs - exact.logs)
    possible = exact.logs > FLOOR_LOG / 2
    assert (off <= 6 * drawn.errors + 1e-9)[possible].all()


def test_scenarios_over_a_chain_sum_to_the_same_together_and_one_by_one(monkeypatch):
    grammar = with_chain(grammar_of(8, RULES["copies"]), 2)
    x = np.random.default_rng(1).integers(0, 4, (30, 8)).astype(np.uint8)
    together = compile_posterior(grammar).likelihoods(x)
    monkeypatch.setattr(sequence_sums, "_MOST_STATES", 1)
    alone = compile_posterior(grammar).likelihoods(x)
    np.testing.assert_allclose(alone.logs, together.logs, rtol=1e-12)


def test_conditions_over_chains_of_their_own_and_several_lengths():
    rules = """
two: {rules: [{elements: [k], copies: {1: 1, 2: 2}, strand: random}]}
one: {rules: [{elements: [one], copies: 2}, {elements: [k], probability: .5}]}
"""
    grammar = grammar_of({4: 1, 6: 2}, rules)
    chains = {
        name: with_chain(grammar, order).background for name, order in (("two", 1), ("one", 3))
    }
    compare(grammar.model_copy(update={"background": Background(by_condition=chains)}))


@pytest.mark.parametrize("margin", [0, 2])
def test_partial_sums_of_a_pair_agree_with_all_pairs_of_places(margin):
    rules = """
two: {rules: [{elements: [a, one], strand: random, spacing: [{elements: [a, one], gap: [0, 9]}]},
  {elements: [w, k], position: [2, 20], spacing: [{elements: [w, k], gap: [0, 6], order: random}]}]}
one: {rules: [{elements: {x: one, y: a, z: one}, spacing: [{elements: [x, y], gap: [0, 3]},
  {elements: [y, z], gap: [1, 4]}]}, {elements: [w, k], spacing: [{elements: [w, k], gap: [2, 9]}]}]}
"""
    grammar = grammar_of(26, rules)
    posterior = compile_posterior(grammar)
    x = np.random.default_rng(1).integers(0, 4, (20, 26)).astype(np.uint8)
    over = posterior.background_sums(0, 26).of_sequences(Ratios(posterior.sites, x))
    for combination in posterior.combinations:
        for scenario in combination.scenarios:
            blocks = [posterior.background_sums(0, 26).blocks[number] for number in scenario]
            blocks.sort(key=lambda lay: -lay.offsets.shape[1])
            values = over.ratios, over.top
            logs, shares = beside_pair(*blocks, *values, margin)
            np.testing.assert_allclose(logs, two_blocks(*blocks, *values, margin), rtol=1e-10)
            assert (shares < 1 + 1e-12).all()
            assert (shares > 1e-3).mean() > 0.8


def test_packed_counts_every_way_to_place_the_copies():
    """Copies are distinguished: 3! times C(5, 3) ways for three of 2 letters in 8; weights multiply."""
    alone = packed_sums(np.ones((1, 8)), np.array([2]), np.array([3]))[:, -1]
    assert alone.tolist() == [1, 7, 2 * 15, 6 * 10]
    rows = np.random.default_rng(0).random((2, 9))
    width, most = np.array([2, 3]), np.array([2, 1])
    expected = np.zeros((2, 3))
    for one, two in np.ndindex(2, 3):
        kinds = [0] * two + [1] * one
        for starts in product(range(9), repeat=len(kinds)):
            ends = [start + width[kind] for start, kind in zip(starts, kinds, strict=True)]
            order = np.argsort(starts)
            apart = all(ends[a] <= starts[b] for a, b in pairwise(order))
            if apart and max(ends, default=0) <= 9:
                weights = [rows[kind, at] for at, kind in zip(starts, kinds, strict=True)]
                expected[one, two] += np.prod(weights)
    np.testing.assert_allclose(packed_sums(rows, width, most)[:, -1], expected.ravel(), rtol=1e-12)


def test_lengths_vary():
    rules = """
two: {rules: [{elements: [a, k], spacing: [{elements: [a, k], gap: [0, null]}]}]}
one: {rules: [{elements: [a], position: end}, {elements: [k], probability: .5}]}
mid: {rules: [{elements: [w], position: center, strand: random}]}
"""
    compare(grammar_of({4: 1, 5: 2, 6: 1}, rules))


def test_rna_and_protein():
    content = {
        "alphabet": "RNA",
        "window": 4,
        "elements": {
            "a": {"kmers": {"AU": 0.4, "GG": 0.6}},
            "b": {"matrix": [[0.1, 0.2, 0.3, 0.4]]},
        },
        "conditions": {"one": {"rules": [{"elements": ["a", "b"]}]}, "two": {}},
    }
    compare(resolve(content, Path("rna.yaml"), Path()))
    content["alphabet"], content["window"] = "protein", 3
    content["elements"] = {"a": {"kmers": {"WY": 0.4, "MK": 0.6}}, "b": {"consensus": "X"}}
    content["background"] = {c: (1 + i) / 210 for i, c in enumerate("ACDEFGHIKLMNPQRSTVWY")}
    compare(resolve(content, Path("protein.yaml"), Path()))


@pytest.mark.parametrize("set_name", ["training", "test"])
def test_noise_flips_the_labels_of_its_sets(set_name):
    rules, extra = CASES["multi-label"][1:]
    for task in (extra, "background: uniform"):
        clean = grammar_of(4, rules, task)
        noisy = grammar_of(4, rules, task + "\nnoise: {labels: {two: .1, one: .3}}")
        x = all_sequences(4, 4)
        p = compile_posterior(clean, set_name).log_posterior(x)[0]
        q = compile_posterior(noisy, set_name).log_posterior(x)[0]
        if set_name == "test":
            np.testing.assert_array_equal(p, q)
        elif "multi-label" in task:
            p, q = 1 / (1 + np.exp(-p)), 1 / (1 + np.exp(-q))
            np.testing.assert_allclose(q, p * [0.9, 0.7] + (1 - p) * [0.1, 0.3], rtol=1e-9)
        else:
            expected = np.exp(p) @ [[0.9, 0.1], [0.3, 0.7]]
            np.testing.assert_allclose(np.exp(q), expected, rtol=1e-9)


def test_labels_follow_from_groups_and_shares():
    grammar = grammar_of(*CASES["multi-label"])
    x = all_sequences(4, 5)
    shares = np.array([2, 1, 1]) / 4
    joint = shares * np.stack(
        [likelihood(grammar, g.conditions, "test", 5).ravel() for g in grammar.examples], axis=1
    )
    odds = [(joint[:, 0] + joint[:, 1]) / joint[:, 2], joint[:, 1] / (joint[:, 0] + joint[:, 2])]
    found, errors = compile_posterior(grammar).log_posterior(x)
    np.testing.assert_allclose(found, np.log(np.stack(odds, axis=1)), atol=1e-9)
    assert not errors.any()


def test_confounders_differ_between_sets():
    grammar = grammar_of(*CASES["confounder"])
    x = all_sequences(4, 5)
    training = compare(grammar, "training").log_posterior(x)[0]
    assert np.abs(training - compile_posterior(grammar).log_posterior(x)[0]).max() > 0.1


@pytest.mark.parametrize(
    ("rules", "extra"),
    [
        (
            "two: {rules: [{elements: [a, one], spacing: [{elements: [a, one], gap: [0, 2]}]},"
            " {elements: [k]}, {elements: [one], strand: random}]}\none: {}",
            "",
        ),
        (
            "two: {rules: [{elements: [a]}, {elements: [k]}, {elements: [one]}]}\none: {}",
            "overlap: allow",
        ),
        (
            "two: {rules: [{elements: [one, k], spacing: [{elements: [one, k], gap: [0, 1]}]},"
            " {elements: [one]}, {elements: [one]}]}\none: {}",
            "chain",
        ),
    ],
)
def test_what_is_drawn_says_so_and_is_as_good_as_it_says(rules, extra):
    grammar = grammar_of(6, rules, "" if extra == "chain" else extra)
    if extra == "chain":
        grammar = with_chain(grammar, 1)
    posterior = compile_posterior(grammar)
    truth = likelihood(grammar, ("two",), "test", 6).ravel()
    chosen = np.flatnonzero(truth)[:: np.count_nonzero(truth) // 12]
    found = posterior.likelihoods(all_sequences(4, 6)[chosen])
    assert posterior.kind == "estimate"
    assert posterior.notes
    off = found.logs[:, 0] - np.log(truth[chosen])
    assert found.errors[:, 0].max() < 0.2
    # the same draws serve every sequence, so errors are not independent: no sum of squares
    assert np.abs(off / np.maximum(found.errors[:, 0], 1e-9)).max() < 6
    assert np.abs(off).max() > 0


def test_the_error_of_a_drawn_sum_holds_that_of_z(monkeypatch):
    """Over seeds of the draws, logs vary as much as their errors say: chi-square with 23 degrees, 1e-6.

    The sequence is one whose numerator is drawn well, so that Z makes most of the error.
    """
    monkeypatch.setattr(joint_placements, "_MOST_DRAWS", 4000)
    rules = """
two: {rules: [{elements: [a, one], spacing: [{elements: [a, one], gap: [0, 2]}]}, {elements: [k]},
  {elements: [one], strand: random}]}
one: {}
"""
    grammar = grammar_of(6, rules)
    truth = likelihood(grammar, ("two",), "test", 6).ravel()
    x = all_sequences(4, 6)[np.flatnonzero(truth)[4 * (np.count_nonzero(truth) // 6)]][None]
    logs, errors = np.empty(24), np.empty(24)
    for seed in range(24):
        monkeypatch.setattr(joint_placements, "_SEED", seed)
        found = compile_posterior(grammar).likelihoods(x)
        logs[seed], errors[seed] = found.logs[0, 0], found.errors[0, 0]
    statistic = ((logs - logs.mean()) ** 2).sum() / (errors**2).mean()
    assert 5e-7 < chi2.sf(statistic, 23) < 1 - 5e-7


def test_shuffled_examples_are_estimated():
    groups = "examples: [{conditions: [two]}, {conditions: [one], shuffle: 1}]"
    grammar = grammar_of(5, CASES["pwm"][1], groups)
    x = all_sequences(4, 5)[:: 1024 // 30]
    truth = likelihood(grammar, ("two",), "test", 5)
    posterior = compile_posterior(grammar)
    found = posterior.likelihoods(x)
    assert posterior.kind == "estimate"
    for row, log, error in zip(x, found.logs[:, 1], found.errors[:, 1], strict=True):
        every = [truth[p] for p in set(permutations(row.tolist()))]
        assert abs(log - np.log(np.mean(every))) < 5.5 * error + 1e-9


def test_impossible_sequences_have_the_prior():
    grammar = grammar_of(4, "two: {rules: [{elements: [one]}]}\none: {rules: [{elements: [one]}]}")
    found = compile_posterior(grammar).log_posterior(np.zeros((1, 4), np.uint8))[0]
    np.testing.assert_allclose(found, np.log([[0.5, 0.5]]))
    assert FLOOR_LOG < -69


def test_log_odds_of_a_certain_label_end_at_the_floor():
    """Groups show the first label always, the second never, the third sometimes, the last only of old."""
    shown = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 1, 1]], bool)
    joint = np.log([[0.7, 0.3 - 1e-40, 1e-40]])
    found = labels_of(joint, shown, True)[0]
    assert found.tolist()[:2] == [-FLOOR_LOG, FLOOR_LOG]
    assert found[2] == pytest.approx(np.log(0.7 / 0.3)) and found[3] == FLOOR_LOG
    assert labels_of(joint, shown, False)[0, 3] == pytest.approx(-40 * np.log(10)), "log p has none"


def test_unknown_letters_are_summed_out_or_refused():
    grammar = grammar_of(5, "two: {rules: [{elements: [w, k]}]}\none: {}")
    x = np.array([[0, 1, 254, 3, 2]], np.uint8)
    every = np.repeat(x, 4, axis=0)
    every[:, 2] = range(4)
    posterior = compile_posterior(grammar)
    total = np.exp(posterior.likelihoods(every).logs).sum(axis=0)
    np.testing.assert_allclose(np.exp(posterior.likelihoods(x).logs[0]), total, rtol=1e-9)
    with pytest.raises(InputError, match="unknown letters"):
        compile_posterior(with_chain(grammar, 1)).likelihoods(x)


def test_too_many_outcomes_are_refused():
    rules = ", ".join("{elements: {x: {a: 1, w: 2, one: 1}}, probability: .5}" for _ in range(12))
    with pytest.raises(InputError, match="outcomes"):
        compile_posterior(grammar_of(60, f"two: {{rules: [{rules}]}}\none: {{}}", "overlap: allow"))


def simulated(name, examples):
    grammar = load_grammar(REPOSITORY / "grammars" / f"{name}.yaml")
    drawn = draw_block(compile_law(grammar, name), 11, "test", 0)
    return grammar, drawn.x[:examples], drawn.y[:examples].argmax(axis=1)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mc2-dna1000-homer", 0.9975),
        ("mc2-dna1000-homer-interaction-order", 0.9948),
        ("mc2-dna1000-homer-interaction-spacing", 0.9975),
    ],
)
def test_known_ceilings(name, known):
    """Ceilings of an independent oracle, from 2,000 examples of the published simulator each.

    5 standard errors of both areas together (Hanley and McNeil at n / 2 positives): about 1e-6.
    """
    examples = 1500
    grammar, x, y = simulated(name, examples)
    logs = compile_posterior(grammar).log_posterior(x)[0]
    found = roc_auc_score(y, logs[:, 1] - logs[:, 0])
    q1, q2 = known / (2 - known), 2 * known**2 / (1 + known)
    spread = known * (1 - known)

    def variance(n):
        return (spread + (n - 1) * (q1 - known**2 + q2 - known**2)) / n**2

    error = np.sqrt(variance(examples / 2) + variance(1000))
    assert abs(found - known) < 5 * error
    assert error < 0.003


@pytest.mark.parametrize("name", ["toy4-pwm-pairs", "mc2-dna150-homer", "toy6-spacing"])
def test_posteriors_are_calibrated(name):
    """Of examples with posterior p a share p is positive: within 5.5 sd in each of 8 bins (1e-6 in all)."""
    grammar, x, y = simulated(name, 4096)
    p = np.exp(compile_posterior(grammar).log_posterior(x)[0])
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    p, hits = p.ravel(), (y[:, None] == np.arange(p.shape[1])).ravel()
    order = np.argsort(p)
    for part in np.array_split(order, 8):
        sd = np.sqrt((p[part] * (1 - p[part])).sum())
        assert abs(hits[part].sum() - p[part].sum()) < 5.5 * sd + 3


def test_a_sequence_has_the_same_posterior_in_any_company():
    grammar, x, _ = simulated("mc2-dna150-homer", 300)
    posterior = compile_posterior(grammar)
    together = posterior.log_posterior(x)[0]
    np.testing.assert_array_equal(together[7:9], posterior.log_posterior(x[7:9])[0])


GRADIENTS = {
    **{name: CASES[name] for name in ("kmers", "pwm", "choice", "strand", "gap", "chain", "gc")},
    **{
        name: CASES[name]
        for name in ("two blocks", "block and element", "k-of", "common", "copies")
    },
    **{
        name: CASES[name] for name in ("multi-label", "per condition", "confounder", "negative gap")
    },
}


@pytest.mark.parametrize("case", GRADIENTS)
def test_gradient_is_that_of_the_posterior(case):
    grammar = grammar_of(*GRADIENTS[case])
    posterior = compile_posterior(grammar)
    draw = np.random.default_rng(3)
    x = draw.integers(0, 4, (12, grammar.longest)).astype(np.uint8)
    target = draw.integers(0, len(grammar.conditions), 12)
    letters = np.eye(4)[x].transpose(0, 2, 1)
    values, _ = log_posterior_at(posterior, letters, target)
    exact = posterior.log_posterior(x)[0]
    centred = exact if grammar.task == "multi-label" else exact - exact.mean(axis=1, keepdims=True)
    possible = (posterior.likelihoods(x).logs > -40).any(axis=1) & (np.abs(exact) < 15).all(axis=1)
    if case != "negative gap":  # holds an affinity band, whose columns depend on one another
        chosen = centred[np.arange(12), target][possible]
        np.testing.assert_allclose(values[possible], chosen, atol=1e-4)
    between = 0.7 * letters + 0.3 * draw.dirichlet(np.ones(4), (12, grammar.longest)).swapaxes(1, 2)
    gradient = log_posterior_at(posterior, between, target)[1]
    for a, place in ((0, 0), (2, 1), (3, grammar.longest - 1), (1, 2)):
        moved = [between.copy(), between.copy()]
        moved[0][:, a, place] += 1e-5
        moved[1][:, a, place] -= 1e-5
        up, down = (log_posterior_at(posterior, points, target)[0] for points in moved)
        np.testing.assert_allclose(gradient[:, a, place], (up - down) / 2e-5, rtol=1e-4, atol=1e-6)


def test_what_has_no_gradient_says_so():
    overlap = grammar_of(*CASES["overlap"])
    chain = with_chain(grammar_of(*CASES["pwm"]), 1)
    pairs = grammar_of(*CASES["two chains"])
    for grammar in (overlap, chain, pairs):
        points = np.full((1, 4, grammar.longest), 0.25)
        with pytest.raises(NoGradient):
            log_posterior_at(compile_posterior(grammar), points, np.zeros(1, np.int64))
