"""What Snakemake and start-up cost a large grid: a dry run, and optionally a run, in CPU seconds.

    python benchmarks/grid.py                    dry run of 10,000 cells of ten grammars
    python benchmarks/grid.py --run 1000         also run so many tiny cells on 2 cores

Bookkeeping of a cell is all CPU time of the run less that spent inside nouns (`run.json`), over cells.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fault_tools import GRAMMAR, REPOSITORY


def large() -> dict[str, object]:
    """Return a grid of 10,000 cells: 10 grammars, 10 architectures, 10 sizes, 10 data seeds."""
    grammars = sorted(file.stem for file in (REPOSITORY / "grammars").glob("mc*.yaml"))[:10]
    return {
        "name": "large",
        "grammars": grammars,
        "architectures": [f"conv{n}w-gmp-fc10" for n in range(5, 55, 5)],
        "sizes": [1000 * 2**k for k in range(10)],
        "data_seeds": list(range(10)),
    }


def small(cells: int) -> dict[str, object]:
    """Return a grid of about so many cells that take next to nothing."""
    return {
        "name": "small",
        "grammars": ["tiny"],
        "architectures": {"fc2": {"training": {"epochs": 1}}, "fc4": {"training": {"epochs": 1}}},
        "sizes": [100, 200],
        "data_seeds": list(range(10)),
        "model_seeds": list(range(max(1, cells // 40))),
        "test": {"examples": 100},
        "attribution": {"methods": ["gradient-x-input"], "examples": 10},
    }


def snakemake(folder: Path, config: dict[str, object], *options: str) -> tuple[float, float, float]:
    """Run Snakemake; return wall and CPU seconds, and the largest process in MiB."""
    (folder / "config").mkdir(parents=True)
    (folder / "grammars").mkdir()
    (folder / "grammars" / "tiny.yaml").write_text(GRAMMAR)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))
    before, started = _cpu(), time.perf_counter()
    command = ["snakemake", "--cores", "2", "--quiet", "all", "--directory", str(folder), *options]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return time.perf_counter() - started, _cpu() - before, most


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=int, default=0, metavar="CELLS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu, mib = snakemake(Path(folder) / "large", large(), "--dry-run")
        print(
            f"dry run of 10,000 cells: {cpu:.1f} CPU s, {mib:.0f} MiB (limits 15 s, 500 MiB); {wall:.0f} s"
        )
        if not options.run:
            return
        wall, cpu, mib = snakemake(Path(folder) / "small", small(options.run))
        runs = [json.loads(file.read_text()) for file in Path(folder, "small").rglob("run.json")]
        cells = sum(run["verb"] == "train" for run in runs)
        inside = sum(run["cpu_seconds"] for run in runs)
        print(
            f"run of {cells:,} tiny cells: {wall:.0f} s, {cpu:.0f} CPU s, {inside:.0f} of them in nouns"
        )
        print(f"bookkeeping of a cell: {(cpu - inside) / cells:.2f} CPU s (limit 1 s)")


if __name__ == "__main__":
    main()
