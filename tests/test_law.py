"""The law draws what the grammar says.

Statistical tests use fixed seeds and reject at 1e-6 a test, so that fewer than one in 10,000 wrong
alarms would arise over all of them if the seeds were ever changed.
"""

import itertools
from bisect import bisect
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from law_tools import draw, grammar_of, rejects, rule_grammar

from seqgra.alphabet import ALPHABETS, PADDING
from seqgra.errors import InputError
from seqgra.grammar.load import load_grammar, resolve
from seqgra.law import maps
from seqgra.law.elements import best_scores
from seqgra.law.law import balanced_order, compile_law, draw_block
from seqgra.streams import BLOCK, cumulative63, stream

GRAMMARS = Path(__file__).parents[1] / "grammars"


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_background_letters_follow_their_distribution(alphabet):
    letters = ALPHABETS[alphabet].letters
    weights = np.arange(1, len(letters) + 1)
    background = dict(zip(letters, (weights / weights.sum()).tolist(), strict=True))
    conditions = {"one": {}, "two": {}}
    word = letters[:2]
    grammar = grammar_of(
        alphabet=alphabet,
        background=background,
        conditions=conditions,
        elements={"a": {"kmers": {word: 1}}},
    )
    _, examples = draw(grammar)
    counts = np.bincount(examples.x.ravel(), minlength=len(letters))
    assert counts.sum() > 2_000_000
    assert not rejects(counts, weights)
    pairs = examples.x[:, :-1:2].astype(int) * len(letters) + examples.x[:, 1::2]
    joint = np.bincount(pairs.ravel(), minlength=len(letters) ** 2)
    assert not rejects(joint, np.outer(weights, weights).ravel()), "neighbours are not independent"


def test_a_wrong_background_would_be_noticed():
    _, examples = draw(grammar_of(conditions={"one": {}, "two": {}}, background="human"))
    assert rejects(np.bincount(examples.x.ravel()), [0.297, 0.203, 0.203, 0.297])


def placed(law, examples, slot):
    """Return the letters of the element in one slot of the first condition."""
    width = law.placement.width[examples.placed.element[0, slot]]
    rows = (examples.combination == 0) & (examples.placed.start[:, slot] >= 0)
    columns = examples.placed.start[rows, slot][:, None] + np.arange(width)
    return np.take_along_axis(examples.x[rows], columns, axis=1)


def test_columns_of_a_placed_pwm_follow_its_matrix():
    grammar = load_grammar(GRAMMARS / "mc2-dna150-homer.yaml")
    law, examples = draw(grammar)
    letters = placed(law, examples, 0)
    for column, probabilities in enumerate(grammar.elements["foxa1"].matrix):
        counts = np.bincount(letters[:, column], minlength=4)
        assert not rejects(counts, probabilities), f"column {column}"


def test_kmers_follow_their_weights():
    grammar = grammar_of(conditions={"one": {"rules": [{"elements": ["b"]}]}, "two": {}})
    law, examples = draw(grammar)
    last = placed(law, examples, 0)[:, -1]
    assert not rejects([np.sum(last == 3), np.sum(last == 0)], [0.25, 0.75])


def test_a_random_position_is_uniform():
    _, examples = draw(grammar_of())
    starts = examples.placed.start[examples.combination == 0, 0]
    assert not rejects(np.bincount(starts, minlength=55), np.ones(55))
    assert (examples.placed.start[examples.combination == 1] == -1).all()


@pytest.mark.parametrize(
    ("position", "expected"),
    [("start", {0: 1}), ("center", {27: 1}), ("end", {54: 1}), (10, {9: 1})]
    + [
        ([3, 5], {2: 1, 3: 1, 4: 1}),
        ({1: 1, 55: 3}, {0: 1, 54: 3}),
        ([50, None], dict.fromkeys(range(49, 55), 1)),
    ],
    ids=str,
)
def test_positions(position, expected):
    rule = {"elements": ["a"], "position": position}
    _, examples = draw(grammar_of(conditions={"one": {"rules": [rule]}, "two": {}}))
    starts = examples.placed.start[examples.combination == 0, 0]
    shares = [expected.get(start, 0) for start in range(55)]
    assert not rejects(np.bincount(starts, minlength=55), shares)


