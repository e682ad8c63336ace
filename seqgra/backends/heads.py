"""What baselines fit on features, as arrays alone: logistic regression, a dense layer, trees."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from seqgra.architecture.schema import Baseline, Boosting, DenseHead
from seqgra.backends.loop import derived_seed
from seqgra.law.jit import kept
from seqgra.model import MULTI_LABEL
from seqgra.training import TrainingData, TrainingOptions, accuracy, mean_loss

Arrays = dict[str, np.ndarray]
#: Iterations of a logistic regression at most.
_ITERATIONS = 300
#: Logit of a condition that no training example has.
NEVER = -30.0
#: Probabilities are at least this far from 0 and 1, so that their logits are finite.
LEAST = 1e-7


class LabelledFeatures(NamedTuple):
    """Features and labels of the training and the validation set.

    Attributes
    ----------
    values, validation
        float32 (N, F), standardised where a head wants it.
    y, validation_y
        uint8 (N, C).
    task
        ``multi-class`` or ``multi-label``.
    """

    values: np.ndarray
    y: np.ndarray
    validation: np.ndarray
    validation_y: np.ndarray
    task: str


class FittedHead(NamedTuple):
    """A fitted head."""

    #: All that predicting takes.
    arrays: Arrays
    #: One row a step: epoch, training_loss, validation_loss, validation_accuracy, seconds.
    history: list[dict[str, float]]
    #: For ``run.json``.
    facts: dict[str, Any]


class _History:
    """Rows of a history, and the best of them."""

    def __init__(self, examples: LabelledFeatures) -> None:
        self._examples, self._started = examples, time.perf_counter()
        self.rows: list[dict[str, float]] = []
        self.best = 0

    def add(self, training: np.ndarray, validation: np.ndarray) -> bool:
        """Add a row of the logits of both sets; return whether it is the best so far."""
        e = self._examples
        loss = mean_loss(validation, e.validation_y, e.task)
        now = time.perf_counter()
        self.rows.append(
            {
                "epoch": len(self.rows) + 1,
                "training_loss": mean_loss(training, e.y, e.task),
                "validation_loss": loss,
                "validation_accuracy": accuracy(validation, e.validation_y, e.task),
                "seconds": round(now - self._started, 4),
            }
        )
        self._started = now
        best = len(self.rows) == 1 or loss < self.rows[self.best]["validation_loss"]
        self.best = len(self.rows) - 1 if best else self.best
        return best


def fit_head(
    baseline: Baseline, examples: LabelledFeatures, data: TrainingData, options: TrainingOptions
) -> FittedHead:
    """Fit the head of a baseline that seqgra has itself; see `architecture.schema.Head`.

    Raises
    ------
    ValueError
        If the head is one that nothing is fitted of, or the user's own.
    """
    head = baseline.head
    if head is None:
        return _logistic(baseline.penalties, examples, options)
    if head.dense is not None:
        seed = derived_seed(options.source(data.dataset), "dense head")
        return _dense(head.dense, examples, options, seed % 2**32)
    if head.boosting is not None:
        return _boosting(head.boosting, examples, options)
    raise ValueError("the head is not fitted here")


def head_logits(baseline: Baseline, values: np.ndarray, arrays: Arrays) -> np.ndarray:
    """Return float32 (N, C) logits of features (N, F), standardised where the head wants it."""
    head = baseline.head
    if head is None:
        return linear(values, arrays)
    if head.dense is not None:
        return dense(values, arrays)
    assert head.boosting is not None
    return trees(values, arrays)


def linear(values: np.ndarray, arrays: Arrays) -> np.ndarray:
    """Return float32 (N, C) logits of features (N, F): coefficients (C, F), intercepts (C,)."""
    return np.asarray(values @ arrays["coefficients"].T + arrays["intercepts"], np.float32)


def _logistic(
    penalties: tuple[float, ...], examples: LabelledFeatures, options: TrainingOptions
) -> FittedHead:
    """Fit one regression for each penalty; keep the one of lowest validation loss."""
    e, history = examples, _History(examples)
    best: tuple[Arrays, float] = {}, penalties[0]
    for penalty in penalties:
        fitted = _regression(e, penalty, options)
        if history.add(linear(e.values, fitted), linear(e.validation, fitted)):
            best = fitted, penalty
    arrays, penalty = best
    parameters = int(arrays["coefficients"].size + arrays["intercepts"].size)
    return FittedHead(arrays, history.rows, {"parameters": parameters, "penalty": penalty})


def _regression(examples: LabelledFeatures, penalty: float, options: TrainingOptions) -> Arrays:
    """Fit one multinomial regression, or one regression for each label; return its coefficients."""

    def regression(y: np.ndarray) -> LogisticRegression:
        model = LogisticRegression(
            C=penalty, max_iter=_ITERATIONS, random_state=options.seed % 2**32
        )
        return model.fit(examples.values, y)

    # stopping early regularises too; validation decides. More threads would change last bits.
    with warnings.catch_warnings(), threadpool_limits(options.threads):
        warnings.simplefilter("ignore", ConvergenceWarning)
        if examples.task != MULTI_LABEL:
            y = examples.y.argmax(axis=1)
            if (y == y[0]).all():
                shape = examples.y.shape[1], examples.values.shape[1]
                intercepts = constant_logits(examples.y)
                return {"coefficients": np.zeros(shape, np.float32), "intercepts": intercepts}
            return of_classes(regression(y), examples.y.shape[1])
        parts = [_label(regression, column, examples.values.shape[1]) for column in examples.y.T]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _label(
    regression: Callable[[np.ndarray], LogisticRegression], y: np.ndarray, features: int
) -> Arrays:
    """Fit one label; one that all examples share, or none has, gets the constant log-odds."""
    if 0 < y.sum() < len(y):
        model = regression(y)
        return {
            "coefficients": model.coef_.astype(np.float32),
            "intercepts": model.intercept_.astype(np.float32),
        }
    return {
        "coefficients": np.zeros((1, features), np.float32),
        "intercepts": np.array([constant_odds(y)], np.float32),
    }


def constant_logits(y: np.ndarray) -> np.ndarray:
    """Return the logits of conditions, uint8 (N, C), by their shares, with 1/2 added to each count: (C,)."""
    return np.asarray(np.log(y.sum(axis=0) + 0.5), np.float32)


def constant_odds(y: np.ndarray) -> float:
    """Return the log-odds of a label, uint8 (N,), with 1/2 added to both counts."""
    return float(np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5)))


def of_classes(model: Any, conditions: int) -> Arrays:
    """Return coefficients (C, F) and intercepts (C,) of a linear classifier of scikit-learn.

    scikit-learn keeps one row for two conditions, and none for a condition without examples: that
    one gets a logit far below all others.
    """
    coefficients, intercepts = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    if len(coefficients) == 1:
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercepts = np.concatenate([np.zeros_like(intercepts), intercepts])
    arrays = {
        "coefficients": np.zeros((conditions, coefficients.shape[1]), np.float32),
        "intercepts": np.full(conditions, NEVER, np.float32),
    }
    arrays["coefficients"][model.classes_] = coefficients
    arrays["intercepts"][model.classes_] = intercepts
    return arrays


def dense(values: np.ndarray, arrays: Arrays) -> np.ndarray:
    """Return float32 (N, C) logits of a hidden layer: weights (F, H), biases (H,), output (H, C'), (C',).

    Of two conditions there is one output, the logit of the second.
    """
    hidden = np.maximum(values @ arrays["weights"] + arrays["biases"], 0)
    found = hidden @ arrays["output_weights"] + arrays["output_biases"]
    if found.shape[1] < int(arrays["conditions"][0]):
        found = np.concatenate([np.zeros_like(found), found], axis=1)
    return np.asarray(found, np.float32)


def _dense(
    head: DenseHead, examples: LabelledFeatures, options: TrainingOptions, seed: int
) -> FittedHead:
    """Train epoch by epoch; keep the weights of lowest validation loss."""
    e, history = examples, _History(examples)
    conditions = e.y.shape[1]
    y = e.y if e.task == MULTI_LABEL else e.y.argmax(axis=1)
    if conditions == 1:  # scikit-learn takes a single label as classes 0 and 1
        y = y[:, 0]
    model = MLPClassifier(
        hidden_layer_sizes=(head.units,),
        learning_rate_init=head.learning_rate,
        batch_size=min(head.batch_size, len(y)),
        random_state=seed % 2**32,
    )
    best: Arrays = {}
    with threadpool_limits(options.threads):
        for _ in range(head.epochs):
            model.partial_fit(e.values, y, classes=np.arange(max(2, conditions)))
            arrays = dense_arrays(model, conditions)
            if history.add(dense(e.values, arrays), dense(e.validation, arrays)):
                best = arrays
            if len(history.rows) - 1 - history.best >= head.patience:
                break
    parameters = sum(array.size for name, array in best.items() if name != "conditions")
    facts = {"parameters": int(parameters), "best_epoch": history.best + 1}
    return FittedHead(best, history.rows, facts)


def dense_arrays(model: MLPClassifier, conditions: int) -> Arrays:
    """Return the weights of a network of one hidden layer, see `dense`."""
    (weights, output_weights), (biases, output_biases) = model.coefs_, model.intercepts_
    return {
        "weights": np.array(weights, np.float32),
        "biases": np.array(biases, np.float32),
        "output_weights": np.array(output_weights, np.float32),
        "output_biases": np.array(output_biases, np.float32),
        "conditions": np.array([conditions]),
    }


def trees(values: np.ndarray, arrays: Arrays) -> np.ndarray:
    """Return float32 (N, C) logits: intercepts, and the leaves that examples reach, tree by tree."""
    logits = np.tile(arrays["intercepts"], (len(values), 1))
    for leaves, condition in zip(_leaves_of(values, arrays), arrays["condition"], strict=True):
        logits[:, condition] += arrays["value"][leaves]
    return logits.astype(np.float32)


#: Arrays of trees. By node: the feature (-1: a leaf), the threshold up to which an example goes left, the
#: nodes to the left and right, the leaf's value. By tree: its first node, and the condition it is of.
TREE_ARRAYS = ("feature", "threshold", "left", "right", "value", "root", "condition")


def _leaves_of(values: np.ndarray, arrays: Arrays) -> np.ndarray:
    """Return the leaf that each row of features, float32 (N, F), reaches in each tree: int32 (T, N)."""
    table = (arrays[name] for name in ("feature", "threshold", "left", "right", "root"))
    return np.asarray(_leaves(np.ascontiguousarray(values), *table))


@kept(nogil=True)
def _leaves(
    values: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    root: np.ndarray,
) -> np.ndarray:
    leaves = np.empty((len(root), len(values)), np.int32)
    for n in range(len(values)):
        for tree in range(len(root)):
            node = root[tree]
            while feature[node] >= 0:
                less = np.float64(values[n, feature[node]]) <= threshold[node]
                node = left[node] if less else right[node]
            leaves[tree, n] = node
    return leaves


def check_trees(arrays: Arrays, conditions: int) -> bool:
    """Return whether arrays are trees or a forest: every node within them, children after their parent."""
    nodes, inner = np.arange(len(arrays["feature"])), arrays["feature"] >= 0
    whole = ("feature", "left", "right", "root", *(("condition",) if "condition" in arrays else ()))
    if any(arrays[name].dtype != np.int32 or arrays[name].ndim != 1 for name in whole):
        return False
    if {len(arrays[name]) for name in TREE_ARRAYS[:5]} != {len(nodes)}:
        return False
    ends = np.concatenate([arrays["left"][inner], arrays["right"][inner]])
    starts = np.concatenate([nodes[inner], nodes[inner]])
    places = arrays["root"]
    if not ((ends > starts) & (ends < len(nodes))).all():
        return False
    if not ((places >= 0) & (places < len(nodes))).all():
        return False
    if "condition" not in arrays:
        return arrays["value"].shape == (len(nodes), conditions)
    of = arrays["condition"]
    return bool(
        len(of) == len(places)
        and ((of >= 0) & (of < conditions)).all()
        and arrays["intercepts"].shape == (conditions,)
        and arrays["value"].ndim == 1
    )


class Booster(NamedTuple):
    """Trees of one model of scikit-learn."""

    #: Nodes of each tree of each round of boosting, as scikit-learn holds them.
    rounds: list[list[np.ndarray]]
    #: Condition of each tree of a round.
    conditions: np.ndarray
    #: float64 (C,): logits before the first round.
    intercepts: np.ndarray


def booster_of(
    model: HistGradientBoostingClassifier, conditions: int, rounds: int | None = None
) -> Booster:
    """Return the trees of the first `rounds` rounds of a fitted model of C conditions; None: of all."""
    start = model._baseline_prediction.ravel()
    kept = [[tree.nodes for tree in trees] for trees in model._predictors[:rounds]]
    intercepts = np.full(conditions, NEVER)
    if len(model.classes_) == 2:  # one tree a round, of the second
        intercepts[model.classes_] = 0, start[0]
        return Booster(kept, model.classes_[1:], intercepts)
    intercepts[model.classes_] = start
    return Booster(kept, model.classes_, intercepts)


def tree_arrays(parts: list[Booster], first: int = 0, end: int | None = None) -> Arrays:
    """Return the trees of rounds `first` up to `end` of boosters, round by round; see `TREE_ARRAYS`."""
    rounds = max((len(part.rounds) for part in parts), default=0)
    chosen = [
        (nodes, condition)
        for number in range(first, rounds if end is None else min(end, rounds))
        for part in parts
        if number < len(part.rounds)
        for nodes, condition in zip(part.rounds[number], part.conditions, strict=True)
    ]
    sizes = np.array([len(nodes) for nodes, _ in chosen], np.int32)
    root = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)[: len(chosen)]
    found: dict[str, list[np.ndarray]] = {name: [np.zeros(0)] for name in TREE_ARRAYS[:5]}
    for (nodes, _), shift in zip(chosen, root, strict=True):
        leaf = nodes["is_leaf"].astype(bool)
        found["feature"].append(np.where(leaf, -1, nodes["feature_idx"]))
        found["threshold"].append(np.where(leaf, 0, nodes["num_threshold"]))
        found["value"].append(nodes["value"])
        for side in ("left", "right"):
            found[side].append(np.where(leaf, 0, nodes[side].astype(np.int64) + shift))
    whole = dict.fromkeys(("feature", "left", "right"), np.int32)
    arrays = {
        name: np.concatenate(each).astype(whole.get(name, np.float64))
        for name, each in found.items()
    }
    conditions = np.array([condition for _, condition in chosen], np.int32)
    intercepts = np.sum([part.intercepts for part in parts], axis=0)
    return {**arrays, "root": root, "condition": conditions, "intercepts": intercepts}


def _boosting(head: Boosting, examples: LabelledFeatures, options: TrainingOptions) -> FittedHead:
    """Fit trees, of a multi-label task for each label; keep as many as have the lowest validation loss."""
    e, conditions = examples, examples.y.shape[1]
    with threadpool_limits(options.threads):
        if e.task == MULTI_LABEL:
            parts = [_label_booster(head, e, c, options) for c in range(conditions)]
        else:
            y, validation_y = e.y.argmax(axis=1), e.validation_y.argmax(axis=1)
            parts = [_booster(head, e, y, validation_y, conditions, options)]
    history = _History(e)
    logits = [np.zeros((len(values), conditions)) for values in (e.values, e.validation)]
    for number in range(max(1, *(len(part.rounds) for part in parts))):
        added = tree_arrays(parts, number, number + 1)
        if number:
            added["intercepts"] = np.zeros(conditions)
        logits = [
            before + trees(values, added)
            for before, values in zip(logits, (e.values, e.validation), strict=True)
        ]
        history.add(logits[0], logits[1])
    arrays = tree_arrays(parts)
    facts = {"parameters": int((arrays["feature"] < 0).sum()), "trees": len(arrays["root"])}
    return FittedHead(arrays, history.rows, facts)


def _booster(
    head: Boosting,
    examples: LabelledFeatures,
    y: np.ndarray,
    validation_y: np.ndarray,
    conditions: int,
    options: TrainingOptions,
) -> Booster:
    """Fit trees of labels (N,), with validation examples of the same ones."""
    if len(there := np.unique(y)) == 1:
        return Booster([], there[:0], constant_logits(examples.y))
    known = np.isin(validation_y, there)
    model = HistGradientBoostingClassifier(
        max_iter=head.trees,
        learning_rate=head.learning_rate,
        max_leaf_nodes=head.leaves,
        early_stopping=bool(known.any()),
        n_iter_no_change=head.patience,
        random_state=options.seed % 2**32,
    )
    given = {"X_val": examples.validation[known], "y_val": validation_y[known]}
    model.fit(examples.values, y, **(given if known.any() else {}))
    best = int(np.argmax(model.validation_score_)) if known.any() else None
    return booster_of(model, conditions, best)


def _label_booster(
    head: Boosting, examples: LabelledFeatures, label: int, options: TrainingOptions
) -> Booster:
    """Fit trees of one label; one that all examples share, or none has, gets the constant log-odds."""
    y, intercepts = examples.y[:, label], np.zeros(examples.y.shape[1])
    if not 0 < y.sum() < len(y):
        intercepts[label] = constant_odds(y)
        return Booster([], np.zeros(0, int), intercepts)
    found = _booster(head, examples, y, examples.validation_y[:, label], 2, options)
    intercepts[label] = found.intercepts[1]
    return Booster(found.rounds, np.array([label]), intercepts)


def history_of_one(
    logits: Callable[[np.ndarray], np.ndarray], examples: LabelledFeatures
) -> list[dict[str, float]]:
    """Return the history of what is fitted in one step: a row of its logits of both sets."""
    history = _History(examples)
    history.add(logits(examples.values), logits(examples.validation))
    return history.rows


def forest(values: np.ndarray, arrays: Arrays) -> np.ndarray:
    """Return float32 (N, C) logarithms of mean probabilities of trees; ``value`` is (nodes, C)."""
    shares = np.zeros((len(values), arrays["value"].shape[1]))
    for leaves in _leaves_of(np.asarray(values, np.float32), arrays):
        shares += arrays["value"][leaves]
    return np.asarray(np.log(np.maximum(shares / len(arrays["root"]), LEAST)), np.float32)
