"""Pairs of motifs that keep a distance: gap and orientation, against what single motifs give by chance.

Pairs of hits are counted by arrangement and gap. Seen along the strand of A's hit, B follows or comes
before, on the same strand or the other: four arrangements (three for two hits of one motif). The gap is
the number of letters between the two, negative where they share columns.

Chance is the same count in sequences drawn from the grammar without pairs. The interval of gaps I of an
arrangement is tried by the spatial scan statistic (Kulldorff 1997, doi:10.1080/03610929708831995), which
compares the inside with the outside, so that motifs that merely occur together do not count:

    LLR = O_I ln(O_I / E_I) + O_R ln(O_R / E_R) - O ln(O / E)

for O observed and E expected pairs in I, in the rest R and in all. An interval is kept where LLR exceeds
ln(intervals tried in all / 0.001), O_I / E_I is at least 3 times O_R / E_R (motifs that cluster reach
twice), it spans at most half of all gaps, and it is the best one.
Its excess is X = O_I - E_I O_R / E_R. A pair rule gives D pairs in I per sequence (drawn with the rule
in every sequence, less chance), so its share is X / (N D). Pairs are taken up by falling LLR, and each must
pass once more against sequences drawn with those taken up before: a site of A that looks like a weak C
makes C keep a distance from B where A does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import chi2

from seqgra.fit.draws import ExampleGroup, Setting, matrix_of, no_letter_suits, probe
from seqgra.fit.singles import Observed, observe

#: Arrangements of B seen from A: (B comes first, strands differ).
ARRANGEMENTS = {
    "A B same strand": (False, False),
    "A B convergent": (False, True),
    "B A same strand": (True, False),
    "B A divergent": (True, True),
}
_RISK, _RATIO = 1e-3, 3.0
_FEWEST, _LEAST_SHARE = 10, 0.005
_MOST_INTERVALS = 3
_EVEN = 1e-3
_DRAWS = 8192


class Histogram(NamedTuple):
    """Pairs of A and B in a group, by arrangement and gap."""

    #: Names of A and B.
    first: str
    second: str
    #: The gap of the first column.
    lowest: int
    #: float64 (4, G): in the group's sequences, and by chance.
    seen: np.ndarray
    expected: np.ndarray
    #: The pairs, as `pair_table` returns them.
    table: pd.DataFrame
    chance: pd.DataFrame


class GapInterval(NamedTuple):
    """Gaps at which a pair is enriched."""

    #: Names of A and B; number of the arrangement.
    first: str
    second: str
    arrangement: int
    #: The gaps, both ends included.
    low: int
    high: int
    #: Pairs in it, those by chance (scaled as outside), and their ratio.
    seen: float
    expected: float
    ratio: float
    #: The scan statistic, in nats.
    llr: float
    #: Law of the gap as a grammar file has it.
    gap: Any

    @property
    def key(self) -> tuple[str, str, int, int, int]:
        """What tells it from other intervals."""
        return self[:5]

    def rule(
        self, elements: tuple[str, str], shared: str = "product", position: Any = None
    ) -> dict[str, Any]:
        """Return it as a rule over the names of two elements, of A and of B."""
        before, differ = list(ARRANGEMENTS.values())[self.arrangement]
        slots = {"a": elements[0], "b": elements[1]}
        order = ["b", "a"] if before else ["a", "b"]
        spacing: dict[str, Any] = {"elements": order, "gap": self.gap}
        if self.low < 0 and shared != "product":
            spacing["shared"] = shared
        rule: dict[str, Any] = {"elements": {slot: slots[slot] for slot in order}}
        if position is not None:
            rule["position"] = position
        rule["strand"] = "random"
        if differ:
            rule["orientation"] = "divergent" if before else "convergent"
        return rule | {"spacing": [spacing]}


def pair_table(first: Observed, second: Observed, same: bool) -> pd.DataFrame:
    """Return all pairs of hits of A and B in one sequence: columns arrangement, gap, start, room, example.

    `room` is the number of starts that the pair has in its window.
    """
    columns = ["start", "end", "strand"]
    pairs = first.hits[["example", "window", *columns]].merge(
        second.hits[["example", *columns]], on="example", suffixes=("", "_b")
    )
    if same:
        pairs = pairs[pairs["start"] < pairs["start_b"]]
    forward = pairs["strand"] > 0
    right = (pairs["start_b"] > pairs["start"]) | (
        (pairs["start_b"] == pairs["start"]) & (pairs["end_b"] >= pairs["end"])
    )
    before = np.asarray(right != forward)
    differ = np.asarray(pairs["strand"] != pairs["strand_b"])
    if same:  # the same two hits, seen from the other one
        before = before & differ
    start = pairs[["start", "start_b"]].min(axis=1)
    span = pairs[["end", "end_b"]].max(axis=1) - start
    gap = np.where(right, pairs["start_b"] - pairs["end"], pairs["start"] - pairs["end_b"])
    return pd.DataFrame(
        {
            "arrangement": 2 * before.astype(int) + differ,
            "gap": gap.astype(int),
            "start": start.to_numpy(int),
            "room": (pairs["window"] - span + 1).to_numpy(int),
            "example": pairs["example"].to_numpy(int),
        }
    )


def histograms(
    setting: Setting,
    names: list[str],
    seen: Mapping[str, Observed],
    chance: Mapping[str, Observed],
) -> Iterator[Histogram]:
    """Yield the histogram of every pair of motifs, given what is seen of them in a group and by chance."""
    for first, second in combinations_with_replacement(names, 2):
        widths = len(setting.motifs[first]), len(setting.motifs[second])
        lowest = 1 - min(widths) if first != second else 0
        gaps = setting.shortest - sum(widths) + 1 - lowest  # a rule must fit every window
        if gaps < 2:
            continue
        tables = [pair_table(of[first], of[second], first == second) for of in (seen, chance)]
        counts = [_counts(table, lowest, gaps) for table in tables]
        scale = seen[first].best.size / chance[first].best.size
        yield Histogram(first, second, lowest, counts[0], counts[1] * scale, *tables)


def enriched(setting: Setting, found: list[Histogram]) -> list[GapInterval]:
    """Return the intervals of gaps that are enriched in any of the histograms of a group."""
    limit = lowest_llr(found)
    kept = []
    for histogram in found:
        free = np.ones(histogram.seen.shape, bool)
        for _ in range(_MOST_INTERVALS):
            best = _best_interval(histogram, free)
            if best is None or best[0] < limit:
                break
            _, arrangement, low, high = best
            free[arrangement, max(low - 1, 0) : high + 2] = False
            interval = _interval(histogram, *best)
            if is_enriched(interval, limit):
                kept.append(interval)
    return kept


def lowest_llr(found: list[Histogram]) -> float:
    """Return the least LLR of an enriched interval of a group, given all its histograms."""
    tried = sum(4 * h.seen.shape[1] * (h.seen.shape[1] + 1) / 2 for h in found)
    return float(np.log(max(tried, 1) / _RISK))


def is_enriched(interval: GapInterval, limit: float) -> bool:
    """Say whether an interval has enough pairs, and enough more than by chance."""
    return interval.seen >= _FEWEST and interval.ratio >= _RATIO and interval.llr >= limit


def seen_again(interval: GapInterval, histogram: Histogram) -> GapInterval:
    """Return an interval as another histogram of the same pair shows it."""
    low, high = interval.low - histogram.lowest, interval.high - histogram.lowest
    llr = _llr(histogram, interval.arrangement, low, high)
    return _interval(histogram, llr, interval.arrangement, low, high)


def pair_share(
    setting: Setting, background: Mapping[str, Any], interval: GapInterval, histogram: Histogram
) -> tuple[float, float, str]:
    """Return the share of a group's sequences with the pair, its error, and how columns are shared."""
    inside = slice(interval.low - histogram.lowest, interval.high - histogram.lowest + 1)
    o_in = histogram.seen[interval.arrangement, inside].sum()
    e_in = histogram.expected[interval.arrangement, inside].sum()
    outside = _ratio(histogram, o_in, e_in)
    pair = setting._replace(motifs={name: setting.motifs[name] for name in interval[:2]})
    elements = {name: matrix_of(setting, name) for name in pair.motifs}
    rule = interval.rule((interval.first, interval.second))
    shared = "product"
    if no_letter_suits(pair, background, elements, rule):
        shared = "first"
        rule = interval.rule((interval.first, interval.second), shared)
    drawn, rows = probe(pair, background, elements, [[rule], []], _DRAWS)
    everything = observe(pair, drawn.x)
    detected = []
    for part in rows:
        table = pair_table(
            everything[interval.first].part(part),
            everything[interval.second].part(part),
            interval.first == interval.second,
        )
        counts = _counts(table, histogram.lowest, histogram.seen.shape[1])
        detected.append(counts[interval.arrangement, inside].sum() / part.size)
    each = max(detected[0] - detected[1], 0.01)
    return (
        max(float((o_in - e_in * outside) / each), 0.0),
        float(np.sqrt(max(o_in, 1.0)) / each),
        shared,
    )


