"""The compiler of kernels: what each construct means is what Python and numpy mean by it."""

import numpy as np
import pytest

from seqgra.backends.compiled import modules, vector
from seqgra.backends.compiled.compiler import Unsupported

SOURCE = '''
def arithmetic(a, b, x, y, out):
    """Numbers of several kinds."""
    out[0] = a + b * 3 - a // b + a % b
    out[1] = a / b
    out[2] = x[0] * y
    out[3] = x[0] * x[1] + np.float32(1)
    out[4] = x[0] ** a - np.exp(y) + np.log(y) - np.log1p(y) + np.sqrt(y) + abs(-y)
    out[5] = min(a, b) + max(y, 2.5) - (a == b) + (-y if a < b else 1)
    out[6] = float(np.int64(y * 10)) + (not a)
    out[7] += 2
    out[8] = -np.inf if y != y or a > b and b > 0 else 7


def loops(n, out) -> int:
    total = skipped = 0
    for i in range(n):
        if i == 2:
            skipped += 1
            continue
        if i > 5:
            break
        total, last = total + i, i
        for k in range(i, 9, 3):
            out[k] += i
    while n > 3:
        n //= 2
    if n > 100:
        return -1
    return total * 1000 + last * 100 + skipped * 10 + n


def arrays(table, bytes_, pair, out):
    rows, columns = table.shape[0], table.shape[1]
    for i in range(rows):
        row = table[i]
        for k in range(columns):
            out[i * columns + k] = row[k] * table[i, k]
    tail = bytes_[2:]
    out[0] = tail[0] + tail.size
    part = bytes_[1:99]
    out[1] = part.size
    out[2] = pair.rates[1] * pair.inner.scale + pair.values[1]
    change(out[3:], pair)


def change(out, pair):
    if pair.inner.scale > 1:
        out[0] = 5
        return
    out[0] = 6


def bits(key, number) -> np.uint64:
    return (key ^ (key >> np.uint64(3))) * np.uint64(number) + (key & np.uint64(255))


def hashed(keys, out):
    out[0] = bits(keys[0], 12345)


def vectors(x, ints, out):
    a, b = load16(x, 0), load16(x, 16)
    store(out, 0, fma(a, b, spread16(np.float32(0.5))))
    store(out, 16, larger(relu(a), gate(b, a)))
    store(out, 32, where_equal(a, lanes16(), load_ints16(ints, 0)))
    store(out, 48, root(multiply(a, a)))
'''


def kernels(source=SOURCE):
    return modules.kernels(source, (vector,))


def test_arithmetic():
    a, b, y = 7, 3, 1.75
    x, out = np.array([1.1, 2.7], np.float32), np.full(9, 40.0)
    kernels().run("arithmetic", a, b, x, y, out)
    power = float(x[0]) ** a
    expected = [
        a + b * 3 - a // b + a % b,
        a / b,
        float(x[0]) * y,
        x[0] * x[1] + np.float32(1),
        power - np.exp(y) + np.log(y) - np.log1p(y) + np.sqrt(y) + abs(-y),
        *(min(a, b) + max(y, 2.5) - 0 + 1, 17.0, 42.0, -np.inf),
    ]
    assert np.allclose(out, expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("n", [1, 3, 5, 40])
def test_loops(n):
    made, expected = np.zeros(9, np.int64), np.zeros(9, np.int64)
    names = {"np": np}
    exec(SOURCE, names)  # noqa: S102 - the text above, by Python itself
    assert kernels().run("loops", n, made) == names["loops"](n, expected)
    assert made.tolist() == expected.tolist()


def test_arrays_and_tuples():
    from collections import namedtuple

    inner, pair = namedtuple("inner", "scale"), namedtuple("pair", "rates inner values")
    given = pair((0.5, 0.25), inner(3), np.array([1.0, 2.0], np.float32))
    table = np.arange(12.0).reshape(3, 4)
    out = np.zeros(12, np.float32)
    kernels().run("arrays", table, np.arange(7, dtype=np.uint8), given, out)
    expected = (table**2).reshape(-1)
    expected[:4] = [2 + 5, 6, 0.25 * 3 + 2, 5]
    assert out.tolist() == expected.tolist()


def test_unsigned_numbers_wrap():
    key, out = 0xFEDCBA9876543210, np.zeros(1, np.uint64)
    kernels().run("hashed", np.array([key], np.uint64), out)
    assert int(out[0]) == ((key ^ (key >> 3)) * 12345 + (key & 255)) % 2**64


def test_vectors():
    rng = np.random.default_rng(0)
    x, out = rng.normal(size=32).astype(np.float32), np.zeros(64, np.float32)
    kernels().run("vectors", x, np.array([0, 5] + [2] * 14, np.int32), out)
    a, b = x.astype(float).reshape(2, 16)
    assert np.array_equal(out[:16], (a * b + 0.5).astype(np.float32)), "rounded once"
    assert np.array_equal(out[16:32], np.maximum(np.maximum(a, 0), b * (a > 0)).astype(np.float32))
    same = [True, False, True] + [False] * 13
    assert np.array_equal(out[32:48], np.where(same, x[:16], 0))
    assert np.array_equal(out[48:], np.abs(x[:16]))


@pytest.mark.parametrize(
    "body",
    [
        "a = 1\n    a = 2.5",
        "a = missing",
        "a = x.nothing",
        "a = x[0, 0]",
        "x[1.5] = 2",
        "for i in x:\n        pass",
        "a = [1]",
        "a = run(1)",
        "return 3",
        "a = np.tan(1.0)",
        "a = np.uint64(1) + 1",
    ],
)
def test_what_is_not_known_is_refused(body):
    with pytest.raises(Unsupported, match="kernel run"):
        kernels(f"def run(x):\n    {body}\n").run("run", np.zeros(3))


def test_arrays_in_pieces_are_refused():
    with pytest.raises(ValueError, match="contiguous"):
        kernels().run("loops", 3, np.zeros(18, np.int64)[::2])
