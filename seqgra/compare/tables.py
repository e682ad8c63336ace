"""One tidy table of everything that a grid has measured, whole or partial.

What is not there yet is a row of the status table, never an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqgra.compare.ceiling import REGRET, exact_of, is_ceiling, regret_rows, with_ceiling
from seqgra.compare.cells import INTEGERS, KEYS, SPARED, CellResults
from seqgra.compare.prevalence import PREVALENCE, prevalence_rows
from seqgra.compare.stages import (
    StageResult,
    content_of,
    look_at,
    look_at_model,
    look_at_scores,
    outcome_of,
    status_row,
)
from seqgra.dataset import Dataset, open_dataset, split_size
from seqgra.fingerprint import read_run, replacing, write_atomically
from seqgra.outputs import OwnFiles
from seqgra.results import (
    MACRO,
    PROBE_COLUMNS,
    PROBE_TEXTS,
    read_predictions,
    read_probes,
    read_recovery,
    read_scores,
)
from seqgra.textfile import harmless_table

#: Columns of each table, without the keys.
SCORES = ("training_examples", "status", "metric", "scope", "value", "chance", "headline")
RECOVERY = ("method", "examples", "left_out", "undefined", "metric", "scope", "value", "null")
GATES = ("method", "gate", "median", "percentile_99", "steps", "passed")
ELEMENTS = ("method", "element", "instances", "found", "cosine", "pearson", "kl", "flank_mass")
STATUS = (
    *("train", "evaluate", "attribute", "probe", "status"),
    *("validation_loss", "seeds", "not_defined", "reason"),
)
RUNS = (
    "train_seconds",
    "evaluate_seconds",
    "attribute_seconds",
    "epochs",
    "parameters",
    "device",
    "threads",
    "host",
    "versions",
)
_FLOATS = (
    "value",
    "prevalence",
    "chance",
    "null",
    "validation_loss",
    *ELEMENTS[3:],
    *RUNS[:3],
    *GATES[2:4],
)
#: Those of the table of probes, whose names other tables have for texts.
_PROBE_FLOATS = tuple(name for name in PROBE_COLUMNS if name not in PROBE_TEXTS)


class Tables(NamedTuple):
    """The tables of a grid, each sorted by `KEYS`; columns are `KEYS` and those named above."""

    #: One row a (cell, metric, scope); value and chance (of a constant prediction) float64, NaN where a
    #: metric is not defined; headline, bool: whether models are compared by this scope.
    scores: pd.DataFrame
    #: One row a (cell, attribution method, metric, scope); examples: explanations with values, left_out:
    #: those without; undefined: those with values that lack this metric, and are left out of its mean; null:
    #: what background-only inputs give; ceiling and rescaled: see `ceiling.with_ceiling`.
    recovery: pd.DataFrame
    #: One row a (cell, attribution method, element): instances; found, the share of them that is found, mean
    #: over conditions; and how alike the average attribution there is to the element.
    elements: pd.DataFrame
    #: One row a cell: the outcome of each stage, of the cell, the least validation loss of its training (NaN
    #: where there is none), how its initialisation came about (`stages.seeds_of_run`), what is not defined
    #: for it, and what went wrong.
    status: pd.DataFrame
    #: One row a cell: what seeds do not determine (seconds, device, versions, ...).
    runs: pd.DataFrame
    #: One row a (cell, metric, scope): how far a model is from the exact posterior (`ceiling`).
    regret: pd.DataFrame
    #: One row a (cell, attribution method) whose values promise a sum: the gate (completeness), median and
    #: 99th percentile of the gaps, the most steps of an explanation, and passed, bool.
    gates: pd.DataFrame
    #: One row a line of a cell's probes (`results.PROBE_COLUMNS`, docs/probes.md).
    probes: pd.DataFrame
    #: One row a (cell, scope): PR AUC where so few are positive, from `prevalence.prevalence_rows`.
    prevalence: pd.DataFrame


def build_tables(
    cells: list[CellResults], with_regret: bool = True, prevalence: float | None = None
) -> Tables:
    """Read the results of all cells into tables.

    Parameters
    ----------
    cells
        Those of the grid.
    with_regret
        Else that table is left empty.
    prevalence
        Share of positives at which to score too; None: the table of that name is left empty.

    Nouns that an earlier version made, whose content has changed since, count as missing, and so do those
    made from other inputs than a cell names.

    Raises
    ------
    InputError
        If a finished result holds a file that cannot be read.
    """
    scores: list[tuple[Any, ...]] = []
    recovery: list[tuple[Any, ...]] = []
    elements: list[tuple[Any, ...]] = []
    gates: list[tuple[Any, ...]] = []
    probes: list[tuple[Any, ...]] = []
    rare: list[tuple[Any, ...]] = []
    test_sets: dict[Path, Dataset] = {}
    status, runs = [], []
    regret: list[tuple[Any, ...]] = []
    exact = exact_of(cells) if with_regret else {}
    for cell in cells:
        if cell.spared:  # whatever an earlier, whole grid has left
            status.append((*cell.key, *[SPARED] * 5, None, "", "", ""))
            continue
        train = look_at_model(cell)
        evaluate, content = look_at_scores(cell, train), dict[str, Any]()
        if "diverged" not in (train.status, evaluate.status):
            evaluate, content = content_of(evaluate, cell.scores, read_scores)
        attribute = {}
        for method, folder in cell.attributions:
            made = look_at(cell, "attribute", folder, train, part=method)
            attribute[method], found = content_of(made, folder, read_recovery)
            if found:
                recovery += _recovery_rows(cell, method, found)
                elements += _element_rows(cell, method, found)
                gates += _gate_rows(cell, method, found)
        outcome = outcome_of(train, evaluate)
        if content:
            scores += _score_rows(cell, outcome, content)
            if cell.grammar in exact and not is_ceiling(cell.backend):
                rows = regret_rows(cell, exact[cell.grammar], content, train.run)
                regret += [(*cell.key, *row) for row in rows]
            if prevalence is not None and read_run(cell.test) is not None:
                if cell.test not in test_sets:
                    test_sets[cell.test] = open_dataset(cell.test)
                rare += _rare_rows(cell, test_sets[cell.test], prevalence)
        probe = None
        if cell.probes:
            probe = look_at(cell, "probe", cell.probes, train)
            if probe.status == "done":
                probe, found = content_of(probe, cell.probes, read_probes)
                lines = found["table"].itertuples(index=False, name=None) if found else ()
                probes += [(*cell.key, *line) for line in lines]
        status.append((*cell.key, *status_row(train, evaluate, attribute, outcome, probe)))
        runs.append((*cell.key, *_run_row(train, evaluate, attribute)))
    recovered = _frame(
        recovery,
        RECOVERY,
        ("examples", "left_out", "undefined"),
        sort=("method", "metric", "scope"),
    )
    return Tables(
        _frame(scores, SCORES, ("training_examples",), sort=("metric", "scope")),
        with_ceiling(recovered),
        _frame(elements, ELEMENTS, ("instances",), sort=("method", "element")),
        _frame(status, STATUS),
        _frame(runs, RUNS),
        _frame(regret, REGRET, sort=("metric", "scope")),
        _frame(gates, GATES, sort=("method",)),
        _frame(probes, PROBE_COLUMNS, floats=_PROBE_FLOATS),
        _frame(rare, PREVALENCE, ("positives", "negatives"), sort=("scope",)),
    )


def _rare_rows(cell: CellResults, dataset: Dataset, share: float) -> list[tuple[Any, ...]]:
    logits = read_predictions(cell.scores)
    true = np.asarray(dataset.y("test", len(logits))).astype(bool)
    rows = prevalence_rows(logits, true, dataset.conditions, dataset.task, share)
    return [(*cell.key, *row) for row in rows]


def _score_rows(
    cell: CellResults, outcome: str, content: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    facts = (*cell.key, split_size(cell.size)["training"], outcome)
    return [
        (
            *facts,
            metric,
            scope,
            value,
            content["chance"][metric][scope],
            scope == content["headline"],
        )
        for metric, by_scope in content["metrics"].items()
        for scope, value in by_scope.items()
    ]


def _recovery_rows(
    cell: CellResults, method: str, content: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    return [
        (
            *cell.key,
            method,
            *(content[n][scope] for n in ("examples", "left_out")),
            content["undefined"].get(metric, {}).get(scope, 0),
            metric,
            scope,
            value,
            content["null"].get(metric, {}).get(scope),
        )
        for metric, by_scope in content["recovery"].items()
        for scope, value in by_scope.items()
    ]


def _gate_rows(cell: CellResults, method: str, content: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    if not (gaps := content["completeness"]):
        return []
    facts = (gaps["median"], gaps["99th percentile"], gaps.get("steps"), gaps["passed"])
    return [(*cell.key, method, "completeness", *facts)]


def _element_rows(
    cell: CellResults, method: str, content: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    rows = []
    for name, measured in content["elements"].items():
        found = content["recovery"].get(f"instance_recall:{name}", {}).get(MACRO)
        facts = (measured["instances"], found, *(measured[column] for column in ELEMENTS[4:]))
        rows.append((*cell.key, method, name, *facts))
    return rows


def _run_row(
    train: StageResult, evaluate: StageResult, attribute: Mapping[str, StageResult]
) -> tuple[Any, ...]:
    seconds = [stage.run["seconds"] for stage in attribute.values() if "seconds" in stage.run]
    versions = train.run.get("versions") or evaluate.run.get("versions") or {}
    return (
        train.run.get("seconds"),
        evaluate.run.get("seconds"),
        round(sum(seconds), 3) if seconds else None,
        train.run.get("epochs"),
        train.run.get("parameters"),
        train.run.get("device", ""),
        train.run.get("threads"),
        train.run.get("host", ""),
        json.dumps(versions, sort_keys=True) if versions else "",
    )


def _frame(
    rows: list[tuple[Any, ...]],
    columns: tuple[str, ...],
    integers: tuple[str, ...] = (),
    sort: tuple[str, ...] = (),
    floats: tuple[str, ...] = _FLOATS,
) -> pd.DataFrame:
    """Return rows as a sorted frame whose column types do not depend on what the rows hold."""
    frame = pd.DataFrame(rows, columns=[*KEYS, *columns])
    types = dict.fromkeys((*INTEGERS, *integers), "int64")
    types |= dict.fromkeys(frame.columns.intersection([*floats]), "float64")
    types |= dict.fromkeys(frame.columns.intersection(["headline", "passed"]), "bool")
    types |= dict.fromkeys(
        frame.columns.intersection(["epochs", "parameters", "threads", "steps"]), "Int64"
    )
    texts = dict.fromkeys(frame.columns.difference(list(types)), "str")
    frame = frame.astype({**types, **texts})
    return frame.sort_values([*KEYS, *sort], ignore_index=True)


def write_tables(tables: Mapping[str, pd.DataFrame], own: OwnFiles) -> None:
    """Write each table as CSV (floats as `repr`) and Parquet; equal tables give equal bytes.

    Texts that a spreadsheet would take for formulas are made harmless in CSV; Parquet has them as they are.
    """
    for name, frame in tables.items():
        text = harmless_table(frame).to_csv(index=False, lineterminator="\n")
        write_atomically(own.file(f"tables/{name}.csv"), text)
        with replacing(own.file(f"tables/{name}.parquet")) as stream:
            frame.to_parquet(stream, index=False)


def models_only(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of trained models, without those of the exact posterior."""
    return table[~table["backend"].map(is_ceiling).astype(bool)]


