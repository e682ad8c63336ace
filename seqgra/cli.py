"""Command line: one thin subcommand a verb; reads nouns, calls one function, writes one noun."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from seqgra.alphabet import SETS
from seqgra.dataset import split_size
from seqgra.errors import InputError, Problem, SeqgraError, bad_input

#: System errors that the user can mend; they end like wrong input, in one line.
_USERS_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
)

_BATCHED = ("simulate", "train", "evaluate", "attribute")
_BATCH_HELP = (
    "--batch FILE runs once a line of FILE; each line holds the arguments of one call.\n"
    "--done FILE, with --batch, lists what was made with its fingerprints once all is done."
)

Handler = Callable[[argparse.Namespace], str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 (done), 1 (failed), 2 (the input is wrong) or 130 (interrupted)."""
    logging.basicConfig(format="seqgra: %(message)s", level=logging.WARNING)
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    given = [part for text in given for part in _split_batch(text)]
    if "--batch" in given:
        return _batch(parser, given)
    return _run(parser.parse_args(given))


def _split_batch(text: str) -> list[str]:
    return ["--batch", text.removeprefix("--batch=")] if text.startswith("--batch=") else [text]


def _run(options: argparse.Namespace) -> int:
    """Run one parsed command and report it in one line."""
    started = time.perf_counter()
    try:
        said = options.handler(options)
    except SeqgraError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted; the same command goes on from here")
        return 130
    except OSError as error:
        if error.errno not in _USERS_ERRORS:
            raise
        _complain(f"{error.filename or 'writing'}: {error.strerror}; nothing finished was lost")
        return 2
    if said:
        target = f"{options.output}: " if getattr(options, "output", None) else ""
        print(f"{target}{said} ({time.perf_counter() - started:.1f} s)", flush=True)
    return 0


def _batch(parser: argparse.ArgumentParser, given: list[str]) -> int:
    """Run a verb once a line of a file; go on after a failure and return 1 at the end.

    Options beside --batch hold for every line; a line's own options win.
    """
    if given[0] == "--batch":
        parser.error("--batch FILE follows a command: seqgra train --batch FILE")
    file, done = _take(parser, given, "--batch"), _take(parser, given, "--done")
    assert file is not None
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        _complain(f"{file}: cannot be read ({error})")
        return 2
    failed = calls = 0
    made: list[Path] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        calls += 1
        try:
            options = parser.parse_args([*given, *shlex.split(line)])
            code = _run(options)
        except SystemExit as stop:
            code = int(stop.code or 0)
        except Exception:  # a crash of one line is reported in full and costs that line only
            traceback.print_exc()
            code = 1
        if code == 130:
            return code
        if code:
            failed += 1
            _complain(f"{file}: line {number}: failed; going on with the next line")
        else:
            made.append(options.output)
    if failed:
        _complain(f"{file}: {failed} of {calls} calls failed; the others are done")
    elif done:
        _write_done(done, made)
    return 1 if failed else 0


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


def _write_done(file: Path, nouns: list[Path]) -> None:
    """Write the fingerprint of every noun of a batch: the file changes only if one of them does."""
    from seqgra.fingerprint import read_run, write_atomically

    lines = [f"{(read_run(noun) or {}).get('fingerprint')}  {noun}\n" for noun in nouns]
    write_atomically(file, "".join(lines))


def _complain(message: str) -> None:
    for line in message.splitlines():
        print(f"seqgra: {line}", file=sys.stderr, flush=True)


def _simulate(options: argparse.Namespace) -> str:
    from seqgra.grammar.load import find_grammar
    from seqgra.simulate import simulate

    sets = options.sets.split(",") if options.sets else list(SETS)
    if (options.size is None) == (options.examples is None):
        raise bad_input("simulate", "", "needs exactly one of --size and --examples")
    if unknown := [name for name in sets if name not in SETS]:
        raise bad_input("--sets", unknown[0], f"no such set; choose from {', '.join(SETS)}")
    counts = split_size(options.size) if options.size else dict.fromkeys(SETS, options.examples)
    grammar = find_grammar(options.grammar)
    return simulate(
        grammar, options.output, seed=options.seed, counts={name: counts[name] for name in sets}
    )


def _train(options: argparse.Namespace) -> str:
    from seqgra.train import train

    return train(
        options.dataset,
        options.architecture,
        options.output,
        size=options.size,
        seed=options.seed,
        backend=options.backend,
        device=options.device,
        threads=options.threads,
    )


def _evaluate(options: argparse.Namespace) -> str:
    from seqgra.evaluate import evaluate

    return evaluate(
        options.model,
        options.dataset,
        options.output,
        set_size=options.set_size,
        device=options.device,
    )


