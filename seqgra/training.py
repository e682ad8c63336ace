"""What a backend gets to train on and gives back, and how every backend scores its predictions."""

from __future__ import annotations

import csv
from typing import Any, NamedTuple

import numpy as np

from seqgra.architecture.custom import require_permission
from seqgra.architecture.family import family_of
from seqgra.architecture.schema import Network
from seqgra.architecture.shapes import check_fit
from seqgra.dataset import Dataset, split_size
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft
from seqgra.metrics import log_odds, macro_area
from seqgra.model import MULTI_LABEL, NETWORK_BACKENDS, AbstractModel, ModelCard, task_of
from seqgra.streams import SeedDesign

#: The lowest temperature that is fitted; its inverse is the highest.
COLDEST = 1e-3


class TrainingData(NamedTuple):
    """What a backend may see of a dataset.

    Attributes
    ----------
    x, validation_x
        uint8 (N, L): letter codes, memory-mapped.
    y, validation_y
        uint8 (N, C): recorded conditions, one-hot (multi-class) or multi-hot (multi-label).
    dataset
        For names and, in informed baselines, the grammar's elements.
    """

    x: np.ndarray
    y: np.ndarray
    validation_x: np.ndarray
    validation_y: np.ndarray
    dataset: Dataset

    @property
    def task(self) -> str:
        """``multi-class`` or ``multi-label``."""
        return task_of(self.dataset)


class TrainingOptions(NamedTuple):
    """How to train."""

    #: Model seed.
    seed: int
    #: ``auto``, ``cpu`` or ``cuda``.
    device: str
    #: CPU threads.
    threads: int
    #: ``nested`` or ``crossed``, see `source`.
    seeds: SeedDesign = "nested"
    #: Of networks of PyTorch, see `engine_used`.
    engine: str = "auto"

    def source(self, dataset: Dataset) -> str:
        """Return what initial weights, order, dropout and augmentation of a training follow from.

        Nested: the training pool and the model seed, so that another data seed, grammar or real dataset is
        another initialisation. All sizes of a pool share its fingerprint, and so do both libraries. Crossed:
        the model seed alone, so that each initialisation meets every dataset.

        Returns
        -------
        str
            For `seqgra.backends.loop.derived_seed`.
        """
        return str(self.seed) if self.seeds == "crossed" else f"{dataset.fingerprint} {self.seed}"


#: What may train a network of the PyTorch backend.
ENGINES = ("auto", "compiled", "torch")


def engine_used(network: Network, name: str, backend: str, engine: str, device: str) -> str:
    """Return the engine that trains a network: ``compiled``, ``torch``, or none of another backend.

    ``auto`` takes the compiled one where it is defined (see `architecture.family`), unless the device asked
    for is a GPU. It follows from what is asked for alone, never from the machine, so that a model's
    identity does not either.

    Parameters
    ----------
    network, name
        The network, and what to call it in messages.
    backend
        What trains it.
    engine, device
        As asked for.

    Raises
    ------
    InputError
        If there is no such engine, or ``compiled`` is asked for where it is not defined.
    """
    if engine not in ENGINES:
        raise bad_input("--engine", "", f"is {engine!r}; choose from {', '.join(ENGINES)}")
    if backend != "pytorch":
        if engine == "compiled":
            message = (
                f"is for networks of the backend pytorch; {name} is to be trained by {backend}"
            )
            raise bad_input("--engine compiled", "", message)
        return ""
    if engine == "torch":
        return engine
    reason = ""
    if family_of(network) is None:
        reason = f"is not defined for {name} (docs/compiled.md says for which networks it is)"
    elif device == "cuda":
        reason = "trains on a CPU; give --device cpu or auto"
    if reason and engine == "compiled":
        raise bad_input("--engine compiled", "", f"{reason}; or leave --engine at auto")
    return "torch" if reason else "compiled"


