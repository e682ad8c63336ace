"""How far models are from the exact posterior of their grammar: regret, excess log loss, agreement.

All compare a model with the posterior on the same test examples, so that chance in the examples cancels;
regret may come out slightly below 0 and is not clipped. Where the posterior is no closed form, its kind
says so, and it is no bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from seqgra.compare.cells import CellResults
from seqgra.compare.stages import content_of, look_at_model, look_at_scores
from seqgra.dataset import open_dataset
from seqgra.fingerprint import read_run
from seqgra.grammar.schema import Grammar
from seqgra.law.ceiling import suffices
from seqgra.law.restricted import rule_itself
from seqgra.metrics import log_odds
from seqgra.model import CEILINGS
from seqgra.results import MACRO, MICRO, read_predictions, read_scores
from seqgra.training import mean_loss

#: Columns of the table of what models lack, after the keys of a cell.
REGRET = ("ceiling", "metric", "scope", "value")
#: Columns of the table of what less than all knowledge reaches.
RESTRICTED = ("grammar", "knows", "metric", "value", "standard_error", "enough")
_AREAS = ("roc_auc", "pr_auc")
#: How far the ceiling's recovery must lie above its null for shares of that way to say something.
_ROOM = 0.01


class Exact(NamedTuple):
    """The posterior on a grammar's test set."""

    #: Its architecture.
    name: str
    #: ``exact``, ``estimate`` or ``approximation``.
    kind: str
    #: float32 (N, C): log posterior, or log odds.
    logits: np.ndarray
    #: Content of ``scores.json``.
    scores: Mapping[str, Any]
    #: bool (N, C): recorded labels.
    truth: np.ndarray
    #: Of the dataset.
    task: str


def is_ceiling(backend: str) -> bool:
    """Tell whether a backend's models are no competitors but the ceiling."""
    return backend in CEILINGS


def ceiling_kinds(cells: list[CellResults]) -> dict[str, str]:
    """Return, for each grammar with a posterior, whether it is ``exact`` (see `Exact`)."""
    found: dict[str, str] = {}
    for cell in cells:
        if is_ceiling(cell.backend):
            found.setdefault(cell.grammar, _kind(cell))
    return found


def exact_of(cells: list[CellResults]) -> dict[str, Exact]:
    """Return the first finished posterior of each grammar, whose test set is there."""
    found: dict[str, Exact] = {}
    for cell in cells:
        if not is_ceiling(cell.backend) or cell.grammar in found:
            continue
        evaluated = look_at_scores(cell, look_at_model(cell))
        _, scores = content_of(evaluated, cell.scores, read_scores)
        if scores and read_run(cell.test) is not None:
            logits = read_predictions(cell.scores)
            dataset = open_dataset(cell.test)
            found[cell.grammar] = Exact(
                cell.architecture,
                _kind(cell),
                logits,
                scores,
                np.asarray(dataset.y("test", len(logits))).astype(bool),
                dataset.task,
            )
    return found


