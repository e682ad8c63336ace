"""Training examples per second beside a bare torch loop on the same model, in the same run.

    python benchmarks/train.py [--architecture conv10w-fc5] [--size 4000] [--window 1000]
        [--epochs 3] [--device cpu] [--rounds 5] [--memory]

The bare loop trains the same module on tensors that are one-hot encoded in memory beforehand, with the
same optimiser, clipping and batches, and does nothing else. Ours draws the order, encodes letters batch
by batch, adds up the loss, validates, keeps the best weights and writes history. Validation is counted
in both (the bare loop runs the same forward passes). Predictions are compared in the same way. Rounds
are interleaved; a ratio is the median over rounds. On a CPU, seconds are those of the processor.
With --memory one training is measured instead: what it adds to the process at its peak.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from seqgra.architecture.load import architecture_content, resolve_architecture
from seqgra.architecture.schema import Network
from seqgra.backends import pytorch, pytorch_layers, pytorch_letters, pytorch_training
from seqgra.dataset import open_dataset, split_size
from seqgra.fingerprint import Identity, claim
from seqgra.training import TrainingData, TrainingOptions, card_of, engine_used

GRAMMARS = {150: "mc2-dna150-homer", 1000: "mc2-dna1000-homer"}


def bare_loop(network: Network, data: TrainingData, device: torch.device) -> float:
    """Return seconds of training on tensors already encoded in memory."""
    encode = pytorch_letters.OneHot(4, device)
    tensors = [torch.from_numpy(np.array(a)).to(device) for a in (data.x, data.validation_x)]
    x, validation = (encode(codes).clone() for codes in tensors)
    y = torch.from_numpy(data.y.argmax(axis=1)).to(device)
    validation_y = torch.from_numpy(data.validation_y.argmax(axis=1)).to(device)
    module = pytorch_layers.build(network, 4, x.shape[2], 2, "bare").to(device)
    optimizer = pytorch_training.make_optimizer(network.optimizer, module)
    synchronise(device)
    started = clock(device)
    for _ in range(network.training.epochs):
        module.train()
        for rows in torch.randperm(len(x), device=device).split(network.training.batch_size):
            loss = nn.functional.cross_entropy(module(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            pytorch_training.clip_gradients(module, network.training)
            optimizer.step()
        module.eval()
        with torch.inference_mode():
            for start in range(0, len(validation), 512):
                part = slice(start, start + 512)
                nn.functional.cross_entropy(module(validation[part]), validation_y[part])
    synchronise(device)
    return clock(device) - started


def ours(network: Network, data: TrainingData, device: str, engine: str = "auto") -> float:
    """Return seconds of our training, data transfer, history and best weights included."""
    with (
        tempfile.TemporaryDirectory() as folder,
        claim(Path(folder), Identity("train", 0)) as draft,
    ):
        on = pytorch.choose_device(device)
        started = clock(on)
        used = engine_used(network, "", "pytorch", engine, device)
        pytorch_training.fit(network, data, TrainingOptions(0, device, 1, engine=used), draft)
        return clock(on) - started


#: Letters of the sequences whose predictions are timed, at least.
PREDICTED = 3_000_000


def bare_predictions(module: torch.nn.Module, x: torch.Tensor) -> float:
    """Return seconds of predictions of one-hot sequences already encoded in memory."""
    started = clock(x.device)
    with torch.inference_mode():
        for part in x.split(512):
            module(part).cpu().numpy()
    return clock(x.device) - started


def our_predictions(model: pytorch.PytorchModel, x: np.ndarray, device: torch.device) -> float:
    """Return seconds of our predictions of the same sequences, as letter codes."""
    started = clock(device)
    model.logits(x)
    return clock(device) - started


def compare_predictions(
    network: Network, data: TrainingData, device: torch.device, rounds: int
) -> list[float]:
    """Return ratios of speed, ours to the bare loop's, one a round."""
    module = pytorch_layers.build(network, 4, data.x.shape[1], 2, "bare")
    model = pytorch.PytorchModel(module, card_of(network, data), device)
    window = data.x.shape[1]  # again and again: fewer letters are predicted too fast to time
    codes = np.resize(data.x, (max(len(data.x), PREDICTED // window), window))
    x = pytorch_letters.OneHot(4, device)(torch.from_numpy(codes).to(device))
    our_predictions(model, codes, device), bare_predictions(model.module, x)
    return [
        bare_predictions(model.module, x) / our_predictions(model, codes, device)
        for _ in range(3 * rounds)
    ]


def memory(network: Network, data: TrainingData, device: str, size: int) -> str:
    """Return the growth of the process during one training, beside data and model."""
    few = data._replace(x=data.x[:200], y=data.y[:200])
    few = few._replace(validation_x=few.validation_x[:200], validation_y=few.validation_y[:200])
    ours(network, few, device)  # what libraries take at their first use is no part of it
    before = peak()
    ours(network, data, device)
    grown = peak() - before
    letters = (data.x.nbytes + data.validation_x.nbytes) / 2**20
    module = pytorch_layers.build(network, 4, data.x.shape[1], 2, "bare")
    weights = sum(p.nbytes for p in module.parameters()) / 2**20
    return (
        f"{size:,} examples: letters {letters:.0f} MiB, weights {weights:.1f} MiB, the process grew by "
        f"{grown:.0f} MiB: {grown / (letters + weights):.2f} of both together"
    )


def peak() -> float:
    """Return the largest MiB that this process has held, mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def clock(device: torch.device) -> float:
    """Return seconds of this process on a CPU, whatever else runs there; otherwise of the wall."""
    return time.process_time() if device.type == "cpu" else time.perf_counter()


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", default="conv10w-fc5")
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--window", type=int, choices=GRAMMARS, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    options = parser.parse_args()
    content, file = architecture_content(options.architecture)
    content["training"] = {
        **content.get("training", {}),
        "epochs": options.epochs,
        "patience": options.epochs,
    }
    network = resolve_architecture(content, file)
    assert isinstance(network, Network)
    device = pytorch.choose_device(options.device)
    pytorch.prepare_process(1)
    with tempfile.TemporaryDirectory() as folder:
        counts = split_size(options.size)
        grammar = Path("grammars") / f"{GRAMMARS[options.window]}.yaml"
        subprocess.run(  # of another process, so that simulating is not counted as memory
            [sys.executable, "-m", "seqgra.cli", "simulate", grammar, "-o", folder]
            + ["--size", str(options.size)],
            check=True,
        )
        dataset = open_dataset(Path(folder))
        arrays = []
        for name in ("training", "validation"):
            arrays += [dataset.x(name), dataset.y(name)]
        data = TrainingData(*arrays, dataset)
        if options.memory:
            print(f"{options.architecture}: {memory(network, data, options.device, options.size)}")
            return
        ours(network, data, options.device), bare_loop(network, data, device)
        seconds = {"bare": [], "seqgra": []}
        for _ in range(options.rounds):
            seconds["bare"].append(bare_loop(network, data, device))
            seconds["seqgra"].append(ours(network, data, options.device))
            print(", ".join(f"{name} {s[-1]:.1f} s" for name, s in seconds.items()), flush=True)
        report(options, network, seconds, counts["training"], device)
        predictions = compare_predictions(network, data, device, options.rounds)
        print(f"predictions, of a bare forward loop: {statistics.median(predictions):.2f}")


def report(
    options: argparse.Namespace,
    network: Network,
    seconds: dict[str, list[float]],
    examples: int,
    device: torch.device,
) -> None:
    """Print examples per second of both loops, and their ratio."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu, 1 thread"
    print(
        f"{options.architecture}, {options.window} nt, batch {network.training.batch_size}, {name}"
    )
    for key, values in seconds.items():
        rate = examples * options.epochs / statistics.median(values)
        ratios = [b / s for b, s in zip(seconds["bare"], values, strict=True)]
        print(f"{key:8} {rate:>9,.0f} examples/s   {statistics.median(ratios):.2f}", flush=True)


if __name__ == "__main__":
    main()
