"""From the training set of a dataset to estimates of every part of a grammar."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from seqgra.alphabet import UNKNOWN
from seqgra.dataset import Dataset
from seqgra.errors import Problem, raise_problems
from seqgra.fit import pairs, singles
from seqgra.fit.background import (
    GAIN,
    FittedBackground,
    best_background,
    known_before,
    likelihood,
    without_hits,
)
from seqgra.fit.compose import compose
from seqgra.fit.draws import FEWEST, MOST_EXAMPLES, ExampleGroup, Setting, draw, groups_of, probe
from seqgra.fit.evidence import Estimates, PairEstimate
from seqgra.fit.laws import excess_law
from seqgra.fit.pairs import GapInterval, Histogram
from seqgra.fit.singles import Observed, Single
from seqgra.labels import NONE
from seqgra.law.scan import find_hits
from seqgra.progress import Progress

_EVERY = 5
#: Share of a motif's hits that lie on another's beyond which it tells nothing of its own.
_SAME_SITES = 0.5
_MOST_DRAWS = 65_536
_GROUP_DRAWS = 16_384


def estimate(setting: Setting, dataset: Dataset, order: int | None) -> Estimates:
    """Estimate every part of a grammar from a dataset's training set.

    Raises
    ------
    InputError
        If a condition has too few training examples.
    """
    x = np.array(dataset.x("training")[:MOST_EXAMPLES])
    y = np.array(dataset.y("training")[:MOST_EXAMPLES])
    everything = groups_of(y, setting.conditions)
    _refuse_missing(dataset, y)
    groups = [group for group in everything if group.rows.size >= FEWEST]
    notes = [
        f"{group.name}: {group.rows.size} training examples, fewer than {FEWEST}: not looked at"
        for group in everything
        if group.rows.size < FEWEST
    ]
    masked, held_out, held_y = _for_backgrounds(setting, dataset, x, y)
    backgrounds, together, lent, pooled = _backgrounds(
        setting, groups, y, masked, held_out, held_y, order
    )
    laws = [candidates[0].content for candidates in backgrounds]
    seen = singles.observe(setting, x)
    found = _singles(setting, groups, laws, seen, notes)
    estimates = Estimates(
        setting,
        groups,
        {group.conditions: group.rows.size for group in everything},
        backgrounds,
        together,
        lent,
        pooled,
        found,
        [],
        [],
        notes,
    )
    return _with_pairs(estimates, laws, seen)


def _refuse_missing(dataset: Dataset, y: np.ndarray) -> None:
    counts = y.sum(axis=0)
    file = str(dataset.folder)
    raise_problems(
        Problem(
            file,
            f"training: {name}",
            f"has {count} examples; at least {FEWEST} are needed to estimate from",
        )
        for name, count in zip(dataset.conditions, counts, strict=True)
        if count < FEWEST
    )


def _for_backgrounds(
    setting: Setting, dataset: Dataset, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training sequences without hits (used ones unknown), and held-out ones with their labels."""
    if dataset.counts.get("validation"):
        held_out = np.array(dataset.x("validation")[:MOST_EXAMPLES])
        held_y = np.array(dataset.y("validation")[:MOST_EXAMPLES])
        return _masked(setting, x), _masked(setting, held_out), held_y
    masked = _masked(setting, x)
    held_out, held_y = masked[::_EVERY].copy(), y[::_EVERY]
    masked[::_EVERY] = UNKNOWN
    return masked, held_out, held_y


def _masked(setting: Setting, x: np.ndarray) -> np.ndarray:
    hits = find_hits(
        x,
        setting.motifs,
        setting.alphabet,
        both_strands=setting.both_strands,
    )
    return without_hits(x, hits)


