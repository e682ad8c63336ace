"""Nouns that say how good a model is: scores and attributions, each with its reader and writer.

scores/        scores.json, curves.parquet, predictions.npy
attributions/  recovery.json, recovery.parquet, motifs.parquet, attributions.npy
tunings/       chosen.yaml
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import yaml
from pydantic import Field

from seqgra.architecture.optimizers import Optimizer
from seqgra.errors import InputError, Problem, bad_input, raise_problems
from seqgra.fingerprint import Draft, require_run, verify_file
from seqgra.labels import MACRO as MACRO
from seqgra.labels import MICRO as MICRO
from seqgra.yamlfile import Strict, read_yaml, validate

if TYPE_CHECKING:  # who reads or writes no table starts without pandas
    import pandas as pd


@dataclass(frozen=True)
class Scores:
    """Predictive performance of one model on one test set.

    Attributes
    ----------
    examples
        Test examples N.
    task
        ``multi-class`` or ``multi-label``.
    headline
        The scope to compare models by: micro, or macro in multi-label and unbalanced tasks.
    metrics
        ``metrics[metric][scope]``: metric is one of roc_auc, pr_auc, accuracy, log_loss; scope is
        micro, macro or the name of a condition. NaN where a metric is not defined.
    chance
        The same of the constant prediction: each condition's share of these examples.
    curves
        Columns curve (roc or pr), scope, x, y: false positive rate and true positive rate, or recall
        and precision.
    predictions
        float32 (N, C), of another program float64: logits.
    """

    examples: int
    task: str
    headline: str
    metrics: dict[str, dict[str, float]]
    chance: dict[str, dict[str, float]]
    curves: pd.DataFrame
    predictions: np.ndarray

    @property
    def pr_auc(self) -> float:
        """Area under the precision-recall curve (average precision) of the headline's scope."""
        return self.metrics["pr_auc"][self.headline]

    @property
    def roc_auc(self) -> float:
        """Area under the ROC curve of the headline's scope."""
        return self.metrics["roc_auc"][self.headline]

    @property
    def table(self) -> pd.DataFrame:
        """One row a scope, one column a metric; beside each what a constant prediction reaches."""
        import pandas as pd

        table = pd.DataFrame(self.metrics)
        return table.join(pd.DataFrame(self.chance).add_suffix("_chance"))

    def _repr_html_(self) -> str:
        return str(self.table.round(4).to_html())


def _no_rows(*columns: str) -> Callable[[], pd.DataFrame]:
    """Return a function that makes an empty table."""

    def make() -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame(columns=list(columns))

    return make


@dataclass(frozen=True)
class AttributionScores:
    """Grammar recovery of one model by one attribution method, on the fixed test examples.

    In a multi-label task an example has an explanation for each of its labels that was chosen.
    """

    #: Name of the attribution method.
    method: str
    #: One row an explanation: example (row of the test set), condition (name of the one explained), correct
    #: (bool), solvable (bool; where there is an exact posterior), completeness_gap (of complete methods,
    #: share of the logit's difference), steps (of integrated gradients), and one float column a metric; NaN
    #: where a metric is not defined. Columns that begin with `NULL` are of background-only inputs.
    recovery: pd.DataFrame
    #: int64 (K,): the rows of the test set, and the numbers of the conditions, that `values` explain.
    pictured: np.ndarray
    explained: np.ndarray
    #: float32 (K, A, L): attributions of the pictured examples, padded positions 0.
    values: np.ndarray
    #: One row an element with instances: element, instances, and how alike its average attribution and its
    #: letter probabilities are, one float column a measure.
    elements: pd.DataFrame = field(default_factory=_no_rows("element"))
    #: The average attributions: element, column (from 1 along the element; flanks lie outside), one float
    #: column a letter.
    motifs: pd.DataFrame = field(default_factory=_no_rows("element", "column"))
    #: How far local patterns repeat over examples, in nats, by condition; empty where the alphabet has not
    #: four letters.
    consistency: Mapping[str, float] = field(default_factory=dict)


class BackgroundOnly(NamedTuple):
    """Attributions of sequences of background alone: K float32 (A, L), and int64 (K,) explained."""

    values: np.ndarray
    explained: np.ndarray


class Candidate(Strict):
    """How one optimiser setting did: its least validation loss (nats; None without a finite one)."""

    optimizer: Optimizer
    validation_loss: float | None = None
    epochs: int
    status: str


