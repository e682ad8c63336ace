"""A trained network outside seqgra: a plain state_dict, and a Python file that needs PyTorch alone."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as save_weights
from torch import nn

from seqgra.alphabet import ALPHABETS, DNA, PROTEIN, RNA
from seqgra.backends import pytorch_layers as layers
from seqgra.errors import InputError, bad_argument
from seqgra.fingerprint import replacing, write_atomically
from seqgra.model import ModelCard
from seqgra.outputs import own_files

#: Arguments that make a module of PyTorch again, by its class.
_ARGUMENTS: dict[type[nn.Module], Callable[[Any], str]] = {
    nn.Conv1d: lambda m: (
        f"{m.in_channels}, {m.out_channels}, {m.kernel_size[0]}, stride={m.stride[0]}, "
        f"padding={m.padding!r}, dilation={m.dilation[0]}, groups={m.groups}, bias={m.bias is not None}"
    ),
    nn.Linear: lambda m: f"{m.in_features}, {m.out_features}",
    nn.BatchNorm1d: lambda m: f"{m.num_features}, eps={m.eps}, momentum={m.momentum}",
    nn.LayerNorm: lambda m: f"{m.normalized_shape[0]}, eps={m.eps}",
    nn.Dropout: lambda m: f"{m.p}",
    nn.MaxPool1d: lambda m: f"{m.kernel_size}, stride={m.stride}",
    nn.AvgPool1d: lambda m: f"{m.kernel_size[0]}, stride={m.stride[0]}",
    nn.RNNBase: lambda m: (
        f"{m.input_size}, {m.hidden_size}, {m.num_layers}, batch_first=True, "
        f"bidirectional={m.bidirectional}, dropout={m.dropout}"
    ),
    **dict.fromkeys(
        (nn.Flatten, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh),
        lambda m: "",
    ),
    nn.Softplus: lambda m: "",
}
_FILE = '''"""{title}

From one-hot float32 (N, {letters}, {window}), letters {alphabet}, to logits (N, {outputs}), one for each of
CONDITIONS. {probabilities}

    from network import load, one_hot
    logits = load("network.safetensors")(one_hot(["{example}"]))
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

LETTERS = {alphabet!r}
WINDOW = {window}
CONDITIONS = {condition_names}


{classes}def made(kind: type[nn.Module], **parts: object) -> nn.Module:
    """Return a module of a class above: its layers, its parameters, and its settings."""
    module = kind.__new__(kind)
    nn.Module.__init__(module)
    for name, part in parts.items():
        if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
            module.register_buffer(name, part)
        else:
            setattr(module, name, part)
    return module


def build() -> nn.Module:
    """Return the network before its weights are loaded."""
    return {module}


def load(file: str) -> nn.Module:
    """Return the network with the weights of a file, in evaluation mode."""
    from safetensors.torch import load_file

    model = build()
    model.load_state_dict(load_file(file))
    return model.eval()


def one_hot(sequences: list[str]) -> torch.Tensor:
    """Return sequences as float32 (N, {letters}, {window}).

    Case is ignored; what is no letter of LETTERS, and what is missing at the end of a shorter sequence, is a
    column of zeros; a longer sequence, a protein without the * at its end, is cut to the window about its
    middle.
    """
    encoded = torch.zeros(len(sequences), len(LETTERS), WINDOW)
    for row, sequence in zip(encoded, sequences, strict=True):
        letters = {upper}
        first = max(0, len(letters) - WINDOW) // 2
        for position, letter in enumerate(letters[first : first + WINDOW]):
            if letter in LETTERS:
                row[LETTERS.index(letter), position] = 1
    return encoded
