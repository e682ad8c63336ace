"""Grammar recovery: how well attributions point at what encodes the condition explained.

Every measure compares grammar with background positions; ignored positions and padding are left out
everywhere, as if the sequence did not have them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import PADDING
from seqgra.dataset import Dataset
from seqgra.evaluate.instances import instance_recall, position_scores
from seqgra.grammar.combinations import ROLES, tells
from seqgra.grammar.schema import Grammar
from seqgra.law.affinity import element_columns
from seqgra.metrics import chance_average_precision, rank_measures
from seqgra.results import NULL, THRESHOLD, BackgroundOnly

#: Bits below which a column of an element counts neither way.
LEAST_INFORMATION = 0.1


#: Metrics that are also computed of background-only inputs.
NULLED = (
    "precision",
    "recall",
    "f1",
    "auroc",
    "ap",
    "auroc_chance_corrected",
    "ap_chance_corrected",
    "relevance_mass",
    "relevance_rank",
)


class Role(IntEnum):
    """What a position is to the condition that is explained."""

    BACKGROUND = 0
    GRAMMAR = 1
    IGNORED = 2
    CONFOUNDER = 3
    PADDING = 4


def recover(
    dataset: Dataset,
    set_name: str,
    rows: np.ndarray,
    explained: np.ndarray,
    values: np.ndarray,
    signed: bool,
    null: BackgroundOnly | None = None,
) -> pd.DataFrame:
    """Return the grammar recovery of the attributions of some examples of a dataset.

    Parameters
    ----------
    dataset, set_name
        Where the examples are.
    rows
        int64 (K,): rows of the set; a row may come again with another condition.
    explained
        int64 (K,): number of the condition that is explained.
    values
        float32 (K, A, L): the attributions.
    signed
        See `recovery_metrics`.
    null
        Attributions of background-only sequences, at least one of each condition explained; adds the
        columns of `instance_recall`, and for `NULLED` metrics ``null_<metric>``: what the attributions
        of such a sequence recover in the example's place.

    Returns
    -------
    DataFrame
        One row an explanation, one float column a metric.

    Raises
    ------
    InputError
        If the set is missing, too small or damaged.
    """
    roles = position_roles(dataset, set_name, rows, explained)
    confounders = len(dataset.grammar.confounders) > 0
    metrics = recovery_metrics(values, roles, signed=signed, confounders=confounders)
    if null is None:
        return metrics
    scores, null_scores = position_scores(values, signed), position_scores(null.values, signed)
    instances = instance_recall(
        dataset, set_name, rows, explained, scores, null_scores, null.explained
    )
    first = np.searchsorted(null.explained, explained)
    count = np.searchsorted(null.explained, explained, side="right") - first
    instead = null.values[first + rows % count]
    nulls = recovery_metrics(instead, roles, signed=signed)[list(NULLED)].add_prefix(NULL)
    return pd.concat([metrics, instances, nulls], axis=1)


def position_roles(
    dataset: Dataset, set_name: str, rows: np.ndarray, explained: np.ndarray
) -> np.ndarray:
    """Return what each position is to the condition that is explained.

    Grammar: informative columns of intact elements that `tells` about this condition. Confounder:
    informative columns of intact elements of confounders. Ignored: all other columns of elements that
    a rule of any condition placed: those below `LEAST_INFORMATION`, those of other conditions (which
    may well speak against this one), and those of overwritten elements. Of an annotation, whose elements
    nobody knows, every column tells. Padding: beyond the
    sequence's end. Background: the rest, decoys among it. Where elements overlap, grammar wins over
    confounder, and confounder over ignored.

    Parameters
    ----------
    dataset, set_name
        Where the examples are.
    rows
        int64 (K,): rows of the set; a row may come again with another condition.
    explained
        int64 (K,): number of the condition that is explained.

    Returns
    -------
    ndarray
        uint8 (K, L) of `Role`.

    Raises
    ------
    InputError
        If the set is missing, too small or damaged.
    """
    examples = int(rows.max(initial=-1)) + 1
    x = np.asarray(dataset.x(set_name)[rows])
    wanted = pd.DataFrame({"example": rows, "row": np.arange(rows.size), "explained": explained})
    letters = _Letters.of(dataset.elements(set_name, examples).merge(wanted, on="example"))
    informative = letters.bits(_information(dataset.grammar)) >= LEAST_INFORMATION
    informative |= letters.role == ROLES.index("annotated")
    told = letters.intact & informative
    of_rule = np.isin(letters.role, [ROLES.index(r) for r in ("grammar", "hit", "annotated")])
    own = tells(letters.role, letters.condition, letters.explained)
    roles = np.full(x.shape, Role.BACKGROUND, np.uint8)
    for role, chosen in (
        (Role.IGNORED, of_rule),
        (Role.CONFOUNDER, told & (letters.role == ROLES.index("confounder"))),
        (Role.GRAMMAR, told & own),
    ):
        roles[letters.row[chosen], letters.position[chosen]] = role
    roles[x == PADDING] = Role.PADDING
    return roles


class _Letters(NamedTuple):
    """Letters of placed elements, one entry a letter and explanation: M in all.

    Arrays are int64 (M,), `intact` is bool (M,).

    Attributes
    ----------
    row, position
        Number of the explanation, and where in the sequence the letter is.
    element, column
        Number of the element, and its column there, counted along the element's strand.
    role, condition, explained
        Of the placed element: index in `ROLES`, and the condition that owns it; and the condition
        that is explained.
    intact
        Whether no letter of the placed element was overwritten.
    """

    row: np.ndarray
    position: np.ndarray
    element: np.ndarray
    column: np.ndarray
    role: np.ndarray
    condition: np.ndarray
    explained: np.ndarray
    intact: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame) -> _Letters:
        """Return the letters of a table of placed elements with columns row and explained."""
        start = table["start"].to_numpy(np.int64)
        width = table["end"].to_numpy(np.int64) - start
        each = np.repeat(np.arange(width.size), width)
        offset = np.arange(each.size) - np.repeat(np.cumsum(width) - width, width)
        reverse = table["strand"].to_numpy()[each] < 0
        row, element, role, condition, explained = (
            table[name].to_numpy(np.int64)[each]
            for name in ("row", "element", "role", "condition", "explained")
        )
        return cls(
            row,
            start[each] + offset,
            element,
            np.where(reverse, width[each] - 1 - offset, offset),
            role,
            condition,
            explained,
            table["intact"].to_numpy(bool)[each],
        )

    def bits(self, information: np.ndarray) -> np.ndarray:
        """Return the entry of `information`, float64 (E, W), of each letter: float64 (M,)."""
        return np.asarray(information[self.element, self.column])


def _information(grammar: Grammar) -> np.ndarray:
    """Return the bits of each column of each element: float64 (E, W), 0 beyond an element's end."""
    background = grammar.letter_distribution()
    elements = list(element_columns(grammar).values())
    bits = np.zeros((len(elements), max((len(columns) for columns in elements), default=0)))
    for number, columns in enumerate(elements):
        bits[number, : len(columns)] = column_information(columns, background)
    return bits