def regret_rows(
    cell: CellResults, exact: Exact, scores: Mapping[str, Any], run: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Return rows of `REGRET` of one finished model: name of the ceiling, metric, scope, value.

    regret_roc_auc, regret_pr_auc: (A* - A) / (A* - c), c the area of a constant prediction.
    excess_log_loss: mean log loss less that of the posterior, in nats; excess_log_loss_scaled: after the
    logits are divided by the temperature that the model's run.json holds, fitted to its validation set.
    llr_spearman: rank correlation of the model's log odds with the exact ones, within the examples of each
    condition; macro is the mean over conditions.

    Parameters
    ----------
    cell, exact
        The model, and what it is compared with.
    scores, run
        Content of its ``scores.json``, and ``run.json`` of the model.
    """
    metrics, logits = scores["metrics"], read_predictions(cell.scores)
    if logits.shape != exact.logits.shape:
        return []
    rows = []
    for metric in _AREAS:
        for scope in (MICRO, MACRO):
            best, own = exact.scores["metrics"][metric][scope], metrics[metric][scope]
            chance = exact.scores["chance"][metric][scope]
            if None not in (best, own, chance) and best > chance:
                value = (best - own) / (best - chance)
                rows.append((exact.name, f"regret_{metric}", scope, value))
    own_loss, best_loss = metrics["log_loss"][MICRO], exact.scores["metrics"]["log_loss"][MICRO]
    if own_loss is not None and best_loss is not None:
        rows.append((exact.name, "excess_log_loss", MICRO, own_loss - best_loss))
        temperature = run.get("temperature")
        if temperature is not None:
            scaled = mean_loss(logits / temperature, exact.truth, exact.task)
            rows.append((exact.name, "excess_log_loss_scaled", MICRO, scaled - best_loss))
    correlation = within_class_spearman(logits, exact)
    rows.append((exact.name, "llr_spearman", MACRO, correlation))
    return rows


def with_ceiling(recovery: pd.DataFrame) -> pd.DataFrame:
    """Add what the exact posterior recovers, and where models lie between their null and that.

    Parameters
    ----------
    recovery
        `tables.Tables.recovery` without these two columns.

    Returns
    -------
    DataFrame
        With ceiling, the value of the grammar's first posterior by the same method, and rescaled:
        (value - null) / (ceiling - null). NaN where either is unknown, or the ceiling is less than `_ROOM`
        above the null.
    """
    keys = ["grammar", "method", "metric", "scope"]
    exact = recovery[recovery["backend"].map(is_ceiling).astype(bool)].drop_duplicates(keys)
    found = recovery.join(exact.set_index(keys)["value"].rename("ceiling"), on=keys)
    room = found["ceiling"] - found["null"]
    return found.assign(rescaled=((found["value"] - found["null"]) / room).where(room >= _ROOM))


def restricted(cells: list[CellResults]) -> pd.DataFrame:
    """Return what full and less knowledge reach, as each grammar's first posterior has noted it.

    Returns
    -------
    DataFrame
        Columns `RESTRICTED`; enough: whether it `suffices`, so that what goes beyond this knowledge is not
        needed by the grammar.
    """
    rows: list[tuple[Any, ...]] = []
    for grammar in ceiling_kinds(cells):
        posteriors = (c for c in cells if c.grammar == grammar and is_ceiling(c.backend))
        run = read_run(next(posteriors).model) or {}
        found = run.get("restricted", [])
        areas: dict[str, dict[str, float]] = {}
        for row in found:
            areas.setdefault(row["knows"], {})[row["metric"]] = row["value"]
        for row in found:
            enough = suffices(areas[row["knows"]], areas["everything"])
            rows.append((grammar, *(row[name] for name in RESTRICTED[1:-1]), enough))
    types = dict.fromkeys(RESTRICTED[:3], "str")
    types |= dict.fromkeys(RESTRICTED[3:5], "float64") | {"enough": "bool"}
    return pd.DataFrame(rows, columns=list(RESTRICTED)).astype(types)


def beside_the_rule(known: pd.DataFrame, grammars: Mapping[str, Grammar]) -> pd.DataFrame:
    """Return the rows of `restricted` whose knowledge is not what the grammar's conditions differ in."""
    own = {name: rule_itself(grammar) for name, grammar in grammars.items()}
    pairs = zip(known["grammar"], known["knows"], strict=True)
    beside = [knows not in own.get(grammar, ()) for grammar, knows in pairs]
    return known[np.array(beside, bool)]


def ceiling_facts(
    grammar: str, scope: str, regret: pd.DataFrame, known: pd.DataFrame
) -> dict[str, Any]:
    """Return what models lack of the ceiling, and which knowledge is enough.

    Parameters
    ----------
    grammar, scope
        Which one, and the scope by which its models are compared.
    regret
        The table of that name, with a column label.
    known
        `restricted` of the grid.

    Returns
    -------
    dict
        scope; size, the largest one; lacks, label -> mean share of the way from chance to the exact posterior
        that is missing there; everything and enough, macro ROC AUC of the posterior, and of what is enough by
        itself. Empty where it is not known.
    """
    chosen = regret[(regret["grammar"] == grammar) & (regret["metric"] == "regret_pr_auc")]
    chosen = chosen[(chosen["scope"] == scope) & (chosen["size"] == chosen["size"].max())]
    means = chosen.groupby("label")["value"].mean().sort_values(kind="stable")
    own = known[(known["grammar"] == grammar) & (known["metric"] == "roc_auc")]
    areas = own.set_index("knows")["value"]
    enough = own.loc[own["enough"] & (own["knows"] != "everything"), "knows"]
    return {
        "scope": scope,
        "size": int(chosen["size"].max()) if len(chosen) else 0,
        "lacks": {str(label): float(value) for label, value in means.items()},
        "everything": float(areas.get("everything", math.nan)),
        "enough": {str(name): float(areas[name]) for name in enough},
    }


def within_class_spearman(logits: np.ndarray, exact: Exact) -> float:
    """Return the mean over conditions of the rank correlation among a condition's own examples.

    Across conditions it would be inflated by their separation. NaN where log odds are constant.
    """
    many = exact.task == "multi-label"
    mine, best = log_odds(logits, many), log_odds(exact.logits, many)
    found = []
    for condition in range(mine.shape[1]):
        rows = exact.truth[:, condition]
        own, other = mine[rows, condition], best[rows, condition]
        if own.size < 3 or np.ptp(own) == 0 or np.ptp(other) == 0:
            return float("nan")
        found.append(float(spearmanr(own, other).statistic))
    return float(np.mean(found))


def _kind(cell: CellResults) -> str:
    run = read_run(cell.model)
    return str((run or {}).get("kind", "exact"))
