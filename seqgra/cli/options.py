"""What subcommands share: how one is added, and options that several take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from seqgra.errors import bad_input

_BATCHED = (
    "simulate",
    "construct",
    "ingest",
    "subsample",
    "tune",
    "train",
    "evaluate",
    "attribute",
    "probe",
    "compare",
    "next",
)
_BATCH_HELP = (
    "--batch FILE runs once a line of FILE; each line holds the arguments of one call.\n"
    "--done FILE, with --batch, gets what was made, and from what, once all is done."
)

Handler = Callable[[argparse.Namespace], str]
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verb(
    verbs: Verbs, name: str, handler: Handler, summary: str, example: str
) -> argparse.ArgumentParser:
    """Add a subcommand, whose `handler` returns what to say at the end."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example: {example}\n\n{_BATCH_HELP if name in _BATCHED else ''}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(handler=handler)
    return parser


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


def add_model_and_dataset(parser: argparse.ArgumentParser, what: str) -> None:
    """Add what verbs that look at a trained model take, and -o."""
    parser.add_argument("model", type=Path, help="folder made by seqgra train")
    parser.add_argument("dataset", type=Path, help="folder with a test set")
    add_output(parser, what)


def add_sets(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --sets."""
    parser.add_argument("--sets", help=f"which sets, such as training,test [{default}]")


def sets_of(options: argparse.Namespace) -> list[str] | None:
    """Return the sets that --sets lists, None where it is not given.

    Raises
    ------
    InputError
        If there is no such set.
    """
    from seqgra.alphabet import SETS

    sets = options.sets.split(",") if options.sets else None
    if unknown := [name for name in sets or () if name not in SETS]:
        raise bad_input("--sets", unknown[0], f"no such set; choose from {', '.join(SETS)}")
    return sets


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


def positive(text: str) -> int:
    """Read an option that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def positive_or_auto(text: str) -> int | str:
    """Read an option that counts something, or is decided on the way."""
    return text if text == "auto" else positive(text)


def natural(text: str) -> int:
    """Read a seed."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0")
    return int(text)


def add_set_size(parser: argparse.ArgumentParser) -> None:
    """Add --set-size."""
    parser.add_argument(
        "--set-size", type=positive, help="use the first so many test examples [all]"
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
