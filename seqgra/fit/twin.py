"""The twin check: whether real examples and their simulated twin are as hard to tell, and alike.

- ROC AUC of logistic regression on best PWM scores and on 5-mer counts, trained, validated and tested on the
  real sets, and on sets of the twin of the same sizes (the twin's test set is larger: less noise). Nothing
  of the grammar comes from the real test set.
- ROC AUC of logistic regression on 5-mer counts that tells real examples from the twin's, for each
  combination of conditions: 0.5 is a perfect twin.
- Frequencies of 4-mers, side by side.

Proteins have 2-mers throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from seqgra.alphabet import ALPHABETS, PADDING, SETS
from seqgra.architecture.schema import Baseline, Features, Kmers, PwmScan, Strands
from seqgra.backends import sklearn
from seqgra.dataset import Dataset
from seqgra.errors import bad_input
from seqgra.fit.draws import FEWEST, MOST_EXAMPLES, ExampleGroup, draw, groups_of
from seqgra.grammar.schema import Element
from seqgra.labels import MACRO
from seqgra.law.word_counts import word_counts
from seqgra.metrics import Area, error_of_difference, log_odds, mean_area, roc_areas
from seqgra.model import MULTI_CLASS, MULTI_LABEL
from seqgra.training import TrainingData, TrainingOptions

#: A difference of ROC AUC between real and twin that is flagged, if it is so many standard errors too.
FLAG, FLAG_ERRORS = 0.03, 2
#: What the regression on best PWM scores is called.
PWM = "PWM"
#: Words of the spectra.
SPECTRUM = 4
_K, _K_OF_PROTEINS = 5, 2
_LEAST_TEST = 8192
_FOLDS = 5


class LabelledSequences(NamedTuple):
    """The sets of a dataset: uint8 (N, L) letter codes and uint8 (N, C) labels by set."""

    x: Mapping[str, np.ndarray]
    y: Mapping[str, np.ndarray]


class Score(NamedTuple):
    """A ROC AUC of real examples and of the twin."""

    #: ``PWM`` or ``5-mers`` (of proteins ``2-mers``).
    model: str
    #: A condition, or ``macro``: their mean.
    scope: str
    #: On the test sets; the error of the twin's holds that of the grammar's estimates.
    real: Area
    twin: Area

    @property
    def flagged(self) -> bool:
        """Whether they differ by more than `FLAG`, and more than `FLAG_ERRORS` standard errors."""
        noise = FLAG_ERRORS * error_of_difference(self.real, self.twin)
        return abs(self.real.value - self.twin.value) > max(FLAG, noise)


class Spectrum(NamedTuple):
    """4-mers of the examples of a combination of conditions: frequencies float64 (256,).

    Proteins have 2-mers: (400,).
    """

    group: str
    words: tuple[str, ...]
    real: np.ndarray
    twin: np.ndarray


class Check(NamedTuple):
    """What the twin check found."""

    #: PWM and 5-mer regressions.
    scores: list[Score]
    #: ROC AUC by combination of conditions, of those with `FEWEST` test examples.
    real_or_twin: dict[str, float]
    #: Test examples of the twin, and as many real ones, by combination of conditions.
    test_examples: dict[str, int]
    #: 4-mers by combination of conditions.
    spectra: list[Spectrum]


def real_examples(dataset: Dataset) -> LabelledSequences:
    """Return the sets of a dataset, at most 20,000 examples of each.

    Raises
    ------
    InputError
        If a set is missing or damaged.
    """
    if missing := [name for name in SETS if not dataset.counts.get(name)]:
        message = f"has no {missing[0]} set; the twin check trains, validates and tests"
        raise bad_input(dataset.folder, "", message)
    dataset.verify(*SETS)
    return LabelledSequences(
        {name: np.array(dataset.x(name)[:MOST_EXAMPLES]) for name in SETS},
        {name: np.array(dataset.y(name)[:MOST_EXAMPLES]) for name in SETS},
    )


def twin_examples(
    content: Mapping[str, Any], real: LabelledSequences, seed: int
) -> LabelledSequences:
    """Draw the twin's sets: of the sizes of the real ones, the test set of 8,192 at least.

    Raises
    ------
    InputError
        If the content is no grammar.
    """
    sizes = {name: len(x) for name, x in real.x.items()}
    sizes["test"] = max(sizes["test"], _LEAST_TEST)
    drawn = {name: draw(content, seed, size, name) for name, size in sizes.items()}
    return LabelledSequences(
        {name: _as_wide(part.x, real.x[name].shape[1]) for name, part in drawn.items()},
        {name: part.y for name, part in drawn.items()},
    )


def _as_wide(x: np.ndarray, window: int) -> np.ndarray:
    """Return letter codes (N, L) with padding up to the window: the longest sequences may be left out."""
    return np.pad(x, [(0, 0), (0, window - x.shape[1])], constant_values=PADDING)


def informed(dataset: Dataset, motifs: Mapping[str, np.ndarray]) -> Dataset:
    """Return a dataset whose grammar names these motifs: what the PWM regression looks for."""
    elements = {
        name: Element(matrix=tuple(map(tuple, matrix.tolist()))) for name, matrix in motifs.items()
    }
    grammar = dataset.grammar.model_copy(update={"elements": elements})
    dumped = grammar.model_dump(mode="json")
    for condition in dumped["conditions"].values():
        condition["rules"] = []
    dumped["common"]["rules"], dumped["confounders"] = [], []
    return replace(dataset, content={**dataset.content, "grammar": dumped})


def pwm_regression(alphabet: str) -> Baseline:
    """Return logistic regression on the best score of each motif, on both strands of DNA."""
    features = Features(pwm_scan=PwmScan(strands=_strands(alphabet)))
    return Baseline(description=PWM, backend="sklearn", features=features)


def kmer_regression(alphabet: str) -> Baseline:
    """Return logistic regression on counts of 5-mers, on both strands of DNA; of 2-mers for proteins."""
    k = _K if len(ALPHABETS[alphabet].letters) == 4 else _K_OF_PROTEINS
    features = Features(kmers=Kmers(k=k, strands=_strands(alphabet)))
    return Baseline(description=f"{k}-mers", backend="sklearn", features=features)


def _strands(alphabet: str) -> Strands:
    return "both" if alphabet == "DNA" else "forward"


def folds(real: LabelledSequences) -> list[LabelledSequences]:
    """Return `_FOLDS` splits of training and validation examples, each of which is tested on once.

    Each fold has its share of every combination of conditions.
    """
    x, y = (np.concatenate([of["training"], of["validation"]]) for of in real)
    fold = np.empty(len(y), int)
    fold[np.lexsort(y.T)] = np.arange(len(y)) % _FOLDS
    splits = []
    for number in range(_FOLDS):
        rows = {"test": fold == number, "validation": fold == (number + 1) % _FOLDS}
        rows["training"] = ~(rows["test"] | rows["validation"])
        splits.append(
            LabelledSequences(*({name: of[rows[name]] for name in SETS} for of in (x, y)))
        )
    return splits


def areas(
    baseline: Baseline,
    splits: Sequence[LabelledSequences],
    dataset: Dataset,
    conditions: Sequence[str],
    seed: int,
) -> dict[str, Area]:
    """Return the ROC AUC of each condition against the rest, and ``macro``: means over test sets.

    Conditions that all or no test examples show have none.
    """
    found: dict[str, list[Area]] = {}
    for examples in splits:
        data = TrainingData(
            examples.x["training"],
            examples.y["training"],
            examples.x["validation"],
            examples.y["validation"],
            dataset,
        )
        trained = sklearn.fit(baseline, data, TrainingOptions(seed, "cpu", 1), None)
        odds = log_odds(trained.model.logits(examples.x["test"]), data.task == MULTI_LABEL)
        by_condition, macro = roc_areas(odds, examples.y["test"])
        for c, area in by_condition.items():
            found.setdefault(conditions[c], []).append(area)
        if by_condition:
            found.setdefault(MACRO, []).append(macro)
    return {name: mean_area(some) for name, some in found.items()}


def check(
    dataset: Dataset,
    real: LabelledSequences,
    twin: LabelledSequences,
    seed: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Check:
    """Compare real examples with their twin; `dataset` is `informed` of the motifs."""
    scores, alphabet = [], dataset.alphabet.name
    # a grammar estimated from n examples gives a ROC AUC about as exactly as n test examples do
    estimated = math.sqrt(len(real.x["test"]) / len(real.x["training"]))
    for baseline in (pwm_regression(alphabet), kmer_regression(alphabet)):
        if len(dataset.conditions) == 1 and dataset.task != MULTI_LABEL:
            break
        both = []
        for which, examples in (("real", real), ("twin", twin)):
            tell(f"{baseline.description} regression, {which}")
            both.append(areas(baseline, [examples], dataset, dataset.conditions, seed))
        scopes = [scope for scope in both[0] if scope in both[1]]
        for scope in scopes:
            true, drawn = both[0][scope], both[1][scope]
            drawn = Area(drawn.value, math.hypot(drawn.error, estimated * true.error))
            scores.append(Score(baseline.description, scope, true, drawn))
    told, test_examples, spectra = {}, {}, []
    for group in groups_of(real.y["training"], dataset.conditions):
        if group.rows.size < FEWEST:
            continue
        tell(f"real or twin, {group.name}")
        pair = _mixed(dataset, group, real, twin)
        test_examples[group.name] = 0 if pair is None else len(pair.x["test"]) // 2
        if pair is not None and test_examples[group.name] >= FEWEST:
            one = replace(
                dataset,
                content={
                    **dataset.content,
                    "conditions": ["real", "twin"],
                    "task": MULTI_CLASS,
                },
            )
            found = areas(kmer_regression(alphabet), [pair], one, ("real", "twin"), seed)
            if found:
                told[group.name] = found["twin"].value
        spectra.append(_spectrum(dataset, group, real, twin))
    return Check(scores, told, test_examples, spectra)


def _of_group(
    examples: LabelledSequences, group: ExampleGroup, conditions: Sequence[str], name: str
) -> np.ndarray:
    """Return the letter codes of a set's examples that show just a group's conditions."""
    wanted = np.array([condition in group.conditions for condition in conditions], np.uint8)
    return np.asarray(examples.x[name][(examples.y[name] == wanted).all(axis=1)])


def _mixed(
    dataset: Dataset, group: ExampleGroup, real: LabelledSequences, twin: LabelledSequences
) -> LabelledSequences | None:
    """Return as many real as twin examples of a group in each set, with labels real and twin."""
    x, y = {}, {}
    for name in SETS:
        parts = [_of_group(of, group, dataset.conditions, name) for of in (real, twin)]
        count = min(map(len, parts))
        if count < 2:
            return None
        x[name] = np.concatenate([part[:count] for part in parts])
        y[name] = np.repeat(np.eye(2, dtype=np.uint8), count, axis=0)
    return LabelledSequences(x, y)


def _spectrum(
    dataset: Dataset, group: ExampleGroup, real: LabelledSequences, twin: LabelledSequences
) -> Spectrum:
    letters = len(dataset.alphabet.letters)
    k = SPECTRUM if letters == 4 else _K_OF_PROTEINS
    words = tuple(map("".join, product(dataset.alphabet.letters, repeat=k)))
    rates = []
    for of in (real, twin):
        counts = word_counts(_of_group(of, group, dataset.conditions, "training"), k, letters)
        rates.append(counts / max(counts.sum(), 1))
    return Spectrum(group.name, words, *rates)