def ceilings_only(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the exact posterior."""
    return table[table["backend"].map(is_ceiling).astype(bool)]


def recovery_runs(recovery: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    """Return the rows of one method and metric, averaged over conditions, that have a value."""
    chosen = (recovery["method"] == method) & (recovery["metric"] == metric)
    return recovery[chosen & (recovery["scope"] == MACRO)].dropna(subset=["value"])


def headlines(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of PR AUC, with a value, by which models are compared: micro or macro."""
    chosen = scores[(scores["metric"] == "pr_auc") & scores["headline"]]
    return chosen.dropna(subset=["value"])


def counted(tables: Tables) -> pd.DataFrame:
    """Return the headline rows of models; a run that diverged counts as a constant prediction.

    Of a grammar without any score nothing is known of a constant.
    """
    shown = models_only(headlines(tables.scores))
    status = models_only(tables.status)
    lost = status.loc[status["status"] == "diverged", status.columns.intersection([*KEYS, "label"])]
    facts = ["grammar", "metric", "scope", "chance", "headline"]
    lost = lost.merge(shown[facts].drop_duplicates("grammar"), on="grammar")
    trained = [split_size(size)["training"] for size in lost["size"].tolist()]
    lost = lost.assign(value=lost["chance"], status="diverged", training_examples=trained)
    return pd.concat([shown, lost], ignore_index=True) if len(lost) else shown


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Summarise PR AUC over seeds.

    Parameters
    ----------
    runs
        From `counted`.

    Returns
    -------
    DataFrame
        One row a (grammar, architecture, backend, size): training_examples; scope, micro or macro;
        chance, the value of a constant prediction; mean, min and max over runs, float64; n, the runs;
        failed, how many of them collapsed or diverged. These count in all.
    """
    chosen = runs.assign(failed=runs["status"] != "done")
    keys = ["grammar", "architecture", "backend", "size"]
    return chosen.groupby(keys, as_index=False).agg(
        training_examples=("training_examples", "first"),
        scope=("scope", "first"),
        chance=("chance", "first"),
        mean=("value", "mean"),
        min=("value", "min"),
        max=("value", "max"),
        n=("value", "size"),
        failed=("failed", "sum"),
    )


def examples_needed(runs: pd.DataFrame, target: float) -> pd.DataFrame:
    """Return the smallest grid size at which the mean PR AUC over runs reaches a target.

    It is a point on the grid, not an estimate between sizes, and comes without an interval: a few
    seeds carry none.

    Parameters
    ----------
    runs
        From `counted`.
    target
        The value to reach.

    Returns
    -------
    DataFrame
        One row a (grammar, architecture, backend): needed, the size as text (``> 16000`` where no
        size reaches it); size, that size or the largest; reached, how many of the runs at `size`
        reach the target by themselves; n, the runs there; stays, whether the mean also reaches it
        at every larger size.
    """
    columns = ["grammar", "architecture", "backend"]
    reaching = runs[runs["value"] >= target].groupby([*columns, "size"]).size()
    rows = []
    for key, group in summary(runs).groupby(columns):
        group = group.sort_values("size", ignore_index=True)
        hits = group.index[group["mean"] >= target]
        at = int(hits[0]) if len(hits) else len(group) - 1
        size, n = int(group["size"][at]), int(group["n"][at])
        needed = str(size) if len(hits) else f"> {size}"
        stays = len(hits) > 0 and len(hits) == len(group) - at
        reached = int(reaching.get((*key, size), 0))
        rows.append((*key, needed, size, reached, n, stays))
    return pd.DataFrame(rows, columns=[*columns, "needed", "size", "reached", "n", "stays"])
