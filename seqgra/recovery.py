"""Grammar recovery: how well attributions point at what encodes the condition explained.

Every measure compares grammar with background positions; ignored positions and padding are left out
everywhere, as if the sequence did not have them. `recover` scores each explanation, and `AlignedMotifs`
averages attributions over the instances of each element.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from seqgra.alphabet import PADDING, lengths_of
from seqgra.dataset import Dataset
from seqgra.grammar.combinations import ROLES, tells
from seqgra.grammar.schema import Grammar
from seqgra.law.element_motifs import element_columns
from seqgra.metrics import chance_average_precision, rank_measures
from seqgra.motif import information
from seqgra.results import NULL, THRESHOLD, BackgroundOnly

#: Bits below which a column of an element counts neither way.
LEAST_INFORMATION = 0.1
#: An instance is found if its mean score is above this share of the highest of background sequences.
QUANTILE = 0.95
#: Columns beside an element that are averaged too.
FLANK = 5

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
        One row an explanation, one float column a metric; without a value where `recovery_metrics` has none.

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
    found = pd.concat([metrics, instances, nulls], axis=1)
    found.loc[metrics["recall"].isna()] = np.nan  # what has no values has none of these either
    return found


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
    x = np.asarray(dataset.x(set_name)[rows])
    letters = _Letters.of(_placed(dataset, set_name, rows, explained))
    informative = letters.bits(_information(dataset.grammar)) >= LEAST_INFORMATION
    informative |= letters.role == ROLES.index("annotated")
    visible = letters.intact & informative
    of_rule = np.isin(letters.role, [ROLES.index(r) for r in ("grammar", "hit", "annotated")])
    of_explained = tells(letters.role, letters.condition, letters.explained)
    roles = np.full(x.shape, Role.BACKGROUND, np.uint8)
    for role, chosen in (
        (Role.IGNORED, of_rule),
        (Role.CONFOUNDER, visible & (letters.role == ROLES.index("confounder"))),
        (Role.GRAMMAR, visible & of_explained),
    ):
        roles[letters.row[chosen], letters.position[chosen]] = role
    roles[x == PADDING] = Role.PADDING
    return roles


def _placed(
    dataset: Dataset, set_name: str, rows: np.ndarray, explained: np.ndarray
) -> pd.DataFrame:
    """Return the elements of examples, a row for each and explanation, whose number is in `row`."""
    explanations = pd.DataFrame(
        {"example": rows, "row": np.arange(rows.size), "explained": explained}
    )
    examples = int(rows.max(initial=-1)) + 1
    return dataset.elements(set_name, examples).merge(explanations, on="example")


class _Letters(NamedTuple):
    """Letters of placed elements, one entry a letter and explanation: M in all.

    Arrays are int64 (M,), `intact` is bool (M,).
    """

    #: Number of the explanation, and where in the sequence the letter is.
    row: np.ndarray
    position: np.ndarray
    #: Number of the element, and its column there, counted along the element's strand.
    element: np.ndarray
    column: np.ndarray
    #: Of the placed element: index in `ROLES`, and the condition that owns it; and the condition that is
    #: explained.
    role: np.ndarray
    condition: np.ndarray
    explained: np.ndarray
    #: Whether no letter of the placed element was overwritten.
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
        bits[number, : len(columns)] = information(columns, background)
    return bits


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
    scores = position_scores(values, signed)
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
    hits = (important * grammar).sum(axis=1)
    false_hits = (important * background).sum(axis=1)
    relevant, others = grammar.sum(axis=1), background.sum(axis=1)
    return {
        "precision": hits / (hits + false_hits),
        "recall": hits / relevant,
        "specificity": (others - false_hits) / others,
        "f1": 2 * hits / (hits + false_hits + relevant),  # the harmonic mean, 0 without hits
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


def position_scores(values: np.ndarray, signed: bool) -> np.ndarray:
    """Return the score of each position: float64 (K, L).

    The sum over letters of contributions (`signed`), the L2 norm of sensitivities; `values` is
    float (K, A, L).
    """
    values = values.astype(np.float64, copy=False)
    return np.asarray(values.sum(axis=1) if signed else np.sqrt((values**2).sum(axis=1)))


def placed_instances(
    dataset: Dataset, set_name: str, rows: np.ndarray, explained: np.ndarray
) -> pd.DataFrame:
    """Return the intact elements that are evidence of the condition explained (see `tells`).

    Returns
    -------
    DataFrame
        One row an instance: row (number of the explanation), element, start, end, strand.
    """
    table = _placed(dataset, set_name, rows, explained)
    chosen = table["intact"].to_numpy() & tells(
        *(table[name].to_numpy() for name in ("role", "condition", "explained"))
    )
    columns = ["row", "element", "start", "end", "strand"]
    result: pd.DataFrame = table.loc[chosen, columns].reset_index(drop=True)
    return result


def instance_recall(
    dataset: Dataset,
    set_name: str,
    rows: np.ndarray,
    explained: np.ndarray,
    scores: np.ndarray,
    null_scores: np.ndarray,
    null_explained: np.ndarray,
) -> pd.DataFrame:
    """Return the share of instances found in each explanation, of all elements and of each.

    An instance is found if the mean score of its window is above the 95th percentile, over
    background-only sequences explained for the same condition, of the highest mean of any window of
    that width. Of a model that sees nothing, one instance in twenty is at most found.

    Parameters
    ----------
    dataset, set_name, rows, explained
        As in `recover`.
    scores
        float64 (K, L): position scores.
    null_scores, null_explained
        float64 (K0, L), int64 (K0,): of background-only sequences.

    Returns
    -------
    DataFrame
        One row an explanation; columns instance_recall and instance_recall:<element>, NaN where an
        explanation has none.
    """
    table = placed_instances(dataset, set_name, rows, explained)
    sums = np.cumsum(np.pad(scores, ((0, 0), (1, 0))), axis=1)
    row, start, end = (table[name].to_numpy(np.int64) for name in ("row", "start", "end"))
    mean = (sums[row, end] - sums[row, start]) / np.maximum(end - start, 1)
    limits: dict[tuple[int, int], float] = {}
    for key in set(zip(explained[row].tolist(), (end - start).tolist(), strict=True)):
        limits[key] = highest_window(null_scores[null_explained == key[0]], key[1])
    pairs = zip(explained[row].tolist(), (end - start).tolist(), strict=True)
    limit = np.array([limits[key] for key in pairs])
    table = table.assign(recalled=np.where(np.isnan(limit), np.nan, mean > limit))
    result = pd.DataFrame(index=np.arange(len(rows)))
    result["instance_recall"] = table.groupby("row")["recalled"].mean()
    for number, name in enumerate(dataset.grammar.elements):
        of_element = table[table["element"] == number]
        result[f"instance_recall:{name}"] = of_element.groupby("row")["recalled"].mean()
    return result


def highest_window(scores: np.ndarray, width: int) -> float:
    """Return the `QUANTILE` over sequences of the highest mean of `width` neighbouring scores.

    Sequences whose scores are not finite are left out; NaN where none has any.
    """
    scores = scores[np.isfinite(scores).all(axis=1)]
    if not len(scores):
        return np.nan
    windows = np.lib.stride_tricks.sliding_window_view(scores, min(width, scores.shape[1]), axis=1)
    return float(np.quantile(windows.mean(axis=2).max(axis=1), QUANTILE))


class AlignedMotifs:
    """Averages attributions over the instances of each element, batch by batch.

    Instances nearer than `FLANK` to an end of their sequence, and those of explanations that are not
    finite, are left out; those of the reverse strand are reverse-complemented.

    Parameters
    ----------
    dataset, set_name
        Where the examples are.
    signed
        True for contributions: what a position contributes, the sum over letters, is that of its
        observed letter. False for sensitivities, of which every letter has one.
    """

    def __init__(self, dataset: Dataset, set_name: str, signed: bool) -> None:
        self._dataset, self._set_name, self._signed = dataset, set_name, signed
        self._matrices = element_columns(dataset.grammar)
        letters = len(dataset.alphabet.letters)
        self._counts = dict.fromkeys(self._matrices, 0)
        self._sums = {
            name: np.zeros((len(matrix) + 2 * FLANK, letters))
            for name, matrix in self._matrices.items()
        }

    def add(self, rows: np.ndarray, explained: np.ndarray, values: np.ndarray) -> None:
        """Take the attributions of some explanations, float (K, A, L); rows as in `recover`."""
        table = placed_instances(self._dataset, self._set_name, rows, explained)
        table = table.sort_values("row", kind="stable", ignore_index=True)
        x = np.asarray(self._dataset.x(self._set_name)[rows])
        finite = np.isfinite(values).all(axis=(1, 2))
        if self._signed:
            observed = x[:, None] == np.arange(values.shape[1])[:, None]
            values = observed * values.sum(axis=1, keepdims=True)
        row = table["row"].to_numpy(np.int64)
        fits = (table["start"] >= FLANK) & (table["end"] + FLANK <= lengths_of(x)[row])
        fits &= finite[row]
        for number, (name, matrix) in enumerate(self._matrices.items()):
            instances = table[fits & (table["element"] == number)]
            places = instances["start"].to_numpy(np.int64)[:, None]
            places = places + np.arange(-FLANK, len(matrix) + FLANK)
            seen = values[instances["row"].to_numpy(np.int64)[:, None], :, places].astype(
                np.float32
            )
            # only alphabets with complements have it: A-T, C-G
            reverse = instances["strand"].to_numpy() < 0
            seen[reverse] = seen[reverse][:, ::-1, ::-1]
            self._counts[name] += len(seen)
            # one row after the other: the same bits whatever the batches
            self._sums[name] = np.concatenate([self._sums[name][None], seen]).sum(axis=0)

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return how alike averages and elements are, and the averages; of elements with instances.

        Returns
        -------
        (DataFrame, DataFrame)
            One row an element: element, instances, cosine, pearson, kl, flank_mass (see `likeness`).
            One row a column of an element and its flanks: element, column (from 1 along the element;
            flanks lie outside), one float64 column a letter.
        """
        elements, columns = [], []
        letters = list(self._dataset.alphabet.letters)
        background = self._dataset.grammar.letter_distribution()
        for name, matrix in self._matrices.items():
            if not (count := self._counts[name]):
                continue
            mean = self._sums[name] / count
            elements.append((name, count, *likeness(mean, matrix, background)))
            averages = pd.DataFrame(mean, columns=letters)
            averages.insert(0, "column", np.arange(len(averages)) - FLANK + 1)
            averages.insert(0, "element", name)
            columns.append(averages)
        empty = pd.DataFrame(columns=["element", "column", *letters])
        motifs = pd.concat(columns, ignore_index=True) if columns else empty
        return pd.DataFrame(elements, columns=["element", "instances", *Likeness._fields]), motifs