def rate_in(
    setting: Setting,
    backgrounds: Sequence[Mapping[str, Any]],
    groups: list[ExampleGroup],
    by_group: list[list[Histogram]],
    interval: GapInterval,
) -> tuple[list[tuple[float, float]], str]:
    """Return share and error of a pair in every group, and how columns are shared."""
    told, shared = [], "product"
    for background, group, found in zip(backgrounds, groups, by_group, strict=True):
        pair = (interval.first, interval.second)
        own = [h for h in found if (h.first, h.second) == pair]
        if not own:
            told.append((0.0, 0.0))
            continue
        number, error, columns = pair_share(setting, background, interval, own[0])
        shared = columns if shared == "product" else shared
        share, error = number / group.rows.size, error / group.rows.size
        told.append((share if share >= max(_LEAST_SHARE, 3 * error) else 0.0, error))
    return told, shared


def _counts(table: pd.DataFrame, lowest: int, gaps: int) -> np.ndarray:
    """Return pairs by arrangement and gap: float64 (4, G)."""
    column = table["gap"].to_numpy() - lowest
    inside = (column >= 0) & (column < gaps)
    index = table["arrangement"].to_numpy()[inside] * gaps + column[inside]
    return np.bincount(index, minlength=4 * gaps).reshape(4, gaps).astype(float)


