"""What attributions show at the elements that are known to be there, on average."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.alphabet import lengths_of
from seqgra.dataset import Dataset
from seqgra.evaluate.instances import placed_instances
from seqgra.law.affinity import element_columns

#: Columns beside an element that are averaged too.
FLANK = 5


class AlignedMotifs:
    """Averages attributions over the instances of each element, batch by batch.

    Instances nearer than `FLANK` to an end of their sequence are left out; those of the reverse strand
    are turned round.

    Parameters
    ----------
    dataset, set_name
        Where the examples are.
    signed
        True for contributions: what a position contributes, the sum over letters, is that of its
        observed letter. False for sensitivities, which every letter has its own of.
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
        """Take the attributions of some explanations, float (K, A, L); rows as in `recovery.recover`."""
        table = placed_instances(self._dataset, self._set_name, rows, explained)
        table = table.sort_values("row", kind="stable", ignore_index=True)
        x = np.asarray(self._dataset.x(self._set_name)[rows])
        if self._signed:
            observed = x[:, None] == np.arange(values.shape[1])[:, None]
            values = observed * values.sum(axis=1, keepdims=True)
        length = lengths_of(x)[table["row"].to_numpy(np.int64)]
        fits = (table["start"] >= FLANK) & (table["end"] + FLANK <= length)
        for number, (name, matrix) in enumerate(self._matrices.items()):
            own = table[fits & (table["element"] == number)]
            places = own["start"].to_numpy(np.int64)[:, None]
            places = places + np.arange(-FLANK, len(matrix) + FLANK)
            seen = values[own["row"].to_numpy(np.int64)[:, None], :, places].astype(np.float32)
            # only alphabets with complements have it: A-T, C-G
            reverse = own["strand"].to_numpy() < 0
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
            own = pd.DataFrame(mean, columns=letters)
            own.insert(0, "column", np.arange(len(own)) - FLANK + 1)
            own.insert(0, "element", name)
            columns.append(own)
        empty = pd.DataFrame(columns=["element", "column", *letters])
        motifs = pd.concat(columns, ignore_index=True) if columns else empty
        return pd.DataFrame(elements, columns=["element", "instances", *Likeness._fields]), motifs


class Likeness(NamedTuple):
    """How alike an average attribution M and an element's letter probabilities P are.

    Columns count by their information I_l; NaN where something is not defined.

    Attributes
    ----------
    cosine, pearson
        Of max(0, M) and P.
    kl
        sum_l I_l sum_a P_la log2(P_la / S_la) / sum_l I_l in bits, S the softmax of M's column; it
        depends on the scale of the attributions.
    flank_mass
        Share of abs(M) that lies beside the element.
    """

    cosine: float
    pearson: float
    kl: float
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
    bits = (matrix * np.log2(np.where(matrix > 0, matrix / background, 1.0))).sum(axis=1)
    if not bits.sum() > 0 or not np.isfinite(inside).all():
        return Likeness(np.nan, np.nan, np.nan, float(flank))
    share = (np.maximum(bits, 0) / bits.sum())[:, None]
    seen, weights = np.maximum(inside, 0), np.sqrt(share) * np.ones_like(matrix)
    size = weights**2 / (weights**2).sum()
    left, right = seen - (size * seen).sum(), matrix - (size * matrix).sum()
    logs = inside - inside.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
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