def _attribute(options: argparse.Namespace) -> str:
    from seqgra.attribute import attribute
    from seqgra.evaluate.recovery import recover

    return attribute(
        options.model,
        options.dataset,
        options.output,
        method=options.method,
        score=recover,
        examples=options.examples,
        baseline=options.baseline,
        steps=options.steps,
        correct=options.correct,
        set_size=options.set_size,
        device=options.device,
    )


def _compare(options: argparse.Namespace) -> str:
    from seqgra.compare import compare
    from seqgra.evaluate.recovery import position_roles

    cells = options.cells or _write_cells(options.grid, options.library, options.output)
    return compare(cells, options.output, config=options.grid, roles=position_roles)


def _write_cells(config: Path | None, library: Path, folder: Path) -> Path:
    import csv
    import io

    from seqgra.fingerprint import write_atomically
    from seqgra.grid import read_grid

    if config is None:
        raise bad_input("compare", "", "needs --grid CONFIG or --cells FILE")
    rows = list(read_grid(config, (Path(), library)).cell_rows())
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(folder / "cells.csv", text.getvalue())
    return folder / "cells.csv"


def _check(options: argparse.Namespace) -> str:
    """Check files of any kind; a grammar has elements, a config has grammars."""
    problems: list[Problem] = []
    for file in options.files:
        try:
            _check_one(file, options.library)
        except InputError as error:
            problems += error.problems
        else:
            print(f"{file}: ok")
    if problems:
        raise InputError(*problems)
    return ""


def _check_one(file: Path, library: Path) -> None:
    from seqgra.architecture.descriptor import looks_like_descriptor
    from seqgra.architecture.load import load_architecture
    from seqgra.grammar.load import load_grammar
    from seqgra.grid import read_grid
    from seqgra.law.law import compile_law
    from seqgra.yamlfile import read_yaml

    if not file.exists() and looks_like_descriptor(file.name):
        load_architecture(str(file))
        return
    content = read_yaml(file)
    if "grammars" in content:
        read_grid(file, (Path(), library))
    elif "layers" in content or "features" in content:
        load_architecture(str(file))
    else:
        compile_law(load_grammar(file), str(file))


def _variant(options: argparse.Namespace) -> str:
    import yaml
    from pydantic import BaseModel

    from seqgra.fingerprint import write_atomically
    from seqgra.grammar.load import find_grammar
    from seqgra.grid import architecture_variant, grammar_variant

    try:
        changes = json.loads(options.changes)
    except json.JSONDecodeError as error:
        raise bad_input("variant", "changes", f"are not JSON ({error})") from None
    if not isinstance(changes, dict):
        raise bad_input("variant", "changes", 'must be a JSON mapping, such as {"window": 500}')
    variant: BaseModel
    if options.kind == "grammar":
        variant = grammar_variant(find_grammar(options.base), changes)
    else:
        variant = architecture_variant(options.base, changes, options.output.stem)
    content = variant.model_dump(mode="json", exclude_none=True)
    write_atomically(options.output, yaml.safe_dump(content, sort_keys=False))
    return "done"


def _list(options: argparse.Namespace) -> str:
    from seqgra.attribute.gradients import METHODS
    from seqgra.model import BACKENDS
    from seqgra.yamlfile import read_yaml

    for kind in ("grammars", "architectures"):
        print(f"{kind}:")
        for file in sorted(Path(kind).glob("*.yaml")):
            print(f"  {file.stem:45} {read_yaml(file).get('description', '')}")
    print("attribution methods:", ", ".join(METHODS))
    print("backends:", ", ".join(BACKENDS))
    return ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seqgra",
        description="Which neural network architecture for my sequences, and why?",
        epilog="Every command that writes skips what is up to date and resumes what was interrupted. "
        "With --batch FILE it runs once a line of FILE, each line holding the arguments of one call.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    _add_simulate(verbs)
    _add_train(verbs)
    _add_evaluate(verbs)
    _add_attribute(verbs)
    _add_compare(verbs)
    _add_small(verbs)
    return parser


Verbs = argparse._SubParsersAction


def _add(
    verbs: Verbs, name: str, handler: Handler, summary: str, example: str
) -> argparse.ArgumentParser:
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


def _add_output(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar=what,
        help="what to write (made if missing)",
    )


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device", default="auto", help="auto (CUDA where there is one), cpu or cuda [auto]"
    )


def _positive(text: str) -> int:
    """Read an option that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def _natural(text: str) -> int:
    """Read a seed."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0")
    return int(text)


def _add_set_size(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set-size", type=_positive, help="use the first so many test examples [all]"
    )


