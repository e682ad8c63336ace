"""Learning curves with the compiled engine beside those with PyTorch, which should be the same.

    python benchmarks/engines.py [--sizes 1000 2500 6000] [--seeds 5]

Three grammars, a network that suits each, trained with the settings of the demo. Both engines start from the
same weights and see the same examples in the same order; rounding and dropout differ. Prints for each grammar
and size the mean test PR AUC of both and the mean of the paired differences over data seeds with its 95 %
interval (Student's t).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from learns import FLAT, POOLED, SETTINGS, pr_auc
from scipy.stats import t

from seqgra.dataset import split_size
from seqgra.grid import architecture_variant
from seqgra.simulate import simulate
from seqgra.train import train

GRAMMARS = {
    "mc2-dna150-homer": POOLED,
    "mc2-dna150-order": FLAT,
    "mc2-dna150-spacing": FLAT,
}
TEST = 2_000


def curves(grammar: str, sizes: list[int], seeds: int, folder: Path) -> None:
    """Print a row a size."""
    file, name = Path("grammars") / f"{grammar}.yaml", GRAMMARS[grammar]
    network = architecture_variant(name, SETTINGS, name)
    net = folder / f"{name}.yaml"
    net.write_text(json.dumps(network.model_dump(mode="json", exclude_none=True)))
    simulate(file, folder / "test", seed=0, counts={"test": TEST})
    counts = split_size(max(sizes))
    sets = {name: counts[name] for name in ("training", "validation")}
    for seed in range(1, seeds + 1):
        simulate(file, folder / f"data{seed}", seed=seed, counts=sets)
    for size in sizes:
        reached: dict[str, list[float]] = {"compiled": [], "torch": []}
        for seed in range(1, seeds + 1):
            for engine, values in reached.items():
                model = folder / f"{engine}-{size}-{seed}"
                data = folder / f"data{seed}"
                train(data, str(net), model, size=size, seed=0, device="cpu", engine=engine)
                values.append(pr_auc(model, folder / "test", folder / f"{model.name}-scores"))
        pairs = zip(reached["compiled"], reached["torch"], strict=True)
        differences = [one - other for one, other in pairs]
        error = statistics.stdev(differences) / seeds**0.5
        half = float(t.ppf(0.975, seeds - 1)) * error
        mean = statistics.mean(differences)
        means = " | ".join(f"{statistics.mean(v):.3f}" for v in reached.values())
        print(f"| `{grammar}` | {size:,} | {means} | {mean:+.4f} ± {half:.4f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 2_500, 6_000])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    print("| grammar | examples | compiled | PyTorch | difference |\n|---|---|---|---|---|")
    for grammar in GRAMMARS:
        with tempfile.TemporaryDirectory() as folder:
            curves(grammar, options.sizes, options.seeds, Path(folder))


if __name__ == "__main__":
    main()
