"""A grid compared: every number that its report shows, as one value that can be written as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqgra.compare.answer import Answer, Few, answers, few_seeds
from seqgra.compare.calibration import calibration
from seqgra.compare.ceiling import beside_the_rule, ceiling_kinds, is_ceiling, restricted
from seqgra.compare.cells import KEYS, CellResults
from seqgra.compare.decide import Decision, Statistics, statistics
from seqgra.compare.probes import (
    needed_for_rules,
    property_scores,
    rule_card,
    rule_scores,
    rules_of_named,
)
from seqgra.compare.runs import curve_runs
from seqgra.compare.stages import content_of, current, look_at_model, look_at_scores
from seqgra.compare.standing import standing
from seqgra.compare.tables import (
    Tables,
    build_tables,
    counted,
    examples_needed,
    headlines,
    models_only,
    recovery_runs,
    summary,
)
from seqgra.compare.tuning import tuning_table
from seqgra.dataset import open_dataset
from seqgra.errors import bad_input, whole_number
from seqgra.fingerprint import read_run
from seqgra.grammar.schema import Grammar
from seqgra.model import FOREIGN
from seqgra.results import read_scores

#: The PR AUC that counts as having learnt the task.
TARGET = 0.95
#: Attribution method and recovery metric shown; the first ones there where no attributions hold them.
METHOD, METRIC = "integrated-gradients", "ap_chance_corrected"
#: Columns that tables of the comparison have beyond those that are written.
_ADDED = {"probes": ["label", "seeds"]}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Every number of a report; tables have a column label, which is how an architecture is named.

    Attributes
    ----------
    question
        What the grid is to answer, in the user's words.
    at
        The user's dataset size, None if not asked.
    target
        The PR AUC that counts as having learnt the task.
    method, metric
        Attribution method and recovery metric shown; empty where there is no recovery.
    answer
        What is said first of each grammar.
    few
        Where too few seeds show nothing.
    standing
        One row a (grammar, architecture): what is decided by.
    tables
        Of single cells.
    sizes, reached
        `tables.summary`, and `tables.examples_needed` for `target`.
    statistics
        Of runs, and decisions.
    rules, rules_needed, rule_card, properties
        Scores of probes: `probes.rule_scores`, `needed_for_rules`, `rule_card` and `property_scores`.
    calibration
        Of the architectures named.
    tuned
        Candidates of `seqgra tune`.
    ceilings, kinds
        What less knowledge reaches (`ceiling.restricted`), and how exact each ceiling is.
    test_examples
        How many examples of each test set were scored.
    times
        What each architecture cost, see `run_times`.
    cells, grammars
        Cells whose results may be read, and the grammars of those that are there and simulated; not part of
        the JSON.
    """

    question: str
    at: int | None
    target: float
    method: str
    metric: str
    answer: Sequence[Answer]
    few: Few | None
    standing: pd.DataFrame
    tables: Tables
    sizes: pd.DataFrame
    reached: pd.DataFrame
    statistics: Statistics
    rules: pd.DataFrame
    rules_needed: pd.DataFrame
    rule_card: pd.DataFrame
    properties: pd.DataFrame
    calibration: pd.DataFrame
    tuned: pd.DataFrame
    ceilings: pd.DataFrame
    kinds: Mapping[str, str]
    test_examples: Sequence[int]
    times: pd.DataFrame
    cells: Sequence[CellResults] = dataclasses.field(repr=False)
    grammars: Mapping[str, Grammar] = dataclasses.field(repr=False)

    def files(self) -> dict[str, pd.DataFrame]:
        """Return the tables that are written, by the name of their file."""
        cells = {
            name: table.drop(columns=_ADDED.get(name, ["label"]))
            for name, table in self.tables._asdict().items()
        }
        known = self.statistics
        return {
            **cells,
            "ceilings": self.ceilings,
            "tuning": self.tuned.drop(columns="label"),
            "rules": self.rules,
            "rules-needed": self.rules_needed,
            "rule-card": self.rule_card,
            "needed": known.needed,
            "ranking": decision_table(known),
            "pairs": pair_table(known),
            "variance": known.variance,
            "stability": known.stability,
            "concordance": known.concordance,
            "noise": known.noise,
            "answer": self.standing,
            "calibration": self.calibration,
        }

    def to_json(self) -> str:
        """Return all of it but cells and grammars as JSON.

        A table is an object of columns, each a list. What is missing is null; beyond the largest size of
        the grid is ``"inf"``, at most the smallest one is 0 (of examples needed) or ``"-inf"``.
        """
        names = [field.name for field in dataclasses.fields(self)]
        content = {n: _plain(getattr(self, n)) for n in names if n not in ("cells", "grammars")}
        return json.dumps(content, ensure_ascii=False, allow_nan=False)

    def _repr_html_(self) -> str:
        """Return a row a grammar: what to use or try."""
        heads = ["grammar", "architecture", "shown to be the best", "examples", "PR AUC"]
        rows = [
            [
                first.grammar,
                first.label,
                "yes" if first.shown else "no",
                f"{first.size:,}",
                f"{first.mean:.3f}",
            ]
            for first in self.answer
        ]
        head = "".join(f"<th>{name}</th>" for name in heads)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def compare_cells(
    cells: list[CellResults],
    *,
    question: str = "",
    at: int | None = None,
    prevalence: float | None = None,
) -> Comparison:
    """Compare the finished cells of a grid, whole or partial.

    Parameters
    ----------
    cells
        Of the grid, finished or not, from `cells.read_cells`.
    question
        What it is to answer.
    at
        The user's dataset size.
    prevalence
        The share of positives where the model will be used.

    Raises
    ------
    InputError
        If a finished result is damaged, or the user's size is none that the grid holds.
    """
    tables = build_tables(cells, prevalence=prevalence)
    readable = current(cells)
    names, tables = _labelled(tables)
    seeds = tables.status[[*KEYS, "seeds"]]
    runs = counted(tables)
    tables = tables._replace(probes=tables.probes.merge(seeds, on=list(KEYS), how="left"))
    kinds, less = ceiling_kinds(readable), restricted(readable)
    resolved, real = resolved_grammars(readable)
    grammars = {name: grammar for name, grammar in resolved.items() if name not in real}
    at = _checked(at, tables.status)
    models = models_only(tables.status)
    planned = {str(name): set(own["label"]) for name, own in models.groupby("grammar")}
    known = statistics(curve_runs(tables, kinds), resolved, at, real, planned)
    method = _prefer(METHOD, tables.recovery["method"])
    metric = _prefer(METRIC, tables.recovery["metric"])
    properties = property_scores(tables.probes)
    card, rules = rule_card(properties), rule_scores(tables.probes)
    recovery = recovery_runs(models_only(tables.recovery), method, metric)
    rows = standing(known, recovery, card, tables.prevalence)
    return Comparison(
        question=question,
        at=at,
        target=TARGET,
        method=method,
        metric=metric,
        answer=_answer(tables.scores, known, rows, beside_the_rule(less, grammars), card, rules),
        few=few_seeds(known),
        standing=rows,
        tables=tables,
        sizes=_label(summary(runs), names),
        reached=_label(examples_needed(runs, TARGET), names),
        statistics=known,
        rules=rules,
        rules_needed=needed_for_rules(properties, tables.status),
        rule_card=card,
        properties=properties,
        calibration=calibration(_named_cells(readable, tables, rows)),
        tuned=_label(tuning_table(readable), names),
        ceilings=less,
        kinds=kinds,
        test_examples=_test_sizes(readable),
        times=run_times(tables.runs),
        cells=readable,
        grammars=grammars,
    )


