"""Pools: stretches of real sequence as background, split over the sets so that no region serves two."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS, Alphabet
from seqgra.errors import bad_input
from seqgra.fingerprint import file_sha256
from seqgra.grammar.backgrounds import Pool
from seqgra.grammar.fasta import read_codes

_SHARES = {"training": 0.7, "validation": 0.1, "test": 0.2}


class Stretches(NamedTuple):
    """Letters of a FASTA file and where windows may start."""

    #: uint8 (M,): letter codes of all records, one after another.
    codes: np.ndarray
    #: int64 (R,) for each set: first place of each run of known letters that holds a window, and how many
    #: windows start in it.
    first: dict[str, np.ndarray]
    starts: dict[str, np.ndarray]


def read_pool(pool: Pool, alphabet: Alphabet, window: int) -> Stretches:
    """Read a resolved pool and split it over the sets, for windows of `window` letters.

    Whole records or chromosomes go, the longest first, to the set that lacks most of its 70, 10 or 20 %.

    Raises
    ------
    InputError
        If the file has changed, or a set gets no window.
    """
    path = Path(pool.file)
    if file_sha256(path) != pool.sha256:
        raise bad_input(path, "", "has changed since the grammar was read; run again")
    names, codes = zip(*read_codes(path, alphabet), strict=True)
    ends = np.cumsum([len(part) for part in codes])
    units: dict[str, list[tuple[int, int]]] = {}
    cut: dict[str, list[tuple[int, int]]] = {name: [] for name in SETS}
    for name, part, end in zip(names, codes, ends.tolist(), strict=True):
        first = end - len(part)
        if pool.split == "stretch":
            edges = (first, first + len(part) * 7 // 10, first + len(part) * 8 // 10, end)
            for n, set_name in enumerate(SETS):
                cut[set_name].append((edges[n], edges[n + 1]))
        else:
            unit = name if pool.split == "record" else _chromosome(path, name)
            units.setdefault(unit, []).append((first, end))
    letters = np.concatenate(codes)
    known = letters < len(alphabet.letters)
    if units:
        cut = _share_out(units, known, window)
    first, starts = {}, {}
    for name, regions in cut.items():
        first[name], starts[name] = _runs(known, regions, window)
        if starts[name].sum() == 0:
            message = f"no stretch of {window} letters of {alphabet.letters} without a gap; "
            message += "give a longer file, a shorter window, or split: stretch"
            raise bad_input(path, name, message)
    return Stretches(letters, first, starts)


def _chromosome(path: Path, name: str) -> str:
    """Return the chromosome in a record's name: chr1 of `chr1:100-200 a peak`."""
    words = name.split(":")[0].split()
    if not words:
        message = "names no chromosome; split: chromosome needs one"
        raise bad_input(path, f"record {name!r}", message)
    return words[0]


def _share_out(
    units: dict[str, list[tuple[int, int]]], known: np.ndarray, window: int
) -> dict[str, list[tuple[int, int]]]:
    weight = {name: int(_runs(known, part, window)[1].sum()) for name, part in units.items()}
    lacks = {name: share * sum(weight.values()) for name, share in _SHARES.items()}
    shared: dict[str, list[tuple[int, int]]] = {name: [] for name in SETS}
    for unit in sorted(units, key=lambda name: (-weight[name], name)):
        set_name = max(SETS, key=lambda name: lacks[name])
        shared[set_name] += units[unit]
        lacks[set_name] -= weight[unit]
    return shared


def _runs(
    known: np.ndarray, regions: list[tuple[int, int]], window: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return first place and number of window starts of each run of known letters: int64 (R,) both."""
    first, starts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for low, high in regions:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], known[low:high], [False]])))
        begins, lengths = edges[::2] + low, edges[1::2] - edges[::2]
        long_enough = lengths >= window
        first.append(begins[long_enough])
        starts.append(lengths[long_enough] - window + 1)
    return np.concatenate(first), np.concatenate(starts)
