"""Where the seconds of a finished grid went: wall and CPU seconds of each stage, start-up beside them.

    python benchmarks/demo.py [results/demo]

Reads every noun's run.json. Snakemake's own log says when each job began and ended; the difference
between a stage's jobs and its nouns is start-up (Python, torch) and bookkeeping.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path

FOLDERS = {"data": "simulate", "models": "train", "scores": "evaluate", "attributions": "attribute"}


def noun_seconds(results: Path) -> dict[str, list[float]]:
    """Return nouns, wall and CPU seconds of each stage."""
    totals: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for folder, stage in FOLDERS.items():
        for file in (results / folder).rglob("run.json"):
            run = json.loads(file.read_text())
            totals[stage][0] += 1
            totals[stage][1] += run["seconds"]
            totals[stage][2] += run["cpu_seconds"]
    return totals


def job_seconds(log: Path) -> dict[str, list[float]]:
    """Return jobs and their wall seconds of each rule, from a Snakemake log."""
    started: dict[str, tuple[str, datetime]] = {}
    totals: dict[str, list[float]] = defaultdict(lambda: [0, 0.0])
    when, rule = datetime.min, ""
    for line in log.read_text().splitlines():
        if stamp := re.fullmatch(r"\[(.+)\]", line):
            when = datetime.strptime(stamp[1], "%a %b %d %H:%M:%S %Y")
        elif begun := re.match(r"(?:local)?rule (\w+):", line):
            rule = begun[1]
        elif number := re.match(r"    jobid: (\d+)", line):
            started[number[1]] = (rule, when)
        elif ended := re.match(r"Finished jobid: (\d+)", line):
            rule, start = started[ended[1]]
            totals[rule][0] += 1
            totals[rule][1] += (when - start).total_seconds()
    return totals


def main() -> None:
    results = Path(sys.argv[1] if len(sys.argv) > 1 else "results/demo")
    logs = sorted(Path(".snakemake/log").glob("*.snakemake.log"), key=lambda p: p.stat().st_size)
    jobs = job_seconds(logs[-1]) if logs else {}
    print(f"{'stage':10} {'nouns':>6} {'seconds':>8} {'CPU s':>8} {'jobs':>6} {'job seconds':>12}")
    for stage, (nouns, wall, cpu) in noun_seconds(results).items():
        count, total = jobs.get(stage, [0, 0.0])
        print(f"{stage:10} {nouns:>6} {wall:>8.1f} {cpu:>8.1f} {count:>6} {total:>12.0f}")
    if "compare" in jobs:
        print(
            f"{'compare':10} {'':>6} {'':>8} {'':>8} {jobs['compare'][0]:>6} {jobs['compare'][1]:>12.0f}"
        )


if __name__ == "__main__":
    main()
