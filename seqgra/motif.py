"""Motifs: named matrices of letter probabilities, and what follows from one: information, scores, consensus.

A matrix holds p_la, float64 (W, A): the probability of letter a in column l. b, float64 (A,), are the letters
of the background.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqgra.alphabet import Alphabet

Floats = NDArray[np.float64]

#: Share of background letters mixed into every column before logarithms, so that none is infinite.
MIXED = 0.01
#: Probability added to every letter of a motif before models score by it.
ADDED = 0.001
#: Steps of a bit on which scores of random places are counted.
_STEPS = 64
#: Columns below this carry no information worth a letter.
_LEAST_BITS = 0.1
#: Letters whose order is that of their complements, mirrored.
_COMPLEMENTED = ("ACGT", "ACGU")
_NUCLEOTIDES = {"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"} | {
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
_AMINO_ACIDS = {"B": "DN", "Z": "EQ", "J": "IL"}


class Zeros(Enum):
    """How a pseudocount c keeps probabilities p above 0 before logarithms are taken."""

    #: (1 - c) p + c b, with the letters b of the background.
    MIXED = "mixed"
    #: (p + c) / (1 + A c): as much of each of the A letters.
    ADDED = "added"
    #: p + c, whose sum is above 1, as FIMO's scores have it.
    UNNORMALISED = "unnormalised"


@dataclass(frozen=True)
class Motif:
    """A named matrix of letter probabilities.

    >>> motif = Motif("m", ((0.97, 0.01, 0.01, 0.01), (0.25, 0.25, 0.25, 0.25), (0.1, 0.1, 0.7, 0.1)), "ACGT")
    >>> motif.consensus(), motif.reverse_complement().consensus()
    ('A.G', 'C.T')
    >>> motif.information().round(2).tolist()
    [1.76, 0.0, 0.64]
    """

    #: As in its file.
    name: str
    #: One row of letter probabilities a column of the motif: (W, A).
    matrix: tuple[tuple[float, ...], ...]
    #: Of the alphabet, in the order of the rows' numbers.
    letters: str

    @property
    def columns(self) -> Floats:
        """The matrix as an array: float64 (W, A)."""
        return np.array(self.matrix)

    def information(self, background: Floats | None = None) -> Floats:
        """Return the bits of each column, see `information`; against equal letters by default."""
        return information(self.columns, self._background(background))

    def log_odds(
        self,
        background: Floats | None = None,
        pseudocount: float = MIXED,
        zeros: Zeros = Zeros.MIXED,
    ) -> Floats:
        """Return the score of each letter, see `log_odds`; against equal letters by default."""
        return log_odds(self.columns, self._background(background), pseudocount, zeros)

    def scan(self, codes: NDArray[np.uint8], background: Floats | None = None) -> Floats:
        """Return the log-odds score of each start on the forward strand.

        Parameters
        ----------
        codes
            uint8 (N, L): letters of sequences by their number in `letters`; others fit nowhere.
        background
            float64 (A,); equal letters by default.

        Returns
        -------
        ndarray
            float64 (N, L - W + 1); -inf where a site would hold another letter.
        """
        scores = self.log_odds(background)
        return scan(codes, np.hstack([scores, np.full((len(scores), 1), -np.inf)]))

    def score_distribution(self, background: Floats | None = None) -> tuple[Floats, Floats]:
        """Return the scores that random letters reach, in steps of 1/64 bit, and their probabilities.

        Parameters
        ----------
        background
            float64 (A,): the random letters, and the background of the scores; equal letters by default.

        Returns
        -------
        (ndarray, ndarray)
            float64 (S,) each: ascending scores in bits, and probabilities, which sum to 1.
        """
        letters = self._background(background)
        steps = np.rint(self.log_odds(letters) * _STEPS).astype(np.int64)
        lowest, chances = score_distribution(steps, letters)
        return (lowest + np.arange(chances.size)) / _STEPS, chances

    def consensus(self, background: Floats | None = None) -> str:
        """Return the likeliest letter of each column, see `consensus`."""
        return consensus(self.columns, self.letters, self.information(background))

    def reverse_complement(self) -> Motif:
        """Return the motif of the other strand.

        Raises
        ------
        ValueError
            If the letters have no complements.
        """
        if self.letters not in _COMPLEMENTED:
            raise ValueError(f"letters {self.letters} have no complements")
        mirrored = tuple(row[::-1] for row in self.matrix[::-1])
        return Motif(self.name, mirrored, self.letters)

    def to_meme(self, background: Sequence[float] = ()) -> str:
        """Return the motif as the text of a MEME file, see `meme_text`."""
        return meme_text({self.name: self.matrix}, self.letters, background)

    def _background(self, background: Floats | None) -> Floats:
        letters = len(self.letters)
        return np.full(letters, 1 / letters) if background is None else np.asarray(background)


def information(columns: Floats, background: Floats) -> Floats:
    """Return I_l = sum_a p_la log2(p_la / b_a), the information of each column in bits: float64 (W,).

    After Schneider et al. 1986 (doi:10.1016/0022-2836(86)90165-8). Letters of probability 0 add nothing.

    Parameters
    ----------
    columns, background
        float64 (W, A) and (A,): probabilities; those of the background above 0.

    >>> information(np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]]), np.full(4, 0.25)).tolist()
    [2.0, 0.0]
    """
    ratio = np.divide(columns, background, out=np.ones_like(columns), where=columns > 0)
    return np.asarray((columns * np.log2(ratio)).sum(axis=1))


def log_odds(
    columns: Floats, background: Floats, pseudocount: float = MIXED, zeros: Zeros = Zeros.MIXED
) -> Floats:
    """Return the scores log2(p'_la / b_a) in bits: float64 (W, A).

    Parameters
    ----------
    columns, background
        float64 (W, A) and (A,): probabilities p and b.
    pseudocount
        c of `zeros`.
    zeros
        How p' is made of p, so that none is 0.

    >>> log_odds(np.array([[1.0, 0, 0, 0]]), np.full(4, 0.25), 0.25, Zeros.ADDED).round(3).tolist()
    [[1.322, -1.0, -1.0, -1.0]]
    """
    if zeros is Zeros.MIXED:
        columns = mixed(columns, background, pseudocount)
    else:
        columns = columns + pseudocount
        if zeros is Zeros.ADDED:
            columns = columns / (1 + pseudocount * columns.shape[1])
    return np.asarray(np.log2(columns / background))


def mixed(columns: Floats, background: Floats, share: float = MIXED) -> Floats:
    """Return (1 - share) p + share b, which is nowhere 0: float64 (W, A)."""
    return (1 - share) * columns + share * background


def reverse_complement(columns: NDArray[Any]) -> NDArray[Any]:
    """Return a matrix (W, A) of the other strand; letters in an order that complements mirror (ACGT)."""
    return columns[::-1, ::-1]


def scan(codes: NDArray[np.uint8], scores: NDArray[Any]) -> NDArray[Any]:
    """Return the score of each start on the forward strand, of the dtype of `scores`: (N, L - W + 1).

    Parameters
    ----------
    codes
        uint8 (N, L): letter codes.
    scores
        (W, A + 1): of each letter in each column, and last of any code beyond them.
    """
    width, letters = scores.shape[0], scores.shape[1] - 1
    places = max(0, codes.shape[1] - width + 1)
    known = np.minimum(codes, letters)
    total = np.zeros((len(codes), places), scores.dtype)
    for column in range(width):
        total += scores[column][known[:, column : column + places]]
    return total


def score_distribution(steps: NDArray[np.int64], letters: Floats) -> tuple[int, Floats]:
    """Return the lowest score and the probability of every score from it on: float64 (S,).

    Parameters
    ----------
    steps
        int64 (W, A): the score of each letter in each column.
    letters
        float64 (A,), or (W, A): probabilities of the letters, in each column.
    """
    now = np.ones(1)
    for column, chances in zip(steps, np.broadcast_to(letters, steps.shape), strict=True):
        shifts = column - column.min()
        after = np.zeros(now.size + shifts.max())
        for shift, chance in zip(shifts.tolist(), chances.tolist(), strict=True):
            after[shift : shift + now.size] += chance * now
        now = after
    return int(steps.min(axis=1).sum()), now


def consensus(columns: Floats, letters: str, bits: Floats) -> str:
    """Return the likeliest letter of each column.

    It is in lower case where it has less than half, and a dot where the column has under 0.1 bit.

    Parameters
    ----------
    columns
        float64 (W, A): letter probabilities.
    letters
        Of the alphabet.
    bits
        float64 (W,): information of the columns.

    >>> columns = np.array([[0.9, 0.1, 0, 0], [0.4, 0.2, 0.2, 0.2], [0.25, 0.25, 0.25, 0.25]])
    >>> consensus(columns, "ACGT", np.array([1.5, 0.2, 0]))
    'Aa.'
    """
    best = [letters[column.argmax()] for column in columns]
    likely = columns.max(axis=1) >= 0.5
    cased = [c if sure else c.lower() for c, sure in zip(best, likely, strict=True)]
    return "".join("." if few else c for c, few in zip(cased, bits < _LEAST_BITS, strict=True))


def chance_as_good(columns: Floats, background: Floats) -> float:
    """Return the chance that random letters score as high as an average site of the element.

    The score is the log-odds score; that of an average site is its mean over sites. Scores are rounded
    to 1/64 bit for counting.

    Parameters
    ----------
    columns, background
        float64 (W, A) and (A,): probabilities.
    """
    steps = np.rint(log_odds(columns, background) * _STEPS).astype(np.int64)
    average = float((columns * steps).sum())
    lowest, chances = score_distribution(steps, background)
    # The average is no whole number of steps: what is within half a step of it counts as as good.
    return float(chances[max(math.ceil(average - 0.5) - lowest, 0) :].sum())


def consensus_matrix(consensus: str, alphabet: Alphabet) -> tuple[tuple[float, ...], ...]:
    """Return one row of letter probabilities a position: uniform over what its letter stands for.

    Parameters
    ----------
    consensus
        IUPAC letters of the alphabet, in either case.
    alphabet
        The alphabet; the rows follow the order of its letters.

    Raises
    ------
    ValueError
        If the consensus is empty or a letter stands for nothing in the alphabet.

    Examples
    --------
    >>> from seqgra.alphabet import DNA
    >>> consensus_matrix("CR", DNA)
    ((0.0, 1.0, 0.0, 0.0), (0.5, 0.0, 0.5, 0.0))
    """
    codes = _codes(alphabet)
    if not consensus:
        raise ValueError("consensus is empty; give at least one letter")
    rows = []
    for letter in consensus:
        if letter.upper() not in codes:
            raise ValueError(
                f"{letter!r} stands for no {alphabet.name} letter; allowed: {' '.join(codes)}"
            )
        chosen = codes[letter.upper()]
        rows.append(tuple(float(own in chosen) / len(chosen) for own in alphabet.letters))
    return tuple(rows)


def _codes(alphabet: Alphabet) -> dict[str, str]:
    """Return the letters that each IUPAC letter of the alphabet stands for."""
    own = {letter: letter for letter in alphabet.letters}
    if len(alphabet.letters) == 4:
        fourth = alphabet.letters[-1]
        return own | {code: mean.replace("T", fourth) for code, mean in _NUCLEOTIDES.items()}
    return own | _AMINO_ACIDS | {alphabet.unknown: alphabet.letters}


def least_overlap(one: int, two: int) -> int:
    """Return the least number of columns in which elements of these widths are aligned.

    Half of the narrower one's, but at least 4 or, if it is narrower still, all of it.

    >>> [least_overlap(8, 20), least_overlap(20, 20), least_overlap(5, 9), least_overlap(3, 9)]
    [4, 10, 4, 3]
    """
    narrow = min(one, two)
    return max((narrow + 1) // 2, min(narrow, 4))


def divergences(
    elements: Sequence[np.ndarray], background: np.ndarray, both_strands: bool
) -> np.ndarray:
    """Return the divergence of each pair of elements, in bits: float64 (E, E).

    Two aligned elements span a window; where an element does not reach, it has background letters. With
    p', q' the letter probabilities of the window's columns, background mixed in (`MIXED`), the divergence
    is the symmetric Kullback-Leibler divergence

        J = 1/2 sum_l sum_a [p'_la log2(p'_la / q'_la) + q'_la log2(q'_la / p'_la)],

    the least over all alignments with `least_overlap` columns in common, and with `both_strands` over
    the reverse complement of either. It is symmetric, and 0 for an element and itself.

    Parameters
    ----------
    elements
        float64 (W, A) each.
    background
        float64 (A,).
    both_strands
        Letters in an order in which complements are mirrored (DNA).
    """
    forward = [mixed(columns, background) for columns in elements]
    found = _least(forward, forward, background)
    if both_strands:
        reverse = [mixed(reverse_complement(columns), background) for columns in elements]
        found = np.minimum(found, _least(forward, reverse, background))
    return np.asarray(np.minimum(found, found.T))


def _least(
    ones: Sequence[np.ndarray], twos: Sequence[np.ndarray], background: np.ndarray
) -> np.ndarray:
    """Return the least J over the offsets of every pair, one strand: float64 (E, E)."""
    widths = np.array([len(columns) for columns in ones])
    widest, count = int(widths.max()), len(ones)
    p, q = (_padded(side, widest, background) for side in (ones, twos))
    pairs = _between(p.reshape(-1, background.size), q.reshape(-1, background.size))
    pairs = pairs.reshape(count, widest, count, widest)
    alone_p = _between(p.reshape(-1, background.size), background[None]).reshape(count, widest)
    alone_q = _between(q.reshape(-1, background.size), background[None]).reshape(count, widest)
    needed = np.array([[least_overlap(one, two) for two in widths] for one in widths])
    least = np.full((count, count), np.inf)
    for offset in range(1 - widest, widest):  # column k of the second lies below k + offset
        first, end = max(0, offset), min(widest, widest + offset)
        at = np.arange(first, end)
        total = pairs[:, at, :, at - offset].sum(axis=0)
        total = (
            total + alone_p[:, :first].sum(axis=1)[:, None] + alone_p[:, end:].sum(axis=1)[:, None]
        )
        total = (
            total
            + alone_q[:, : first - offset].sum(axis=1)
            + alone_q[:, end - offset :].sum(axis=1)
        )
        common = np.minimum(widths[:, None], widths + offset) - first
        least = np.where(common >= needed, np.minimum(least, total), least)
    result: np.ndarray = np.maximum(least, 0)
    return result


def _padded(elements: Sequence[np.ndarray], widest: int, background: np.ndarray) -> np.ndarray:
    """Return the elements followed by background columns: float64 (E, widest, A)."""
    padded = np.tile(background, (len(elements), widest, 1))
    for row, columns in zip(padded, elements, strict=True):
        row[: len(columns)] = columns
    return padded


def _between(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return J of each column of one set (M, A) and each of another (K, A): float64 (M, K)."""
    log_p, log_q = np.log2(p), np.log2(q)
    own_p, own_q = (p * log_p).sum(axis=1), (q * log_q).sum(axis=1)
    return np.asarray((own_p[:, None] + own_q - p @ log_q.T - log_p @ q.T) / 2)


def meme_text(
    matrices: Mapping[str, Any],
    letters: str,
    background: Sequence[float] = (),
    sites: Sequence[int] = (),
) -> str:
    """Return matrices as the text of a MEME file, minimal format.

    Parameters
    ----------
    matrices
        Probabilities (W, A), rows positions, by name.
    letters
        Of the alphabet.
    background
        Frequencies of the letters.
    sites
        How many sites each matrix comes from.
    """
    lines = ["MEME version 4", "", f"ALPHABET= {letters}", ""]
    if background:
        shares = (f"{a} {share:.6f}" for a, share in zip(letters, background, strict=True))
        lines += ["Background letter frequencies", " ".join(shares), ""]
    for number, (name, matrix) in enumerate(matrices.items()):
        facts = f"alength= {len(letters)} w= {len(matrix)}"
        facts += f" nsites= {sites[number]}" if sites else ""
        lines += [f"MOTIF {name}", f"letter-probability matrix: {facts}"]
        lines += [" ".join(f"{value:.6f}" for value in row) for row in matrix]
        lines.append("")
    return "\n".join(lines)
