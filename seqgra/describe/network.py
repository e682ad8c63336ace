"""Describe a network: its layers with shapes, parameters and multiplications, as a table and a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.layers import Layer, LayerCost, LayerRow, Repeat, Shape, shapes_through
from seqgra.architecture.schema import Architecture, BayesOptimal, Network
from seqgra.architecture.shapes import check_fit, layer_shapes
from seqgra.describe.rules import table
from seqgra.errors import bad_input
from seqgra.fingerprint import write_atomically
from seqgra.model import MULTI_CLASS, MULTI_LABEL
from seqgra.outputs import own_files


def network_rows(
    network: Network, alphabet: str, window: int, outputs: int, file: str
) -> list[LayerRow]:
    """Return the layers of a network from input to output, those inside of others after them.

    Parameters
    ----------
    network
        A network of layers.
    alphabet, window, outputs
        Of the sequences, their letters, and the number of conditions.
    file
        What problems are said to be in.

    Raises
    ------
    InputError
        If a layer cannot work on what it gets, or the network is a module of the user's.
    """
    if not network.layers:
        raise bad_input(
            file, "module", "is Python of your own; only networks of layers are described"
        )
    by_label = network.loss == "bce"  # the one key that does not suit every task
    check_fit(network, alphabet, window, MULTI_LABEL if by_label else MULTI_CLASS, file)
    letters = len(ALPHABETS[alphabet].letters)
    last = layer_shapes(network, letters, window, file)[-1]
    start = Shape(letters, window)
    dense = LayerCost((last.channels + 1) * outputs, last.channels * outputs)
    return [
        LayerRow(0, "input", f"one-hot {alphabet}", start, LayerCost()),
        *_rows(network.layers, start, 0),
        LayerRow(0, "output", "dense, a logit for each condition", Shape(outputs, 0), dense),
    ]


def _rows(layers: tuple[Layer, ...], shape: Shape, depth: int) -> Iterator[LayerRow]:
    shapes = shapes_through(layers, shape, "layers")
    for layer, before, after in zip(layers, shapes[:-1], shapes[1:], strict=True):
        yield LayerRow(depth, layer.kind, _text(layer), after, layer.cost(before))
        paths = list(layer.inside())
        for number, (_, path) in enumerate(paths):
            if len(paths) > 1:
                end = shapes_through(path, before, "layers")[-1]
                words = f"path {number + 1}" if path else f"path {number + 1}: passes on"
                yield LayerRow(depth + 1, "path", words, end, LayerCost())
            inside = depth + 1 + (len(paths) > 1)
            yield from _rows(path, before, inside)


def _text(layer: Layer) -> str:
    """Return a layer in words: its kind and what is not the default, the layers inside left out."""
    if isinstance(layer, Repeat):
        doubled = ", dilation doubled each time" if layer.dilation == "double" else ""
        return f"repeat {layer.times} times{doubled}"
    inside = {key.partition("[")[0] for key, _ in layer.inside()}
    options = layer.model_dump(exclude_defaults=True, exclude={"kind", *inside})
    words = [
        {True: key, False: f"no {key}"}[value] if isinstance(value, bool) else f"{key} {value}"
        for key, value in options.items()
    ]
    return f"{layer.kind}: {', '.join(words).replace('_', ' ')}" if words else layer.kind


def describe_network(
    architecture: Architecture,
    name: str,
    folder: Path | None = None,
    *,
    alphabet: str = "DNA",
    window: int = 150,
    outputs: int = 2,
) -> str:
    """Describe a network of layers.

    Parameters
    ----------
    architecture
        What `load_architecture` returned.
    name
        Its name, or its file.
    folder
        Where to write description.md and the picture network (SVG, PDF, PNG); None: nothing.
    alphabet, window, outputs
        Of the sequences, their letters, and the number of conditions.

    Returns
    -------
    str
        A table, Markdown that reads as plain text.

    Raises
    ------
    InputError
        If it is no network of layers, or one that does not fit such sequences.
    """
    if not isinstance(architecture, Network):
        kind = "the exact posterior" if isinstance(architecture, BayesOptimal) else "a baseline"
        raise bad_input(name, "", f"is {kind}; only networks are described layer by layer")
    rows = network_rows(architecture, alphabet, window, outputs, name)
    title = f"{Path(name).stem}: {alphabet}, {window} letters, {outputs} conditions"
    text = _document(title, architecture.description, rows)
    if folder:
        from seqgra.plot.network import network_figure
        from seqgra.plot.style import save

        with own_files(folder, "describe") as own:
            write_atomically(own.file("description.md"), text)
            save(network_figure(rows, title), own.figure("network"))
    return text


def _document(title: str, description: str, rows: list[LayerRow]) -> str:
    cells: list[tuple[str, ...]] = []
    for row in rows:
        numbers = [f"{each:,}" if each else "" for each in row.cost[:2]]
        cells.append(("· " * row.depth + row.text, str(row.shape), *numbers))
    total = [sum(row.cost[i] for row in rows if row.depth == 0) for i in (0, 1)]
    cells.append(("in all", "", f"{total[0]:,}", f"{total[1]:,}"))
    lines = table(("layer", "shape after it", "parameters", "multiplications"), cells, numbers=2)
    head = f"# {title}\n\n" + (f"{description}\n\n" if description else "")
    return head + "\n".join(lines) + "\n"
