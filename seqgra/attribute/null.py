"""Sequences of background alone, and networks that have learnt nothing: what recovery is compared with."""

from __future__ import annotations

import numpy as np

from seqgra.alphabet import SETS
from seqgra.dataset import Dataset
from seqgra.law.background import compile_background, sample
from seqgra.model import AbstractModel, NotDefined
from seqgra.streams import stream

#: Background sequences of each condition, and of all conditions, at most; but at least `LEAST` each.
EACH, ALL, LEAST = 100, 1000, 20


def background_only(dataset: Dataset, set_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return sequences of the background of each condition, without any element.

    They have the longest length, and are the same for every model and method of a grammar.

    Returns
    -------
    (ndarray, ndarray)
        uint8 (K, L) letter codes; int64 (K,) the condition, ascending.
    """
    conditions = len(dataset.conditions)
    each = max(LEAST, min(EACH, ALL // conditions))
    explained = np.repeat(np.arange(conditions), each)
    law = compile_background(dataset.grammar, SETS)
    x = np.empty((explained.size, dataset.window), np.uint8)
    streams = (stream(0, stage, "background only", 0) for stage in ("background", "choice"))
    sample(law, law.law_of[SETS.index(set_name), explained], *streams, x)
    return x, explained


def untrained(model: AbstractModel, seed: int = 0) -> AbstractModel:
    """Return a network of the same architecture with weights drawn anew, of the PyTorch backend.

    Structure alone makes attributions uneven (doi:10.48550/arXiv.1810.03292).

    Raises
    ------
    NotDefined
        If the model is no network.
    """
    recipe = getattr(model, "recipe", {})
    if "architecture" not in recipe:
        raise NotDefined(f"{type(model).__name__} is no network: it has no untrained twin")
    import torch

    from seqgra.backends import pytorch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = pytorch.build_from_recipe(recipe, "the model")
    return pytorch.PytorchModel(module, recipe, pytorch.choose_device("auto"))
