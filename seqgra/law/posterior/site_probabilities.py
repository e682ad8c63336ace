"""Sites: the letters that a placed element shows, and their probability at every place of a sequence.

A *site* is an element on one strand, or the columns that two elements share. A *part* is a site of which
some columns show (elsewhere another element's letters stand); its probability is that of the letters that
show. Sites of k-mers and of affinity bands are no products of columns: hidden columns are summed out.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from seqgra.alphabet import ALPHABETS
from seqgra.grammar.schema import Grammar
from seqgra.law.affinity import compile_band, log_mass
from seqgra.law.jit import kept

COLUMNS, KMERS, BAND = range(3)


class Sites(NamedTuple):
    """S sites, W the widest, and M parts of them."""

    #: Size A of the alphabet.
    letters: int
    #: int32 (S,): columns; `COLUMNS`, `KMERS` or `BAND`.
    width: np.ndarray
    kind: np.ndarray
    #: float64 (S, W, A): log probability of each letter (0 in k-mer sites).
    logs: np.ndarray
    #: uint8 (K, W), float64 (K,), int32 (S, 2): codes and log weights; the rows of each site.
    kmers: np.ndarray
    kmer_logs: np.ndarray
    kmer_range: np.ndarray
    #: int64 (S, W, A), int64 (S,), int64 (S,), float64 (S,): score of each letter; a site of a band has a
    #: score from `low` to `high`, and this log probability under its matrix.
    scores: np.ndarray
    low: np.ndarray
    high: np.ndarray
    log_mass: np.ndarray
    #: int32 (M,): site of each part.
    part_site: np.ndarray
    #: bool (M, W): columns that show.
    shown: np.ndarray
    #: bool (M,): all of them do.
    whole: np.ndarray


class _Site(NamedTuple):
    logs: np.ndarray
    kmers: np.ndarray
    kmer_logs: np.ndarray
    scores: np.ndarray | None
    band: tuple[int, int, float]


class SiteTable:
    """Collects sites and parts by what they are, so that equal ones are computed once."""

    def __init__(self, grammar: Grammar) -> None:
        self.alphabet = ALPHABETS[grammar.alphabet]
        self.background = grammar.letter_distribution()
        self._elements = list(grammar.elements.values())
        self._names = {name: number for number, name in enumerate(grammar.elements)}
        self._sites: list[_Site] = []
        self._numbers: dict[object, int] = {}
        self._parts: dict[tuple[int, tuple[bool, ...]], int] = {}

    def part(self, element: str, strand: int, shown: tuple[bool, ...] | None = None) -> int:
        """Return the number of the part of an element on a strand; all columns show by default."""
        key = (self._names[element], strand)
        if key not in self._numbers:
            self._numbers[key] = self._add(self._element(*key))
        site = self._numbers[key]
        columns = shown or (True,) * len(self._sites[site].logs)
        return self._parts.setdefault((site, columns), len(self._parts))

    def shared(self, columns: np.ndarray) -> int:
        """Return the number of the part that is a product of letter laws: float64 (W, A)."""
        key = ("shared", columns.shape, columns.tobytes())
        if key not in self._numbers:
            letters = np.zeros((0, len(columns)), np.uint8)
            site = _Site(_log(columns), letters, np.zeros(0), None, (0, 0, 0.0))
            self._numbers[key] = self._add(site)
        shown = (True,) * len(columns)
        return self._parts.setdefault((self._numbers[key], shown), len(self._parts))

    def columns(self, element: str, strand: int) -> np.ndarray:
        """Return the letter law of each column on a strand: float64 (W, A)."""
        columns = self._elements[self._names[element]].letter_probabilities(self.alphabet.letters)
        return columns if strand > 0 else columns[::-1, ::-1]

    def width(self, element: str) -> int:
        """Return the columns of an element."""
        return self._elements[self._names[element]].width

    def _add(self, site: _Site) -> int:
        self._sites.append(site)
        return len(self._sites) - 1

    def _element(self, number: int, strand: int) -> _Site:
        element, turn = self._elements[number], slice(None, None, strand)
        if element.kmers:
            codes = np.stack([self.alphabet.encode(kmer) for kmer in element.kmers])
            if strand < 0:
                codes = 3 - codes[:, ::-1]
            weights = _log(np.array(list(element.kmers.values())))
            blank = np.zeros((codes.shape[1], len(self.alphabet.letters)))
            return _Site(blank, codes, weights, None, (0, 0, 0.0))
        matrix = np.array(element.matrix)
        none = np.zeros((0, len(matrix)), np.uint8)
        logs = _log(matrix / matrix.sum(axis=1, keepdims=True))[turn, turn]
        if element.affinity is None:
            return _Site(logs, none, np.zeros(0), None, (0, 0, 0.0))
        affinity = element.affinity
        band = compile_band(matrix, self.background, affinity.min, affinity.max)
        bounds = (band.low, band.high, log_mass(band))
        return _Site(logs, none, np.zeros(0), band.scores[turn, turn], bounds)

    def tables(self) -> Sites:
        """Return everything collected."""
        count, letters = len(self._sites), len(self.alphabet.letters)
        width = np.array([len(site.logs) for site in self._sites], np.int32)
        widest = int(width.max(initial=1))
        logs = np.zeros((count, widest, letters))
        scores = np.zeros((count, widest, letters), np.int64)
        kmers, kmer_logs, ranges = [np.zeros((0, widest), np.uint8)], [np.zeros(0)], []
        kind = np.full(count, COLUMNS, np.int32)
        first = 0
        for number, site in enumerate(self._sites):
            logs[number, : width[number]] = site.logs
            if site.scores is not None:
                scores[number, : width[number]], kind[number] = site.scores, BAND
            if len(site.kmers):
                kind[number] = KMERS
            kmers.append(np.pad(site.kmers, ((0, 0), (0, widest - width[number]))))
            kmer_logs.append(site.kmer_logs)
            ranges.append((first, first + len(site.kmers)))
            first += len(site.kmers)
        shown = np.zeros((len(self._parts), widest), bool)
        for (_, columns), number in self._parts.items():
            shown[number, : len(columns)] = columns
        bands = [site.band for site in self._sites]
        return Sites(
            letters,
            width,
            kind,
            logs,
            np.concatenate(kmers),
            np.concatenate(kmer_logs),
            np.array(ranges, np.int32).reshape(-1, 2),
            scores,
            np.array([band[0] for band in bands], np.int64),
            np.array([band[1] for band in bands], np.int64),
            np.array([band[2] for band in bands]),
            np.array([site for site, _ in self._parts], np.int32),
            shown,
            np.array([all(columns) for _, columns in self._parts], bool),
        )


def _log(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        result: np.ndarray = np.log(values)
        return result


@kept(nogil=True)
def site_log(sites: Sites, site: int, shown: np.ndarray, letters: np.ndarray) -> float:
    """Return the log probability of the letters that show of a site.

    Parameters
    ----------
    sites, site
        The tables and the site's number.
    shown
        bool (at least W,): columns that show.
    letters
        uint8 (at least W,): codes; unknown letters count as not shown.
    """
    if sites.kind[site] == KMERS:
        return float(_kmers_log(sites, site, shown, letters))
    total, score, hidden = 0.0, 0, 0
    for w in range(sites.width[site]):
        if shown[w] and letters[w] < sites.letters:
            total += sites.logs[site, w, letters[w]]
            score += sites.scores[site, w, letters[w]]
        else:
            hidden += 1
    if sites.kind[site] == COLUMNS or total == -np.inf:
        return total
    if hidden == 0:
        if sites.low[site] <= score <= sites.high[site]:
            return float(total - sites.log_mass[site])
        return -np.inf
    return float(
        total - sites.log_mass[site] + _hidden_log(sites, site, shown, letters, score, hidden)
    )


@numba.njit
def _kmers_log(sites: Sites, site: int, shown: np.ndarray, letters: np.ndarray) -> float:
    total = 0.0
    first, end = sites.kmer_range[site]
    for k in range(first, end):
        fits = True
        for w in range(sites.width[site]):
            if shown[w] and letters[w] < sites.letters and letters[w] != sites.kmers[k, w]:
                fits = False
                break
        if fits:
            total += np.exp(sites.kmer_logs[k])
    return np.log(total) if total > 0 else -np.inf


@numba.njit
def _hidden_log(
    sites: Sites, site: int, shown: np.ndarray, letters: np.ndarray, score: int, hidden: int
) -> float:
    """Return the log chance that hidden columns bring a score into the band: all letters tried."""
    columns, now = np.empty(hidden, np.int64), np.zeros(hidden, np.int64)
    count = 0
    for w in range(sites.width[site]):
        if not (shown[w] and letters[w] < sites.letters):
            columns[count] = w
            count += 1
    inside = 0.0
    while True:
        log, reached = 0.0, score
        for n in range(hidden):
            log += sites.logs[site, columns[n], now[n]]
            if log == -np.inf:
                break
            reached += sites.scores[site, columns[n], now[n]]
        if log > -np.inf and sites.low[site] <= reached <= sites.high[site]:
            inside += np.exp(log)
        n = 0
        while n < hidden and now[n] == sites.letters - 1:
            now[n] = 0
            n += 1
        if n == hidden:
            return np.log(inside) if inside > 0 else -np.inf
        now[n] += 1


@kept(nogil=True)
def part_logs(sites: Sites, x: np.ndarray, out: np.ndarray) -> None:
    """Write the log probability of every part at every place.

    Parameters
    ----------
    sites
        The tables.
    x
        uint8 (N, L): letter codes without padding.
    out
        float64 (N, M, L): gets the logs; -inf where a part does not fit.
    """
    length = x.shape[1]
    for n in range(x.shape[0]):
        for m in range(sites.part_site.size):
            site = sites.part_site[m]
            width = sites.width[site]
            out[n, m, max(length - width + 1, 0) :] = -np.inf
            if sites.kind[site] == COLUMNS:
                _columns_logs(sites, m, x[n], out[n, m])
                continue
            for i in range(length - width + 1):
                out[n, m, i] = site_log(sites, site, sites.shown[m], x[n, i : i + width])


@numba.njit
def _columns_logs(sites: Sites, m: int, row: np.ndarray, out: np.ndarray) -> None:
    site = sites.part_site[m]
    starts = row.size - sites.width[site] + 1
    if starts <= 0:
        return
    out[:starts] = 0
    for w in range(sites.width[site]):
        if sites.shown[m, w]:
            for i in range(starts):
                letter = row[i + w]
                if letter < sites.letters:
                    out[i] += sites.logs[site, w, letter]
