"""Sites of a band of affinities: masses, marginals and draws against enumeration of every site.

Each statistical test uses a fixed seed and refuses a true law with probability 1e-6 or less.
"""

import itertools
import math
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seqgra.grammar.motifs import read_motifs
from seqgra.law import affinity
from seqgra.law.affinity import (
    band_columns,
    compile_band,
    draw_stacked,
    log_mass,
    sample_site,
    stack_bands,
)
from seqgra.law.pcg import words
from seqgra.streams import stream_state

FALSE_ALARM = 1e-6
DATABASES = Path(__file__).parents[2] / "shared" / "data" / "motifs"
UNIFORM = np.full(4, 0.25)
HUMAN = np.array([0.29565, 0.20435, 0.20435, 0.29565])
PWM = np.array(
    [
        [0.7, 0.1, 0.1, 0.1],
        [0.05, 0.6, 0.3, 0.05],
        [0.0, 0.0, 0.9, 0.1],
        [0.25, 0.25, 0.25, 0.25],
        [0.001, 0.009, 0.09, 0.9],
    ]
)
BANDS = [(0, 0.1), (0.1, 0.5), (0.25, 0.75), (0.5, 0.9), (0.9, 1), (0, 1), (0, 0.001), (0.999, 1)]


def everything(matrix, background, steps):
    """Return all sites, their probabilities and integer scores, by plain floating point."""
    width, alphabet = matrix.shape
    sites = np.array(list(itertools.product(range(alphabet), repeat=width)), np.uint8)
    with np.errstate(divide="ignore"):
        scores = np.round(steps * np.log2(matrix / background))
    columns = np.arange(width)
    return sites, matrix[columns, sites].prod(axis=1), scores[columns, sites].sum(axis=1)


def quantile_band(probabilities, scores, low, high):
    """Return which sites lie in the band, straight from its definition."""
    values = np.unique(scores[probabilities > 0])
    reached = np.array([probabilities[scores <= value].sum() for value in values])
    lowest = values[np.argmax(reached > low + 1e-12)] if low else values[0]
    highest = values[np.argmax(reached >= high - 1e-12)] if high < 1 else values[-1]
    return (probabilities > 0) & (scores >= lowest) & (scores <= highest)


def in_band(band, sites):
    """Return which sites, uint8 (..., W), the PWM can make with a score in the band."""
    columns = np.arange(len(band.scores))
    score = band.scores[columns, sites].sum(axis=-1)
    possible = (band.letters[columns, sites] > 0).all(axis=-1)
    return possible & (band.low <= score) & (score <= band.high)


@numba.njit
def draws(band, raw):
    sites = np.empty(raw.shape, np.uint8)
    for n in range(raw.shape[0]):
        sites[n] = sample_site(band, raw[n])
    return sites


@numba.njit
def draws_stacked(bands, b, raw):
    sites = np.empty(raw.shape, np.uint8)
    for n in range(raw.shape[0]):
        draw_stacked(bands, b, raw[n], sites[n])
    return sites


def check_against_enumeration(matrix, background, low, high):
    band = compile_band(matrix, background, low, high)
    sites, probabilities, scores = everything(matrix, background, affinity._STEPS_PER_BIT)
    inside = quantile_band(probabilities, scores, low, high)
    assert in_band(band, sites).tolist() == inside.tolist()
    mass = probabilities[inside].sum()
    assert band.mass == pytest.approx(mass, abs=1e-9)
    assert log_mass(band) == pytest.approx(math.log(mass), abs=1e-6)
    assert band.mass >= high - low - 1e-9
    within = probabilities * inside / mass
    columns = np.stack([within @ (sites == letter) for letter in range(matrix.shape[1])], axis=1)
    np.testing.assert_allclose(band_columns(band), columns, atol=1e-9)
    return band, within


@pytest.mark.parametrize(("low", "high"), BANDS)
@pytest.mark.parametrize("background", [UNIFORM, HUMAN], ids=["uniform", "human"])
def test_mass_band_and_marginals_are_those_of_enumeration(low, high, background):
    check_against_enumeration(PWM, background, low, high)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    width=st.integers(1, 4),
    alphabet=st.integers(2, 6),
    ends=st.tuples(st.integers(0, 99), st.integers(1, 100)).filter(lambda e: e[0] < e[1]),
)
def test_any_matrix_agrees_with_enumeration(seed, width, alphabet, ends):
    generator = np.random.default_rng(seed)
    matrix = generator.dirichlet(np.full(alphabet, 0.5), width)
    matrix[matrix < 1e-4] = 0
    matrix /= matrix.sum(axis=1, keepdims=True)
    background = generator.dirichlet(np.full(alphabet, 5.0)) + 0.01
    background /= background.sum()
    check_against_enumeration(matrix, background, ends[0] / 100, ends[1] / 100)


@pytest.mark.parametrize(("low", "high"), BANDS)
def test_sites_are_drawn_from_the_conditioned_law(low, high):
    band, expected = check_against_enumeration(PWM, HUMAN, low, high)
    sites = draws(band, words(stream_state(7, "affinity", f"{low}-{high}", 0), 1_000_000, len(PWM)))
    codes = sites @ (4 ** np.arange(len(PWM) - 1, -1, -1))
    counts = np.bincount(codes, minlength=expected.size)
    assert counts[expected == 0].sum() == 0, "a site outside the band"
    chi_square_fits(counts[expected > 0], expected[expected > 0])


def chi_square_fits(counts, expected):
    """Compare counts with probabilities; cells that expect fewer than 5 are taken as one."""
    rare = counts.sum() * expected < 5
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    if expected.size > 1:
        fit = stats.chisquare(counts, expected / expected.sum() * counts.sum())
        assert fit.pvalue > FALSE_ALARM


