"""Grammar recovery: roles of positions by hand, measures against brute force."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from seqgra.alphabet import DNA, PADDING, one_hot
from seqgra.attribute.null import background_only
from seqgra.dataset import ELEMENT_COLUMNS, open_dataset
from seqgra.dataset_files import ArrayWriter
from seqgra.fingerprint import Identity, claim
from seqgra.grammar.load import load_grammar
from seqgra.grammar.schema import Element, Grammar
from seqgra.law.element_motifs import element_columns
from seqgra.metrics import chance_average_precision
from seqgra.recovery import (
    FLANK,
    AlignedMotifs,
    Role,
    highest_window,
    information,
    likeness,
    placed_instances,
    position_roles,
    recover,
    recovery_metrics,
)
from seqgra.results import BackgroundOnly, count_explanations
from seqgra.simulate import simulate

GRAMMARS = Path(__file__).parents[1] / "grammars"
UNIFORM = np.full(4, 0.25)
SIGNS = pytest.mark.parametrize("signed", [True, False], ids=["signed", "norm"])


def drawn(examples=60, positions=24, seed=0, levels=None):
    """Return (values, roles); few `levels` make many ties."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(examples, 4, positions))
    if levels:
        values = rng.integers(-levels, levels + 1, size=values.shape)
    roles = rng.choice(3, p=[0.6, 0.3, 0.1], size=(examples, positions)).astype(np.uint8)
    roles[:, :2] = [Role.GRAMMAR, Role.BACKGROUND]
    return values.astype(np.float32), roles


def position_scores(values, signed):
    """Return the position scores of one example, (A, L) and (L,), by a loop."""
    columns = values.T.astype(np.float64)
    if signed:
        return np.array([column.sum() for column in columns])
    return np.array([np.sqrt((column**2).sum()) for column in columns])


@SIGNS
@pytest.mark.parametrize("levels", [None, 2], ids=["no ties", "ties"])
def test_rank_measures_agree_with_brute_force(signed, levels):
    values, roles = drawn(levels=levels)
    table = recovery_metrics(values, roles, signed=signed)
    for i, row in table.iterrows():
        s = position_scores(values[i], signed)
        inside, outside = s[roles[i] == Role.GRAMMAR], s[roles[i] == Role.BACKGROUND]
        wins = [(g > b) + (g == b) / 2 for g in inside for b in outside]
        assert row["auroc"] == pytest.approx(np.mean(wins)), i
        counted = roles[i] != Role.IGNORED
        ap = row["ap"]  # of ties: below
        if levels is None:
            oracle = average_precision_score(roles[i][counted] == Role.GRAMMAR, s[counted])
            assert ap == pytest.approx(oracle), i
        chance = chance_average_precision(len(inside), counted.sum())
        assert row["ap_chance_corrected"] == pytest.approx((ap - chance) / (1 - chance)), i
        assert row["auroc_chance_corrected"] == pytest.approx(2 * np.mean(wins) - 1), i


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_rank_measures_are_the_mean_over_orders_of_ties(levels):
    values, roles = drawn(examples=8, positions=6, levels=levels)
    roles[:, -1] = Role.IGNORED
    table = recovery_metrics(values, roles, signed=True)
    for i, row in table.iterrows():
        counted = roles[i] != Role.IGNORED
        s, grammar = position_scores(values[i], True)[counted], roles[i][counted] == 1
        shares, precisions = [], []
        for order in itertools.permutations(range(len(s))):
            if all(s[a] >= s[b] for a, b in itertools.pairwise(order)):
                shares.append(grammar[list(order[: grammar.sum()])].mean())
                precisions.append(precision_of(grammar[list(order)]))
        assert row["relevance_rank"] == pytest.approx(np.mean(shares)), i
        assert row["ap"] == pytest.approx(np.mean(precisions)), i


def precision_of(order):
    """Return the average precision of bool arrays (..., L), best position first."""
    precision = np.cumsum(order, axis=-1) / np.arange(1, order.shape[-1] + 1)
    return (precision * order).sum(axis=-1) / order.sum(axis=-1)


