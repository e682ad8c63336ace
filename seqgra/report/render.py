"""The report: one HTML page that gives the answer first, and needs no network."""

from __future__ import annotations

from html import escape
from importlib import metadata
from pathlib import Path
from string import Template

import pandas as pd

from seqgra.report.answer import answer, answer_table, caution
from seqgra.report.content import Block, Content, Part, Section
from seqgra.report.grammar_tables import confounder_table, heat_table
from seqgra.report.page import MANY, about, count, figure, filtered_table, folded, percent
from seqgra.report.provenance import problems, reproduce, run_times
from seqgra.report.tuned import tuned_note, tuned_table

_TEMPLATE = Path(__file__).with_name("report.html")
#: Bytes of all embedded figures together, so that the page stays easy to mail.
_BUDGET = 9_000_000


def report(content: Content) -> str:
    """Return the report as one self-contained HTML page; figures are read from their files."""
    pictures = [*content.overview, *(p for s in content.sections for p in s.pictures)]
    pictures += [p for block in [*content.first, *content.blocks] for p in block.all_pictures]
    share = _BUDGET // max(len(pictures), 1)
    sections = [_section(i, s, content, share) for i, s in enumerate(content.sections)]
    answers = [answer(found, content) for found in content.answers]
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        question=_question(content),
        navigation=_navigation(content),
        partial=_partial(content.status),
        answers="\n".join(answers) or "<p>No cell has scores yet.</p>",
        caution=caution(content) + tuned_note(content.tuned),
        answer_table=answer_table(content),
        filters=_filters(content),
        first="\n".join(_block(block, share) for block in content.first),
        blocks="\n".join(_block(block, share) for block in content.blocks),
        overview="\n".join(figure(p, share) for p in content.overview) or "<p>None yet.</p>",
        sections="\n".join(sections),
        problems=problems(content.status),
        runs=tuned_table(content.tuned) + run_times(content.runs),
        reproduce=reproduce(content),
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
    many = sum(bool(name) for _, name in block.paragraphs) >= MANY
    text = "".join(_paragraph(words, name, many) for words, name in block.paragraphs)
    tables = "".join(filtered_table(content) for content in block.tables)
    figures = "\n".join(figure(picture, share) for picture in block.pictures)
    parts = "".join(_part(part, share) for part in block.parts)
    title = escape(block.title)
    return f'<section id="{block.key}"><h2>{title}</h2>{text}{figures}{tables}{parts}</section>'


def _paragraph(words: str, grammar: str, many: bool) -> str:
    """Return a paragraph; its first sentence, and the others behind it, where many grammars have one."""
    first, stop, others = words.partition(". ")
    if not (grammar and many and others):
        return f"<p{about(grammar)}>{escape(words)}</p>"
    return folded(f"{first}{stop}".strip(), f"<p>{escape(others)}</p>", True, grammar)


def _part(part: Part, share: int) -> str:
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in part.facts)
    figures = "".join(figure(picture, share) for picture in part.pictures)
    tables = "".join(filtered_table(content) for content in part.tables)
    return (
        f'<details class="part"{about(label=part.label)}><summary><strong>{escape(part.label)}</strong> '
        f"{escape(part.summary)}</summary><ul>{facts}</ul>{figures}{tables}</details>"
    )


def _partial(status: pd.DataFrame) -> str:
    missing, spared = (int((status["status"] == name).sum()) for name in ("missing", "spared"))
    found = ""
    if missing:
        text = f"Not finished: {missing:,} of {len(status):,}. What follows may still change."
        found += f'<p class="warn"><strong>Not the whole grid yet.</strong> {text}</p>'
    if spared:
        text = (
            f"{spared:,} of {len(status):,} cells ({percent(spared / len(status))}) were spared: only sizes "
            "that bracket the examples needed were run, found by bisection."
        )
        found += f'<p class="soft"><strong>An adaptive grid.</strong> {text}</p>'
    return found


def _section(place: int, section: Section, content: Content, share: int) -> str:
    described = f"<p>{escape(section.description)}</p>" if section.description else ""
    sizes = content.sizes[content.sizes["grammar"] == section.grammar]
    needed = content.needed[content.needed["grammar"] == section.grammar]
    figures = "\n".join(figure(picture, share) for picture in section.pictures)
    facts = f'<p class="soft">{escape(section.facts)}</p>' if section.facts else ""
    figures += confounder_table(section.confounding, content.method)
    many = len(content.sections) >= MANY
    figures = folded(f"Figures of {section.grammar}", figures, many, section.grammar)
    return (
        f'<section id="grammar-{place}"{about(section.grammar)}><h2>{escape(section.grammar)}</h2>'
        f"{described}{facts}{heat_table(sizes, needed, content.target)}{figures}</section>"
    )
