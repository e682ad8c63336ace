"""What the figures of a fit show."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from seqgra.fit.evidence import Estimates
from seqgra.fit.pairs import ARRANGEMENTS, Histogram
from seqgra.fit.singles import Single
from seqgra.fit.twin import FLAG, Check
from seqgra.plot.fit import Dumbbell, HistogramPanel, binned, panels, scores, spectra

_MOST_PAIRS = 3
_FEWEST_BINS = 15


def evidence(found: Estimates) -> dict[str, Figure]:
    """Return the figures of what was estimated, by file name."""
    clear = [single for single in found.singles if single.share]
    figures = {}
    strength = [_strength(found, single) for single in found.singles if "best" in single.seen]
    if strength:
        figures["strength"] = panels(
            strength,
            "Best score of each sequence",
            "bits, against equal letters",
            "density",
        )
    if clear:
        figures["copies"] = panels(
            [_copies(found, single) for single in clear],
            "Hits in each sequence",
            "hits",
            "share of sequences",
        )
        figures["positions"] = panels(
            [_positions(found, single) for single in clear],
            "Where hits start",
            "first position of the hit",
            "hits at each position",
        )
    histograms = _chosen(found)
    if histograms:
        drawn = [_pair(found, *chosen, n) for chosen in histograms for n in range(4)]
        figures["pairs"] = panels(
            drawn,
            "Gaps of pairs of hits",
            "letters between A and B; below 0 they share columns",
            "pairs",
            columns=4,
        )
    return figures


def twin(check: Check) -> dict[str, Figure]:
    """Return the figures of the twin check, by file name."""
    drawn = [
        Dumbbell(s.model, s.scope, s.real.value, s.twin.value, s.flagged) for s in check.scores
    ]
    figures = {"twin": scores(drawn, check.real_or_twin, FLAG, "Real examples and their twin")}
    if check.spectra:
        figures["spectra"] = spectra(check.spectra, "Words of real examples and of the twin")
    return figures


def _name(found: Estimates, single: Single) -> str:
    return f"{single.motif} in {found.groups[single.group].name}"


def _strength(found: Estimates, single: Single) -> HistogramPanel:
    inner = single.seen["edges"]
    step = np.median(np.diff(inner)) if inner.size > 1 else 1.0
    edges = np.concatenate([[inner[0] - 2 * step], inner, [inner[-1] + 2 * step]])
    if edges.size > 2 * _FEWEST_BINS:  # half as many bins are smoother
        edges = np.append(edges[:-1:2], edges[-1])
    widths = np.diff(edges)
    told = f"{single.share:.2f} ± {single.error:.2f}" if single.share else "not above chance"
    told = f"share {told}" if single.share else told
    names = ("best", "best_chance", "best_fitted")
    values = [_merged(single.seen[name], widths.size) / widths for name in names]
    fitted = values[2] if single.share else None
    return HistogramPanel(f"{_name(found, single)}\n{told}", edges, values[0], values[1], fitted)


def _merged(values: np.ndarray, bins: int) -> np.ndarray:
    """Return a histogram with neighbouring bins added up where it has more than `bins`."""
    if values.size == bins:
        return values
    return np.asarray(np.add.reduceat(values, np.arange(0, values.size, 2)))


def _copies(found: Estimates, single: Single) -> HistogramPanel:
    names = ("hits", "hits_chance", "hits_fitted")
    seen, chance, fitted = (single.seen[name] for name in names)
    last = max(2, int(np.flatnonzero(seen > 0.002).max(initial=0)) + 1)
    edges = np.arange(last + 2) - 0.5
    law = ", ".join(f"{k}: {w:.0%}" for k, w in single.copies.items())
    parts = (part[: last + 1] for part in (seen, chance, fitted))
    padded = [np.pad(part, (0, last + 1 - part.size)) for part in parts]
    return HistogramPanel(f"{_name(found, single)}\n{law}", edges, padded[0], padded[1], padded[2])


def _positions(found: Estimates, single: Single) -> HistogramPanel:
    places = found.setting.length - len(found.setting.motifs[single.motif]) + 1
    edges, seen = binned(single.seen["starts"], places)
    chance = np.add.reduceat(single.seen["starts_chance"], edges[:-1].astype(int)) / np.diff(edges)
    law = "anywhere" if single.position is None else "a distribution of its own"
    return HistogramPanel(f"{_name(found, single)}\n{law}", edges, seen, chance)


def _chosen(found: Estimates) -> list[tuple[Histogram, int]]:
    """Return the histograms to show with their groups: those of kept pairs, then the fullest ones."""
    kept = {(p.interval.first, p.interval.second): p.group for p in found.pairs}
    every = [(h, g) for g, some in enumerate(found.histograms) for h in some]
    fullest: dict[tuple[str, str], tuple[Histogram, int]] = {}
    for histogram, group in sorted(every, key=lambda item: -item[0].seen.sum()):
        pair = (histogram.first, histogram.second)
        if kept.get(pair, group) == group:
            fullest.setdefault(pair, (histogram, group))
    order = sorted(fullest, key=lambda pair: (pair not in kept, -fullest[pair][0].seen.sum()))
    return [fullest[pair] for pair in order[:_MOST_PAIRS]]


def _pair(found: Estimates, histogram: Histogram, group: int, arrangement: int) -> HistogramPanel:
    gaps = histogram.seen.shape[1]
    edges = np.arange(gaps + 1) + histogram.lowest - 0.5
    marked, told = None, ""
    for pair in found.pairs:
        interval = pair.interval
        if interval[:3] == (histogram.first, histogram.second, arrangement):
            marked = (interval.low - 0.5, interval.high + 0.5)
            ends = sorted({interval.low, interval.high})
            told = f", kept: {' to '.join(map(str, ends))}"
    return HistogramPanel(
        f"A {histogram.first}, B {histogram.second} in {found.groups[group].name}\n"
        f"{list(ARRANGEMENTS)[arrangement]}{told}",
        edges,
        histogram.seen[arrangement],
        histogram.expected[arrangement],
        None,
        marked,
    )
