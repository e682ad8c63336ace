"""Every stage, declared once: its options, inputs, files and results version.

The command line, the keys of a grid's config, batch files and the reference tables of the documentation
follow from the declarations. A stage is a module here of its name with `Options` and `STAGE`; what it
computes is imported when it runs, so that a declaration costs little.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

#: Every stage, in the order of the documentation, and what it does.
SUMMARIES = {
    "simulate": "draw sequences from a grammar",
    "ingest": "make a dataset of real sequences",
    "subsample": "put a real dataset's examples into the order of a data seed",
    "fit": "estimate a grammar from real sequences and check its simulated twin",
    "tune": "choose among an architecture's candidate optimiser settings",
    "train": "train an architecture on a dataset",
    "evaluate": "score a model's predictions on the test set of a dataset",
    "score": "score predictions of a test set that another program made",
    "attribute": "attribute predictions to positions and score grammar recovery",
    "construct": "construct sequences that ask whether a model learnt a grammar's rules",
    "probe": "score which rules of its grammar a model learnt, beside the exact posterior",
    "export": "write a dataset for other tools: TSV, FASTA and BED, or Parquet",
    "filters": "turn first-layer filters into motifs; compare them with the grammar's (Tomtom)",
}
#: Files of a dataset; a regular expression without the closing parenthesis.
DATASET_FILES = r"dataset\.json|(training|validation|test)\.((x|y|y_true)\.npy|elements\.parquet"
#: Of a computation, at most.
MOST_THREADS = 4096
#: Formats of every figure, and the ends of the names of its files.
FIGURE_KINDS = ("svg", "pdf", "png")
FIGURE = rf"\.({'|'.join(FIGURE_KINDS)})"


@dataclass(frozen=True)
class Input:
    """An argument without a name: a folder or file, or the name of a grammar or an architecture."""

    #: Its role in the identity of the result.
    name: str
    #: What it is.
    help: str
    #: What may be given.
    kind: Literal["folder", "grammar", "architecture", "folder or grammar"] = "folder"
    #: Role in a cell of a grid, where it is not `name`: of two datasets, one may be the test set.
    in_cells: str = ""

    @property
    def cell_role(self) -> str:
        """Its role among what a cell's results are made from."""
        return self.in_cells or self.name

    @property
    def named(self) -> bool:
        """Whether it may be a name that is looked up in a library."""
        return self.kind != "folder"


@dataclass(frozen=True)
class Stage:
    """A stage."""

    #: Its command.
    name: str
    #: Of its results: raised when the same inputs and options give other results, so that old ones are made
    #: again.
    version: int
    #: Regular expression of every file that a result may hold beside `run.json`; nothing else is written or
    #: deleted.
    files: str
    #: What it writes, as help calls it.
    makes: str
    #: A call.
    example: str
    #: ``module:function`` that computes: ``function(*inputs, folder, **options)`` returns lines to print and
    #: at last a status, empty where it is done; where there is `expects`, ``expected`` is the fingerprint
    #: that ``--expect`` gives, or None.
    run: str
    #: Model of its options, a `Strict`; each field has a description.
    options: type[Any]
    #: Its arguments without a name.
    inputs: tuple[Input, ...] = ()
    #: What ``--expect`` compares the fingerprint of; empty where there is no such option.
    expects: str = ""
    #: Whether it may run a module of the user's own.
    custom_code: bool = False

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        return SUMMARIES[self.name]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.files)

    def call(
        self, inputs: Iterable[object], folder: Path, options: Any, expected: str | None
    ) -> str:
        """Run the stage; `options` are of its own model."""
        module, _, name = self.run.partition(":")
        given = dict(options) | ({"expected": expected} if self.expects else {})
        return str(getattr(import_module(module), name)(*inputs, folder, **given))

    def owns(self, name: str) -> bool:
        """Return whether a result may hold a file of this name."""
        return self._pattern.fullmatch(name) is not None


@cache
def find_stage(name: str) -> Stage:
    """Return the stage of a name.

    Raises
    ------
    KeyError
        If there is none.
    """
    if name not in SUMMARIES:
        raise KeyError(name)
    stage: Stage = import_module(f"seqgra.stages.{name}").STAGE
    return stage


def all_stages() -> tuple[Stage, ...]:
    """Return every stage, in the order of the documentation."""
    return tuple(map(find_stage, SUMMARIES))


def positive(text: str) -> int:
    """Read an option that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def natural(text: str) -> int:
    """Read a seed."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0")
    return int(text)
