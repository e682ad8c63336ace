"""Hits of motifs in sequences: where a PWM scores higher than chance would, by p-value.

A hit's score is sum over columns w of log2((P_w(l_w) + 0.0001) / b(l_w)), and its p-value the
probability that letters drawn from b score as high. Nucleotides are scanned by FIMO (Grant et al. 2011,
doi:10.1093/bioinformatics/btr064) as memelite has it, where b is 1/4 and scores are binned by 0.1 bit;
it knows four letters only. Proteins are scanned here, against any b, with scores in steps of 0.01
bit. Hits hold known letters only: none reaches over an N or the end of a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from seqgra.alphabet import DNA, Alphabet
from seqgra.law.jit import kept
from seqgra.motif import Zeros, log_odds, scan, score_distribution

if TYPE_CHECKING:
    import pandas as pd

#: Columns of hits; positions are 0-based, end exclusive.
HIT_COLUMNS = {
    "example": "int32",
    "element": "int16",  # number of the motif
    "start": "int32",
    "end": "int32",
    "strand": "int8",  # 1 forward, -1 reverse
    "score": "float64",  # bits
    "p_value": "float64",
}
P_VALUE = 1e-4
_PSEUDOCOUNT = 1e-4
_STEPS_PER_BIT = 100
#: Letters that are scanned at once.
_LETTERS = 1 << 24


def find_hits(
    x: np.ndarray,
    motifs: Mapping[str, np.ndarray],
    alphabet: Alphabet,
    *,
    p_value: float = P_VALUE,
    both_strands: bool | None = None,
    background: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return the hits of motifs in sequences.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes.
    motifs
        float64 (W, A) by name: letter probabilities of each column.
    alphabet
        The alphabet of the codes.
    p_value
        Hits have at most this p-value, above 0 and at most 1.
    both_strands
        Whether the reverse strand is scanned too; None: in DNA only.
    background
        float64 (A,): letter probabilities b of proteins, above 0; None: uniform. Those of
        nucleotides are always uniform.

    Returns
    -------
    DataFrame
        `HIT_COLUMNS`, sorted by example, start, element and strand.
    """
    import pandas as pd

    both = alphabet.name == DNA.name if both_strands is None else both_strands
    rows = max(1, _LETTERS // max(1, x.shape[1]))
    found = [pd.DataFrame({name: np.empty(0, kind) for name, kind in HIT_COLUMNS.items()})]
    matrices = [np.asarray(matrix, float) for matrix in motifs.values()]
    for first in range(0, len(x), rows):
        codes = np.asarray(x[first : first + rows])
        if len(alphabet.letters) == 4:
            hits = _by_fimo(codes, matrices, p_value, both)
        else:
            hits = _by_table(codes, matrices, p_value, background)
        hits["example"] += first
        found.append(hits.astype(HIT_COLUMNS))
    hits = pd.concat(found, ignore_index=True)
    return hits.sort_values(["example", "start", "element", "strand"], ignore_index=True)


def best_hits(hits: pd.DataFrame) -> pd.DataFrame:
    """Return hits without those that overlap a better hit of the same motif, on either strand.

    Of each motif in each example the best hit is kept, then the best one that does not overlap it,
    and so on; of equal scores the first one, and the forward strand first.

    Parameters
    ----------
    hits
        As `find_hits` returns them; the order stays.
    """
    score = np.round(hits["score"].to_numpy(), 6)
    order = np.lexsort(
        (-hits["strand"], hits["start"], -score, hits["element"], hits["example"])
    ).astype(np.int64)
    columns = [
        hits[name].to_numpy(np.int64)[order] for name in ("example", "element", "start", "end")
    ]
    kept = np.zeros(len(hits), bool)
    kept[order] = _without_overlaps(*columns)
    return hits[kept].reset_index(drop=True)


@kept(nogil=True)
def _without_overlaps(
    example: np.ndarray, element: np.ndarray, start: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """Return which hits stay, bool (M,), of int64 (M,) columns with the best of a motif first."""
    kept = np.zeros(example.size, np.bool_)
    first = 0
    for hit in range(example.size):
        if example[hit] != example[first] or element[hit] != element[first]:
            first = hit
        free = True
        for other in range(first, hit):
            if kept[other] and start[hit] < end[other] and start[other] < end[hit]:
                free = False
                break
        kept[hit] = free
    return kept


def _by_fimo(
    codes: np.ndarray, matrices: list[np.ndarray], p_value: float, both: bool
) -> pd.DataFrame:
    """Return the hits in nucleotides: uint8 (N, L) codes."""
    import pandas as pd
    from memelite import fimo

    fitting = [number for number, matrix in enumerate(matrices) if len(matrix) <= codes.shape[1]]
    if not fitting or not len(codes):
        return pd.DataFrame(columns=list(HIT_COLUMNS))
    one_hot = np.zeros((len(codes), 4, codes.shape[1]), np.int8)
    for letter in range(4):
        one_hot[:, letter] = codes == letter
    named = {str(number): np.ascontiguousarray(matrices[number].T) for number in fitting}
    tables = fimo(named, one_hot, threshold=p_value, eps=_PSEUDOCOUNT, reverse_complement=both)
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=list(HIT_COLUMNS))
    hits = pd.concat(tables, ignore_index=True)
    found = pd.DataFrame(
        {
            "example": hits["sequence_name"].to_numpy(np.int64),
            "element": np.array(fitting)[hits["motif_idx"].to_numpy(np.int64)],
            "start": hits["start"].to_numpy(np.int64),
            "end": hits["end"].to_numpy(np.int64),
            "strand": np.where(hits["strand"] == "+", 1, -1),
            "score": hits["score"].to_numpy(float),
            "p_value": hits["p-value"].to_numpy(float),
        }
    )
    foreign = np.zeros((len(codes), codes.shape[1] + 1), np.int32)
    np.cumsum(codes >= 4, axis=1, out=foreign[:, 1:])
    known = foreign[found["example"], found["end"]] == foreign[found["example"], found["start"]]
    result: pd.DataFrame = found[known]
    return result


def _by_table(
    codes: np.ndarray,
    matrices: list[np.ndarray],
    p_value: float,
    background: np.ndarray | None,
) -> pd.DataFrame:
    """Return the hits in any alphabet on the forward strand: uint8 (N, L) codes."""
    import pandas as pd

    found = []
    for number, matrix in enumerate(matrices):
        width, letters = matrix.shape
        if codes.shape[1] < width:
            continue
        b = np.full(letters, 1 / letters) if background is None else np.asarray(background)
        steps = _steps(matrix, b)
        lowest, tail = _score_tail(steps, b)
        never = np.full((width, 1), lowest - int(steps.max(axis=1).sum()) - 1)
        score = scan(codes, np.hstack([steps, never]))
        reached = np.flatnonzero(tail <= p_value)
        threshold = lowest + (reached[0] if reached.size else tail.size)
        example, start = np.nonzero(score >= threshold)
        hit = score[example, start]
        found.append(
            pd.DataFrame(
                {
                    "example": example,
                    "element": number,
                    "start": start,
                    "end": start + width,
                    "strand": 1,
                    "score": hit / _STEPS_PER_BIT,
                    "p_value": tail[hit - lowest],
                }
            )
        )
    return pd.concat(found) if found else pd.DataFrame(columns=list(HIT_COLUMNS))


def hit_chance(matrix: np.ndarray, p_value: float) -> float:
    """Return the probability that a site drawn from a motif is a hit of it.

    A hit scores at least as high as uniform letters do with probability `p_value`; the scores of both
    are exact, in steps of 0.01 bit.

    Parameters
    ----------
    matrix
        float64 (W, A): letter probabilities of each column.
    p_value
        Of hits, above 0 and at most 1.
    """
    uniform = np.full(matrix.shape[1], 1 / matrix.shape[1])
    steps = _steps(matrix, uniform)
    _, tail = _score_tail(steps, uniform)
    reached = np.flatnonzero(tail <= p_value)
    return float(_score_tail(steps, matrix)[1][reached[0]]) if reached.size else 0.0


def _steps(matrix: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return log-odds scores in steps of 0.01 bit: int64 (W, A)."""
    odds = log_odds(matrix, background, _PSEUDOCOUNT, Zeros.UNNORMALISED)
    return np.rint(_STEPS_PER_BIT * odds).astype(np.int64)


def _score_tail(steps: np.ndarray, letters: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the lowest score and the probability of every score, or more, from it on: float64 (S,)."""
    lowest, chances = score_distribution(steps, letters)
    return lowest, np.cumsum(chances[::-1])[::-1]