class Trained(NamedTuple):
    """What a backend returns."""

    #: With the best weights.
    model: AbstractModel
    #: One row an epoch: epoch, learning_rate, training_loss, validation_loss, validation_accuracy, seconds,
    #: and the monitored metric if it is another.
    history: list[dict[str, float]]
    #: ``done``, ``collapsed`` or ``diverged``, and why.
    status: str
    reason: str
    #: What else goes into ``run.json``: parameters, epochs, best_epoch, device.
    facts: dict[str, Any]


def ready_network(network: Network, name: str, backend: str, dataset: Dataset) -> Network:
    """Return the network as a backend is to train it, with each value that its file leaves out.

    One that cannot be trained on the dataset is refused before anything is read of it.

    Parameters
    ----------
    network, name
        The network, and what to call it in messages.
    backend
        What is to train it.
    dataset
        What it is to be trained on.

    Raises
    ------
    InputError
        If there is no such backend, custom code is not allowed, or a layer does not fit.
    """
    if backend not in NETWORK_BACKENDS:
        message = f"no such backend of networks; choose from {', '.join(NETWORK_BACKENDS)}"
        raise bad_input(f"--backend {backend}", "", message)
    if network.module:
        require_permission(name)
    check_fit(network, dataset.alphabet.name, dataset.window, task_of(dataset), name, (backend,))
    return network


def training_data(dataset: Dataset, size: int) -> TrainingData:
    """Return what a training on a dataset of `size` examples sees: 70 % to train, 10 % to validate.

    Raises
    ------
    InputError
        If `size` is below 10, or the dataset is smaller or damaged.
    """
    counts = split_size(size)
    if counts["validation"] < 1:
        message = f"gives {size} examples to train and validate with; at least 10 are needed"
        raise bad_input(dataset.folder, "", message)
    dataset.verify("training", "validation")
    return TrainingData(
        dataset.x("training", counts["training"]),
        dataset.y("training", counts["training"]),
        dataset.x("validation", counts["validation"]),
        dataset.y("validation", counts["validation"]),
        dataset,
    )


def write_history(draft: Draft, history: list[dict[str, float]]) -> None:
    """Write ``history.csv``, one row an epoch; the caller publishes it."""
    with draft.aside("history.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def card_of(network: Network, data: TrainingData) -> ModelCard:
    """Return what a network that is trained on some data is built from."""
    card = ModelCard(
        architecture=network.model_dump(mode="json", exclude={"tune"}),
        alphabet=data.dataset.alphabet.name,
        window=data.dataset.window,
        conditions=tuple(data.dataset.conditions),
        task=data.task,
    )
    return card.model_copy(update={"source": network.source}) if network.module else card


def balanced_weights(y: np.ndarray, task: str) -> np.ndarray:
    """Return the weight of each condition in a loss that all conditions share evenly: float32 (C,).

    Multi-class: N / (C N_c), of the examples of condition c. Multi-label: (N - N_c) / N_c, of the
    positives of label c. A condition without examples counts as one with half an example.

    >>> balanced_weights(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]), "multi-class").tolist()
    [0.6666666865348816, 2.0]
    """
    examples, conditions = y.shape
    counts = np.maximum(y.sum(axis=0, dtype=float), 0.5)
    if task == MULTI_LABEL:
        weights = np.maximum(examples - counts, 0.5) / counts
    else:
        weights = examples / (conditions * counts)
    return np.asarray(weights, np.float32)


def mean_loss(
    logits: np.ndarray, y: np.ndarray, task: str, weights: np.ndarray | None = None
) -> float:
    """Return the loss in nats: the mean over examples, and over labels of a multi-label task.

    Parameters
    ----------
    logits
        (N, C).
    y
        uint8 (N, C).
    task
        Multi-class: cross-entropy of the softmax, -w_y log p_y. Multi-label: binary cross-entropy
        of each label, -w_c y log p - (1 - y) log(1 - p).
    weights
        (C,) of `balanced_weights`, or None for ones.

    >>> round(mean_loss(np.array([[2.0, 0.0]]), np.array([[1, 0]]), "multi-class"), 4)
    0.1269
    """
    from scipy.special import log_softmax

    z = np.asarray(logits, float)
    w = np.ones(z.shape[1]) if weights is None else np.asarray(weights, float)
    if task == MULTI_LABEL:
        return float((w * y * np.logaddexp(0, -z) + (1.0 - y) * np.logaddexp(0, z)).mean())
    return float(-(w * y * log_softmax(z, axis=1)).sum(axis=1).mean())


def fit_temperature(logits: np.ndarray, y: np.ndarray, task: str) -> float | None:
    """Return the temperature T by which logits are divided for the least `mean_loss`.

    Parameters
    ----------
    logits
        (N, C).
    y
        uint8 (N, C).
    task
        As in `mean_loss`.

    Returns
    -------
    float
        From `COLDEST` to its inverse; a minimum beyond these lies on the border. None without examples, or
        where a logit is not finite.

    >>> y = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])  # sigmoid(8 / T) = 3/4
    >>> round(fit_temperature(np.array([[8.0, 0.0]] * 4), y, "multi-class"), 2)  # 8 / ln 3
    7.28
    """
    from scipy.optimize import minimize_scalar

    if not len(logits) or not np.isfinite(logits).all():
        return None
    values, edge = np.asarray(logits, float), -np.log(COLDEST)

    def loss(log_inverse: float) -> float:
        return mean_loss(values * np.exp(log_inverse), y, task)

    found = minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(-found.x))


