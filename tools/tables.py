"""The reference tables of the documentation, from the declarations of options and keys (see generate.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pages import with_made
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from seqgra.grid.config import GridConfig
from seqgra.stages import Stage, all_stages
from seqgra.stages.options import (
    choices_of,
    default_text,
    flag_of,
    written_of,
)

TOP = Path(__file__).parents[1]
COMMANDS, KEYS = TOP / "docs/commands.md", TOP / "config/README.md"
#: Between these lines of `KEYS` stands a table.
BEGIN, END = "<!-- made by tools/generate.py -->", "<!-- end of what is made -->"
_HEAD = """# Stages: commands and options

Made by `python tools/generate.py` from the declarations in `seqgra/stages/`; `seqgra STAGE --help` says the
same. Every stage writes a folder, named by `-o`, and skips what is up to date. All take `--batch FILE`, which
runs the stage once a line of FILE, and with it `--done FILE`, which gets what was made once all is done.
Stages that take a grammar or an architecture look for names in the folder of `--library` first.
"""


def commands() -> str:
    """Return the text of docs/commands.md."""
    return "\n".join([_HEAD, *(line for stage in all_stages() for line in _stage_lines(stage))])


def _stage_lines(stage: Stage) -> Iterator[str]:
    yield f"## {stage.name}\n"
    yield f"{stage.summary[0].upper()}{stage.summary[1:]}.\n"
    calls = [f"    {line.strip()}" for line in stage.example.splitlines()]
    yield "\n".join([*calls, ""])
    if stage.inputs:
        yield "\n".join([*(f"- `{each.name}`: {each.help}" for each in stage.inputs), ""])
    yield "| option | value | default | meaning |\n|---|---|---|---|"
    for name, field in stage.options.model_fields.items():
        meaning, _, default = (field.description or "").removesuffix("]").partition(" [")
        default = default or _default(field)
        yield _row(f"`{flag_of(name, field)}`", _value(field), default, meaning)
    if stage.custom_code:
        yield _row("`--allow-custom-code`", "", "", "run the file that a key `module` names")
    if stage.expects:
        yield _row("`--expect`", "fingerprint", "any", f"refuse {stage.expects} of another one")
    yield ""


def keys() -> str:
    """Return the table of the keys of a config."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([*rows, *_key_rows(GridConfig, "")])


def _key_rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = next(filter(_is_model, _alternatives(field.annotation)), None)
        if inner is None or field.description:
            words = field.description or ""
            if words.endswith("]") and " [" in words:
                words = words[: words.rindex(" [")]
            yield _row(f"`{prefix}{name}`", _type(field), _key_default(field), words)
        if inner is not None:
            yield from _key_rows(inner, f"{prefix}{name}.")


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _extra(field: FieldInfo, name: str) -> str:
    extra = field.json_schema_extra
    return str(extra.get(name, "")) if isinstance(extra, dict) else ""


def _type(field: FieldInfo) -> str:
    if words := _extra(field, "type_words"):
        return words
    return _words(field.annotation, field.metadata)


def _bounds(metadata: Any) -> Iterator[tuple[str, Any]]:
    for part in metadata:
        if isinstance(part, FieldInfo):
            yield from _bounds(part.metadata)
        for name in ("ge", "gt", "lt", "le"):
            if (value := getattr(part, name, None)) is not None:
                yield name, value


def _words(annotation: Any, metadata: Any = ()) -> str:
    """Return what a type is called in the documentation."""
    bounds = dict(_bounds(metadata))
    if annotation is bool:
        return "true or false"
    if annotation is str:
        return "text"
    if annotation is int:
        return f"whole number from {bounds['ge']}" if "ge" in bounds else "whole number"
    if annotation is float:
        if "lt" in bounds or "le" in bounds:
            return f"number in {bounds.get('gt', bounds.get('ge'))} to {bounds.get('lt', bounds.get('le'))}"
        return f"number above {bounds['gt']}" if "gt" in bounds else "number"
    if _is_model(annotation):
        return "mapping"
    if inner := getattr(annotation, "__metadata__", None):
        return _words(annotation.__origin__, inner)
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        one = _words(get_args(annotation)[0])
        return f"list of {one.replace('number', 'numbers').replace('mapping', 'mappings')}"
    parts = [_words(part) for part in get_args(annotation) if part is not type(None)]
    return ", or ".join(parts) or "file or folder"


def _value(field: FieldInfo) -> str:
    if isinstance(field.default, bool):
        return ""
    if choices := choices_of(field.annotation):
        return ", ".join(f"`{each}`" for each in choices)
    written = written_of(field)
    if written.metavar:
        return written.metavar
    return "list with commas" if written.join else _type(field).replace("text", "name")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default == () or isinstance(field.default, bool):
        return ""
    return f"`{default_text(field)}`"


def _key_default(field: FieldInfo) -> str:
    """Return a default as YAML has it."""
    if words := _extra(field, "default_words"):
        return words
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value == "":
        return "none" if value is None else "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if (field.description or "").endswith("]"):
        return field.description.rpartition(" [")[2].removesuffix("]")
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else default_text(field)
    return f"`{text}`"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def files() -> dict[Path, str]:
    """Return the files that hold tables, and what is to stand in them."""
    return {COMMANDS: commands(), KEYS: with_made(KEYS.read_text(), BEGIN, END, f"{keys()}\n")}
