"""CPU seconds of what does nothing: `import seqgra`, `--help`, every stage that finds its result up to date.

python benchmarks/startup.py [REPEATS]
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from reference import STAGES, write_inputs


def cpu_of(command: list[str]) -> float:
    """Return the user and system seconds of a process that must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median of each command and its limit."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seqgra = [sys.executable, "-m", "seqgra.cli"]
    lines = [*STAGES, "fit simulate -o fit", "filters train-convolution simulate -o filters"]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_inputs()
        for line in lines:
            subprocess.run([*seqgra, *line.split()], check=True, capture_output=True)
        commands = {"import seqgra": (0.3, [sys.executable, "-c", "import seqgra"])}
        commands["--help"] = (0.3, [*seqgra, "--help"])
        commands |= {line: (0.5, [*seqgra, *line.split()]) for line in lines}
        for name, (limit, command) in commands.items():
            took = statistics.median(cpu_of(command) for _ in range(repeats))
            print(f"{took:5.2f}  {'over' if took > limit else '    '}  {name}", flush=True)


if __name__ == "__main__":
    main()