def _checked(at: int | None, status: pd.DataFrame) -> int | None:
    """Return the user's size if the grid holds it."""
    if at is None:
        return None
    at, sizes = whole_number("at", at, 1), sorted(size for size in status["size"].unique() if size)
    if not (sizes and sizes[0] <= at <= sizes[-1]):
        span = f"{sizes[0]:,} to {sizes[-1]:,}" if sizes else "none"
        message = f"{at:,} examples are outside the grid's sizes ({span}); add sizes around it"
        raise bad_input("compare", "--at", message)
    return at


def _answer(
    scores: pd.DataFrame,
    known: Statistics,
    rows: pd.DataFrame,
    less: pd.DataFrame,
    card: pd.DataFrame,
    rules: pd.DataFrame,
) -> list[Answer]:
    """Return what is said first of each grammar."""
    if rows.empty:
        return []
    heads = headlines(scores).groupby("grammar")["scope"].first()
    scopes = dict(zip(heads.index.astype(str), heads.astype(str), strict=True))
    first = rows[rows["named"]]
    named = {
        str(grammar): (str(label), int(size))
        for grammar, label, size in first[["grammar", "label", "size"]].itertuples(index=False)
    }
    return answers(rows, known, less, scopes, rules_of_named(card, rules, named))


def _named_cells(
    cells: Sequence[CellResults], tables: Tables, rows: pd.DataFrame
) -> list[tuple[CellResults, str]]:
    """Return the finished cells, with labels, of the architectures named and of the exact posterior.

    Only those whose test set is there. Of each architecture at its own largest size; `rows`: from
    `standing.standing`.
    """
    if rows.empty:
        return []
    named = rows[rows["named"]].set_index("grammar")["label"]
    labels, scores = by_cell(tables.status, "label"), tables.scores
    own = scores[scores["label"] == scores["grammar"].map(named)]
    largest = own.groupby("grammar")["size"].max()
    done = set(scores[list(KEYS)].itertuples(index=False, name=None))
    found = []
    for cell in cells:
        label = labels[cell.key]
        of = label == named.get(cell.grammar) and cell.size == largest.get(cell.grammar)
        wanted = (of or is_ceiling(cell.backend)) and cell.grammar in named
        if wanted and cell.key in done and read_run(cell.test) is not None:
            found.append((cell, label))
    return found


