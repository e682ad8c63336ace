"""Motif hits against brute force, known answers and the law of letters."""

import itertools

import numpy as np
import pandas as pd
import pytest

from seqgra.alphabet import DNA, PADDING, PROTEIN, RNA, UNKNOWN
from seqgra.law.scan import HIT_COLUMNS, best_hits, find_hits

EBOX = np.array([[0.02, 0.94, 0.02, 0.02], [0.94, 0.02, 0.02, 0.02], [0.05, 0.6, 0.3, 0.05]] * 2)
TATA = np.array([[0.05, 0.05, 0.05, 0.85], [0.85, 0.05, 0.05, 0.05]] * 4)


def exact_p_value(matrix, score):
    """Count the sequences of the motif's width that score as high, all letters alike."""
    logs = np.log2(matrix + 1e-4) + 2
    scores = [
        sum(logs[w, letter] for w, letter in enumerate(site))
        for site in itertools.product(range(4), repeat=len(matrix))
    ]
    return float(np.mean(np.array(scores) >= score - 1e-9))


def every_place(x, matrix):
    """Score every place of both strands: (example, start, strand) -> score."""
    logs, found = np.log2(matrix + 1e-4) + 2, {}
    for n, row in enumerate(x):
        for start in range(len(row) - len(matrix) + 1):
            site = row[start : start + len(matrix)]
            if (site < 4).all():
                columns = np.arange(len(matrix))
                found[n, start, 1] = logs[columns, site].sum()
                found[n, start, -1] = logs[columns, 3 - site[::-1]].sum()
    return found


@pytest.mark.parametrize("matrix", [EBOX, TATA], ids=["ebox", "tata"])
def test_hits_are_those_of_brute_force(matrix):
    x = np.random.default_rng(1).integers(0, 4, (40, 120)).astype(np.uint8)
    x[3, 50] = UNKNOWN
    x[4, 100:] = PADDING
    hits = find_hits(x, {"m": matrix}, DNA, p_value=0.01)
    scores = every_place(x, matrix)
    told = {(row.example, row.start, row.strand): row for row in hits.itertuples()}
    assert len(told) == len(hits) > 10
    for place, row in told.items():
        assert row.score == pytest.approx(scores[place])
        assert row.end - row.start == len(matrix)
    # columns are rounded to 0.1 bit, so a score is known to half of that a column, and a bin
    slack = 0.05 * len(matrix) + 0.1
    least = min(row.score for row in told.values())
    missed = max(score for place, score in scores.items() if place not in told)
    assert exact_p_value(matrix, least + slack) <= 0.01 < exact_p_value(matrix, missed - slack)


def test_hits_of_several_motifs_have_the_columns_and_order_that_are_promised():
    x = np.vstack(
        [DNA.encode("AAACACACCCACACCCTATATATAGGGG"), DNA.encode("TATATATAGCACACCCTTTTTTTTTTTT")]
    )
    hits = find_hits(x, {"ebox": EBOX, "none": np.eye(4)[[2] * 30], "tata": TATA}, DNA)
    assert dict(hits.dtypes.astype(str)) == HIT_COLUMNS
    assert set(hits["element"]) == {2}  # the second is wider than the window, the first too common
    order = list(zip(hits["example"], hits["start"], hits["element"], hits["strand"], strict=True))
    assert order == sorted(order)


def test_no_hit_holds_an_unknown_letter_or_reaches_beyond_the_end():
    x = np.vstack([DNA.encode("TATATANA" * 3), DNA.encode("TATATATA" * 3)])
    x[1, 5:] = PADDING
    assert find_hits(x, {"m": TATA}, DNA, p_value=0.01).empty


def test_strands():
    x = DNA.encode("GGGCACACCGGGGGG")[None]
    motif = np.eye(4)[[1, 0, 1, 0, 1, 1]] * 0.96 + 0.01
    [forward] = find_hits(x, {"m": motif}, DNA, p_value=1e-3).itertuples()
    assert (forward.start, forward.end, forward.strand) == (3, 9, 1)
    turned = 3 - x[:, ::-1]
    [reverse] = find_hits(turned, {"m": motif}, DNA, p_value=1e-3).itertuples()
    assert (reverse.start, reverse.end, reverse.strand) == (6, 12, -1)
    assert reverse.score == pytest.approx(forward.score)
    assert find_hits(turned, {"m": motif}, RNA, p_value=1e-3).empty
    assert find_hits(turned, {"m": motif}, DNA, p_value=1e-3, both_strands=False).empty


