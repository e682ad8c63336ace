"""What the report says: values that compare fills in and the page is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from seqgra.compare.comparison import Comparison
from seqgra.compare.first import Few, First
from seqgra.report.drawing import Drawing
from seqgra.report.page import Picture


class Section(NamedTuple):
    """What the report shows of one grammar besides its numbers.

    Attributes
    ----------
    grammar, description
        Its name, and what its file says of it.
    facts
        What a reader must know to read the numbers: several labels, noise, confounders, lengths.
    pictures
        Its figures.
    confounding
        Mean share of importance on confounders: columns label, share, lift; empty without any.
    """

    grammar: str
    description: str
    facts: str
    pictures: Sequence[Picture]
    confounding: pd.DataFrame


class Answer(NamedTuple):
    """What a grammar calls for.

    Attributes
    ----------
    grammar, label, baseline
        The grammar, the architecture to use, and whether that is no network.
    size, training_examples
        The largest size with scores.
    scope, chance
        The scope of its PR AUC, micro or macro, and that of a constant prediction.
    mean, low, high, runs, collapsed
        PR AUC there over runs, and how many runs collapsed.
    needed
        Smallest size whose mean reaches the target; None: none does.
    equals
        Architectures that tie with it.
    recovery
        Mean recovery there, NaN if unknown.
    top_recovery, top_baseline
        Name and value of the highest recovery, and of the best baseline that is not `label`.
    shown
        Whether every other architecture is shown to be worse.
    evidence
        Sentences: examples needed, what shows or does not that it is the best, and details.
    rules
        Sentence on the rules that it knows and is blind to; empty where it was not probed.
    """

    grammar: str
    label: str
    baseline: bool
    size: int
    training_examples: int
    scope: str
    chance: float
    mean: float
    low: float
    high: float
    runs: int
    collapsed: int
    needed: int | None
    equals: tuple[str, ...]
    recovery: float
    top_recovery: tuple[str, float] | None
    top_baseline: tuple[str, float] | None
    shown: bool = False
    evidence: tuple[str, ...] = ()
    rules: str = ""


@dataclass(frozen=True)
class Content:
    """Everything that the report says; tables have a column label (how architectures are named).

    Attributes
    ----------
    answers
        One a grammar.
    method, metric, target
        Attribution method and recovery metric shown; the PR AUC to reach.
    sizes, needed
        `compare.tables.summary` and `compare.tables.examples_needed`.
    status, runs
        The tables of the same names.
    overview, sections
        Figures of the whole grid, and of each grammar.
    config, command, question
        The grid's config as text, the command that made the report, and what the grid is to answer.
    screen, few
        What the first screen says of each grammar, and where too few seeds show nothing.
    first, more
        Its figure, and those one click away.
    compared, drawing
        Every number, and what figures share.
    tuned
        `compare.tuning.tuning_table`.
    """

    compared: Comparison
    drawing: Drawing
    answers: Sequence[Answer]
    method: str
    metric: str
    target: float
    sizes: pd.DataFrame
    needed: pd.DataFrame
    status: pd.DataFrame
    runs: pd.DataFrame
    overview: Sequence[Picture]
    sections: Sequence[Section]
    config: str
    command: str
    question: str = ""
    screen: Sequence[First] = ()
    few: Few | None = None
    first: Sequence[Picture] = ()
    more: Sequence[Picture] = ()
    tuned: pd.DataFrame = field(default_factory=pd.DataFrame)
