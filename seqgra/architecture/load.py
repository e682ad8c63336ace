"""Architecture name, file or descriptor -> checked object, and the shapes of its layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from seqgra.architecture.descriptor import looks_like_descriptor, parse_descriptor
from seqgra.architecture.schema import (
    Architecture,
    Baseline,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    GlobalMaxPool,
    Layer,
    MaxPool,
    Network,
)
from seqgra.errors import Problem, bad_input, raise_problems
from seqgra.fingerprint import digest
from seqgra.yamlfile import read_yaml, suggest, validate


def load_architecture(name: str, folder: Path = Path("architectures")) -> Architecture:
    """Read an architecture given by file, by name in `folder`, or by descriptor.

    Raises
    ------
    InputError
        If there is none, or the file is wrong (every problem at once).
    """
    content, file = architecture_content(name, folder)
    return resolve_architecture(content, file)


def architecture_content(name: str, folder: Path = Path("architectures")) -> tuple[Any, str]:
    """Return the unchecked content of an architecture and the name for messages.

    Raises
    ------
    InputError
        If there is no such file or descriptor.
    """
    for candidate in (Path(name), folder / f"{name}.yaml"):
        if candidate.is_file():
            return read_yaml(candidate), str(candidate)
    if looks_like_descriptor(name):
        return parse_descriptor(name), name
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    advice = suggest(name, known)
    raise bad_input(name, "", f"no such architecture file nor descriptor; {advice}")


def resolve_architecture(content: Any, file: str) -> Architecture:
    """Check the content of an architecture file.

    Raises
    ------
    InputError
        Holding every problem found.
    """
    model: type[Architecture] = (
        Baseline if isinstance(content, dict) and "backend" in content else Network
    )
    architecture, problems = validate(model, content, file)
    raise_problems(problems)
    return architecture


def architecture_fingerprint(architecture: Architecture) -> str:
    """Return the hash of all that can change a trained model (descriptions do not).

    Defaults are left out, so that a key that a later version adds does not rename every model.
    """
    return digest(
        architecture.model_dump(mode="json", exclude={"description"}, exclude_defaults=True)
    )


class Shape(NamedTuple):
    """Shape of one example between layers: channels and positions; length 0 once flattened."""

    channels: int
    length: int

    @property
    def flat(self) -> bool:
        """Whether the values are one vector."""
        return self.length == 0


def layer_shapes(network: Network, letters: int, window: int, file: str) -> list[Shape]:
    """Return the input shape of every layer, and last the shape that the output layer sees.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets; the message names it.
    """
    shapes = [Shape(letters, window)]
    for number, layer in enumerate(network.layers):
        try:
            shapes.append(_shape_after(layer, shapes[-1]))
        except ValueError as error:
            place = f"layers[{number}].{layer.kind}"
            raise_problems([Problem(file, place, f"{error} (window of {window} letters)")])
    if not shapes[-1].flat:
        message = "ends without flatten or global-max-pool; add one before the output layer"
        raise bad_input(file, "layers", message)
    return shapes


def _shape_after(layer: Layer, shape: Shape) -> Shape:
    if isinstance(layer, Dense):
        if not shape.flat:
            raise ValueError("needs one vector; put flatten or global-max-pool before it")
        return Shape(layer.units, 0)
    if isinstance(layer, (Conv, MaxPool, GlobalMaxPool, Flatten)) and shape.flat:
        raise ValueError("needs positions, but the values are already one vector")
    if isinstance(layer, Conv):
        return Shape(layer.filters, _length_after_conv(layer, shape.length))
    if isinstance(layer, MaxPool):
        if layer.width > shape.length:
            raise ValueError(f"is {layer.width} wide, but only {shape.length} positions are left")
        return Shape(
            shape.channels, (shape.length - layer.width) // (layer.stride or layer.width) + 1
        )
    if isinstance(layer, GlobalMaxPool):
        return Shape(shape.channels, 0)
    if isinstance(layer, Flatten):
        return Shape(shape.channels * shape.length, 0)
    return shape


def _length_after_conv(layer: Conv, length: int) -> int:
    if layer.padding == "same":
        return length
    reach = layer.dilation * (layer.width - 1) + 1
    if reach > length:
        raise ValueError(f"reaches over {reach} positions, but only {length} are left")
    return (length - reach) // layer.stride + 1


def count_parameters(network: Network, letters: int, window: int, outputs: int) -> int:
    """Return the number of trainable parameters, output layer included."""
    shapes = layer_shapes(network, letters, window, network.description)
    total = (shapes[-1].channels + 1) * outputs
    for layer, shape in zip(network.layers, shapes, strict=False):
        if isinstance(layer, Conv):
            total += layer.filters * (shape.channels * layer.width + 1)
        elif isinstance(layer, Dense):
            total += layer.units * (shape.channels + 1)
        elif isinstance(layer, BatchNorm):
            total += 2 * shape.channels
    return total
