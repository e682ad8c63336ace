"""Attribute: explain a model's logits letter by letter; score how that recovers the grammar."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from seqgra.architecture.load import resolve_architecture
from seqgra.architecture.schema import Network
from seqgra.attribute import gradients
from seqgra.attribute.consistency import Patterns
from seqgra.attribute.methods import METHODS, Method, Settings, method_problems, refusal
from seqgra.attribute.null import background_only, untrained
from seqgra.attribute.solvable import solvable
from seqgra.attribute.sources import completeness_gap, method_settings, predictions, source_of
from seqgra.dataset import Dataset, open_dataset
from seqgra.errors import Problem, bad_input, raise_problems
from seqgra.fingerprint import Draft, claim, identity_of, require_run
from seqgra.model import AbstractModel, NotDefined, open_model
from seqgra.results import Attributions, BackgroundOnly, write_attributions

#: Examples whose recovery is scored, at most.
SCORED = 2000
#: Examples whose attributions are kept for pictures, at most.
PICTURED = 50
_BATCH = 256

#: (dataset, set name, rows int64 (K,), conditions explained int64 (K,), values float32 (K, A, L),
#: signed, attributions of background-only sequences) -> one row an explanation.
Score = Callable[
    [Dataset, str, np.ndarray, np.ndarray, np.ndarray, bool, BackgroundOnly], pd.DataFrame
]


class Motifs(Protocol):
    """Averages attributions over what is known to be in the examples."""

    def add(self, rows: np.ndarray, explained: np.ndarray, values: np.ndarray) -> None:
        """Take rows int64 (K,), conditions explained int64 (K,), values float32 (K, A, L)."""

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return `Attributions.elements` and `Attributions.motifs`."""


class Explanations(NamedTuple):
    """What is explained: conditions of examples.

    Attributes
    ----------
    rows
        int64 (K,): rows of the set, ascending; a row with several labels may come several times.
    conditions
        int64 (K,): number of the condition explained.
    """

    rows: np.ndarray
    conditions: np.ndarray

    def part(self, chosen: np.ndarray | slice) -> Explanations:
        """Return some of them."""
        return Explanations(self.rows[chosen], self.conditions[chosen])


class _Plan(NamedTuple):
    """What to explain and how; the rows are of `x`, uint8 (N, L)."""

    dataset: Dataset
    set_name: str
    x: np.ndarray
    wanted: Explanations
    method: str
    settings: Settings
    correct: bool
    score: Score
    motifs: Motifs

    @property
    def chosen(self) -> Method:
        """The method."""
        return METHODS[self.method]

    @property
    def fill(self) -> np.ndarray | None:
        """What masked positions hold, float32 (A,); None for no letter."""
        if "mask" not in self.chosen.settings or self.settings.mask == "zeros":
            return None
        return self.dataset.grammar.letter_distribution().astype(np.float32)