def constant_loss(
    training_y: np.ndarray, validation_y: np.ndarray, task: str, weights: np.ndarray | None = None
) -> float:
    """Return the validation loss (nats) of the predictor that always says the training shares.

    A model that is not 1 % better has collapsed: it learnt nothing that carries over. Shares are
    counted from half an example of each condition on. With `weights` (see `mean_loss`) they are
    those that minimise the weighted loss.

    >>> y = np.array([[1, 0], [0, 1]])
    >>> round(constant_loss(y, y, "multi-class"), 4), round(constant_loss(y, y, "multi-label"), 4)
    (0.6931, 0.6931)
    """
    examples, conditions = training_y.shape
    w = np.ones(conditions) if weights is None else np.asarray(weights, float)
    positives = w * (training_y.sum(axis=0, dtype=float) + 0.5)
    if task == MULTI_LABEL:
        negatives = examples - training_y.sum(axis=0, dtype=float) + 0.5
        logits = np.log(positives / negatives)
    else:
        logits = np.log(positives)
    return mean_loss(np.broadcast_to(logits, validation_y.shape), validation_y, task, weights)


def accuracy(logits: np.ndarray, y: np.ndarray, task: str) -> float:
    """Return the share of right answers: the largest logit's condition, or each label at p > 1/2."""
    if task == MULTI_LABEL:
        return float(((logits > 0) == (y > 0)).mean())
    return float((logits.argmax(axis=1) == y.argmax(axis=1)).mean())


def validation_row(
    logits: np.ndarray, y: np.ndarray, task: str, monitor: str, weights: np.ndarray | None
) -> dict[str, float]:
    """Return the validation columns of a history row."""
    row = {
        "validation_loss": mean_loss(logits, y, task, weights),
        "validation_accuracy": accuracy(logits, y, task),
    }
    if monitor in ("roc-auc", "pr-auc"):
        scores = log_odds(logits, task == MULTI_LABEL)
        row[f"validation_{monitor.replace('-', '_')}"] = macro_area(scores, y, monitor)
    return row


def badness(row: dict[str, float], monitor: str) -> float:
    """Return the monitored metric of a history row so that lower is better."""
    value = row[f"validation_{monitor.replace('-', '_')}"]
    return value if monitor == "loss" else -value


def outcome(best_loss: float, constant: float) -> tuple[str, str]:
    """Return the status of a finished training and its reason."""
    if best_loss >= 0.99 * constant:
        return "collapsed", (
            f"validation loss {best_loss:.4f} is not 1 % below the constant predictor's {constant:.4f}"
        )
    return "done", ""
