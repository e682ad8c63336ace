"""`snakemake --profile slurm` on a real Slurm (tests/slurm/run starts one): faults cost time, not results.

A script named `seqgra` stands before the real one. It writes down when each batch begins and ends and which
GPUs it was given, does what a file in faults/ asks for the first time, and turns `--device cuda` into `cpu`,
since the GPUs of this Slurm are only counted.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from fault_tools import GRAMMAR

if not os.environ.get("SEQGRA_SLURM"):
    pytest.skip("needs a running Slurm: make test-slurm", allow_module_level=True)

REPOSITORY = Path(__file__).parents[2]
CONFIG = {
    "name": "t",
    "grammars": ["tiny"],
    "architectures": {"fc4": {"training": {"epochs": 2}}, "pwm-logistic-regression": {}},
    "sizes": [200],
    "test": {"examples": 100},
    "attribution": {"methods": ["gradient-x-input"], "examples": 10},
    "train": {"device": "cuda"},
}
STAND_IN = r"""#!/usr/bin/env bash
set -euo pipefail
real=REAL
case "$*" in *--batch*) ;; *) exec "$real" "$@" ;; esac
verb=$1 batch=$3
who=$verb.$(cut -d/ -f5 <<<"$batch")
log() { echo "$(date +%s.%N) $1 $who gpus=${CUDA_VISIBLE_DEVICES:-none}" >>jobs.log; }
log begin
if mv "faults/$who" "faults/$who.taken" 2>/dev/null; then
    case $(cat "faults/$who.taken") in
        hang) sleep 600 ;;
        hog) python3 -c 'import time; held = b"x" * (2500 << 20); time.sleep(600)' ;;
    esac
fi
sed 's/--device cuda/--device cpu/' "$batch" >"$batch.cpu"
"$real" "$verb" --batch "$batch.cpu" "${@:4}"
log end
"""

#: Stands before the real one: while the fit hangs, it answers no question before Snakemake is interrupted.
SLOW_SQUEUE = r"""#!/usr/bin/env bash
trap '' INT
if [ -e faults/train.fc4.taken ]; then
    touch asked
    until [ -e interrupted ]; do sleep 0.2; done
    sleep 2
fi
exec REAL "$@"
"""


class Run:
    """A working folder with its own grid, and Snakemake on it as a user would type it."""

    def __init__(self, folder: Path, **changes) -> None:
        self.folder = folder
        for name in ("grammars", "config", "faults", "bin"):
            (folder / name).mkdir(parents=True)
        (folder / "grammars" / "tiny.yaml").write_text(GRAMMAR)
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(CONFIG | changes))
        real = shutil.which("seqgra") or str(Path(sys.executable).with_name("seqgra"))
        (folder / "bin" / "seqgra").write_text(STAND_IN.replace("REAL", real))
        (folder / "bin" / "seqgra").chmod(0o755)
        self.process = None

    def start(self, *options):
        command = ["snakemake", "--profile", "slurm", "--directory", str(self.folder)]
        command += ["--slurm-init-seconds-before-status-checks", "1", "--latency-wait", "10"]
        path = os.pathsep.join(
            [str(self.folder / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        with (self.folder / "said.log").open("a") as said:
            self.process = subprocess.Popen(
                [*command, *options],
                cwd=REPOSITORY,
                env={**os.environ, "PATH": path},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        return self

    def end(self, code=0):
        assert self.process.wait(timeout=600) == code, self.said()
        return self

    def said(self):
        """Return the end of what Snakemake said."""
        return (self.folder / "said.log").read_text()[-4000:]

    def name(self):
        """Return the name of this run's Slurm jobs, as docs/cluster.md says to find it."""
        log = max(self.folder.glob(".snakemake/log/*.log"))
        return re.search(r"SLURM run ID: (\S+)", log.read_text())[1]

    def ask(self, who, fault):
        (self.folder / "faults" / who).write_text(fault)

    def wait_for_fault(self, who):
        wait_until(lambda: (self.folder / "faults" / f"{who}.taken").exists(), self.said)

    def tables(self):
        folder = self.folder / "results" / "t"
        files = [*folder.glob("tables/*.csv"), *folder.glob("figures/*")]
        return {file.name: file.read_bytes() for file in files if file.name != "runs.csv"}

    def jobs(self):
        """Return what the jobs wrote down: (seconds, begin or end, who, GPUs)."""
        lines = (self.folder / "jobs.log").read_text().splitlines()
        return [(float(t), what, who, gpus) for t, what, who, gpus in map(str.split, lines)]

    def slurm_jobs(self):
        """Return the numbers of this run's Slurm jobs that are still queued or running."""
        return squeue("--name", self.name())


