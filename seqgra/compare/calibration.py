"""Whether probabilities are what they say: reliability and Brier scores of single models."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from seqgra.compare.cells import KEYS, CellResults
from seqgra.dataset import open_dataset
from seqgra.fingerprint import read_run
from seqgra.model import MULTI_LABEL
from seqgra.results import read_predictions

#: Bins of predicted probability, of equal width.
BINS = 10
#: Columns of `calibration` behind the keys and the label.
_COLUMNS = ("scaled", "brier", "low", "predicted", "observed", "examples")


def calibration(finished: Iterable[tuple[CellResults, str]]) -> pd.DataFrame:
    """Return reliability and Brier score of models, on all examples of their test sets that were scored.

    Parameters
    ----------
    finished
        Cells with scores, and their labels.

    Returns
    -------
    DataFrame
        One row a (cell, scaled, bin with examples): `KEYS`, label; scaled, bool: whether logits were divided
        by the temperature fitted to the validation set (not of models without one); brier, see
        `brier_score`; low, the lower end of the bin, and its predicted, observed and examples, see
        `reliability`. A model whose logits are not finite has no rows.

    Raises
    ------
    InputError
        If predictions or the test set are damaged.
    """
    parts = []
    for cell, label in finished:
        logits = read_predictions(cell.scores).astype(np.float64)
        dataset = open_dataset(cell.test)
        true = np.asarray(dataset.y("test", len(logits))).astype(bool)
        temperature = (read_run(cell.model) or {}).get("temperature")
        scales = {False: 1.0} | ({True: float(temperature)} if temperature else {})
        for scaled, scale in scales.items():
            if not np.isfinite(logits).all():
                continue
            p = probabilities(logits / scale, dataset.task)
            bins = reliability(p, true).assign(scaled=scaled, brier=brier_score(p, true))
            keys = dict(zip([*KEYS, "label"], [*cell.key, label], strict=True))
            parts.append(bins.assign(**keys))
    names = [*KEYS, "label", *_COLUMNS]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def probabilities(logits: NDArray[np.float64], task: str) -> NDArray[np.float64]:
    """Return the probability of each condition, float64 (N, C): softmax, or sigmoid of each label."""
    return np.asarray(expit(logits) if task == MULTI_LABEL else softmax(logits, axis=1))


def brier_score(p: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Return the mean squared difference of probability and outcome over examples and conditions.

    It is the mean of the conditions' own scores, each against all others (Brier 1950,
    doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2); of two conditions these are equal.

    Parameters
    ----------
    p
        float64 (N, C).
    true
        bool (N, C).

    >>> round(brier_score(np.array([[0.9, 0.1], [0.4, 0.6]]), np.eye(2, dtype=bool)), 6)
    0.085
    """
    return float(((p - true) ** 2).mean())


def reliability(p: NDArray[np.float64], true: NDArray[np.bool_], bins: int = BINS) -> pd.DataFrame:
    """Return how often what was given a probability is so, over all examples and conditions.

    Parameters
    ----------
    p
        float64 (N, C).
    true
        bool (N, C).
    bins
        Of equal width; a probability at an end belongs to the bin below.

    Returns
    -------
    DataFrame
        One row a bin that holds any: low, its lower end; predicted, the mean probability; observed, the share
        that is so; examples, how many pairs of an example and a condition.
    """
    values, outcomes = p.ravel(), true.ravel()
    edges = np.linspace(0, 1, bins + 1)
    which = np.searchsorted(edges[1:-1], values)
    counts = np.bincount(which, minlength=bins)
    found = pd.DataFrame(
        {
            "low": edges[:-1],
            "predicted": np.bincount(which, values, minlength=bins) / np.maximum(counts, 1),
            "observed": np.bincount(which, outcomes, minlength=bins) / np.maximum(counts, 1),
            "examples": counts,
        }
    )
    return found[counts > 0].reset_index(drop=True)
