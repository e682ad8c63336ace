"""Source of the kernels of a whole network: convolution, dense layer, dense output, and a step of training.

The dense layer reads the first layer's outputs place by place, for a tile of places that stays in the nearest
cache, so that a batch is gone through once forward and once backward.
"""

from __future__ import annotations

from functools import cache

import llvmlite.binding as llvm

from seqgra.backends.compiled import last_layers, parts, vector
from seqgra.backends.compiled.first_layer import features_source, scatter_source
from seqgra.backends.compiled.parts import ConvolutionSizes

PARTS = (parts, vector, last_layers)
#: Units of the dense layer that are computed at once, at most, so that their sums stay in registers.
_MOST_UNITS = 5


@cache
def _wide() -> bool:
    """Whether the processor has registers of 16 numbers, and 32 of them."""
    return bool(llvm.get_host_cpu_features().get("avx512f", False))


def units_at_once(units: int) -> tuple[int, int]:
    """Return how many units of the dense layer are computed at once, and how many are left over.

    >>> units_at_once(5), units_at_once(20), units_at_once(6), units_at_once(7)
    ((5, 0), (5, 0), (3, 0), (4, 3))
    """
    block = -(-units // -(-units // _MOST_UNITS))
    return block, units % block


def _forward_block(units: int, examples: int, lanes: int) -> str:
    """Return the source of the dense layer for a block of units and examples."""
    each = [(e, h) for e in range(examples) for h in range(units)]
    places = {(e, h): f"((e + {e}) * units + h + {h}) * 16 + half" for e, h in each}
    lines = [
        f"def dense_{units}_{examples}(x, w, partial, e, h, half, count, units, channels, places):"
    ]
    lines += [f"    s{e}_{h} = load{lanes}(partial, {places[e, h]})" for e, h in each]
    lines += ["    for q in range(places):", "        for c in range(half, channels, 16):"]
    lines += [
        f"            x{e} = load{lanes}(x, (q * count + e + {e}) * channels + c)"
        for e in range(examples)
    ]
    for h in range(units):
        lines.append(f"            v = load{lanes}(w, (q * units + h + {h}) * channels + c)")
        lines += [f"            s{e}_{h} = fma(x{e}, v, s{e}_{h})" for e in range(examples)]
    lines += [f"    store(partial, {places[e, h]}, s{e}_{h})" for e, h in each]
    return "\n".join(lines) + "\n"


def _backward_block(units: int, lanes: int, first: bool, last: bool) -> str:
    """Return the source of the dense layer's gradients for a block of units, the first or last or between."""
    lines = [
        f"def back_{units}_{first:d}{last:d}"
        "(x, w, dw, dx, dy, h, half, count, units, channels, places, scale):",
        f"    zero, factor = spread{lanes}(np.float32(0)), spread{lanes}(scale)",
        "    for q in range(places):",
        "        for c in range(half, channels, 16):",
    ]
    pad = " " * 12
    for h in range(units):
        lines.append(f"{pad}w{h} = load{lanes}(w, (q * units + h + {h}) * channels + c)")
        lines.append(f"{pad}d{h} = zero")
    lines.append(f"{pad}for e in range(count):")
    pad += "    "
    lines.append(f"{pad}i = (q * count + e) * channels + c")
    lines.append(
        f"{pad}value, back = load{lanes}(x, i), " + ("zero" if first else f"load{lanes}(dx, i)")
    )
    for h in range(units):
        lines.append(f"{pad}g = spread{lanes}(dy[e * units + h + {h}])")
        lines.append(f"{pad}d{h} = fma(g, value, d{h})")
        lines.append(f"{pad}back = fma(g, w{h}, back)")
    lines.append(
        f"{pad}store(dx, i, " + ("gate(multiply(back, factor), value))" if last else "back)")
    )
    pad = pad[:-4]
    lines += [f"{pad}store(dw, (q * units + h + {h}) * channels + c, d{h})" for h in range(units)]
    return "\n".join(lines) + "\n"


def _dense_source(units: int) -> str:
    """Return the source of ``dense`` and ``dense_backward`` over a tile of places."""
    lanes, together = (16, 4) if _wide() else (8, 2)
    block, rest = units_at_once(units)
    sizes = [block] + ([rest] if rest else [])
    source = "".join(_forward_block(u, e, lanes) for u in sizes for e in (together, 1))
    calls, given = [], "half, count, units, channels, places"
    for u, start, end in [(block, "0", f"units - {rest}")] + [
        (rest, f"units - {rest}", "units")
    ] * (rest > 0):
        calls += [
            f"        for h in range({start}, {end}, {u}):",
            f"            for e in range(0, whole, {together}):",
            f"                dense_{u}_{together}(x, w, partial, e, h, {given})",
            "            for e in range(whole, count):",
            f"                dense_{u}_1(x, w, partial, e, h, {given})",
        ]
    source += f"""
def dense(x, w, partial, count, units, channels, places):
    whole = count - count % {together}
    for half in range(0, 16, {lanes}):
""" + "\n".join(calls)
    passes = [(start, min(block, units - start)) for start in range(0, units, block)]
    kinds = {(u, start == 0, start + u == units) for start, u in passes}
    source += "\n\n" + "".join(_backward_block(u, lanes, *which) for u, *which in sorted(kinds))
    source += f"""
def dense_backward(x, w, dw, dx, dy, count, units, channels, places, scale):
    for half in range(0, 16, {lanes}):
"""
    given = "half, count, units, channels, places, scale"
    if len(passes) == 1:
        return source + f"        back_{block}_11(x, w, dw, dx, dy, 0, {given})\n"
    last = passes[-1][1]
    return source + (
        f"        back_{block}_10(x, w, dw, dx, dy, 0, {given})\n"
        + (
            f"        for h in range({block}, units - {last}, {block}):\n"
            f"            back_{block}_00(x, w, dw, dx, dy, h, {given})\n"
            if len(passes) > 2
            else ""
        )
        + f"        back_{last}_01(x, w, dw, dx, dy, units - {last}, {given})\n"
    )


def step_source(shape: ConvolutionSizes, units: int, normalised: bool) -> str:
    """Return the source of ``train`` and ``predict`` of a network.

    It depends on the words of a filter, whether there is pooling and batch normalisation, and on how many
    units are computed at once; all other sizes are arguments, so that one compilation serves many networks.
    """
    source = features_source(shape, True) + _dense_source(units)
    if normalised:
        plain = shape._replace(pool=1)
        source += features_source(plain, False).replace("def features", "def convolve")
        return source + scatter_source(plain) + _PREDICT + _NORMALISED + _TRAIN
    return source + scatter_source(shape) + _PREDICT + _PLAIN + _TRAIN


_PREDICT = """

def first_and_dense(shape, head, layout, tables, work, params, count, kept, key):
    # kept: all features stay in work.features and are dropped out; else only a tile does
    row = count * shape.channels
    places = max(TILE // row, 1)
    clear(work.partial, count * head.units * 16)
    dense_row = head.units * shape.channels
    for first in range(0, shape.pooled, places):
        last = min(first + places, shape.pooled)
        start = first * row if kept else 0
        out = work.features[start:]
        for c in range(0, shape.channels, 16):
            features(shape, tables, c, out[c:], work.best, 0, count, first, last, row, shape.channels)
        if kept and head.dropout[0] > 0:
            drop(out, (last - first) * row, first * row, key, head.dropout[0])
        dense_part = params[layout.dense + first * dense_row:]
        dense(out, dense_part, work.partial, count, head.units, shape.channels, last - first)
    sum_filters(head, layout, work, params, count)


def predict(shape, head, layout, tables, work, params, running, normalised, codes, batch, logits):
    rows = work.rows
    fill_tables(shape, tables, params[layout.weight:], params[layout.bias:])
    if normalised:
        fixed_normalisation(head, layout, shape, work, params, running)
        scale_tables(shape, tables, work.factor, work.offset)
    for start in range(0, codes.shape[0], batch):
        count = min(batch, codes.shape[0] - start)
        for e in range(count):
            rows[e] = start + e
        fill_words(shape, tables, codes, rows[:count])
        first_and_dense(shape, head, layout, tables, work, params, count, False, np.uint64(0))
        hidden_layer(head, layout, work, params, running, count, False, np.uint64(0))
        for e in range(count):
            write_logits(head, layout, work, params, e)
            for c in range(head.outputs):
                logits[start + e, c] = work.logits[c]
"""

_PLAIN = """
def forward(shape, head, layout, tables, work, params, running, count, key):
    fill_tables(shape, tables, params[layout.weight:], params[layout.bias:])
    first_and_dense(shape, head, layout, tables, work, params, count, True, key)


def backward(shape, head, layout, tables, work, params, grads, count, key):
    row, dense_row = count * shape.channels, head.units * shape.channels
    places, scale = max(TILE // row, 1), np.float32(1 / (1 - head.dropout[0]))
    for first in range(0, shape.pooled, places):
        last = min(first + places, shape.pooled)
        start = layout.dense + first * dense_row
        dense_backward(work.features[first * row:], params[start:], grads[start:], work.gradient,
                       work.hidden_gradient, count, head.units, shape.channels, last - first, scale)
        for c in range(0, shape.channels, 16):
            scatter(shape, tables, c, work.gradient[c:], work.best, 0, count, first, last, row,
                    shape.channels)
"""

_NORMALISED = """
def normalised_tile(shape, head, work, count, first, last, key):
    row = count * shape.channels
    normalise(shape, work, work.convolved[first * shape.pool * row:], work.features, count, first, last)
    if head.dropout[0] > 0:
        drop(work.features, (last - first) * row, first * row, key, head.dropout[0])


def forward(shape, head, layout, tables, work, params, running, count, key):
    fill_tables(shape, tables, params[layout.weight:], params[layout.bias:])
    row, dense_row = count * shape.channels, head.units * shape.channels
    places = max(TILE // row, 1)
    for k in range(2):
        for f in range(shape.channels):
            work.sums[k, f] = 0
    for first in range(0, shape.positions, places):
        last = min(first + places, shape.positions)
        out = work.convolved[first * row:]
        for c in range(0, shape.channels, 16):
            convolve(shape, tables, c, out[c:], work.best, 0, count, first, last, row, shape.channels)
        sum_products(out, out, shape.channels, (last - first) * count, work.sums, work.lanes)
    prepare_normalisation(head, layout, shape, work, params, running, count * shape.positions)
    clear(work.partial, count * head.units * 16)
    for first in range(0, shape.pooled, places):
        last = min(first + places, shape.pooled)
        normalised_tile(shape, head, work, count, first, last, key)
        dense(work.features, params[layout.dense + first * dense_row:], work.partial, count, head.units,
              shape.channels, last - first)
    sum_filters(head, layout, work, params, count)


def backward(shape, head, layout, tables, work, params, grads, count, key):
    row, dense_row = count * shape.channels, head.units * shape.channels
    places, scale = max(TILE // row, 1), np.float32(1 / (1 - head.dropout[0]))
    for first in range(0, shape.pooled, places):
        last = min(first + places, shape.pooled)
        start = layout.dense + first * dense_row
        normalised_tile(shape, head, work, count, first, last, key)
        dense_backward(work.features, params[start:], grads[start:], work.gradient[first * row:],
                       work.hidden_gradient, count, head.units, shape.channels, last - first, scale)
    for k in range(2):
        for f in range(shape.channels):
            work.sums[k, f] = 0
    add_products(shape, work, count)
    normalisation_backward(layout, shape, work, grads, count * shape.positions)
    for first in range(0, shape.positions, places):
        last = min(first + places, shape.positions)
        spread_back(shape, work, work.features, count, first, last)
        for c in range(0, shape.channels, 16):
            scatter(shape, tables, c, work.features[c:], work.best, 0, count, first, last, row,
                    shape.channels)
    clear(tables.bias_gradient, shape.channels)  # a constant does not pass the normalisation
"""

_TRAIN = """
def train(shape, head, layout, tables, work, params, grads, running, rule, first_moment, second_moment,
          codes, labels, order, weights, batch, skip_single, rate, steps, keys, losses) -> int:
    number = 0
    for start in range(0, order.size, batch):
        rows = order[start : start + batch]
        count = rows.size
        if skip_single and count == 1:
            continue
        number += 1
        key = mix(keys[0], number)
        fill_words(shape, tables, codes, rows)
        forward(shape, head, layout, tables, work, params, running, count, key)
        hidden_layer(head, layout, work, params, running, count, True, mix(keys[1], number))
        losses[number - 1] = last_layers(head, layout, work, params, grads, labels, rows, weights)
        hidden_backward(head, layout, work, params, grads, shape.channels, count)
        clear(tables.gradient, tables.gradient.size - 16)
        clear(tables.bias_gradient, shape.channels)
        backward(shape, head, layout, tables, work, params, grads, count, key)
        fold_tables(shape, tables, grads[layout.weight:], grads[layout.bias:])
        clip(rule, grads, layout.size, work.lanes)
        update(rule, params, grads, first_moment, second_moment, layout.size, rate, steps + number)
    return number
"""
