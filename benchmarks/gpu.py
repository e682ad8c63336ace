"""Whether everything runs on a GPU, whether it computes the same, and how fast: the parts of gpu.sh.

    python benchmarks/gpu.py everything [--device cuda]  every network trains a step, every method explains it
    python benchmarks/gpu.py throughput [--seconds 3]    training beside a bare loop: fp32, TF32, bf16, ...
    python benchmarks/gpu.py together [--seconds 10]     small trainings side by side, until the card is full
    python benchmarks/gpu.py resume                      a killed training ends with the same bits
    python benchmarks/gpu.py plan                        seconds that `seqgra plan` foresees, and those taken

Each prints tables in Markdown. With `--device cpu` the same lines run without a card, to try the script.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.load import load_architecture
from seqgra.architecture.schema import Network
from seqgra.attribute.methods import METHODS
from seqgra.backends import pytorch, pytorch_layers, pytorch_letters, pytorch_training

TOP = Path(__file__).parents[1]
SHIPPED = sorted(file.stem for file in (TOP / "architectures").glob("*.yaml"))
#: Networks whose speed is told, from small to large.
SIX = ("conv10w-fc5", "conv20w-gmp-fc10", "deepstarr", "legnet", "basset", "danq")
WINDOW, LETTERS = 1000, 4


def networks(names: list[str] | tuple[str, ...] = tuple(SHIPPED)) -> Iterator[tuple[str, Network]]:
    for name in names:
        network = load_architecture(name)
        if isinstance(network, Network) and network.layers:
            yield name, network


def batch(size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return letter codes uint8 (size, WINDOW) and classes."""
    codes = np.random.default_rng(0).integers(0, LETTERS, (size, WINDOW)).astype(np.uint8)
    return torch.from_numpy(codes).to(device), (torch.arange(size) % 2).to(device)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


# --- does everything run, and alike


