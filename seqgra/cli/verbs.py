"""Subcommands that make nouns: simulate, tune, train, evaluate, attribute, compare."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqgra.cli.options import (
    Verbs,
    add_custom_code,
    add_device,
    add_expect,
    add_expect_all,
    add_library,
    add_model_and_dataset,
    add_output,
    add_set_size,
    add_sets,
    add_verb,
    named_architecture,
    natural,
    positive,
    positive_or_auto,
    sets_of,
)
from seqgra.errors import bad_input
from seqgra.streams import SEED_DESIGNS

if TYPE_CHECKING:
    from seqgra.architecture.optimizers import Candidates


def add_simulate(verbs: Verbs) -> None:
    """Add ``seqgra simulate``."""
    example = "seqgra simulate mc2-dna150-homer -o data/homer --seed 1 --size 10000"
    parser = add_verb(verbs, "simulate", _simulate, "draw sequences from a grammar", example)
    parser.add_argument("grammar", help="YAML file, or the name of one in grammars/")
    add_output(parser, "DATASET")
    add_library(parser)
    parser.add_argument("--seed", type=natural, default=0, help="data seed [0]")
    parser.add_argument(
        "--size", type=positive, help="examples in all: 70 / 10 / 20 %% of the three sets"
    )
    parser.add_argument("--examples", type=positive, help="examples in each set, instead of --size")
    add_sets(parser, "all")
    parser.add_argument(
        "--workers", type=positive, default=1, help="threads; the same dataset with any number [1]"
    )
    add_expect(parser, "a grammar")


def _simulate(options: argparse.Namespace) -> str:
    from seqgra.alphabet import SETS
    from seqgra.dataset import split_size
    from seqgra.grammar.load import find_grammar
    from seqgra.simulate import simulate

    sets = sets_of(options) or list(SETS)
    if (options.size is None) == (options.examples is None):
        raise bad_input("simulate", "", "needs exactly one of --size and --examples")
    counts = split_size(options.size) if options.size else dict.fromkeys(SETS, options.examples)
    grammar = find_grammar(options.grammar, options.library)
    return simulate(
        grammar,
        options.output,
        seed=options.seed,
        counts={name: counts[name] for name in sets},
        workers=options.workers,
        expected=options.expect,
    )


def add_subsample(verbs: Verbs) -> None:
    """Add ``seqgra subsample``."""
    example = "seqgra subsample data/peaks -o data/peaks-s1 --seed 1 --sets training,validation"
    summary = "put a real dataset's examples into the order of a data seed"
    parser = add_verb(verbs, "subsample", _subsample, summary, example)
    parser.add_argument("dataset", type=Path, help="folder made by seqgra ingest")
    add_output(parser, "DATASET")
    parser.add_argument("--seed", type=natural, default=0, help="data seed [0]")
    add_sets(parser, "all it has")
    add_expect(parser, "a dataset")


def _subsample(options: argparse.Namespace) -> str:
    from seqgra.dataset import open_dataset
    from seqgra.subsample import subsample

    sets = sets_of(options) or list(open_dataset(options.dataset).counts)
    return subsample(
        options.dataset, options.output, seed=options.seed, sets=sets, expected=options.expect
    )


def add_tune(verbs: Verbs) -> None:
    """Add ``seqgra tune``."""
    example = "seqgra tune data/homer-tuning conv10w-gmp-fc5 -o tunings/a --size 10000"
    summary = "choose among an architecture's candidate optimiser settings"
    parser = add_verb(verbs, "tune", _tune, summary, example)
    _add_training(parser, "TUNING", "of a data seed for this alone")
    parser.add_argument(
        "--epochs", type=positive, default=20, help="that each candidate trains at most [20]"
    )
    parser.add_argument(
        "--candidates",
        metavar="JSON",
        help="a list of optimisers, for an architecture whose file has no key tune "
        "[sgd 0.01; adam 0.0003, 0.001, 0.003]",
    )


def _tune(options: argparse.Namespace) -> str:
    from seqgra.architecture.optimizers import CANDIDATES
    from seqgra.tune import tune

    given = options.candidates
    return tune(
        options.dataset,
        named_architecture(options.architecture, options.library),
        options.output,
        epochs=options.epochs,
        candidates=CANDIDATES if given is None else _read_candidates(given),
        **_training_options(options),
    )


def _read_candidates(text: str) -> Candidates:
    from seqgra.architecture.optimizers import CandidateList
    from seqgra.errors import raise_problems
    from seqgra.yamlfile import validate

    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise bad_input("--candidates", "", f"are not JSON ({error})") from None
    read, problems = validate(CandidateList, {"candidates": content}, "--candidates")
    raise_problems(problems)
    return read.candidates


def add_train(verbs: Verbs) -> None:
    """Add ``seqgra train``."""
    example = "seqgra train data/homer conv10w-gmp-fc5 -o models/a --size 10000 --seed 1"
    parser = add_verb(verbs, "train", _train, "train an architecture on a dataset", example)
    _add_training(parser, "MODEL")
    parser.add_argument(
        "--tuned",
        type=Path,
        metavar="TUNING",
        help="folder made by seqgra tune, whose choice replaces the optimiser",
    )
    parser.add_argument(
        "--permute-labels",
        action="store_true",
        help="deal the labels out at random: a null model for recovery",
    )


def _add_training(parser: argparse.ArgumentParser, what: str, which: str = "") -> None:
    """Add what tune and train share; `what` they write, and `which` dataset they take."""
    made = "folder made by seqgra simulate"
    parser.add_argument("dataset", type=Path, help=f"{made}, {which}" if which else made)
    parser.add_argument("architecture", help="YAML file, name in architectures/, or descriptor")
    add_output(parser, what)
    add_library(parser)
    parser.add_argument(
        "--size",
        type=positive,
        required=what == "TUNING",
        help="examples in all: 70 %% train, 10 %% validate"
        + ("" if what == "TUNING" else " [as many as there are]"),
    )
    parser.add_argument("--seed", type=natural, default=0, help="model seed [0]")
    parser.add_argument(
        "--seeds",
        choices=SEED_DESIGNS,
        default="nested",
        help="initial weights, order, dropout, augmentation of a network follow from the dataset, whatever "
        "its size, and --seed (nested), or from --seed alone (crossed) [nested]",
    )
    parser.add_argument(
        "--backend",
        default="pytorch",
        help="of a network: pytorch or tensorflow; a baseline names its own [pytorch]",
    )
    parser.add_argument(
        "--engine",
        default="auto",
        choices=("auto", "compiled", "torch"),
        help="what trains a network of pytorch: auto takes the compiled one where it is defined, on a CPU "
        "(docs/compiled.md); which was used is part of the identity [auto]",
    )
    parser.add_argument(
        "--threads", type=positive, default=1, help="CPU threads; part of the identity [1]"
    )
    add_device(parser)
    add_custom_code(parser)
    add_expect(parser, "an architecture")


def _train(options: argparse.Namespace) -> str:
    from seqgra.train import train

    return train(
        options.dataset,
        named_architecture(options.architecture, options.library),
        options.output,
        tuned=options.tuned,
        permute_labels=options.permute_labels,
        **_training_options(options),
    )


def _training_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that tune and train share."""
    names = ("size", "seed", "seeds", "backend", "device", "threads", "engine")
    return {name: getattr(options, name) for name in names} | {"expected": options.expect}


