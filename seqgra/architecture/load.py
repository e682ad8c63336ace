"""Architecture name, file or descriptor -> checked object, and its fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqgra.alphabet import ALPHABETS
from seqgra.architecture.custom import Sizes, read_source
from seqgra.architecture.descriptor import looks_like_descriptor, parse_descriptor
from seqgra.architecture.optimizers import Optimizer, Sgd
from seqgra.architecture.schema import Architecture, Baseline, BayesOptimal, Network
from seqgra.errors import bad_input, raise_problems
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


def resolve_architecture(content: Any, file: str, source: str | None = None) -> Architecture:
    """Check the content of an architecture file.

    Parameters
    ----------
    content, file
        What YAML gave, and its name for messages.
    source
        Text of the file that a custom module stands in, where it is known already.

    Raises
    ------
    InputError
        Holding every problem found.
    """
    model: type[Architecture] = Network
    if isinstance(content, dict) and "backend" in content:
        model = BayesOptimal if content["backend"] == "bayes-optimal" else Baseline
    architecture, problems = validate(model, content, file)
    raise_problems(problems)
    if not isinstance(architecture, Network):
        return architecture
    return read_source(architecture, file) if source is None else architecture.with_source(source)


def of_recipe(recipe: Mapping[str, Any], file: str) -> tuple[Network, Sizes]:
    """Return the network of a model's recipe and what it is built for.

    Raises
    ------
    InputError
        If the recipe's architecture is wrong.
    """
    network = resolve_architecture(recipe["architecture"], file, recipe.get("source", ""))
    assert isinstance(network, Network)
    letters = len(ALPHABETS[recipe["alphabet"]].letters)
    return network, Sizes(letters, recipe["window"], len(recipe["conditions"]))


def architecture_fingerprint(architecture: Architecture) -> str:
    """Return the hash of all that can change a trained model (descriptions do not).

    Defaults are left out, so that a key that a later version adds does not rename every model.
    """
    unused = {"description", "tune"}
    content = architecture.model_dump(mode="json", exclude=unused, exclude_defaults=True)
    if isinstance(architecture, Network) and architecture.module:
        content["source"] = architecture.source
    return digest(content)


def untuned_fingerprint(network: Network) -> str:
    """Return the hash of all that can change a trained model but for the optimiser's settings."""
    return architecture_fingerprint(network.with_optimizer(Optimizer(sgd=Sgd())))
