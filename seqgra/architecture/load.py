"""Architecture name, file or descriptor -> checked object, and its fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqgra.architecture.custom import read_sources
from seqgra.architecture.descriptor import looks_like_descriptor, parse_descriptor
from seqgra.architecture.optimizers import Optimizer, Sgd
from seqgra.architecture.schema import Architecture, Baseline, BayesOptimal, Network
from seqgra.digest import digest
from seqgra.errors import bad_input, raise_problems
from seqgra.library import ARCHITECTURES, find_named, library_folders, named_files
from seqgra.yamlfile import read_yaml, suggest, validate


def load_architecture(name: str | Path, library: Path | None = None) -> Architecture:
    """Read an architecture given by file, by name in architectures/, or by descriptor.

    Parameters
    ----------
    name
        Which.
    library
        A folder of the user's own that holds architectures/; see `library_folders`.

    Raises
    ------
    InputError
        If there is none, or the file is wrong (every problem at once).
    """
    content, file = architecture_content(name, library)
    return resolve_architecture(content, file)


def architecture_content(name: str | Path, library: Path | None = None) -> tuple[Any, str]:
    """Return the unchecked content of an architecture and the name for messages.

    Raises
    ------
    InputError
        If there is no such file or descriptor.
    """
    folders = library_folders(library)
    if file := find_named(name, ARCHITECTURES, folders):
        return read_yaml(file), str(file)
    if looks_like_descriptor(str(name)):
        return parse_descriptor(str(name)), str(name)
    advice = suggest(str(name), list(named_files(ARCHITECTURES, folders)))
    raise bad_input(name, "", f"no such architecture file nor descriptor; {advice}")


def resolve_architecture(
    content: Any, file: str, sources: dict[str, str] | None = None
) -> Architecture:
    """Check the content of an architecture file.

    Parameters
    ----------
    content, file
        What YAML gave, and its name for messages.
    sources
        Text of the file that each name of the user's own is taken from, where they are known already.

    Raises
    ------
    InputError
        Holding every problem found.
    """
    model: type[Architecture] = Network
    if (
        isinstance(content, dict)
        and not content.keys() & {"layers", "module"}
        and "backend" in content
    ):
        model = BayesOptimal if content["backend"] == "bayes-optimal" else Baseline
    architecture, problems = validate(model, content, file)
    raise_problems(problems)
    if isinstance(architecture, BayesOptimal):
        return architecture
    if sources is None:
        sources = read_sources(architecture, file)
    return architecture.with_sources(sources) if architecture.own_names else architecture


def architecture_fingerprint(architecture: Architecture, *, with_candidates: bool = False) -> str:
    """Return the hash of all that can change a trained model (descriptions do not).

    Defaults are left out, so that a key that a later version adds does not rename every model.
    With candidates it is that of all that can change a tuning as well.
    """
    unused = {"description", "backend"} if isinstance(architecture, Network) else {"description"}
    if not with_candidates:
        unused |= {"tune"}
    content = architecture.model_dump(mode="json", exclude=unused, exclude_defaults=True)
    if isinstance(architecture, Network) and architecture.module:
        content["source"] = architecture.source
    if isinstance(architecture, Baseline) and architecture.own_names:
        content["sources"] = architecture.sources
    return digest(content)


def untuned_fingerprint(network: Network) -> str:
    """Return the hash of all that can change a trained model but for the optimiser's settings."""
    return architecture_fingerprint(network.with_optimizer(Optimizer(sgd=Sgd())))
