"""Networks that have learnt nothing: what attributions and probes are compared with."""

from __future__ import annotations

from seqgra.model import AbstractModel, ModelCard, NotDefined


def untrained(model: AbstractModel, device: str = "auto", seed: int = 0) -> AbstractModel:
    """Return a network of the same architecture with weights drawn anew, of the PyTorch backend.

    Structure alone makes attributions uneven (doi:10.48550/arXiv.1810.03292).

    Raises
    ------
    NotDefined
        If the model is no network.
    """
    card = getattr(model, "card", None)
    if not isinstance(card, ModelCard) or not card.is_network:
        raise NotDefined(f"{type(model).__name__} is no network: it has no weights to draw anew")
    import torch

    from seqgra.backends import pytorch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = pytorch.build_from_card(card, "the model")
    return pytorch.PytorchModel(module, card, pytorch.choose_device(device))
