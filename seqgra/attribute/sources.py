"""What attribution methods are computed from, made of a model of any backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from seqgra.alphabet import ALPHABETS, UNKNOWN
from seqgra.attribute import gradients
from seqgra.attribute.methods import Method
from seqgra.attribute.mutagenesis import MASKED, Predict, letters_table
from seqgra.attribute.references import baseline_values, shuffled
from seqgra.attribute.sufficient_subsets import Candidates, Masking, PlainCandidates
from seqgra.dataset import Dataset
from seqgra.errors import InputError, in_a_line, out_of_memory
from seqgra.model import AbstractModel, NotDefined, explained_part, runs_own_code
from seqgra.stages.attribute import Settings


def source_of(
    model: AbstractModel, method: Method, *, correct: bool, fill: np.ndarray | None
) -> Callable[..., Any]:
    """Return the function that a method is computed from.

    Parameters
    ----------
    model
        The model.
    method
        The method.
    correct
        Whether gradients lose what points off the simplex (see `gradients.correct`).
    fill
        float32 (A,): what masked positions hold; None for no letter.

    Raises
    ------
    NotDefined
        If the model has none.
    """
    if method.source == "predictions":
        return predictions(model, fill)
    if method.source == "masking":
        return masking(model, fill)
    if method.source == "gradients":
        found = _with_reason(model, model.gradients)
    elif method.source == "paths":

        def along(inputs: Any, start: Any, target: Any, shares: Any) -> np.ndarray:
            mean = _with_reason(model, model.path_gradients)
            shares = np.broadcast_to(shares, (len(inputs), np.shape(shares)[-1]))
            return _in_batches(mean, batch_of(model))(inputs, start, target, shares)

        return gradients.corrected(along) if correct else along
    else:
        name = "class_activation" if method.source == "maps" else method.source
        found = getattr(_backprop(model), name)
    batched = _in_batches(found, batch_of(model))
    return gradients.corrected(batched) if correct else batched


def batch_of(model: AbstractModel) -> int:
    """Return how many gradients may be asked of a model at once; see `AbstractModel.batch`."""
    with failures_as_reason(model):
        return model.batch


@contextmanager
def failures_as_reason(model: AbstractModel) -> Iterator[None]:
    """Turn a failure of the user's own code into the reason why a method is not defined for it.

    Letters it was trained on; what a method may ask more of it, gradients, points between letters or
    unknown letters, it need not take.

    Raises
    ------
    NotDefined
        With the error, in one line. Those of seqgra's own models stay as they are.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, NotDefined) or not runs_own_code(model) or out_of_memory(error):
            raise
        said = in_a_line(error) or type(error).__name__
        raise NotDefined(f"the module fails on what the method asks of it ({said})") from error


def _with_reason(
    model: AbstractModel, function: Callable[..., np.ndarray]
) -> Callable[..., np.ndarray]:
    def guarded(*arrays: np.ndarray) -> np.ndarray:
        with failures_as_reason(model):
            return function(*arrays)

    return guarded


def _backprop(model: AbstractModel) -> Any:
    """Return the rules for the layers of a model's PyTorch module.

    Raises
    ------
    NotDefined
        If it has none.
    """
    from seqgra.backends.pytorch_rules import Backprop

    module = _module(model)
    if module is None:
        raise NotDefined(f"the method needs layers that are known; {type(model).__name__} has none")
    return Backprop(module, model.task)


def _module(model: AbstractModel) -> Any:
    """Return the PyTorch module of a model or of its PyTorch copy, None where there is none."""
    try:
        return getattr(model, "module", None)
    except NotImplementedError:  # a custom module of another library has no PyTorch copy
        return None


def _in_batches(function: Callable[..., np.ndarray], batch: int) -> Callable[..., np.ndarray]:
    """Return a function of arrays with the same first axis that is called with parts of them."""

    def in_batches(*arrays: np.ndarray) -> np.ndarray:
        parts = [
            function(*(array[first : first + batch] for array in arrays))
            for first in range(0, len(arrays[0]), batch)
        ]
        return np.concatenate(parts)

    return in_batches


