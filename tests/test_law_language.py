"""What the language says beyond single rules: combinations of labels, lengths, shared columns, noise.

Statistical tests use fixed seeds and reject at 1e-6 a test, on about a million examples each.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from law_tools import draw, grammar_of, rejects, rule_grammar

from seqgra.alphabet import ALPHABETS, PADDING, SETS
from seqgra.errors import InputError
from seqgra.grammar.load import load_grammar, resolve
from seqgra.law.law import compile_law, draw_block
from seqgra.streams import BLOCK

A, B, C, D = "ACGTAC", "TTGGTT", "CATCAT", "GAGAGA"
WORDS = {"a": A, "b": B, "c": C, "d": D}
ELEMENTS = {name: {"kmers": {word: 1}} for name, word in WORDS.items()}


def multi_label(groups, **changes):
    conditions = {name: {"rules": [{"elements": [name]}]} for name in ("a", "b", "c")}
    content = {"task": "multi-label", "conditions": conditions, "elements": ELEMENTS}
    return grammar_of(**{**content, "examples": groups, **changes})


GROUPS = [
    {"conditions": ["a"]},
    {"conditions": ["b"]},
    {"conditions": ["c", "a"], "share": 2},
    {"conditions": ["a", "b", "c"], "share": 0.5},
    {"conditions": [], "share": 3},
]


def test_label_groups_have_their_shares_and_elements():
    _, examples = draw(multi_label(GROUPS))
    shown = [tuple(row) for row in examples.y[:15]]
    assert len(set(shown)) == 5
    rows, counts = np.unique(examples.y, axis=0, return_counts=True)
    seen = dict(zip(map(tuple, rows.tolist()), counts.tolist(), strict=True))
    shares = {(1, 0, 0): 1, (0, 1, 0): 1, (1, 0, 1): 2, (1, 1, 1): 0.5, (0, 0, 0): 3}
    assert set(seen) == set(shares)
    for labels, share in shares.items():
        assert abs(seen[labels] - share / 7.5 * len(examples.y)) < 1, "exact, not random"
        rows = np.flatnonzero((examples.y == labels).all(axis=1))[:50]
        for row in rows:
            placed = examples.placed.start[row] >= 0
            assert sorted(examples.placed.element[row, placed]) == np.flatnonzero(labels).tolist()


@pytest.mark.parametrize("labels", [("a",), ("a", "c"), ()], ids=str)
def test_an_example_has_the_background_of_one_of_its_conditions(labels):
    gc = {"a": 0.1, "b": 0.5, "c": 0.9}
    rows = {
        name: {"A": (1 - g) / 2, "C": g / 2, "G": g / 2, "T": (1 - g) / 2} for name, g in gc.items()
    }
    conditions = {name: {} for name in gc}
    groups = [{"conditions": list(labels)}, *({"conditions": [name]} for name in gc)]
    grammar = multi_label(
        groups, background={"by-condition": rows}, conditions=conditions, window=200
    )
    _, examples = draw(grammar, blocks=60)
    mine = (examples.y == [name in labels for name in gc]).all(axis=1)
    content = np.isin(examples.x[mine], (1, 2)).mean(axis=1)
    nearest = np.abs(content[:, None] - np.array(list(gc.values()))).argmin(axis=1)
    expected = [float(name in (labels or gc)) for name in gc]
    assert not rejects(np.bincount(nearest, minlength=3), expected)


def test_examples_that_show_nothing_may_have_a_background_of_their_own():
    rows = {"a": {"A": 0.4, "C": 0.1, "G": 0.1, "T": 0.4}, "b": "uniform"}
    rows |= {"c": "uniform", "none": {"A": 0.05, "C": 0.45, "G": 0.45, "T": 0.05}}
    groups = [{"conditions": []}, *({"conditions": [name]} for name in "abc")]
    grammar = multi_label(
        groups, background={"by-condition": rows}, conditions={key: {} for key in "abc"}, window=200
    )
    _, examples = draw(grammar, blocks=16)
    content = np.isin(examples.x, (1, 2)).mean(axis=1)
    assert (content[~examples.y.any(axis=1)] > 0.7).all(), "0.9 expected, sd 0.021"
    assert (content[examples.y.any(axis=1)] < 0.75).all(), "0.5 at most, sd 0.035"


def test_wrong_labels_of_classes():
    conditions = {name: {"rules": [{"elements": [name]}]} for name in ("a", "b", "c", "d")}
    noise = {"labels": {"a": 0.3, "c": 0.05}}
    grammar = grammar_of(conditions=conditions, elements=ELEMENTS, noise=noise)
    _, examples = draw(grammar)
    true, said = examples.y_true.argmax(axis=1), examples.y.argmax(axis=1)
    assert (examples.y.sum(axis=1) == 1).all()
    expected = {0: [0.7, 0.1, 0.1, 0.1], 1: [0, 1, 0, 0], 2: [0.05 / 3, 0.05 / 3, 0.95, 0.05 / 3]}
    for condition, shares in expected.items():
        assert not rejects(np.bincount(said[true == condition], minlength=4), shares)
    assert (examples.placed.element[:, 0] == true).all(), "elements follow the true condition"
    _, clean = draw(grammar, blocks=1, set_name="test")
    assert (clean.y == clean.y_true).all()


def test_wrong_labels_flip_one_by_one():
    noise = {"labels": {"a": 0.2, "b": 0.01}, "sets": ["test"]}
    grammar = multi_label(GROUPS, noise=noise)
    _, examples = draw(grammar, set_name="test")
    wrong = examples.y != examples.y_true
    for column, rate in enumerate((0.2, 0.01, 0)):
        for value in (0, 1):
            flips = wrong[examples.y_true[:, column] == value, column]
            assert not rejects([flips.sum(), (~flips).sum()], [rate, 1 - rate])
    both = wrong[:, 0] & wrong[:, 1]
    assert not rejects([both.sum(), (~both).sum()], [0.002, 0.998]), "independent"
    _, clean = draw(grammar, blocks=1)
    assert (clean.y == clean.y_true).all()


CONFOUNDER = {
    "elements": ["d"],
    "probability": {"one": 0.8, "two": 0.2},
    "test": {"one": 0.5, "two": 0.5},
}


@pytest.mark.parametrize(
    ("set_name", "expected"),
    [("training", (0.8, 0.2)), ("validation", (0.8, 0.2)), ("test", (0.5, 0.5))],
)
def test_confounders_follow_condition_and_set(set_name, expected):
    grammar = rule_grammar({"elements": ["a"]}, elements=ELEMENTS, confounders=[CONFOUNDER])
    law, examples = draw(grammar, set_name=set_name)
    for combination, chance in enumerate(expected):
        first = law.placement.combinations["slot"][combination]
        slots = law.placement.slots[first : law.placement.combinations["slot"][combination + 1]]
        slot = int(np.flatnonzero(slots["role"] == 1)[0])
        there = examples.placed.start[examples.combination == combination, slot] >= 0
        assert not rejects([there.sum(), (~there).sum()], [chance, 1 - chance])


def test_a_confounder_of_several_labels_has_the_highest_chance_of_theirs():
    chances = {"a": 0.3, "b": 0.6, "none": 0.1}
    confounder = {"elements": ["d"], "probability": chances}
    _, examples = draw(multi_label(GROUPS, confounders=[confounder]))
    expected = {(1, 0, 0): 0.3, (0, 1, 0): 0.6, (1, 0, 1): 0.3, (1, 1, 1): 0.6, (0, 0, 0): 0.1}
    for labels, chance in expected.items():
        rows = (examples.y == labels).all(axis=1)
        placed = examples.placed.start[rows] >= 0
        there = ((examples.placed.element[rows] == 3) & placed).any(axis=1)
        assert not rejects([there.sum(), (~there).sum()], [chance, 1 - chance])


@pytest.mark.parametrize("window", [[20, 30], {12: 1, 40: 3}], ids=str)
def test_lengths_follow_the_window_law_and_places_each_length(window):
    rules = [
        {"elements": ["a"], "position": "end"},
        {"elements": ["b"], "probability": 0.5},
    ]
    grammar = rule_grammar(*rules, window=window, elements=ELEMENTS)
    _, examples = draw(grammar)
    longest = grammar.longest
    length = (examples.x != PADDING).sum(axis=1)
    assert examples.x.shape[1] == longest
    assert ((examples.x == PADDING) == (np.arange(longest) >= length[:, None])).all()
    law = {n: 1 for n in range(20, 31)} if isinstance(window, list) else window
    assert not rejects(np.bincount(length, minlength=41), [law.get(n, 0) for n in range(41)])
    one = examples.combination == 0
    assert (examples.placed.start[one, 0] + 6 == length[one]).all()
    for n in (min(law), max(law)):
        starts = examples.placed.start[one & (length == n), 1]
        starts = starts[starts >= 0]
        assert not rejects(np.bincount(starts, minlength=n - 11), np.ones(n - 11))


def test_open_ends_and_shares_refer_to_the_longest_window_and_what_fits_to_each():
    spacing = [{"elements": ["a", "b"], "gap": ["0%", "50%"]}]
    rule = {"elements": ["a", "b"], "spacing": spacing}
    _, examples = draw(rule_grammar(rule, window={20: 1, 60: 1}, elements=ELEMENTS))
    one = examples.combination == 0
    length = (examples.x[one] != PADDING).sum(axis=1)
    first, second = examples.placed.start[one, :2].T
    for n, most in ((20, 8), (60, 30)):
        gaps = (second - first - 6)[length == n]
        assert not rejects(np.bincount(gaps, minlength=most + 1), np.ones(most + 1))


LEFT = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4], [0.05, 0.6, 0.3, 0.05]]
RIGHT = [[0.3, 0.3, 0.2, 0.2], [0.5, 0.1, 0.1, 0.3], [0.25, 0.25, 0.4, 0.1]]
BACKGROUND = np.array([0.4, 0.1, 0.2, 0.3])


def merged(shared, gap, background):
    """Return the columns of LEFT and RIGHT at a negative gap, by the definition of `shared`."""
    left, right = np.array(LEFT), np.array(RIGHT)
    overlap = -gap
    if shared == "product":
        both = left[-overlap:] * right[:overlap] / background
        both /= both.sum(axis=1, keepdims=True)
    else:
        both = left[-overlap:] if shared == "first" else right[:overlap]
    return np.concatenate([left[:-overlap], both, right[overlap:]])


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("gap", [-1, -2])
@pytest.mark.parametrize("shared", ["product", "first", "last"])
def test_shared_columns(shared, gap, strand):
    spacing = [{"elements": ["l", "r"], "gap": gap, "shared": shared}]
    rule = {"elements": ["l", "r"], "spacing": spacing, "strand": strand}
    background = dict(zip("ACGT", BACKGROUND.tolist(), strict=True))
    elements = {"l": {"matrix": LEFT}, "r": {"matrix": RIGHT}}
    _, examples = draw(rule_grammar(rule, elements=elements, background=background, window=15))
    one = examples.combination == 0
    start = examples.placed.start[one, :2].min(axis=1)
    assert examples.placed.intact.all()
    # the background is that of the letters as they stand in the sequence
    expected = merged(shared, gap, BACKGROUND if strand == "+" else BACKGROUND[::-1])
    letters = examples.x[one][
        np.arange(one.sum())[:, None], start[:, None] + np.arange(len(expected))
    ]
    if strand == "-":
        letters = 3 - letters[:, ::-1]
    joint = np.ravel_multi_index(letters.T.astype(int), (4,) * len(expected))
    shares = expected[0]
    for column in expected[1:]:
        shares = np.outer(shares, column).ravel()
    assert not rejects(np.bincount(joint, minlength=shares.size), shares), "columns independent"
    assert not rejects(
        np.bincount(start, minlength=16 - len(expected)), np.ones(16 - len(expected))
    )


def test_later_elements_overwrite_shared_columns():
    """Of another rule, and of the block itself; what is drawn is that of the grammar which forbids it."""
    elements = {"l": {"consensus": "GGGNNN"}, "r": {"consensus": "NNNCCC"}, "c": {"kmers": {A: 1}}}
    tie = {"elements": ["l", "r"], "gap": -3}
    pair = {"elements": ["l", "r"], "position": 5, "spacing": [tie]}
    third = {"elements": ["l", "c"], "gap": -2, "shared": "last"}
    block = {"elements": ["l", "r", "c"], "spacing": [tie, third]}
    apart = [pair, {"elements": ["c"], "position": 20}]
    for rules in ([pair, {"elements": ["c"], "position": 6}], [block]):
        grammar = rule_grammar(*rules, elements=elements, overlap="allow", window=30)
        _, examples = draw(grammar, blocks=1)
        one = examples.combination == 0
        assert examples.placed.intact[one, 2].all()
        start = examples.placed.start[one, 2]
        found = examples.x[one][np.arange(one.sum())[:, None], start[:, None] + np.arange(len(A))]
        assert (found == ALPHABETS["DNA"].encode(A)).all()
    drawn = [
        draw(rule_grammar(*apart, elements=elements, overlap=overlap), blocks=1)[1].x
        for overlap in ("allow", "forbid")
    ]
    assert (drawn[0] == drawn[1]).all()


def test_the_second_named_may_lie_first_and_still_win():
    spacing = [{"elements": ["a", "b"], "gap": -3, "shared": "last", "order": "random"}]
    rule = {"elements": ["a", "b"], "spacing": spacing}
    _, examples = draw(rule_grammar(rule, elements=ELEMENTS), blocks=2)
    decode = ALPHABETS["DNA"].decode
    seen = set()
    for row in np.flatnonzero(examples.combination == 0):
        start = examples.placed.start[row, :2].min()
        seen.add(decode(examples.x[row, start : start + 9]))
    assert seen == {A[:3] + B, B + A[3:]}


def test_elements_that_cannot_agree_are_refused():
    certain = {"l": {"matrix": [[1, 0, 0, 0]] * 2}, "r": {"matrix": [[0, 1, 0, 0]] * 2}}
    rule = {"elements": ["l", "r"], "spacing": [{"elements": ["l", "r"], "gap": [-1, 3]}]}
    with pytest.raises(InputError, match="no letter suits both l and r at gap -1; use shared"):
        compile_law(rule_grammar(rule, elements=certain), "g.yaml")


PALINDROMIC = {"l": {"consensus": "GGGAAA"}, "r": {"consensus": "AAACCC"}}


@pytest.mark.parametrize(
    ("order", "orientation", "strand", "wrong"),
    [
        ("in-order", "same", "random", ""),
        ("random", "same", "+", "r and l"),
        ("in-order", "convergent", "+", "l and r"),
        ("in-order", "divergent", "-", "l and r"),
        ("in-order", "any", "+", "l and r"),
    ],
)
@pytest.mark.parametrize("other", [False, True])
def test_elements_agree_in_every_order_and_on_every_strand(
    order, orientation, strand, wrong, other
):
    """Of the other pair, the right one turned, columns are shared where they face one another."""
    turned = {"l": {"consensus": "GGGAAA"}, "r": {"consensus": "GGGTTT"}}
    if other:
        wrong = {"convergent": "", "any": "l and r"}.get(orientation, "l and r")
    tie = {"elements": ["l", "r"], "gap": -3, "order": order}
    rule = {"elements": ["l", "r"], "orientation": orientation, "strand": strand, "spacing": [tie]}
    grammar = rule_grammar(rule, elements=turned if other else PALINDROMIC)
    if wrong:
        with pytest.raises(InputError, match=f"no letter suits both {wrong} at gap -3; use shared"):
            compile_law(grammar, "g.yaml")
    else:
        compile_law(grammar, "g.yaml")


def test_an_order_that_always_overlaps_is_refused():
    """Orders are drawn once: y between x and z fits, but both on one side of y never do."""
    spacing = [
        {"elements": ["y", "x"], "gap": 0, "order": "random"},
        {"elements": ["y", "z"], "gap": 0, "order": "random"},
    ]
    rule = {"elements": {"x": "a", "y": "b", "z": "c"}, "spacing": spacing}
    with pytest.raises(InputError, match=r"the elements of rules\[0\] never fit into 60 letters"):
        compile_law(rule_grammar(rule, elements=ELEMENTS), "g.yaml")


def test_k_of_draws_every_subset_alike():
    rule = {"elements": ["a", "b", "c", "d"], "k-of": {1: 0.25, 2: 0.75}, "copies": 1}
    _, examples = draw(rule_grammar(rule, elements=ELEMENTS))
    placed = examples.placed.start[examples.combination == 0][:, :4] >= 0
    subset = placed @ [1, 2, 4, 8]
    size = [bin(number).count("1") for number in range(16)]
    assert not rejects(
        np.bincount(subset, minlength=16), [{1: 0.25 / 4, 2: 0.75 / 6}.get(n, 0) for n in size]
    )


def test_any_of_is_one_slot_with_weights():
    _, examples = draw(rule_grammar({"any-of": {"a": 0.6, "c": 0.4}}, elements=ELEMENTS))
    element = examples.placed.element[examples.combination == 0, 0]
    assert not rejects(np.bincount(element, minlength=3), [0.6, 0, 0.4])


def pool_grammar(folder, pool, records, **changes):
    text = "".join(f">{name}\n{letters}\n" for name, letters in records)
    (folder / "pool.fa").write_text(text)
    content = {
        "window": 12,
        "background": {"fasta": {"file": "pool.fa", **pool}},
        "elements": ELEMENTS,
        "conditions": {"one": {}, "two": {}},
    }
    return resolve({**content, **changes}, folder / "g.yaml", folder)


def numbered(count, width=6):
    """Return letters of which every stretch of `width` occurs once: a de Bruijn sequence."""
    seen, letters = set(), "A" * width
    while len(letters) < count:
        for letter in "TGCA":
            word = letters[len(letters) - width + 1 :] + letter
            if word not in seen:
                seen.add(word)
                letters += letter
                break
        else:
            break
    return letters


@pytest.mark.parametrize("split", ["record", "chromosome", "stretch"])
def test_a_region_of_a_pool_never_serves_two_sets(tmp_path, split):
    letters = numbered(1200)
    parts = [letters[i : i + 60] for i in range(0, 1200, 60)]
    name = {"record": "r{}", "chromosome": "chr{}:1-60", "stretch": "r{}"}[split]
    number = {"record": lambda i: i, "chromosome": lambda i: i // 2, "stretch": lambda i: i}[split]
    records = [(name.format(number(i)), part) for i, part in enumerate(parts)]
    if split == "stretch":
        records = [("whole", letters)]
    grammar = pool_grammar(tmp_path, {"split": split}, records)
    found = {}
    for set_name in SETS:
        _, examples = draw(grammar, blocks=4, set_name=set_name)
        rows = {ALPHABETS["DNA"].decode(row) for row in examples.x}
        assert all(any(row in part for _, part in records) for row in rows)
        found[set_name] = {row[i : i + 6] for row in rows for i in range(7)}
    shared = [found[a] & found[b] for a, b in itertools.combinations(SETS, 2)]
    assert not any(shared)
    sizes = {set_name: len(words) for set_name, words in found.items()}
    assert sizes["training"] > sizes["test"] > sizes["validation"]


@pytest.mark.parametrize("strand", ["+", "random"])
def test_every_start_of_a_pool_is_equally_likely(tmp_path, strand):
    letters = numbered(500)
    records = [("one", letters[:300] + "NNN" + letters[300:])]
    grammar = pool_grammar(tmp_path, {"split": "stretch", "strand": strand}, records)
    _, examples = draw(grammar, blocks=60)
    region = records[0][1][: 503 * 7 // 10]
    starts = [i for i in range(len(region) - 11) if "N" not in region[i : i + 12]]
    encode = ALPHABETS["DNA"].encode
    powers = 4 ** np.arange(12)
    known = np.array([encode(region[i : i + 12]) @ powers for i in starts])
    seen = examples.x.astype(int) @ powers
    if strand == "random":
        both = np.array(
            [(3 - encode(region[i : i + 12])[::-1].astype(int)) @ powers for i in starts]
        )
        known = np.concatenate([known, both])
    known, weights = np.unique(known, return_counts=True)  # a palindrome counts twice
    counts = np.bincount(np.searchsorted(known, seen), minlength=known.size)
    assert (known[np.searchsorted(known, seen)] == seen).all()
    assert not rejects(counts, weights)


def test_a_pool_that_changed_is_noticed(tmp_path):
    grammar = pool_grammar(tmp_path, {"split": "stretch"}, [("r", numbered(500))])
    (tmp_path / "pool.fa").write_text(">r\n" + "ACGT" * 100)
    with pytest.raises(InputError, match=r"pool\.fa: has changed since the grammar was read"):
        compile_law(grammar, "g.yaml")


# Invariants of random grammars.

UNIQUE = {"a": "ACGTACG", "b": "TTGGTTA", "c": "CAT", "d": "GAGAGACCA"}


@st.composite
def rules(draw_one):
    names = draw_one(st.lists(st.sampled_from(sorted(UNIQUE)), min_size=1, max_size=3, unique=True))
    rule = {
        "elements": names,
        "probability": draw_one(st.sampled_from([1, 0.5])),
        "copies": draw_one(st.sampled_from([1, [0, 2]])),
        "strand": draw_one(st.sampled_from(["+", "-", "random"])),
    }
    if draw_one(st.booleans()):
        rule["spacing"] = [
            {
                "elements": list(pair),
                "gap": draw_one(st.sampled_from([0, [2, 9], {1: 1, 30: 2}, [20, None]])),
                "order": draw_one(st.sampled_from(["in-order", "random"])),
            }
            for pair in itertools.pairwise(names)
        ]
        rule["orientation"] = draw_one(st.sampled_from(["same", "any"]))
    elif draw_one(st.booleans()):
        rule["k-of"] = [1, len(names)]
    return rule


@st.composite
def grammars(draw_one):
    conditions = {
        name: {
            "mode": draw_one(st.sampled_from(["sequential", "mutually-exclusive"])),
            "rules": draw_one(st.lists(rules(), max_size=2)),
        }
        for name in ("one", "two")
    }
    for condition in conditions.values():
        if condition["mode"] == "mutually-exclusive":
            condition["rules"] = [{**rule, "probability": 0.5} for rule in condition["rules"]]
    groups = [{"conditions": c} for c in (["one"], ["two"], ["one", "two"], [])]
    return {
        "task": "multi-label",
        "window": draw_one(st.sampled_from([500, [450, 500], {480: 1, 520: 1}])),
        "overlap": draw_one(st.sampled_from(["forbid", "allow"])),
        "elements": {name: {"kmers": {word: 1}} for name, word in UNIQUE.items()},
        "conditions": conditions,
        "common": {"rules": draw_one(st.lists(rules(), max_size=1))},
        "confounders": [
            {**rule, "probability": {"one": 0.9, "none": 0.1}}
            for rule in draw_one(st.lists(rules(), max_size=1))
        ],
        "noise": {"labels": {"one": 0.1}},
        "examples": groups,
    }


@given(grammars(), st.sampled_from(SETS), st.integers(0, 3))
@settings(max_examples=40)
def test_table_and_sequence_agree_and_nothing_overlaps(content, set_name, block):
    grammar = resolve(content, Path("g.yaml"), Path())
    try:
        law = compile_law(grammar, "g.yaml")
        examples = draw_block(law, 5, set_name, block)
    except InputError as error:  # chains that overlap themselves or find no room
        assert any(why in str(error) for why in ("of draws", "never fit into", "found no room"))
        assert grammar.overlap == "forbid"
        grammar = resolve({**content, "overlap": "allow"}, Path("g.yaml"), Path())
        law = compile_law(grammar, "g.yaml")
        examples = draw_block(law, 5, set_name, block)
    again = draw_block(law, 5, set_name, block)
    for one, two in zip(
        (*examples[:4], *examples.placed), (*again[:4], *again.placed), strict=True
    ):
        assert (one == two).all()
    words = [ALPHABETS["DNA"].encode(word) for word in UNIQUE.values()]
    length = (examples.x != PADDING).sum(axis=1)
    start, width = examples.placed.start, law.placement.width[examples.placed.element]
    here = start >= 0
    assert (start + width <= length[:, None])[here].all()
    covered = np.zeros(examples.x.shape, np.int64)
    for row, slot in zip(*np.nonzero(here[:400]), strict=True):
        word = words[examples.placed.element[row, slot]]
        if examples.placed.strand[row, slot] < 0:
            word = 3 - word[::-1]
        site = slice(start[row, slot], start[row, slot] + word.size)
        covered[row, site] += 1
        if examples.placed.intact[row, slot]:
            assert (examples.x[row, site] == word).all()
    if grammar.overlap == "forbid":
        assert covered.max() <= 1 and examples.placed.intact.all()
    assert examples.x.shape == (BLOCK, grammar.longest)


def test_the_whole_language_in_one_file_loads_and_draws():
    path = Path(__file__).parent / "grammars" / "valid" / "labels.yaml"
    grammar = load_grammar(path)
    _, examples = draw(grammar, blocks=1)
    assert examples.x.shape[1] == grammar.longest