def _add_simulate(verbs: Verbs) -> None:
    example = "seqgra simulate mc2-dna150-homer -o data/homer --seed 1 --size 10000"
    parser = _add(verbs, "simulate", _simulate, "draw sequences from a grammar", example)
    parser.add_argument("grammar", help="YAML file, or the name of one in grammars/")
    _add_output(parser, "DATASET")
    parser.add_argument("--seed", type=_natural, default=0, help="data seed [0]")
    parser.add_argument(
        "--size", type=_positive, help="examples in all: 70 / 10 / 20 %% of the three sets"
    )
    parser.add_argument(
        "--examples", type=_positive, help="examples in each set, instead of --size"
    )
    parser.add_argument("--sets", help="which sets, such as training,validation [all]")


def _add_train(verbs: Verbs) -> None:
    example = "seqgra train data/homer conv10w-gmp-fc5 -o models/a --size 10000 --seed 1"
    parser = _add(verbs, "train", _train, "train an architecture on a dataset", example)
    parser.add_argument("dataset", type=Path, help="folder made by seqgra simulate")
    parser.add_argument("architecture", help="YAML file, name in architectures/, or descriptor")
    _add_output(parser, "MODEL")
    parser.add_argument(
        "--size", type=_positive, required=True, help="examples in all: 70 %% train, 10 %% validate"
    )
    parser.add_argument("--seed", type=_natural, default=0, help="model seed [0]")
    parser.add_argument(
        "--backend", default="pytorch", help="of a network; a baseline names its own [pytorch]"
    )
    parser.add_argument(
        "--threads", type=_positive, default=1, help="CPU threads; part of the identity [1]"
    )
    _add_device(parser)


def _add_evaluate(verbs: Verbs) -> None:
    example = "seqgra evaluate models/a data/homer -o scores/a"
    summary = "score a model's predictions on the test set of a dataset"
    parser = _add(verbs, "evaluate", _evaluate, summary, example)
    parser.add_argument("model", type=Path, help="folder made by seqgra train")
    parser.add_argument("dataset", type=Path, help="folder with a test set")
    _add_output(parser, "SCORES")
    _add_set_size(parser)
    _add_device(parser)


def _add_attribute(verbs: Verbs) -> None:
    example = "seqgra attribute models/a data/homer -o attributions/a --method integrated-gradients"
    summary = "attribute predictions to positions and score grammar recovery"
    parser = _add(verbs, "attribute", _attribute, summary, example)
    parser.add_argument("model", type=Path, help="folder made by seqgra train")
    parser.add_argument("dataset", type=Path, help="folder with a test set")
    _add_output(parser, "ATTRIBUTIONS")
    parser.add_argument("--method", default="integrated-gradients", help="see `seqgra list`")
    parser.add_argument(
        "--examples",
        type=_positive,
        default=500,
        help="test examples of each condition, at most 2,000 in all [500]",
    )
    parser.add_argument(
        "--steps", type=_positive, default=100, help="of integrated gradients [100]"
    )
    parser.add_argument(
        "--baseline",
        choices=("background", "zeros"),
        default="background",
        help="where integrated gradients start: mean background letters, or no letters [background]",
    )
    parser.add_argument(
        "--correct", action="store_true", help="remove each gradient's mean over letters"
    )
    _add_set_size(parser)
    _add_device(parser)


def _add_compare(verbs: Verbs) -> None:
    example = "seqgra compare --grid config/config.yaml -o results/demo"
    summary = "gather the finished cells of a grid into tables, figures and a report"
    parser = _add(verbs, "compare", _compare, summary, example)
    parser.add_argument("--grid", type=Path, metavar="CONFIG", help="the grid's config file")
    _add_library(parser)
    parser.add_argument(
        "--cells", type=Path, metavar="FILE", help="a cells file, instead of --grid"
    )
    _add_output(parser, "FOLDER")


def _add_library(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--library",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="folder that also holds grammars/ and architectures/ [.]",
    )


def _add_small(verbs: Verbs) -> None:
    example = "seqgra check grammars/*.yaml config/config.yaml"
    summary = "check grammar, architecture and config files"
    parser = _add(verbs, "check", _check, summary, example)
    parser.add_argument("files", type=Path, nargs="+", help="files; descriptors too")
    _add_library(parser)
    example = "seqgra variant grammar grammars/a.yaml '{\"window\": 500}' -o grammars/a-500.yaml"
    summary = "write a grammar or architecture with some keys changed"
    parser = _add(verbs, "variant", _variant, summary, example)
    parser.add_argument("kind", choices=("grammar", "architecture"))
    parser.add_argument("base", help="file or name; an architecture may be a descriptor")
    parser.add_argument("changes", help="JSON; mappings merge, lists replace")
    _add_output(parser, "FILE")
    summary = "list grammars, architectures, attribution methods and backends"
    _add(verbs, "list", _list, summary, "seqgra list")


if __name__ == "__main__":
    sys.exit(main())
