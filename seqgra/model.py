"""What every backend's model can do, and how to open a trained one."""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import ValidationError

from seqgra.alphabet import ALPHABETS, PADDING, UNKNOWN
from seqgra.dataset import Dataset
from seqgra.errors import InputError, Problem, bad_argument, bad_input, in_a_line, out_of_memory
from seqgra.fingerprint import RUN_FILE, delete_and_make_again, verify_file
from seqgra.yamlfile import Strict

if TYPE_CHECKING:
    from seqgra.architecture.custom import Sizes
    from seqgra.architecture.schema import Network

#: Backend name -> module; imported only when used, since some take seconds.
BACKENDS = {
    "pytorch": "seqgra.backends.pytorch",
    "tensorflow": "seqgra.backends.tensorflow",
    "sklearn": "seqgra.backends.sklearn",
    "bayes-optimal": "seqgra.backends.bayes_optimal",
}
#: Modules whose `fit` trains a backend's networks; the other backends train in their own.
_TRAINERS = {
    "pytorch": "seqgra.backends.pytorch_training",
    "tensorflow": "seqgra.backends.tensorflow_training",
}
#: Those that train networks; a baseline's file names its own.
NETWORK_BACKENDS = ("pytorch", "tensorflow")
#: Backends that are the ceiling: a line of its own, and no competitor.
CEILINGS = frozenset({"bayes-optimal"})
#: Backend of what another program predicted, see `seqgra score`.
FOREIGN = "foreign"

MULTI_CLASS, MULTI_LABEL = "multi-class", "multi-label"
#: Sums of the probabilities of a multi-class task may be off by so much: they are often printed rounded.
ROUNDED = 0.01


def task_of(dataset: Dataset) -> str:
    """Return the task of a dataset: ``multi-class`` or ``multi-label``."""
    return str(dataset.content.get("task", MULTI_CLASS))


class ModelCard(Strict):
    """What a trained model is built from, as its ``model.json`` holds it.

    Attributes
    ----------
    architecture
        The resolved architecture, as in a file of one; a baseline's names its own backend. Empty: a module
        of the user's own.
    alphabet, window, conditions, task
        Of the sequences it takes, and what it tells apart.
    source
        Text of the file that a class of the user's own stands in.
    """

    architecture: dict[str, Any]
    alphabet: str
    window: int
    conditions: tuple[str, ...]
    task: str = MULTI_CLASS
    source: str | None = None

    @property
    def _sources(self) -> dict[str, str]:
        return {str(self.architecture.get("module")): self.source} if self.source else {}

    @property
    def is_network(self) -> bool:
        """Whether it is of a network that seqgra can build."""
        return "layers" in self.architecture

    @property
    def averages_strands(self) -> bool:
        """Whether the network's logits are means over both strands."""
        predict = self.architecture.get("predict", {})
        return bool(predict.get("reverse_complement", False))

    def network(self, file: str) -> tuple[Network, Sizes]:
        """Return the network and what it is built for.

        Parameters
        ----------
        file
            What to call it in messages.

        Raises
        ------
        InputError
            If its architecture is wrong.
        """
        from seqgra.architecture.custom import Sizes
        from seqgra.architecture.load import resolve_architecture
        from seqgra.architecture.schema import Network

        network = resolve_architecture(self.architecture, file, self._sources)
        assert isinstance(network, Network)
        letters = len(ALPHABETS[self.alphabet].letters)
        return network, Sizes(letters, self.window, len(self.conditions))


_Card = TypeVar("_Card", bound=Strict)


def card_text(card: Strict) -> str:
    """Return the text of ``model.json``."""
    return json.dumps(card.model_dump(mode="json", exclude_unset=True), indent=1) + "\n"


def read_card(kind: type[_Card], folder: Path, run: Mapping[str, Any]) -> _Card:
    """Return the card of a finished model.

    Parameters
    ----------
    kind
        The class of the backend's cards.
    folder, run
        Of the model, and its `run.json`.

    Raises
    ------
    InputError
        If the file is missing or damaged, or of another version.
    """
    try:
        return kind.model_validate(json.loads(verify_file(folder, "model.json", run).read_bytes()))
    except ValidationError:
        raise bad_input(folder, "", "is a model of an earlier version; train it again") from None


