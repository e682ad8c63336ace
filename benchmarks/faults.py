"""Kill -9 at random moments of a grid, in every stage and of Snakemake itself; then compare bytes.

    python benchmarks/faults.py --moments 50 [--seed 1]

After every moment the grid is finished and its tables and figures are compared with an unbroken run's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import fault_tools as faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    stages = (*faults.STAGES, "snakemake")
    hits: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        whole = faults.make_grid(Path(place) / "whole")
        faults.finish(whole)
        expected, different = faults.results(whole), 0
        folder = faults.make_grid(Path(place) / "killed")
        for number in range(options.moments):
            stage = stages[number % len(stages)]
            seed = 1000 * options.seed + number
            if number:
                faults.begin_again(folder)
            (_, delay, hit), *_ = faults.kill_at_random(folder, 1, seed, (stage,))
            hits[stage] += hit
            faults.recover(folder)
            same = faults.results(folder) == expected
            different += not same
            said = "killed" if hit else "had ended"
            print(
                f"{number:3} {stage:10} after {delay:.2f} s: {said}; {'same' if same else 'DIFFERENT'}",
                flush=True,
            )
    print(f"{options.moments} moments, {sum(hits.values())} hit ({dict(hits)}), {different} differ")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
