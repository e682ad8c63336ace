"""What Snakemake and start-up cost a large grid: a dry run, and optionally a run, in CPU seconds.

    python benchmarks/grid.py                    plan, status and dry run of 10,000 cells of ten grammars
    python benchmarks/grid.py --run 1000         also run so many tiny cells on 2 cores

Status looks at a grid with nothing, with every second result (a `run.json` without files), and with all
markers. Bookkeeping of a cell is all CPU time of the run less that spent inside stages (`run.json`), over
cells.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fault_tools import GRAMMAR, REPOSITORY

from seqgra.fingerprint import RUN_FILE, Identity, seal, write_atomically
from seqgra.grid import Grid, read_grid
from seqgra.grid.batches import Batches
from seqgra.grid.expected import Expected
from seqgra.grid.plan import plan, table
from seqgra.grid.stages import GRID_STAGES
from seqgra.grid.status import status
from seqgra.library import SHIPPED, library_folders
from seqgra.markers import origin, write_marker


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


def plan_and_status(folder: Path) -> None:
    """Print CPU seconds of plan and status in a folder with nothing, half and all of the large grid."""
    folder.mkdir()
    with contextlib.chdir(folder):
        Path("config.yaml").write_text(yaml.safe_dump(large()))
        began = time.process_time()
        grid = read_grid(Path("config.yaml"), library_folders())
        print(
            f"read the config: {time.process_time() - began:.1f} CPU s, {len(grid.cells):,} cells"
        )
        began = time.process_time()
        table(plan(grid), "config.yaml", on_gpu=False)
        print(f"plan: {time.process_time() - began:.1f} CPU s")
        batches = Batches(grid, SHIPPED)
        for name, prepare in {"nothing": None, "half": write_half, "all": write_markers}.items():
            if prepare:
                prepare(grid, batches)
            began = time.process_time()
            counts = sum(status(grid, SHIPPED).counts.values(), Counter[str]())
            print(f"status, {name}: {time.process_time() - began:.1f} CPU s, {dict(counts)}")


def write_half(grid: Grid, batches: Batches) -> None:
    """Write the `run.json` of every second result, as its stage would, but without its files."""
    expected = Expected(grid)
    made: dict[str, str] = {}
    for job in batches.jobs.values():
        if job.stage not in GRID_STAGES:
            continue
        stage = GRID_STAGES[job.stage]
        for place, call in enumerate(stage.calls_of(grid, job.name)):
            words = list(map(str, call))
            given = zip(stage.stage.inputs, words, strict=False)
            inputs = {each.name: made.get(word, word) for each, word in given}
            if job.stage == "train":
                cell = grid.packs[job.name].cells[place]
                inputs["architecture"] = expected.architecture(cell)
            elif "--expect" in words:
                inputs = dict.fromkeys(inputs, words[words.index("--expect") + 1])
            identity = Identity(job.stage, stage.stage.version, inputs, {})
            output = words[words.index("-o") + 1]
            made[output] = identity.fingerprint
            if place % 2 and job.stage != "simulate" and job.stage != "train":
                continue
            run = {
                **{"verb": job.stage, "fingerprint": identity.fingerprint, "status": "done"},
                **{"results_version": stage.stage.version, "inputs": inputs, "options": {}},
                "files": {},
            }
            write_atomically(Path(output) / RUN_FILE, seal(run))


def write_markers(grid: Grid, batches: Batches) -> None:
    """Write what jobs read and their markers, as if all were done."""
    batches.write()
    for marker, job in batches.jobs.items():
        write_marker(Path(marker), origin(batches.text(job)), [])


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
    parser.add_argument("--plan", action="store_true", help="only plan and status")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan_and_status(Path(folder) / "plan")
        if options.plan:
            return
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
            f"run of {cells:,} tiny cells: {wall:.0f} s, {cpu:.0f} CPU s, {inside:.0f} of them in stages"
        )
        print(f"bookkeeping of a cell: {(cpu - inside) / cells:.2f} CPU s (limit 1 s)")


if __name__ == "__main__":
    main()