def test_average_precision_of_ties_is_the_mean_of_ties_broken_at_random():
    values, roles = drawn(examples=3, positions=40, levels=1)
    draw = np.random.default_rng(1)
    table = recovery_metrics(values, roles, signed=True)
    for i, row in table.iterrows():
        counted = roles[i] != Role.IGNORED
        s, grammar = position_scores(values[i], True)[counted], roles[i][counted] == 1
        broken = precision_of(grammar[np.argsort(draw.random((2000, len(s))) / 2 - s, axis=1)])
        error = np.std(broken) / np.sqrt(2000)
        assert abs(row["ap"] - np.mean(broken)) < 5 * error, i  # false alarm: 1 in 2 million


def test_sets_of_positions_and_dead_networks_are_scored_against_chance():
    """Six right positions of 26 among 150, none wrong; and a network that gives every position 0."""
    roles = np.zeros((2, 150), np.uint8)
    roles[:, :26] = Role.GRAMMAR
    values = np.zeros((2, 4, 150), np.float32)
    values[0, 0, :6] = 1
    corrected = recovery_metrics(values, roles, signed=True)["ap_chance_corrected"]
    behind = np.random.default_rng(0).permuted(np.tile(np.arange(144) < 20, (5000, 1)), axis=1)
    found = precision_of(np.hstack([np.ones((5000, 6), bool), behind]))
    chance = chance_average_precision(26, 150)
    assert corrected[0] == pytest.approx((found.mean() - chance) / (1 - chance), abs=0.003)
    assert corrected[0] == pytest.approx(0.2946, abs=0.0001), "0.206 where ties are one step"
    assert corrected[1] == pytest.approx(0, abs=1e-12)


def test_random_attributions_are_at_chance():
    values, roles = drawn(examples=4000, positions=50)
    roles[:] = 0
    roles[:, :5] = Role.GRAMMAR
    table = recovery_metrics(values, roles, signed=True)
    for name in ("auroc_chance_corrected", "ap_chance_corrected"):
        error = table[name].std() / np.sqrt(len(table))
        assert abs(table[name].mean()) < 5 * error, name  # false alarm: 1 in 2 million
    assert table["relevance_mass_lift"].mean() == pytest.approx(1, abs=0.03)
    assert table["relevance_rank"].mean() == pytest.approx(0.1, abs=0.02)


