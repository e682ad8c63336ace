"""The subcommand fit."""

from __future__ import annotations

import argparse
from pathlib import Path

from seqgra.cli.options import Verbs, add_output, add_verb, natural
from seqgra.errors import bad_input

_MOST_ORDER = 6


def add_fit(verbs: Verbs) -> None:
    """Add ``seqgra fit``."""
    example = "seqgra fit data/sox2 -o fitted/sox2 && seqgra check fitted/sox2/grammar.yaml"
    summary = "estimate a grammar from real sequences and check its simulated twin"
    parser = add_verb(verbs, "fit", _fit, summary, example)
    parser.add_argument("dataset", type=Path, help="folder made by seqgra ingest or simulate")
    add_output(parser, "FOLDER")
    parser.add_argument(
        "--motifs",
        type=Path,
        metavar="FILE",
        help="look for all motifs of this file [the elements that the dataset names]",
    )
    parser.add_argument(
        "--grammar",
        type=Path,
        metavar="FILE",
        help="only check the twin of this grammar, such as an edited grammar.yaml",
    )
    parser.add_argument(
        "--p-value", type=float, default=5e-4, help="of a motif hit, at most [0.0005]"
    )
    parser.add_argument(
        "--order",
        type=natural,
        help="of the background's chain, 0 to 6 [what foretells the validation set best, up to 3]",
    )
    parser.add_argument(
        "--no-scaling",
        dest="scaled",
        action="store_false",
        help="leave motifs as estimated, however hard the twin is",
    )
    parser.add_argument("--seed", type=natural, default=0, help="of all that is drawn [0]")


def _fit(options: argparse.Namespace) -> str:
    from seqgra.fit import fit

    if not 0 < options.p_value <= 1:
        raise bad_input(
            "--p-value", "", f"is {options.p_value:g}; give a number above 0, at most 1"
        )
    if options.order is not None and options.order > _MOST_ORDER:
        raise bad_input("--order", "", f"is {options.order}; give 0 to {_MOST_ORDER}")
    said = fit(
        options.dataset,
        options.output,
        motifs=options.motifs,
        grammar=options.grammar,
        seed=options.seed,
        p_value=options.p_value,
        order=options.order,
        scaled=options.scaled,
    )
    print(said, end="")
    return "done"
