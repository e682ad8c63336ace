"""Subcommands of stages, made from their declarations."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from seqgra.cli.options import (
    add_custom_code,
    add_expect,
    add_library,
    add_output,
    describe,
    named_architecture,
)
from seqgra.stages import Input, Stage, find_stage
from seqgra.stages.options import (
    choices_of,
    flag_of,
    group_of,
    help_of,
    read_options,
    written_of,
)


def add_arguments(parser: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of a stage to its subcommand."""
    stage = find_stage(name)
    describe(parser, stage.summary, stage.example, batched=True)
    for each in stage.inputs:
        parser.add_argument(each.name, help=each.help, type=str if each.named else Path)
    add_output(parser, stage.makes)
    if any(each.named for each in stage.inputs):
        add_library(parser)
    groups: dict[str, Any] = {"": parser}
    for option, field in stage.options.model_fields.items():
        group = group_of(field)
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        _add_option(groups[group], option, field)
    if stage.custom_code:
        add_custom_code(parser)
    if stage.expects:
        add_expect(parser, stage.expects)
    parser.set_defaults(handler=partial(_run, stage))


def _add_option(parser: Any, name: str, field: Any) -> None:
    help_text = help_of(field).replace("%", "%%")
    how: dict[str, Any] = {"dest": name, "default": field.default, "help": help_text}
    if isinstance(field.default, bool):
        how |= {"action": "store_const", "const": not field.default}
    elif choices := choices_of(field.annotation):
        how["choices"] = choices
    else:
        written = written_of(field)
        how |= {"type": written.read, "metavar": written.metavar}
        if written.repeated:
            how |= {"action": "append", "default": argparse.SUPPRESS}
    if field.is_required():
        how |= {"required": True, "default": None}
    parser.add_argument(flag_of(name, field), **how)


def _run(stage: Stage, given: argparse.Namespace) -> str:
    """Run a stage as its command line asks; return what to say at the end."""
    names = stage.options.model_fields.keys() & vars(given).keys()
    options = read_options(stage.options, {name: getattr(given, name) for name in names})
    inputs = [_find(each, given) for each in stage.inputs]
    said = stage.call(inputs, given.output, options, getattr(given, "expect", None))
    *lines, status = said.split("\n")
    if lines:
        print("\n".join(lines))
    return status or "done"


def _find(argument: Input, given: argparse.Namespace) -> Path | str:
    """Return the file or folder that an argument names."""
    value: Path | str = getattr(given, argument.name)
    if argument.kind == "folder" or (argument.kind == "folder or grammar" and Path(value).is_dir()):
        return Path(value)
    if argument.kind == "architecture":
        return named_architecture(str(value), given.library)
    from seqgra.grammar.load import find_grammar

    return find_grammar(str(value), given.library)
