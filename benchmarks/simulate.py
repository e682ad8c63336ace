"""Sequences simulated per CPU second, beside the raw random-draw rate in the same run.

    python benchmarks/simulate.py [--examples 200000] [--grammar mc2-dna1000-homer-interaction-spacing]

The limit: PCG64 words turned into letters in cache-sized blocks, nothing stored. Beside it the law alone
(blocks drawn, nothing written) and the whole dataset folder, checksums and element table included.
Figures are medians of five interleaved rounds.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seqgra.grammar.load import find_grammar, load_grammar
from seqgra.law import background
from seqgra.law.law import compile_law, draw_block
from seqgra.simulate import simulate
from seqgra.streams import BLOCK, stream

ROUNDS = 5


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=200_000)
    parser.add_argument("--grammar", default="mc2-dna1000-homer-interaction-spacing")
    options = parser.parse_args()
    file = find_grammar(options.grammar)
    law = compile_law(load_grammar(file), str(file))
    blocks = -(-options.examples // BLOCK)
    buffer = np.empty(1 << 16, np.uint8)
    letters = blocks * BLOCK * law.window

    def raw() -> None:
        generator = stream(0, "raw", "benchmark", 0)
        for _ in range(letters // buffer.size):
            background.sample_letters(law.background.tables[0], generator, buffer)

    def draw() -> None:
        for block in range(blocks):
            draw_block(law, 0, "training", block)

    def folder() -> None:
        with tempfile.TemporaryDirectory() as target:
            simulate(file, Path(target), seed=0, counts={"training": options.examples})

    works = {"raw letters (limit)": raw, "law, nothing written": draw, "dataset folder": folder}
    for work in works.values():
        work()  # compile and warm up
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            seconds[name].append(cpu_seconds(work))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    limit = medians["raw letters (limit)"]
    print(
        f"{options.grammar}: {options.examples:,} x {law.window} letters, CPU seconds, {ROUNDS} rounds"
    )
    for name, value in medians.items():
        rate = blocks * BLOCK / value
        million = letters / value / 1e6
        print(
            f"{name:22} {value:7.3f} s  {rate:>10,.0f} seq/s  {million:6.0f} M letters/s  {limit / value:.2f}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
