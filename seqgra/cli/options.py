"""What subcommands share: how one is added, and options that several take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager, chdir, nullcontext
from pathlib import Path
from typing import TypeAlias

from seqgra.errors import bad_input

_BATCH_HELP = (
    "--batch FILE runs once a line of FILE; each line holds the arguments of one call.\n"
    "--done FILE, with --batch, gets what was made, and from what, once all is done."
)

Handler = Callable[[argparse.Namespace], str]
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verb(
    verbs: Verbs, name: str, handler: Handler, summary: str, example: str, batched: bool = False
) -> argparse.ArgumentParser:
    """Add a subcommand, whose `handler` returns what to say at the end."""
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=summary, allow_abbrev=False)
    describe(parser, summary, example, batched)
    parser.set_defaults(handler=handler)
    return parser


def describe(
    parser: argparse.ArgumentParser, summary: str, example: str, batched: bool = False
) -> None:
    """Give a subcommand's help what it does and an example."""
    parser.description = summary
    parser.epilog = f"example: {example}\n\n{_BATCH_HELP if batched else ''}".rstrip()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    """Add -o: what the command writes."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar=what,
        help="what to write (made if missing)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument(
        "--device", default="auto", help="auto (CUDA where there is one), cpu or cuda [auto]"
    )


def add_custom_code(parser: argparse.ArgumentParser) -> None:
    """Add --allow-custom-code."""
    parser.add_argument(
        "--allow-custom-code",
        action="store_true",
        help="run the Python file that an architecture's key module names",
    )


def add_expect(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --expect for a command that reads one file of the user's; `what` it is."""
    parser.add_argument(
        "--expect",
        metavar="FINGERPRINT",
        help=f"refuse {what} of another fingerprint: the workflow notices edits by it [any]",
    )


def add_expect_all(parser: argparse.ArgumentParser) -> None:
    """Add --expect for a command that reads a whole grid."""
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="PLACE=FINGERPRINT",
        help="refuse a grid whose grammar, dataset or architecture at PLACE has another fingerprint",
    )


def named_architecture(name: str, library: Path | None) -> str:
    """Return the file of an architecture that `library` has by that name, else what was given."""
    from seqgra.library import ARCHITECTURES, find_named

    return str(find_named(name, ARCHITECTURES, [library] if library else []) or name)


def add_library(parser: argparse.ArgumentParser) -> None:
    """Add --library."""
    parser.add_argument(
        "--library",
        type=Path,
        metavar="FOLDER",
        help="folder with grammars/ and architectures/ of your own, looked at before the working folder "
        "and what ships with seqgra",
    )


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add --directory."""
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="FOLDER",
        help="work in this folder, as `snakemake --directory FOLDER` does; other arguments are relative to "
        "where you are",
    )


def in_directory(options: argparse.Namespace) -> AbstractContextManager[None]:
    """Return a context that works in the folder of --directory; other paths stay what they are.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    folder: Path | None = getattr(options, "directory", None)
    if folder is None:
        return nullcontext()
    if not folder.is_dir():
        raise bad_input("--directory", str(folder), "is no folder")
    for name, value in vars(options).items():
        if isinstance(value, Path):
            setattr(options, name, value.absolute())
        elif isinstance(value, list):
            there = (isinstance(each, Path) and each.exists() for each in value)
            setattr(
                options, name, [e.absolute() if t else e for e, t in zip(value, there, strict=True)]
            )
    return chdir(folder)
