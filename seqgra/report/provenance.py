"""The end of the report: what went wrong, what it cost, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape

import pandas as pd

from seqgra.report.content import Content
from seqgra.report.page import number, table

#: Rows of the table of problems; the status table has all.
_MOST_PROBLEMS = 60
#: Cell status -> what the table of problems calls it, the worst first.
_OUTCOMES = {
    "diverged": "diverged",
    "collapsed": "collapsed",
    "missing": "missing",
    "skipped": "skipped",
    "done": "without recovery",
}


def problems(status: pd.DataFrame) -> str:
    """Return the cells that are not done, or lack something, joined where the reason is alike."""
    wrong = status[(status["status"] != "done") | (status["reason"] != "")]
    wrong = wrong[wrong["status"] != "spared"]
    if wrong.empty:
        return "<p>Nothing: every cell was trained, evaluated and attributed.</p>"
    counts = wrong["status"].map(_OUTCOMES).value_counts()
    words = ", ".join(f"{many:,} {name}" for name, many in sorted(counts.items()))
    alike = wrong["reason"].str.replace(r"\d+\.\d+", "#", regex=True)  # but for measured numbers
    groups = wrong.groupby([wrong["grammar"], wrong["label"], wrong["status"], alike])
    rows = []
    for key, group in groups:
        example = "such as: " if group["reason"].nunique() > 1 else ""
        reason = f"{example}{group['reason'].iloc[0]}"
        outcome = _OUTCOMES[str(key[2])]
        rows.append([*map(str, key[:2]), outcome, reason, f"{len(group):,}", _which(group)])
    rows.sort(key=lambda row: [*_OUTCOMES.values()].index(row[2]))  # the worst first
    note = f"Of {len(status):,} cells: {words}. A collapsed run predicts no better than a constant."
    more = len(rows) - _MOST_PROBLEMS
    tail = f"<p>{more:,} more rows: see tables/status.csv.</p>" if more > 0 else ""
    heads = ["grammar", "architecture", "outcome", "reason", "cells", "which (size: seeds)"]
    listed = table(heads, rows[:_MOST_PROBLEMS], texts=4, long=(3, 5))
    return f"<p>{escape(note)}</p>{listed}{tail}"


def _which(group: pd.DataFrame, most: int = 6) -> str:
    by_size: dict[int, list[str]] = {}
    chosen = group[["size", "data_seed", "model_seed"]]
    for size, data, model in chosen.head(most).itertuples(index=False):
        by_size.setdefault(size, []).append(f"s{data}-m{model}")
    words = "; ".join(f"{size:,}: {', '.join(seeds)}" for size, seeds in by_size.items())
    return words + (f" and {len(group) - most:,} more" if len(group) > most else "")


def run_times(runs: pd.DataFrame) -> str:
    """Return what each architecture cost."""
    stages = ["train_seconds", "evaluate_seconds", "attribute_seconds"]
    groups = runs.dropna(subset=["train_seconds"]).groupby("label")
    rows = []
    for label, group in groups:
        epochs, parameters = group["epochs"].median(), group["parameters"].max()
        times = [number(group[stage].mean(), ",.2f") for stage in stages]
        total = number(group[stages].sum().sum() / 60, ",.1f")
        facts = [number(parameters, ",.0f"), number(epochs, ",.0f")]
        rows.append([str(label), str(len(group)), *facts, *times, total])
    heads = ["architecture", "runs", "parameters (most)", "epochs (median)"]
    heads += ["train, s (mean)", "evaluate, s (mean)", "attribute, s (mean)", "total, min"]
    return table(heads, rows, texts=1, caption="Wall time of each stage, by architecture.")


def reproduce(content: Content) -> str:
    """Return versions, machines, the command and the config."""
    runs = content.runs
    facts = {
        name: sorted({str(v) for v in runs[name].dropna()} - {""})
        for name in ("device", "threads", "host")
    }
    items = [f"{name}: {', '.join(values)}" for name, values in facts.items() if values]
    items.insert(0, version_words(runs["versions"]))
    listed = "".join(f"<li>{escape(item)}</li>" for item in items if item)
    config = (
        "<h3>The whole config</h3><p>Save it as <code>config/config.yaml</code> of an empty folder and "
        "run <code>snakemake --directory FOLDER</code> from the repository: the same seeds and "
        f"versions give the same tables and figures.</p><pre>{escape(content.config)}</pre>"
        if content.config
        else ""
    )
    command = f"<p>Tables, figures and this page: <code>{escape(content.command)}</code></p>"
    return f"<h3>Versions and machines</h3><ul>{listed}</ul>{command}{config}"


def version_words(texts: Iterable[str]) -> str:
    """Return libraries and their versions, seqgra first; `texts` are the column versions of runs."""
    found: dict[str, set[str]] = {}
    for text in sorted(set(texts) - {""}):
        for name, version in json.loads(text).items():
            found.setdefault(name, set()).add(str(version))
    names = sorted(found, key=lambda name: (name != "seqgra", name))
    return ", ".join(f"{name} {' / '.join(sorted(found[name]))}" for name in names)
