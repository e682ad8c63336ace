"""Models that seqgra has not trained: torch modules, Keras models, scikit-learn estimators, functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import numpy as np

from seqgra.alphabet import ALPHABETS, one_hot
from seqgra.dataset import Dataset
from seqgra.errors import InputError, bad_argument, bad_input, in_a_line, out_of_memory
from seqgra.model import (
    MULTI_LABEL,
    AbstractModel,
    ModelCard,
    explained_part,
    task_of,
    wrong_sum,
)

Takes = Literal["one-hot", "letters"]
Output = Literal["logits", "probabilities"]
#: Probabilities count as at least this far from 0 and 1, so that their logits are finite: no number of
#: double precision lies nearer to 1.
_LEAST = 1e-17
_BATCH = 512


class WrappedFunction(AbstractModel):
    """A function of sequences as a model; it has no gradient.

    Parameters
    ----------
    function
        From one-hot float32 (N, A, L), or N texts, to numbers (N, C).
    data
        Whose conditions, alphabet, window and task it has.
    takes, output
        What it takes and returns.
    """

    def __init__(
        self, function: Callable[[Any], Any], data: Dataset, takes: Takes, output: Output
    ) -> None:
        self.function, self._takes, self._output = function, takes, output
        self.conditions, self.task = data.conditions, task_of(data)
        self.alphabet, self.window, self.device = data.alphabet.name, data.window, "cpu"

    def _logits_of(self, x: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of letter codes `x`, uint8 (N, L).

        Raises
        ------
        InputError
            If the function returns another shape, or numbers that are not finite.
        """
        parts = [np.zeros((0, len(self.conditions)), np.float32)]
        for start in range(0, len(x), _BATCH):
            codes = np.asarray(x[start : start + _BATCH])
            parts.append(self._checked(self.function(self._given(codes)), len(codes), start))
        return np.concatenate(parts)

    def _given(self, codes: np.ndarray) -> Any:
        alphabet = ALPHABETS[self.alphabet]
        if self._takes == "letters":
            return [alphabet.decode(row) for row in codes]
        return one_hot(codes, len(alphabet.letters))

    def _checked(self, values: Any, examples: int, first: int) -> np.ndarray:
        return checked(values, (examples, len(self.conditions)), first, self._output, self.task)


