"""Several GPUs in one machine: processes spread over them, and what a process took ends with it."""

import subprocess
import sys

from seqgra.cli.gpus import take_gpu

TAKE = """
import sys
from pathlib import Path
from seqgra.cli.gpus import take_gpu
print(take_gpu(2, Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


def take(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, int(process.stdout.readline())


def test_processes_spread_over_the_gpus(tmp_path):
    folder = tmp_path / "locks"
    taken = [take(folder) for _ in range(4)]
    assert [gpu for _, gpu in taken] == [0, 1, 0, 1]
    taken[1][0].kill()
    taken[1][0].wait()
    assert take_gpu(2, folder) == 1, "what a killed process had is free again"
    for process, _ in taken:
        process.kill()
        process.wait()
