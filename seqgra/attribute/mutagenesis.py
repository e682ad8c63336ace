"""Attribution methods that only predict: they serve every backend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seqgra.alphabet import lengths_of, one_hot

#: (letter codes uint8 (N, L), target int64 (N,)) -> float (N,), the explained logit of the target;
#: a position with the code `MASKED` is masked.
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: Code of a masked position: what stands there is up to the `Predict` function.
MASKED = 253
#: Sequences in one call of `Predict`, at most.
BATCH = 4096


def mutation_effects(
    predict: Predict, x: np.ndarray, target: np.ndarray, letters: int
) -> np.ndarray:
    """Return f(x with letter a at l) - f(x) for every letter and position (in-silico mutagenesis).

    Parameters
    ----------
    predict
        See `Predict`.
    x
        uint8 (N, L): letter codes.
    target
        int64 (N,): the condition explained.
    letters
        Size A of the alphabet.

    Returns
    -------
    ndarray
        float64 (N, A, L); 0 for the observed letter and at positions without one.
    """
    example, position = np.nonzero(x < letters)
    example, position = (np.repeat(part, letters - 1) for part in (example, position))
    turn = np.tile(np.arange(1, letters, dtype=np.uint8), len(example) // (letters - 1))
    letter = (x[example, position] + turn) % letters
    values = np.zeros((len(x), letters, x.shape[1]))
    before = predict(x, target)
    after = _changed(predict, x, target, example, position[:, None], letter[:, None])
    values[example, letter, position] = after - before[example]
    return values


def mutagenesis(
    predict: Predict, inputs: np.ndarray, target: np.ndarray, *, x: np.ndarray
) -> np.ndarray:
    """Return f(x) less its mean over the other letters at l, at the observed letter.

    What is lost on average when the letter is replaced. doi:10.1038/nmeth.3547

    Parameters
    ----------
    predict
        See `Predict`.
    inputs
        float32 (N, A, L), one-hot.
    target
        int64 (N,).
    x
        uint8 (N, L): letter codes of `inputs`.

    Returns
    -------
    ndarray
        float32 (N, A, L).
    """
    letters = inputs.shape[1]
    effects = mutation_effects(predict, x, target, letters)
    mean = effects.sum(axis=1, keepdims=True) / (letters - 1)
    result: np.ndarray = (-mean * inputs).astype(np.float32)
    return result


def occlusion(
    predict: Predict, inputs: np.ndarray, target: np.ndarray, *, x: np.ndarray, width: int = 10
) -> np.ndarray:
    """Return the mean over windows that hold l of f(x) - f(x with the window masked).

    At the observed letter. Windows of `width` positions, one from each start, those that fit the
    sequence: none runs on beyond its end. doi:10.1007/978-3-319-10590-1_53

    Parameters
    ----------
    predict, inputs, target, x
        As in `mutagenesis`.
    width
        Positions masked at once; the whole sequence where it is shorter.

    Returns
    -------
    ndarray
        float32 (N, A, L).
    """
    examples, length = x.shape
    width = min(width, length)
    starts = np.arange(length - width + 1)
    fits = starts <= np.maximum(lengths_of(x) - width, 0)[:, None]
    windows = np.lib.stride_tricks.sliding_window_view(x < inputs.shape[1], width, axis=1)
    example, start = np.nonzero(fits & windows.any(axis=2))  # nothing to mask in the others
    position = start[:, None] + np.arange(width)
    after = _changed(predict, x, target, example, position, MASKED)
    losses = np.zeros((examples, starts.size))
    losses[example, start] = predict(x, target)[example] - after
    total, count = np.zeros((2, examples, length))
    for offset in range(width):
        total[:, offset : offset + starts.size] += losses
        count[:, offset : offset + starts.size] += fits
    mean = total / np.maximum(count, 1)  # no window holds what lies beyond the end
    result: np.ndarray = (mean[:, None, :] * inputs).astype(np.float32)
    return result


def _changed(
    predict: Predict,
    x: np.ndarray,
    target: np.ndarray,
    example: np.ndarray,
    position: np.ndarray,
    code: np.ndarray | int,
) -> np.ndarray:
    """Return f of copies of rows of x with codes put at positions: float64 (M,).

    Padding stays padding.

    Parameters
    ----------
    predict, x, target
        As in `mutation_effects`.
    example
        int64 (M,): the row to change.
    position
        int64 (M, W): where.
    code
        uint8 (M, W), or one for all.
    """
    values = np.empty(len(example))
    for first in range(0, len(example), BATCH):
        part = slice(first, first + BATCH)
        rows = x[example[part]]
        put = code[part] if isinstance(code, np.ndarray) else code
        there = np.take_along_axis(rows, position[part], axis=1)
        np.put_along_axis(rows, position[part], np.where(there < MASKED, put, there), axis=1)
        values[part] = predict(rows, target[example[part]])
    return values


def letters_table(letters: int, fill: np.ndarray) -> np.ndarray:
    """Return the column of each code, float32 (256, A): one-hot, `fill` where masked, else zeros."""
    table = np.zeros((256, letters), np.float32)
    table[:letters] = one_hot(np.arange(letters, dtype=np.uint8)[None], letters)[0].T
    table[MASKED] = fill
    return table