def _best_interval(histogram: Histogram, free: np.ndarray) -> tuple[float, int, int, int] | None:
    """Return the highest LLR, its arrangement, and the first and last column, among free columns."""
    # half a pair by chance is spread over all cells, so that none expects nothing
    expected = histogram.expected + 0.5 / histogram.expected.size
    o_all, e_all = histogram.seen[free].sum(), expected[free].sum()
    best: tuple[float, int, int, int] | None = None
    if o_all < _FEWEST:
        return None
    for arrangement in range(4):
        seen = np.where(free[arrangement], histogram.seen[arrangement], 0)
        if not seen.any():
            continue
        taken = np.concatenate([[0], np.cumsum(~free[arrangement])])
        o_sum = np.concatenate([[0], np.cumsum(seen)])
        e_sum = np.concatenate(
            [[0], np.cumsum(np.where(free[arrangement], expected[arrangement], 0))]
        )
        o_in, e_in = o_sum[None, 1:] - o_sum[:-1, None], e_sum[None, 1:] - e_sum[:-1, None]
        usable = np.triu(taken[None, 1:] - taken[:-1, None] == 0) & (o_in > 0)
        usable &= ~np.triu(np.ones(usable.shape, bool), usable.shape[1] // 2)
        o_in, e_in = np.where(usable, o_in, 1.0), np.where(usable, e_in, 1.0)
        o_out, e_out = np.maximum(o_all - o_in, 0), np.maximum(e_all - e_in, 1e-9)
        llr = o_in * np.log(o_in / e_in) - o_all * np.log(o_all / e_all)
        llr += np.where(o_out > 0, o_out * np.log(np.maximum(o_out, 1e-9) / e_out), 0)
        usable &= o_in * e_out > o_out * e_in
        llr = np.where(usable, llr, -np.inf)
        low, high = np.unravel_index(int(llr.argmax()), llr.shape)
        if best is None or llr[low, high] > best[0]:
            best = (float(llr[low, high]), arrangement, int(low), int(high))
    return best


def _ratio(histogram: Histogram, o_in: float, e_in: float) -> float:
    """Return observed over expected pairs outside an interval."""
    return float((histogram.seen.sum() - o_in) / max(histogram.expected.sum() - e_in, 1e-9))


def _llr(histogram: Histogram, arrangement: int, low: int, high: int) -> float:
    """Return the scan statistic of the columns from `low` to `high` of an arrangement."""
    expected = histogram.expected + 0.5 / histogram.expected.size
    o_in = histogram.seen[arrangement, low : high + 1].sum()
    e_in = expected[arrangement, low : high + 1].sum()
    o_all, e_all = histogram.seen.sum(), expected.sum()
    o_out, e_out = o_all - o_in, max(e_all - e_in, 1e-9)
    if o_in * e_out <= o_out * e_in:
        return 0.0
    llr = o_in * np.log(o_in / e_in) - o_all * np.log(o_all / e_all)
    return float(llr + (o_out * np.log(o_out / e_out) if o_out else 0.0))


def starts_in(
    interval: GapInterval, table: pd.DataFrame, places: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the starts of the pairs of a table that lie in an interval, and their rooms.

    They are int64 (M,), and float64 (P,): pairs in windows with 1 to P starts.
    """
    inside = (table["arrangement"] == interval.arrangement) & table["gap"].between(*interval[3:5])
    part = table[inside]
    rooms = np.bincount(part["room"] - 1, minlength=places).astype(float)
    return part["start"].to_numpy(), rooms


def _interval(
    histogram: Histogram, llr: float, arrangement: int, low: int, high: int
) -> GapInterval:
    seen = histogram.seen[arrangement, low : high + 1]
    chance = histogram.expected[arrangement, low : high + 1]
    chance = chance * _ratio(histogram, seen.sum(), chance.sum())
    gaps = np.arange(low, high + 1) + histogram.lowest
    excess = float((seen - chance).sum())
    bounds = int(gaps[0]), int(gaps[-1])
    law: Any = bounds[0] if low == high else list(bounds)
    even = chance + excess / gaps.size
    statistic = float(((seen - even) ** 2 / np.maximum(even, 1)).sum())
    if excess > 0 and low < high and statistic > chi2.isf(_EVEN, gaps.size - 1):
        weights = np.maximum(seen - chance, 0)
        shares = np.round(weights / weights.sum(), 3)
        law = {int(gap): float(share) for gap, share in zip(gaps, shares, strict=True) if share > 0}
    ratio = float(seen.sum() / max(chance.sum(), 1e-9))
    told = (float(seen.sum()), float(chance.sum()), ratio, llr)
    return GapInterval(histogram.first, histogram.second, arrangement, *bounds, *told, law)
