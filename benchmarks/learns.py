"""At which dataset size a suitable architecture comes within 0.02 of the exact ceiling's PR AUC.

    python benchmarks/learns.py [GRAMMAR ...] [--largest 40000]
    python benchmarks/learns.py --networks [NAME ...] [--grammar mc2-dna150-homer] [--size 16000]

Without names: the toy grammars and the grammars of two classes and HOMER motifs. Each architecture is
trained with the settings of the demo (Adam 0.002, batch 64, at most 25 epochs, patience 5; data seed 1,
model seed 0) on growing prefixes of one dataset until it is there. The ceiling is the exact posterior on
the same 4,000 test examples. Prints a row a grammar; exits with 1 if one was not learnt.

With --networks: shipped networks as their files say, at one size, with three data seeds; a row a network.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from seqgra.dataset import split_size
from seqgra.evaluate import evaluate
from seqgra.grid import architecture_variant
from seqgra.results import read_scores
from seqgra.simulate import simulate
from seqgra.train import train

POOLED, FLAT, LOCAL = "conv20w-gmp-fc10", "conv10w-do03-fc5-do03", "conv-mp-fc"
#: Which motif there is needs pooling; where it is, or in which order, needs its place (in long windows
#: roughly: a weight for each of 1000 positions collapses with 40,000 examples).
SUITABLE = {
    "toy1-kmer-center": FLAT,
    "toy2-pwm-center": FLAT,
    "toy3-pwm-anywhere": POOLED,
    "toy4-pwm-pairs": POOLED,
    "toy5-order": "conv20w-do03-fc20",
    "toy6-spacing": "conv20w-do03-fc20",
    "mc2-dna150-homer": POOLED,
    "mc2-dna150-order": FLAT,
    "mc2-dna150-spacing": FLAT,
    "mc2-dna1000-homer": POOLED,
    "mc2-dna1000-homer-interaction-order": LOCAL,
    "mc2-dna1000-homer-interaction-spacing": LOCAL,
}
SETTINGS = {
    "optimizer": {"adam": {"learning_rate": 0.002}},
    "training": {"batch_size": 64, "epochs": 25, "patience": 5},
}
SIZES = (2_500, 6_000, 16_000, 40_000, 100_000)
TEST, CLOSE = 4_000, 0.02
SEEDS = (1, 2, 3)


def pr_auc(model: Path, test: Path, scores: Path) -> float:
    """Return the PR AUC by which models are compared."""
    evaluate(model, test, scores, device="cpu")
    content = read_scores(scores)
    return float(content["metrics"]["pr_auc"][content["headline"]])


def learn(grammar: str, largest: int, folder: Path) -> bool:
    """Train on growing sizes; print how close each came, and return whether one was close."""
    file, architecture = Path("grammars") / f"{grammar}.yaml", SUITABLE[grammar]
    sizes = [size for size in SIZES if size <= largest]
    counts = split_size(sizes[-1])
    simulate(file, folder / "test", seed=0, counts={"test": TEST})
    sets = {name: counts[name] for name in ("training", "validation")}
    simulate(file, folder / "data", seed=1, counts=sets)
    exact = folder / "exact"
    train(folder / "test", "bayes-optimal", exact, size=None, seed=0, backend="bayes-optimal")
    ceiling = pr_auc(exact, folder / "test", folder / "exact-scores")
    network = architecture_variant(architecture, SETTINGS, architecture)
    net = folder / f"{architecture}.yaml"
    net.write_text(json.dumps(network.model_dump(mode="json", exclude_none=True)))
    started, reached = time.process_time(), []
    for size in sizes:
        model = folder / str(size)
        train(folder / "data", str(net), model, size=size, seed=0, device="cpu")
        reached.append(pr_auc(model, folder / "test", folder / f"{size}-scores"))
        if ceiling - reached[-1] <= CLOSE:
            break
    close = ceiling - reached[-1] <= CLOSE
    tried = ", ".join(f"{n:,}: {v:.3f}" for n, v in zip(sizes, reached, strict=False))
    at = f"{sizes[len(reached) - 1]:,}" if close else "not reached"
    seconds = time.process_time() - started
    print(
        f"| `{grammar}` | `{architecture}` | {ceiling:.3f} | {at} | {tried} | {seconds:.0f} |",
        flush=True,
    )
    return close


def learn_networks(names: list[str], grammar: str, size: int) -> bool:
    """Train networks with three data seeds each; print a row for each, and return whether all learnt."""
    print("| network | ceiling | PR AUC by data seed | median | CPU s a training |")
    print("|---|---|---|---|---|", flush=True)
    close = True
    with tempfile.TemporaryDirectory() as text:
        folder, file = Path(text), Path("grammars") / f"{grammar}.yaml"
        simulate(file, folder / "test", seed=0, counts={"test": TEST})
        counts = {name: split_size(size)[name] for name in ("training", "validation")}
        for seed in SEEDS:
            simulate(file, folder / f"data-{seed}", seed=seed, counts=counts)
        train(
            folder / "test",
            "bayes-optimal",
            folder / "e",
            size=None,
            seed=0,
            backend="bayes-optimal",
        )
        ceiling = pr_auc(folder / "e", folder / "test", folder / "e-scores")
        for name in names:
            started, reached = time.process_time(), []
            for seed in SEEDS:
                model = folder / f"{name}-{seed}"
                train(folder / f"data-{seed}", name, model, size=size, seed=0, device="cpu")
                reached.append(pr_auc(model, folder / "test", folder / f"{name}-{seed}-scores"))
                print(f"{name}, data seed {seed}: {reached[-1]:.3f}", file=sys.stderr, flush=True)
            seconds, middle = (time.process_time() - started) / len(SEEDS), median(reached)
            values = ", ".join(f"{value:.3f}" for value in reached)
            print(
                f"| `{name}` | {ceiling:.3f} | {values} | {middle:.3f} | {seconds:.0f} |",
                flush=True,
            )
            close &= ceiling - middle <= CLOSE
    return close


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grammars", nargs="*", metavar="GRAMMAR", help=f"of {', '.join(SUITABLE)}")
    parser.add_argument("--largest", type=int, choices=SIZES, default=40_000)
    parser.add_argument("--networks", nargs="+", metavar="NAME")
    parser.add_argument("--grammar", default="mc2-dna150-homer")
    parser.add_argument("--size", type=int, default=16_000)
    options = parser.parse_args()
    if options.networks:
        sys.exit(not learn_networks(options.networks, options.grammar, options.size))
    print("| grammar | architecture | ceiling | within 0.02 at | PR AUC by size | CPU s |")
    print("|---|---|---|---|---|---|", flush=True)
    close = True
    if unknown := set(options.grammars) - SUITABLE.keys():
        parser.error(f"no network is named for {', '.join(sorted(unknown))}")
    for grammar in options.grammars or SUITABLE:
        with tempfile.TemporaryDirectory() as folder:
            close &= learn(grammar, options.largest, Path(folder))
    sys.exit(not close)


if __name__ == "__main__":
    main()