class WrappedKeras(WrappedFunction):
    """A Keras model of the user's own: gradients, but no rules for its layers.

    Parameters
    ----------
    network
        From one-hot float32 (N, L, A) to numbers (N, C).
    data, output
        As of `WrappedFunction`.
    """

    def __init__(self, network: Any, data: Dataset, output: Output) -> None:
        super().__init__(self._predicted, data, "one-hot", output)
        self.network, self.card = network, _card_of(data)

    def _predicted(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(self.network.predict(values.transpose(0, 2, 1), verbose=0))

    def explained(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the explained quantity of points: float64 (N,); see `AbstractModel.explained`."""
        logits = self._checked(self._predicted(np.asarray(inputs, np.float32)), len(inputs), 0)
        return explained_part(logits, target, self.task)

    def gradients(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the gradient of the explained quantity: float32 (N, A, L)."""
        import tensorflow as tf

        from seqgra.backends.tensorflow import gradients_of

        def logits(points: Any) -> Any:
            values = tf.cast(self.network(points, training=False), tf.float32)
            if self._output == "logits":
                return values
            p, rest = (tf.math.log(tf.maximum(part, _LEAST)) for part in (values, 1 - values))
            return p - (rest if self.task == MULTI_LABEL else 0)  # as in `checked`

        return gradients_of(logits, inputs, target, self.task)


def _card_of(data: Dataset) -> ModelCard:
    """Return the card of a model of the user's own."""
    return ModelCard(
        architecture={},
        alphabet=data.alphabet.name,
        window=data.window,
        conditions=tuple(data.conditions),
        task=task_of(data),
    )


def checked(
    values: Any, shape: tuple[int, int], first: int, output: Output, task: str
) -> np.ndarray:
    """Return what a model gave for examples from `first` on as logits, float32 (N, C).

    Raises
    ------
    InputError
        If its shape is another, a number is not finite or no probability, or probabilities do not add up.
    """
    if hasattr(values, "detach"):  # a tensor that still has its history
        values = values.detach().cpu().double()  # numpy knows no bfloat16
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        message = f"returns {type(values).__name__}, no array of numbers; return {shape}"
        raise bad_argument("model", message) from None
    if found.shape != shape:
        message = f"returns shape {found.shape} for {shape[0]} examples of {shape[1]} conditions"
        raise bad_argument("model", f"{message}; return one row an example, one column a condition")
    wrong = ~np.isfinite(found)
    expected = "finite numbers"
    if output == "probabilities":
        wrong |= (found < 0) | (found > 1)
        expected = "probabilities, from 0 to 1"
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        given = f"returns {found[row, column]} for example {first + row}"
        raise bad_argument("model", f"{given}; return {expected} for every sequence")
    if output == "probabilities":
        if (off := wrong_sum(found, task)) is not None:
            raise bad_input("model", f"example {first + off[0]}", off[1])
        p, rest = (np.log(np.maximum(part, _LEAST)) for part in (found, 1 - found))
        found = p - (rest if task == MULTI_LABEL else 0)
    return found.astype(np.float32)


def wrap_module(module: Any, data: Dataset) -> AbstractModel:
    """Return a torch module, from one-hot float32 (N, A, L) to logits (N, C), as a model.

    Raises
    ------
    InputError
        If it fails, or its output has another shape.
    """
    import torch

    from seqgra.backends.pytorch import PytorchModel

    class WrappedModule(PytorchModel):
        """A torch module of the user's own: gradients, but no rules for its layers."""

        def __init__(self) -> None:
            weights = next(module.parameters(), torch.zeros(0))
            super().__init__(module, _card_of(data), weights.device)

        def _checked(self, logits: np.ndarray, first: int, examples: int) -> np.ndarray:
            shape = (examples, len(self.conditions))
            return checked(logits, shape, first, "logits", self.task)

    was_training = module.training
    module.eval()
    device = next(module.parameters(), torch.zeros(0)).device
    letters = len(data.alphabet.letters)
    taken = f"one-hot float32 (N, {letters}, {data.window})"
    try:
        with _failures_in_a_line(taken), torch.inference_mode():
            tried = module(torch.zeros(2, letters, data.window, device=device))
            checked(tried, (2, len(data.conditions)), 0, "logits", task_of(data))
    except Exception:
        module.train(was_training)
        raise
    return WrappedModule()


def wrap(
    model: Any, data: Dataset, *, takes: Takes = "one-hot", output: Output = "logits"
) -> AbstractModel:
    """Return a model of another library, or a function, as one that `evaluate` and `attribute` take.

    Parameters
    ----------
    model
        A torch module from one-hot float32 (N, A, L) to logits (N, C); it is put into evaluation mode. A
        Keras model, which takes float32 (N, L, A). Attributions take the gradients of both. A scikit-learn
        classifier of flattened one-hot float32 (N, A * L) or of texts, for multi-class data, fitted to names
        of conditions or to their numbers. Or a function. A padded or unknown letter is a column of zeros.
    data
        Whose conditions, alphabet, window and task it has.
    takes
        What a function or a classifier takes: ``one-hot``, float32 (N, A, L), or ``letters``, N texts.
    output
        What a function or a Keras model returns: ``logits`` or ``probabilities``, (N, C).

    Returns
    -------
    AbstractModel
        The model.

    Raises
    ------
    InputError
        If it is none of these, an option is wrong, or its output has another shape.
    """
    if takes not in ("one-hot", "letters"):
        raise bad_argument("takes", f"is {takes!r}; choose one-hot or letters")
    if output not in ("logits", "probabilities"):
        raise bad_argument("output", f"is {output!r}; choose logits or probabilities")
    letters = len(data.alphabet.letters)
    libraries = {base.__module__.split(".")[0] for base in type(model).__mro__}
    if "torch" in libraries:
        _only(takes == "one-hot" and output == "logits", "a torch module", "logits", "one-hot")
        return wrap_module(model, data)
    if "sklearn" in libraries:
        return _wrap_classifier(model, data, takes)
    if "keras" in libraries:
        _only(takes == "one-hot", "a Keras model", output, "one-hot")
        shape = (data.window, letters)
        declared = tuple(getattr(model, "input_shape", None) or (None, *shape))
        if any(given not in (None, size) for given, size in zip(declared[1:], shape, strict=False)):
            message = f"is a Keras model of {declared[1:]}; give one of {shape}, positions first"
            raise bad_argument("model", message)
        taken = f"one-hot float32 (N, {data.window}, {letters})"
        return _tried(WrappedKeras(model, data, output), taken)
    if not callable(model):
        message = (
            f"is {type(model).__name__}; give a torch module, Keras model, classifier or function"
        )
        raise bad_argument("model", message)
    return _tried(WrappedFunction(model, data, takes, output))


def _only(right: bool, what: str, output: str, takes: str) -> None:
    """Refuse an option of another kind of model.

    Raises
    ------
    InputError
        If the options are not right.
    """
    if not right:
        message = f"{what} takes {takes} and returns {output}; wrap a function around it for anything else"
        raise bad_argument("model", message)


def _wrap_classifier(model: Any, data: Dataset, takes: Takes) -> WrappedFunction:
    """Return a classifier of scikit-learn as a model, its columns in the order of conditions.

    Raises
    ------
    InputError
        If it is of other conditions, or does not take such input.
    """
    if task_of(data) == MULTI_LABEL or not hasattr(model, "predict_proba"):
        raise bad_argument("model", "give a multi-class classifier that has predict_proba")
    conditions = list(data.conditions)
    classes = getattr(model, "classes_", ())
    if any(np.ndim(each) for each in classes):
        message = "is fitted to several outputs; fit it to names or numbers of conditions"
        raise bad_argument("model", message)
    given = [each.item() if hasattr(each, "item") else each for each in classes]
    if set(given) == set(conditions):
        order = [given.index(name) for name in conditions]
    elif given == list(range(len(conditions))):
        order = list(range(len(conditions)))
    else:
        message = f"is fitted to {given}; fit it to the conditions, {conditions}, or to their numbers from 0"
        raise bad_argument("model", message)

    def estimated(values: Any) -> np.ndarray:
        flat = values if takes == "letters" else values.reshape(len(values), -1)
        return np.asarray(model.predict_proba(flat))[:, order]

    letters = len(data.alphabet.letters)
    taken = "texts" if takes == "letters" else f"one-hot float32 (N, {letters * data.window})"
    return _tried(WrappedFunction(estimated, data, takes, "probabilities"), taken)


@contextmanager
def _failures_in_a_line(taken: str) -> Iterator[None]:
    """Turn whatever another library's model raises on what it is given into one line.

    Raises
    ------
    InputError
        With the error. Those of seqgra itself, and of memory that is not enough, stay as they are.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, InputError) or out_of_memory(error):
            raise
        said = ": ".join(filter(None, (type(error).__name__, in_a_line(error))))
        raise bad_argument("model", f"fails on {taken}: {said}") from error


def _tried(model: WrappedFunction, taken: str = "") -> WrappedFunction:
    """Return the model after it has predicted two sequences.

    Parameters
    ----------
    model
        The model.
    taken
        Of another library's model: what it is given. A function's own errors stay as they are.

    Raises
    ------
    InputError
        If its output is wrong, or it is another library's model and does not take such input.
    """
    with _failures_in_a_line(taken) if taken else nullcontext():
        model.logits(np.zeros((2, model.window), np.uint8))
    return model
