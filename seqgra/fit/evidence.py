"""What is estimated of a dataset, and what it says about the rules of conditions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import nnls

from seqgra.fit.background import FittedBackground
from seqgra.fit.draws import ExampleGroup, Setting
from seqgra.fit.pairs import GapInterval, Histogram
from seqgra.fit.singles import Single
from seqgra.model import MULTI_LABEL

_LEAST_RULE = 0.005


class PairEstimate(NamedTuple):
    """A pair that keeps a distance."""

    #: The gaps.
    interval: GapInterval
    #: Number of the group that shows it most clearly.
    group: int
    #: How columns are shared.
    shared: str
    #: Share of each group's sequences, and its error.
    shares: list[tuple[float, float]]
    #: Law of the block's start; None: anywhere.
    position: Any = None


class Estimates(NamedTuple):
    """All that is known of a dataset."""

    #: What was looked at; `groups` are those of enough examples.
    setting: Setting
    groups: list[ExampleGroup]
    #: Number of training examples of every combination of conditions.
    shown: dict[tuple[str, ...], int]
    #: Candidates of each group, the best first; of all sequences together.
    backgrounds: list[list[FittedBackground]]
    together: list[FittedBackground]
    #: Background of each condition: of all examples that show it; and of those that show none.
    lent: dict[str, FittedBackground]
    #: Whether one background foretells the held-out sequences of all groups as well.
    pooled: bool
    #: Estimates of each motif in each group.
    singles: list[Single]
    #: Pairs that keep a distance.
    pairs: list[PairEstimate]
    #: Pairs of each group, for figures.
    histograms: list[list[Histogram]]
    #: What was left out, and why.
    notes: list[str]


def rule_shares(found: Estimates, shares: list[float]) -> tuple[dict[str, float], float]:
    """Return the probability of a rule in each condition, and of it in every example.

    In a multi-class task these are the groups' shares. In a multi-label task the rules of all conditions
    that an example shows apply independently, so that 1 - rho_g = (1 - q_0) prod_{c in g} (1 - q_c):
    -ln(1 - q) >= 0 are found by least squares, weighted by the root of the groups' sizes.
    """
    names = list(found.setting.conditions)
    if found.setting.task != MULTI_LABEL:
        told = dict.fromkeys(names, 0.0)
        for group, share in zip(found.groups, shares, strict=True):
            told[group.conditions[0]] = share
        return {name: q if q >= _LEAST_RULE else 0.0 for name, q in told.items()}, 0.0
    weight = np.sqrt([group.rows.size for group in found.groups])
    design = np.array([[1.0, *(n in g.conditions for n in names)] for g in found.groups])
    target = -np.log(1 - np.minimum(shares, 0.999))
    solved, _ = nnls(design * weight[:, None], target * weight)
    q = np.where(1 - np.exp(-solved) >= _LEAST_RULE, 1 - np.exp(-solved), 0.0)
    return dict(zip(names, q[1:].tolist(), strict=True)), float(q[0])
