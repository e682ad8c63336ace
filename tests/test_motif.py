"""A motif's information, scores and texts: known answers and enumeration."""

import itertools

import numpy as np
import pytest
from scipy.stats import entropy

from seqgra.alphabet import DNA
from seqgra.grammar.motifs import read_motifs
from seqgra.motif import MIXED, Motif, Zeros, information, log_odds

ROWS = ((0.7, 0.1, 0.1, 0.1), (0.0, 0.5, 0.5, 0.0), (0.25, 0.25, 0.25, 0.25))
MOTIF = Motif("m", ROWS, "ACGT")
SKEWED = np.array([0.4, 0.1, 0.2, 0.3])


def test_information_is_the_relative_entropy_of_the_columns():
    expected = [entropy(row, SKEWED, base=2) for row in ROWS]
    assert MOTIF.information(SKEWED) == pytest.approx(expected)
    assert information(np.eye(4), np.full(4, 0.25)).tolist() == [2] * 4


@pytest.mark.parametrize(
    ("zeros", "of"),
    [
        (Zeros.MIXED, lambda p, b: 0.9 * p + 0.1 * b),
        (Zeros.ADDED, lambda p, b: (p + 0.1) / 1.4),
        (Zeros.UNNORMALISED, lambda p, b: p + 0.1),
    ],
)
def test_log_odds_under_each_rule_for_zeros(zeros, of):
    scores = MOTIF.log_odds(SKEWED, 0.1, zeros)
    assert np.isfinite(scores).all()
    for row, column in zip(ROWS, scores, strict=True):
        assert column == pytest.approx(
            [np.log2(of(p, b) / b) for p, b in zip(row, SKEWED, strict=True)]
        )


def test_mixing_keeps_columns_of_the_background_without_a_score():
    assert log_odds(SKEWED[None], SKEWED) == pytest.approx(0)
    assert 2.0 ** log_odds(np.eye(4), SKEWED) @ SKEWED == pytest.approx(1), MIXED


def test_scores_of_sequences_and_their_distribution_agree_with_enumeration():
    words = np.array(list(itertools.product(range(4), repeat=3)), np.uint8)
    scores = MOTIF.scan(words, SKEWED)[:, 0]
    chances = SKEWED[words].prod(axis=1)
    values, shares = MOTIF.score_distribution(SKEWED)
    assert shares.sum() == pytest.approx(1)
    assert (values @ shares) == pytest.approx(scores @ chances, abs=3 / 128)
    each = np.unique(scores.round(9))
    gaps = np.flatnonzero(np.diff(each) > 0.1)  # wider than rounding to 1/64 bit moves a score
    for limit in (each[gaps] + each[gaps + 1]) / 2:
        above = shares[values > limit].sum()
        assert above == pytest.approx(chances[scores > limit].sum()), limit


def test_a_scan_finds_no_site_over_an_unknown_letter_or_in_a_short_sequence():
    codes = DNA.encode("ACGNAGA")[None]
    scores = MOTIF.scan(codes)
    assert np.isfinite(scores).tolist() == [[True, False, False, False, True]]
    assert scores[0, 0] == pytest.approx(MOTIF.log_odds()[[0, 1, 2], [0, 1, 2]].sum())
    assert MOTIF.scan(codes[:, :2]).shape == (1, 0)


def test_the_reverse_complement_scores_the_other_strand():
    other = MOTIF.reverse_complement()
    forward, reverse = DNA.encode("ACTGGT")[None], DNA.encode("ACCAGT")[None]
    assert other.scan(reverse)[0].tolist() == MOTIF.scan(forward)[0, ::-1].tolist()
    assert other.reverse_complement() == MOTIF
    with pytest.raises(ValueError, match="no complements"):
        Motif("p", ((0.05,) * 20,), "ACDEFGHIKLMNPQRSTVWY").reverse_complement()


def test_consensus_marks_weak_columns():
    assert MOTIF.consensus() == "AC."
    assert Motif("w", ((0.4, 0.2, 0.2, 0.2), (0.45, 0.45, 0.05, 0.05)), "ACGT").consensus() == ".a"


def test_meme_text_is_read_as_the_same_motif(tmp_path):
    (tmp_path / "m.meme").write_text(MOTIF.to_meme([0.25] * 4))
    assert read_motifs(tmp_path / "m.meme", "ACGT")["m"] == MOTIF