@pytest.mark.parametrize(("window", "expected"), [(61, 27), (62, 28), (7, 0)])
def test_the_left_one_of_two_middles_is_the_center(window, expected):
    """A block at the center starts at floor((length - span) / 2), and so does a pair."""
    alone = {"elements": ["a"], "position": "center"}
    _, examples = draw(rule_grammar(alone, window=window), blocks=1)
    assert (examples.placed.start[examples.combination == 0, 0] == expected).all()
    if window > 15:
        spacing = [{"elements": ["a", "b"], "gap": 3}]
        pair = {"elements": ["a", "b"], "position": "center", "spacing": spacing}
        _, examples = draw(rule_grammar(pair, window=window), blocks=1)
        first = examples.placed.start[examples.combination == 0].min(axis=1)
        assert (first == (window - 15) // 2).all()


def spaced(gap, order="in-order", position="random"):
    spacing = [{"elements": ["a", "b"], "gap": gap, "order": order}]
    rule = {"elements": ["a", "b"], "spacing": spacing, "position": position}
    return grammar_of(conditions={"one": {"rules": [rule]}, "two": {}})


@pytest.mark.parametrize(
    ("gap", "expected"),
    [([0, 3], {g: 1 for g in range(4)}), ({0: 1, 7: 3}, {0: 1, 7: 3}), (5, {5: 1})]
    + [([30, None], {g: 1 for g in range(30, 49)}), ({2: 1, 90: 5}, {2: 1})],
    ids=str,
)
def test_gaps_follow_their_law_among_those_that_fit(gap, expected):
    _, examples = draw(spaced(gap))
    first, second = examples.placed.start[examples.combination == 0].T
    gaps = second - first - 6
    assert not rejects(np.bincount(gaps, minlength=49), [expected.get(g, 0) for g in range(49)])
    for chosen in expected:
        room = 60 - 12 - chosen + 1
        starts = np.bincount(first[gaps == chosen], minlength=room)
        assert not rejects(starts, np.ones(room)), f"starts at gap {chosen}"


def test_gap_and_position_law_fit_the_window_together():
    _, examples = draw(spaced([0, None], position={21: 1, 46: 1}))
    first, second = examples.placed.start[examples.combination == 0].T
    gaps = second - first - 6
    assert not rejects(np.bincount(gaps, minlength=29), np.ones(29)), "every gap that fits at 21"
    late = first == 45
    assert (gaps[late] <= 3).all() and not rejects(
        [late[gaps <= 3].sum(), (~late[gaps <= 3]).sum()], [1, 1]
    )


def test_random_order_swaps_half_of_the_pairs():
    _, examples = draw(spaced([0, 3], order="random"))
    first, second = examples.placed.start[examples.combination == 0].T
    assert not rejects([np.sum(first < second), np.sum(first > second)], [1, 1])


def test_rules_apply_with_their_probability():
    rules = [{"elements": ["a"], "probability": 0.3}, {"elements": ["b"], "probability": 0.9}]
    _, examples = draw(grammar_of(conditions={"one": {"rules": rules}, "two": {}}))
    fired = examples.placed.start[examples.combination == 0] >= 0
    joint = np.bincount(fired @ [1, 2], minlength=4)
    assert not rejects(joint, [0.7 * 0.1, 0.3 * 0.1, 0.7 * 0.9, 0.3 * 0.9])


def test_mutually_exclusive_rules():
    rules = [{"elements": ["a"], "probability": 0.3}, {"elements": ["b"], "probability": 0.5}]
    condition = {"mode": "mutually-exclusive", "rules": rules}
    _, examples = draw(grammar_of(conditions={"one": condition, "two": {}}))
    fired = examples.placed.start[examples.combination == 0] >= 0
    assert not rejects(np.bincount(fired @ [1, 2], minlength=4), [0.2, 0.3, 0.5, 0])


def test_joint_placement_is_uniform_over_placements_without_overlap():
    rule = {"elements": ["a", "b"]}
    grammar = grammar_of(window=20, conditions={"one": {"rules": [rule]}, "two": {}})
    _, examples = draw(grammar)
    first, second = examples.placed.start[examples.combination == 0].T
    legal = [[abs(i - j) >= 6 for j in range(15)] for i in range(15)]
    counts = np.bincount(first * 15 + second, minlength=225)
    assert not rejects(counts, np.ravel(legal)), "no rule goes first"


def test_crowded_rules_are_refused_by_name():
    elements = {name: {"kmers": {"ACGTACGT": 1}} for name in "abcde"}
    rules = [{"elements": [name]} for name in "abcde"]
    grammar = grammar_of(
        window=42, elements=elements, conditions={"one": {"rules": rules}, "two": {}}
    )
    with pytest.raises(
        InputError, match=r"conditions.one: the elements of rules\[0\].*without overlap"
    ):
        compile_law(grammar, "g.yaml")


def pair_in(window, **rule):
    """A grammar of an element of 5 letters, rarely 10, beside one of 10 letters."""
    elements = {name: {"kmers": {"A" * width: 1}} for name, width in WIDTHS.items()}
    rare = {"elements": {"x": {"short": 0.99999, "long": 0.00001}}}
    return grammar_of(
        window=window,
        elements=elements,
        conditions={"one": {"rules": [rare, {"elements": ["other"], **rule}]}, "two": {}},
    )


WIDTHS = {"short": 5, "long": 10, "other": 10}


def test_a_rare_choice_that_never_fits_is_refused():
    assert compile_law(pair_in(20), "g.yaml").window == 20, "fits at either end"
    message = r"conditions.one: the elements of rules\[0\], rules\[1\] never fit into 20 letters"
    with pytest.raises(InputError, match=message):
        compile_law(pair_in(20, position=2), "g.yaml")


def test_a_length_that_leaves_no_room_is_refused():
    rules = [{"elements": ["a"], "position": 56}, {"elements": ["a"], "position": "center"}]
    conditions = {"one": {"rules": rules}, "two": {}}
    assert compile_law(grammar_of(window=100, conditions=conditions), "g.yaml").window == 100
    with pytest.raises(InputError, match=r"never fit into 1.. letters"):
        compile_law(grammar_of(window=[100, 120], conditions=conditions), "g.yaml")


def test_an_example_without_room_is_given_up():
    places = [[1, 1, 1, 1, 55], [29, 29, 29, 29, 55], [36] * 5]  # only the 121st meeting never fits
    conditions = {
        f"c{n}": {
            "mode": "mutually-exclusive",
            "rules": [{"elements": ["a"], "position": p, "probability": 0.2} for p in starts],
        }
        for n, starts in enumerate(places)
    }
    groups = [{"conditions": list(conditions)}]
    grammar = grammar_of(task="multi-label", conditions=conditions, examples=groups)
    law = compile_law(grammar, "g.yaml")
    message = (
        r"g.yaml: conditions.c0 \+ c1 \+ c2: found no room in 60 letters.* of test in 10,000,000"
    )
    with pytest.raises(InputError, match=message):
        draw_block(law, 0, "test", 0)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 200))
