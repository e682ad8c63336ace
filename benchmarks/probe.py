"""CPU seconds of probes beside bare predictions of as many sequences, in the same run.

    python benchmarks/probe.py [GRAMMAR ...] [--construct] [--one-process]

As in a grid, sequences are constructed in a process of their own and read by the one that probes; with
`--construct` nothing is probed, with `--one-process` both are done in one. The network is untrained: time
does not depend on its weights. Compilation by numba is left out (one call before); one thread. The measures
of the posterior are computed once for all models, in the call before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seqgra.probe import COPIES, Constructed, probe, read_constructed

#: Rounds of which medians are taken.
_ROUNDS = 15


class Network:
    """A network as a model of a grammar, which keeps the time of its predictions."""

    def __init__(self, made: Constructed, architecture: str) -> None:
        import torch
        from attribute import model_of

        torch.set_num_threads(1)
        self.conditions, self.alphabet = made.conditions, made.alphabet
        self.window, self.task = made.window, made.task
        self._model, self._outputs = model_of(architecture, made.window), len(made.conditions)

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return the network's logits, repeated where there are more conditions."""
        return np.resize(self._model.logits(x), (len(x), self._outputs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grammars", nargs="*", default=["mc2-dna150-order", "mc2-dna150-spacing"])
    parser.add_argument("--architecture", default="conv10w-do03-fc5-do03")
    parser.add_argument("--construct", action="store_true", help="make sequences and probe nothing")
    parser.add_argument("--one-process", action="store_true", help="construct and probe in one")
    options = parser.parse_args()
    for name in options.grammars:
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text) / "constructed"
            if options.construct or options.one_process:
                constructed(name, folder)
            else:
                code = "import sys, probe; probe.constructed(sys.argv[1], probe.Path(sys.argv[2]))"
                call = [sys.executable, "-c", code, name, str(folder)]
                subprocess.run(call, check=True, cwd=Path(__file__).parent)
            if not options.construct:
                probed(name, read_constructed(folder), options.architecture)


def constructed(name: str, folder: Path) -> None:
    """Write the constructed sequences of a grammar, twice, and print what the second time costs."""
    from seqgra.grammar.load import find_grammar, load_grammar
    from seqgra.law.posterior import compile_posterior
    from seqgra.probe import construct_folder

    construct_folder(name, folder)  # compiles
    started = time.process_time()
    construct_folder(name, folder.with_name("again"))
    seconds = time.process_time() - started
    made = read_constructed(folder)
    started = time.process_time()
    compile_posterior(load_grammar(find_grammar(name))).log_posterior(made.x)
    posterior = time.process_time() - started
    print(
        f"{name}: {len(made.x):,} sequences; construct {seconds:.2f} s (limit 60), of it posterior "
        f"{posterior:.2f}; peak {peak()} MiB (limit 500)",
        flush=True,
    )


def probed(name: str, made: Constructed, architecture: str) -> None:
    """Probe an untrained network, with and without copies of it, and print medians."""
    model = Network(made, architecture)
    copies = [Network(made, architecture) for _ in range(COPIES)]

    def seconds(call: Callable[[], object]) -> float:
        started = time.process_time()
        call()
        return time.process_time() - started

    first = seconds(lambda: made.reference)
    rows = made.for_copies[0]
    calls = {
        "predictions": lambda: model.logits(made.x),
        "probe": lambda: probe(model, made),
        "all predictions": lambda: [
            model.logits(made.x),
            *(c.logits(made.x[rows]) for c in copies),
        ],
        "with copies": lambda: probe(model, made, untrained=copies),
    }
    for call in calls.values():
        call()
    rounds = [[seconds(call) for call in calls.values()] for _ in range(_ROUNDS)]
    bare, alone, every, whole = np.median(rounds, axis=0)
    print(
        f"{name}: predictions {bare:.3f} s; probe {alone:.3f} s, {alone / bare:.2f} times as much "
        f"(limit 1.5); with copies {whole:.3f} s (limit 2), {whole / every:.2f} times predictions of as "
        f"many sequences ({every:.3f} s); once a grammar {first:.3f} s; peak {peak()} MiB (limit 500)"
    )


def peak() -> int:
    """Return the most memory that the process has held, in MiB; its parent's is not in it (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
