"""scikit-learn backend: logistic regression on counts of k-mers, gapped or not, or on best PWM scores."""

from __future__ import annotations

import math
import time
import warnings
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from seqgra.alphabet import ALPHABETS, DNA
from seqgra.architecture.schema import MOST_FEATURES, Baseline
from seqgra.backends import gapped_kmers
from seqgra.backends.strands import Strand, either_strand, element_strands
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, verify_file
from seqgra.grammar.schema import Grammar
from seqgra.law.elements import best_scores
from seqgra.law.word_counts import complement_words
from seqgra.model import MULTI_LABEL, AbstractModel, ModelCard, card_text, read_card
from seqgra.motif import ADDED, Zeros, log_odds
from seqgra.training import (
    Options,
    Trained,
    TrainingData,
    accuracy,
    constant_loss,
    mean_loss,
    outcome,
)

_ITERATIONS = 300
#: Gapped k-mers that are counted at most: two tables of so many numbers are held.
_MOST_WORDS = 4_000_000
_CHUNK = 8192
#: Logit of a condition that no training example has.
_NEVER = -30.0


class BaselineCard(ModelCard):
    """What the features of a logistic regression are made of.

    Attributes
    ----------
    k
        Length of the k-mers that are counted; None for other features.
    gapped
        Length of gapped k-mers and how many letters of it they are of; None for other features.
    scores
        Log odds (W, A) of each motif; None where k-mers are counted.
    strands
        Strands of the k-mers, or of each motif.
    """

    k: int | None = None
    gapped: tuple[int, int] | None = None
    scores: dict[str, list[list[float]]] | None = None
    strands: str | dict[str, list[Strand]]


class SklearnModel(AbstractModel):
    """Standardised features and the coefficients of a logistic regression.

    Multinomial for a multi-class task; one regression a label for a multi-label one.

    Attributes
    ----------
    card
        What it is built from.
    arrays
        mean, scale float32 (F,); coefficients float32 (C, F); intercepts float32 (C,); of gapped k-mers
        words, int64 (F,).
    """

    def __init__(self, card: BaselineCard, arrays: dict[str, np.ndarray]) -> None:
        self.card, self.arrays, self.device = card, arrays, "cpu"
        self.conditions = card.conditions
        self.alphabet, self.window = card.alphabet, card.window
        self.task = card.task

    @cached_property
    def _columns(self) -> np.ndarray | None:
        return word_features(self.card, self.arrays.get("words"))

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of letter codes `x`, uint8 (N, L)."""
        a = self.arrays
        parts = [np.zeros((0, len(self.conditions)), np.float32)]
        for start in range(0, len(x), _CHUNK):
            values = features(self.card, x[start : start + _CHUNK], self._columns)
            parts.append(linear((values - a["mean"]) / a["scale"], a))
        return np.concatenate(parts)


def linear(values: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return float32 (N, C) logits of standardised features (N, F)."""
    return np.asarray(values @ arrays["coefficients"].T + arrays["intercepts"], np.float32)


def word_features(card: BaselineCard, words: np.ndarray | None = None) -> np.ndarray | None:
    """Return the feature of each k-mer, of gapped ones those numbered `words`; None of motifs."""
    letters = len(ALPHABETS[card.alphabet].letters)
    if card.gapped is not None:
        assert words is not None
        places, both = gapped_kmers.patterns(*card.gapped), card.strands == "both"
        return gapped_kmers.chosen_columns(places, letters, both, words)
    if isinstance(card.strands, str):
        assert card.k is not None
        return kmer_columns(card.k, letters, card.strands)
    return None