@example([9, 1, 1, 1, 9], 14)  # exactly 1 away
def test_every_prefix_is_balanced_to_one_example(shares, count):
    order = balanced_order(shares)
    groups = order[np.arange(count) % len(order)]
    for group, share in enumerate(shares):
        away = abs(int(np.sum(groups == group)) - Fraction(share, sum(shares)) * count)
        assert away < 1 or (away == 1 and len(shares) == 5)


@pytest.mark.parametrize("path", sorted(GRAMMARS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_grammar_places_its_elements_whole(path):
    grammar = load_grammar(path)
    law, examples = draw(grammar, blocks=1)
    letters = examples.x[examples.x != PADDING]
    assert examples.x.shape == (BLOCK, grammar.longest)
    assert letters.max() == len(ALPHABETS[grammar.alphabet].letters) - 1
    length = (examples.x != PADDING).sum(axis=1)
    start = examples.placed.start
    end = start + law.placement.width[examples.placed.element]
    here = start >= 0
    assert (end <= length[:, None])[here].all()
    first = law.placement.combinations["slot"][examples.combination]
    for slot, other in itertools.combinations(range(start.shape[1]), 2):
        both = here[:, slot] & here[:, other]
        tied = law.placement.slots["tied"][np.where(both, first + other, 0)] == slot
        gap = np.maximum(start[:, other] - end[:, slot], start[:, slot] - end[:, other])
        assert (gap[both & ~tied] >= 0).all(), "elements overlap"
        assert (gap[both & tied] > -law.placement.width.min()).all()


def test_streams_are_pinned():
    """A change here changes every dataset: raise STREAM_VERSION and say so in the CHANGELOG."""
    generator = stream(7, "background", "training", 3)
    assert generator.random_raw(3).tolist() == [
        13268538672669800141,
        4721866779285498872,
        18148591809126571140,
    ]


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**32 - 1))
def test_below_is_the_exact_product(word, n):
    assert int(maps.below(np.uint64(word), np.uint64(n))) == word * n >> 64


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(1, 10**6), min_size=1, max_size=8))
def test_chosen_prefix_is_the_exact_product(word, weights):
    law = cumulative63(weights)
    for count in range(1, len(law) + 1):
        value = word * int(law[count - 1]) >> 64
        expected = next(i for i in range(count) if value < int(law[i]))
        assert maps.chosen_prefix(np.uint64(word), law[:count]) == expected


