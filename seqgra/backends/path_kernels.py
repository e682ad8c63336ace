"""The compiled loops of `pytorch_paths`: the largest of some lines, and a convolution turned round."""

from __future__ import annotations

import numpy as np

from seqgra.law.jit import kept


@kept(nogil=True, fastmath={"nnan", "nsz"})
def follow_maxima(
    begin: np.ndarray,
    end: np.ndarray,
    shares: np.ndarray,
    width: int,
    which: np.ndarray,
    values: np.ndarray,
) -> None:
    """Fill in the maxima over neighbouring positions at points between two outputs.

    The next line to be the largest is the one that crosses it first, of those that rise more.

    Parameters
    ----------
    begin, end
        float32 (N, F, L): a path's ends.
    shares
        float32 (N, K), rising: the points.
    width
        Positions of a maximum, at most L; positions that are left over have none.
    which, values
        int32 and float32 (N, K, F Q), Q = L // width: the position of each maximum, and the maximum.
    """
    places = begin.shape[2] // width
    for n in range(len(begin)):
        for j in range(begin.shape[1] * places):
            low, high = begin[n, j // places], end[n, j // places]
            first = j % places * width
            share, best = np.float64(shares[n, 0]), -np.inf
            for p in range(first, first + width):
                best = max(best, low[p] + share * (np.float64(high[p]) - low[p]))
            most = first
            while (
                most + 1 < first + width
                and low[most] + share * (np.float64(high[most]) - low[most]) < best
            ):
                most += 1
            k = 0
            while k < shares.shape[1]:
                at, slope = np.float64(low[most]), np.float64(high[most]) - low[most]
                crossing, after = np.inf, most
                if shares.shape[1] > 1:
                    for p in range(first, first + width):
                        faster = np.float64(high[p]) - low[p] - slope
                        if faster > 0 and at - low[p] < crossing * faster:
                            crossing, after = (at - low[p]) / faster, p
                while k < shares.shape[1] and shares[n, k] <= crossing:
                    which[n, k, j], values[n, k, j] = most, at + shares[n, k] * slope
                    k += 1
                most = after


@kept(nogil=True)
def letters_of(points: np.ndarray, codes: np.ndarray) -> bool:
    """Fill in the letter codes of points; False if one lies between letters.

    Parameters
    ----------
    points
        float32 (N, A, L).
    codes
        uint8 (N, L): A where a position holds no letter.
    """
    none = np.uint8(points.shape[1])
    for n in range(len(points)):
        own, wrong = codes[n], 0
        own[:] = none
        for a in range(points.shape[1]):
            row = points[n, a]
            for p in range(len(row)):
                one = row[p] == 1
                wrong += (one & (own[p] != none)) | (~one & (row[p] != 0))
                own[p] = a if one else own[p]
        if wrong:
            return False
    return True


@kept(nogil=True)
def carry_back(
    gradient: np.ndarray,
    which: np.ndarray,
    weight: np.ndarray,
    stride: int,
    dilation: int,
    left: int,
    result: np.ndarray,
) -> None:
    """Add what the gradients of a convolution's outputs give for its input.

    Parameters
    ----------
    gradient, which
        float32 and int32 (N, K, F Q): gradients, and the position of each output, in order of filters.
    weight
        float64 (F, A, W).
    stride, dilation, left
        Of the convolution; `left` zeros come before the first position.
    result
        float64 (N, A, L).
    """
    filters, letters, taps = weight.shape
    places, window = gradient.shape[2] // filters, result.shape[2]
    for n in range(len(gradient)):
        for j in range(gradient.shape[2]):
            total = 0.0
            for k in range(gradient.shape[1]):
                p, f = which[n, k, j], j // places
                total += gradient[n, k, j]
                if k + 1 < gradient.shape[1] and which[n, k + 1, j] == p:
                    continue  # the same position at the next point
                for a in range(letters):
                    for t in range(taps):
                        at = p * stride + t * dilation - left
                        if 0 <= at < window:
                            result[n, a, at] += total * weight[f, a, t]
                total = 0.0