def test_paper_measures_of_a_worked_example():
    values = np.array([[[1.0, 0.0, 0.25, -3, 0.005], [1, -2, 0.25, 0, 0]]], np.float32)
    roles = np.array([[1, 1, 0, 0, 0]], np.uint8)
    row = recovery_metrics(values, roles, signed=True).iloc[0]
    soft = np.array([1, 0, 0.25, 0, 0.0025])  # phi = 2, 0, 0.5, 0, 0.005 over its maximum
    precision, recall = soft[:2].sum() / soft.sum(), soft[:2].sum() / 2
    assert row["precision"] == pytest.approx(precision)
    assert row["recall"] == pytest.approx(recall)
    assert row["specificity"] == pytest.approx((3 - soft[2:].sum()) / 3)
    assert row["f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    assert row["precision_thresholded"] == pytest.approx(1 / 2)  # positions 0 and 2
    assert row["recall_thresholded"] == pytest.approx(1 / 2)
    assert row["specificity_thresholded"] == pytest.approx(2 / 3)
    assert row["f1_thresholded"] == pytest.approx(1 / 2)


def test_masses_of_a_worked_example():
    values = np.array([[[3.0, 0, -1, 0], [4, 0, 0, 0]]], np.float32)
    roles = np.array([[1, 0, 0, 0]], np.uint8)
    signed = recovery_metrics(values, roles, signed=True).iloc[0]
    assert signed["relevance_mass"] == pytest.approx(7 / 8)
    assert signed["relevance_mass_lift"] == pytest.approx(3.5)
    norm = recovery_metrics(values, roles, signed=False).iloc[0]
    assert norm["relevance_mass"] == pytest.approx(5 / 6)


@SIGNS
def test_confounder_share_agrees_with_brute_force(signed):
    values, roles = drawn()
    roles[np.random.default_rng(1).random(roles.shape) < 0.2] = Role.CONFOUNDER
    roles[:, :3] = [Role.GRAMMAR, Role.BACKGROUND, Role.CONFOUNDER]
    roles[:, -3:] = Role.PADDING
    roles[0] = np.where(roles[0] == Role.CONFOUNDER, Role.BACKGROUND, roles[0])
    table = recovery_metrics(values, roles, signed=signed, confounders=True)
    assert table.iloc[0][["confounder_share", "confounder_share_lift"]].isna().all()
    for i in range(1, len(roles)):
        size = abs(position_scores(values[i], signed))
        inside = [s for s, role in zip(size, roles[i], strict=True) if role == Role.CONFOUNDER]
        counted = [s for s, role in zip(size, roles[i], strict=True) if role in (0, 1, 3)]
        share = sum(inside) / sum(counted)
        assert table["confounder_share"][i] == pytest.approx(share), i
        lift = share / (len(inside) / len(counted))
        assert table["confounder_share_lift"][i] == pytest.approx(lift), i


@SIGNS
def test_other_measures_take_confounders_for_background(signed):
    values, roles = drawn()
    as_confounder = np.where(roles == Role.BACKGROUND, Role.CONFOUNDER, roles)
    pd.testing.assert_frame_equal(
        recovery_metrics(values, roles, signed=signed),
        recovery_metrics(values, as_confounder, signed=signed),
    )


@SIGNS
def test_perfect_attributions_score_best(signed):
    _, roles = drawn()
    values = np.repeat(roles[:, None, :] == Role.GRAMMAR, 4, axis=1).astype(np.float32)
    table = recovery_metrics(values, roles, signed=signed)
    lift = table.pop("relevance_mass_lift")
    np.testing.assert_allclose(table, 1, atol=1e-12)
    assert (lift > 1).all()


@SIGNS
@pytest.mark.parametrize("role", [Role.IGNORED, Role.PADDING])
def test_positions_outside_might_as_well_not_exist(signed, role):
    values, roles = drawn()
    kept = np.delete(np.arange(roles.shape[1]), [3, 7, 20])
    roles[:, [3, 7, 20]] = role
    values[:, :, 7], values[:, :, 20] = 1e6, np.nan
    whole = recovery_metrics(values, roles, signed=signed)
    part = recovery_metrics(values[:, :, kept], roles[:, kept], signed=signed)
    pd.testing.assert_frame_equal(whole, part, rtol=1e-12)


@SIGNS
def test_an_example_does_not_depend_on_those_beside_it(signed):
    values, roles = drawn(levels=3)
    together = recovery_metrics(values, roles, signed=signed)
    alone = [
        recovery_metrics(values[i : i + 1], roles[i : i + 1], signed=signed)
        for i in range(len(roles))
    ]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True), check_exact=True)


@pytest.mark.filterwarnings("error")
def test_measures_are_undefined_where_there_is_nothing_to_measure():
    values, roles = drawn(examples=4)
    roles[0] = np.where(roles[0] == Role.GRAMMAR, Role.BACKGROUND, roles[0])
    values[1, 2, 0] = np.inf
    values[2] = 0
    roles[3] = Role.GRAMMAR
    table = recovery_metrics(values, roles, signed=True)
    assert table.iloc[:2].isna().all(axis=None), "no grammar position, or not finite"
    blank = table.iloc[2]
    assert set(blank.index[blank.isna()]) == {
        "precision",
        "precision_thresholded",
        "relevance_mass",
        "relevance_mass_lift",
    }
    assert blank["auroc"] == 0.5 and blank["recall"] == blank["f1"] == 0
    assert table.iloc[3][["auroc", "ap_chance_corrected", "specificity"]].isna().all()