class AbstractModel(ABC):
    """A trained model: letter codes in, logits out.

    Attributes
    ----------
    conditions
        Names of the C outputs.
    device
        What it computes on, in words.
    alphabet, window
        Of the sequences it takes.
    task
        ``multi-class`` (softmax over conditions) or ``multi-label`` (a sigmoid each).
    status, reason
        How its training ended, ``done``, ``collapsed`` or ``diverged``, and why.
    history
        One row an epoch, of a model that was trained in this process.
    beside
        Dataset beside which features that take long are kept; None: they are not.
    """

    conditions: tuple[str, ...]
    device: str
    alphabet: str
    window: int
    task: str = MULTI_CLASS
    status: str = "done"
    reason: str = ""
    history: Sequence[Mapping[str, float]] = ()
    beside: Path | None = None

    def __repr__(self) -> str:
        taken = f"{self.alphabet}, {self.window} letters, {self.task}"
        return f"<{type(self).__name__}, {self.status}; {taken}: {', '.join(self.conditions)}>"

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of letter codes `x`, uint8 (N, L).

        Raises
        ------
        InputError
            If `x` is no such array of the model's alphabet and window.
        """
        return self._logits_of(letter_codes(x, self.alphabet, self.window))

    @abstractmethod
    def _logits_of(self, x: np.ndarray) -> np.ndarray:
        """Return the logits of letter codes that are as they should be."""

    def gradients(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the gradient of the explained quantity with respect to the input.

        Multi-class: the centred logit f_y - mean_c f_c. Multi-label: the label's logit f_y.

        Parameters
        ----------
        inputs
            float32 (N, A, L); one-hot letters or points between them.
        target
            int64 (N,): the condition y explained for each example.

        Returns
        -------
        ndarray
            float32 (N, A, L).

        Raises
        ------
        NotDifferentiable
            If the backend has no gradient.
        """
        raise NotDifferentiable(f"{type(self).__name__} has no gradient")

    def path_gradients(
        self, inputs: np.ndarray, start: np.ndarray, target: np.ndarray, shares: np.ndarray
    ) -> np.ndarray:
        """Return the mean of `gradients` over points of the straight paths from `start` to inputs.

        Parameters
        ----------
        inputs, start
            float32 (N, A, L).
        target
            As of `gradients`.
        shares
            float32 (K,) or (N, K), rising: how far along its path each point is, from 0 to 1.

        Returns
        -------
        ndarray
            float64 (N, A, L).
        """
        return mean_along(self.gradients, inputs, start, target, shares)

    def explained(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the explained quantity, whose gradient `gradients` returns, of inputs.

        Parameters
        ----------
        inputs
            float32 (N, A, L): one-hot letters; of networks also points between them. A column of
            zeros is an unknown letter.
        target
            int64 (N,): the condition y explained for each example.

        Returns
        -------
        ndarray
            float64 (N,).

        Raises
        ------
        NotDefined
            If inputs lie between letters and the model takes letters only.
        """
        empty = ~inputs.any(axis=1)
        if not np.isin(inputs, (0, 1)).all() or (inputs.sum(axis=1) != ~empty).any():
            raise NotDefined(f"{type(self).__name__} takes letters only, nothing between them")
        codes = np.where(empty, UNKNOWN, inputs.argmax(axis=1)).astype(np.uint8)
        return explained_part(self.logits(codes), target, self.task)

    def export(self, folder: str | Path) -> str:
        """Write a network for use without seqgra: ``network.py`` and ``network.safetensors``.

        The Python file needs PyTorch alone; the weights are its state_dict. A TensorFlow model gives the same
        network in PyTorch, and ``network.keras`` too where all layers are Keras's own.

        Parameters
        ----------
        folder
            Where to; made if missing.

        Returns
        -------
        str
            The names of the files.

        Raises
        ------
        InputError
            If the model is no network that seqgra has built, or a file there is not of an earlier export.
        """
        message = "is no network; only networks leave seqgra: `seqgra predict` scores new sequences with it"
        raise bad_argument("model", message)

    @property
    def batch(self) -> int:
        """Inputs whose gradient may be asked for at once, so that memory stays bounded."""
        return 256


def letter_codes(x: np.ndarray, alphabet: str, window: int) -> np.ndarray:
    """Return letter codes, uint8 (N, L), that hold nothing but letters, `UNKNOWN` and `PADDING`.

    Raises
    ------
    InputError
        If `x` is another kind of array.
    """
    try:
        found = np.asarray(x)
    except ValueError:  # rows of different lengths
        found = np.empty(0, object)
    expected = f"letter codes, uint8 (N, {window}), as a dataset's x; texts go to predict"
    if found.dtype.kind not in "ui" or found.ndim != 2 or found.shape[1] != window:
        raise bad_argument("x", f"has {found.dtype} of shape {found.shape}; give {expected}")
    letters = len(ALPHABETS[alphabet].letters)
    wrong = (found >= letters) & (found < UNKNOWN) | (found > PADDING) | (found < 0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        message = f"holds {found[row, column]} in row {row}, which is no letter of {alphabet}"
        raise bad_argument("x", f"{message}; give {expected}")
    return found.astype(np.uint8, copy=False)


def mean_along(
    gradients: Callable[[np.ndarray, np.ndarray], np.ndarray],
    inputs: np.ndarray,
    start: np.ndarray,
    target: np.ndarray,
    shares: np.ndarray,
) -> np.ndarray:
    """Return the mean gradient along paths, one point after another; see `AbstractModel.path_gradients`."""
    path, total = inputs - start, np.zeros(inputs.shape)
    point = np.empty_like(path)
    for share in np.asarray(shares, np.float32).reshape(-1, *np.shape(shares)[-1:]).T:
        np.multiply(path, share[:, None, None], out=point)
        np.add(point, start, out=point)
        total += gradients(point, target)
    return np.asarray(total / np.shape(shares)[-1])


def explained_part(logits: np.ndarray, target: np.ndarray, task: str) -> np.ndarray:
    """Return the explained quantity of logits (N, C): float64 (N,); see `AbstractModel.gradients`.

    >>> explained_part(np.array([[1.0, 5.0]]), np.array([1]), "multi-class").tolist()
    [2.0]
    >>> explained_part(np.array([[1.0, 5.0]]), np.array([1]), "multi-label").tolist()
    [5.0]
    """
    logits = logits.astype(np.float64)
    own = logits[np.arange(len(target)), target]
    return np.asarray(own if task == MULTI_LABEL else own - logits.mean(axis=1))


def wrong_sum(probabilities: np.ndarray, task: str) -> tuple[int, str] | None:
    """Return the first example whose probabilities (N, C) do not add up to 1, and what to say of it.

    Those of a multi-label task need not: None.

    >>> wrong_sum(np.array([[0.333, 0.666], [0.9, 0.9]]), "multi-class")
    (1, 'probabilities add up to 1.8, not 1; an example has one condition')
    """
    total = probabilities.sum(axis=1)
    off = np.abs(total - 1) > ROUNDED
    if task == MULTI_LABEL or not off.any():
        return None
    row = int(np.argmax(off))
    return row, f"probabilities add up to {total[row]:.3g}, not 1; an example has one condition"


def runs_own_code(model: AbstractModel) -> bool:
    """Return whether a model computes by code of the user's own: a module, or one that was wrapped."""
    card = getattr(model, "card", None)
    if not isinstance(card, ModelCard):
        return False
    own = card.source is not None or getattr(card, "sources", None)
    return bool(own or not card.architecture)


class NotDefined(Exception):
    """Something was asked of a model for which it is not defined; the message says why."""


#: What is said of a module of the user's own whose outputs have no gradient.
NO_GRADIENT = "the module passes no gradient to its input; mutagenesis needs none"


class NotDifferentiable(NotDefined):
    """A gradient was asked of a model that has none."""


def backend_module(name: str) -> Any:
    """Import and return a backend's module.

    Raises
    ------
    InputError
        If there is no such backend.
    """
    if name not in BACKENDS:
        raise bad_input(name, "", f"no such backend; choose from {', '.join(BACKENDS)}")
    return importlib.import_module(BACKENDS[name])


def trainer(name: str) -> Any:
    """Import and return the module of a backend whose `fit` trains its models.

    Raises
    ------
    InputError
        If there is no such backend.
    """
    return importlib.import_module(_TRAINERS[name]) if name in _TRAINERS else backend_module(name)


def open_model(
    folder: Path, run: dict[str, Any], dataset: Dataset | None = None, device: str = "auto"
) -> AbstractModel:
    """Open a trained model; runs no code from the folder.

    Parameters
    ----------
    folder, run
        The model and its `run.json`, whose checksums its files must match.
    dataset
        What it will be applied to.
    device
        ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        If its files are damaged, or its conditions, alphabet, window or task are not the dataset's.
    """
    from safetensors import SafetensorError

    name = run["options"].get("backend")
    if not isinstance(name, str) or name not in BACKENDS:
        message = f"is {name!r}; {delete_and_make_again(folder)}"
        raise bad_input(folder / RUN_FILE, "options.backend", message)
    backend = backend_module(name)
    try:
        model: AbstractModel = backend.open_model(folder, run, device)
    except (SafetensorError, ValueError, KeyError, TypeError, IndexError, RuntimeError) as error:
        if isinstance(error, InputError) or out_of_memory(error):
            raise
        message = f"cannot be opened ({in_a_line(error)}); {delete_and_make_again(folder)}"
        raise bad_input(folder, "model.json, model.safetensors", message) from error
    if dataset is not None and (found := mismatch(model, dataset)):
        raise bad_input(folder, found.path, found.message)
    return model


def mismatch(model: AbstractModel, dataset: Dataset) -> Problem | None:
    """Return in what a model is not for a dataset: conditions, alphabet, window or task."""
    mine = (model.conditions, model.alphabet, model.window, model.task)
    theirs = (dataset.conditions, dataset.alphabet.name, dataset.window, task_of(dataset))
    for name, own, other in zip(
        ("conditions", "alphabet", "window", "task"), mine, theirs, strict=True
    ):
        if own != other:
            message = f"of the model: {_words(own)}; of {dataset.folder}: {_words(other)}"
            return Problem("model", name, f"{message}; give a dataset of the model's grammar")
    return None


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
