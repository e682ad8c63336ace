"""Shuffles keep what they must and are uniform over everything that does.

Statistical tests use fixed seeds and reject at 1e-6 a test.
"""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seqgra.alphabet import DNA, PADDING, PROTEIN, UNKNOWN, Alphabet
from seqgra.law.pcg import generator_state
from seqgra.law.shuffle import shuffle_rows
from seqgra.streams import stream

FALSE_ALARM = 1e-6
DRAWS = 40_000
BINARY = Alphabet("binary", "AC", "N")
ALPHABETS = {2: BINARY, 4: DNA, 20: PROTEIN}
#: Size of the alphabet, k, sequence, number of sequences with its k-mer and (k-1)-mer counts.
LEGAL = [
    (2, 1, "CAACAC", 20),
    (2, 2, "CCCACACCACCACCA", 126),
    (2, 3, "CCCACAACCAACAAACAA", 128),
    (2, 4, "AACCCCCAAAACAAAACCAAAAAA", 126),
    (2, 5, "AAAAAAAAAAAACAAAACCAAAA", 90),
    (2, 6, "AAAAAAACAAAAACAAAAAAAAAA", 36),
    (4, 1, "GTACCC", 120),
    (4, 2, "ACCCACGATGATA", 72),
    (4, 2, "GAGTTATGAATC", 126),
    (4, 3, "TTCGAGACGTCGTAGACGCGCG", 120),
    (4, 4, "TGAGTGAGGGGTGATGAGAGCGAGC", 72),
    (4, 5, "CCCCCCTAACCCCCCGCCCCCC", 56),
    (4, 6, "TGGCAATGGCAAAATGGCAAATGGCAA", 6),
    (20, 1, "AAYVWA", 120),
    (20, 2, "AAWVWWVYAVYAWW", 126),
    (20, 3, "YWYWAYWYWYWAYWYVAYWYVYV", 120),
    (20, 4, "AVWWWWYAVWWWWYWWYAVWWWWY", 30),
    (20, 5, "VVVWAAVVVWYVVVWVVVWVVVW", 12),
    (20, 6, "VWAVYAVYVWVWAVYVWAVYAVY", 4),
    (4, 1, "ANNNGT", 120),
    (4, 2, "AGTTNNTGGAANNN", 128),
    (4, 3, "GAGANTANGAGANTGAGGAGT", 120),
    (4, 6, "GAAGAANTAAGAAAAAGAAGAA", 6),
]


def fresh_state(block=0):
    return generator_state(stream(0, "shuffle", "training", block))


def shuffled(x, letters, k, block=0):
    """Return shuffles of all rows and whether each equals its source."""
    result = x.copy()
    unchanged = shuffle_rows(result, np.arange(len(x)), letters, k, fresh_state(block))
    return result, unchanged


def kmers(sequence, k):
    return Counter(sequence[i : i + k] for i in range(len(sequence) - k + 1))


def legal_shuffles(sequence, k):
    """Return all sequences with the k-mer and (k-1)-mer counts of `sequence`, by exhaustion."""
    left, inner, found = kmers(sequence, k), kmers(sequence, k - 1), set()

    def extend(prefix):
        if len(prefix) == len(sequence) and (k == 1 or kmers(prefix, k - 1) == inner):
            found.add(prefix)
        for kmer in [kmer for kmer in left if left[kmer]]:
            if prefix.endswith(kmer[:-1]):
                left[kmer] -= 1
                extend(prefix + kmer[-1])
                left[kmer] += 1

    for start in inner if k > 1 else [""]:
        extend(start)
    return found


@pytest.mark.parametrize(
    ("letters", "k", "sequence", "number"), LEGAL, ids=lambda value: str(value)
)
def test_every_legal_shuffle_is_as_likely(letters, k, sequence, number):
    legal = legal_shuffles(sequence, k)
    assert len(legal) == number
    x = np.tile(ALPHABETS[letters].encode(sequence), (DRAWS, 1))
    result, unchanged = shuffled(x, letters, k)
    drawn = Counter(map(bytes, result))
    assert set(drawn) == {ALPHABETS[letters].encode(sequence).tobytes() for sequence in legal}
    assert stats.chisquare(list(drawn.values())).pvalue > FALSE_ALARM
    np.testing.assert_array_equal(unchanged, (result == x).all(axis=1))


