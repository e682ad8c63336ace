"""Seconds of attribution methods beside the bare calls that they need, in the same run.

    python benchmarks/attribute.py [--examples 16] [--rounds 5]

Integrated and expected gradients: bare autograd calls on one batch, as many as there are steps or
references. Mutagenesis: bare
forward passes of tensors encoded beforehand. Sufficient subsets, of a network whose head is fitted to
nothing: seconds an example, all subsets, beside plain masking of an example, whose subsets must be the
same. Processor seconds; ratios are medians of interleaved rounds; one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from seqgra.alphabet import one_hot
from seqgra.architecture.load import architecture_content, resolve_architecture
from seqgra.attribute import gradients, sources
from seqgra.attribute.mutagenesis import mutagenesis
from seqgra.attribute.sufficient_subsets import PlainCandidates, sufficient_subsets
from seqgra.backends import pytorch
from seqgra.model import ModelCard

#: Steps of integrated gradients, references of expected ones.
STEPS = 100
MEAN = np.full(4, 0.25, np.float32)


def model_of(name: str, window: int) -> pytorch.PytorchModel:
    """Return an untrained model of an architecture."""
    network = resolve_architecture(*architecture_content(name))
    card = ModelCard(
        architecture=network.model_dump(mode="json"),
        alphabet="DNA",
        window=window,
        conditions=("a", "b"),
        task="multi-class",
    )
    torch.manual_seed(0)
    module = pytorch.build_from_card(card, name)
    return pytorch.PytorchModel(module, card, torch.device("cpu"))


def bare_gradients(model: pytorch.PytorchModel, inputs: np.ndarray, steps: int) -> float:
    """Return seconds of gradients of one batch, as many times as there are steps."""
    points = torch.from_numpy(inputs)
    started = time.process_time()
    for _ in range(steps):
        point = points.clone().requires_grad_()
        logits = model.module(point)
        explained = logits[:, 0] - logits.mean(dim=1)
        torch.autograd.grad(explained.sum(), point)[0].numpy()
    return time.process_time() - started


def our_gradients(model: pytorch.PytorchModel, inputs: np.ndarray, steps: int) -> float:
    """Return seconds of integrated gradients of the same batch."""
    target = np.zeros(len(inputs), np.int64)
    started = time.process_time()
    gradients.integrated_gradients(model.path_gradients, inputs, target, baseline=MEAN, steps=steps)
    return time.process_time() - started


def our_expected(model: pytorch.PytorchModel, inputs: np.ndarray, references: np.ndarray) -> float:
    """Return seconds of expected gradients of the same batch, references float32 (R, N, A, L)."""
    target = np.zeros(len(inputs), np.int64)
    started = time.process_time()
    gradients.expected_gradients(model.path_gradients, inputs, target, references=references)
    return time.process_time() - started


def bare_predictions(model: pytorch.PytorchModel, mutants: torch.Tensor) -> float:
    """Return seconds of predictions of encoded sequences."""
    started = time.process_time()
    with torch.inference_mode():
        for part in mutants.split(
            pytorch.batch_size(mutants.shape[2], model.module[-1].weight.device)
        ):
            model.module(part).numpy()
    return time.process_time() - started


def our_mutagenesis(model: pytorch.PytorchModel, x: np.ndarray) -> float:
    """Return seconds of in-silico mutagenesis."""
    inputs, target = one_hot(x, 4), np.zeros(len(x), np.int64)
    started = time.process_time()
    mutagenesis(sources.predictions(model, None), inputs, target, x=x)
    return time.process_time() - started


def subsets(model: pytorch.PytorchModel, x: np.ndarray, plain: int) -> tuple[float, float, int]:
    """Return seconds an example, of plain masking (of `plain` examples), and subsets an example."""
    target = np.arange(len(x)) % 2
    predict = sources.predictions(model, None)
    sufficient_subsets(sources.masking(model, None), predict, x[:4], target[:4], 0.9)  # compiles
    started = time.process_time()
    found = sufficient_subsets(sources.masking(model, None), predict, x, target, 0.9)
    ours = (time.process_time() - started) / len(x)
    if not plain:
        return ours, float("nan"), int(found.max(axis=1).sum())

    def whole(codes: np.ndarray, wanted: np.ndarray) -> PlainCandidates:
        return PlainCandidates(predict, codes, wanted)

    started = time.process_time()
    expected = sufficient_subsets(whole, predict, x[:plain], target[:plain], 0.9)
    bare = (time.process_time() - started) / plain
    same = (expected == found[:plain]).all(axis=1).mean()
    print(
        f"  subsets as those of plain masking in single precision: {same:.0%} of {plain} examples"
    )
    return ours, bare, int(found.max(axis=1).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    networks = [("conv10-conv10-gmp-fc5", 150), ("conv10w-gmp-fc5", 150), ("conv10w-gmp-fc5", 1000)]
    for name, window in [*networks, ("conv10w-fc5", 1000), ("conv-mp-fc", 1000)]:
        model = model_of(name, window)
        x = rng.integers(4, size=(options.examples, window)).astype(np.uint8)
        inputs = one_hot(np.repeat(x, 4, axis=0), 4)
        mutants = torch.from_numpy(
            one_hot(rng.integers(4, size=(3 * window, window)).astype(np.uint8), 4)
        )
        shuffles = rng.permuted(np.broadcast_to(x, (STEPS, *x.shape)), axis=2)
        references = one_hot(shuffles.reshape(-1, window), 4)
        references = np.repeat(references.reshape(STEPS, len(x), 4, window), 4, axis=1)
        for ours, given, what in (
            (our_gradients, STEPS, "integrated gradients"),
            (our_expected, references, "expected gradients"),
        ):
            bare_gradients(model, inputs, 2), ours(model, inputs, given)  # the first is slower
            pairs = [
                (bare_gradients(model, inputs, STEPS), ours(model, inputs, given))
                for _ in range(options.rounds)
            ]
            ratio = statistics.median(bare / own for bare, own in pairs)
            print(f"{name}, {window} nt: {what} {ratio:.2f} of bare gradient calls")
        pairs = [
            (bare_predictions(model, mutants), our_mutagenesis(model, x[:1]))
            for _ in range(options.rounds)
        ]
        ratio = statistics.median(bare / own for bare, own in pairs)
        print(f"{name}, {window} nt: mutagenesis {ratio:.2f} of bare forward passes")
    for window, plain in ((150, 4), (1000, 0)):
        x = rng.integers(4, size=(options.examples, window)).astype(np.uint8)
        ours, bare, count = subsets(model_of("conv10-conv10-gmp-fc5", window), x, plain)
        print(
            f"conv10-conv10-gmp-fc5, {window} nt: sufficient subsets {ours:.3f} s an example "
            f"({count} subsets in {len(x)} examples), plain masking {bare:.3f} s"
        )


if __name__ == "__main__":
    main()
