"""Negatives: windows of the genome with the positives' GC content, or shuffles of the positives."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from seqgra.alphabet import SETS, UNKNOWN
from seqgra.ingest.examples import IngestedExamples, gc_shares, make_rows
from seqgra.ingest.genome import Genome
from seqgra.ingest.regions import Intervals
from seqgra.law.shuffle import shuffle_rows
from seqgra.streams import stream, stream_state

#: Width of the classes of GC content within which negatives match.
GC_BIN = 0.02
#: Candidates of each round, for each window that is still wanted.
_ROUNDS = (10, 40, 160, 640)
_LETTERS = 1 << 25
_SHUFFLE_K = 2


class Limits(NamedTuple):
    """What a window may hold at most: shares of unknown letters and of letters in lower case."""

    unknown: float
    masked: float


class _Wanted:
    """How many windows of each set and class of GC content are still wanted."""

    def __init__(self, gc: np.ndarray, sets: np.ndarray, ratio: float) -> None:
        count = np.zeros((len(SETS), round(1 / GC_BIN) + 1), np.int64)
        np.add.at(count, (sets, gc_class(gc)), 1)
        self.count = _scaled(count, ratio)

    @property
    def left(self) -> int:
        """All that is still wanted."""
        return int(self.count.sum())

    def of(self, own: int | None, gc: int) -> int:
        """Return the set that wants a window of this class, of any set where `own` is None; or -1."""
        column = self.count[:, gc]
        chosen = int(np.argmax(column)) if own is None else own
        return chosen if column[chosen] else -1


def gc_class(gc: np.ndarray) -> np.ndarray:
    """Return the class of each GC content: int64."""
    return np.rint(np.asarray(gc) / GC_BIN).astype(np.int64)


def _scaled(count: np.ndarray, ratio: float) -> np.ndarray:
    """Return counts times `ratio`, whole, each row's sum rounded: the largest rests are rounded up."""
    scaled = count * ratio
    whole = np.floor(scaled + 1e-9).astype(np.int64)
    for row, exact in zip(whole, scaled, strict=True):
        missing = round(exact.sum()) - int(row.sum())
        row[np.argsort(-(exact - row), kind="stable")[:missing]] += 1
    return whole


def gc_matched(
    positives: IngestedExamples,
    genome: Genome,
    taken: Intervals,
    set_of: Mapping[str, int] | None,
    *,
    ratio: float,
    limits: Limits,
    seed: int,
) -> tuple[IngestedExamples, int]:
    """Draw windows with the positives' GC content from the chromosomes that hold positives.

    Starts are uniform over these chromosomes. A window is kept if it overlaps nothing that is taken and no
    other negative, keeps to the limits, and its class of GC content (`GC_BIN` wide) is still wanted.

    Parameters
    ----------
    positives
        Their letters, chromosomes and sets.
    taken
        Where no negative may lie.
    set_of
        The set of each chromosome; None: a window serves the set that wants most of its class.
    ratio
        Negatives for each positive.

    Returns
    -------
    tuple
        The negatives, whose labels are zero, and how many were wanted: the genome may not hold them all.
    """
    width = positives.x.shape[1]
    sets = positives.rows["set"].to_numpy(np.int64)
    wanted = _Wanted(gc_shares(positives.x), sets, ratio)
    total = wanted.left
    known = set(positives.rows["chrom"])
    chroms = [name for name in genome.lengths if name in known]
    edges = np.cumsum([0] + [genome.lengths[name] - width + 1 for name in chroms])
    kept: dict[str, dict[int, tuple[int, np.ndarray]]] = {name: {} for name in chroms}
    for number, factor in enumerate(_ROUNDS):
        raw = stream(seed, "ingest negatives", "", number).random_raw(factor * wanted.left)
        places = (raw % np.uint64(edges[-1])).astype(np.int64)
        for n, name in enumerate(chroms):
            starts = places[(places >= edges[n]) & (places < edges[n + 1])] - edges[n]
            starts = starts[~taken.overlap(name, starts, starts + width)]
            own = None if set_of is None else set_of[name]
            _accept(starts, genome.letters(name), width, limits, wanted, own, kept[name])
        if not wanted.left:
            break
    found = [(name, start, *kept[name][start]) for name in chroms for start in sorted(kept[name])]
    rows = make_rows(len(found))
    rows["chrom"] = [name for name, *_ in found]
    rows["start"] = np.array([start for _, start, *_ in found], np.int64)
    rows["end"] = rows["start"] + width
    rows["set"] = np.array([number for *_, number, _ in found], np.int8)
    x = np.array([letters for *_, letters in found], np.uint8).reshape(len(found), width)
    return IngestedExamples(x, np.zeros((len(found), positives.y.shape[1]), np.uint8), rows), total


def _accept(
    starts: np.ndarray,
    chromosome: tuple[np.ndarray, np.ndarray],
    width: int,
    limits: Limits,
    wanted: _Wanted,
    own: int | None,
    kept: dict[int, tuple[int, np.ndarray]],
) -> None:
    """Keep windows of a chromosome, in the order in which they were drawn: set and letters by start."""
    codes, soft = chromosome
    order = sorted(kept)
    for first in range(0, len(starts), max(1, _LETTERS // width)):
        part = starts[first : first + max(1, _LETTERS // width)]
        windows = sliding_window_view(codes, width)[part]
        good = (windows == UNKNOWN).mean(axis=1) <= limits.unknown
        if limits.masked < 1:
            good &= sliding_window_view(soft, width)[part].mean(axis=1) <= limits.masked
        classes = gc_class(gc_shares(windows))
        for n in np.flatnonzero(good).tolist():
            start, chosen = int(part[n]), wanted.of(own, int(classes[n]))
            place = bisect_left(order, start)
            near = [*order[max(0, place - 1) : place], *order[place : place + 1]]
            if chosen < 0 or any(abs(other - start) < width for other in near):
                continue
            wanted.count[chosen, classes[n]] -= 1
            order.insert(place, start)
            kept[start] = (chosen, windows[n].copy())


def gc_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two cumulative distributions of GC content (0: alike)."""
    if not len(a) or not len(b):
        return 0.0
    places = np.union1d(a, b)
    below = [np.searchsorted(np.sort(part), places, "right") / len(part) for part in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def shuffled(
    positives: IngestedExamples, ratio: float, letters: int, seed: int
) -> IngestedExamples:
    """Return shuffles of the positives that keep the counts of neighbouring letters.

    Each set's positives are shuffled in turn, `ratio` times as many as there are; a shuffle belongs
    to the set of its source. Labels are zero. Some must equal their source.
    """
    sources = []
    for number in range(len(SETS)):
        own = np.flatnonzero(positives.rows["set"].to_numpy() == number)
        count = round(ratio * len(own))
        sources.append(np.resize(own, count) if len(own) else own)
    source = np.concatenate(sources).astype(np.int64)
    x = np.ascontiguousarray(positives.x[source])
    state = stream_state(seed, "ingest shuffle", "", 0)
    shuffle_rows(x, np.arange(len(x)), letters, _SHUFFLE_K, state)
    rows = make_rows(len(x))
    rows["set"] = positives.rows["set"].to_numpy()[source]
    y = np.zeros((len(x), positives.y.shape[1]), np.uint8)
    return IngestedExamples(x, y, rows)
