"""Compiled functions that the generated kernels share, and the sizes and scratch of a first layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.backends.compiled.compiler import part
from seqgra.backends.compiled.vector import (
    add,
    add_ints,
    fma,
    load16,
    load_symbols,
    multiply,
    multiply_ints,
    spread16,
    spread_ints16,
    store,
    store_shorts,
)

#: Filters in a vector; arrays over filters are padded to whole vectors with zeros.
LANES = 16
#: Numbers of a tile of places.
TILE = 4096
#: Columns in a word where the table of all words is small, and how far into it a word's offset may go: an
#: alphabet of 20 letters has words of one column.
_GROUP, _OFFSETS = 3, 1 << 16


class ConvolutionSizes(NamedTuple):
    """Sizes of a convolution over letters and of the maximum that may follow it."""

    #: A, of the alphabet; L, of the sequences.
    letters: int
    window: int
    #: F, K, and the zero columns put before the first letter.
    filters: int
    width: int
    stride: int
    dilation: int
    left: int
    #: 1 where each filter also acts reversed and complemented, else 0.
    shared: int
    #: G columns are one word; J = K / G words make a filter, rounded up.
    group: int
    groups: int
    #: Words of a sequence: one for each place that a filter's words may start at.
    length: int
    #: P outputs of the convolution.
    positions: int
    #: Positions in a maximum; Q maxima. Without pooling 1 and P.
    pool: int
    pooled: int
    #: F, or 2 F with shared strands, padded to whole vectors.
    channels: int

    @property
    def rows(self) -> int:
        """Different words: of the letters, and of one more symbol for all that is no letter."""
        return int((self.letters + 1) ** self.group)

    @property
    def outputs(self) -> int:
        """Channels without padding."""
        return self.filters * (1 + self.shared)


def make_shape(
    *,
    letters: int,
    window: int,
    filters: int,
    width: int,
    stride: int,
    dilation: int,
    padding: tuple[int, int],
    shared: bool,
    pool: int,
) -> ConvolutionSizes:
    """Return the sizes that follow from a convolution's options.

    Parameters
    ----------
    letters, window, filters, width, stride, dilation, shared, pool
        As of `ConvolutionSizes`.
    padding
        Zero columns put before the first and after the last letter.

    >>> shape = make_shape(letters=4, window=100, filters=10, width=20, stride=1, dilation=1,
    ...                    padding=(0, 0), shared=False, pool=3)
    >>> shape.positions, shape.pooled, shape.groups, shape.rows, shape.channels
    (81, 27, 7, 125, 16)
    """
    group = _GROUP if (letters + 1) ** _GROUP * LANES <= _OFFSETS else 1
    groups = -(-width // group)
    positions = (window + sum(padding) - dilation * (width - 1) - 1) // stride + 1
    length = (positions - 1) * stride + (groups - 1) * group * dilation + 1
    channels = -(-filters * (1 + shared) // LANES) * LANES
    return ConvolutionSizes(
        letters=letters,
        window=window,
        filters=filters,
        width=width,
        stride=stride,
        dilation=dilation,
        left=padding[0],
        shared=int(shared),
        group=group,
        groups=groups,
        length=length,
        positions=positions,
        pool=pool,
        pooled=positions // pool,
        channels=channels,
    )


class FirstLayerArrays(NamedTuple):
    """Scratch of the first layer, float32 but where said."""

    #: uint8: the letters of a sequence between those that are none.
    row: np.ndarray
    #: uint16 (N, length): of a batch, as offsets into a table.
    words: np.ndarray
    #: (J G, A + 1, channels): the filters by column and symbol; then their gradient.
    columns: np.ndarray
    #: (channels / 16, J, rows, 16): for each word the sum of its columns.
    sums: np.ndarray
    #: Like `sums`.
    gradient: np.ndarray
    #: (channels,).
    bias: np.ndarray
    bias_gradient: np.ndarray


def aligned(count: int, kind: type = np.float32) -> np.ndarray:
    """Return `count` zeros that start at a cache line, with a vector's room behind them."""
    values: np.ndarray = np.zeros(count + 32, kind)
    start = (-values.ctypes.data % 64) // values.itemsize
    return values[start : start + count + LANES]


def make_tables(shape: ConvolutionSizes, examples: int) -> FirstLayerArrays:
    """Return scratch for batches of so many examples."""
    row = shape.length + (shape.group - 1) * shape.dilation
    row = max(row, shape.left + shape.window) + 2 * LANES
    vectors = shape.channels // LANES
    table = vectors * shape.groups * shape.rows * LANES
    columns = shape.groups * shape.group * (shape.letters + 1) * shape.channels
    return FirstLayerArrays(
        np.full(row, 255, np.uint8),
        aligned(examples * shape.length + 2 * LANES, np.uint16),
        aligned(columns),
        aligned(table),
        aligned(table),
        aligned(shape.channels),
        aligned(shape.channels),
    )


@part
def clear(values: np.ndarray, count: int) -> None:
    """Set the first `count` numbers, a multiple of 16, to 0."""
    zero = spread16(np.float32(0))
    for i in range(0, count, 16):
        store(values, i, zero)


@part
def gather(
    values: np.ndarray,
    start: int,
    step: int,
    rows: int,
    depth: int,
    scale: np.float32,
    to: np.ndarray,
) -> None:
    """Write up to 16 positions as vectors: ``to[c * 16 + r]`` from ``values[start + r * step + c]``."""
    clear(to, depth * 16)
    for r in range(rows):
        for c in range(depth):
            to[c * 16 + r] = values[start + r * step + c] * scale


