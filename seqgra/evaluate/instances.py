"""Which instances of an element a model's attributions find, and what it sees in them on average."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import PADDING
from seqgra.dataset import Dataset
from seqgra.grammar.combinations import tells
from seqgra.law.affinity import element_columns

#: An instance is found if its mean score is above this share of the highest of background sequences.
QUANTILE = 0.95


def position_scores(values: np.ndarray, signed: bool) -> np.ndarray:
    """Return the score of each position: float64 (K, L).

    The sum over letters of contributions (`signed`), the L2 norm of sensitivities; `values` is
    float (K, A, L).
    """
    values = values.astype(np.float64)
    return np.asarray(values.sum(axis=1) if signed else np.sqrt((values**2).sum(axis=1)))


def placed_instances(
    dataset: Dataset, set_name: str, rows: np.ndarray, explained: np.ndarray
) -> pd.DataFrame:
    """Return the intact elements that tell about the condition explained (see `tells`).

    Returns
    -------
    DataFrame
        One row an instance: row (number of the explanation), element, start, end, strand.
    """
    wanted = pd.DataFrame({"example": rows, "row": np.arange(rows.size), "explained": explained})
    table = dataset.elements(set_name, int(rows.max(initial=-1)) + 1).merge(wanted, on="example")
    told = table["intact"].to_numpy() & tells(
        *(table[name].to_numpy() for name in ("role", "condition", "explained"))
    )
    columns = ["row", "element", "start", "end", "strand"]
    return table.loc[told, columns].reset_index(drop=True)


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
        As in `recovery.recover`.
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
    found = mean > np.array([limits[key] for key in pairs])
    table = table.assign(found=found.astype(float))
    result = pd.DataFrame(index=np.arange(len(rows)))
    result["instance_recall"] = table.groupby("row")["found"].mean()
    for number, name in enumerate(dataset.grammar.elements):
        own = table[table["element"] == number]
        result[f"instance_recall:{name}"] = own.groupby("row")["found"].mean()
    return result


def highest_window(scores: np.ndarray, width: int) -> float:
    """Return the `QUANTILE` over sequences of the highest mean of `width` neighbouring scores."""
    if not len(scores):
        return np.inf
    windows = np.lib.stride_tricks.sliding_window_view(scores, min(width, scores.shape[1]), axis=1)
    return float(np.quantile(windows.mean(axis=2).max(axis=1), QUANTILE))


class AlignedMotif(NamedTuple):
    """What attributions show at an element, on average over its instances.

    Attributes
    ----------
    element
        Its name.
    instances
        How many there are.
    values
        float64 (W + 2 F, A): mean attribution of each letter in the element's columns and F flanking
        ones on either side, read along the element's strand.
    flank
        F.
    cosine, pearson
        Of the positive part of the element's columns with its letter probabilities, each column
        weighted by its information; NaN where either is constant.
    flank_share
        Share of the absolute attribution that lies in the flanks.
    """

    element: str
    instances: int
    values: np.ndarray
    flank: int
    cosine: float
    pearson: float
    flank_share: float


def aligned_motifs(
    dataset: Dataset,
    set_name: str,
    rows: np.ndarray,
    explained: np.ndarray,
    values: np.ndarray,
    flank: int = 5,
) -> list[AlignedMotif]:
    """Return the average attribution at the instances of each element that has any.

    Parameters
    ----------
    dataset, set_name, rows, explained
        As in `recovery.recover`.
    values
        float (K, A, L): attributions; corrected gradients say most.
    flank
        Columns beside the element; instances nearer to an end of the sequence are left out.
    """
    table = placed_instances(dataset, set_name, rows, explained)
    length = (np.asarray(dataset.x(set_name)[rows]) != PADDING).sum(axis=1)
    fits = (table["start"] >= flank) & (table["end"] + flank <= length[table["row"]])
    background, found = dataset.grammar.letter_distribution(), []
    for number, (name, columns) in enumerate(element_columns(dataset.grammar).items()):
        own = table[fits & (table["element"] == number)]
        if own.empty:
            continue
        offsets = np.arange(-flank, len(columns) + flank)
        places = own["start"].to_numpy(np.int64)[:, None] + offsets
        seen = values[own["row"].to_numpy(np.int64)[:, None], :, places].astype(np.float64)
        reverse = own["strand"].to_numpy() < 0  # only alphabets with complements have it: A-T, C-G
        seen[reverse] = seen[reverse][:, ::-1, ::-1]
        mean = seen.mean(axis=0)
        inside = mean[flank : flank + len(columns)]
        cosine, pearson = _likeness(np.maximum(inside, 0), columns, background)
        total = np.abs(mean).sum()
        share = 1 - np.abs(inside).sum() / total if total > 0 else np.nan
        found.append(AlignedMotif(name, len(own), mean, flank, cosine, pearson, float(share)))
    return found


def _likeness(seen: np.ndarray, columns: np.ndarray, background: np.ndarray) -> tuple[float, float]:
    """Return cosine and Pearson correlation of two (W, A), columns weighted by information."""
    ratio = np.where(columns > 0, columns / background, 1.0)
    bits = (columns * np.log2(ratio)).sum(axis=1, keepdims=True)
    weights = np.sqrt(np.maximum(bits, 0)) * np.ones_like(columns)
    a, b = seen * weights, columns * weights
    share = weights**2 / max(float((weights**2).sum()), np.finfo(float).tiny)
    left, right = seen - (share * seen).sum(), columns - (share * columns).sum()
    return _cosine(a, b), _cosine(left * weights, right * weights)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum() / norm) if norm > 0 else float("nan")
