"""Single motifs: in which share of a group's sequences, how strong, how many, where, on which strand.

Everything is compared with sequences drawn from the group's fitted background, with k = 0, 1, 2 ...
sites of the motif in each, so that chance hits, missed weak sites and edges are part of both sides.

Copies. Let o(h) be the share of the group's sequences with h hits and D_k(h) that of sequences drawn
with k sites. The shares w_k of sequences with k sites maximise sum_h o(h) log sum_k w_k D_k(h) (EM,
doi:10.1111/j.2517-6161.1977.tb01600.x). The law of copies is w_k / (1 - w_0), k > 0.

Share and strength. Let b be the best score of a sequence, B_0 its histogram in drawn sequences without a
site, and B_u with one site whose score lies in tenth u of the motif's own scores. A band of tenths gives
B_band, the mean of its B_u (k sites: distribution function F_1^k / F_0^(k-1)). The share rho and the
band maximise the likelihood of (1 - rho) B_0 + rho B_band. The whole range is kept unless a band gains
more than `_BAND_GAIN` nats. A motif that gains less than `_GAIN` nats over chance, or whose hits are not in
more sequences than by chance (`_SIGMAS` standard errors), has no share. The standard error of rho is one
over the root of the Fisher information sum_b n (B_band - B_0)^2 / ((1 - rho) B_0 + rho B_band), given
the band.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import lengths_of
from seqgra.backends.features import best_on_strand
from seqgra.backends.strands import Strand
from seqgra.errors import InputError
from seqgra.fit.draws import Setting, matrix_of, probe
from seqgra.fit.laws import excess_law, spread
from seqgra.law.law import SampledExamples
from seqgra.law.scan import best_hits, find_hits
from seqgra.motif import ADDED, Zeros, log_odds

#: Sequences drawn of each number of sites.
DRAWS = 16_384
#: Tenths of the motif's own scores.
TENTHS = 10
#: Nats that a motif must gain over chance, and that a band must gain over the whole range.
_GAIN, _BAND_GAIN = 8.0, 6.0
#: Standard errors by which the share of sequences with hits must exceed chance.
_SIGMAS = 4.0
_LEAST_SHARE = 0.01
MOST_COPIES, _MANY = 4, 0.03
_BINS, _ROUNDS = 40, 300
_ONE_STRAND, _TOLD = 0.95, 20


class Observed(NamedTuple):
    """What is seen of a motif in sequences."""

    #: float32 (N,): best score.
    best: np.ndarray
    #: DataFrame of `find_hits`: hits of this motif that do not overlap; `example` counts from 0, and `window`
    #: is the length of the example.
    hits: pd.DataFrame

    @property
    def counts(self) -> np.ndarray:
        """Hits in each sequence: int64 (N,)."""
        return np.bincount(self.hits["example"], minlength=self.best.size)

    def part(self, rows: np.ndarray) -> Observed:
        """Return what is seen in some sequences (int64 (M,), ascending)."""
        hits = self.hits[np.isin(self.hits["example"], rows)].copy()
        hits["example"] = np.searchsorted(rows, hits["example"])
        return Observed(self.best[rows], hits.reset_index(drop=True))


class Single(NamedTuple):
    """Estimates of a motif in a group."""

    #: Name and number.
    motif: str
    group: int
    #: Sequences of the group.
    examples: int
    #: Share of them with a hit; that of drawn background sequences.
    with_hits: float
    by_chance: float
    #: rho and its standard error; 0 where the motif is not above chance.
    share: float
    error: float
    #: Nats of log-likelihood over chance alone.
    gain: float
    #: Band of the sites' scores, as quantiles of the motif's own.
    low: float = 0.0
    high: float = 1.0
    #: Law of the number of sites in sequences that have some.
    copies: Mapping[int, float] = {1: 1.0}
    #: ``+``, ``-`` or ``random``.
    strand: str = "random"
    #: Law of the start, 1-based; None: anywhere.
    position: Any = None
    #: For figures: arrays by name.
    seen: Mapping[str, np.ndarray] = {}


def observe(setting: Setting, x: np.ndarray) -> dict[str, Observed]:
    """Return what is seen of each motif in sequences: uint8 (N, L)."""
    hits = best_hits(
        find_hits(
            x,
            setting.motifs,
            setting.alphabet,
            p_value=setting.p_value,
            both_strands=setting.both_strands,
        )
    )
    hits["window"] = lengths_of(x)[hits["example"]]
    found = {}
    for number, (name, matrix) in enumerate(setting.motifs.items()):
        own = hits[hits["element"] == number].reset_index(drop=True)
        strand: Strand = "random" if setting.both_strands else "+"
        found[name] = Observed(best_on_strand(x, scores_of(matrix), strand), own)
    return found


def scores_of(matrix: np.ndarray) -> np.ndarray:
    """Return log2 odds against equal letters: float32 (W, A)."""
    letters = matrix.shape[1]
    return log_odds(matrix, np.full(letters, 1 / letters), ADDED, Zeros.ADDED).astype(np.float32)


def only(setting: Setting, name: str) -> Setting:
    """Return the setting with one motif."""
    return setting._replace(motifs={name: setting.motifs[name]})


def estimate(
    setting: Setting,
    background: Mapping[str, Any],
    name: str,
    group: int,
    seen: Observed,
    chance: Observed,
) -> Single:
    """Return the estimates of a motif.

    Parameters
    ----------
    setting
        What stays the same.
    background
        The group's, as a grammar file has it.
    name, group
        The motif and the group's number.
    seen, chance
        The motif in the group's sequences, and in sequences drawn from the background.
    """
    one = only(setting, name)
    first = Single(
        name,
        group,
        seen.best.size,
        float((seen.counts > 0).mean()),
        float((chance.counts > 0).mean()),
        0.0,
        0.0,
        0.0,
        strand=_strand(setting, seen, chance),
    )
    most = _most_copies(seen.counts, len(setting.motifs[name]), setting.length)
    tally = _Tally(seen, _Response(one, background, name, first.strand, {}, most))
    sites = tally  # what is drawn with sites of the band
    weights = mixture(tally.hits(seen.counts), tally.counts)
    low, high, share, error, gain = tally.band(weights)
    unclear = _above_chance(first, chance.best.size) < _SIGMAS
    if unclear or gain < _GAIN or share < _LEAST_SHARE:
        return first._replace(gain=gain, seen=tally.picture(0.0))
    if (low, high) != (0.0, 1.0):
        limits = {"affinity": {"min": low, "max": high}}
        sites = _Tally(seen, _Response(one, background, name, first.strand, limits, most))
        weights = mixture(sites.hits(seen.counts), sites.counts)
        _, _, share, error, gain = tally.band(weights, (low, high))
    starts, width = seen.hits["start"].to_numpy(), len(setting.motifs[name])
    rooms, by_chance = (_rooms(part, width, setting.length) for part in (seen, chance))
    by_chance *= seen.best.size / chance.best.size
    observed = sites.hits(seen.counts) / seen.counts.size
    return first._replace(
        share=share,
        error=error,
        gain=gain,
        low=low,
        high=high,
        copies=_copies(weights),
        position=excess_law(starts, rooms, by_chance, setting.shortest - width + 1),
        seen=tally.picture(share, (low, high), weights)
        | {"hits": observed, "hits_chance": sites.counts[0], "hits_fitted": weights @ sites.counts}
        | {"starts": starts, "starts_chance": spread(by_chance, np.ones(by_chance.size))},
    )


def _rooms(seen: Observed, width: int, length: int) -> np.ndarray:
    """Return how many hits lie in windows with 1, 2, ... starts: float64 (P,)."""
    starts = seen.hits["window"].to_numpy() - width
    return np.bincount(starts, minlength=length - width + 1).astype(float)


def _above_chance(single: Single, drawn: int) -> float:
    """Return by how many standard errors more sequences have hits than do by chance."""
    p, q = single.with_hits, single.by_chance
    variance = p * (1 - p) / single.examples + q * (1 - q) / drawn
    result: float = (p - q) / max(variance, 1e-12) ** 0.5
    return result


def mixture(observed: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Return the weights (K,) of components (K, H) that maximise the likelihood of counts (H,)."""
    weights = np.full(len(components), 1 / len(components))
    for _ in range(_ROUNDS):
        each = weights[:, None] * components
        weights = (observed * each / each.sum(axis=0)).sum(axis=1) / observed.sum()
    return weights