def test_information_of_columns():
    pwm = Element(matrix=((1, 0, 0, 0), (0.5, 0.5, 0, 0), (0.25, 0.25, 0.25, 0.25)))
    assert information(pwm.letter_probabilities(DNA.letters), UNIFORM) == pytest.approx([2, 1, 0])
    kmers = Element(kmers={"AC": 0.5, "AG": 0.25, "AT": 0.25}).letter_probabilities(DNA.letters)
    assert information(kmers, UNIFORM) == pytest.approx([2, 0.5])
    skewed = np.array([0.5, 0.3, 0.1, 0.1])
    expected = 0.5 * np.log2(0.5 / 0.3) + 0.25 * np.log2(0.25 / 0.1) * 2
    assert information(kmers, skewed)[1] == pytest.approx(expected)


WINDOW = 12
SMALL = """
window: 12
elements:
  pwm: {matrix: [[1, 0, 0, 0], [0, 1, 0, 0], [.25, .25, .25, .25], [.3, .2, .25, .25]]}
  box: {kmers: {AAA: .25, CAA: .25, GAA: .25, TAA: .25}}
conditions:
  near: {rules: [{elements: [pwm]}]}
  far: {rules: [{elements: [box]}]}
"""
#: example, element, condition, start, strand, role, intact
PLACED = [
    (0, 0, 0, 2, 1, 0, True),
    (1, 0, 0, 2, -1, 0, True),
    (2, 1, 1, 0, 1, 0, True),
    (3, 0, 0, 0, 1, 0, True),
    (3, 1, 1, 6, 1, 0, True),
    (4, 0, 0, 0, 1, 0, False),
    (4, 0, 0, 3, 1, 0, True),
    (5, 0, -1, 1, 1, 1, True),
    (6, 1, 1, 8, -1, 0, True),
    (8, 0, -1, 0, -1, 1, True),
    (8, 0, -1, 5, 1, 1, False),
    (8, 1, -1, 9, 1, 2, True),
]
#: Roles by hand: . background, G grammar, - ignored, C confounder, blank padding. The last two columns
#: of pwm (of 0 and 0.01 bits) and the first of box (0 bits) tell nothing.
EXPECTED = [
    "..GG--......",
    "..--GG......",
    "-GG.........",
    "GG--..---...",
    "---GG--.....",
    ".CC.........",
    "........GG- ",
    "..........  ",
    "..CC........",
]
CONDITIONS = [0, 0, 1, 0, 0, 0, 1, 1, 0]


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """Return a dataset of nine examples whose elements are in `PLACED`."""
    folder = tmp_path_factory.mktemp("recovery")
    (folder / "grammar.yaml").write_text(SMALL)
    grammar = load_grammar(folder / "grammar.yaml")
    with claim(folder / "data", Identity("simulate", 1, {}, {})) as draft:
        write_by_hand(draft, grammar)
        draft.publish()
    return open_dataset(folder / "data")


def write_by_hand(draft, grammar: Grammar):
    x = np.zeros((len(EXPECTED), WINDOW), np.uint8)
    x[6:8, 11] = x[7, 10] = PADDING
    for name, rows in (("x", x), ("y", np.eye(2, dtype=np.uint8)[CONDITIONS])):
        writer = ArrayWriter(draft.aside(f"test.{name}.npy"), rows.shape)
        writer.write(rows)
        writer.close()
    names = ["example", "element", "condition", "start", "strand", "role", "intact"]
    table = pd.DataFrame(PLACED, columns=names).assign(rule=0)
    table["end"] = table["start"] + np.array([4, 3])[table["element"]]
    table = table[list(ELEMENT_COLUMNS)].astype(ELEMENT_COLUMNS)
    table.to_parquet(draft.aside("test.elements.parquet"), index=False)
    content = {"alphabet": "DNA", "window": WINDOW, "conditions": list(grammar.conditions)}
    content |= {"task": "multi-class", "elements": [], "roles": [], "checksums": {}}
    content |= {"counts": {"test": len(EXPECTED)}, "grammar": grammar.model_dump(mode="json")}
    draft.aside("dataset.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "rows",
    [[0, 1, 2, 3, 4, 5, 6, 7, 8], [7, 4, 1], [2], [5], [3, 3, 0, 3]],
    ids=["all", "any order", "one", "confounder", "again"],
)
def test_roles_of_placed_elements(by_hand, rows):
    roles = position_roles(by_hand, "test", np.array(rows), np.array(CONDITIONS)[rows])
    assert roles.dtype == np.uint8
    assert drawn_roles(roles) == [EXPECTED[row] for row in rows]


