"""CPU seconds of probes beside bare predictions of as many sequences, in the same run.

    python benchmarks/probe.py [GRAMMAR ...] [--construct]

With `--construct` sequences are made and nothing is predicted, so that PyTorch is not loaded and takes no
memory. The network is untrained: time does not depend on its weights. Compilation by numba is left out (one
call before); one thread.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from seqgra.grammar.load import find_grammar, load_grammar
from seqgra.law.posterior import compile_posterior
from seqgra.probe import COPIES, Constructed, construct, probe


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
    options = parser.parse_args()
    for name in options.grammars:
        made = constructed(name)
        if not options.construct:
            probed(name, made, options.architecture)


def constructed(name: str) -> Constructed:
    """Construct the sequences of a grammar twice and print what the second time costs."""
    grammar = load_grammar(find_grammar(name))
    construct(grammar)  # compiles
    started = time.process_time()
    made = construct(grammar)
    seconds = time.process_time() - started
    started = time.process_time()
    compile_posterior(grammar).log_posterior(made.x)
    posterior = time.process_time() - started
    print(
        f"{name}: {len(made.x):,} sequences; construct {seconds:.2f} s (limit 60), of it posterior "
        f"{posterior:.2f}; peak {peak()} MiB"
    )
    return made


def probed(name: str, made: Constructed, architecture: str) -> None:
    """Probe an untrained network, with and without copies of it, and print medians of five times."""
    model = Network(made, architecture)
    copies = [Network(made, architecture) for _ in range(COPIES)]

    def seconds(call: Callable[[], object]) -> float:
        started = time.process_time()
        call()
        return time.process_time() - started

    calls = {
        "predictions": lambda: model.logits(made.x),
        "probe": lambda: probe(model, made),
        "with copies": lambda: probe(model, made, untrained=copies),
    }
    for call in calls.values():
        call()
    bare, alone, whole = (np.median([seconds(call) for _ in range(5)]) for call in calls.values())
    print(
        f"{name}: predictions {bare:.3f} s; probe {alone:.3f} s, {alone / bare:.2f} times as much "
        f"(limit 1.5); with copies {whole:.3f} s (limit 2), {whole / bare:.2f} times; peak {peak()} MiB"
    )


def peak() -> int:
    """Return the most memory that the process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