class _Response:
    """Sequences drawn with 0, 1, ... sites: what is seen in each, and the first site's quantile."""

    def __init__(
        self,
        one: Setting,
        background: Mapping[str, Any],
        name: str,
        strand: str,
        limits: Mapping[str, Any],
        most: int,
    ) -> None:
        elements = {"site": {**matrix_of(one, name), **limits}}
        rules = [
            [{"elements": ["site"], "strand": strand, "copies": k}] if k else []
            for k in range(most + 1)
        ]
        try:
            drawn, rows = probe(one, background, elements, rules, DRAWS)
        except InputError:  # so many copies find no room
            drawn, rows = probe(one, background, elements, rules[:2], DRAWS)
        everything = observe(one, drawn.x)[name]
        self.by_sites = [everything.part(part) for part in rows]
        self.quantile = _quantiles(drawn, rows[1], scores_of(one.motifs[name]))


def _quantiles(drawn: SampledExamples, rows: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the rank of each sequence's site among all by score, in [0, 1): float64 (N,)."""
    start, strand = drawn.placed.start[rows, 0], drawn.placed.strand[rows, 0]
    width = len(scores)
    sites = drawn.x[rows[:, None], start[:, None] + np.arange(width)]
    forward = scores[np.arange(width), np.minimum(sites, scores.shape[1] - 1)].sum(axis=1)
    turned = scores[::-1, ::-1][np.arange(width), np.minimum(sites, scores.shape[1] - 1)]
    score = np.where(strand > 0, forward, turned.sum(axis=1))
    result: np.ndarray = np.argsort(np.argsort(score, kind="stable"), kind="stable") / score.size
    return result


class _Tally:
    """Histograms of hits and of best scores, observed and drawn."""

    def __init__(self, seen: Observed, drawn: _Response) -> None:
        self.most = max(int(part.counts.max(initial=0)) for part in (seen, *drawn.by_sites))
        self.counts = np.array([self.hits(part.counts) + 0.5 for part in drawn.by_sites])
        self.counts /= self.counts.sum(axis=1, keepdims=True)
        pooled = np.concatenate([part.best for part in drawn.by_sites[:2]])
        pooled = pooled[np.isfinite(pooled)]
        self.edges = np.unique(np.quantile(pooled, np.linspace(0, 1, _BINS + 1)[1:-1]))
        self.observed = self._best(seen.best)
        self.chance = self._shares(drawn.by_sites[0].best)
        tenth = np.minimum((drawn.quantile * TENTHS).astype(int), TENTHS - 1)
        best = drawn.by_sites[1].best
        self.tenths = np.array([self._shares(best[tenth == u]) for u in range(TENTHS)])

    def hits(self, counts: np.ndarray) -> np.ndarray:
        """Return how many sequences have 0, 1, ... hits: float64 (H,)."""
        return np.bincount(counts, minlength=self.most + 1).astype(float)

    def band(
        self, weights: np.ndarray, only_band: tuple[float, float] | None = None
    ) -> tuple[float, float, float, float, float]:
        """Return band, share, its error and the gain over chance, given the weights of 0, 1, ... sites."""
        spans = [(i, j) for i in range(TENTHS) for j in range(i + 1, TENTHS + 1)]
        if only_band is not None:
            spans = [(round(only_band[0] * TENTHS), round(only_band[1] * TENTHS))]
        with_sites = np.array([self.with_sites(span, weights) for span in spans])
        share = np.full(len(spans), 0.5)
        for _ in range(_ROUNDS):
            mixed = (1 - share)[:, None] * self.chance + share[:, None] * with_sites
            belongs = share[:, None] * with_sites / mixed
            share = (self.observed * belongs).sum(axis=1) / self.observed.sum()
        mixed = (1 - share)[:, None] * self.chance + share[:, None] * with_sites
        gain = (self.observed * np.log(mixed / self.chance)).sum(axis=1)
        chosen = int(gain.argmax())
        if only_band is None:
            whole = spans.index((0, TENTHS))
            chosen = chosen if gain[chosen] - gain[whole] > _BAND_GAIN else whole
        information = (with_sites[chosen] - self.chance) ** 2 / mixed[chosen]
        error = (self.observed.sum() * information.sum()) ** -0.5
        low, high = spans[chosen]
        told = (low / TENTHS, high / TENTHS, float(share[chosen]), float(error))
        return (*told, float(gain[chosen]))

    def with_sites(self, span: tuple[int, int], weights: np.ndarray) -> np.ndarray:
        """Return the law of the best score with sites of a band: float64 (B,)."""
        one = self.tenths[slice(*span)].mean(axis=0)
        some = weights[1:] / max(weights[1:].sum(), 1e-12)
        if some.size == 1 or some[0] == 1:
            return np.asarray(one)
        below, below_one = np.cumsum(self.chance), np.cumsum(one)
        total = np.zeros_like(one)
        for k, weight in enumerate(some, 1):
            total += weight * np.diff(below_one**k / below ** (k - 1), prepend=0.0)
        total = np.maximum(total, 1e-9)
        return np.asarray(total / total.sum())

    def picture(
        self,
        share: float,
        band: tuple[float, float] = (0.0, 1.0),
        weights: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Return the histograms of best scores that a figure shows."""
        law = self.chance
        if weights is not None:
            span = (round(band[0] * TENTHS), round(band[1] * TENTHS))
            law = (1 - share) * self.chance + share * self.with_sites(span, weights)
        observed = self.observed / self.observed.sum()
        return {
            "edges": self.edges,
            "best": observed,
            "best_chance": self.chance,
            "best_fitted": law,
        }

    def _best(self, best: np.ndarray) -> np.ndarray:
        return np.bincount(np.digitize(best, self.edges), minlength=self.edges.size + 1).astype(
            float
        )

    def _shares(self, best: np.ndarray) -> np.ndarray:
        counts = self._best(best) + 0.5
        return np.asarray(counts / counts.sum())


def _strand(setting: Setting, seen: Observed, chance: Observed) -> str:
    """Return the strand that nearly all hits above chance lie on, if there is one."""
    if not setting.both_strands:
        return "+"
    scale = seen.best.size / chance.best.size
    extra = []
    for sign in (1, -1):
        by_chance = scale * float((chance.hits["strand"] == sign).sum())
        extra.append(max(float((seen.hits["strand"] == sign).sum()) - by_chance, 0.0))
    total = sum(extra)
    if total < _TOLD or 1 - _ONE_STRAND < extra[0] / total < _ONE_STRAND:
        return "random"
    return "+" if extra[0] > extra[1] else "-"


def _most_copies(counts: np.ndarray, width: int, length: int) -> int:
    """Return how many sites in a sequence are thought of: as many as 3 % of sequences have hits."""
    usual = [k for k in range(1, MOST_COPIES + 1) if (counts >= k).mean() >= _MANY]
    return max(1, min(max(usual, default=1), length // (2 * width)))


def _copies(weights: np.ndarray) -> dict[int, float]:
    """Return the law of copies, without those of less than 3 %."""
    some = weights[1:] / weights[1:].sum()
    law = {k: round(float(share), 3) for k, share in enumerate(some, 1) if share >= _MANY}
    return {1: 1.0} if len(law) < 2 and law.keys() <= {1} else law
