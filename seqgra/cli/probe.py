"""Subcommands construct and probe: what asks whether a model learnt the rules, and its answers."""

from __future__ import annotations

import argparse
from pathlib import Path

from seqgra.cli.options import (
    Verbs,
    add_custom_code,
    add_device,
    add_expect,
    add_output,
    add_verb,
    natural,
)


def add_probe(verbs: Verbs) -> None:
    """Add ``seqgra construct`` and ``seqgra probe``."""
    example = "seqgra construct mc2-dna150-order -o constructed/order"
    summary = "construct sequences that ask whether a model learnt a grammar's rules"
    parser = add_verb(verbs, "construct", _construct, summary, example)
    parser.add_argument("grammar", help="YAML file, or the name of one in grammars/")
    add_output(parser, "CONSTRUCTED")
    parser.add_argument("--seed", type=natural, default=0, help="of the sequences [0]")
    add_expect(parser, "a grammar")
    example = "seqgra probe models/a constructed/order -o probes/a"
    summary = "score which rules of its grammar a model learnt, beside the exact posterior"
    parser = add_verb(verbs, "probe", _probe, summary, example)
    parser.add_argument("model", type=Path, help="folder made by seqgra train")
    parser.add_argument(
        "constructed",
        help="folder made by seqgra construct; or a grammar, a YAML file or a name in grammars/; or the "
        "dataset that the model was trained on, if seqgra simulate made it",
    )
    add_output(parser, "PROBES")
    parser.add_argument(
        "--seed", type=natural, default=0, help="of the sequences, where a grammar is given [0]"
    )
    add_device(parser)
    add_custom_code(parser)


def _construct(options: argparse.Namespace) -> str:
    from seqgra.probe import construct_folder

    return construct_folder(
        options.grammar, options.output, seed=options.seed, expected=options.expect
    )


def _probe(options: argparse.Namespace) -> str:
    from seqgra.probe import probe_folder

    return probe_folder(
        options.model,
        options.constructed,
        options.output,
        seed=options.seed,
        device=options.device,
    )