def _backgrounds(
    setting: Setting,
    groups: list[ExampleGroup],
    y: np.ndarray,
    masked: np.ndarray,
    held_out: np.ndarray,
    held_y: np.ndarray,
    order: int | None,
) -> tuple[list[list[FittedBackground]], list[FittedBackground], dict[str, FittedBackground], bool]:
    """Return the backgrounds of each group, of all, of each condition, and whether that of all will do."""
    letters = setting.alphabet.letters
    held_groups = {g.conditions: g.rows for g in groups_of(held_y, setting.conditions)}
    found, own, shared = [], 0.0, 0.0
    together = best_background(masked, held_out, letters, order)
    for group in groups:
        rows = held_groups.get(group.conditions, np.zeros(0, int))
        part = held_out[rows] if rows.size else masked[group.rows]
        candidates = best_background(masked[group.rows], part, letters, order)
        found.append(candidates)
        own += candidates[0].fit * candidates[0].letters
        fit = likelihood(together[0].content, part, letters, known_before(letters, order))
        shared += fit * candidates[0].letters
    lent = {}
    shown, held_shown = (
        {name: column > 0 for name, column in zip(setting.conditions, of.T, strict=True)}
        for of in (y, held_y)
    )
    if not y.any(axis=1).all():
        shown[NONE], held_shown[NONE] = ~y.any(axis=1), ~held_y.any(axis=1)
    for name, rows in shown.items():
        if rows.sum() >= FEWEST:
            held = held_shown[name]
            part = held_out[held] if held.any() else masked[rows]
            lent[name] = best_background(masked[rows], part, letters, order)[0]
    return found, together, lent, own - shared <= GAIN * (len(groups) - 1)


def _singles(
    setting: Setting,
    groups: list[ExampleGroup],
    laws: list[dict[str, Any]],
    seen: dict[str, Observed],
    notes: list[str],
) -> list[Single]:
    found = []
    progress = Progress("fit: motifs", len(groups) * len(setting.motifs))
    for number, (group, law) in enumerate(zip(groups, laws, strict=True)):
        blank, rows = probe(setting, law, _any_element(setting), [[]], _GROUP_DRAWS)
        chance = singles.observe(setting, blank.x)
        for name in setting.motifs:
            told = singles.estimate(
                setting,
                law,
                name,
                number,
                seen[name].part(group.rows),
                chance[name].part(rows[0]),
            )
            found.append(told)
            progress.advance(note=f"{name} in {group.name}")
    progress.close()
    return _without_doubles(groups, found, seen, notes)


def _any_element(setting: Setting) -> dict[str, Any]:
    name = next(iter(setting.motifs))
    return {"spare": {"matrix": setting.motifs[name].tolist()}}


def _without_doubles(
    groups: list[ExampleGroup], found: list[Single], seen: dict[str, Observed], notes: list[str]
) -> list[Single]:
    """Set the share of motifs to 0 whose hits in a group are mostly those of a clearer motif."""
    kept: dict[int, list[str]] = {}
    order = sorted(range(len(found)), key=lambda n: -found[n].gain)
    for n in order:
        single = found[n]
        if not single.share:
            continue
        rows = groups[single.group].rows
        own = seen[single.motif].part(rows).hits
        for other in kept.get(single.group, []):
            share = _on_same_sites(own, seen[other].part(rows).hits)
            if share > _SAME_SITES:
                notes.append(
                    f"{groups[single.group].name}: {single.motif} left out; {share:.0%} of its hits "
                    f"lie on hits of {other}"
                )
                found[n] = single._replace(share=0.0)
                break
        else:
            kept.setdefault(single.group, []).append(single.motif)
    return found


def _on_same_sites(own: pd.DataFrame, other: pd.DataFrame) -> float:
    """Return the share of hits that overlap another motif's hit by over half of the narrower one."""
    if not len(own) or not len(other):
        return 0.0
    columns = ["example", "start", "end"]
    own = own[columns].reset_index(names="hit")
    both = own.merge(other[columns], on="example", suffixes=("", "_b"))
    shared = np.minimum(both["end"], both["end_b"]) - np.maximum(both["start"], both["start_b"])
    narrow = np.minimum(both["end"] - both["start"], both["end_b"] - both["start_b"])
    return float(both["hit"][shared > narrow / 2].nunique() / len(own))