def add_evaluate(verbs: Verbs) -> None:
    """Add ``seqgra evaluate``."""
    example = "seqgra evaluate models/a data/homer -o scores/a"
    summary = "score a model's predictions on the test set of a dataset"
    parser = add_verb(verbs, "evaluate", _evaluate, summary, example)
    add_model_and_dataset(parser, "SCORES")
    add_set_size(parser)
    add_device(parser)
    add_custom_code(parser)


def _evaluate(options: argparse.Namespace) -> str:
    from seqgra.evaluate import evaluate

    return evaluate(
        options.model,
        options.dataset,
        options.output,
        set_size=options.set_size,
        device=options.device,
    )


def add_attribute(verbs: Verbs) -> None:
    """Add ``seqgra attribute``."""
    example = "seqgra attribute models/a data/homer -o attributions/a --method integrated-gradients"
    summary = "attribute predictions to positions and score grammar recovery"
    parser = add_verb(verbs, "attribute", _attribute, summary, example)
    add_model_and_dataset(parser, "ATTRIBUTIONS")
    parser.add_argument("--method", default="integrated-gradients", help="see `seqgra list`")
    parser.add_argument(
        "--examples",
        type=positive,
        default=500,
        help="test examples explained of each condition, at most 2,000 in all [500]",
    )
    parser.add_argument(
        "--steps",
        type=positive_or_auto,
        default=100,
        help="of integrated gradients; auto: doubled, from 25 up to 3,200, in the examples whose values "
        "do not yet add up to the prediction [100]",
    )
    parser.add_argument(
        "--baseline",
        choices=("background", "zeros", "shuffled"),
        default="background",
        help="where integrated gradients and DeepLIFT start: mean background letters, no letters, or "
        "shuffles of the example [background]",
    )
    parser.add_argument(
        "--references", type=positive, default=20, help="shuffles of each example [20]"
    )
    parser.add_argument(
        "--samples", type=positive, default=50, help="noisy copies of smooth-gradient [50]"
    )
    parser.add_argument("--noise", type=float, default=0.15, help="their standard deviation [0.15]")
    parser.add_argument(
        "--width", type=positive, default=10, help="positions that occlusion masks at once [10]"
    )
    parser.add_argument(
        "--mask",
        choices=("zeros", "background"),
        default="zeros",
        help="what masked positions hold: no letter, or mean background letters [zeros]",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.9,
        help="share of the logit that a sufficient subset keeps, from all masked to the example [0.9]",
    )
    parser.add_argument(
        "--correct", action="store_true", help="remove each gradient's mean over letters"
    )
    parser.add_argument(
        "--untrained",
        action="store_true",
        help="explain the architecture with weights drawn anew: what structure alone recovers",
    )
    add_set_size(parser)
    add_device(parser)
    add_custom_code(parser)


