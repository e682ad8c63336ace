"""Evaluate: how well a model predicts, and how well attributions recover the grammar."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgra.dataset import open_dataset
from seqgra.fingerprint import Draft, Outcome, identity_of, make, require_run
from seqgra.stages.evaluate import DEFAULTS

if TYPE_CHECKING:  # scores that are up to date need neither arrays nor a model
    import numpy as np

    from seqgra.model import AbstractModel

log = logging.getLogger(__name__)

_BATCH = 1024


def evaluate(
    model: Path,
    dataset: Path,
    folder: Path,
    *,
    set_name: str = "test",
    set_size: int | None = None,
    device: str = DEFAULTS.device,
) -> str:
    """Score a model's predictions on a dataset and write the scores.

    They are compared with the recorded labels, which in a set with label noise are partly wrong.

    Parameters
    ----------
    model, dataset
        Folders of a trained model and of the dataset to predict.
    folder
        Where the scores go.
    set_name, set_size
        The first `set_size` examples of this set are predicted; None: all in the folder.
    device
        Where the model runs.

    Returns
    -------
    str
        ``up to date``, or the status of the model: ``done``, ``collapsed`` or ``diverged``.

    Raises
    ------
    InputError
        If the model or the dataset is missing or damaged, or their conditions differ.
    """
    run, data = require_run(model, "train"), open_dataset(dataset)
    examples = data.count(set_name, set_size)
    inputs = {"model": run["fingerprint"], "dataset": data.fingerprint}
    options = scores_options(set_name, examples)

    def compute(draft: Draft) -> Outcome:
        if run["status"] == "diverged":  # whatever weights are left are no result
            return Outcome({"reason": run.get("reason", "")}, "diverged")
        import numpy as np

        from seqgra.evaluate import curves
        from seqgra.model import open_model
        from seqgra.results import write_scores

        trained = open_model(model, run, data, device)
        trained.beside = dataset
        data.verify(set_name)
        logits, y = predict(trained, data.x(set_name, set_size)), data.y(set_name, set_size)
        write_scores(curves.score(logits, np.array(y), data.conditions, data.task), draft)
        reason = ""
        if absent := data.absent_conditions(set_name, set_size):
            reason = (
                f"no example of the {set_name} set shows {' or '.join(absent)}: areas of that, and "
            )
            reason += "macro, are undefined, and micro says how well the others are distinguished"
            log.warning("%s: %s", folder, reason)
        facts = {"examples": examples, "device": trained.device, "reason": reason}
        return Outcome(facts, str(run["status"]))

    return make(identity_of("evaluate", inputs, options), folder, compute).status


def scores_options(set_name: str, set_size: int) -> dict[str, Any]:
    """Return the options of the identity of scores; see `evaluate`."""
    return {"set": set_name, "set_size": set_size}


def predict(model: AbstractModel, x: np.ndarray) -> np.ndarray:
    """Return the logits of letter codes (uint8 (N, L), may be memory-mapped): float32 (N, C)."""
    import numpy as np

    parts = [model.logits(np.array(x[i : i + _BATCH])) for i in range(0, len(x), _BATCH)]
    return np.concatenate(parts).astype(np.float32, copy=False)
