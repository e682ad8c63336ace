"""The gradient of the log posterior with respect to one-hot letters, in closed form.

Between letters the posterior is continued by log-linear sites: the log probability of a site is
sum_wa X_wa log P_wa, that of the background sum_a X_a log b_a. At letters it is the posterior itself, and
its gradient is, for each site, how likely it was placed there times its log odds against the background.
Letters that never occur in a column count as `LEAST`; the columns of an affinity band, which depend on one
another, count as independent.
"""

from __future__ import annotations

import numba
import numpy as np

from seqgra.law.jit import kept
from seqgra.law.posterior import FLOOR_LOG, Posterior, log_sum
from seqgra.law.posterior.site_probabilities import BAND, COLUMNS, KMERS, Sites

#: Log probability of a letter that never occurs.
LEAST = float(np.log(1e-9))


class NoGradient(Exception):
    """The posterior of a grammar has no gradient in closed form."""


def soft_sites(sites: Sites) -> Sites:
    """Return sites whose log probabilities are finite, and affinity bands as independent columns."""
    kind = np.where(sites.kind == BAND, COLUMNS, sites.kind)
    return sites._replace(logs=np.maximum(sites.logs, LEAST), kind=kind.astype(np.int32))


def log_posterior_at(
    posterior: Posterior, points: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is explained at points between letters, and its gradient.

    Parameters
    ----------
    posterior
        Of a grammar.
    points
        float64 (N, A, L): weights of letters; columns of zeros hold no letter.
    target
        int64 (N,): the condition y.

    Returns
    -------
    tuple
        float64 (N,) and (N, A, L): log posterior of y less the mean over conditions, or, in a multi-label
        task, its log odds.

    Raises
    ------
    NoGradient
        If the law has no closed form, a chain as background, shuffled examples, or overlaps.
    """
    if posterior.grammar.overlap == "allow" or any(g.shuffle for g in posterior.grammar.examples):
        raise NoGradient(
            "overlapping elements and shuffled examples have no gradient in closed form"
        )
    if any(background.order for background in posterior.backgrounds):
        raise NoGradient("a chain as background has no gradient in closed form")
    _require_closed_forms(posterior)
    there = np.asarray(points.any(axis=1))
    lengths = there.shape[1] - np.argmax(there[:, ::-1], axis=1)
    values, gradients = np.zeros(len(points)), np.zeros(points.shape)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        for first in range(0, len(rows), 64):
            part = rows[first : first + 64]
            x = np.ascontiguousarray(points[part, :, :length])
            values[part], gradients[part, :, :length] = _of_length(posterior, x, target[part])
    return values, gradients


def _require_closed_forms(posterior: Posterior) -> None:
    """Refuse blocks whose responsibilities have no closed form, before anything is computed.

    Raises
    ------
    NoGradient
        If two blocks with spacings meet, or three of which one has a spacing.
    """
    for combination in posterior.combinations:
        for scenario in combination.scenarios:
            spaced = sum(not posterior.layouts[number].single for number in scenario)
            if spaced > 1 or (spaced and len(scenario) > 2):
                blocks = (
                    "two blocks with spacings" if len(scenario) == 2 else "three or more blocks"
                )
                raise NoGradient(f"{blocks} have no gradient in closed form")


def _of_length(
    posterior: Posterior, x: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sites = soft_sites(posterior.sites)
    parts = np.empty((len(x), sites.part_site.size, x.shape[2]))
    soft_logs(sites, x, parts)
    numbers = range(len(posterior.backgrounds))
    sums = [posterior.background_sums(n, x.shape[2]).of_points(x, parts) for n in numbers]
    pieces, logs = [], np.full((len(x), len(posterior.combinations)), -np.inf)
    for c, combination in enumerate(posterior.combinations):
        for chance, background in combination.backgrounds:
            try:
                ratio = sums[background].ratio(combination.scenarios)[0]
            except NotImplementedError as error:
                raise NoGradient(str(error)) from None
            log = np.log(chance) + sums[background].background + np.logaddexp(ratio, FLOOR_LOG)
            pieces.append((c, background, ratio, log))
            logs[:, c] = np.logaddexp(logs[:, c], log)
    value, weight = _explained(posterior, logs, target)
    gradients = np.zeros(x.shape)
    for background, own in enumerate(sums):
        seeds = []
        for c, number, ratio, log in pieces:
            if number == background:
                share = weight[:, c] * np.exp(log - logs[:, c])
                gradients += share[:, None, None] * posterior.backgrounds[background].logs[:, None]
                above = np.exp(ratio - np.logaddexp(ratio, FLOOR_LOG))
                seeds.append((posterior.combinations[c].scenarios, ratio, share * above))
        try:
            shares = own.shares(seeds)
        except NotImplementedError as error:
            raise NoGradient(f"{error}: no gradient in closed form") from None
        clusters = posterior.background_sums(background, x.shape[2]).clusters
        part = clusters.parts[:, 0].astype(np.int64)
        add_sites(sites, part, posterior.backgrounds[background].logs, x, shares, gradients)
    return value, gradients


def _explained(
    posterior: Posterior, logs: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is explained and its derivative by the log likelihood of each combination."""
    combinations = [set(shown) for shown in posterior.grammar.combinations]
    shares = np.full(len(combinations), -np.inf)
    for group, share in zip(posterior.grammar.examples, posterior.group_logs(), strict=True):
        number = combinations.index(set(group.conditions))
        shares[number] = np.logaddexp(shares[number], share)
    joint = logs + shares
    joint -= log_sum(joint)[:, None]
    shown = np.stack([c.shown for c in posterior.combinations])
    rows = np.arange(len(target))
    if posterior.grammar.task == "multi-label":
        mine = shown[:, target].T
        values, derivative = [], 0.0
        for inside, sign in ((mine, 1), (~mine, -1)):
            kept = np.where(inside, joint, -np.inf)
            total = log_sum(kept)
            values.append(sign * total)
            derivative = derivative + sign * np.exp(kept - np.maximum(total, FLOOR_LOG)[:, None])
        return np.asarray(sum(values)), np.asarray(derivative)
    by_condition = [log_sum(np.where(shown[:, c], joint, -np.inf)) for c in range(shown.shape[1])]
    conditions = np.stack(by_condition, axis=1)
    derivatives = np.stack(
        [
            np.exp(np.where(shown[:, c], joint, -np.inf) - conditions[:, c, None])
            for c in range(shown.shape[1])
        ],
        axis=1,
    )
    value = conditions[rows, target] - conditions.mean(axis=1)
    return value, derivatives[rows, target] - derivatives.mean(axis=1)


@kept(nogil=True)
def soft_logs(sites: Sites, x: np.ndarray, out: np.ndarray) -> None:
    """Write the log-linear log probability of every part at every place.

    Parameters
    ----------
    sites
        From `soft_sites`.
    x
        float64 (N, A, L): weights of letters.
    out
        float64 (N, M, L): gets the logs; -inf where a part does not fit.
    """
    length = x.shape[2]
    for n in range(x.shape[0]):
        for m in range(sites.part_site.size):
            site = sites.part_site[m]
            starts = max(length - sites.width[site] + 1, 0)
            out[n, m, starts:] = -np.inf
            for i in range(starts):
                if sites.kind[site] == KMERS:
                    first, end = sites.kmer_range[site]
                    best = -np.inf
                    for k in range(first, end):
                        best = max(best, _kmer_log(sites, m, k, x[n], i))
                    total = 0.0
                    for k in range(first, end):
                        total += np.exp(_kmer_log(sites, m, k, x[n], i) - best)
                    out[n, m, i] = best + np.log(total)
                else:
                    log = 0.0
                    for w in range(sites.width[site]):
                        if sites.shown[m, w]:
                            for a in range(sites.letters):
                                log += x[n, a, i + w] * sites.logs[site, w, a]
                    out[n, m, i] = log


@numba.njit
def _kmer_log(sites: Sites, m: int, k: int, x: np.ndarray, i: int) -> float:
    log = sites.kmer_logs[k]
    for w in range(sites.width[sites.part_site[m]]):
        if sites.shown[m, w]:
            for a in range(sites.letters):
                if a != sites.kmers[k, w]:
                    log += x[a, i + w] * LEAST
    result: float = log
    return result


@kept(nogil=True)
def add_sites(
    sites: Sites,
    parts: np.ndarray,
    background: np.ndarray,
    x: np.ndarray,
    shares: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add share times log odds of every site to its columns.

    Parameters
    ----------
    sites
        From `soft_sites`.
    parts
        int64 (Q,): part of each cluster.
    background
        float64 (A,): log probabilities of its letters.
    x, shares
        float64 (N, A, L), (N, Q, L).
    out
        float64 (N, A, L): is added to.
    """
    for n in range(x.shape[0]):
        for q in range(parts.size):
            m = parts[q]
            site = sites.part_site[m]
            first, end = sites.kmer_range[site]
            for i in range(x.shape[2] - sites.width[site] + 1):
                share = shares[n, q, i]
                if share == 0:
                    continue
                best, whole = -np.inf, 0.0
                for k in range(first, end):
                    best = max(best, _kmer_log(sites, m, k, x[n], i))
                for k in range(first, end):
                    whole += np.exp(_kmer_log(sites, m, k, x[n], i) - best)
                for w in range(sites.width[site]):
                    if not sites.shown[m, w]:
                        continue
                    for a in range(sites.letters):
                        log = sites.logs[site, w, a]
                        if sites.kind[site] == KMERS:
                            log = 0.0
                            for k in range(first, end):
                                if a != sites.kmers[k, w]:
                                    chance = np.exp(_kmer_log(sites, m, k, x[n], i) - best)
                                    log += LEAST * chance / whole
                        out[n, a, i + w] += share * (log - background[a])