def column_information(columns: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return I_l = sum_a p_la log2(p_la / b_a) of each column of an element, in bits.

    Parameters
    ----------
    columns
        float64 (width, A): letter probabilities p of the element's sites (any positive sum).
    background
        float64 (A,): letter probabilities b, all above 0.

    Returns
    -------
    ndarray
        float64 (width,).
    """
    columns = columns / columns.sum(axis=1, keepdims=True)
    ratio = np.where(columns > 0, columns / background, 1.0)
    return np.asarray((columns * np.log2(ratio)).sum(axis=1))


def recovery_metrics(
    values: np.ndarray, roles: np.ndarray, *, signed: bool, confounders: bool = False
) -> pd.DataFrame:
    """Return measures of grammar recovery of each explanation.

    With z the attributions, G the grammar positions, K of the L positions that are neither ignored nor
    padding (confounder positions count as background, except in their own share):

    - paper (threshold-free): ``precision``, ``recall``, ``specificity`` and ``f1`` of
      phi_l = sum_a max(0, z_la), divided by its maximum, as a soft set of important positions;
    - paper, ``_thresholded``: the same of the positions with max_a z_la >= `THRESHOLD`;
    - localisation by the position score s: ``auroc``, ``ap`` (average precision) and both
      ``_chance_corrected`` (0 expected of a random order, 1 at best);
    - ``relevance_mass``, the share of sum |s| on G, its ``_lift`` over K / L, and
      ``relevance_rank``, the share of G among the K highest s (doi:10.1016/j.inffus.2021.11.008);
    - with `confounders`: ``confounder_share`` of sum |s| on the M confounder positions, and its
      ``_lift`` over M / L, where there are any.

    Equal scores are counted as the mean over their orders.

    Parameters
    ----------
    values
        float32 (K, A, L): attributions z.
    roles
        uint8 (K, L) of `Role`.
    signed
        True for contributions: s_l is the sum of z over letters, which is z at the observed letter
        for gradient x input and stays complete where a baseline gives the other letters a share.
        False for sensitivities: s_l is the L2 norm of z over letters.
    confounders
        Whether the grammar has confounders.

    Returns
    -------
    DataFrame
        One row an explanation, one float64 column a metric. NaN where a metric is not defined; a
        whole row where there is no grammar position or an attribution that is not finite.
    """
    grammar, confounder = roles == Role.GRAMMAR, roles == Role.CONFOUNDER
    background = (roles == Role.BACKGROUND) | confounder
    counted = grammar | background
    defined = grammar.any(axis=1) & (np.isfinite(values).all(axis=1) | ~counted).all(axis=1)
    values = np.where(counted[:, None, :] & defined[:, None, None], values, 0).astype(np.float64)
    scores = values.sum(axis=1) if signed else np.sqrt((values**2).sum(axis=1))
    soft = np.maximum(values, 0).sum(axis=1)
    soft /= np.maximum(soft.max(axis=1, keepdims=True, initial=0), np.finfo(np.float64).tiny)
    hard = (values.max(axis=1) >= THRESHOLD).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        metrics = _agreement(soft, grammar, background)
        thresholded = _agreement(hard, grammar, background)
        metrics |= {f"{name}_thresholded": metric for name, metric in thresholded.items()}
        metrics |= _localisation(scores, grammar, background)
        if confounders:
            metrics |= _confounding(np.abs(scores), confounder, counted)
    return pd.DataFrame({name: np.where(defined, m, np.nan) for name, m in metrics.items()})


def _agreement(
    important: np.ndarray, grammar: np.ndarray, background: np.ndarray
) -> dict[str, np.ndarray]:
    """Return how a soft set of positions, float64 (K, L) in [0, 1], agrees with the grammar."""
    found = (important * grammar).sum(axis=1)
    false = (important * background).sum(axis=1)
    relevant, others = grammar.sum(axis=1), background.sum(axis=1)
    return {
        "precision": found / (found + false),
        "recall": found / relevant,
        "specificity": (others - false) / others,
        "f1": 2 * found / (found + false + relevant),  # the harmonic mean, 0 where nothing is found
    }


def _localisation(
    scores: np.ndarray, grammar: np.ndarray, background: np.ndarray
) -> dict[str, np.ndarray]:
    relevant, positions = grammar.sum(axis=1), (grammar | background).sum(axis=1)
    auroc, ap, top = rank_measures(scores, grammar, background)
    chance = chance_average_precision(relevant, positions)
    size = np.abs(scores)
    mass = (size * grammar).sum(axis=1) / (size * (grammar | background)).sum(axis=1)
    return {
        "auroc": auroc,
        "ap": ap,
        "auroc_chance_corrected": 2 * auroc - 1,
        "ap_chance_corrected": np.where(positions > relevant, (ap - chance) / (1 - chance), np.nan),
        "relevance_mass": mass,
        "relevance_mass_lift": mass * positions / relevant,
        "relevance_rank": top,
    }


def _confounding(
    size: np.ndarray, confounder: np.ndarray, counted: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the share of relevance, float64 (K, L), on confounders; NaN where there are none."""
    share = (size * confounder).sum(axis=1) / (size * counted).sum(axis=1)
    positions = confounder.sum(axis=1)
    return {
        "confounder_share": np.where(positions > 0, share, np.nan),
        "confounder_share_lift": share * counted.sum(axis=1) / positions,
    }
