"""Random streams: raw PCG64 words keyed by what they are for, and our own maps from words to values.

numpy promises the raw words of PCG64 across versions, but not what `integers` or `choice` make of
them. So data come from raw words alone, through integer maps (`law/maps.py`): the same bytes on every
platform, numpy version, chunking and number of workers.

A *scale-63 law* is a cumulative distribution in units of 2**-63, uint64, whose last entry is 2**63.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the command line names the designs of seeds, and starts without numpy
    import numpy as np

#: Part of every stream's key: raising it changes every dataset.
STREAM_VERSION = 1
#: Examples that share a stream: a block is always drawn whole and cut on writing.
BLOCK = 4096
_SCALE = 1 << 63
#: What the random numbers of a training follow from, see `seqgra.training.Options.source`.
SeedDesign = Literal["nested", "crossed"]


def stream_state(seed: int, stage: str, set_name: str, block: int) -> np.ndarray:
    """Return where the stream of one stage of one block of examples begins.

    Returns
    -------
    ndarray
        uint64 (4,): state and increment of PCG64, high words first, as compiled kernels take it
        (`law.pcg`).
    """
    import numpy as np

    key = f"seqgra {STREAM_VERSION}|{seed}|{stage}|{set_name}|{block}".encode()
    digest = hashlib.blake2b(key, digest_size=32).digest()
    state = np.frombuffer(digest, "<u8").astype(np.uint64)
    state[3] |= np.uint64(1)
    return state


def stream(seed: int, stage: str, set_name: str, block: int) -> np.random.PCG64:
    """Return numpy's bit generator of the same stream; kernels that need speed take `stream_state`.

    >>> int(stream(0, "background", "training", 0).random_raw())
    3261968240675660209
    """
    import numpy as np

    state = stream_state(seed, stage, set_name, block).tolist()
    generator = np.random.PCG64(0)
    generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": state[0] << 64 | state[1], "inc": state[2] << 64 | state[3]},
        "has_uint32": 0,
        "uinteger": 0,
    }
    return generator


def cumulative63(weights: Iterable[float]) -> np.ndarray:
    """Return the scale-63 law of `weights` (any positive sum): uint64 (K,).

    Sums are exact rationals rounded once, so they do not depend on the platform.

    >>> cumulative63([1, 1, 2]).tolist() == [2**61, 2**62, 2**63]
    True
    """
    import numpy as np

    numerators = [float(weight).as_integer_ratio() for weight in weights]
    denominator = math.lcm(*(bottom for _, bottom in numerators))
    parts = [top * (denominator // bottom) for top, bottom in numerators]
    total, so_far, result = sum(parts), 0, []
    for part in parts:
        so_far += part
        result.append(so_far * _SCALE // total)
    return np.array(result, np.uint64)


def stratified_order(labels: np.ndarray, seed: int, set_name: str) -> np.ndarray:
    """Return a random order of examples whose every prefix has about the shares of the whole.

    The examples of each combination of labels are shuffled, and then spread evenly.

    Parameters
    ----------
    labels
        uint8 (N, C).
    seed, set_name
        What the order is drawn by.

    Returns
    -------
    ndarray
        int64 (N,): row numbers. A combination that K of the N rows have is n K / N times among the
        first n, to within the number of combinations.
    """
    import numpy as np

    words = stream(seed, "order", set_name, 0).random_raw(len(labels))
    _, group, counts = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()
    shuffled = np.lexsort((words, group))
    first = np.cumsum(counts) - counts
    rank = np.empty(len(labels))
    rank[shuffled] = np.arange(len(labels)) - np.repeat(first, counts)
    return np.lexsort((words, (rank + 0.5) / counts[group]))
