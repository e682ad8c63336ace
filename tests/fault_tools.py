"""A small grid, run through Snakemake while its workers, or Snakemake itself, are killed."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
STAGES = ("simulate", "train", "evaluate", "attribute", "compare")
GRAMMAR = """
alphabet: DNA
window: 30
elements: {a: {kmers: {ACGTACGT: 1}}, b: {kmers: {GGGGCCCC: 1}}}
conditions:
  one: {rules: [{elements: [a]}]}
  two: {rules: [{elements: [b]}]}
"""
CONFIG = {
    "name": "t",
    "grammars": ["tiny"],
    "architectures": {
        "fc4": {"training": {"epochs": 8, "patience": 8}},
        "pwm-logistic-regression": {},
    },
    "sizes": [2000],
    "data_seeds": [1, 2],
    "test": {"examples": 500},
    "attribution": {"methods": ["integrated-gradients"], "examples": 100, "steps": 20},
}


def make_grid(folder, **changes):
    """Write a grid of four small models into a folder of its own."""
    for name in ("grammars", "config"):
        (folder / name).mkdir(parents=True)
    (folder / "grammars" / "tiny.yaml").write_text(GRAMMAR)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG | changes))
    return folder


def start(folder, *options):
    """Start Snakemake on the grid of a folder, as a process group of its own."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--directory", str(folder)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "said.log").open("a") as said:
        return subprocess.Popen(
            [*command, *options],
            cwd=REPOSITORY,
            env={**os.environ, "PATH": path},
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def finish(folder, *options):
    """Run the grid of a folder to its end."""
    code = start(folder, *options).wait(timeout=600)
    assert code == 0, (folder / "said.log").read_text()[-5000:]


def results(folder):
    """Return the bytes of what seeds determine: tables but for runs.*, and figures."""
    top = folder / "results" / "t"
    files = [*top.glob("tables/*"), *top.glob("figures/*")]
    return {file.name: file.read_bytes() for file in files if not file.name.startswith("runs.")}


def workers(stage, folder):
    """Return the pids of the seqgra processes of a stage that work in a folder."""
    return [pid for pid, said in _processes(folder) if re.search(rf"\bseqgra {stage} ", said)]


def _processes(folder):
    """Yield (pid, command line) of the Python processes whose working folder is `folder`."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                said = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                here = (entry / "cwd").resolve() == folder.resolve()
            except OSError:  # it has ended meanwhile
                continue
            if here and "python" in said.split(" ")[0]:
                yield int(entry.name), said


def kill_in(stage, folder, delay):
    """Run the grid; when `stage` has begun, wait `delay` seconds and kill -9.

    `stage` snakemake kills Snakemake itself while anything runs, any other a worker of it. Returns
    whether something was killed: it may have ended before.
    """
    process = start(folder)
    watched = STAGES if stage == "snakemake" else (stage,)
    while process.poll() is None:
        if any(workers(name, folder) for name in watched):
            time.sleep(delay)
            victims = [process.pid] if stage == "snakemake" else workers(stage, folder)
            for pid in victims:
                _kill(pid)
            process.wait()
            return bool(victims)
        time.sleep(0.02)
    return False


def _kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def recover(folder):
    """Do what docs/workflow.md says after a crash: unlock, then the same command again."""
    finish(folder, "--unlock")
    finish(folder)


def kill_at_random(folder, moments, seed, stages=(*STAGES, "snakemake")):
    """Kill at random moments, one after another; return (stage, seconds into it, whether it hit).

    Between two kills of the same grid nothing is thrown away. When a stage is past, the noun it made
    last is deleted, with all that follows from it, so that every moment has work to do.
    """
    chosen = random.Random(seed)
    done = []
    for number in range(moments):
        stage = stages[number % len(stages)]
        if number >= len(stages) or (done and not done[-1][-1]):  # the grid is finished
            finish(folder, "--unlock")
            begin_again(folder)
        delay = chosen.uniform(0, 5 if stage == "compare" else 3)
        done.append((stage, round(delay, 2), kill_in(stage, folder, delay)))
    return done


def begin_again(folder):
    """Forget all markers and one noun of each kind, as if the grid had been broken off early."""
    top = folder / "results" / "t"
    for marker in [*top.rglob("*.done"), top / "report.html"]:
        marker.unlink(missing_ok=True)
    for kind in ("data", "models", "scores", "attributions"):
        for run in sorted((top / kind).rglob("run.json"))[:2]:
            run.unlink()