@part
def scatter_rows(
    sums: np.ndarray,
    start: int,
    step: int,
    rows: int,
    depth: int,
    scale: np.float32,
    to: np.ndarray,
) -> None:
    """Write what `gather` reads."""
    for r in range(rows):
        for c in range(depth):
            to[start + r * step + c] = sums[c * 16 + r] * scale


@part
def fill_words(
    shape: ConvolutionSizes, tables: FirstLayerArrays, codes: np.ndarray, rows: np.ndarray
) -> None:
    """Fill `words` from letter codes, uint8 (N, L): those of the examples `rows`."""
    row, base = tables.row, spread_ints16(shape.letters + 1)
    lanes = spread_ints16(16)
    for b in range(rows.size):
        e = rows[b]
        for i in range(shape.window):
            row[shape.left + i] = codes[e, i]
        for i in range(0, shape.length, 16):
            word = load_symbols(row, i, shape.letters)
            for g in range(1, shape.group):
                symbol = load_symbols(row, i + g * shape.dilation, shape.letters)
                word = add_ints(multiply_ints(word, base), symbol)
            store_shorts(tables.words, b * shape.length + i, multiply_ints(word, lanes))


@part
def fill_tables(
    shape: ConvolutionSizes, tables: FirstLayerArrays, weight: np.ndarray, bias: np.ndarray
) -> None:
    """Fill `columns`, `sums` and `bias` from filters: weight float32 (F A K,), bias (F,)."""
    letters, width, filters, channels = shape.letters, shape.width, shape.filters, shape.channels
    columns = tables.columns
    clear(columns, shape.groups * shape.group * (letters + 1) * channels)
    for f in range(filters):
        for a in range(letters):
            for k in range(width):
                value = weight[(f * letters + a) * width + k]
                columns[(k * (letters + 1) + a) * channels + f] = value
                if shape.shared:
                    place = (width - 1 - k) * (letters + 1) + letters - 1 - a
                    columns[place * channels + 2 * filters - 1 - f] = value
        tables.bias[f] = bias[f]
        if shape.shared:
            tables.bias[2 * filters - 1 - f] = bias[f]
    _sum_columns(shape, columns, tables.sums)


@part
def scale_tables(
    shape: ConvolutionSizes, tables: FirstLayerArrays, factor: np.ndarray, shift: np.ndarray
) -> None:
    """Let what `fill_tables` made give factor * convolution + shift, each (channels,)."""
    for i in range(0, shape.groups * shape.group * (shape.letters + 1) * shape.channels, 16):
        f = i % shape.channels
        store(tables.columns, i, multiply(load16(tables.columns, i), load16(factor, f)))
    for f in range(0, shape.channels, 16):
        value = fma(load16(tables.bias, f), load16(factor, f), load16(shift, f))
        store(tables.bias, f, value)
    _sum_columns(shape, tables.columns, tables.sums)


@part
def _sum_columns(shape: ConvolutionSizes, columns: np.ndarray, sums: np.ndarray) -> None:
    symbols, channels = shape.letters + 1, shape.channels
    column = symbols * channels
    to = 0
    for f in range(0, channels, 16):
        for j in range(shape.groups):
            first = j * shape.group * column + f
            for a in range(symbols):
                x = load16(columns, first + a * channels)
                if shape.group == 1:
                    store(sums, to, x)
                    to += 16
                    continue
                for b in range(symbols):
                    y = add(x, load16(columns, first + column + b * channels))
                    for c in range(symbols):
                        place = first + 2 * column + c * channels
                        store(sums, to, add(y, load16(columns, place)))
                        to += 16


@part
def fold_tables(
    shape: ConvolutionSizes, tables: FirstLayerArrays, weight: np.ndarray, bias: np.ndarray
) -> None:
    """Write the gradients of filters from those of the tables; the inverse of `fill_tables`."""
    letters, width, filters, channels = shape.letters, shape.width, shape.filters, shape.channels
    symbols, columns = letters + 1, tables.columns
    column = symbols * channels
    clear(columns, shape.groups * shape.group * column)
    start = 0
    for f in range(0, channels, 16):
        for j in range(shape.groups):
            first = j * shape.group * column + f
            for a in range(symbols):
                if shape.group == 1:
                    store(columns, first + a * channels, load16(tables.gradient, start))
                    start += 16
                    continue
                x = spread16(np.float32(0))
                for b in range(symbols):
                    y = spread16(np.float32(0))
                    for c in range(symbols):
                        value = load16(tables.gradient, start)
                        y = add(y, value)
                        place = first + 2 * column + c * channels
                        store(columns, place, add(load16(columns, place), value))
                        start += 16
                    place = first + column + b * channels
                    store(columns, place, add(load16(columns, place), y))
                    x = add(x, y)
                store(columns, first + a * channels, x)
    for f in range(filters):
        for a in range(letters):
            for k in range(width):
                total = columns[(k * symbols + a) * channels + f]
                if shape.shared:
                    place = (width - 1 - k) * symbols + letters - 1 - a
                    total += columns[place * channels + 2 * filters - 1 - f]
                weight[(f * letters + a) * width + k] = total
        bias[f] = tables.bias_gradient[f]
        if shape.shared:
            bias[f] += tables.bias_gradient[2 * filters - 1 - f]
