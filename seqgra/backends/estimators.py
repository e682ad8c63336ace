"""Classifiers that a function of the user's own makes: fitted, and kept as arrays alone.

A model's folder holds no pickle, so an estimator of scikit-learn is taken apart into arrays, and predicts
from them: linear classifiers, trees and forests, histogram gradient boosting, networks of one hidden layer.
Anything else says itself what its arrays are:

    class Mine:
        def fit(self, x, y): ...            # float32 (N, F); labels int64 (N,), multi-label uint8 (N, C)
        def logits(self, x): ...            # (N, C); or predict_proba(self, x)
        def arrays(self): ...               # dict of numpy arrays, numbers only
        def restore(self, arrays): ...      # of another Mine(), which then predicts the same
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from seqgra.architecture.custom import load_named, only_own_file
from seqgra.architecture.schema import Baseline
from seqgra.backends.heads import (
    LEAST,
    NEVER,
    Arrays,
    FittedHead,
    LabelledFeatures,
    booster_of,
    constant_odds,
    dense,
    dense_arrays,
    forest,
    history_of_one,
    linear,
    of_classes,
    tree_arrays,
    trees,
)
from seqgra.errors import InputError, bad_input, in_a_line, out_of_memory
from seqgra.model import MULTI_LABEL
from seqgra.training import TrainingOptions

_KNOWN = "a linear classifier, tree, forest, HistGradientBoostingClassifier or MLPClassifier"
_PROTOCOL = ("fit", "arrays", "restore")
#: Logits by the arrays and by the estimator itself may differ by so much.
_ALIKE = 1e-3
#: By what a taken-apart estimator predicts.
STORED: dict[str, Callable[[np.ndarray, Arrays], np.ndarray]] = {
    "linear": linear,
    "trees": trees,
    "dense": dense,
    "forest": forest,
}
OWN = "own"
#: Array of a label whose log-odds are constant.
_ODDS = "odds"


def fit_estimator(
    baseline: Baseline, examples: LabelledFeatures, options: TrainingOptions, file: str
) -> tuple[str, FittedHead]:
    """Fit what the user's function makes; return how it is kept, a key of `STORED` or `OWN`, and the fit.

    Of a multi-label task a classifier of scikit-learn is made and fitted for each label.

    Raises
    ------
    InputError
        If custom code is not allowed or fails, or the classifier is none that can be kept.
    """
    made = _make(baseline, file)
    e, own = examples, _is_own(made)
    if not own and not _is_known(made):
        message = (
            f"gives a {type(made).__name__}; give {_KNOWN} of scikit-learn, or an object with "
        )
        raise _wrong(baseline, file, message + "fit, logits (or predict_proba), arrays and restore")
    conditions = e.y.shape[1]
    with threadpool_limits(options.threads), _drawn_from(options.seed):
        if own:
            kind, arrays = OWN, _fit_own(baseline, made, e, file)
            again = OwnEstimator(baseline, conditions, e.task, arrays, file).logits
        else:
            if e.task == MULTI_LABEL:
                kind, arrays = _fit_labels(baseline, made, e, file)
            else:
                y = e.y.argmax(axis=1)
                kind, arrays = _fit_known(baseline, made, y, conditions, e, file)
            again = partial(stored_logits, kind, arrays=arrays, conditions=conditions, task=e.task)
        history = history_of_one(again, e)
    parameters = sum(int(array.size) for array in arrays.values())
    return kind, FittedHead(
        arrays, history, {"parameters": parameters, "estimator": type(made).__name__}
    )


@contextmanager
def _drawn_from(seed: int) -> Iterator[None]:
    """Let what draws from numpy's global state, as estimators without a `random_state` do, draw alike."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def stored_logits(
    kind: str, values: np.ndarray, arrays: Arrays, conditions: int, task: str
) -> np.ndarray:
    """Return float32 (N, C) logits of features (N, F) by what is kept of classifiers of scikit-learn."""
    if task != MULTI_LABEL:
        return STORED[kind](values, arrays)
    logits = np.empty((len(values), conditions), np.float32)
    for label, own in enumerate(label_arrays(arrays, conditions)):
        if _ODDS in own:
            logits[:, label] = own[_ODDS][0]
        else:
            without, with_label = STORED[kind](values, own).T
            logits[:, label] = with_label - without
    return logits