def test_large_inputs_in_parts_give_the_same(monkeypatch):
    x = np.random.default_rng(2).integers(0, 4, (50, 60)).astype(np.uint8)
    whole = find_hits(x, {"a": EBOX, "b": TATA}, DNA, p_value=0.01)
    monkeypatch.setattr("seqgra.law.scan._LETTERS", 60 * 7)
    pd.testing.assert_frame_equal(find_hits(x, {"a": EBOX, "b": TATA}, DNA, p_value=0.01), whole)


def test_protein_hits_against_enumeration():
    rng = np.random.default_rng(3)
    matrix = rng.dirichlet(np.full(20, 0.1), 3)
    background = rng.dirichlet(np.full(20, 5.0))
    x = rng.integers(0, 20, (60, 40)).astype(np.uint8)
    x[0, 10], x[1, 30:] = UNKNOWN, PADDING
    hits = find_hits(x, {"m": matrix}, PROTEIN, p_value=0.01, background=background)
    steps = np.rint(100 * np.log2((matrix + 1e-4) / background))
    all_scores = (steps[0][:, None, None] + steps[1][:, None] + steps[2]).ravel()
    chances = (background[:, None, None] * background[:, None] * background).ravel()
    expected = {}
    for n, start in itertools.product(range(60), range(38)):
        site = x[n, start : start + 3]
        if (site < 20).all():
            score = steps[[0, 1, 2], site].sum()
            p = chances[all_scores >= score].sum()
            if p <= 0.01:
                expected[n, start] = p
    assert {(row.example, row.start): row.p_value for row in hits.itertuples()} == pytest.approx(
        expected
    )
    assert (hits["strand"] == 1).all() and expected


def test_p_values_are_the_chance_of_a_hit():
    """Binomial; |z| < 4.9 has a false alarm once in a million."""
    x = np.random.default_rng(4).integers(0, 4, (4000, 100)).astype(np.uint8)
    hits = find_hits(x, {"m": TATA}, DNA, p_value=1e-3, both_strands=False)
    places = 4000 * 93
    exact = exact_p_value(TATA, hits["score"].min())
    # neighbouring places of TATA share letters: the variance is at most (2 * 8 - 1) times larger
    spread = np.sqrt(15 * exact * (1 - exact) / places)
    assert abs(len(hits) / places - exact) < 4.9 * spread
    assert exact <= 1.2e-3


def hits_of(*rows):
    names = ["example", "element", "start", "end", "strand", "score"]
    return pd.DataFrame(rows, columns=names).assign(p_value=0.0)


def test_of_overlapping_hits_of_a_motif_the_best_is_kept():
    hits = hits_of(
        (0, 0, 0, 5, 1, 3.0),  # beaten by the next
        (0, 0, 3, 8, 1, 4.0),
        (0, 0, 7, 12, -1, 3.5),  # beaten by the one before
        (0, 0, 8, 13, -1, 2.0),  # free: what beat it is gone
        (0, 1, 3, 8, 1, 1.0),  # another motif
        (1, 0, 3, 8, -1, 1.0),  # equal: the forward strand
        (1, 0, 3, 8, 1, 1.0),
        (1, 0, 5, 10, 1, 1.0),  # equal: the first
    )
    kept = best_hits(hits)
    assert kept[["example", "element", "start", "strand"]].to_numpy().tolist() == [
        [0, 0, 3, 1],
        [0, 0, 8, -1],
        [0, 1, 3, 1],
        [1, 0, 3, 1],
    ]


def test_nothing_is_found_in_nothing():
    for x in (np.zeros((0, 10), np.uint8), np.full((2, 10), PADDING, np.uint8)):
        for alphabet, matrix in ((DNA, EBOX), (PROTEIN, np.full((3, 20), 0.05))):
            hits = best_hits(find_hits(x, {"m": matrix}, alphabet, p_value=0.01))
            assert hits.empty and list(hits.columns) == list(HIT_COLUMNS)
    assert find_hits(np.zeros((2, 10), np.uint8), {}, DNA).empty
