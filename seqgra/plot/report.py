"""The report: one HTML page that gives the answer first, and needs no network."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import metadata
from pathlib import Path
from string import Template
from typing import NamedTuple

import pandas as pd

from seqgra.plot.grammar_tables import confounder_table, heat_table
from seqgra.plot.page import Picture, Table, about, count, figure, filtered_table, number, table
from seqgra.plot.tuned import tuned_note, tuned_table
from seqgra.results import MACRO, MICRO

_TEMPLATE = Path(__file__).with_name("report.html")
#: Bytes of all embedded figures together, so that the page stays easy to mail.
_BUDGET = 3_400_000
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
_METRICS = {
    "ap_chance_corrected": "chance-corrected average precision",
    "auroc_chance_corrected": "chance-corrected AUROC",
}


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


class Block(NamedTuple):
    """A section of statistics.

    Attributes
    ----------
    key, title
        Its anchor and its heading.
    paragraphs
        Text, and the grammar that it is about or nothing.
    tables, pictures
        What follows the text.
    """

    key: str
    title: str
    paragraphs: Sequence[tuple[str, str]]
    tables: Sequence[Table]
    pictures: Sequence[Picture]


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
    first, blocks
        Sections of statistics right after the answer, and after the figures of the whole grid.
    tuned
        `compare.tuning.tuning_table`.
    """

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
    first: Sequence[Block] = ()
    blocks: Sequence[Block] = ()
    tuned: pd.DataFrame = field(default_factory=pd.DataFrame)


def metric_words(metric: str) -> str:
    """Return a metric's name in words.

    >>> metric_words("ap_chance_corrected"), metric_words("f1_score")
    ('chance-corrected average precision', 'f1 score')
    """
    return _METRICS.get(metric, metric.replace("_", " "))


def report(content: Content) -> str:
    """Return the report as one self-contained HTML page; figures are read from their files."""
    pictures = [*content.overview, *(p for s in content.sections for p in s.pictures)]
    pictures += [p for block in [*content.first, *content.blocks] for p in block.pictures]
    share = _BUDGET // max(len(pictures), 1)
    sections = [_section(i, s, content, share) for i, s in enumerate(content.sections)]
    answers = [_answer(answer, content) for answer in content.answers]
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        question=_question(content),
        navigation=_navigation(content),
        partial=_partial(content.status),
        answers="\n".join(answers) or "<p>No cell has scores yet.</p>",
        caution=_caution(content) + tuned_note(content.tuned),
        answer_table=_answer_table(content),
        filters=_filters(content),
        first="\n".join(_block(block, share) for block in content.first),
        blocks="\n".join(_block(block, share) for block in content.blocks),
        overview="\n".join(figure(p, share) for p in content.overview) or "<p>None yet.</p>",
        sections="\n".join(sections),
        problems=_problems(content.status),
        runs=tuned_table(content.tuned) + _run_times(content.runs),
        reproduce=_reproduce(content),
        version=escape(metadata.version("seqgra")),
    )


def _question(content: Content) -> str:
    grammars, labels = content.status["grammar"].nunique(), content.status["label"].nunique()
    sizes = sorted(size for size in content.status["size"].unique() if size)  # 0: the ceiling
    span = f"{sizes[0]:,} to {sizes[-1]:,}" if len(sizes) > 1 else ", ".join(map(str, sizes))
    asked = f'{escape(content.question)}</p>\n<p class="question">' if content.question else ""
    return (
        f"{asked}{count(grammars, 'grammar')}, {count(labels, 'architecture')}, dataset sizes of {span} "
        "examples. How well does each predict, how much data does it need, and does it look at the "
        "positions that carry the grammar?"
    )


def _navigation(content: Content) -> str:
    links = [("answer", "Answer"), *((block.key, block.title) for block in content.first)]
    links += [("figures", "Figures"), *((block.key, block.title) for block in content.blocks)]
    links += [(f"grammar-{i}", section.grammar) for i, section in enumerate(content.sections)]
    links += [("problems", "What went wrong"), ("reproduce", "Run times and config")]
    return "\n".join(f'<a href="#{target}">{escape(text)}</a>' for target, text in links)


def _filters(content: Content) -> str:
    """Return the choices that hide what is about another grammar, architecture or method."""
    methods = {r.method for b in content.blocks for t in b.tables for r in t.rows} - {""}
    named = {
        "grammar": sorted(content.status["grammar"].unique()),
        "architecture": sorted(content.status["label"].unique()),
        "method": sorted(methods),
    }
    fields = []
    for name, values in named.items():
        if len(values) > 1:
            options = "".join(f"<option>{escape(value)}</option>" for value in values)
            fields.append(
                f'<label>{name} <select data-filter="{name}"><option value="">all</option>'
                f"{options}</select></label>"
            )
    return (
        f'<form class="filters" aria-label="Show only">{"".join(fields)}</form>' if fields else ""
    )


def _block(block: Block, share: int) -> str:
    text = "".join(f"<p{about(name)}>{escape(words)}</p>" for words, name in block.paragraphs)
    tables = "".join(filtered_table(content) for content in block.tables)
    figures = "\n".join(figure(picture, share) for picture in block.pictures)
    title = escape(block.title)
    return f'<section id="{block.key}"><h2>{title}</h2>{text}{figures}{tables}</section>'


def _partial(status: pd.DataFrame) -> str:
    missing = int((status["status"] == "missing").sum())
    if not missing:
        return ""
    text = f"Not finished: {missing:,} of {len(status):,}. What follows may still change."
    return f'<p class="warn"><strong>Not the whole grid yet.</strong> {text}</p>'