def everything(options: argparse.Namespace) -> None:
    """Train a step with each network, compare its logits with the CPU's, explain with each method."""
    device = pytorch.choose_device(options.device)
    print(
        f"| network | a step | largest difference of logits to the CPU's, of {WINDOW} nt |\n|---|---|---|"
    )
    codes, y = batch(8, device)
    for name, network in networks():
        torch.manual_seed(0)
        module = pytorch_layers.build(network, LETTERS, WINDOW, 2, name)
        module.eval()
        with torch.inference_mode():
            there = pytorch_letters.FromLetters(module, LETTERS, torch.device("cpu"))(codes.cpu())
        module.to(device)
        try:
            with torch.inference_mode():
                here = pytorch_letters.FromLetters(module, LETTERS, device)(codes)
            step(module, network, device)(codes, y)
            words, gap = "ran", float((here.cpu() - there).abs().max())
        except RuntimeError as error:
            words, gap = str(error).splitlines()[0], float("nan")
        print(f"| {name} | {words} | {gap:.1e} |", flush=True)
    print("\n| method | conv10w-fc5 |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        data, model = trained(Path(folder), options.device)
        for method in METHODS:
            made = seqgra(
                "attribute",
                model,
                data,
                "-o",
                f"{folder}/{method}",
                "--method",
                method,
                "--examples",
                "3",
                "--device",
                options.device,
            )
            print(
                f"| {method} | {'ran' if made.returncode == 0 else made.stderr.strip()[-200:]} |",
                flush=True,
            )


def seqgra(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seqgra.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def trained(folder: Path, device: str) -> tuple[Path, Path]:
    """Return a dataset and a network trained on it, by the commands of a user."""
    data, model = folder / "data", folder / "model"
    for made in (
        seqgra("simulate", "mc2-dna150-homer", "-o", data, "--seed", 1, "--size", 1000),
        seqgra("train", data, "conv10w-fc5", "-o", model, "--engine", "torch", "--device", device),
    ):
        if made.returncode:
            sys.exit(made.stderr)
    return data, model


# --- how fast


def step(
    module: nn.Module, network: Network, device: torch.device, kind: str = "fp32"
) -> Callable[..., None]:
    """Return a step of training on letter codes and classes, as seqgra makes it."""
    optimizer = pytorch_training.make_optimizer(network.optimizer, module)
    forward = pytorch_letters.FromLetters(module, LETTERS, device)
    if kind == "compiled":
        forward = torch.compile(forward)
    loss_of = pytorch_training.make_loss("multi-class", None, device)
    module.train()

    def once(codes: torch.Tensor, y: torch.Tensor) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=kind == "bf16"):
            logits = forward(codes)
        loss = loss_of(logits.float(), y)
        optimizer.zero_grad()
        loss.backward()
        pytorch_training.clip_gradients(module, network.training)
        optimizer.step()

    return once


def bare_step(module: nn.Module, network: Network) -> Callable[..., None]:
    """Return a step as a user would write it, on one-hot tensors."""
    optimizer = pytorch_training.make_optimizer(network.optimizer, module)
    module.train()

    def once(x: torch.Tensor, y: torch.Tensor) -> None:
        loss = nn.functional.cross_entropy(module(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return once


def in_a_graph(
    once: Callable[..., None], codes: torch.Tensor, y: torch.Tensor
) -> Callable[..., None]:
    """Return the same step, recorded once as a CUDA graph and replayed."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            once(codes, y)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        once(codes, y)
    return lambda *_: graph.replay()


def rate(
    once: Callable[..., None],
    given: tuple[torch.Tensor, torch.Tensor],
    seconds: float,
    device: torch.device,
) -> float:
    """Return examples a second of wall time."""
    for _ in range(3):
        once(*given)
    wait(device)
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for _ in range(10):
            once(*given)
        steps += 10
        wait(device)
    return steps * len(given[0]) / (time.perf_counter() - started)


def throughput(options: argparse.Namespace) -> None:
    """Print examples a second of six networks beside those of a bare loop in the same run."""
    device = pytorch.choose_device(options.device)
    kinds = ("fp32", "bf16", "compiled") + (("TF32", "graph") if device.type == "cuda" else ())
    print(
        f"Examples a second, {WINDOW} nt, {device.type}: a bare loop in fp32, and seqgra as share of it\n"
    )
    print(f"| network | batch | bare | {' | '.join(kinds)} |\n|---|---|---|{'---|' * len(kinds)}")
    for (name, network), size in itertools.product(networks(SIX), (32, 256)):
        codes, y = batch(size, device)
        x = pytorch_letters.OneHot(LETTERS, device)(codes).clone()
        fresh = lambda: pytorch_layers.build(network, LETTERS, WINDOW, 2, name).to(device)  # noqa: E731, B023
        bare = rate(bare_step(fresh(), network), (x, y), options.seconds, device)
        shares = []
        for kind in kinds:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = kind == "TF32"
            try:
                once = step(fresh(), network, device, kind)
                once = in_a_graph(once, codes, y) if kind == "graph" else once
                shares.append(f"{rate(once, (codes, y), options.seconds, device) / bare:.2f}")
            except RuntimeError as error:
                shares.append(str(error).splitlines()[0][:60])
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        print(f"| {name} | {size} | {bare:,.0f} | {' | '.join(shares)} |", flush=True)


def _side(device: str, seconds: float, start: object, results: object) -> None:
    pytorch.prepare_process(1)
    on = pytorch.choose_device(device)
    name, network = next(networks(("conv20w-gmp-fc10",)))
    once = step(pytorch_layers.build(network, LETTERS, WINDOW, 2, name).to(on), network, on)
    given = batch(32, on)
    once(*given)
    start.wait()  # type: ignore[attr-defined]
    results.put(rate(once, given, seconds, on))  # type: ignore[attr-defined]


def together(options: argparse.Namespace) -> None:
    """Print examples a second of n small trainings at once, until twice as many give no tenth more."""
    context, best = multiprocessing.get_context("spawn"), 0.0
    print("| trainings at once | examples a second, all of them |\n|---|---|")
    for many in (1, 2, 4, 8, 16, 32):
        start, results = context.Barrier(many), context.Queue()
        given = (options.device, options.seconds, start, results)
        jobs = [context.Process(target=_side, args=given) for _ in range(many)]
        for job in jobs:
            job.start()
        total = sum(results.get(timeout=300) for _ in jobs)
        for job in jobs:
            job.join()
        print(f"| {many} | {total:,.0f} |", flush=True)
        if total < 1.1 * best or many >= (os.cpu_count() or 1):
            break
        best = max(best, total)


# --- resumed, and foreseen


def resume(options: argparse.Namespace) -> None:
    """Kill a training, resume it, and compare its weights with those of an unbroken one."""
    with tempfile.TemporaryDirectory() as folder:
        data, model = trained(Path(folder), options.device)
        broken = Path(folder) / "broken"
        command = [sys.executable, "-m", "seqgra.cli", "train", data, "conv10w-fc5", "-o", broken]
        command += ["--engine", "torch", "--device", options.device]
        job = subprocess.Popen(
            [*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not list(broken.glob(".checkpoint-*")) and job.poll() is None:
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
        job.wait()
        killed = not (broken / "run.json").exists()
        again = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        if again.returncode:
            sys.exit(again.stderr)
        weights = [(folder / "model.safetensors").read_bytes() for folder in (model, broken)]
        print(
            f"killed after its first checkpoint: {killed}; resumed, same bytes: {weights[0] == weights[1]}"
        )


def plan(options: argparse.Namespace) -> None:
    """Print what `seqgra plan` foresees for a cell, and what its training took."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(
            "name: one\ngrammars: [mc2-dna1000-homer]\narchitectures: [deepstarr]\nsizes: [4000]\n"
            f"attribution: {{methods: []}}\nprobe: false\ntrain: {{device: {options.device}}}\n"
        )
        print(seqgra("plan", config).stdout)
        data = Path(folder) / "data"
        seqgra("simulate", "mc2-dna1000-homer", "-o", data, "--size", 4000)
        started = time.perf_counter()
        made = seqgra(
            "train", data, "deepstarr", "-o", f"{folder}/model", "--device", options.device
        )
        said = (made.stdout + made.stderr).strip()[-80:]
        print(f"trained in {time.perf_counter() - started:.0f} s: {said}")


PARTS = {part.__name__: part for part in (everything, throughput, together, resume, plan)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    options = parser.parse_args()
    assert len(ALPHABETS["DNA"].letters) == LETTERS
    pytorch.prepare_process(1)
    PARTS[options.part](options)


if __name__ == "__main__":
    main()