def label_arrays(arrays: Arrays, conditions: int) -> list[Arrays]:
    """Return the arrays of each label's classifier, see `_fit_labels`."""
    prefixes = [f"label{label}." for label in range(conditions)]
    return [
        {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        for prefix in prefixes
    ]


def _fit_own(baseline: Baseline, made: Any, e: LabelledFeatures, file: str) -> Arrays:
    """Fit an object that says itself what its arrays are."""
    y = e.y if e.task == MULTI_LABEL else e.y.argmax(axis=1)
    _call(baseline, file, "fit", made.fit, e.values, y)
    arrays, shown = _own_arrays(made, baseline, file), e.validation[:256]
    given = baseline, e.y.shape[1], e.task
    wanted = OwnEstimator(*given, None, file, made).logits(shown)
    _require_alike(baseline, OwnEstimator(*given, arrays, file).logits(shown), wanted, file)
    return arrays


def _fit_known(
    baseline: Baseline, made: Any, y: np.ndarray, conditions: int, e: LabelledFeatures, file: str
) -> tuple[str, Arrays]:
    """Fit a classifier of scikit-learn to classes, int64 (N,), and take it apart."""
    _call(baseline, file, "fit", made.fit, e.values, y)
    kind, arrays = _arrays(made, conditions)
    wanted = _asked(made, e.validation[:256])
    found = _like(STORED[kind](e.validation[:256], arrays), made, wanted)
    _require_alike(baseline, found, wanted, file)
    return kind, arrays


def _fit_labels(
    baseline: Baseline, made: Any, e: LabelledFeatures, file: str
) -> tuple[str, Arrays]:
    """Fit a classifier a label; one that all examples share, or none has, gets the constant log-odds."""
    kind = _kind_of(made)
    arrays: Arrays = {}
    for label, y in enumerate(e.y.T):
        if 0 < y.sum() < len(y):
            classes = y.astype(np.int64)
            _, own = _fit_known(baseline, _make(baseline, file), classes, 2, e, file)
        else:
            own = {_ODDS: np.array([constant_odds(y)], np.float32)}
        arrays |= {f"label{label}.{name}": array for name, array in own.items()}
    return kind, arrays


def _require_alike(baseline: Baseline, found: np.ndarray, wanted: np.ndarray, file: str) -> None:
    if not np.allclose(found, wanted, atol=_ALIKE, rtol=_ALIKE):
        difference = float(np.abs(found - wanted).max())
        message = f"predicts otherwise from its arrays (logits differ by {difference:.3g})"
        raise _wrong(baseline, file, message + "; arrays must hold all that predicting takes")


class OwnEstimator:
    """A classifier of the user's own class, made anew from its arrays.

    Parameters
    ----------
    baseline, conditions, task
        Its architecture, how many conditions it predicts, and the task.
    arrays
        What it is restored from; None: it is `made`.
    file
        What to call the architecture in messages.

    Raises
    ------
    InputError
        If custom code is not allowed or fails.
    """

    def __init__(
        self,
        baseline: Baseline,
        conditions: int,
        task: str,
        arrays: Arrays | None,
        file: str,
        made: Any = None,
    ) -> None:
        self._baseline, self._file = baseline, file
        self._shape, self._task = conditions, task
        self._made = made
        if arrays is not None:
            self._made = _make(baseline, file)
            _call(baseline, file, "restore", self._made.restore, arrays)

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of features (N, F)."""
        from seqgra.backends.wrapped import checked

        by_logits = callable(getattr(self._made, "logits", None))
        name = "logits" if by_logits else "predict_proba"
        given = _call(self._baseline, self._file, name, getattr(self._made, name), values)
        shape = (len(values), self._shape)
        return checked(given, shape, 0, "logits" if by_logits else "probabilities", self._task)


def _make(baseline: Baseline, file: str) -> Any:
    assert baseline.head is not None and baseline.head.estimator is not None
    chosen = baseline.head.estimator
    source, key = baseline.sources.get(chosen.module, ""), "head.estimator.module"
    with only_own_file(chosen.module):
        factory = load_named(chosen.module, source, file, key)
        return _call(baseline, file, chosen.module, lambda: factory(**chosen.options))


def _call(
    baseline: Baseline, file: str, what: str, function: Callable[..., Any], *given: Any
) -> Any:
    try:
        return function(*given)
    except Exception as error:
        if isinstance(error, InputError) or out_of_memory(error):
            raise
        message = f"{what} fails: {type(error).__name__}: {in_a_line(error)}"
        raise _wrong(baseline, file, message) from error


def _wrong(baseline: Baseline, file: str, message: str) -> InputError:
    assert baseline.head is not None and baseline.head.estimator is not None
    return bad_input(file, f"head.estimator.module: {baseline.head.estimator.module}", message)


def _is_own(made: Any) -> bool:
    predicts = any(callable(getattr(made, name, None)) for name in ("logits", "predict_proba"))
    return predicts and all(callable(getattr(made, name, None)) for name in _PROTOCOL)


def _is_known(made: Any) -> bool:
    if isinstance(made, MLPClassifier):
        layers = made.hidden_layer_sizes
        one = isinstance(layers, int) or len(layers) == 1
        return bool(one and made.activation == "relu")
    known = LinearClassifierMixin, HistGradientBoostingClassifier, DecisionTreeClassifier
    return isinstance(made, (*known, ForestClassifier))


def _kind_of(made: Any) -> str:
    """Return how an estimator of scikit-learn is kept: a key of `STORED`."""
    if isinstance(made, MLPClassifier):
        return "dense"
    if isinstance(made, HistGradientBoostingClassifier):
        return "trees"
    return "linear" if isinstance(made, LinearClassifierMixin) else "forest"


def _arrays(made: Any, conditions: int) -> tuple[str, Arrays]:
    """Return how a fitted estimator of scikit-learn is kept, and its arrays."""
    kind = _kind_of(made)
    if kind == "dense":
        found = dense_arrays(made, conditions)
        if len(made.classes_) == conditions:
            return kind, found
        arrays = {
            **found,
            "output_weights": np.zeros((made.coefs_[1].shape[0], conditions), np.float32),
        }
        arrays["output_biases"] = np.full(conditions, NEVER, np.float32)
        first = 1 if len(made.classes_) == 2 else 0  # one output, of the second
        arrays["output_biases"][made.classes_] = 0
        arrays["output_weights"][:, made.classes_[first:]] = found["output_weights"]
        arrays["output_biases"][made.classes_[first:]] = found["output_biases"]
        return kind, arrays
    if kind == "trees":
        return kind, tree_arrays([booster_of(made, conditions)])
    if kind == "linear":
        return kind, of_classes(made, conditions)
    return kind, _forest(getattr(made, "estimators_", [made]), made.classes_, conditions)


def _forest(members: list[Any], classes: np.ndarray, conditions: int) -> Arrays:
    parts: dict[str, list[np.ndarray]] = {
        name: [] for name in ("feature", "threshold", "left", "right", "value")
    }
    roots, first = [], 0
    for tree in (member.tree_ for member in members):
        leaf = tree.children_left < 0
        shares = np.zeros((tree.node_count, conditions))
        counts = tree.value[:, 0, :]
        shares[:, classes] = counts / counts.sum(axis=1, keepdims=True)
        parts["feature"].append(np.where(leaf, -1, tree.feature).astype(np.int32))
        parts["threshold"].append(np.where(leaf, 0, tree.threshold))
        parts["left"].append(np.where(leaf, 0, tree.children_left + first).astype(np.int32))
        parts["right"].append(np.where(leaf, 0, tree.children_right + first).astype(np.int32))
        parts["value"].append(shares)
        roots.append(first)
        first += tree.node_count
    arrays = {name: np.concatenate(each) for name, each in parts.items()}
    return {**arrays, "root": np.array(roots, np.int32)}


def _asked(made: Any, values: np.ndarray) -> np.ndarray:
    """Return what an estimator itself says of features: logarithms of probabilities, else decisions."""
    if hasattr(made, "predict_proba"):
        return np.asarray(np.log(np.maximum(made.predict_proba(values), LEAST)))
    return np.asarray(made.decision_function(values))


def _like(logits: np.ndarray, made: Any, wanted: np.ndarray) -> np.ndarray:
    """Return logits in the form in which an estimator says them."""
    seen = logits[:, made.classes_]
    if hasattr(made, "predict_proba"):
        from scipy.special import log_softmax

        return np.asarray(np.maximum(log_softmax(seen, axis=1), np.log(LEAST)))
    return np.asarray(seen[:, 1] - seen[:, 0]) if wanted.ndim == 1 else seen


def _own_arrays(made: Any, baseline: Baseline, file: str) -> Arrays:
    given = _call(baseline, file, "arrays", made.arrays)
    if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
        raise _wrong(baseline, file, "arrays returns no dict of arrays by name")
    arrays = {name: np.array(values, order="C") for name, values in given.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise _wrong(baseline, file, f"arrays: {name} holds {array.dtype}, no numbers")
    return arrays
