"""CPU seconds of probes beside bare predictions of as many sequences, in the same run.

    python benchmarks/probe.py [GRAMMAR ...]

The network is untrained: time does not depend on its weights. Compilation by numba is left out (one call
before); one thread.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch
from attribute import model_of

from seqgra.grammar.load import find_grammar, load_grammar
from seqgra.law.posterior import compile_posterior
from seqgra.probe import Constructed, construct, probe


class Network:
    """A network as a model of a grammar, which keeps the time of its predictions."""

    def __init__(self, made: Constructed, architecture: str) -> None:
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
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.grammars:
        grammar = load_grammar(find_grammar(name))
        construct(grammar)  # compiles
        started = time.process_time()
        made = construct(grammar)
        constructed = time.process_time() - started
        started = time.process_time()
        compile_posterior(grammar).log_posterior(made.x)
        posterior = time.process_time() - started
        model = Network(made, options.architecture)
        ratios, seconds = [], []
        for _ in range(5):
            started = time.process_time()
            model.logits(made.x)
            bare = time.process_time() - started
            started = time.process_time()
            probe(model, made)
            seconds.append(time.process_time() - started)
            ratios.append(seconds[-1] / bare)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"{name}: {len(made.x):,} sequences; construct {constructed:.2f} s, of it posterior "
            f"{posterior:.2f}; probe {np.median(seconds):.2f} s, {np.median(ratios):.2f} of bare "
            f"predictions (limit 1.5); peak {peak} MiB"
        )


if __name__ == "__main__":
    main()