'''


def export_network(module: nn.Module, card: ModelCard, folder: Path, keras: bytes = b"") -> str:
    """Write ``network.py`` and ``network.safetensors``, which need no seqgra.

    Parameters
    ----------
    module, card
        A network that seqgra has trained, and what it is built from.
    folder
        Where to; other files there stay, those of an earlier export are replaced.
    keras
        A .keras file of the same network, if there is one.

    Returns
    -------
    str
        The names of the files.

    Raises
    ------
    InputError
        If the network is a class of the user's own, or a file there is not of an earlier export.
    """
    text = source_of(module, card)
    with own_files(folder, "export-model") as own:
        write_atomically(own.file("network.py"), text)
        with replacing(own.file("network.safetensors")) as stream:
            stream.write(save_weights(_state(module)))
        if keras:
            with replacing(own.file("network.keras")) as stream:
                stream.write(keras)
    return f"network.py, network.safetensors{', network.keras' if keras else ''}"


def source_of(module: nn.Module, card: ModelCard) -> str:
    """Return the text of a Python file that builds a trained network with PyTorch alone.

    Raises
    ------
    InputError
        If the network is a class of the user's own.
    """
    if not card.architecture:
        raise own_module("a torch module of your own")
    network, _ = card.network("model")
    if network.module:
        raise own_module(f"the class {network.module}")
    alphabet = ALPHABETS[card.alphabet]
    same = {DNA: '.replace("U", "T")', RNA: '.replace("T", "U")', PROTEIN: '.removesuffix("*")'}[
        alphabet
    ]
    links = {"multi-class": "softmax(dim=1)", "multi-label": "sigmoid()"}
    return _FILE.format(
        title="A network that seqgra has trained.",
        letters=len(alphabet.letters),
        window=card.window,
        alphabet=alphabet.letters,
        outputs=len(card.conditions),
        condition_names=ascii(list(card.conditions)),
        probabilities=f"Their probabilities are logits.{links[card.task]}.",
        example=alphabet.letters[:4],
        classes=_classes(module),
        module=_expression(module, "    "),
        upper=f"sequence.upper(){same}",
    )


def own_module(what: str) -> InputError:
    """Return (not raise) the refusal to export what the user has written."""
    return bad_argument("model", f"is {what}, which needs no export: keep its file and state_dict")


def _is_own(kind: type) -> bool:
    return kind.__module__ == layers.__name__


def _classes(module: nn.Module) -> str:
    """Return the text of seqgra's classes in a module, without what makes them from an architecture."""
    kinds = {kind for part in module.modules() for kind in type(part).__mro__ if _is_own(kind)}
    composite = layers.Composite in kinds
    kinds |= {layers.Steps} if composite else set()
    texts = []
    for kind in sorted(kinds, key=lambda kind: inspect.getsourcelines(kind)[1]):
        texts.append(_without_init(inspect.getsource(kind)))
        if kind is layers.Steps:
            texts.append("_STEPS = Steps()\n")
    return "".join(f"{text}\n\n" for text in texts)


def _without_init(text: str) -> str:
    """Return the text of a class without its `__init__`."""
    lines = text.splitlines()
    (kind,) = ast.parse(text).body
    assert isinstance(kind, ast.ClassDef)
    for node in kind.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            del lines[node.lineno - 2 : node.end_lineno]  # and the empty line before it
    return "\n".join(lines) + "\n"


def _expression(part: object, indent: str) -> str:
    """Return the Python expression that makes a part of a network; its later lines begin with `indent`."""
    if isinstance(part, nn.Parameter):
        return f"nn.Parameter(torch.zeros({tuple(part.shape)}))"
    if isinstance(part, torch.Tensor):
        return f"torch.zeros({tuple(part.shape)}, dtype={part.dtype})"
    if not isinstance(part, nn.Module):
        return repr(part)
    kind, deeper = type(part), f"{indent}    "
    name = kind.__name__ if _is_own(kind) else f"nn.{kind.__name__}"
    for known, arguments in _ARGUMENTS.items():
        if isinstance(part, known):
            return f"{name}({arguments(part)})"
    if isinstance(part, nn.Sequential | nn.ModuleList):
        lines = [_expression(child, deeper) for child in part]
        start, end = ("(", ")") if isinstance(part, nn.Sequential) else ("([", "])")
    else:
        assert _is_own(kind), f"{kind.__name__} is missing in _ARGUMENTS"
        lines = [name, *(f"{key}={_expression(own, deeper)}" for key, own in _own_parts(part))]
        name, start, end = "made", "(", ")"
    return f"{name}{start}\n{''.join(f'{deeper}{line},{chr(10)}' for line in lines)}{indent}{end}"


def _own_parts(module: nn.Module) -> Iterator[tuple[str, object]]:
    """Yield the names and values of what a module holds: layers, parameters, buffers, settings."""
    yield from module.named_children()
    yield from module.named_parameters(recurse=False)
    yield from module.named_buffers(recurse=False)
    for name, value in vars(module).items():
        if not name.startswith("_") and name != "training":
            yield name, value


def _state(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return all parameters and buffers by their names, with those that are no part of a state_dict."""
    tensors = {**module.state_dict(), **dict(module.named_buffers())}
    return {name: values.detach().cpu().contiguous() for name, values in tensors.items()}
