"""Consensus sequences in IUPAC letters as matrices (Cornish-Bowden 1985, doi:10.1093/nar/13.9.3021)."""

from __future__ import annotations

from seqgra.alphabet import Alphabet

_NUCLEOTIDES = {"R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC"} | {
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
_AMINO_ACIDS = {"B": "DN", "Z": "EQ", "J": "IL"}


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
