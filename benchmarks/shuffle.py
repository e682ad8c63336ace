"""Letters shuffled per CPU second, beside the rate of raw random words in the same run.

    python benchmarks/shuffle.py [--examples 10000] [--length 1000]

The sequences are uniform DNA. Figures are medians of five interleaved rounds on one thread; compiling is
not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from seqgra.law.pcg import generator_state
from seqgra.law.shuffle import shuffle_rows
from seqgra.streams import stream

ROUNDS = 5
KS = (1, 2, 3, 6)
ALPHABET_SIZE = 4
BUFFER = 1 << 13


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--length", type=int, default=1000)
    options = parser.parse_args()
    letters = options.examples * options.length
    generator = stream(0, "letters", "benchmark", 0)
    state = generator_state(stream(0, "shuffle", "benchmark", 0))
    x = (generator.random_raw(letters) >> 62).astype(np.uint8)
    x = x.reshape(options.examples, options.length)
    rows = np.arange(options.examples)

    def raw() -> None:
        for _ in range(letters // BUFFER):
            generator.random_raw(BUFFER)

    works: dict[str, Callable[[], object]] = {"raw words": raw}
    for k in KS:
        works[f"shuffle k={k}"] = lambda k=k: shuffle_rows(x, rows, ALPHABET_SIZE, k, state)
    for work in works.values():
        work()  # compile and warm up
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            seconds[name].append(cpu_seconds(work))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"{options.examples:,} x {options.length} DNA letters, CPU seconds, {ROUNDS} rounds")
    for name, value in medians.items():
        share = medians["raw words"] / value
        print(
            f"{name:12} {value:7.3f} s  {letters / value / 1e6:6.0f} M/s  {share:.2f} of raw words"
        )


if __name__ == "__main__":
    main()
