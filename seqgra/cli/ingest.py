"""The subcommand ingest."""

from __future__ import annotations

import argparse
from pathlib import Path

from seqgra.cli.options import Verbs, add_output, add_verb, natural, positive
from seqgra.errors import bad_input

_LABELLED = ("peaks", "fasta")
_LISTS = ("validation", "test")


def add_ingest(verbs: Verbs) -> None:
    """Add ``seqgra ingest``."""
    example = (
        "seqgra ingest --peaks SOX2=sox2.bed --genome mm10.fa --width 150 --negatives gc \\\n"
        "             --motifs motifs.meme -o data/sox2\n"
        "         seqgra ingest --fasta SOX2=sox2.fa --fasta none=others.fa -o data/sox2"
    )
    summary = "make a dataset of real sequences"
    parser = add_verb(verbs, "ingest", _ingest, summary, example)
    add_output(parser, "DATASET")
    _add_sources(parser)
    _add_windows(parser)
    _add_sets(parser)
    _add_motifs(parser)


def _labelled(text: str) -> tuple[str | None, Path]:
    """Read LABEL=FILE, or FILE."""
    label, equals, file = text.partition("=")
    return (label, Path(file)) if equals else (None, Path(text))


def _add_sources(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where the sequences are; --peaks, --fasta or --table")
    for name, what in (("peaks", "BED, narrowPeak, or MACS .xls"), ("fasta", "FASTA")):
        group.add_argument(
            f"--{name}",
            type=_labelled,
            action="append",
            default=[],
            metavar="LABEL=FILE",
            help=f"{what} file of a label; again for each label; none=FILE: without a label; "
            "FILE: labels stand in it",
        )
    group.add_argument(
        "--table", type=Path, help="TSV, CSV or Parquet file, or a folder made by seqgra export"
    )
    group.add_argument("--labels", type=Path, help="TSV or CSV of id, label, set for --fasta FILE")
    group.add_argument("--genome", type=Path, metavar="FASTA", help="of --peaks")
    group.add_argument("--alphabet", choices=("DNA", "RNA", "protein"), default="DNA", help="[DNA]")
    group.add_argument(
        "--task",
        choices=("multi-class", "multi-label"),
        default="multi-class",
        help="multi-class: examples with two labels are dropped [multi-class]",
    )


def _add_windows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("windows")
    group.add_argument(
        "--width", type=positive, help="letters of a window; longer FASTA sequences are cut to it"
    )
    group.add_argument(
        "--center", choices=("summit", "middle"), help="of regions [summit where there is one]"
    )
    group.add_argument(
        "--stranded", action="store_true", help="turn windows of regions on strand -"
    )
    group.add_argument(
        "--edges",
        choices=("shift", "drop"),
        default="shift",
        help="what to do with windows over the end of their chromosome [shift]",
    )
    group.add_argument(
        "--merge",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="windows that overlap by this share are one; 1: only identical ones [0.5]",
    )
    group.add_argument("--blacklist", type=Path, metavar="BED", help="places to leave out")
    group.add_argument(
        "--unknown", type=float, default=0.0, metavar="SHARE", help="most N in an example [0]"
    )
    group.add_argument(
        "--masked", type=float, default=1.0, metavar="SHARE", help="most lower case in one [1]"
    )
    group.add_argument(
        "--keep-duplicates", action="store_true", help="keep examples of the same letters"
    )


def _add_sets(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("negatives and sets")
    group.add_argument(
        "--negatives",
        choices=("none", "gc", "shuffle"),
        default="none",
        help="add genome windows of the same GC content, or shuffles that keep neighbours [none]",
    )
    group.add_argument("--ratio", type=float, default=1.0, help="negatives for each positive [1]")
    group.add_argument(
        "--split",
        choices=("chromosome", "fraction", "given"),
        help="what goes to one set as a whole [given where the input names sets, chromosome where "
        "places are known, else fraction]",
    )
    group.add_argument(
        "--shares", default="0.7,0.1,0.2", help="of training, validation and test [0.7,0.1,0.2]"
    )
    for name in _LISTS:
        group.add_argument(f"--{name}", metavar="CHROM,...", help=f"chromosomes of the {name} set")
    group.add_argument("--seed", type=natural, default=0, help="of all that is drawn [0]")


def _add_motifs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("motifs")
    group.add_argument("--motifs", type=Path, metavar="FILE", help="look for hits of these motifs")
    group.add_argument(
        "--motif",
        action="append",
        default=[],
        metavar="NAME=ID[:LABEL]",
        help="look for this motif of the file, which tells about LABEL [all, about every label]",
    )
    group.add_argument("--p-value", type=float, default=1e-4, help="of a hit, at most [0.0001]")


def _ingest(options: argparse.Namespace) -> str:
    from seqgra.dataset import open_dataset
    from seqgra.ingest import ingest
    from seqgra.ingest.recipe import Recipe
    from seqgra.ingest.words import facts_in_words

    given = {name: getattr(options, name) for name in Recipe._fields}
    for name in (*_LABELLED, "motif"):
        given[name] = tuple(given[name])
    for name in _LISTS:
        given[name] = tuple(given[name].split(",")) if given[name] else ()
    try:
        given["shares"] = tuple(float(share) for share in options.shares.split(","))
    except ValueError:
        raise bad_input("--shares", "", f"is {options.shares!r}; expected 0.7,0.1,0.2") from None
    said = ingest(Recipe(**given), options.output)
    if said == "done":
        print(facts_in_words(open_dataset(options.output).content))
    return said