def squeue(*options):
    done = subprocess.run(
        ["squeue", "--noheader", "--format", "%A", *options],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


def wait_until(condition, said, seconds=180):
    for _ in range(seconds * 5):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(said())


def test_a_grid_of_another_file(tmp_path):
    """Each job reads the Snakefile anew: it must see the grid that was named, not config/config.yaml."""
    run = Run(tmp_path)
    other = CONFIG | {"name": "other", "architectures": ["pwm-logistic-regression"]}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    run.start("--configfile", str(tmp_path / "other.yaml")).end()
    assert (tmp_path / "results" / "other" / "report.html").exists()
    assert not (tmp_path / "results" / "t").exists()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """Return a run under way whose first jobs are killed: one by hand, one by time, one by memory."""
    run = Run(tmp_path_factory.mktemp("faulty"), cluster={"gpu": "gpu:1"})
    run.ask("train.fc4", "hog")
    run.ask("train.pwm-logistic-regression", "hang")
    run.ask("evaluate.pwm-logistic-regression", "hang")
    run.start(
        "--set-resources", "evaluate:runtime=1 if attempt == 1 and 'pwm' in wildcards.pack else 20"
    )
    yield run
    run.process.kill()


@pytest.fixture(scope="module")
def whole(tmp_path_factory, faulty):
    """Return an unbroken run; `faulty` goes on beside it."""
    run = Run(tmp_path_factory.mktemp("whole")).start()
    faulty.wait_for_fault("train.pwm-logistic-regression")
    hanging = [
        job
        for job in squeue("--name", faulty.name(), "--states", "R")
        if "pwm"
        in subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True).stdout
    ]
    subprocess.run(["scancel", *hanging], check=True)
    return run.end()


def test_the_grid_runs_through_sbatch_and_networks_get_a_gpu(whole):
    given = {(who, gpus) for _, _, who, gpus in whole.jobs()}
    for verb in ("train", "evaluate", "attribute"):
        assert {gpus for who, gpus in given if who == f"{verb}.fc4"} <= {"gpus=0", "gpus=1"}
        assert (f"{verb}.pwm-logistic-regression", "gpus=none") in given
    assert len(whole.tables()) > 5
    assert not whole.slurm_jobs()


def test_ctrl_c_cancels_and_kill_9_is_recovered_from(tmp_path, whole):
    """Ctrl-C comes while Snakemake asks for the state of its jobs, which its plugin then does not cancel."""
    run = Run(tmp_path)
    run.ask("train.fc4", "hang")
    slow = tmp_path / "bin" / "squeue"
    slow.write_text(SLOW_SQUEUE.replace("REAL", shutil.which("squeue")))
    slow.chmod(0o755)
    run.start().wait_for_fault("train.fc4")
    wait_until((tmp_path / "asked").exists, run.said)
    os.killpg(run.process.pid, signal.SIGINT)
    (tmp_path / "interrupted").touch()
    run.end(1)
    wait_until(lambda: not run.slurm_jobs(), run.said, 30)
    slow.unlink()
    cancelled = [time.time()]
    run.ask("evaluate.fc4", "hang")
    run.start().wait_for_fault("evaluate.fc4")
    run.process.kill()
    run.process.wait()
    assert run.slurm_jobs(), "the jobs of a killed Snakemake go on"
    subprocess.run(["scancel", f"--name={run.name()}"], check=True)
    wait_until(lambda: not run.slurm_jobs(), run.said, 30)
    cancelled.append(time.time())
    run.start("--unlock").end()
    run.start().end()
    assert run.tables() == whole.tables()
    nothing_ran_twice_at_once(run, cancelled)


def test_a_cancelled_a_slow_and_a_greedy_job_are_retried(faulty, whole):
    faulty.end()
    begun = [who for _, what, who, _ in faulty.jobs() if what == "begin"]
    for who in ("train.fc4", "train.pwm-logistic-regression", "evaluate.pwm-logistic-regression"):
        assert (faulty.folder / "faults" / f"{who}.taken").exists() and begun.count(who) == 2, who
    assert faulty.tables() == whole.tables()
    nothing_ran_twice_at_once(faulty)


def nothing_ran_twice_at_once(run, cancelled=()):
    """What begins again has ended before, or was killed: by its fault, or with all jobs at a time."""
    running = {}
    for when, what, who, _ in run.jobs():
        if what == "begin":
            faulted = (run.folder / "faults" / f"{who}.taken").exists()
            killed = any(running.get(who, 0.0) <= moment <= when for moment in cancelled)
            assert faulted or killed or who not in running, who
            running[who] = when
        else:
            running.pop(who, None)
