"""Machine code that is kept: used again where nothing it was made from has changed, and only there."""

import importlib.util
import os
import subprocess
import sys

import pytest

from seqgra.kernel_cache import CACHE_VARIABLE
from seqgra.law import jit

PARTS = """
import math
import numpy as np
from enum import IntEnum
from numba import njit
from seqgra.law.jit import part

FACTOR = 3
WEIGHTS = np.array([1, 2])


class Role(IntEnum):
    LEFT = 1


@part
def inner(x):
    return x * FACTOR


@part
def outer(x):
    return inner(x) + WEIGHTS[0] + Role.LEFT + int(math.floor(x)) - x


def unused():
    return 1
"""
KERNEL = """
from kernel_parts import outer
from seqgra.law.jit import kernel


@kernel
def computed(x):
    return outer(x)
"""
BY_MODULE = KERNEL.replace("from kernel_parts import outer", "import kernel_parts").replace(
    "return outer", "return kernel_parts.outer"
)
MAIN = """
from kernel_main import computed
import os
import numpy as np
print(computed(5), computed(np.int32(5)), sum(computed.stats.cache_hits.values()))
assert len(os.listdir(os.environ["SEQGRA_CACHE"])) % 4 == 0, "two files of each signature"
"""


def digest_of(folder, text, monkeypatch, kernel=KERNEL):
    for name, content in (("kernel_parts", text), ("kernel_main", kernel)):
        file = folder / f"{name}.py"
        file.write_text(content)
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(content, str(file), "exec"), vars(module))  # noqa: S102 (of this file)
    return jit.code_digest(module.computed)


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("x * FACTOR", "x + FACTOR", False),
        ("x * FACTOR", "x * 4", False),
        ("FACTOR = 3", "FACTOR = 4", False),
        ("[1, 2]", "[2, 2]", False),
        ("[1, 2]", "[1., 2]", False),
        ("math.floor", "math.ceil", False),
        ("@part\ndef inner(x)", "@njit(fastmath=True)\ndef inner(x)", False),
        ("def inner(x)", "def inner(x, y=1)", False),
        ("LEFT = 1", "LEFT = 2", False),
        ("return 1", "return 2", True),
        ("FACTOR = 3", "FACTOR = 3  # a comment", True),
        ("FACTOR = 3", "OTHER = 3\nFACTOR = 3", True),
    ],
)
@pytest.mark.parametrize("kernel", [KERNEL, BY_MODULE], ids=["by name", "by module"])
def test_the_key_knows_what_a_kernel_calls(tmp_path, monkeypatch, before, after, same, kernel):
    first = digest_of(tmp_path, PARTS, monkeypatch, kernel)
    assert (digest_of(tmp_path, PARTS.replace(before, after), monkeypatch, kernel) == first) == same
    assert digest_of(tmp_path, PARTS, monkeypatch, kernel) == first


@pytest.mark.slow
def test_an_edit_of_a_called_function_is_seen_and_without_one_nothing_is_compiled(tmp_path):
    (tmp_path / "kernel_main.py").write_text(KERNEL)

    def run(text):
        (tmp_path / "kernel_parts.py").write_text(text)
        call = [sys.executable, "-B", "-c", MAIN]
        environment = {**os.environ, CACHE_VARIABLE: str(tmp_path / "kernels")}
        return subprocess.check_output(call, cwd=tmp_path, text=True, env=environment).split()

    assert [run(PARTS), run(PARTS)] == [["17", "17", "0"], ["17", "17", "2"]]
    assert run(PARTS.replace("x * FACTOR", "x * 4")) == ["22", "22", "0"]


def test_numba_has_the_private_parts_that_kernels_rest_on():
    """The canary: where one is gone, kernels are right and slow, and `jit` wants another look."""
    assert jit._UNCOUNTED == {"_nrt": False}
    assert callable(jit.caching.FunctionCache._index_key)
    assert isinstance(jit.kept()(lambda x: x)._cache, jit._Cache)