class Tuning(Strict):
    """What `seqgra tune` chose, and from what."""

    optimizer: Optimizer
    candidates: tuple[Candidate, ...] = Field(min_length=1)

    @classmethod
    def choose(cls, candidates: Sequence[Candidate]) -> Tuning:
        """Choose the least validation loss; a diverged candidate only where all diverged."""
        best = min(candidates, key=_rank)  # of equals the first
        return cls(optimizer=best.optimizer, candidates=tuple(candidates))

    def as_json(self) -> dict[str, Any]:
        """Return the content of ``chosen.yaml``."""
        return self.model_dump(mode="json", exclude_none=True)


def _rank(candidate: Candidate) -> tuple[bool, float]:
    loss = candidate.validation_loss
    return candidate.status == "diverged", math.inf if loss is None else loss


class EarlierVersion(InputError):
    """A whole noun whose content lacks what this version reads: an earlier one made it."""


class Pictured(NamedTuple):
    """Attributions kept for pictures; see `AttributionScores` for the arrays."""

    rows: np.ndarray
    explained: np.ndarray
    values: np.ndarray


#: Statuses of runs that count as not having learnt, whatever their value.
NOT_LEARNT = ("collapsed", "diverged")
#: Table of a model's probes: its file; its columns, and those that are text.
PROBES_FILE = "probes.csv"
PROBE_COLUMNS = (
    *("property", "condition", "other", "rule", "subject", "level"),
    *("gap_low", "gap_high", "place", "sequences"),
    *("raw", "raw_low", "raw_high", "chance", "ceiling", "ceiling_low", "ceiling_high"),
    *("untrained", "untrained_low", "untrained_high"),
    *("score", "low", "high", "reason", "asked", "full", "without", "shortcut"),
)
PROBE_TEXTS = frozenset({*PROBE_COLUMNS[:6], "place", "reason", "asked", "shortcut"})
#: What a grammar can be about: of the properties that it asks for, the first one. The more particular ones
#: come first, as whoever knows an order knows its motifs too.
PRIMARY = (
    *("confounder", "logic", "order", "spacing", "orientation", "strand"),
    *("position", "affinity", "copies", "vocabulary"),
)
#: Stages that make scores.
SCORERS = ("evaluate", "score")
#: Columns of `Attributions.recovery` that are no metric.
RECOVERY_KEYS = ("example", "condition", "correct", "solvable", "completeness_gap", "steps")
#: Attribution from which the thresholded measures call a position important, as in the paper.
THRESHOLD = 0.01
#: Begins the columns with what background-only inputs give instead of the examples.
NULL = "null_"
#: Quantiles of the gaps of completeness, and what each is to stay below.
LARGEST_GAPS = {"median": (0.5, 0.01), "99th percentile": (0.99, 0.05)}


def write_tuning(tuning: Tuning, draft: Draft) -> None:
    """Write the file of a tuning noun; the caller publishes it."""
    text = yaml.safe_dump(tuning.as_json(), sort_keys=False)
    draft.aside("chosen.yaml").write_text(text)


def read_tuning(folder: Path) -> Tuning:
    """Return what ``seqgra tune`` chose.

    Raises
    ------
    InputError
        If the folder is not finished, or its file is damaged or edited.
    """
    file = verify_file(folder, "chosen.yaml", require_run(folder, "tune"))
    tuning, problems = validate(Tuning, read_yaml(file), str(file))
    raise_problems(problems)
    return tuning


def write_scores(scores: Scores, draft: Draft) -> None:
    """Write the files of a scores noun; the caller publishes them."""
    content = {
        "examples": scores.examples,
        "task": scores.task,
        "headline": scores.headline,
        "metrics": _json_ready(scores.metrics),
        "chance": _json_ready(scores.chance),
    }
    draft.aside("scores.json").write_text(json.dumps(content, indent=1) + "\n")
    scores.curves.to_parquet(draft.aside("curves.parquet"), index=False)
    _save_array(draft.aside("predictions.npy"), scores.predictions)


