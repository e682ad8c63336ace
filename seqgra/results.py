"""Nouns that say how good a model is: scores and attributions, each with its reader and writer.

scores/        scores.json, curves.parquet, predictions.npy
attributions/  recovery.json, recovery.parquet, attributions.npy
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqgra.errors import bad_input
from seqgra.fingerprint import Draft

#: Names of averages over conditions, beside the conditions' own names in every table.
MICRO, MACRO = "micro", "macro"


class Scores(NamedTuple):
    """Predictive performance of one model on one test set.

    Attributes
    ----------
    examples
        Test examples N.
    metrics
        ``metrics[metric][scope]``: metric is one of roc_auc, pr_auc, accuracy, log_loss; scope is
        micro, macro or the name of a condition. NaN where a metric is not defined.
    curves
        Columns curve (roc or pr), scope, x, y: false positive rate and true positive rate, or recall
        and precision.
    predictions
        float32 (N, C): logits.
    """

    examples: int
    metrics: dict[str, dict[str, float]]
    curves: pd.DataFrame
    predictions: np.ndarray


class Attributions(NamedTuple):
    """Grammar recovery of one model by one attribution method, on the fixed test examples.

    Attributes
    ----------
    method
        Name of the attribution method.
    recovery
        One row an example: example (row of the test set), condition (name), correct (bool), and one
        float column a metric; NaN where a metric is not defined.
    pictured
        int64 (K,): the rows of the test set that `values` hold.
    values
        float32 (K, A, L): attributions of the pictured examples, padded positions 0.
    """

    method: str
    recovery: pd.DataFrame
    pictured: np.ndarray
    values: np.ndarray


#: Columns of `Attributions.recovery` that are no metric.
RECOVERY_KEYS = ("example", "condition", "correct")


def write_scores(scores: Scores, draft: Draft) -> None:
    """Write the files of a scores noun; the caller publishes them."""
    content = {"examples": scores.examples, "metrics": _json_ready(scores.metrics)}
    draft.aside("scores.json").write_text(json.dumps(content, indent=1) + "\n")
    scores.curves.to_parquet(draft.aside("curves.parquet"), index=False)
    _save_array(draft.aside("predictions.npy"), scores.predictions)


def read_scores(folder: Path) -> dict[str, Any]:
    """Return the content of ``scores.json``: examples and metrics (None where not defined).

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    return _read_json(folder / "scores.json")


def write_attributions(result: Attributions, draft: Draft) -> None:
    """Write the files of an attributions noun; the caller publishes them."""
    content = {
        "method": result.method,
        "examples": len(result.recovery),
        "pictured": result.pictured.tolist(),
        "recovery": _json_ready(summarise_recovery(result.recovery)),
    }
    draft.aside("recovery.json").write_text(json.dumps(content, indent=1) + "\n")
    result.recovery.to_parquet(draft.aside("recovery.parquet"), index=False)
    _save_array(draft.aside("attributions.npy"), result.values)


def read_recovery(folder: Path) -> dict[str, Any]:
    """Return the content of ``recovery.json``; ``recovery[metric][scope]`` holds means over examples.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    return _read_json(folder / "recovery.json")


def read_pictured(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the pictured rows of the test set, int64 (K,), and their attributions (K, A, L)."""
    rows = np.array(read_recovery(folder)["pictured"], np.int64)
    return rows, np.load(folder / "attributions.npy", allow_pickle=False)


def summarise_recovery(recovery: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the mean of each metric by scope: each condition, and macro (the mean of conditions)."""
    metrics = [name for name in recovery.columns if name not in RECOVERY_KEYS]
    means = recovery.groupby("condition", sort=False)[metrics].mean()
    summary = {}
    for metric in metrics:
        by_condition = {str(name): float(value) for name, value in means[metric].items()}
        summary[metric] = {MACRO: float(means[metric].mean()), **by_condition}
    return summary


def _json_ready(metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Replace NaN by None, which JSON can hold."""
    return {
        metric: {scope: None if math.isnan(value) else value for scope, value in by_scope.items()}
        for metric, by_scope in metrics.items()
    }


def _save_array(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as stream:  # np.save would append .npy to a path without it
        np.save(stream, array)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise bad_input(path, "", f"cannot be read ({error}); make it again") from None
    return content
