"""The compiled generator gives numpy's raw words."""

import numba
import numpy as np
import pytest

from seqgra.law import pcg
from seqgra.streams import stream

GENERATORS = {
    "seed 0": lambda: np.random.PCG64(0),
    "seed 12345": lambda: np.random.PCG64(12345),
    "our stream": lambda: stream(3, "shuffle", "training", 7),
    "advanced": lambda: np.random.PCG64(1).advance(3 << 70),
}
MILLION = 1_000_000


@numba.njit
def one_by_one(state, out):
    for i in range(out.size):
        out[i] = pcg.next_word(state)


def set_state(state, increment):
    generator = np.random.PCG64(0)
    generator.state = {**generator.state, "state": {"state": state, "inc": increment}}
    return generator


@pytest.mark.parametrize("draw", [one_by_one, pcg.fill_words])
@pytest.mark.parametrize("make", GENERATORS.values(), ids=GENERATORS)
def test_words_are_those_of_numpy(make, draw):
    generator, out = make(), np.empty(MILLION, np.uint64)
    state = pcg.generator_state(generator)
    draw(state, out)
    np.testing.assert_array_equal(out, generator.random_raw(MILLION))
    np.testing.assert_array_equal(state, pcg.generator_state(generator))


@pytest.mark.parametrize("high", [0, 1, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("low", [0, 1, 1 << 63, (1 << 64) - 1])
def test_carries_of_extreme_states_are_those_of_numpy(high, low):
    for increment in (1, (1 << 64) - 1, (1 << 128) - 1, (1 << 127) + 1):
        generator, out = set_state(high << 64 | low, increment), np.empty(1000, np.uint64)
        pcg.fill_words(pcg.generator_state(generator), out)
        np.testing.assert_array_equal(out, generator.random_raw(1000))


def test_both_ways_of_drawing_continue_one_another():
    generator = np.random.PCG64(9)
    state, out = pcg.generator_state(generator), np.empty(5, np.uint64)
    drawn = [pcg.next_word(state)]
    pcg.fill_words(state, out)
    drawn += [*out.tolist(), pcg.next_word(state)]
    assert drawn == generator.random_raw(7).tolist()


def test_the_generator_itself_stays_where_it_is():
    generator = np.random.PCG64(2)
    pcg.next_word(pcg.generator_state(generator))
    assert generator.random_raw() == np.random.PCG64(2).random_raw()


@pytest.mark.parametrize("size", range(6))
def test_filling_any_number_of_words_leaves_the_state_behind_them(size):
    generator = np.random.PCG64(4)
    state, out = pcg.generator_state(generator), np.empty(size, np.uint64)
    pcg.fill_words(state, out)
    assert out.tolist() == generator.random_raw(size).tolist()
    np.testing.assert_array_equal(state, pcg.generator_state(generator))