def _attribute(options: argparse.Namespace) -> str:
    from seqgra.attribute import attribute
    from seqgra.attribute.methods import Settings

    return attribute(
        options.model,
        options.dataset,
        options.output,
        method=options.method,
        examples=options.examples,
        **{name: getattr(options, name) for name in Settings._fields},
        correct=options.correct,
        untrained_twin=options.untrained,
        set_size=options.set_size,
        device=options.device,
    )


def add_compare(verbs: Verbs) -> None:
    """Add ``seqgra compare``."""
    example = "seqgra compare --grid config/config.yaml -o results/demo"
    summary = "gather the finished cells of a grid into tables, figures and a report"
    parser = add_verb(verbs, "compare", _compare, summary, example)
    parser.add_argument("--grid", type=Path, metavar="CONFIG", help="the grid's config file")
    add_library(parser)
    parser.add_argument(
        "--cells", type=Path, metavar="FILE", help="a cells file, instead of --grid"
    )
    parser.add_argument(
        "--at",
        type=positive,
        metavar="N",
        help="your dataset size: what is best there, and what more data would gain [the config's at]",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        help="processes that save figures, this one included; the same files with any number [1]",
    )
    add_expect_all(parser)
    add_output(parser, "FOLDER")


def _compare(options: argparse.Namespace) -> str:
    from seqgra.compare import compare

    cells = options.cells or _cells_text(options)
    return compare(
        cells,
        options.output,
        config=options.grid,
        at=options.at,
        workers=options.workers,
    )


def _cells_text(options: argparse.Namespace) -> str:
    """Return the text of the cells file of a grid."""
    import csv
    import io

    from seqgra.grid import commands, read_grid
    from seqgra.grid.adaptive import spared_cells
    from seqgra.library import library_folders

    if options.grid is None:
        raise bad_input("compare", "", "needs --grid CONFIG or --cells FILE")
    grid = read_grid(options.grid, library_folders(options.library))
    grid.resolved.require(options.expect)
    rows = list(commands.cell_rows(grid, spared_cells(grid)))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
