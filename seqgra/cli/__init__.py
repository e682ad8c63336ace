"""Command line: a subcommand for each stage, made from its declaration, and some that are no stages."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from seqgra.cli.gpus import share_gpus
from seqgra.cli.options import in_directory
from seqgra.cli.tools import add_tools
from seqgra.errors import SeqgraError, in_a_line, out_of_memory
from seqgra.stages import SUMMARIES

#: System errors that the user can fix; they end like wrong input, in one line.
_USERS_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.EMFILE,
    errno.ENFILE,
    errno.EIO,
    errno.ESTALE,
)
#: What to do about some of them.
_ADVICE = dict.fromkeys((errno.EMFILE, errno.ENFILE), "; raise the limit with `ulimit -n`")
#: Exit code where nobody reads what is printed: that of a process ended by SIGPIPE.
_NOBODY_READS = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 (done), 1 (failed), 2 (the input is wrong) or 130 (interrupted).

    Where nobody reads its output any more, as after ``| head``, a command that only prints ends in silence
    with 141; one that writes results goes on.
    """
    try:
        return _main(arguments)
    except BrokenPipeError:
        return _NOBODY_READS
    finally:
        _say("")  # what is left in the buffer, so that Python does not complain at exit


def _main(arguments: Sequence[str] | None) -> int:
    logging.basicConfig(format="seqgra: %(message)s", level=logging.WARNING)
    logging.getLogger("seqgra.kernel_cache").setLevel(logging.INFO)
    # looking for plugins of pydantic reads a file of every installed package
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(next((text for text in given if not text.startswith("-")), ""))
    given = [part for text in given for part in _split_batch(text)]
    if "--batch" in given:
        return _batch(parser, given)
    return _run(parser.parse_args(given))


def _split_batch(text: str) -> list[str]:
    return ["--batch", text.removeprefix("--batch=")] if text.startswith("--batch=") else [text]


def _run(options: argparse.Namespace) -> int:
    """Run one parsed command and report it in one line."""
    from seqgra.architecture.custom import custom_code

    started = time.perf_counter()
    if getattr(options, "device", "cpu") != "cpu":
        share_gpus()
    try:
        with in_directory(options), custom_code(getattr(options, "allow_custom_code", False)):
            said = options.handler(options)
    except SeqgraError as error:
        _complain(str(error))
        return error.exit_code
    except SystemExit as stop:
        _complain(f"code of your own ends the program (sys.exit({stop.code!r})); let it return")
        return 2
    except KeyboardInterrupt:
        _complain("interrupted; the same command goes on from here")
        return 130
    except Exception as error:
        if out_of_memory(error):
            _complain(_memory_line(options, error))
            return 1
        if not isinstance(error, OSError) or error.errno not in _USERS_ERRORS:
            raise
        advice = _ADVICE.get(error.errno, "")
        said = f"{error.filename or 'writing'}: {error.strerror}; nothing finished was lost{advice}"
        _complain(said)
        return 2
    if said:
        target = f"{options.output}: " if getattr(options, "output", None) else ""
        _say(f"{target}{said} ({time.perf_counter() - started:.1f} s)\n")
    return 0


def _memory_line(options: argparse.Namespace, error: Exception) -> str:
    """Return one line on memory that was not enough, with what the library says of it."""
    where = getattr(options, "output", None) or options.verb
    detail = in_a_line(error)
    said = f"{where}: out of memory{f' ({detail})' if detail else ''}; nothing finished was lost"
    return f"{said}; give it more memory, or a network smaller batches"


def _say(text: str) -> None:
    """Print, and go on without a word where nobody reads it any more."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)


def _silence(stream: TextIO) -> None:
    """Let what is still printed vanish."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _batch(parser: argparse.ArgumentParser, given: list[str]) -> int:
    """Run a command once a line of a file; go on after a failure and return 1 at the end.

    Options beside --batch hold for every line; a line's own options win.
    """
    if given[0] == "--batch":
        parser.error("--batch FILE follows a command: seqgra train --batch FILE")
    file, done = _take(parser, given, "--batch"), _take(parser, given, "--done")
    assert file is not None
    from seqgra.markers import origin, write_marker

    try:
        text = file.read_text(encoding="utf-8")
        made_from = origin(text) if done else ""
    except (OSError, UnicodeDecodeError) as error:
        _complain(f"{file}: cannot be read ({error})")
        return 2
    failed = 0
    made: list[Path] = []
    lines = enumerate(text.split("\n"), 1)
    calls = {number: line for number, line in lines if line.strip() and line[0] != "#"}
    for number, line in calls.items():
        try:
            options = parser.parse_args([*given, *_words(line, f"{file}: line {number}")])
        except SystemExit:  # it cannot be read, or asks for help
            options, code = argparse.Namespace(), 2
        try:
            code = _run(options) if vars(options) else code
        except Exception:  # a crash of one line is reported in full and costs that line only
            traceback.print_exc()
            code = 1
        if code == 130:
            return code
        if code:
            failed += 1
            _complain(f"{file}: line {number}: failed; going on with the next line")
        elif "output" in options:
            made.append(options.output)
    if failed:
        _complain(f"{file}: {failed} of {len(calls)} calls failed; the others are done")
    elif done:
        try:
            write_marker(done, made_from, made)
        except SeqgraError as error:
            _complain(str(error))
            return error.exit_code
    return 1 if failed else 0


def _words(line: str, where: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:  # a quote that nothing closes
        _complain(f"{where}: {error}")
        raise SystemExit(2) from None


def _take(parser: argparse.ArgumentParser, given: list[str], option: str) -> Path | None:
    """Remove an option and its value from `given` and return the value."""
    if option not in given:
        return None
    place = given.index(option)
    if place + 1 == len(given):
        parser.error(f"{option} needs a file")
    value = Path(given[place + 1])
    del given[place : place + 2]
    return value


class _Version(argparse.Action):
    """Prints the version; the other commands start without looking it up."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import seqgra

        print(f"seqgra {seqgra.__version__}")
        parser.exit()


def _complain(message: str) -> None:
    try:
        for line in message.splitlines():
            print(f"seqgra: {line}", file=sys.stderr, flush=True)
    except BrokenPipeError:
        _silence(sys.stderr)


def _parser(verb: str) -> argparse.ArgumentParser:
    """Return the parser of all commands; of the stages only `verb` has its arguments."""
    parser = argparse.ArgumentParser(
        prog="seqgra",
        description="Which neural network architecture for my sequences, and why?",
        epilog="Every command that writes skips what is up to date and resumes what was interrupted. "
        "With --batch FILE it runs once a line of FILE, each line holding the arguments of one call.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for name, summary in SUMMARIES.items():
        stage = verbs.add_parser(name, help=summary, allow_abbrev=False)
        if name == verb:
            from seqgra.cli.stages import add_arguments

            add_arguments(stage, name)
    add_tools(verbs)
    return parser
