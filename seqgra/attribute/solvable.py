"""Examples whose label the exact posterior is sure of: what any good classifier can tell, and see why."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.special import expit

from seqgra.dataset import Dataset, open_dataset
from seqgra.errors import InputError
from seqgra.law.posterior import compile_posterior

#: Posterior probability of the true label from which an example is solvable.
SURE = 0.9
#: Scenarios of one combination of labels beyond which the posterior takes too long for this alone.
_MOST_SCENARIOS = 64


def solvable(
    dataset: Dataset, set_name: str, rows: np.ndarray, conditions: np.ndarray
) -> np.ndarray | None:
    """Return whether the exact posterior of each explained label is at least `SURE`.

    It depends on no model, so the examples are the same for all. Of labels without noise.

    Parameters
    ----------
    dataset, set_name
        Where the examples are.
    rows, conditions
        int64 (K,): rows of the set, and the conditions explained, which the examples truly have.

    Returns
    -------
    ndarray or None
        bool (K,); None of real examples, and where the grammar has no exact posterior, or one of more
        than 64 scenarios (which rules apply, copies, slots) for a combination of labels.
    """
    key = tuple(np.unique(rows).tolist())
    found = _probabilities(dataset.folder, dataset.fingerprint, set_name, key)
    if found is None:
        return None
    return np.asarray(found[np.searchsorted(key, rows), conditions] >= SURE)


@lru_cache(maxsize=2)
def _probabilities(
    folder: Path, _fingerprint: str, set_name: str, rows: tuple[int, ...]
) -> np.ndarray | None:
    """Return the posterior of each condition, float64 (K, C): the same for all models of a batch."""
    dataset = open_dataset(folder)
    if not dataset.simulated:
        return None
    clean = dataset.grammar.model_copy(update={"noise": None})
    try:
        posterior = compile_posterior(clean, set_name)
    except InputError:  # it has too many outcomes, or a pool of sequences that is not here
        return None
    if max(len(shown.scenarios) for shown in posterior.combinations) > _MOST_SCENARIOS:
        return None
    x = np.array(dataset.x(set_name)[list(rows)])
    values, _ = posterior.log_posterior(x)
    if dataset.task == "multi-label":
        return np.asarray(expit(values))
    return np.asarray(np.exp(values))
