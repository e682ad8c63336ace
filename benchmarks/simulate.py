"""Sequences simulated per CPU second, beside the raw random-draw rate in the same run.

    python benchmarks/simulate.py [--examples 200000] [--rounds 5]
    python benchmarks/simulate.py --kinds      other kinds of grammar beside the first
    python benchmarks/simulate.py --workers 2  wall-clock seconds with one worker and with more

The limit: PCG64 words of numpy turned into letters in cache-sized blocks, nothing stored. Beside it
the law alone (blocks drawn, nothing written) and the whole dataset folder, checksums and element table
included. seqgra makes the same words faster than numpy does, so the law can be above the limit.
Figures are medians of interleaved rounds.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from seqgra.grammar.load import find_grammar, load_grammar
from seqgra.law import background
from seqgra.law.law import compile_law, draw_block
from seqgra.simulate import simulate
from seqgra.streams import BLOCK, stream

SPACED_PAIRS = "mc2-dna1000-homer-interaction-spacing"
#: Kinds of grammar whose letter rate should be within 3 times of that of spaced pairs.
KINDS = {
    "spaced pairs, 1000 nt": SPACED_PAIRS,
    "50 classes, 1000 nt": "mc50-dna1000-homer-interaction-spacing",
    "confounder, decoy, label noise, 1000 nt": str(Path(__file__).with_name("confounders.yaml")),
    "spaced pairs, 150 nt": "mc2-dna150-spacing",
    "multi-label, 150 nt": "ml4-dna150-kmers-condition-dependent-dist",
    "protein, 100 letters": "mc2-protein100-psp",
}

Works = Mapping[str, Callable[[], object]]


def medians(works: Works, rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Return the median seconds of each work over interleaved rounds, after one that compiles."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            started = clock()
            work()
            if number:
                seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def folder(grammar: str, examples: int, workers: int = 1) -> Callable[[], object]:
    """Return the work of simulating a dataset folder, which is removed again."""

    def work() -> None:
        with tempfile.TemporaryDirectory() as target:
            counts = {"training": examples}
            simulate(find_grammar(grammar), Path(target), seed=0, counts=counts, workers=workers)

    return work


def against_limit(examples: int, rounds: int) -> None:
    """Print the rates of spaced pairs beside the limit."""
    file = find_grammar(SPACED_PAIRS)
    law = compile_law(load_grammar(file), str(file))
    blocks = -(-examples // BLOCK)
    buffer = np.empty(1 << 16, np.uint8)
    letters = blocks * BLOCK * law.window

    def raw() -> None:
        generator = stream(0, "raw", "benchmark", 0)
        for _ in range(letters // buffer.size):
            words = generator.random_raw(buffer.size // 2).astype("<u8", copy=False)
            background.write_letters(words.view("<u4"), law.background.tables[0], buffer)

    def draw() -> None:
        for block in range(blocks):
            draw_block(law, 0, "training", block)

    works = {"raw letters (limit)": raw, "law, nothing written": draw}
    seconds = medians(
        {**works, "dataset folder": folder(SPACED_PAIRS, examples)}, rounds, time.process_time
    )
    limit = seconds["raw letters (limit)"]
    print(f"{SPACED_PAIRS}: {examples:,} x {law.window} letters, CPU seconds, {rounds} rounds")
    for name, value in seconds.items():
        rate, million = blocks * BLOCK / value, letters / value / 1e6
        row = f"{value:7.3f} s  {rate:>10,.0f} seq/s  {million:6.0f} M letters/s"
        print(f"{name:22} {row}  {limit / value:.2f}")


def kinds(examples: int, rounds: int) -> None:
    """Print the rates of all kinds of grammar beside that of the first."""
    windows = {name: load_grammar(find_grammar(file)).longest for name, file in KINDS.items()}
    works = {name: folder(file, examples) for name, file in KINDS.items()}
    seconds = medians(works, rounds, time.process_time)
    rates = {name: examples * windows[name] / value / 1e6 for name, value in seconds.items()}
    first = next(iter(rates.values()))
    print(f"dataset folders of {examples:,} examples, CPU seconds, {rounds} rounds")
    for name, value in seconds.items():
        row = f"{examples / value:>10,.0f} seq/s  {rates[name]:6.0f} M letters/s"
        print(f"{name:40} {value:7.3f} s  {row}  {first / rates[name]:.2f} times slower")


def several_workers(examples: int, rounds: int, workers: int) -> None:
    """Print wall-clock seconds with one worker and with several."""
    works = {str(n): folder(SPACED_PAIRS, examples, n) for n in (1, workers)}
    seconds = medians(works, rounds, time.perf_counter)
    print(f"{SPACED_PAIRS}: {examples:,} examples, wall-clock seconds, {rounds} rounds")
    for name, value in seconds.items():
        rate = f"{examples / value:>10,.0f} seq/s"
        print(f"workers {name}  {value:7.3f} s  {rate}  {seconds['1'] / value:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kinds", action="store_true")
    parser.add_argument("--workers", type=int)
    options = parser.parse_args()
    if options.kinds:
        kinds(options.examples, options.rounds)
    elif options.workers:
        several_workers(options.examples, options.rounds, options.workers)
    else:
        against_limit(options.examples, options.rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
