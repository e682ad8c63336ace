"""A drafted methods paragraph: what was run, with which versions and seeds."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from seqgra.compare.decide import Statistics
from seqgra.compare.resample import DRAWS, FEWEST_MODEL_SEEDS, FEWEST_SEEDS, is_crossed
from seqgra.dataset import split_size
from seqgra.report.content import Block
from seqgra.report.drawing import Drawing
from seqgra.report.page import count
from seqgra.report.sections.reproduce import version_words

_NESTED = (
    "Every data seed had initialisations of its own.",
    f"Intervals of examples needed are 95 % percentile intervals of {DRAWS:,} bootstrap draws of data seeds, "
    "within them model seeds, whole curves each, stretched by sqrt(D/(D-1)) for D data seeds.",
    "Within a grammar architectures were compared by paired t tests over data seeds with Holm's "
    "correction, across grammars by Wilcoxon signed-rank tests with Holm's correction, one block a "
    f"grammar; no claim was made from fewer than {FEWEST_SEEDS} data seeds.",
)
_CROSSED = (
    "Data seeds shared initialisations (or are not known not to).",
    f"Intervals of examples needed are 95 % percentile intervals of {DRAWS:,} bootstrap draws of data seeds "
    "and model seeds, whole curves each, widened as Student's t is.",
    "Architectures were compared by t tests of differences paired by data seed and model seed, both "
    "random (Satterthwaite's degrees of freedom), within a grammar, and over grammars by the same test "
    "of grammars and model seeds, with Holm's correction; no claim was made from fewer than "
    f"{FEWEST_SEEDS} data seeds (grammars) and {FEWEST_MODEL_SEEDS} model seeds.",
)


def methods_block(drawing: Drawing, known: Statistics, tests: Sequence[int], tuned: bool) -> Block:
    """Return a drafted methods paragraph.

    `tests` are the sizes of the test sets, `tuned` says whether optimisers were chosen by `seqgra tune`.
    """
    trained = drawing.tables.status[drawing.tables.status["size"] > 0]
    paragraph = " ".join(
        [
            *_data(drawing, trained, tests, known.real),
            *_models(drawing, trained),
            *_analysis(known, tuned),
        ]
    )
    note = "A draft from what was run; change it to what you mean."
    return Block("methods", "Methods paragraph (draft)", [(note, ""), (paragraph, "")], [], [])


def _data(
    drawing: Drawing, trained: pd.DataFrame, tests: Sequence[int], real: Collection[str]
) -> list[str]:
    sizes, seeds = (sorted(trained[name].unique()) for name in ("size", "data_seed"))
    names = sorted(trained["grammar"].unique())
    grammars, datasets = ([n for n in names if (n in real) == is_real] for is_real in (False, True))
    versions = version_words(drawing.tables.runs["versions"]) or "seqgra"
    simulated = (
        f"Sequences were simulated from {count(len(grammars), 'grammar')} ({', '.join(grammars)})."
    )
    taken = f"Real examples are those of {count(len(datasets), 'dataset')} ({', '.join(datasets)})."
    split = split_size(int(sizes[-1]))
    whats = [*(["grammar"] if grammars else []), *(["dataset"] if datasets else [])]
    test = " or ".join(f"{many:,}" for many in sorted(set(tests))) or "an unknown number of"
    return [
        f"Software: {versions}.",
        *([simulated] if grammars else []),
        *([taken] if datasets else []),
        f"For each {' and '.join(whats)} and each of {count(len(seeds), 'data seed')} "
        f"({_numbers(seeds)}), datasets of {_numbers(sizes)} examples were drawn, "
        "smaller ones being parts of larger ones; 70 % trained and "
        f"10 % validated (of the largest {split['training']:,} and {split['validation']:,}).",
        f"All models of a {' or '.join(whats)} were tested on the same {test} examples.",
    ]


def _models(drawing: Drawing, trained: pd.DataFrame) -> list[str]:
    labels, seeds = (sorted(trained[name].unique()) for name in ("label", "model_seed"))
    told = ", ".join(f"{many:,} {name}" for name, many in trained["status"].value_counts().items())
    methods = sorted(drawing.tables.recovery["method"].unique())
    sentences = [
        f"{count(len(labels), 'architecture')} ({', '.join(labels)}) were trained with "
        f"{count(len(seeds), 'model seed')} ({_numbers(seeds)}), {len(trained):,} cells in all: {told}.",
        "Prediction is the area under the precision-recall curve (average precision).",
    ]
    if methods:
        sentences.append(
            f"Grammar recovery was measured by {', '.join(methods)} on the same test examples for all "
            "models."
        )
    return sentences


def _analysis(known: Statistics, tuned: bool) -> list[str]:
    ceilings = sum(bounds.known for bounds in known.bounds.values())
    shared = is_crossed(known.runs["seeds"])
    return [
        "Examples needed are where a run's curve, made monotone by isotonic regression and linear in log2 "
        "of the size, comes 90, 95 or 99 % of the way from chance to the ceiling (the exact posterior's "
        f"value, known for {ceilings} of {len(known.bounds)} grammars; else 1); runs that collapsed or "
        "diverged count as not reaching it.",
        *(_CROSSED if shared else _NESTED),
        "Optimiser settings of networks were chosen by validation loss among the same number of candidates."
        if tuned
        else "Hyperparameters are those of the architectures' files; where they were not tuned alike, a "
        "ranking may be a learning rate's.",
    ]


def _numbers(values: Sequence[int]) -> str:
    shown = [f"{value:,}" for value in values]
    return ", ".join(shown) if len(shown) <= 12 else f"{shown[0]} to {shown[-1]} ({len(shown)})"
