"""scikit-learn backend: simple classifiers on fixed features (`features`, `heads`, `estimators`)."""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.custom import require_permission
from seqgra.architecture.schema import Baseline, Features
from seqgra.backends import estimators, heads
from seqgra.backends.features import BaselineCard, Extractor, cache_beside, card_and_arrays
from seqgra.backends.heads import Arrays, LabelledFeatures
from seqgra.errors import InputError, bad_input
from seqgra.fingerprint import Draft, verify_file
from seqgra.model import AbstractModel, card_text, read_card
from seqgra.training import Trained, TrainingData, TrainingOptions, constant_loss, outcome

#: Examples whose features are held at once when predicting.
_CHUNK = 8192
#: On how much code of the user's own is tried: sequences; examples of each condition, and their features
#: where it is not known how many there will be.
_TRIED_SEQUENCES, _TRIED_EXAMPLES, _TRIED_FEATURES = 4, 20, 16


class SklearnModel(AbstractModel):
    """Features of sequences and what was fitted on them.

    Attributes
    ----------
    card
        What it is built from.
    arrays
        ``mean``, ``scale`` float32 (F,) of features that are standardised; what features are made of (see
        `Extractor`); and the head's.
    """

    def __init__(self, card: BaselineCard, arrays: Arrays, file: str = "the model") -> None:
        self.card, self.arrays, self.device, self._file = card, arrays, "cpu", file
        self.conditions = card.conditions
        self.alphabet, self.window = card.alphabet, card.window
        self.task = card.task
        self._baseline = card.baseline(file)

    @cached_property
    def features(self) -> Extractor:
        """What computes its features."""
        return Extractor(self.card, self._baseline, self.arrays, self._file)

    @cached_property
    def _own(self) -> estimators.OwnEstimator:
        own = {k.removeprefix("own."): v for k, v in self.arrays.items() if k.startswith("own.")}
        given = self._baseline, len(self.conditions), self.task, own, self._file
        return estimators.OwnEstimator(*given)

    def _logits_of(self, x: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of letter codes `x`, uint8 (N, L)."""
        parts = [np.zeros((0, len(self.conditions)), np.float32)]
        if self.beside is not None:
            self.features.cache = cache_beside(self.beside)
        for start in range(0, len(x), _CHUNK):
            parts.append(self._logits(self.features(x[start : start + _CHUNK])))
        return np.concatenate(parts)

    def _logits(self, values: np.ndarray) -> np.ndarray:
        head = self._baseline.head
        if head is not None and head.given is not None:
            return _given(values, len(self.conditions), head.given, self.task, self._file)
        if "mean" in self.arrays:
            values = (values - self.arrays["mean"]) / self.arrays["scale"]
        for part in tree_parts(self.arrays, len(self.conditions)):
            if part["feature"].max(initial=-1) >= values.shape[1]:
                raise bad_input(self._file, "model.safetensors", "holds trees of other features")
        if self.card.kept == estimators.OWN:
            return self._own.logits(values)
        if self.card.kept is not None:
            given = self.arrays, len(self.conditions), self.task
            return estimators.stored_logits(self.card.kept, values, *given)
        return heads.head_logits(self._baseline, values, self.arrays)


def tree_parts(arrays: Arrays, conditions: int) -> list[Arrays]:
    """Return what of a model's arrays are trees: all of them, or those of some labels, or none."""
    return [
        part for part in (arrays, *estimators.label_arrays(arrays, conditions)) if "root" in part
    ]


def _given(values: np.ndarray, conditions: int, output: Any, task: str, file: str) -> np.ndarray:
    """Return features that are the logits, or probabilities, of conditions as logits."""
    from seqgra.backends.wrapped import checked

    if values.shape[1] != conditions:
        message = (
            f"is {output}, but there are {values.shape[1]} features and {conditions} conditions"
        )
        raise bad_input(file, "head.given", message)
    return checked(values, values.shape, 0, output, task)


def fit(
    architecture: Baseline, data: TrainingData, options: TrainingOptions, _draft: Draft | None
) -> Trained:
    """Fit a baseline; it leaves no checkpoint.

    Raises
    ------
    InputError
        If its features cannot be had of the dataset, or code of the user's own is not allowed or wrong.
    """
    file = architecture.description or "the architecture"
    card, made_of = card_and_arrays(architecture, data)
    extract = Extractor(card, architecture, made_of, file)
    if data.dataset.folder.is_dir():  # one in memory has none
        extract.cache = cache_beside(data.dataset.folder)
    values, validation = extract(data.x), extract(data.validation_x)
    examples = LabelledFeatures(
        values, np.asarray(data.y), validation, np.asarray(data.validation_y), data.task
    )
    head, kept, arrays = architecture.head, None, dict(made_of)
    if head is None or head.dense is not None:
        mean = values.mean(axis=0, dtype=np.float64).astype(np.float32)
        for part in (values, validation):  # in place: features may fill most of the memory
            part -= mean
        squares = np.einsum("nf,nf->f", values, values, dtype=np.float64)  # without a copy
        scale = np.sqrt(squares / len(values)).astype(np.float32)
        scale[scale <= 1e-6 * np.abs(mean)] = 1  # constant but for rounding
        for part in (values, validation):
            part /= scale
        arrays |= {"mean": mean, "scale": scale}
    if head is not None and head.given is not None:

        def given(part: np.ndarray) -> np.ndarray:
            return _given(part, len(card.conditions), head.given, data.task, file)

        fitted = heads.FittedHead({}, heads.history_of_one(given, examples), {"parameters": 0})
    elif head is not None and head.estimator is not None:
        kept, fitted = estimators.fit_estimator(architecture, examples, options, file)
    else:
        fitted = heads.fit_head(architecture, examples, data, options)
    prefix = "own." if kept == estimators.OWN else ""
    arrays |= {f"{prefix}{name}": array for name, array in fitted.arrays.items()}
    best = min(row["validation_loss"] for row in fitted.history)
    constant = constant_loss(examples.y, examples.validation_y, data.task)
    facts = {
        "device": "cpu",
        "epochs": len(fitted.history),
        "best_validation_loss": float(best),
        "constant_loss": constant,
        **fitted.facts,
    }
    for name in ("strands", "gapped_strands", "element_strands"):
        if (strands := getattr(card, name)) is not None:
            facts[name] = strands
    full = card.model_copy(update={"kept": kept}) if kept else card
    model = SklearnModel(full, arrays, file)
    model.features = extract  # which knows what has been computed already
    return Trained(model, fitted.history, *outcome(best, constant), facts)


def try_own(baseline: Baseline, card: BaselineCard, file: str) -> None:
    """Run code of the user's own that a baseline names, on random sequences and numbers; nothing is kept.

    Parameters
    ----------
    baseline
        With a function of features, or one that makes a classifier, or both.
    card
        Of the sequences that it will be given.
    file
        What to call it in messages.

    Raises
    ------
    InputError
        If custom code is not allowed or fails, a function returns anything else than finite numbers (N, D),
        or a classifier cannot be kept as arrays.
    """
    generator = np.random.default_rng(0)
    letters, conditions = len(ALPHABETS[card.alphabet].letters), len(card.conditions)
    head, module, width = baseline.head, baseline.features.module, _TRIED_FEATURES
    if module is not None:
        own = baseline.model_copy(update={"features": Features(module=module)})
        extract = Extractor(card, own, {}, file)
        x = generator.integers(0, letters, (_TRIED_SEQUENCES, card.window), np.uint8)
        width = extract.width_of_own(x)
        if head is not None and head.given is not None and own.features == baseline.features:
            _given(extract(x), conditions, head.given, card.task, file)
    if head is None or head.estimator is None:
        return
    count = _TRIED_EXAMPLES * conditions
    y = np.eye(conditions, dtype=np.uint8)[np.arange(count) % conditions]
    values = generator.normal(size=(2, count, width)).astype(np.float32)
    values[:, :, 0] += y.argmax(axis=1)  # something to learn
    try:
        with warnings.catch_warnings():  # of convergence, on numbers that mean nothing
            warnings.simplefilter("ignore")
            examples = LabelledFeatures(values[0], y, values[1], y, card.task)
            estimators.fit_estimator(baseline, examples, TrainingOptions(0, "cpu", 1), file)
    except InputError as error:
        tried = f"; tried on {count} random examples of {width} features"
        raise InputError(
            *(found._replace(message=f"{found.message}{tried}") for found in error.problems)
        ) from error


def save(model: SklearnModel, draft: Draft) -> None:
    """Write the files of a model; the caller publishes them."""
    draft.aside("model.json").write_text(card_text(model.card))
    draft.aside("model.safetensors").write_bytes(save_arrays(model.arrays))


def open_model(folder: Path, run: dict[str, Any], device: str) -> SklearnModel:
    """Open a finished model folder; nothing in it is run, but for code of the user's own that is allowed.

    Raises
    ------
    InputError
        If a file is missing or damaged, code of the user's own is not allowed, or the model is of an earlier
        version.
    """
    card = read_card(BaselineCard, folder, run)
    features = (
        (card.k, card.strands),
        (card.gapped, card.gapped_strands or card.strands),
        (card.scores, card.element_strands),
    )
    without = any(kind is not None and strands is None for kind, strands in features)
    if without or card.kept not in (None, estimators.OWN, *estimators.STORED):
        raise bad_input(folder, "", "is a model of an earlier version; train it again")
    arrays = load_arrays(verify_file(folder, "model.safetensors", run).read_bytes())
    for part in tree_parts(arrays, len(card.conditions)):
        if not heads.check_trees(part, len(card.conditions) if part is arrays else 2):
            raise ValueError("model.safetensors holds no trees")
    baseline = card.baseline(str(folder))
    if baseline.features.module is not None or card.kept == estimators.OWN:
        require_permission(str(folder), min(baseline.own_names))
    return SklearnModel(card, arrays, str(folder))