def drawn_roles(roles):
    return ["".join(".G-C "[role] for role in row) for row in roles]


def test_roles_depend_on_the_condition_explained(by_hand):
    roles = position_roles(by_hand, "test", np.array([3, 3, 4]), np.array([0, 1, 1]))
    assert drawn_roles(roles) == ["GG--..---...", "----..-GG...", "-------....."]


def test_recover_joins_roles_and_measures(by_hand):
    rows = np.array([4, 0, 5])
    values = np.zeros((3, 4, WINDOW), np.float32)
    values[0, 0, [3, 4]] = values[1, 0, [2, 9]] = 1
    table = recover(by_hand, "test", rows, np.zeros(3, int), values, True)
    assert table["relevance_mass"][:2].tolist() == [1, 0.5]
    assert table.iloc[2].isna().all(), "example 5 has no grammar position"
    assert "confounder_share" not in table, "the grammar has no confounders"


def test_grammar_positions_of_simulated_examples_hold_the_elements(tmp_path):
    simulate(GRAMMARS / "toy1-kmer-center.yaml", tmp_path / "data", seed=0, counts={"test": 40})
    data = open_dataset(tmp_path / "data")
    x, condition = data.x("test"), data.y("test").argmax(axis=1)
    roles = position_roles(data, "test", np.arange(40), condition)
    kmers = [next(iter(element.kmers)) for element in data.grammar.elements.values()]
    for i in range(40):
        assert data.alphabet.decode(x[i][roles[i] == Role.GRAMMAR]) == kmers[condition[i]], i


def test_grammar_positions_of_simulated_motifs_are_the_informative_columns(tmp_path):
    simulate(GRAMMARS / "toy4-pwm-pairs.yaml", tmp_path / "data", seed=0, counts={"test": 40})
    data = open_dataset(tmp_path / "data")
    background = data.grammar.letter_distribution()
    columns = element_columns(data.grammar).values()
    bits = [information(element, background) for element in columns]
    table = data.elements("test").groupby("example")["element"]
    informative = table.apply(lambda numbers: sum((bits[n] >= 0.1).sum() for n in numbers))
    widths = table.apply(lambda numbers: sum(bits[n].size for n in numbers))
    condition = data.y("test").argmax(axis=1)
    roles = position_roles(data, "test", np.arange(40), condition)
    assert ((roles == Role.GRAMMAR).sum(axis=1) == informative).all()
    assert ((roles != Role.BACKGROUND).sum(axis=1) == widths).all()


MULTI_LABEL = """
task: multi-label
window: [30, 40]
elements: {a: {kmers: {ACGTAC: 1}}, b: {kmers: {TTGGTT: 1}}, c: {kmers: {CCCCC: 1}}}
conditions: {one: {rules: [{elements: [a]}]}, two: {rules: [{elements: [b]}]}}
examples: [{conditions: [one]}, {conditions: [one, two]}, {conditions: []}]
confounders: [{elements: [c], probability: {one: 1, none: 0}}]
noise: {labels: {one: .3, two: .3}, sets: [test]}
"""