def test_best_scores_against_every_place():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (50, 30)).astype(np.uint8)
    x[3, 10:] = 255
    scores = rng.normal(size=(5, 4)).astype(np.float32)
    found = best_scores(x, scores)
    for row, best in zip(x, found, strict=True):
        every = [
            sum(scores[w, row[s + w]] for w in range(5))
            for s in range(26)
            if (row[s : s + 5] < 4).all()
        ]
        assert best == pytest.approx(max(every), rel=1e-5)


def test_shuffled_negatives_keep_words_and_lose_elements():
    examples = [{"conditions": ["one"]}, {"conditions": ["two"], "shuffle": 2}]
    elements = {"a": {"kmers": {"ACGTACGTACGTACGT": 1}}}
    _, drawn = draw(grammar_of(elements=elements, examples=examples), blocks=31)
    positive, negative = drawn.x[drawn.combination == 0], drawn.x[drawn.combination == 1]
    assert (
        len(positive) == len(negative) and (drawn.placed.start[drawn.combination == 1] == -1).all()
    )
    counts = [
        np.bincount((x[:, :-1].astype(int) * 4 + x[:, 1:]).ravel(), minlength=16)
        for x in (positive, negative)
    ]
    spread = np.sqrt(counts[0])  # words of one sequence depend on one another: allow ten times that
    assert (np.abs(counts[0] - counts[1]) < 10 * spread).all()
    word = "ACGTACGTACGTACGT"
    found = [sum(word in ALPHABETS["DNA"].decode(row) for row in x) for x in (positive, negative)]
    assert found[0] == len(positive) and found[1] < 0.01 * len(negative)
    assert not drawn.unchanged[drawn.combination == 0].any()


def test_a_shuffle_that_must_equal_its_source_is_reported():
    examples = [{"conditions": ["one"]}, {"conditions": ["two"], "shuffle": 6}]
    elements = {"a": {"kmers": {"ACGT": 1}}}
    _, drawn = draw(grammar_of(window=7, elements=elements, examples=examples), blocks=1)
    assert drawn.unchanged[drawn.combination == 1].mean() > 0.99


