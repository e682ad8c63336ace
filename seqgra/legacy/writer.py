"""Writing an imported grammar as YAML that people like to read and edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from seqgra.legacy.reader import Imported

#: Lists whose items take one line each.
_ONE_LINERS = ("spacing", "examples")


class _Row(list[Any]):
    """A list that is written on one line."""


class _Line(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(yaml.SafeDumper):
    """SafeDumper that indents lists and writes rows and short mappings on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _row(dumper: yaml.SafeDumper, data: _Row) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


def _line(dumper: yaml.SafeDumper, data: _Line) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=True)


_Dumper.add_representer(_Row, _row)
_Dumper.add_representer(_Line, _line)


def as_yaml(imported: Imported, source: str, commands: Sequence[str]) -> str:
    """Return the text of the grammar file; the same input gives the same bytes.

    Parameters
    ----------
    source
        Name of the XML file.
    commands
        Command lines that simulate the definition's sets.
    """
    sections = [
        yaml.dump(
            {key: _styled(value, (key,))},
            Dumper=_Dumper,
            sort_keys=False,
            width=10**9,
            allow_unicode=True,
        )
        for key, value in imported.content.items()
    ]
    comments = "".join(f"# {line}\n" for line in comment_lines(imported, source, commands))
    return comments + "\n" + "".join(sections)


def comment_lines(imported: Imported, source: str, commands: Sequence[str]) -> list[str]:
    """Return what is no part of a grammar but worth knowing: sizes, seed, commands, notes."""
    counts = ", ".join(f"{name} {count:,}" for name, count in imported.counts.items())
    seed = "no seed" if imported.seed is None else f"seed {imported.seed}"
    lines = [
        f"Imported from {' '.join(source.split())}, data definition {imported.id}.",
        f"Its sets: {counts}; {seed}. To draw such sets (other sequences, same law):",
        *(f"  {command}" for command in commands),
    ]
    if imported.notes:
        lines.append("Notes:")
    return lines + [f"  {note}" for note in imported.notes]


def _styled(value: Any, path: tuple[str, ...]) -> Any:
    """Return a value with rows and short mappings marked, and whole floats as integers."""
    if isinstance(value, dict):
        plain = {key: _styled(item, (*path, key)) for key, item in value.items()}
        short = all(not isinstance(item, (dict, list)) for item in value.values())
        letters = short and all(len(key) == 1 for key in value)
        aliases = path[-1] == "elements" and len(path) > 1
        return _Line(plain) if letters or aliases or path[-1] in _ONE_LINERS else plain
    if isinstance(value, list):
        items = [_styled(item, path) for item in value]
        return items if any(isinstance(item, (dict, list)) for item in value) else _Row(items)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