def test_bands_that_meet_at_an_attained_quantile_share_no_site():
    matrix = np.array([[0.9, 0.1, 0, 0], [0.5, 0.5, 0, 0]])
    weak, strong = (compile_band(matrix, UNIFORM, *ends) for ends in ((0, 0.1), (0.1, 1)))
    assert weak.high < strong.low
    assert weak.mass == pytest.approx(0.1, abs=1e-12)
    assert weak.mass + strong.mass == pytest.approx(1, abs=1e-12)


def test_strong_sites_score_above_weak_ones():
    weak, strong = (compile_band(PWM, UNIFORM, *ends) for ends in ((0, 0.1), (0.9, 1)))
    raw = words(stream_state(1, "affinity", "ends", 0), 1000, len(PWM))
    best = PWM.argmax(axis=1)
    assert (draws(strong, raw) == best).mean() > (draws(weak, raw) == best).mean() + 0.2
    assert weak.high < strong.low


def test_the_whole_range_is_the_motif_itself():
    band = compile_band(PWM, HUMAN, 0, 1)
    assert band.mass == pytest.approx(1, abs=1e-15)
    np.testing.assert_allclose(band_columns(band), PWM, atol=1e-15)


def test_extreme_words_stay_in_the_band():
    for low, high in BANDS:
        band = compile_band(PWM, HUMAN, low, high)
        for word in (0, 1, 2**63 - 1, 2**63, 2**64 - 1):
            assert in_band(band, sample_site(band, np.full(len(PWM), word, np.uint64)))


def test_stacked_bands_draw_what_single_ones_draw():
    raw = words(stream_state(1, "affinity", "stack", 0), 500, len(PWM))
    bands = [
        compile_band(PWM, HUMAN, 0, 0.1),
        compile_band(PWM[:2], UNIFORM, 0.5, 1),
        compile_band(PWM[1:], HUMAN, 0.9, 1),
    ]
    stacked = stack_bands(bands, 4)
    for b, band in enumerate(bands):
        mine = raw[:, : len(band.scores)]
        np.testing.assert_array_equal(draws_stacked(stacked, b, mine), draws(band, mine))
    assert (stacked.low.tolist(), stacked.high.tolist()) == (
        [band.low for band in bands],
        [band.high for band in bands],
    )
    assert stack_bands([], 4).tails.size == 0


def test_draws_never_change():
    band = compile_band(PWM, HUMAN, 0.25, 0.75)
    sites = draws(band, words(stream_state(0, "affinity", "golden", 0), 6, len(PWM)))
    assert ["".join("ACGT"[letter] for letter in site) for site in sites] == (
        ["ACGAT", "ACGTT", "AGGGT", "CCGTT", "GCGTT", "ACGTT"]
    )
    assert (band.low, band.high) == (388, 807)


def test_wide_and_steep_motifs_get_coarser_scores_and_keep_their_law():
    generator = np.random.default_rng(3)
    matrix = np.full((60, 20), 1e-12)
    matrix[np.arange(60), generator.integers(0, 20, 60)] = 1
    matrix[::2] = generator.dirichlet(np.ones(20), 30)
    matrix /= matrix.sum(axis=1, keepdims=True)
    band = compile_band(matrix, np.full(20, 0.05), 0.9, 1)
    assert band.tails.nbytes <= 8 * affinity._LARGEST_TABLE
    assert band.scores.max() < 4 * affinity._STEPS_PER_BIT, "of the 4.3 bits of a sure letter"
    sites = draws(band, words(stream_state(0, "affinity", "wide", 0), 2000, 60))
    assert in_band(band, sites).all()
    free = compile_band(matrix, np.full(20, 0.05), 0, 1)
    sites = draws(free, words(stream_state(1, "affinity", "wide", 0), 100_000, 60))
    hits = int(in_band(band, sites).sum())
    assert stats.binomtest(hits, len(sites), band.mass).pvalue > FALSE_ALARM


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.5), (0.9, 0.1), (-0.1, 0.5), (0.5, 1.1)])
def test_quantiles_that_are_no_band_are_refused(low, high):
    with pytest.raises(ValueError, match="expected 0 <= min < max <= 1"):
        compile_band(PWM, UNIFORM, low, high)


def test_letters_that_the_background_lacks_are_refused():
    with pytest.raises(ValueError, match="background probability"):
        compile_band(PWM, np.array([0.5, 0, 0, 0.5]), 0, 0.5)
    compile_band(np.array([[0.5, 0.5, 0, 0]]), np.array([0.5, 0.5, 0, 0]), 0, 0.5)


def test_real_motifs_have_the_mass_that_their_sites_show():
    path = DATABASES / "homer-seqgra.meme"
    if not path.exists():
        pytest.skip("the motif databases are not beside the repository")
    motifs = {motif.name: motif for motif in read_motifs(path, "ACGT").values()}
    for name, motif in list(motifs.items())[:8]:
        matrix = np.array(motif.matrix)
        weak, strong = (compile_band(matrix, HUMAN, *ends) for ends in ((0, 0.1), (0.9, 1)))
        whole = compile_band(matrix, HUMAN, 0, 1)
        sites = draws(whole, words(stream_state(2, "affinity", name, 0), 50_000, len(matrix)))
        for band in (weak, strong):
            hits = int(in_band(band, sites).sum())
            p = stats.binomtest(hits, len(sites), band.mass).pvalue
            assert p > FALSE_ALARM / 16, name
