"""Source of the kernels of a convolution over letters, and of the maximum that may follow it.

A filter of width K is cut into J words of G columns. A table holds for each word the sum of its columns,
so an output is J loads and additions of 16 filters at once, in place of 4 K multiplications for each; the
gradient of the filters is the same sum turned round. `docs/compiled.md` explains it.
"""

from __future__ import annotations

from textwrap import indent

from seqgra.backends.compiled import parts, vector
from seqgra.backends.compiled.parts import LANES, ConvolutionSizes

#: Modules whose names the sources use.
PARTS = (parts, vector)


def _convolution(
    shape: ConvolutionSizes, position: str, depth: int, example: str = "example", bias: str = "bias"
) -> tuple[str, str]:
    """Return lines that load what one output is the sum of, and the sum, as a tree."""
    step, size = shape.group * shape.dilation, shape.rows * LANES
    names = [f"{example}{j}" for j in range(shape.groups)]
    lines = [f"p = {example} + ({position}) * shape.stride"]
    lines += [
        f"{name} = load16(tables.sums, tables.words[p + {j * step}] + (start + {j * size}))"
        for j, name in enumerate(names)
    ]
    terms = [bias, *names]
    while len(terms) > 1:
        pairs = [f"add({', '.join(terms[i : i + 2])})" for i in range(0, len(terms) - 1, 2)]
        terms = pairs + terms[len(pairs) * 2 :]
    return indent("\n".join(lines), "    " * depth), terms[0]


def features_source(shape: ConvolutionSizes, activation: bool) -> str:
    """Return the source of ``features``: convolution, and maximum over `pool` positions, if any.

    ``features(shape, tables, c, out, best, low, high, first, last, by_place, by_example)`` writes 16 filters
    from `c` on, of examples `low` to `high` and places `first` to `last`, at
    ``out[(e - low) * by_example + (q - first) * by_place]`` and after it. With pooling it also writes which
    position of each the maximum is at, at ``best[(e * shape.pooled + q) * shape.channels + c]``.
    """
    pooled, relu = shape.pool > 1, "relu" if activation else ""
    lines, total = _convolution(shape, "q * shape.pool + i" if pooled else "q", 4 if pooled else 3)
    if pooled:
        inner = f"""\
            most, which = spread16(np.float32(-np.inf)), spread_ints16(0)
            for i in range(shape.pool):
{lines}
                value = {total}
                which = choose(value, most, spread_ints16(i), which)
                most = larger(value, most)
            store(best, (e * shape.pooled + q) * shape.channels + c, which)
            store(out, to, {relu}(most))"""
    else:
        inner = f"""\
{lines}
            store(out, to, {relu}({total}))"""
    return f"""
def features(shape, tables, c, out, best, low, high, first, last, by_place, by_example):
    start = c * {shape.groups * shape.rows}
    bias = load16(tables.bias, c)
    for e in range(low, high):
        example, to = e * shape.length, (e - low) * by_example
        for q in range(first, last):
{inner}
            to += by_place
"""


def scatter_source(shape: ConvolutionSizes) -> str:
    """Return the source of ``scatter``, which adds gradients of ``features``'s outputs to the tables'.

    ``scatter(shape, tables, c, gradient, best, low, high, first, last, by_place, by_example)``, arguments as
    of ``features``. With pooling the gradient reaches one position a filter, and zeros are passed over.
    """
    step, size = shape.group * shape.dilation, shape.rows * LANES
    if shape.pool > 1:
        adding = "\n".join(
            f"tables.gradient[tables.words[p + {j * step}] + (start + f + {j * size})] += x"
            for j in range(shape.groups)
        )
        inner = f"""\
            mark = (e * shape.pooled + q) * shape.channels + c
            for f in range(16):
                x = gradient[to + f]
                if x != 0:
                    tables.bias_gradient[c + f] += x
                    p = example + (q * shape.pool + best[mark + f]) * shape.stride
{indent(adding, "    " * 5)}"""
        before, after = "", ""
    else:
        adding = "\n".join(
            f"i{j} = tables.words[p + {j * step}] + (start + {j * size})\n"
            f"store(tables.gradient, i{j}, add(load16(tables.gradient, i{j}), x))"
            for j in range(shape.groups)
        )
        inner = f"""\
            x = load16(gradient, to)
            total = add(total, x)
            p = example + q * shape.stride
{indent(adding, "    " * 3)}"""
        before, after = (
            "total = load16(tables.bias_gradient, c)",
            "store(tables.bias_gradient, c, total)",
        )
    return f"""
def scatter(shape, tables, c, gradient, best, low, high, first, last, by_place, by_example):
    start = c * {shape.groups * shape.rows}
    {before}
    for e in range(low, high):
        example, to = e * shape.length, (e - low) * by_example
        for q in range(first, last):
{inner}
            to += by_place
    {after}
"""


def between_source(shape: ConvolutionSizes) -> str:
    """Return the source of ``between``: a convolution and its maxima at points between two sequences.

    ``between(shape, tables, codes, rows, weight, bias, shares, best, out)``: the first half of `codes` begins
    a path, the second half ends it, and ``shares[e]`` is how far along it point e is. Writes maxima at
    ``out[(e * shape.pooled + q) * shape.channels + f]`` and there in `best` the position of each in its pool.
    """
    position = "q * shape.pool + i"
    low_lines, low = _convolution(shape, position, 5, "begin", "offset")
    high_lines, high = _convolution(shape, position, 5, "end", "offset")
    return f"""
def between(shape, tables, codes, rows, weight, bias, shares, best, out):
    fill_words(shape, tables, codes, rows)
    fill_tables(shape, tables, weight, bias)
    count = rows.size // 2
    for c in range(0, shape.channels, 16):
        start = c * {shape.groups * shape.rows}
        offset = load16(tables.bias, c)
        for e in range(count):
            begin, end, share = e * shape.length, (count + e) * shape.length, spread16(shares[e])
            for q in range(shape.pooled):
                most, which = spread16(np.float32(-np.inf)), spread_ints16(0)
                for i in range(shape.pool):
{low_lines}
                    low = {low}
{high_lines}
                    value = fma(share, subtract({high}, low), low)
                    which = choose(value, most, spread_ints16(i), which)
                    most = larger(value, most)
                to = (e * shape.pooled + q) * shape.channels + c
                store(best, to, which)
                store(out, to, most)
"""


def layer_source(shape: ConvolutionSizes, activation: bool) -> str:
    """Return the source of ``forward`` and ``backward`` of a first layer by itself.

    Its outputs and their gradients have the channels of a place side by side, `shape.channels` of them.
    """
    gating = """
    for i in range(0, given.size, 16):
        store(given, i, gate(load16(given, i), load16(out, i)))"""
    return f"""{features_source(shape, activation)}{scatter_source(shape)}
def forward(shape, tables, codes, rows, weight, bias, best, out):
    fill_words(shape, tables, codes, rows)
    fill_tables(shape, tables, weight, bias)
    row = shape.channels
    for c in range(0, row, 16):
        features(shape, tables, c, out[c:], best, 0, rows.size, 0, shape.pooled, row, shape.pooled * row)


def backward(shape, tables, codes, rows, best, out, given, weight, bias):
    fill_words(shape, tables, codes, rows)
    clear(tables.gradient, tables.gradient.size - 16)
    clear(tables.bias_gradient, shape.channels){gating if activation else ""}
    row = shape.channels
    for c in range(0, row, 16):
        scatter(shape, tables, c, given[c:], best, 0, rows.size, 0, shape.pooled, row, shape.pooled * row)
    fold_tables(shape, tables, weight, bias)
"""