def _answer(answer: Answer, content: Content) -> str:
    kind = " (a baseline: no network needed)" if answer.baseline else ""
    verb = "Use" if answer.shown else "Try first:"
    pick = (
        f"{verb} <strong>{escape(answer.label)}</strong>{kind}: mean {_pr_auc(answer.scope)} "
        f"<strong>{answer.mean:.3f}</strong> at {answer.size:,} examples{_against(answer.chance)}."
    )
    claims, details = answer.evidence[:2], answer.evidence[2:]
    lines = [*map(escape, claims), _recovery_words(answer, content)]
    if answer.collapsed:
        lines.append(f"{answer.collapsed} of {count(answer.runs, 'run')} collapsed at that size.")
    if answer.equals:
        lines.append(
            f"As good at that size (within 0.005): {', '.join(map(escape, answer.equals))}."
        )
    if answer.top_baseline and not answer.baseline:
        name, value = answer.top_baseline
        lines.append(f"Without a network: {escape(name)} reaches {value:.3f}.")
    return (
        f'<article class="answer"{about(answer.grammar)}><h3>{escape(answer.grammar)}</h3>'
        f'<p class="pick">{pick}</p><p>{" ".join(filter(None, lines))}</p>'
        f"{_details(details)}</article>"
    )


def _pr_auc(scope: str) -> str:
    return "PR AUC" if scope == MICRO else f"{scope} PR AUC"


def _against(chance: float) -> str:
    return "" if math.isnan(chance) else f" (a constant prediction: {chance:.3f})"


def _details(sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    listed = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<details><summary>More evidence</summary><ul>{listed}</ul></details>"


def _recovery_words(answer: Answer, content: Content) -> str:
    if math.isnan(answer.recovery):
        return "Its grammar recovery was not measured."
    words = f"Its grammar recovery is {answer.recovery:.2f} (0: chance, 1: perfect"
    if answer.top_recovery is None or answer.top_recovery[0] == answer.label:
        return f"{words}; the highest of all)."
    name, value = answer.top_recovery
    return f"{words}; highest: {escape(name)}, {value:.2f})."


def _caution(content: Content) -> str:
    if not content.answers:
        return ""
    runs = sorted({answer.runs for answer in content.answers})
    seeds = f"{runs[0]:,} runs" if len(runs) == 1 else f"{runs[0]} to {runs[-1]} runs"
    each = f"Each value is the mean of {seeds} that differ in their seeds"
    each = "Each value is that of a single run" if runs[-1] == 1 else each
    recovery = (
        f" Recovery: {metric_words(content.metric)} of {content.method}, mean over conditions."
        if content.overview[1:]
        else ""
    )
    averaged = (
        " Macro PR AUC is the mean over conditions: in multi-label and unbalanced tasks pooling all "
        "conditions (micro) flatters."
        if any(answer.scope == MACRO for answer in content.answers)
        else ""
    )
    return (
        f'<p class="soft"><strong>Read with care.</strong> {each}. Ranges go from the smallest to the '
        "largest run; “use” stands only where every other architecture is shown to be worse, and nothing is "
        "shown by fewer than five data seeds. Architectures are trained as their files say: where they were "
        "not tuned alike, a ranking may be a learning rate’s. Dataset sizes count all examples "
        f"(70 % train).{averaged}{escape(recovery)}</p>"
    )


def _answer_table(content: Content) -> str:
    if not content.answers:
        return ""
    heads = [
        "grammar",
        "named first",
        "at size",
        "PR AUC",
        "constant",
        "range",
        "runs",
        f"needs for {content.target:g}",
    ]
    rows = [
        [
            answer.grammar,
            answer.label,
            f"{answer.size:,}",
            f"{answer.mean:.3f}{'' if answer.scope == MICRO else f' ({answer.scope})'}",
            number(answer.chance, ".3f"),
            f"{answer.low:.3f} to {answer.high:.3f}",
            str(answer.runs),
            f"{answer.needed:,}" if answer.needed else f"> {answer.size:,}",
            "" if math.isnan(answer.recovery) else f"{answer.recovery:.2f}",
        ]
        for answer in content.answers
    ]
    return table([*heads, "recovery"], rows, texts=2, caption="The answers as numbers.")


def _section(place: int, section: Section, content: Content, share: int) -> str:
    described = f"<p>{escape(section.description)}</p>" if section.description else ""
    sizes = content.sizes[content.sizes["grammar"] == section.grammar]
    needed = content.needed[content.needed["grammar"] == section.grammar]
    figures = "\n".join(figure(picture, share) for picture in section.pictures)
    facts = f'<p class="soft">{escape(section.facts)}</p>' if section.facts else ""
    name = escape(section.grammar)
    return (
        f'<section id="grammar-{place}"{about(section.grammar)}><h2>{name}</h2>{described}{facts}'
        f"{heat_table(sizes, needed, content.target)}{figures}"
        f"{confounder_table(section.confounding, content.method)}</section>"
    )


def _problems(status: pd.DataFrame) -> str:
    wrong = status[(status["status"] != "done") | (status["reason"] != "")]
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


def _run_times(runs: pd.DataFrame) -> str:
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


def _reproduce(content: Content) -> str:
    runs = content.runs
    facts = {
        name: sorted({str(v) for v in runs[name].dropna()} - {""})
        for name in ("device", "threads", "host")
    }
    items = [f"{name}: {', '.join(values)}" for name, values in facts.items() if values]
    items.insert(0, _versions(runs["versions"]))
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


def _versions(texts: Iterable[str]) -> str:
    found: dict[str, set[str]] = {}
    for text in sorted(set(texts) - {""}):
        for name, version in json.loads(text).items():
            found.setdefault(name, set()).add(str(version))
    return ", ".join(f"{name} {' / '.join(sorted(found[name]))}" for name in sorted(found))
