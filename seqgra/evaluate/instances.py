"""Which instances of an element a model's attributions find."""

from __future__ import annotations

import numpy as np
import pandas as pd

from seqgra.dataset import Dataset
from seqgra.grammar.combinations import tells

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