def test_sites_stay_in_their_band_of_affinity():
    matrix = [
        [0.7, 0.1, 0.1, 0.1],
        [0.1, 0.6, 0.2, 0.1],
        [0.25, 0.25, 0.4, 0.1],
        [0.1, 0.1, 0.1, 0.7],
    ]
    mean = []
    for band in ({"max": 0.2}, {}, {"min": 0.8}):
        elements = {"a": {"matrix": matrix, "affinity": band}}
        law, drawn = draw(grammar_of(elements=elements))
        letters = placed(law, drawn, 0)
        scores = sum(np.log2(np.array(matrix)[w, letters[:, w]]) for w in range(4))
        mean.append((scores.mean(), scores.min(), scores.max()))
    assert mean[0][0] < mean[1][0] < mean[2][0]
    assert mean[0][2] < mean[2][1], "the weakest fifth lies below the strongest"


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (["0%", "10%"], {g: 1 for g in range(7)}),
        (
            {"normal": {"center": 10, "sd": 2}},
            {g: np.exp(-((g - 10) ** 2) / 8) for g in range(2, 19)},
        ),
        (
            {"helical": {"period": 10.5, "range": [0, 40], "tolerance": 1}},
            {g: 1 for g in (0, 1, 10, 11, 20, 21, 22, 31, 32)},
        ),
    ],
    ids=str,
)
def test_named_gap_laws(gap, expected):
    _, examples = draw(spaced(gap))
    first, second = examples.placed.start[examples.combination == 0].T
    counts = np.bincount(second - first - 6, minlength=49)
    assert not rejects(counts, [expected.get(g, 0) for g in range(49)])


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (["0%", "50%"], dict.fromkeys(range(1, 31), 1)),
        (["0%", "0%"], {1: 1}),
        (
            {"normal": {"center": 5, "sd": 3}},
            {p: np.exp(-((p - 5) ** 2) / 18) for p in range(1, 18)},
        ),
        (
            {"helical": {"period": 10, "range": ["0%", "50%"]}},
            dict.fromkeys((1, 9, 10, 11, 19, 20, 21, 29, 30), 1),
        ),
    ],
    ids=str,
)
def test_positions_count_from_1_whatever_gives_them(position, expected):
    _, examples = draw(rule_grammar({"elements": ["a"], "position": position}), blocks=12)
    counts = np.bincount(examples.placed.start[examples.combination == 0, 0] + 1, minlength=60)
    assert not rejects(counts, [expected.get(p, 0) for p in range(60)])


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ([0, "50%"], "is 0; positions count from 1"),
        (["-10%", "50%"], "is -6; positions count from 1"),
        ({0: 1, 3: 1}, "is 0; positions count from 1"),
        ({"normal": {"center": -20, "sd": 3}}, "holds no value above 0; positions count from 1"),
    ],
)
def test_positions_below_1_that_are_asked_for_are_refused(position, message):
    with pytest.raises(InputError, match=rf"conditions.one.rules\[0\].position: {message}"):
        rule_grammar({"elements": ["a"], "position": position})


def test_chains_follow_both_gap_laws_among_those_that_fit_together():
    spacing = [
        {"elements": ["x", "y"], "gap": [0, 20]},
        {"elements": ["y", "z"], "gap": [5, 40]},
    ]
    rule = {"elements": {"x": "a", "y": "b", "z": "a"}, "spacing": spacing}
    _, examples = draw(rule_grammar(rule))
    x, y, z = examples.placed.start[examples.combination == 0].T
    one, two = y - x - 6, z - y - 6
    legal = [[g + h + 18 <= 60 and h >= 5 for h in range(41)] for g in range(21)]
    joint = np.bincount(one * 41 + two, minlength=21 * 41)
    assert not rejects(joint, np.ravel(legal))
    room = 60 - 18 - one - two + 1
    share = (x + np.random.default_rng(0).random(x.size)) / room
    assert not rejects(np.histogram(share, bins=10, range=(0, 1))[0], np.ones(10)), "uniform start"


def test_a_star_of_spacings_may_lie_on_both_sides():
    spacing = [{"elements": ["y", "x"], "gap": 3}, {"elements": ["y", "z"], "gap": 12}]
    rule = {"elements": {"x": "a", "y": "b", "z": "a"}, "spacing": spacing}
    grammar = rule_grammar(rule)
    _, examples = draw(grammar, blocks=1)
    x, y, z = (examples.placed.start[examples.combination == 0].T)[[1, 0, 2]]
    assert (x - y == 9).all() and (z - y == 18).all(), "both lie after y, without overlap"


def test_a_block_that_always_overlaps_itself_is_refused():
    spacing = [{"elements": ["y", "x"], "gap": 3}, {"elements": ["y", "z"], "gap": 4}]
    rule = {"elements": {"x": "a", "y": "b", "z": "a"}, "spacing": spacing}
    with pytest.raises(InputError, match=r"the elements of rules\[0\] never fit into 60 letters"):
        compile_law(rule_grammar(rule), "g.yaml")
    compile_law(rule_grammar(rule, overlap="allow"), "g.yaml")


def test_copies_follow_their_law():
    _, examples = draw(rule_grammar({"elements": ["a"], "copies": {0: 1, 1: 2, 3: 1}}))
    copies = (examples.placed.start[examples.combination == 0] >= 0).sum(axis=1)
    assert not rejects(np.bincount(copies, minlength=4), [1, 2, 0, 1])


def test_a_slot_draws_its_element():
    rule = {"elements": {"x": {"a": 0.8, "b": 0.2}}}
    _, examples = draw(rule_grammar(rule))
    element = examples.placed.element[examples.combination == 0, 0]
    assert not rejects(np.bincount(element, minlength=2), [0.8, 0.2])


