"""A description of a grammar: its numbers, and the document and tables that hold them."""

from __future__ import annotations

import math
import textwrap
from typing import NamedTuple

import numpy as np

from seqgra.describe.positions import ElementPositions, Seen
from seqgra.describe.rules import element_kind, percent, rule_sections, setting, shortened, table
from seqgra.describe.similarity import ElementNumbers, Similarity
from seqgra.grammar.schema import Grammar
from seqgra.labels import NONE
from seqgra.law.crowding import acceptances
from seqgra.law.law import Law
from seqgra.textfile import csv_text

_ELEMENT_HEADER = ("element", "kind", "width", "consensus") + (
    "bits",
    "chance_as_good",
    "places_by_chance",
)
#: Up to so many elements the similarities of all pairs are shown, beyond it the nearest pairs.
_ALL_PAIRS = 6
_NEAREST = 12
_LINE = 100


class Description(NamedTuple):
    """The numbers of a grammar that its document, tables and figures show."""

    #: Its id.
    name: str
    #: As its file says it, and with its laws and motifs resolved.
    written: Grammar
    resolved: Grammar
    #: Of its elements.
    numbers: dict[str, ElementNumbers]
    alike: Similarity
    #: Where its elements lie in examples.
    seen: Seen
    rows: list[ElementPositions]
    #: Its compiled law.
    law: Law
    #: What any classifier can reach, as Markdown; empty where nobody asked.
    ceiling: list[str]


def _wrapped(line: str) -> str:
    """Return a line of the description, broken where it is long; tables and headings stay whole."""
    if line.startswith(("|", "#")) or len(line) <= _LINE:
        return line
    bullet = len(line) - len(line.lstrip(" "))
    indent = " " * (bullet + 2 if line.lstrip(" ").startswith("- ") else bullet)
    broken = textwrap.wrap(
        line, _LINE, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(broken)


def document(description: Description) -> str:
    """Return the description as Markdown, section by section."""
    written, resolved = description.written, description.resolved
    lines = [f"# {description.name}", ""]
    if written.description:
        lines += [written.description.strip(), ""]
    lines += [*setting(written, resolved), ""]
    sections = {
        "Elements": _element_table(description),
        **rule_sections(written, resolved),
        "Placement": [*_acceptance_lines(description), "", *_seen_table(description)],
        "Similarity of elements": _similarity_lines(description),
    }
    if description.ceiling:
        sections["Ceiling"] = description.ceiling
    for heading, section in sections.items():
        lines += [f"## {heading}", "", *section, ""]
    return "\n".join(_wrapped(line) for line in lines)


def _element_table(description: Description) -> list[str]:
    rows = []
    for name, numbers in description.numbers.items():
        bits = f"{numbers.information.sum():.2f}"
        kind = element_kind(description.written.elements[name])
        width, places = str(len(numbers.columns)), f"{numbers.places:.2g}"
        rows.append((name, width, shortened(numbers.consensus), bits, places, kind))
    header = ("element", "width", "consensus", "bits", "by chance", "kind")
    return [
        *table(header, rows),
        "",
        "bits: information against the background. by chance: expected places in the background of one "
        "window, on one strand, that score as high as the element's average site.",
    ]


def _acceptance_lines(description: Description) -> list[str]:
    """Return the shares of placements that are kept."""
    if description.written.overlap == "allow":
        return ["Elements may overlap, so that no placement is refused."]
    shares: dict[str, list[float]] = {}
    for item in acceptances(description.law.placement, description.resolved):
        shares.setdefault(" + ".join(item.shown) or NONE, []).append(item.share)
    if not shares:
        return ["No example has two elements: no placement is refused."]
    lines = []
    for name, several in shares.items():
        low, high = percent(min(several)), percent(max(several))
        shares_kept = f"{low} to {high}, by which exclusive rules apply" if low != high else low
        lines.append(f"- {name}: {shares_kept}")
    note = (
        "Share of placements without overlap where all rules apply, with most copies, in the shortest "
        "window; the others are drawn again."
    )
    return [*lines, "", note]


def _seen_table(description: Description) -> list[str]:
    rows = []
    for row in description.rows:
        low, middle, high = np.percentile(row.starts + 1, (5, 50, 95), method="nearest")
        starts = (f"{low:,}", f"{middle:,}", f"{high:,}")
        rows.append((row.shown, row.element, percent(row.share), f"{row.copies:.2f}", *starts))
    if not rows:
        return [f"No example holds an element in {description.seen.source}."]
    header = ("shown", "element", "in examples", "copies", "start 5 %", "50 %", "95 %")
    counts = zip(description.seen.shown, description.seen.examples.tolist(), strict=True)
    bare = [
        f"{name} ({count:,})"
        for name, count in counts
        if name not in {r.shown for r in description.rows}
    ]
    without = f" Without any element: {', '.join(bare)}." if bare else ""
    return [
        f"Where elements lie in {description.seen.source}:",
        "",
        *table(header, rows),
        "",
        "shown: conditions that the examples show. in examples: share of them that hold the element. "
        "copies: mean number in those. start: quantiles of the first position, counted from 1."
        + without,
    ]


def _similarity_lines(description: Description) -> list[str]:
    names = list(description.numbers)
    if len(names) == 1:
        return ["There is only one element."]
    pairs = [(i, j) for i in range(len(names)) for j in range(i + 1, len(names))]
    pairs.sort(key=lambda pair: description.alike.divergence[pair])
    shown = pairs if len(names) <= _ALL_PAIRS else pairs[:_NEAREST]
    rows = []
    for i, j in shown:
        scores = (description.alike.score[i, j], description.alike.score[j, i])
        cells = ("undefined" if math.isnan(score) else f"{score:.2f}" for score in scores)
        rows.append((names[i], names[j], f"{description.alike.divergence[i, j]:.2f}", *cells))
    kept = "" if shown is pairs else f"The {len(shown)} most alike of {len(pairs):,} pairs. "
    header = ("one", "other", "divergence", "one by other", "other by one")
    return [
        *table(header, rows),
        "",
        f"{kept}divergence: symmetric Kullback-Leibler divergence at the best alignment, in bits; 0 is "
        f"the same. one by other: mean score that the other's matrix gives {description.alike.sites} sites "
        "of the one, as a share of what it gives its own.",
    ]


def element_csv(description: Description) -> str:
    """Return the text of elements.csv: one row an element."""
    rows = [
        (
            name,
            element_kind(description.written.elements[name]),
            len(numbers.columns),
            numbers.consensus,
            f"{numbers.information.sum():.6f}",
            f"{numbers.chance:.6g}",
            f"{numbers.places:.6g}",
        )
        for name, numbers in description.numbers.items()
    ]
    return csv_text([_ELEMENT_HEADER, *rows])


def similarity_csv(description: Description) -> str:
    """Return the text of similarity.csv: one row a pair of elements."""
    names = list(description.numbers)
    rows = [
        (
            one,
            two,
            f"{description.alike.divergence[i, j]:.6f}",
            f"{description.alike.score[i, j]:.6f}",
        )
        for i, one in enumerate(names)
        for j, two in enumerate(names)
    ]
    return csv_text([("element", "other", "divergence_bits", "score"), *rows])