def attribute(
    model: Path,
    dataset: Path,
    folder: Path,
    *,
    method: str,
    score: Score,
    motifs: Callable[[Dataset, str, bool], Motifs],
    examples: int = 500,
    set_name: str = "test",
    set_size: int | None = None,
    correct: bool = False,
    device: str = "auto",
    untrained_twin: bool = False,
    **settings: Any,
) -> str:
    """Explain a model on the fixed examples of a dataset and write an attributions noun.

    What is explained: in a multi-class task the logit of the condition that generated the example, less
    the mean logit (so that of the true one where labels are noisy); in a multi-label task the logit of
    each label that the example truly has, by itself, so that an example without labels has none.

    Parameters
    ----------
    model, dataset
        Folders of a trained model and of the dataset to explain it on.
    folder
        Where the attributions go.
    method
        A name in `METHODS`.
    score
        Measures of grammar recovery; it sees the attributions of one batch at a time.
    motifs
        ``motifs(dataset, set_name, signed)`` makes what averages attributions over known elements.
    examples
        Examples of each condition, at most (see `fixed_explanations`).
    set_name, set_size
        The examples are chosen among the first `set_size` of this set; None: all in the folder.
    correct
        Remove the part of the gradients that points off the simplex (see `gradients.correct`).
    device
        Where the model runs.
    untrained_twin
        Explain a network of the same architecture whose weights are drawn anew: what structure alone
        recovers.
    settings
        Of the method, by name; see `Settings`.

    Returns
    -------
    str
        ``up to date``, ``done``, or ``skipped`` where the model diverged or the method is not defined
        for it.

    Raises
    ------
    InputError
        If an option is wrong, the model or the dataset is missing or damaged, their conditions
        differ, or no example shows a condition.
    """
    chosen = Settings(**settings)
    problems = method_problems(method, correct, chosen)
    if examples < 1:
        problems.append(Problem("examples", "", f"is {examples}; give 1 or more"))
    raise_problems(problems)
    run, data = require_run(model, "train"), open_dataset(dataset)
    y = data.y_true(set_name, set_size)
    options = {"method": method, "examples": examples, "correct": correct, **_used(method, chosen)}
    if untrained_twin:
        options["untrained"] = True
    options |= {"set": set_name, "set_size": len(y)}
    inputs = {"model": run["fingerprint"], "dataset": data.fingerprint}
    with claim(folder, identity_of("attribute", inputs, options)) as draft:
        if draft.previous:
            return "up to date"
        if run["status"] == "diverged":
            return _skip(draft, method, "training diverged")
        data.verify(set_name)
        wanted = fixed_explanations(y, examples, SCORED)
        if not wanted.rows.size:
            raise bad_input(dataset, set_name, "no example shows a condition; simulate more")
        x = data.x(set_name, set_size)
        averages = motifs(data, set_name, METHODS[method].signed)
        plan = _Plan(data, set_name, x, wanted, method, chosen, correct, score, averages)
        trained = open_model(model, run, data, device)
        if reason := refusal(method, _network(trained)):
            return _skip(draft, method, reason)
        try:
            trained = untrained(trained, device) if untrained_twin else trained
            result = _attributions(trained, plan)
        except NotDefined as error:
            return _skip(draft, method, str(error))
        write_attributions(result, draft)
        draft.publish(method=method, examples=len(wanted.rows), device=trained.device)
    return "done"


def _used(method: str, settings: Settings) -> dict[str, Any]:
    """Return the options that change a method's values."""
    names = list(METHODS[method].settings)
    if "baseline" in names and settings.baseline == "shuffled":
        names.append("references")
    return {name: getattr(settings, name) for name in names}


def _network(model: AbstractModel) -> Network | None:
    """Return the architecture of a network, None for other models."""
    recipe = getattr(model, "recipe", {})
    if "architecture" not in recipe:
        return None
    content, text = recipe["architecture"], recipe.get("source", "")
    found = resolve_architecture(content, "the model", text)
    return found if isinstance(found, Network) else None


def fixed_explanations(y: np.ndarray, per_condition: int, most: int = SCORED) -> Explanations:
    """Return the examples, and conditions of theirs, that every model of a dataset is explained on.

    The first examples of each condition, at most `per_condition` of each and `most` explanations in
    all, dealt out evenly: no condition gets another one before all that have one left got theirs.

    Parameters
    ----------
    y
        uint8 (N, C), one-hot, or multi-hot: then an example counts for each of its labels.
    per_condition, most
        Explanations of a condition and in all, at most.

    Returns
    -------
    Explanations
        Ascending, first by example.

    >>> fixed_explanations(np.eye(2, dtype=np.uint8)[[0, 0, 0, 1, 1]], 2, most=3).rows.tolist()
    [0, 1, 3]
    >>> [part.tolist() for part in fixed_explanations(np.array([[1, 1], [0, 0], [0, 1]]), 2)]
    [[0, 0, 2], [0, 1, 1]]
    """
    example, condition = np.nonzero(y)
    turn = np.cumsum(y, axis=0, dtype=np.int64)[example, condition]
    order = np.lexsort((condition, turn))
    chosen = np.sort(order[turn[order] <= per_condition][:most])
    return Explanations(example[chosen], condition[chosen])