def found_words(grammar, *slots):
    """Return the letters at each slot of the first condition's examples."""
    _, examples = draw(grammar, blocks=2)
    decode = ALPHABETS["DNA"].decode
    rows = np.flatnonzero((examples.combination == 0) & (examples.placed.start >= 0).all(axis=1))
    return [
        [decode(examples.x[i, s : s + 6]) for s in examples.placed.start[i, list(slots)]]
        for i in rows
    ], examples.placed.start[rows][:, list(slots)]


SENSE, ANTISENSE = "AACCGT", "ACGGTT"


@pytest.mark.parametrize(
    ("strand", "orientation", "expected"),
    [
        ("+", "same", {(SENSE, SENSE): 1}),
        ("-", "same", {(ANTISENSE, ANTISENSE): 1}),
        ("random", "same", {(SENSE, SENSE): 1, (ANTISENSE, ANTISENSE): 1}),
        ("random", "convergent", {(SENSE, ANTISENSE): 1}),
        ("+", "divergent", {(ANTISENSE, SENSE): 1}),
        ("+", "any", {(p, q): 1 for p in (SENSE, ANTISENSE) for q in (SENSE, ANTISENSE)}),
    ],
)
def test_strands_and_orientations(strand, orientation, expected):
    spacing = [{"elements": ["x", "y"], "gap": [2, 4]}]
    rule = {"elements": {"x": "a", "y": "a"}, "spacing": spacing, "strand": strand}
    grammar = rule_grammar(
        {**rule, "orientation": orientation},
        elements={"a": {"kmers": {SENSE: 1}}, "b": {"kmers": {"GG": 1}}},
    )
    words, starts = found_words(grammar, 0, 1)
    left_to_right = [
        tuple(pair if x < y else pair[::-1]) for pair, (x, y) in zip(words, starts, strict=True)
    ]
    seen = {pair: left_to_right.count(pair) for pair in set(left_to_right)}
    assert set(seen) == set(expected)
    assert not rejects([seen[pair] for pair in expected], list(expected.values()))


def test_a_reversed_pair_lies_the_other_way_round():
    elements = {"a": {"kmers": {"AACCGT": 1}}, "b": {"kmers": {"GGGGGA": 1}}}
    rule = {"elements": ["a", "b"], "spacing": [{"elements": ["a", "b"], "gap": 3}], "strand": "-"}
    words, starts = found_words(rule_grammar(rule, elements=elements), 0, 1)
    assert set(map(tuple, words)) == {("ACGGTT", "TCCCCC")}
    assert (starts[:, 0] - starts[:, 1] == 9).all()


def test_a_reversed_block_of_several_widths_is_the_reverse_complement_of_the_block():
    """A chain of 4, 6 and 9 letters: what it covers, turned, is what it would cover on the other strand."""
    sites = {"a": "AACC", "b": "GGGGGA", "c": "ACACACAAG"}
    elements = {name: {"kmers": {site: 1}} for name, site in sites.items()}
    spacing = [{"elements": ["a", "b"], "gap": 2}, {"elements": ["b", "c"], "gap": 1}]
    rule = {"elements": ["a", "b", "c"], "spacing": spacing, "strand": "-"}
    _, examples = draw(rule_grammar(rule, elements=elements), blocks=1)
    one = examples.combination == 0
    start = examples.placed.start[one][:, :3]
    assert (start - start[:, 2:] == [18, 10, 0]).all()
    assert not rejects(np.bincount(start[:, 2], minlength=39), np.ones(39))
    turned = 3 - examples.x[one][:, ::-1]
    first = 60 - start[:, 0] - 4  # of the whole block, in the turned sequence
    for site, offset in (("AACC", 0), ("GGGGGA", 6), ("ACACACAAG", 13)):
        columns = (first + offset)[:, None] + np.arange(len(site))
        assert (np.take_along_axis(turned, columns, 1) == ALPHABETS["DNA"].encode(site)).all()


def test_common_rules_are_decoys_of_every_condition():
    common = {"rules": [{"elements": ["b"], "probability": 0.5}]}
    _, examples = draw(rule_grammar({"elements": ["a"]}, common=common))
    for condition, slot in ((0, 1), (1, 0)):
        placed_here = examples.placed.start[examples.combination == condition, slot] >= 0
        assert not rejects([placed_here.sum(), (~placed_here).sum()], [1, 1])