def resolved_grammars(cells: list[CellResults]) -> tuple[dict[str, Grammar], set[str]]:
    """Return the grammars whose test sets are there, by name, and which of them are of real datasets."""
    folders = {cell.grammar: cell.test for cell in cells}
    there = {n: open_dataset(folder) for n, folder in folders.items() if read_run(folder)}
    real = {name for name, dataset in there.items() if not dataset.simulated}
    return {name: dataset.grammar for name, dataset in there.items()}, real


def run_times(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what each architecture cost: label, runs, parameters (most), epochs (median), times.

    Times are mean seconds of each stage, and minutes in all.

    Parameters
    ----------
    runs
        The table of that name, with labels; what another program predicted has no times.
    """
    own = runs[runs["backend"] != FOREIGN].dropna(subset=["train_seconds"])
    groups = own.groupby("label")
    found = groups.agg(
        runs=("label", "size"), parameters=("parameters", "max"), epochs=("epochs", "median")
    )
    stages = ["train_seconds", "evaluate_seconds", "attribute_seconds"]
    found = found.join(groups[stages].mean())
    return found.assign(minutes=groups[stages].sum().sum(axis=1) / 60).reset_index()


def by_cell(table: pd.DataFrame, column: str) -> dict[tuple[str | int, ...], str]:
    """Return a column of text of a table with one row a cell, by `CellResults.key`."""
    keys = zip(*(table[name].tolist() for name in KEYS), strict=True)
    return dict(zip(keys, table[column].astype(str).tolist(), strict=True))


def decision_table(known: Statistics) -> pd.DataFrame:
    """Return all standings as one table: grammar, size, and the columns of `ranking.standings`."""
    parts = [d.others.assign(grammar=d.grammar, size=d.size) for d in _all(known)]
    names = ["grammar", "size", "label", "mean", "design", "seeds", "model_seeds"]
    names += ["behind", "behind_low", "behind_high", "p", "best", "regret"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _all(known: Statistics) -> list[Decision]:
    sizes = {(d.grammar, d.size) for d in known.decisions}
    return [*known.decisions, *(d for d in known.chosen if (d.grammar, d.size) not in sizes)]


def pair_table(known: Statistics) -> pd.DataFrame:
    """Return the tests across grammars: family, label, other, p."""
    parts = [found.p_values.assign(family=name) for name, found in known.across.items()]
    names = ["family", "label", "other", "p"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def _test_sizes(cells: Sequence[CellResults]) -> list[int]:
    """Return how many examples of each test set were scored; one that has grown holds more."""
    found: dict[Path, int] = {}
    for cell in cells:
        if cell.test in found:
            continue
        evaluated = look_at_scores(cell, look_at_model(cell))
        _, scores = content_of(evaluated, cell.scores, read_scores)
        if scores:
            found[cell.test] = scores["examples"]
    return list(found.values())


def _labelled(tables: Tables) -> tuple[dict[tuple[str, str], str], Tables]:
    """Add a column label: the architecture, with its backend where it has several."""
    pairs = tables.status[["architecture", "backend"]].drop_duplicates()
    several = set(pairs["architecture"][pairs["architecture"].duplicated()])
    labels = {
        (name, backend): f"{name} ({backend})" if name in several else name
        for name, backend in pairs.itertuples(index=False)
    }
    return labels, Tables(*(_label(table, labels) for table in tables))


def _label(table: pd.DataFrame, labels: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    pairs = zip(table["architecture"].tolist(), table["backend"].tolist(), strict=True)
    return table.assign(label=pd.Series([labels[p] for p in pairs], table.index, dtype="str"))


def _prefer(wanted: str, there: pd.Series) -> str:
    names = sorted(there.unique())
    return wanted if wanted in names or not names else names[0]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; keys of two names become two levels."""
    if isinstance(value, pd.DataFrame):
        return {str(name): _plain(column.tolist()) for name, column in value.items()}
    if isinstance(value, pd.Series):
        return _plain(value.to_dict())
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, item in value.items():
            *outer, last = key if isinstance(key, tuple) else (key,)
            level = found
            for name in outer:
                level = level.setdefault(str(name), {})
            level[str(last)] = _plain(item)
        return found
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    return None if value is pd.NA else value