def _skip(draft: Draft, method: str, reason: str) -> str:
    """Publish that there can be no attributions, and why."""
    draft.publish("skipped", method=method, reason=reason)
    return "skipped"


def _attributions(model: AbstractModel, plan: _Plan) -> Attributions:
    """Explain batch by batch, keeping scores and the values of a few.

    Raises
    ------
    NotDifferentiable
        If the model has no gradient.
    """
    one_hot = np.eye(len(plan.dataset.conditions), dtype=np.uint8)[plan.wanted.conditions]
    pictured = fixed_explanations(one_hot, PICTURED, PICTURED).rows
    null = _background_only(model, plan)
    tables, kept, patterns = [], [], Patterns()
    for first in range(0, len(plan.wanted.rows), _BATCH):
        part = slice(first, first + _BATCH)
        table, values = _explain(model, plan, plan.wanted.part(part), null)
        tables.append(table)
        patterns.add(values, plan.wanted.conditions[part])
        plan.motifs.add(*plan.wanted.part(part), values)
        kept.append(values[pictured[(pictured >= first) & (pictured < first + _BATCH)] - first])
    recovery = pd.concat(tables, ignore_index=True)
    sure = solvable(plan.dataset, plan.set_name, *plan.wanted)
    if sure is not None:
        recovery.insert(3, "solvable", sure)
    return Attributions(
        plan.method,
        recovery,
        *plan.wanted.part(pictured),
        np.concatenate(kept),
        *plan.motifs.tables(),
        patterns.scores(plan.dataset.conditions),
    )


def _background_only(model: AbstractModel, plan: _Plan) -> BackgroundOnly:
    """Return attributions of background-only sequences, by the same method and settings."""
    x, explained = background_only(plan.dataset, plan.set_name)
    parts = [
        _values(model, plan, x[first : first + _BATCH], explained[first : first + _BATCH])[0]
        for first in range(0, len(x), _BATCH)
    ]
    return BackgroundOnly(np.concatenate(parts), explained)


def _values(
    model: AbstractModel, plan: _Plan, x: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the attributions of letter codes, float32 (K, A, L), and the settings that made them."""
    method = plan.chosen
    inputs = gradients.one_hot(x, len(plan.dataset.alphabet.letters))
    source = source_of(model, method, correct=plan.correct, fill=plan.fill)
    predict = predictions(model, plan.fill)
    settings = method_settings(method, plan.settings, plan.dataset, x, predict)
    return method.function(source, inputs, target, **settings), settings


def _explain(
    model: AbstractModel, plan: _Plan, wanted: Explanations, null: BackgroundOnly
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the recovery table (see `Attributions`) and the attributions of some explanations."""
    (rows, target), dataset = wanted, plan.dataset
    x, method = np.array(plan.x[rows]), plan.chosen
    values, settings = _values(model, plan, x, target)
    metrics = plan.score(dataset, plan.set_name, rows, target, values, method.signed, null)
    if method.complete:
        start = settings.get("baseline", settings.get("references"))
        inputs = gradients.one_hot(x, len(dataset.alphabet.letters))
        gap = completeness_gap(model, inputs, target, values, start)
        metrics = metrics.assign(completeness_gap=gap)
    names = np.array(dataset.conditions)[target]
    correct = _is_correct(model.logits(x), target, dataset.task)
    keys = {"example": rows, "condition": names, "correct": correct}
    return pd.concat([pd.DataFrame(keys), metrics.reset_index(drop=True)], axis=1), values


def _is_correct(logits: np.ndarray, target: np.ndarray, task: str) -> np.ndarray:
    """Return where the target's probability is above one half: bool (N,).

    In a multi-class task it is then the largest; in a multi-label task its logit is above 0.
    """
    logits = logits.astype(np.float64)
    own = logits[np.arange(len(target)), target]
    if task == "multi-label":
        return own > 0
    with np.errstate(over="ignore"):
        odds_against = np.exp(logits - own[:, None]).sum(axis=1)
    return odds_against < 2