def test_overlap_may_be_allowed_and_is_marked():
    rule = {"elements": ["a", "b"]}
    grammar = rule_grammar(rule, window=12, overlap="allow")
    _, examples = draw(grammar)
    first, second = examples.placed.start[examples.combination == 0].T
    joint = np.bincount(first * 7 + second, minlength=49)
    assert not rejects(joint, np.ones(49)), "independent of one another"
    intact = examples.placed.intact[examples.combination == 0]
    assert (intact[:, 0] == (np.abs(first - second) >= 6)).all() and intact[:, 1].all()


def background_grammar(background, **changes):
    return grammar_of(conditions={"one": {}, "two": {}}, background=background, **changes)


def test_gc_content_is_drawn_for_each_example():
    gc_grammar = background_grammar({"gc": {"mean": 0.4, "sd": 0.1}}, window=400)
    _, examples = draw(gc_grammar, blocks=31)
    gc = ((examples.x == 1) | (examples.x == 2)).mean(axis=1)
    assert gc.mean() == pytest.approx(0.4, abs=0.004)
    within = 0.4 * 0.6 / 400  # binomial spread at one GC content, in variance
    assert gc.var() == pytest.approx(0.1**2 + within, rel=0.05)
    counts = np.bincount(examples.x.ravel())
    assert not rejects(counts[[0, 3]], [1, 1]) and not rejects(counts[[1, 2]], [1, 1])


def chain_grammar(folder, order, **changes):
    """Return a grammar over the Markov chain of ``f.fa`` in a folder."""
    content = {
        "window": 50,
        "background": {"markov": {"order": order, "fasta": "f.fa"}},
        "elements": {"a": {"kmers": {"ACGT": 1}}},
        "conditions": {"one": {}, "two": {}},
    }
    return resolve({**content, **changes}, Path("g.yaml"), folder)


def test_markov_chain_follows_the_words_of_its_fasta(tmp_path):
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(4), size=16)
    steps, codes = table.cumsum(axis=1)[:, :3].tolist(), [0, 1]
    for u in rng.random(200_000).tolist():
        codes.append(bisect(steps[codes[-2] * 4 + codes[-1]], u))
    text = ALPHABETS["DNA"].decode(np.array(codes, np.uint8))
    (tmp_path / "f.fa").write_text(f">one\n{text[:90000]}\nNNN\n{text[90000:]}\n>two\nac\n")
    grammar = chain_grammar(tmp_path, 2)
    fitted = np.array(grammar.background.markov.table)
    assert np.abs(fitted - table).max() < 0.02
    _, examples = draw(grammar)
    x = examples.x.astype(int)
    initial = np.bincount(x[:, 0] * 4 + x[:, 1], minlength=16)
    assert not rejects(initial, grammar.background.markov.initial)
    for position in (2, 25, 49):
        context = x[:, position - 2] * 4 + x[:, position - 1]
        for c in range(16):
            counts = np.bincount(x[context == c, position], minlength=4)
            assert not rejects(counts, fitted[c]), f"position {position}, context {c}"


def test_a_chain_of_rna_is_that_of_the_same_letters_as_dna(tmp_path):
    codes = np.random.default_rng(1).integers(0, 4, 3000).astype(np.uint8)
    short = {"a": {"kmers": {"ACG": 1}}}
    (tmp_path / "f.fa").write_text(f">one\n{ALPHABETS['DNA'].decode(codes)}\n")
    rna, dna = (
        chain_grammar(tmp_path, 1, alphabet=name, elements=short) for name in ("RNA", "DNA")
    )
    assert rna.background == dna.background
    assert np.min(rna.background.markov.table) > 0.15


def test_backgrounds_of_conditions_and_sets():
    rich, poor = {"A": 0.1, "C": 0.4, "G": 0.4, "T": 0.1}, {"A": 0.4, "C": 0.1, "G": 0.1, "T": 0.4}
    training = {"by-condition": {"one": rich, "two": poor}}
    grammar = background_grammar(
        {"by-set": {"training": training, "validation": poor, "test": "uniform"}}
    )
    law, examples = draw(grammar)
    for condition, shares in ((0, rich), (1, poor)):
        counts = np.bincount(examples.x[examples.combination == condition].ravel())
        assert not rejects(counts, list(shares.values()))
    test = draw_block(law, 0, "test", 0)
    assert not rejects(np.bincount(test.x.ravel()), np.ones(4))