def test_successive_shuffles_are_independent():
    x = np.tile(DNA.encode("TGGCAATGGCAAAATGGCAAATGGCAA"), (2 * DRAWS, 1))
    pairs = Counter(map(bytes, shuffled(x, 4, 6)[0].reshape(DRAWS, -1)))
    assert len(pairs) == 6**2
    assert stats.chisquare(list(pairs.values())).pvalue > FALSE_ALARM


@st.composite
def sequences(draw):
    """Draw (alphabet size, k, codes with unknown letters and padding), repeats being likely."""
    letters = draw(st.sampled_from([1, 2, 4, 20]))
    codes = st.sampled_from([*range(min(letters, draw(st.integers(1, 20)))), UNKNOWN])
    words = draw(st.lists(st.lists(codes, min_size=1, max_size=7), min_size=1, max_size=3))
    order = draw(st.lists(st.integers(0, len(words) - 1), max_size=12))
    row = [code for word in order for code in words[word]]
    padding = [PADDING] * draw(st.integers(0, 9))
    return letters, draw(st.integers(1, 6)), np.array(row + padding, np.uint8)


@given(sequences(), st.integers(0, 9))
@settings(deadline=None, max_examples=300)
def test_counts_ends_and_padding_are_kept(case, block):
    letters, k, row = case
    x = np.tile(row, (4, 1))
    result, unchanged = shuffled(x, letters, k, block)
    for before, after, same in zip(x, result, unchanged, strict=True):
        assert same == np.array_equal(before, after)
        np.testing.assert_array_equal(before == PADDING, after == PADDING)
        source, target = (bytes(codes[codes != PADDING]) for codes in (before, after))
        for j in range(1, k + 1):
            assert kmers(source, j) == kmers(target, j), f"{j}-mers"
        assert source[: k - 1] == target[: k - 1]
        assert source[len(source) - k + 1 :] == target[len(source) - k + 1 :]


@pytest.mark.parametrize("k", range(1, 7))
@pytest.mark.parametrize("letters", [2, 4, 20])
def test_long_sequences_keep_their_counts_and_change(letters, k):
    words = stream(letters, "letters", "training", k).random_raw(20 * 3000)
    x = ((words >> 32) * letters >> 32).astype(np.uint8).reshape(20, 3000)
    result, unchanged = shuffled(x, letters, k)
    for before, after in zip(x, result, strict=True):
        assert kmers(before.tobytes(), k) == kmers(after.tobytes(), k)
    sparse = (
        letters == 20 and k >= 4
    )  # nearly every k-mer is unique: few or no other legal shuffles
    assert sparse or not unchanged.any()


@pytest.mark.parametrize(
    ("sequence", "k"), [("AAAAAAA", 2), ("ACGTTTTT", 2), ("ACGT", 3), ("ACG", 5), ("A", 1), ("", 1)]
)
def test_a_sequence_with_one_legal_shuffle_is_reported(sequence, k):
    row = np.append(DNA.encode(sequence), np.full(3, PADDING, np.uint8))
    result, unchanged = shuffled(row[None], 4, k)
    assert unchanged.all()
    np.testing.assert_array_equal(result[0], row)


def test_only_the_named_rows_change():
    x = np.tile(DNA.encode("ACGTACGGTCATTACG" * 4), (6, 1))
    result = x.copy()
    unchanged = shuffle_rows(result, np.array([4, 1]), 4, 2, fresh_state())
    assert not unchanged.any()
    assert np.flatnonzero((result != x).any(axis=1)).tolist() == [1, 4]


@pytest.mark.parametrize(
    ("k", "drawn"),
    [
        (1, ["CGGTANACTGTAACCCACTTAAAAACNGC", "TCCNCAACGCATAGGGTAAATCNTCCAAA"]),
        (2, ["ACGACGANNACCGATTACATATGACCCAT", "ANNACACCCGATATATGACGACCGACATT"]),
        (4, ["ACCACGATTACGATANNACCCACGATGAT", "ACCCACGATANNACCACGATTACGATGAT"]),
    ],
)
def test_the_same_stream_gives_these_shuffles(k, drawn):
    """A change here changes all shuffled data: raise `streams.STREAM_VERSION`."""
    x = np.tile(DNA.encode("ACCCACGATGATANNACCACGATTACGAT"), (2, 1))
    assert [DNA.decode(row) for row in shuffled(x, 4, k)[0]] == drawn
