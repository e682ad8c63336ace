"""CPU seconds of whole commands on the work that the published system was measured on, start-up included.

    python benchmarks/commands.py [ROUNDS]

20,000 sequences of 1000 letters simulated, conv10w-gmp-fc5 trained on 7,000 of them for 5 epochs, 2,000 test
examples evaluated, 200 explained by integrated gradients with 100 steps. Medians of ROUNDS [3]; the published
figures are those of version 0.0.4 on a core of the same kind (medians of three, November 2026).
"""

import statistics
import subprocess
import sys
import tempfile

#: Command -> CPU seconds and peak memory in MB of the published system.
PUBLISHED = {
    "simulate": (9.4, 204),
    "train": (27.6, 1226),
    "evaluate": (7.4, 666),
    "attribute": (15.3, 568),
}
GRAMMAR, NETWORK = "mc2-dna1000-homer", "conv10w-gmp-fc5"
EPOCHS = '{"training":{"epochs":5,"patience":5}}'


def used(command: list[str]) -> tuple[float, float]:
    """Return CPU seconds and peak memory in MB of a command that must succeed."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=2)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1000)"
    )
    run = [sys.executable, "-c", code, sys.executable, "-m", "seqgra.cli", *command]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in PUBLISHED}
    with tempfile.TemporaryDirectory() as scratch:
        for n in range(rounds + 1):
            top = f"{scratch}/{n}"
            calls = {
                "simulate": f"simulate {GRAMMAR} -o {top}/large --size 20000 --seed 1",
                "data": f"simulate {GRAMMAR} -o {top}/data --size 10000 --seed 1",
                "variant": f"variant architecture {NETWORK} {EPOCHS} -o {top}/network.yaml",
                "train": f"train {top}/data {top}/network.yaml -o {top}/model",
                "evaluate": f"evaluate {top}/model {top}/data -o {top}/scores --set-size 2000",
                "attribute": f"attribute {top}/model {top}/data -o {top}/maps --examples 100 --steps 100",
            }
            for name, call in calls.items():
                figures = used(call.split())
                if n and name in measured:  # the first round compiles
                    measured[name].append(figures)
    print(f"{'':10} {'CPU s':>7} {'published':>10} {'ratio':>6} {'MB':>6} {'published':>10}")
    total = 0.0
    for name, (seconds, memory) in PUBLISHED.items():
        ours = statistics.median(each[0] for each in measured[name])
        peak = statistics.median(each[1] for each in measured[name])
        total += ours
        print(
            f"{name:10} {ours:7.2f} {seconds:10.1f} {seconds / ours:6.1f} {peak:6.0f} {memory:10}"
        )
    whole = sum(seconds for seconds, _ in PUBLISHED.values())
    print(f"{'all':10} {total:7.2f} {whole:10.1f} {whole / total:6.1f}")


if __name__ == "__main__":
    main()