def read_scores(folder: Path, run: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the content of ``scores.json``: `Scores` without arrays (None where not defined).

    Parameters
    ----------
    folder
        A scores noun.
    run
        Its ``run.json``, where that has been read already.

    Raises
    ------
    InputError
        If the noun is not finished, or the file is damaged; `EarlierVersion` if it is outdated.
    """
    file = verify_file(folder, "scores.json", run or require_run(folder, *SCORERS))
    return _read_json(file, ("metrics", "chance", "headline", "task"))


def read_predictions(folder: Path) -> np.ndarray:
    """Return the logits of a scores noun, as `Scores.predictions`; raises as `read_scores`."""
    file = verify_file(folder, "predictions.npy", require_run(folder, *SCORERS))
    return np.asarray(np.load(file, allow_pickle=False))


def read_curves(folder: Path, scope: str) -> pd.DataFrame:
    """Return the curves of a scope, or for `MACRO` those of all conditions; raises as `read_scores`."""
    file = verify_file(folder, "curves.parquet", require_run(folder, *SCORERS))
    import pandas as pd

    operator, wanted = ("!=", MICRO) if scope == MACRO else ("==", scope)
    return pd.read_parquet(file, filters=[("scope", operator, wanted)])


def write_attributions(result: AttributionScores, draft: Draft) -> None:
    """Write the files of an attributions noun; the caller publishes them."""
    own, null = summarise_recovery(result.recovery), summarise_recovery(_nulls(result.recovery))
    elements = result.elements.to_dict("records")
    content = {
        "method": result.method,
        **count_explanations(result.recovery),
        "undefined": count_undefined(result.recovery),
        "pictured": result.pictured.tolist(),
        "explained": result.explained.tolist(),
        "recovery": _json_ready(own | _by_scope("consistency", result.consistency)),
        "sets": _by_set(result.recovery),
        "null": _json_ready(null),
        "elements": _json_ready({str(row.pop("element")): row for row in elements}),  # type: ignore[misc]
        "completeness": completeness(result.recovery),
    }
    draft.aside("recovery.json").write_text(json.dumps(content, indent=1) + "\n")
    result.recovery.to_parquet(draft.aside("recovery.parquet"), index=False)
    result.motifs.to_parquet(draft.aside("motifs.parquet"), index=False)
    _save_array(draft.aside("attributions.npy"), result.values)


def read_recovery(folder: Path, run: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the content of ``recovery.json``.

    ``recovery[metric][scope]`` holds means over explanations, ``null[metric][scope]`` the same of
    background-only inputs, ``elements[name]`` instances and likeness, ``examples[scope]`` and
    ``left_out[scope]`` how many have values and how many do not, ``undefined[metric][scope]`` how many of
    those with values lack a metric.

    Parameters
    ----------
    folder
        An attributions noun.
    run
        Its ``run.json``, where that has been read already.

    Raises
    ------
    InputError
        If the noun is not finished, or the file is damaged; `EarlierVersion` if it is outdated.
    """
    file = verify_file(folder, "recovery.json", run or require_run(folder, "attribute"))
    needed = ("recovery", "null", "elements", "examples", "left_out", "undefined", "explained")
    return _read_json(file, needed)


def primary_property(asked: Iterable[str]) -> str:
    """Return the property that a grammar is about, of those that it asks for; empty where it asks for none.

    >>> primary_property(["vocabulary", "sufficiency", "order", "translation", "shift"])
    'order'
    """
    properties = set(asked)
    return next((name for name in PRIMARY if name in properties), "")


def read_probes(folder: Path, run: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the table of a model's probes as ``{"table": DataFrame}``, with `PROBE_COLUMNS`.

    Parameters
    ----------
    folder
        Made by ``seqgra probe``.
    run
        Its ``run.json``, where that has been read already.

    Raises
    ------
    InputError
        If the folder is not finished, or the file is damaged.
    """
    import pandas as pd

    file = verify_file(folder, PROBES_FILE, run or require_run(folder, "probe"))
    types = {name: "float64" for name in PROBE_COLUMNS if name not in PROBE_TEXTS}
    try:
        table = pd.read_csv(file, keep_default_na=False, na_values={name: [""] for name in types})
        return {
            "table": table[list(PROBE_COLUMNS)].astype(types | dict.fromkeys(PROBE_TEXTS, "str"))
        }
    except (KeyError, ValueError) as error:
        raise bad_input(file, "", f"is no table of probes ({error})") from None


def read_pictured(folder: Path) -> Pictured:
    """Return the attributions that were kept for pictures.

    Raises
    ------
    InputError
        If the noun is not finished, or a file is damaged.
    """
    run = require_run(folder, "attribute")
    content = read_recovery(folder, run)
    rows, explained = (np.array(content[name], np.int64) for name in ("pictured", "explained"))
    values = np.load(verify_file(folder, "attributions.npy", run), allow_pickle=False)
    return Pictured(rows, explained, values)


def read_motifs(folder: Path) -> pd.DataFrame:
    """Return the average attributions at elements (see `Attributions.motifs`).

    Raises
    ------
    InputError
        If the noun is not finished, or the file is damaged.
    """
    import pandas as pd

    run = require_run(folder, "attribute")
    return pd.read_parquet(verify_file(folder, "motifs.parquet", run))


def _by_scope(metric: str, by_condition: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return a metric by scope, macro being the mean over conditions; nothing without any."""
    if not by_condition:
        return {}
    return {metric: {MACRO: float(np.mean([*by_condition.values()])), **by_condition}}


def count_explanations(recovery: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many explanations have values (examples) and how many do not (left_out), by scope.

    One without a grammar position, or whose attribution is not finite, has none.
    """
    metrics = recovery.drop(columns=[*RECOVERY_KEYS], errors="ignore")
    has_values = metrics.notna().any(axis=1)
    counts = {}
    for name, chosen in (("examples", has_values), ("left_out", ~has_values)):
        by_condition = chosen.groupby(recovery["condition"], sort=False).sum()
        rest = {str(condition): int(count) for condition, count in by_condition.items()}
        counts[name] = {MACRO: int(chosen.sum()), **rest}
    return counts


def count_undefined(recovery: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Return how many explanations with values lack a metric, and are left out of its mean, by scope.

    Such as the precision of an attribution that is nowhere above 0, whose recall and F1 are 0. Metrics that
    all of them have are not named, nor those of instances and confounders, which many an example lacks.
    """
    metrics = recovery.drop(columns=[*RECOVERY_KEYS], errors="ignore")
    has_values = metrics.notna().any(axis=1)
    counts = {}
    for name in metrics:
        lacking = metrics[name].isna() & has_values
        if lacking.any() and not str(name).startswith((NULL, "instance_recall", "confounder")):
            by_condition = lacking.groupby(recovery["condition"], sort=False).sum()
            rest = {str(condition): int(count) for condition, count in by_condition.items()}
            counts[str(name)] = {MACRO: int(lacking.sum()), **rest}
    return counts


def _by_set(recovery: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return means and counts of the solvable and of the model's own correct explanations."""
    found = {}
    for name, column in (("solvable", "solvable"), ("own-correct", "correct")):
        if column in recovery:
            chosen = recovery[recovery[column]]
            means = _json_ready(summarise_recovery(chosen))
            found[name] = {**count_explanations(chosen), "recovery": means}
    return found


def _nulls(recovery: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of background-only inputs under the names of the metrics, and condition."""
    names = {name: str(name)[len(NULL) :] for name in recovery if str(name).startswith(NULL)}
    return recovery[["condition", *names]].rename(columns=names)


def completeness(recovery: pd.DataFrame) -> dict[str, float | bool] | None:
    """Return median and 99th percentile of the gaps of completeness, and whether they are small.

    ``passed`` is false where one is above its limit in `LARGEST_GAPS`; ``steps`` are the most that an
    explanation took, of methods that have steps. None for methods that promise no sum, and where gaps are
    not known.
    """
    if "completeness_gap" not in recovery or (gaps := recovery["completeness_gap"].dropna()).empty:
        return None
    found: dict[str, float | bool] = {
        name: float(gaps.quantile(share)) for name, (share, _) in LARGEST_GAPS.items()
    }
    if "steps" in recovery:
        found["steps"] = int(recovery["steps"].max())
    return {**found, "passed": failed_limit(gaps.to_numpy()) is None}


def failed_limit(gaps: np.ndarray) -> float | None:
    """Return the first limit of `LARGEST_GAPS` that gaps, float64 (K,), do not stay below; None: none."""
    known = gaps[~np.isnan(gaps)]
    for share, limit in LARGEST_GAPS.values():
        if known.size and np.quantile(known, share) >= limit:
            return limit
    return None


def summarise_recovery(recovery: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the mean of each metric by scope: each condition, and macro (the mean of conditions)."""
    others = (*RECOVERY_KEYS, *(name for name in recovery if str(name).startswith(NULL)))
    metrics = [name for name in recovery.columns if name not in others]
    means = recovery.groupby("condition", sort=False)[metrics].mean()
    summary = {}
    for metric in metrics:
        by_condition = {str(name): float(value) for name, value in means[metric].items()}
        summary[metric] = {MACRO: float(means[metric].mean()), **by_condition}
    return summary


def _json_ready(metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Replace NaN by None, which JSON can hold."""
    return {
        metric: {scope: None if math.isnan(value) else value for scope, value in by_scope.items()}
        for metric, by_scope in metrics.items()
    }


def _save_array(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as stream:  # np.save would append .npy to a path without it
        np.save(stream, array)


def _read_json(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise bad_input(path, "", f"cannot be read ({error}); make it again") from None
    if lacking := [key for key in keys if key not in content]:
        message = f"lacks {', '.join(lacking)}: it is of an earlier version; make it again"
        raise EarlierVersion(Problem(str(path), "", message))
    return content
