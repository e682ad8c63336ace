"""Hard twins: what a shortcut sees is the same in both classes, and what the grammar says tells them apart.

Everything is read off the element table, so no recogniser stands between the shortcut and the truth. Where
a number says more than its ranks do, any function of it is tried, fitted to the same examples.
A shortcut's ROC AUC must lie within 5 sd of 1/2 (false-alarm rate below 1e-6 each), unless a bound is stated.
"""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata

from seqgra.dataset import open_dataset
from seqgra.simulate import simulate

GRAMMARS = Path(__file__).parents[1] / "grammars"
EXAMPLES = 20_000
PAIRS = ["hard-order", "hard-spacing", "hard-helical"]


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Return a function from a twin's id to (first class or not, letters, start and copies by element)."""
    folder, drawn = tmp_path_factory.mktemp("twins"), {}

    def draw(name):
        if name not in drawn:
            file = GRAMMARS / f"{name}.yaml"
            simulate(file, folder / name, seed=5, counts={"training": EXAMPLES})
            data = open_dataset(folder / name)
            table = data.elements("training")
            shape = (EXAMPLES, len(data.grammar.elements))
            start, copies = np.full(shape, -1), np.zeros(shape, int)
            example, element = table["example"].to_numpy(), table["element"].to_numpy()
            start[example, element] = table["start"]
            np.add.at(copies, (example, element), 1)
            first = np.array(data.y("training"))[:, 0] == 1
            drawn[name] = first, np.array(data.x("training")), start, copies
        return drawn[name]

    return draw


def auc(score, first):
    """Return the ROC AUC of a score for the first class, ties counting half."""
    ranks, n = rankdata(score), first.sum()
    return (ranks[first].sum() - n * (n + 1) / 2) / (n * (first.size - n))


def auc_of_any_function(number, first):
    """Return the ROC AUC of the share of the first class among examples with the same number."""
    share = np.bincount(number, weights=first) / np.maximum(np.bincount(number), 1)
    return auc(share[number], first)


def tells_nothing(score, first):
    n = first.sum()
    sd = np.sqrt((first.size + 1) / (12 * n * (first.size - n)))
    return abs(auc(score, first) - 0.5) < 5 * sd


@pytest.mark.parametrize("name", [*PAIRS, "hard-xor"])
def test_composition_tells_nothing(twins, name):
    first, x, _, _ = twins(name)
    assert first.sum() == EXAMPLES / 2
    for letter in range(4):
        assert tells_nothing((x == letter).sum(axis=1), first)


@pytest.mark.parametrize("name", PAIRS)
def test_both_classes_hold_each_motif_once(twins, name):
    _, _, _, copies = twins(name)
    assert (copies == 1).all()


@pytest.mark.parametrize("name", [*PAIRS, "hard-and", "hard-xor"])
def test_the_place_of_one_motif_tells_next_to_nothing(twins, name):
    first, _, start, _ = twins(name)
    bound = (
        0.545 if name == "hard-order" else 0.52
    )  # a pair of 28 to 58 letters shifts its second motif
    for element in range(start.shape[1]):
        there = start[:, element] >= 0
        assert abs(auc(start[there, element], first[there]) - 0.5) < bound - 0.5
        assert np.ptp(start[there, element]) > 900, "anywhere in the window"


@pytest.mark.parametrize("name", ["hard-spacing", "hard-helical"])
def test_neither_a_long_nor_a_short_gap_tells(twins, name):
    first, _, start, _ = twins(name)
    gap = start[:, 1] - start[:, 0] - 16
    assert gap.min() == 0 and tells_nothing(gap, first)
    assert not set(gap[first]) & set(gap[~first]), "the gap itself tells all"


def test_hard_spacing_has_the_allowed_gap_in_the_middle(twins):
    first, _, start, _ = twins("hard-spacing")
    gap = start[:, 1] - start[:, 0] - 16
    assert set(gap[first]) == set(range(8, 13))
    assert set(gap[~first]) == {*range(8), *range(13, 41)}


def test_hard_helical_tells_the_side_of_the_helix(twins):
    first, _, start, _ = twins("hard-helical")
    gap = start[:, 1] - start[:, 0] - 16
    off = np.abs(gap - 10.5 * np.round(gap / 10.5))
    assert (off[first] <= 1).all() and (off[~first] >= 4.25).all() and gap.max() == 105


def test_hard_order_is_the_order_alone(twins):
    first, _, start, _ = twins("hard-order")
    assert ((start[:, 0] < start[:, 1]) == first).all()
    gap = np.where(first, start[:, 1] - start[:, 0] - 16, start[:, 0] - start[:, 1] - 12)
    assert set(gap) == set(range(31)) and tells_nothing(gap, first)


def test_hard_xor_hides_each_motif_and_their_number(twins):
    first, _, _, copies = twins("hard-xor")
    assert ((copies > 0).sum(axis=1) == 2).all() and copies.max() == 1, "two different motifs"
    assert (copies[:, :2].sum(axis=1) == 1).tolist() == first.tolist()
    for motif in range(4):
        assert tells_nothing(copies[:, motif], first)
        assert copies[:, motif].mean() == pytest.approx(0.5, abs=0.02)
    assert tells_nothing(copies[:, 0] - copies[:, 1], first)
    # as it was without fillers, the number of sites told all, though its ranks told nothing
    assert auc_of_any_function(copies[:, :2].sum(axis=1), first) == 1


@pytest.mark.parametrize("name", [*PAIRS, "hard-and", "hard-xor"])
def test_no_function_of_the_number_of_sites_tells(twins, name):
    first, _, _, copies = twins(name)
    reached = auc_of_any_function(copies.sum(axis=1), first)
    assert reached == pytest.approx(0.55, abs=0.02) if name == "hard-and" else reached == 0.5


def test_hard_and_needs_both_motifs(twins):
    first, _, _, copies = twins("hard-and")
    assert ((copies > 0).all(axis=1) == first).all()
    held = [tuple(row) for row in copies[~first].tolist()]
    shares = {kind: held.count(kind) / len(held) for kind in set(held)}
    assert shares == pytest.approx({(2, 0): 0.45, (0, 2): 0.45, (0, 0): 0.1}, abs=0.025)
    for element in range(2):  # present in all positives and 0.45 of negatives
        assert auc(copies[:, element] > 0, first) == pytest.approx(0.775, abs=0.02)
        assert auc_of_any_function(copies[:, element], first) == 1, "exactly one, as documented"
    assert auc(copies.sum(axis=1), first) == pytest.approx(0.55, abs=0.02)