def predictions(model: AbstractModel, fill: np.ndarray | None) -> Predict:
    """Return the explained logit of letter codes, some of them masked.

    Parameters
    ----------
    model
        The model.
    fill
        What masked positions hold: float32 (A,), which models that take letters only refuse, or None
        for an unknown letter.
    """
    if fill is None:

        def of_letters(x: np.ndarray, target: np.ndarray) -> np.ndarray:
            masked = x == MASKED
            try:
                with failures_as_reason(model) if masked.any() else nullcontext():
                    logits = model.logits(np.where(masked, np.uint8(UNKNOWN), x))
            except InputError as error:
                if masked.any():  # the posterior over a chain cannot leave a letter out
                    raise NotDefined(f"masked letters: {error}") from None
                raise
            return explained_part(logits, target, model.task)

        return of_letters
    table = letters_table(len(fill), fill)

    def of_columns(x: np.ndarray, target: np.ndarray) -> np.ndarray:
        with failures_as_reason(model):
            return model.explained(np.ascontiguousarray(table[x].transpose(0, 2, 1)), target)

    return of_columns


def masking(model: AbstractModel, fill: np.ndarray | None) -> Masking:
    """Return what makes candidates for sufficient subsets: local ones where the network allows."""
    module = _module(model)
    if module is not None:
        from seqgra.backends.pytorch_local import LocalCandidates, local_network

        letters = len(ALPHABETS[model.alphabet].letters)
        network = local_network(module, letters, model.window, model.task)
        if network is not None:
            column = np.zeros(letters) if fill is None else fill
            table = letters_table(letters, column).astype(np.float64)

            def local(x: np.ndarray, target: np.ndarray) -> Candidates:
                return LocalCandidates(network, table[x], table[MASKED], target)

            return local
    predict = predictions(model, fill)
    return lambda x, target: PlainCandidates(predict, x, target)


def method_settings(
    method: Method,
    settings: Settings,
    dataset: Dataset,
    x: np.ndarray,
    predict: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments of a method for some examples, uint8 (N, L) letter codes."""
    given: dict[str, Any] = {name: getattr(settings, name) for name in method.settings}
    given.pop("mask", None)
    if "baseline" in given:
        given["baseline"] = baseline_values(settings.baseline, dataset, x, settings.references)
    if "references" in given:
        values = shuffled(x, len(dataset.alphabet.letters), settings.references)
        given["baseline" if method.source == "multipliers" else "references"] = values
        if method.source == "multipliers":
            del given["references"]
    if method.source in ("predictions", "masking"):
        given["x"] = x
    if method.source == "masking":
        given["predict"] = predict
    return given


def completeness_gap(
    model: AbstractModel, inputs: np.ndarray, target: np.ndarray, values: np.ndarray, start: Any
) -> np.ndarray:
    """Return |sum z - (f(x) - mean f(b))| / max(|f(x) - mean f(b)|, `SMALL`) of each example.

    Parameters
    ----------
    model
        The model.
    inputs, target, values
        float32 (N, A, L), int64 (N,), float32 (N, A, L).
    start
        Baselines; see `gradients.starts`.

    Returns
    -------
    ndarray
        float64 (N,); NaN where the model takes letters only and a baseline lies between them.
    """
    try:
        with failures_as_reason(model):
            reference = [model.explained(part, target) for part in gradients.starts(start, inputs)]
    except NotDefined:
        return np.full(len(inputs), np.nan)
    difference = model.explained(inputs, target) - np.mean(reference, axis=0)
    error = np.abs(values.sum(axis=(1, 2), dtype=np.float64) - difference)
    return np.asarray(error / np.maximum(np.abs(difference), SMALL))


#: Differences of the logit below it count as this much, where gaps are compared with them.
SMALL = 1e-3