class Likeness(NamedTuple):
    """How alike an average attribution M and an element's letter probabilities P are.

    Columns count by their information I_l; NaN where something is not defined.
    """

    #: Of max(0, M) and P.
    cosine: float
    pearson: float
    #: sum_l I_l sum_a P_la log2(P_la / S_la) / sum_l I_l in bits, S the softmax of M's column; it depends on
    #: the scale of the attributions.
    kl: float
    #: Share of abs(M) that lies beside the element.
    flank_mass: float


def likeness(mean: np.ndarray, matrix: np.ndarray, background: np.ndarray) -> Likeness:
    """Compare the average attribution at an element with its letter probabilities.

    Parameters
    ----------
    mean
        float64 (W + 2 FLANK, A): mean attribution of each letter, in the element's columns and beside.
    matrix, background
        float64 (W, A), (A,): probabilities.
    """
    inside = mean[FLANK : FLANK + len(matrix)]
    total = np.abs(mean).sum()
    flank = 1 - np.abs(inside).sum() / total if total > 0 else np.nan
    bits = information(matrix, background)
    if not bits.sum() > 0 or not np.isfinite(inside).all():
        return Likeness(np.nan, np.nan, np.nan, float(flank))
    share = (np.maximum(bits, 0) / bits.sum())[:, None]
    seen, weights = np.maximum(inside, 0), np.sqrt(share) * np.ones_like(matrix)
    size = weights**2 / (weights**2).sum()
    left, right = seen - (size * seen).sum(), matrix - (size * matrix).sum()
    logs = log_softmax(inside, axis=1)
    terms = matrix * (np.log2(np.where(matrix > 0, matrix, 1.0)) - logs / np.log(2))
    return Likeness(
        _cosine(seen * weights, matrix * weights),
        _cosine(left * weights, right * weights),
        float((share * terms).sum()),
        float(flank),
    )


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum() / norm) if norm > 0 else float("nan")