def features(card: BaselineCard, x: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
    """Return the features of letter codes `x`, uint8 (N, L): float32 (N, F).

    K-mers in the order of `columns` (see `word_features`), or of each element the best score on each of its
    strands.
    """
    x, letters = np.asarray(x), len(ALPHABETS[card.alphabet].letters)
    if columns is None:
        columns = word_features(card)
    if card.gapped is not None and columns is not None:
        places = gapped_kmers.patterns(*card.gapped)
        return np.asarray(gapped_kmers.counts(x, places, letters, columns, columns.max() + 1))
    if card.k is not None and columns is not None:
        return kmer_counts(x, card.k, letters, columns)
    assert not isinstance(card.strands, str)
    best = []
    for name, matrix in (card.scores or {}).items():
        scores = np.array(matrix, np.float32)
        best += [best_on_strand(x, scores, strand) for strand in card.strands[name]]
    return np.stack(best, axis=1)


def best_on_strand(x: np.ndarray, scores: np.ndarray, strand: Strand) -> np.ndarray:
    """Return the best score of a matrix (float32 (W, A)) in each of `x`, uint8 (N, L): float32 (N,).

    On strand ``-`` that of its reverse complement, on ``random`` the better of the two.
    """
    if strand == "+":
        return np.asarray(best_scores(x, scores))
    reverse = best_scores(x, np.ascontiguousarray(scores[::-1, ::-1]))
    return np.asarray(
        np.maximum(best_scores(x, scores), reverse) if strand == "random" else reverse
    )


def kmer_columns(k: int, letters: int, strands: str) -> np.ndarray:
    """Return the feature that each k-mer counts for, int64 (letters ** k,), in alphabetical order.

    With ``both`` strands of DNA a k-mer and its reverse complement are one.

    >>> kmer_columns(1, 4, "both").tolist()  # A and T, C and G
    [0, 1, 1, 0]
    """
    words = np.arange(letters**k)
    if strands == "forward":
        return words
    lesser = np.minimum(words, complement_words(k, letters))
    return np.unique(lesser, return_inverse=True)[1].astype(np.int64)


@numba.njit(cache=True, nogil=True)
def kmer_counts(x: np.ndarray, k: int, letters: int, columns: np.ndarray) -> np.ndarray:
    """Count the k-mers of each sequence; those with padding or unknown letters do not count.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes.
    k, letters
        Length of the k-mers and size of the alphabet.
    columns
        int64 (letters ** k,): the feature that each counts for, see `kmer_columns`.

    Returns
    -------
    ndarray
        float32 (N, F), F one more than the largest of `columns`.
    """
    examples, length = x.shape
    size = letters**k
    counts = np.zeros((examples, columns.max() + 1), np.float32)
    for n in range(examples):
        index, run = 0, 0
        for position in range(length):
            letter = x[n, position]
            run = run + 1 if letter < letters else 0
            index = (index * letters + letter) % size if letter < letters else 0
            if run >= k:
                counts[n, columns[index]] += 1
    return counts


def fit(
    architecture: Baseline, data: TrainingData, options: Options, _draft: Draft | None
) -> Trained:
    """Fit a baseline as `best_regression` does; it leaves no checkpoint."""
    return best_regression(architecture, data, options)


def best_regression(architecture: Baseline, data: TrainingData, options: Options) -> Trained:
    """Fit one logistic regression for each penalty; keep the one of lowest validation loss."""
    card = _card(architecture, data)
    words = _words(card, architecture, data)
    columns = word_features(card, words)
    values, validation = (features(card, x, columns) for x in (data.x, data.validation_x))
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale == 0] = 1
    for part in (values, validation):  # in place: features may fill most of the memory
        part -= mean
        part /= scale
    y, validation_y = np.asarray(data.y), np.asarray(data.validation_y)
    history, best_loss, best_penalty = [], np.inf, architecture.penalties[0]
    best: dict[str, np.ndarray] = {}
    for number, penalty in enumerate(architecture.penalties):
        started = time.perf_counter()
        fitted = _regression(values, y, data.task, penalty, options)
        logits = linear(validation, fitted)
        loss = mean_loss(logits, validation_y, data.task)
        history.append(
            {
                "epoch": number + 1,
                "training_loss": mean_loss(linear(values, fitted), y, data.task),
                "validation_loss": loss,
                "validation_accuracy": accuracy(logits, validation_y, data.task),
                "seconds": round(time.perf_counter() - started, 4),
            }
        )
        if loss < best_loss:
            best_loss, best_penalty, best = loss, penalty, fitted
    arrays = {"mean": mean, "scale": scale, **best} | ({} if words is None else {"words": words})
    constant = constant_loss(y, validation_y, data.task)
    facts = {
        "device": "cpu",
        "parameters": int(arrays["coefficients"].size + arrays["intercepts"].size),
        "epochs": len(history),
        "best_validation_loss": float(best_loss),
        "constant_loss": constant,
        "penalty": best_penalty,
        "strands": card.strands,
    }
    return Trained(SklearnModel(card, arrays), history, *outcome(best_loss, constant), facts)


def _regression(
    values: np.ndarray, y: np.ndarray, task: str, penalty: float, options: Options
) -> dict[str, np.ndarray]:
    """Fit one multinomial regression, or one regression for each label; return its coefficients."""
    # stopping early regularises too; validation decides. More threads would change last bits.
    with warnings.catch_warnings(), threadpool_limits(options.threads):
        warnings.simplefilter("ignore", ConvergenceWarning)
        if task != MULTI_LABEL:
            return _coefficients(_fitted(values, y.argmax(axis=1), penalty, options), y.shape[1])
        parts = [_label(values, column, penalty, options) for column in y.T]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _fitted(
    values: np.ndarray, y: np.ndarray, penalty: float, options: Options
) -> LogisticRegression:
    model = LogisticRegression(C=penalty, max_iter=_ITERATIONS, random_state=options.seed)
    return model.fit(values, y)


def _label(
    values: np.ndarray, y: np.ndarray, penalty: float, options: Options
) -> dict[str, np.ndarray]:
    """Fit one label; one that all examples share, or none has, gets the constant log-odds."""
    if 0 < y.sum() < len(y):
        model = _fitted(values, y, penalty, options)
        return {
            "coefficients": model.coef_.astype(np.float32),
            "intercepts": model.intercept_.astype(np.float32),
        }
    odds = (y.sum() + 0.5) / (len(y) - y.sum() + 0.5)
    return {
        "coefficients": np.zeros((1, values.shape[1]), np.float32),
        "intercepts": np.log([odds]).astype(np.float32),
    }