def test_roles_of_simulated_multi_label_examples(tmp_path):
    (tmp_path / "grammar.yaml").write_text(MULTI_LABEL)
    simulate(tmp_path / "grammar.yaml", tmp_path / "data", seed=0, counts={"test": 60})
    data = open_dataset(tmp_path / "data")
    rows, explained = np.nonzero(data.y_true("test"))
    x, roles = data.x("test")[rows], position_roles(data, "test", rows, explained)
    for i, row in enumerate(rows):
        letters = {role: data.alphabet.decode(x[i][roles[i] == role]) for role in Role}
        assert letters[Role.GRAMMAR] == ["ACGTAC", "TTGGTT"][explained[i]]
        assert letters[Role.CONFOUNDER] == "CCCCC"
        other = {"one": "TTGGTT", "two": "ACGTAC"}[data.conditions[explained[i]]]
        assert letters[Role.IGNORED] == (other if data.y_true("test")[row].sum() == 2 else "")
    np.testing.assert_array_equal(roles == Role.PADDING, x == PADDING)
    assert (x == PADDING).any() and (data.y("test") != data.y_true("test")).any()
    values = one_hot(x, 4) * (1 + (roles == Role.CONFOUNDER))[:, None, :]
    table = recover(data, "test", rows, explained, values.astype(np.float32), True)
    length = (x != PADDING).sum(axis=1) - (roles == Role.IGNORED).sum(axis=1)
    np.testing.assert_allclose(table["confounder_share"], 10 / (length + 5))
    np.testing.assert_allclose(table["confounder_share_lift"], 2 * length / (length + 5))


def test_informative_columns_of_a_band_are_those_of_its_sites(tmp_path):
    (tmp_path / "weak.yaml").write_text(
        """
window: 20
elements:
  whole: {matrix: [[.9, .1, 0, 0], [.3, .3, .2, .2]]}
  weak: {matrix: [[.9, .1, 0, 0], [.3, .3, .2, .2]], affinity: {max: .08}}
conditions: {one: {rules: [{elements: [whole]}]}, two: {rules: [{elements: [weak]}]}}
"""
    )
    simulate(tmp_path / "weak.yaml", tmp_path / "data", seed=0, counts={"test": 4000})
    data = open_dataset(tmp_path / "data")
    columns = element_columns(data.grammar)
    x, sites = data.x("test"), data.elements("test")
    for number, name in enumerate(data.grammar.elements):
        chosen = sites[(sites["element"] == number) & (sites["strand"] == 1)]
        for column in range(2):
            letters = x[chosen["example"], chosen["start"] + column]
            shares = np.bincount(letters, minlength=4) / len(letters)
            # binomial error of about 2,000 sites, 5 standard deviations: 1 in 2 million a share
            assert np.abs(shares - columns[name][column]).max() < 5 * 0.5 / np.sqrt(len(letters))
    assert np.abs(columns["weak"] - columns["whole"]).max() > 0.2


def instance_data(tmp_path, examples=200):
    (tmp_path / "two.yaml").write_text(
        """
window: 40
background: {A: .4, C: .3, G: .2, T: .1}
elements: {box: {kmers: {ACGTAC: 1}}, hat: {kmers: {TTTTGG: 1}}}
conditions:
  near: {rules: [{elements: [box]}, {elements: [hat], probability: .5, strand: random}]}
  far: {rules: [{elements: [hat]}]}
"""
    )
    simulate(tmp_path / "two.yaml", tmp_path / "data", seed=0, counts={"test": examples})
    return open_dataset(tmp_path / "data")


