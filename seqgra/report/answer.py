"""The top of the report: one answer a grammar, what to read with care, and the answers as numbers."""

from __future__ import annotations

import math
from html import escape

from seqgra.report.content import Answer, Content, metric_words
from seqgra.report.page import MANY, about, count, folded, number, table
from seqgra.results import MACRO, MICRO


def answer(found: Answer, content: Content) -> str:
    """Return what a grammar calls for, with its evidence."""
    kind = " (a baseline: no network needed)" if found.baseline else ""
    verb = "Use" if found.shown else "Try first:"
    pick = (
        f"{verb} <strong>{escape(found.label)}</strong>{kind}: mean {_pr_auc(found.scope)} "
        f"<strong>{found.mean:.3f}</strong> at {found.size:,} examples{_against(found.chance)}."
    )
    many = len(content.answers) >= MANY
    claims, details = found.evidence[:2], found.evidence[2:]
    lines = [*map(escape, claims[many:]), _recovery_words(found, content)]
    if found.rules:
        lines.append(escape(found.rules))
    if found.collapsed:
        lines.append(f"{found.collapsed} of {count(found.runs, 'run')} collapsed at that size.")
    if found.equals:
        lines.append(
            f"As good at that size (within 0.005): {', '.join(map(escape, found.equals))}."
        )
    if found.top_baseline and not found.baseline:
        name, value = found.top_baseline
        lines.append(f"Without a network: {escape(name)} reaches {value:.3f}.")
    first = f"<p>{escape(claims[0])}</p>" if many and claims else ""
    listed = "".join(f"<li>{escape(sentence)}</li>" for sentence in details)
    evidence = f"<p>{' '.join(filter(None, lines))}</p>"
    more = f"<ul>{listed}</ul>" if listed else ""
    shown = evidence + (
        f"<details><summary>More evidence</summary>{more}</details>" if more else ""
    )
    return (
        f'<article class="answer"{about(found.grammar)}><h3>{escape(found.grammar)}</h3>'
        f'<p class="pick">{pick}</p>{first}'
        f"{folded('Evidence', evidence + more, True) if many else shown}</article>"
    )


def _pr_auc(scope: str) -> str:
    return "PR AUC" if scope == MICRO else f"{scope} PR AUC"


def _against(chance: float) -> str:
    return "" if math.isnan(chance) else f" (a constant prediction: {chance:.3f})"


def _recovery_words(answer: Answer, content: Content) -> str:
    if math.isnan(answer.recovery):
        return "Its grammar recovery was not measured."
    words = f"Its grammar recovery is {answer.recovery:.2f} (0: chance, 1: perfect"
    if answer.top_recovery is None or answer.top_recovery[0] == answer.label:
        return f"{words}; the highest of all)."
    name, value = answer.top_recovery
    return f"{words}; highest: {escape(name)}, {value:.2f})."


def caution(content: Content) -> str:
    """Return what the answers do and do not say."""
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
        "shown by fewer than five data seeds, or by fewer than three model seeds where data seeds share "
        "initialisations. Architectures are trained as their files say: where they were "
        "not tuned alike, a ranking may be a learning rate’s. Dataset sizes count all examples "
        f"(70 % train).{averaged}{escape(recovery)}</p>"
    )


def answer_table(content: Content) -> str:
    """Return the answers as numbers."""
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
