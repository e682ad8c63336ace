"""Grammars and architectures with some keys changed, as a config or `seqgra variant` asks."""

from __future__ import annotations

from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import yaml

from seqgra.architecture.custom import module_file
from seqgra.architecture.load import architecture_content, resolve_architecture
from seqgra.architecture.schema import Architecture, Baseline, BayesOptimal
from seqgra.errors import InputError
from seqgra.grammar.load import merge, resolve
from seqgra.grammar.schema import Grammar
from seqgra.yamlfile import read_yaml


def grammar_variant(file: Path, changes: dict[str, Any]) -> Grammar:
    """Return the grammar of `file` with changes: mappings merge, lists replace.

    Raises
    ------
    InputError
        If the file is wrong, or the changed grammar, which messages call the file (changed).
    """
    content = read_yaml(file)
    changed = merge(content, {k: v for k, v in changes.items() if k != "from"})
    try:
        return resolve(changed, Path(f"{file} (changed)"), file.parent)
    except InputError:
        resolve(content, file, file.parent)  # what is wrong may be the file's own
        raise


def grammar_text(grammar: Grammar) -> str:
    """Return the text of a variant's file."""
    return yaml.safe_dump(grammar_content(grammar), sort_keys=False)


def architecture_text(architecture: Architecture) -> str:
    """Return the text of a variant's file; what it leaves out may be the library's to say."""
    content = architecture.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump(content, sort_keys=False)


def grammar_content(grammar: Grammar) -> dict[str, Any]:
    """Return what the file of a variant holds, JSON-like."""
    return grammar.model_dump(mode="json", exclude_none=True)


def architecture_variant(base: str, changes: dict[str, Any]) -> Architecture:
    """Return an architecture with changes: mappings merge, lists replace.

    Raises
    ------
    InputError
        If there is no such base, it is wrong, or the changed architecture, which messages call the base
        (changed).
    """
    own, file = architecture_content(base)
    content = merge(own, {k: v for k, v in changes.items() if k != "from"})
    for key in {"optimizer", "schedule"} & changes.keys():  # a choice of one: a change replaces it
        content[key] = changes[key]
    try:
        found = resolve_architecture(content, f"{file} (changed)" if changes else file)
    except InputError:
        resolve_architecture(own, file)  # what is wrong may be the file's own
        raise
    return _with_paths(found, file) if changes else found


def _with_paths(found: Architecture, file: str) -> Architecture:
    """Return an architecture that names files of the user's own from the working folder, not from its own."""
    if isinstance(found, BayesOptimal) or not found.own_names:
        return found
    content = found.model_dump(mode="json", exclude_unset=True)
    texts = found.sources if isinstance(found, Baseline) else {found.module: found.source}
    sources = {}
    for key, module in found.own_names.items():
        name, _, what = module.rpartition(":")
        path, (*outer, last) = module_file(module, file, key), key.split(".")
        near = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        named = module if path == Path(name) else f"{near}:{what}"
        reduce(getitem, outer, content)[last] = named
        sources[named] = texts[module]
    return resolve_architecture(content, file, sources)