def test_instances_that_stand_out_are_found_and_no_others(tmp_path):
    data, rng = instance_data(tmp_path), np.random.default_rng(0)
    rows, explained = np.arange(200), data.y("test").argmax(axis=1)
    values = rng.normal(size=(200, 4, 40)).astype(np.float32)
    table = placed_instances(data, "test", rows, explained)
    for row, element, start, end, _ in table.itertuples(index=False):
        if element == 0:
            values[row, 0, start:end] += 20
    null = BackgroundOnly(rng.normal(size=(200, 4, 40)).astype(np.float32), np.repeat([0, 1], 100))
    found = recover(data, "test", rows, explained, values, True, null)
    box, hat = found["instance_recall:box"], found["instance_recall:hat"]
    assert (box[explained == 0] == 1).all() and box[explained == 1].isna().all()
    # at most 1 in 20 by chance, of about 150 places: above 30 has a probability below 1e-9
    assert hat.sum() < 30 and hat[explained == 1].notna().all()
    both = found["instance_recall"][(explained == 0) & hat.notna()]
    assert len(both) > 20 and (both >= 0.5).all()
    metric = recovery_metrics(
        null.values[np.arange(200) % 100 + 100 * explained],
        position_roles(data, "test", rows, explained),
        signed=True,
    )
    np.testing.assert_array_equal(found["null_auroc"], metric["auroc"])
    assert abs(found["null_auroc"].mean() - 0.5) < 0.08


def test_explanations_that_are_not_finite_have_no_values(tmp_path):
    """Neither in instances, nor in what background gives in their place, nor in average motifs."""
    data, rng = instance_data(tmp_path), np.random.default_rng(0)
    rows, explained = np.arange(200), data.y("test").argmax(axis=1)
    values, null = rng.normal(size=(2, 200, 4, 40)).astype(np.float32)
    background = BackgroundOnly(null, np.repeat([0, 1], 100))
    whole = recover(data, "test", rows, explained, values, True, background)
    broken = values.copy()
    place = (position_roles(data, "test", rows, explained) == Role.BACKGROUND).argmax(1)
    broken[:3][np.arange(3), 0, place[:3]] = np.nan
    found = recover(data, "test", rows, explained, broken, True, background)
    assert found[:3].isna().all(axis=None)
    pd.testing.assert_frame_equal(found[3:], whole[3:])
    counts = count_explanations(found.assign(condition="near"))
    assert (counts["examples"]["macro"], counts["left_out"]["macro"]) == (197, 3)
    null[0, 0, 5] = np.nan  # of one background-only sequence, then of all of a condition
    one = recover(data, "test", rows, explained, values, True, background)
    assert one["instance_recall"].notna().equals(whole["instance_recall"].notna())
    null[:100, 0, 5] = np.nan
    lacking = recover(data, "test", rows, explained, values, True, background)
    assert lacking["instance_recall"][explained == 0].isna().all()
    same = explained == 1
    pd.testing.assert_series_equal(*(t["instance_recall"][same] for t in (lacking, whole)))
    for signed in (True, False):
        own = averaged(data, rows, explained, broken, signed=signed)
        others = averaged(data, rows[3:], explained[3:], values[3:], signed=signed)
        for one, other in zip(own, others, strict=True):
            pd.testing.assert_frame_equal(one, other)


def test_the_limit_of_instances_is_the_quantile_of_highest_windows():
    scores = np.random.default_rng(0).normal(size=(50, 30))
    highest = [max(row[i : i + 7].mean() for i in range(24)) for row in scores]
    assert highest_window(scores, 7) == pytest.approx(np.quantile(highest, 0.95))


def averaged(data, rows, explained, values, batch=200, signed=False):
    """Return the tables of aligned motifs, made in batches."""
    motifs = AlignedMotifs(data, "test", signed)
    for first in range(0, len(rows), batch):
        part = slice(first, first + batch)
        motifs.add(rows[part], explained[part], values[part])
    return motifs.tables()


