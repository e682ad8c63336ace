"""Learning curves with a known truth, for proofs and benchmarks of the comparison."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

CHANCE, CEILING = 0.5, 0.98


class Truth(NamedTuple):
    """How synthetic curves are drawn.

    A run's value at size n is chance + (ceiling - chance) / (1 + (n / n50)^-h) + noise, where log2 n50
    is the architecture's plus normal effects of the grammar, of its data seeds (shared by all
    architectures), of architecture x data seed and of the run.

    Attributes
    ----------
    n50
        Label -> size at half height.
    steep
        h.
    grammars, sizes, data_seeds, model_seeds
        The grid.
    of_grammar, of_seed, of_own_seed, of_run
        Standard deviations of the effects on log2 n50.
    of_initialisation
        The same of the initialisation of an architecture: nested, one of each run; crossed, one of each
        model seed, which all data seeds of a grammar share.
    crossed
        Whether seeds are crossed.
    noise
        Standard deviation of each value around its curve.
    collapse
        Chance that a run collapses: its value is chance.
    collapse_initialisation
        Chance that an initialisation collapses wherever it is used.
    """

    n50: dict[str, float]
    steep: float = 1.5
    grammars: int = 1
    sizes: tuple[int, ...] = (500, 1000, 2000, 4000, 8000, 16000, 32000)
    data_seeds: int = 5
    model_seeds: int = 1
    of_grammar: float = 0.0
    of_seed: float = 0.3
    of_own_seed: float = 0.3
    of_run: float = 0.2
    of_initialisation: float = 0.0
    crossed: bool = False
    noise: float = 0.003
    collapse: float = 0.0
    collapse_initialisation: float = 0.0

    def needed(self, label: str, tau: float) -> float:
        """Return the examples that the median run needs."""
        return float(self.n50[label] * (tau / (1 - tau)) ** (1 / self.steep))


def draw(truth: Truth, seed: int) -> pd.DataFrame:
    """Return runs as `seqgra.compare.runs.curve_runs` does, sorted."""
    rng = np.random.default_rng(seed)
    t, labels = truth, sorted(truth.n50)
    shape = (t.grammars, t.data_seeds, len(labels), t.model_seeds)
    log_n50 = np.broadcast_to(np.log2([t.n50[name] for name in labels])[:, None], shape)
    log_n50 = log_n50 + t.of_grammar * rng.normal(size=(t.grammars, 1, 1, 1))
    log_n50 = log_n50 + t.of_seed * rng.normal(size=(t.grammars, t.data_seeds, 1, 1))
    log_n50 = log_n50 + t.of_own_seed * rng.normal(size=(t.grammars, t.data_seeds, len(labels), 1))
    log_n50 = log_n50 + t.of_run * rng.normal(size=shape)
    shared = (t.grammars, 1, *shape[2:]) if t.crossed else shape
    if t.of_initialisation:
        log_n50 = log_n50 + t.of_initialisation * rng.normal(size=shared)
    rise = 1 / (1 + 2 ** (-t.steep * (np.log2(t.sizes) - log_n50[..., None])))
    values = CHANCE + (CEILING - CHANCE) * rise + t.noise * rng.normal(size=rise.shape)
    collapsed = rng.random(values.shape) < t.collapse
    if t.collapse_initialisation:
        dead = rng.random(shared) < t.collapse_initialisation
        collapsed = collapsed | dead[..., None]
    values = np.where(collapsed, CHANCE, np.minimum(values, 1))
    names = [f"g{i:03d}" for i in range(t.grammars)]
    axes = [names, range(t.data_seeds), labels, range(t.model_seeds), t.sizes]
    keys = ["grammar", "data_seed", "label", "model_seed", "size"]
    index = pd.MultiIndex.from_product(axes, names=keys)
    return pd.DataFrame(
        {
            "value": values.ravel(),
            "seeds": "crossed" if t.crossed else "nested",
            "status": np.where(collapsed.ravel(), "collapsed", "done"),
            "validation_loss": 1 - values.ravel(),
            "chance": CHANCE,
            "ceiling": CEILING,
        },
        index=index,
    ).reset_index()