def _card(architecture: Baseline, data: TrainingData) -> BaselineCard:
    card = partial(
        BaselineCard,
        architecture=architecture.model_dump(mode="json"),
        alphabet=data.dataset.alphabet.name,
        window=data.dataset.window,
        conditions=tuple(data.dataset.conditions),
        task=data.task,
    )
    chosen = architecture.features
    kmers, gapped = chosen.kmers, chosen.gapped_kmers
    kind, wanted = next((name, each.strands) for name, each in chosen if each is not None)
    if wanted == "both" and data.dataset.alphabet.name != DNA.name:
        message = f"is both; {data.dataset.alphabet.name} has one strand"
        raise bad_input(architecture.description, f"features.{kind}.strands", message)
    letters = len(data.dataset.alphabet.letters)
    if (kmers or gapped) and wanted == "auto":
        wanted = "both" if either_strand(data.dataset) else "forward"
    if gapped:
        words = math.comb(gapped.length - 1, gapped.informative - 1) * letters**gapped.informative
        if words > _MOST_WORDS:
            message = (
                f"is {gapped.informative}: {words:,} words of {letters} letters; use fewer letters"
            )
            place = "features.gapped_kmers.informative"
            raise bad_input(architecture.description, place, message)
        return card(gapped=(gapped.length, gapped.informative), strands=wanted)
    if kmers:
        k = kmers.k
        if letters**k > MOST_FEATURES:
            message = f"is {k}: {letters**k:,} features of {letters} letters; use a smaller k"
            raise bad_input(architecture.description, "features.kmers.k", message)
        return card(k=k, strands=wanted)
    elements = data.dataset.grammar.elements
    if not elements:
        message = "names no motifs to score; ingest it again with --motifs"
        raise bad_input(data.dataset.folder, "elements", message)
    if wanted == "auto":
        ways = element_strands(data.dataset)
    else:
        ways = {name: ("random" if wanted == "both" else "+",) for name in elements}
    strands = {name: list(each) for name, each in ways.items()}
    return card(scores=element_scores(data.dataset.grammar), strands=strands)


def _words(card: BaselineCard, architecture: Baseline, data: TrainingData) -> np.ndarray | None:
    """Return which gapped k-mers are features; None for other features."""
    if card.gapped is None or architecture.features.gapped_kmers is None:
        return None
    places, letters = gapped_kmers.patterns(*card.gapped), len(ALPHABETS[card.alphabet].letters)
    most, both = architecture.features.gapped_kmers.most, card.strands == "both"
    x, y = np.asarray(data.x), np.asarray(data.y)
    words = gapped_kmers.distinct_words(x, y, places, letters, both, most)
    if not len(words):
        message = (
            "no gapped k-mer differs between the conditions of the training set; use more examples"
        )
        raise bad_input(architecture.description, "features.gapped_kmers", message)
    return words


def element_scores(grammar: Grammar) -> dict[str, list[list[float]]]:
    """Return log2 odds of every element against the background: (W, A) by element."""
    letters = ALPHABETS[grammar.alphabet].letters
    background = grammar.letter_distribution()
    return {
        name: log_odds(
            element.letter_probabilities(letters), background, ADDED, Zeros.ADDED
        ).tolist()
        for name, element in grammar.elements.items()
    }


def _coefficients(model: LogisticRegression, conditions: int) -> dict[str, np.ndarray]:
    """Return coefficients (C, F) and intercepts (C,).

    scikit-learn keeps one row for two conditions, and none for a condition without examples: that
    one gets a logit far below all others.
    """
    coefficients, intercepts = model.coef_, model.intercept_
    if len(coefficients) == 1:
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    arrays = {
        "coefficients": np.zeros((conditions, coefficients.shape[1]), np.float32),
        "intercepts": np.full(conditions, _NEVER, np.float32),
    }
    arrays["coefficients"][model.classes_] = coefficients
    arrays["intercepts"][model.classes_] = intercepts
    return arrays


def save(model: SklearnModel, draft: Draft) -> None:
    """Write the files of a model; the caller publishes them."""
    draft.aside("model.json").write_text(card_text(model.card))
    draft.aside("model.safetensors").write_bytes(save_arrays(model.arrays))


def open_model(folder: Path, run: dict[str, Any], device: str) -> SklearnModel:
    """Open a finished model folder; nothing in it is run.

    Raises
    ------
    InputError
        If a file is missing or damaged, or the model is of an earlier version.
    """
    card = read_card(BaselineCard, folder, run)
    if (card.k is None and card.gapped is None) != isinstance(card.strands, dict):
        raise bad_input(folder, "", "is a model of an earlier version; train it again")
    arrays = load_arrays(verify_file(folder, "model.safetensors", run).read_bytes())
    return SklearnModel(card, arrays)
