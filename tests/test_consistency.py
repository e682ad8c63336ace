"""Consistency of attributions: chance gives 0, a pattern that repeats gives much."""

import numpy as np
import pytest

from seqgra.alphabet import one_hot
from seqgra.attribute.consistency import Patterns, columns, consistency

SHAPE = (200, 4, 100)


def random_values(kind, seed=0):
    """Return attributions without any pattern."""
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=SHAPE)
    letters = one_hot(rng.choice(4, p=[0.4, 0.1, 0.3, 0.2], size=(200, 100)).astype(np.uint8), 4)
    kinds = {
        "gradients": gradients,
        "absolute": np.abs(gradients),
        "contributions": gradients * letters,
        "letters": letters,  # each letter always has the same value
        "heavy tails": gradients * letters * rng.pareto(2, size=(200, 1, 100)),
    }
    return kinds[kind].astype(np.float32)


@pytest.mark.parametrize(
    "kind", ["gradients", "absolute", "contributions", "letters", "heavy tails"]
)
def test_random_attributions_are_near_0(kind):
    found = [consistency(columns(random_values(kind, seed))) for seed in range(3)]
    assert np.abs(found).max() < 0.12, found


@pytest.mark.parametrize("kind", ["gradients", "contributions"])
def test_a_repeated_motif_is_told_from_chance(kind):
    values = random_values(kind)
    rng = np.random.default_rng(1)
    motif = one_hot(np.array([[0, 2, 2, 3, 1, 0]], np.uint8), 4)[0]
    weak = values.copy()
    for example, start in enumerate(rng.integers(94, size=200)):
        weak[example, :, start : start + 6] += 3 * motif
        values[example, :, start : start + 6] = 4 * motif
    strong, weaker = consistency(columns(values)), consistency(columns(weak))
    assert strong > 1, strong
    assert 0.1 < weaker < strong


def test_columns_have_the_length_of_corrected_attributions_on_one_scale():
    values = random_values("gradients")[:3]
    found = columns(values * np.array([1, 10, 0.1], np.float32)[:, None, None])
    corrected = values - values.mean(axis=1, keepdims=True)
    size = np.linalg.norm(corrected, axis=1)
    np.testing.assert_allclose(
        np.linalg.norm(found, axis=2), size / size.sum(axis=1, keepdims=True), rtol=1e-5
    )
    shifted = columns(values + np.float32(7))  # the same for all letters of a position
    np.testing.assert_allclose(found, shifted, atol=1e-6)
    dots = np.einsum("nlk,nmk->nlm", found[:1], found[:1])
    expected = np.einsum("nal,nam->nlm", corrected[:1], corrected[:1]) / size[0].sum() ** 2
    np.testing.assert_allclose(dots, expected, atol=1e-7)


def test_batches_padding_and_empty_examples_change_nothing():
    values, explained = random_values("contributions"), np.arange(200) % 2
    values[5], values[6, 0, 0] = 0, np.nan
    whole, parts = Patterns(), Patterns()
    whole.add(values, explained)
    for first in range(0, 200, 7):
        parts.add(values[first : first + 7], explained[first : first + 7])
    found = whole.scores(["near", "far", "never"])
    assert found == parts.scores(["near", "far", "never"]) and list(found) == ["near", "far"]
    assert all(abs(value) < 0.2 for value in found.values())


def test_what_cannot_be_measured_is_undefined():
    nothing = np.zeros((4, 4, 30), np.float32)
    assert np.isnan(consistency(columns(nothing)))
    assert np.isnan(consistency(columns(nothing[:, :, :2])))
    proteins = Patterns()
    proteins.add(np.ones((4, 20, 30), np.float32), np.zeros(4, int))
    assert proteins.scores(["one"]) == {}