def _with_pairs(
    found: Estimates, laws: list[dict[str, Any]], seen: dict[str, Observed]
) -> Estimates:
    """Return the estimates with pairs, and with positions of single motifs that are in no pair."""
    setting, groups = found.setting, found.groups
    progress = Progress("fit: pairs", len(groups))
    by_group: list[list[Histogram]] = []
    intervals: dict[Any, tuple[GapInterval, int]] = {}
    for number, group in enumerate(groups):
        present = [s.motif for s in found.singles if s.group == number and s.share]
        by_group.append([])
        if present:
            chance = _drawn(found, number, laws[number])
            own = {name: seen[name].part(group.rows) for name in present}
            by_group[-1] = list(pairs.histograms(setting, present, own, chance))
            for interval in pairs.enriched(setting, by_group[-1]):
                _add(intervals, interval, number)
        progress.advance(note=group.name)
    progress.close()
    found = found._replace(histograms=by_group)
    for interval, number in sorted(intervals.values(), key=lambda of: -of[0].llr):
        if found.pairs and not _still_enriched(found, laws, seen, interval, number):
            continue
        shares, shared = pairs.rate_in(setting, laws, groups, by_group, interval)
        if any(share for share, _ in shares):
            pair = PairEstimate(interval, number, shared, shares)
            found = found._replace(pairs=[*found.pairs, pair])
    return found._replace(pairs=[_placed(found, laws, pair) for pair in found.pairs])


def _still_enriched(
    found: Estimates,
    laws: list[dict[str, Any]],
    seen: dict[str, Observed],
    interval: GapInterval,
    number: int,
) -> bool:
    """Say whether a pair is enriched over sequences drawn with the pairs found so far."""
    chance = _drawn(found, number, laws[number])
    own = {name: seen[name].part(found.groups[number].rows) for name in interval[:2]}
    again = next(
        h
        for h in pairs.histograms(found.setting, list(interval[:2]), own, chance)
        if (h.first, h.second) == (interval.first, interval.second)
    )
    limit = pairs.lowest_llr(found.histograms[number])
    return pairs.is_enriched(pairs.seen_again(interval, again), limit)


def _drawn(found: Estimates, number: int, law: dict[str, Any]) -> dict[str, Observed]:
    """Return what is seen of motifs in sequences of a group, drawn from what is known so far."""
    size = found.groups[number].rows.size
    count = min(_MOST_DRAWS, max(4 * size, _GROUP_DRAWS))
    drawn = draw(compose(found).of_group(number, law), found.setting.seed, count)
    shown = np.flatnonzero(drawn.y[:, 0])
    return {name: o.part(shown) for name, o in singles.observe(found.setting, drawn.x).items()}


def _placed(found: Estimates, laws: list[dict[str, Any]], pair: PairEstimate) -> PairEstimate:
    """Return a pair with the law of its start, compared with drawn pairs that may lie anywhere."""
    interval, number = pair.interval, pair.group
    own = next(
        h
        for h in found.histograms[number]
        if (h.first, h.second) == (interval.first, interval.second)
    )
    drawn = _drawn(found, number, laws[number])
    same = interval.first == interval.second
    table = pairs.pair_table(drawn[interval.first], drawn[interval.second], same)
    span = sum(len(found.setting.motifs[name]) for name in interval[:2]) + interval.low
    places = found.setting.length - span + 1
    starts, rooms = pairs.starts_in(interval, own.table, places)
    anywhere = pairs.starts_in(interval, table, places)
    chance = interval.expected * anywhere[1] / max(anywhere[1].sum(), 1)
    law = excess_law(starts, rooms, chance, found.setting.shortest - span + 1, anywhere)
    return pair._replace(position=law)


def _add(intervals: dict[Any, tuple[GapInterval, int]], interval: GapInterval, group: int) -> None:
    """Keep the clearer of two intervals of one pair and arrangement that overlap."""
    for key, (other, _) in intervals.items():
        apart = interval.low > other.high or interval.high < other.low
        if interval.key[:3] == other.key[:3] and not apart:
            if interval.llr > other.llr:
                del intervals[key]
                intervals[interval.key] = (interval, group)
            return
    intervals[interval.key] = (interval, group)