@pytest.mark.parametrize("batch", [200, 7])
def test_aligned_motifs_are_the_elements_on_either_strand(tmp_path, batch):
    data = instance_data(tmp_path)
    rows, explained = np.arange(200), data.y("test").argmax(axis=1)
    values = one_hot(np.array(data.x("test")), 4)
    elements, motifs = averaged(data, rows, explained, values, batch)
    assert elements["element"].tolist() == ["box", "hat"]
    for (_, row), word in zip(elements.iterrows(), ("ACGTAC", "TTTTGG"), strict=True):
        own = motifs[motifs["element"] == row["element"]].set_index("column")
        assert own.index.tolist() == list(range(1 - FLANK, len(word) + FLANK + 1))
        inside = own.loc[1 : len(word), list("ACGT")].to_numpy()
        assert DNA.decode(inside.argmax(axis=1).astype(np.uint8)) == word
        np.testing.assert_array_equal(inside.max(axis=1), 1)
        assert row["cosine"] == pytest.approx(1) and row["pearson"] == pytest.approx(1)
        assert row["flank_mass"] == pytest.approx(10 / 16) and row["instances"] > 30
        assert row["kl"] == pytest.approx(np.log2(1 + 3 / np.e))  # softmax of one 1 and three 0
    spread = values * 1.5 - 0.125  # a baseline gives the letters that are not there a share
    contributions = averaged(data, rows, explained, spread.astype(np.float32), batch, signed=True)
    pd.testing.assert_frame_equal(contributions[1], motifs)
    strands = placed_instances(data, "test", rows, explained)["strand"]
    assert (strands < 0).any()
    nothing, _ = averaged(data, rows, explained, np.zeros_like(values))
    assert nothing[["cosine", "pearson", "flank_mass"]].isna().all(axis=None)
    noise = np.random.default_rng(0).normal(size=values.shape).astype(np.float32)
    whole, parts = (averaged(data, rows, explained, noise, size) for size in (200, batch))
    for one, other in zip(whole, parts, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    none, empty = averaged(data, rows, explained[::-1] * 0 + 1 - explained, values)
    assert none.empty and empty.empty and list(none)[:2] == ["element", "instances"]


def test_likeness_weighs_columns_by_their_information():
    matrix = np.array([[0.97, 0.01, 0.01, 0.01], [0.25, 0.25, 0.25, 0.25], [0.1, 0.7, 0.1, 0.1]])
    flanks = np.zeros((FLANK, 4))
    seen = np.vstack([flanks, np.log(matrix), flanks])  # softmax gives the matrix back
    assert likeness(seen, matrix, UNIFORM).kl == pytest.approx(0, abs=1e-12)
    wrong = matrix.copy()
    wrong[1] = [9, 0, 0, -4]  # a column that carries nothing
    found = likeness(np.vstack([flanks, wrong, flanks]), matrix, UNIFORM)
    assert found.cosine == pytest.approx(1) and found.pearson == pytest.approx(1)
    bits = 2 + (matrix * np.log2(matrix)).sum(axis=1)
    share = np.repeat(bits / bits.sum() / 4, 4)
    swapped = matrix[:, [1, 0, 2, 3]]
    found = likeness(np.vstack([flanks, swapped, flanks]), matrix, UNIFORM)
    a, b = swapped.ravel(), matrix.ravel()
    cosine = (share * a * b).sum() / np.sqrt((share * a * a).sum() * (share * b * b).sum())
    assert found.cosine == pytest.approx(cosine)
    moments = np.cov(a, b, aweights=share, ddof=0)
    pearson = moments[0, 1] / np.sqrt(moments[0, 0] * moments[1, 1])
    assert found.pearson == pytest.approx(pearson) and pearson < 0.2


def test_background_only_sequences_hold_letters_of_the_background_alone(tmp_path):
    data = instance_data(tmp_path, 20)
    x, explained = background_only(data, "test")
    assert x.shape == (200, 40) and np.bincount(explained).tolist() == [100, 100]
    shares = np.bincount(x.ravel(), minlength=4) / x.size
    # 8,000 letters: 5.5 standard errors of a share of one half
    assert np.abs(shares - [0.4, 0.3, 0.2, 0.1]).max() < 5.5 * 0.5 / np.sqrt(8000)
    np.testing.assert_array_equal(background_only(data, "test")[0], x)
    words = {DNA.decode(row[i : i + 6]) for row in x for i in range(35)}
    assert "TTTTGG" not in words, "expected 0.03 times"
