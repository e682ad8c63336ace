"""Grammars and architectures with some keys changed, as a config or `seqgra variant` asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqgra.architecture.load import architecture_content, resolve_architecture
from seqgra.architecture.schema import Architecture
from seqgra.grammar.load import merge, resolve
from seqgra.grammar.schema import Grammar
from seqgra.yamlfile import read_yaml

#: Keys of a grammar whose text names a file.
_FILE_KEYS = {"motif", "file", "fasta"}


def grammar_variant(file: Path, changes: dict[str, Any]) -> Grammar:
    """Return the grammar of `file` with changes: mappings merge, lists replace.

    Raises
    ------
    InputError
        If the changed grammar is wrong.
    """
    content = merge(read_yaml(file), {k: v for k, v in changes.items() if k != "from"})
    return resolve(content, file, file.parent)


def grammar_content(grammar: Grammar) -> dict[str, Any]:
    """Return what the file of a variant holds, JSON-like."""
    return grammar.model_dump(mode="json", exclude_none=True)


def architecture_variant(base: str, changes: dict[str, Any], name: str) -> Architecture:
    """Return an architecture with changes: mappings merge, lists replace.

    Raises
    ------
    InputError
        If there is no such base, or the changed architecture is wrong.
    """
    content, file = architecture_content(base)
    content = merge(content, {k: v for k, v in changes.items() if k != "from"})
    for key in {"optimizer", "schedule"} & changes.keys():  # a choice of one: a change replaces it
        content[key] = changes[key]
    return resolve_architecture(content, f"{file} ({name})" if changes else file)


def files_named(content: Any) -> set[str]:
    """Return the files that a grammar names, relative to its folder: motifs, tables of laws, FASTA.

    >>> sorted(files_named({"a": [{"motif": "m.meme", "id": "x"}], "gap": {"file": "gaps.tsv"}}))
    ['gaps.tsv', 'm.meme']
    """
    if isinstance(content, dict):
        own = {v for k, v in content.items() if k in _FILE_KEYS and isinstance(v, str)}
        return own.union(*map(files_named, content.values()))
    if isinstance(content, (list, tuple)):
        return set[str]().union(*map(files_named, content))
    return set()
