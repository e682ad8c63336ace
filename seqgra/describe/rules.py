"""The keys of a grammar as tables: setting, rules with their gaps, chances and shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqgra.alphabet import ALPHABETS, SETS
from seqgra.grammar.backgrounds import Background
from seqgra.grammar.blocks import Block, blocks_of
from seqgra.grammar.schema import (
    Arrangement,
    Chances,
    Confounder,
    Element,
    Grammar,
)
from seqgra.labels import NONE

_LONG_CONSENSUS = 30
_FEW_VALUES = 3
_PLACES = {
    "random": "anywhere",
    "start": "at the start",
    "center": "at the centre",
    "end": "at the end",
}


def percent(share: float) -> str:
    """Return a share as a percentage.

    >>> [percent(x) for x in (0.25, 1 / 3, 0.0004)]
    ['25 %', '33.3 %', '0.04 %']
    """
    return f"{100 * share:.3g} %"


def chance(probability: float) -> str:
    """Return a probability as a percentage, ``always`` or ``never``."""
    return {1.0: "always", 0.0: "never"}.get(probability, percent(probability))


def short(distribution: Any) -> str:
    """Return a distribution of whole numbers, as parsed or as resolved, in few letters.

    >>> short((0, 100)), short((75, None)), short(("2%", "10%")), short((-5, -5))
    ('0–100', '≥ 75', '2–10 %', '−5')
    >>> short({8: 1.0, 9: 3.0}), short({"normal": {"center": 20, "sd": 3}})
    ('8 or 9', '≈ 20')
    """
    if isinstance(distribution, tuple):
        low, high = (_sign(end) for end in distribution)
        if high is None:
            return f"≥ {low}".replace("%", " %")
        if low == high:
            return str(low).replace("%", " %")
        dash = " to " if low.startswith("−") or high.startswith("−") else "–"
        both = low.endswith("%") and high.endswith("%")
        text = f"{low.removesuffix('%')}{dash}{high}" if both else f"{low}{dash}{high}"
        return text.replace("%", " %")
    if "normal" in distribution:
        return f"≈ {distribution['normal']['center']:g}"
    if "helical" in distribution:
        low, high = distribution["helical"]["range"]
        end = "…" if high is None else high
        return f"{low}–{end}, every {distribution['helical']['period']:g}"
    if "file" in distribution:
        return "table"
    values = sorted(int(value) for value, weight in distribution.items() if weight > 0)
    if len(values) <= _FEW_VALUES:
        *most, last = map(_sign, values)
        return f"{', '.join(most)} or {last}" if most else str(last)
    return f"{_sign(values[0])}–{_sign(values[-1])}, weighted"


def _sign(end: int | str | None) -> Any:
    return None if end is None else f"{end:,}".replace("-", "−") if isinstance(end, int) else end


def place(position: Any) -> str:
    """Return where a block starts.

    >>> place("center"), place((5, None)), place(("0%", "10%"))
    ('at the centre', 'position ≥ 5', '0–10 % of the window')
    """
    if isinstance(position, str):
        return _PLACES[position]
    text = short(position)
    return f"{text} of the window" if text.endswith("%") else f"position {text}"


def setting(written: Grammar, resolved: Grammar) -> list[str]:
    """Return task, alphabet, window, background and overlap: a Markdown table.

    Parameters
    ----------
    written, resolved
        The grammar as its file says it, and with its distributions and motifs resolved.
    """
    alphabet = ALPHABETS[written.alphabet]
    rows = [
        ("task", f"{written.task}, {len(written.conditions)} conditions"),
        ("alphabet", f"{alphabet.name}, letters {alphabet.letters}"),
        ("window", f"{short(written.window)} letters"),
        *_background_rows(written.background, "background"),
        ("overlap of elements", written.overlap),
    ]
    if resolved.shortest != resolved.longest:
        rows[2] = ("window", f"{short(written.window)} letters, drawn for each example")
    return table(("key", "value"), rows)


def _background_rows(background: Background, name: str) -> list[tuple[str, str]]:
    """Return the rows of a background, one for each condition and set that has its own."""
    branches = background.by_condition or background.by_set
    if branches:
        rows = [_background_rows(branch, f"{name}, {key}") for key, branch in branches.items()]
        return [row for some in rows for row in some]
    if background.preset:
        return [(name, background.preset)]
    if background.letters:
        shares = (f"{letter} {share:.3g}" for letter, share in background.letters.items())
        return [(name, f"letters {', '.join(shares)}")]
    if background.gc:
        return [(name, f"GC of each example: mean {background.gc.mean:g}, sd {background.gc.sd:g}")]
    if background.markov:
        source = f" fitted to {background.markov.fasta}" if background.markov.fasta else ""
        return [(name, f"Markov chain of order {background.markov.order}{source}")]
    assert background.fasta is not None
    pool = background.fasta
    strand = ", either strand" if pool.strand == "random" else ""
    return [(name, f"stretches of {pool.file}{strand}, split by {pool.split}")]


def element_kind(element: Element) -> str:
    """Return what an element is, as its file says it."""
    if element.kmers is not None:
        kind = f"{len(element.kmers):,} k-mer{'s' if len(element.kmers) > 1 else ''}"
    elif element.consensus is not None:
        kind = f"consensus {element.consensus}"
    elif element.motif is not None:
        added = f", pseudocount {element.pseudocount:g}" if element.pseudocount else ""
        kind = f"motif {element.id} of {Path(element.motif).name}{added}"
    else:
        kind = "matrix"
    if element.affinity is None:
        return kind
    low, high = element.affinity.min, element.affinity.max
    if low == 0:
        return f"{kind}, the weakest {percent(high)} of its sites"
    if high == 1:
        return f"{kind}, the strongest {percent(1 - low)} of its sites"
    return f"{kind}, its sites between quantiles {low:g} and {high:g} of the score"


def rule_sections(written: Grammar, resolved: Grammar) -> dict[str, list[str]]:
    """Return rules, label noise and examples by heading: Markdown tables.

    Parameters
    ----------
    written, resolved
        As in `setting`.
    """
    sections = {"Rules": _rules(written)}
    if written.noise:
        header = ("condition", *(f"wrong labels, {name} set" for name in written.noise.sets))
        rows = [
            (name, *[percent(rate)] * len(written.noise.sets))
            for name, rate in written.noise.labels.items()
        ]
        sections["Label noise"] = table(header, rows)
    total = math.fsum(group.share for group in resolved.examples)
    groups = [
        (
            " + ".join(group.conditions) or "no condition",
            percent(group.share / total),
            "" if group.shuffle is None else f"counts of {group.shuffle}-mers kept",
        )
        for group in resolved.examples
    ]
    if any(shuffled for *_, shuffled in groups):
        sections["Examples"] = table(("shown", "share", "shuffled from the others"), groups)
    else:
        sections["Examples"] = table(("shown", "share"), [group[:2] for group in groups])
    return sections


def _rules(written: Grammar) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for name, condition in written.conditions.items():
        exclusive = condition.mode == "mutually-exclusive"
        scope = f"{name}, one of" if exclusive else name
        rows += [(scope, *_cells(rule), chance(rule.probability)) for rule in condition.rules]
        rows += [] if condition.rules else [(name, "background alone", *[""] * 4, "always")]
    for rule in written.common.rules:
        rows.append(("every condition", *_cells(rule), chance(rule.probability)))
    for confounder in written.confounders:
        chances = "; ".join(line.strip() for line in chance_lines(confounder))
        rows.append(("confounder", *_cells(confounder), chances))
    header = ("condition", "elements", "gaps", "start", "copies", "strand", "chance")
    notes = [
        f"{name}: {' '.join(condition.description.split())}"
        for name, condition in written.conditions.items()
        if condition.description
    ]
    if any(c.mode == "mutually-exclusive" for c in written.conditions.values()):
        notes.append("one of: at most one of these rules applies to an example.")
    return [*table(header, rows), *(["", *(f"- {note}" for note in notes)] if notes else [])]


def _cells(rule: Arrangement) -> tuple[str, str, str, str, str]:
    """Return elements, gaps, start, copies and strand of a rule."""
    elements = ", ".join(_choices(slot, weights) for slot, weights in rule.elements.items())
    if rule.k_of is not None:
        elements = f"{short(rule.k_of)} of {elements}"
    strand = {"+": "+", "-": "−", "random": "either"}[rule.strand]
    if rule.orientation != "same":
        strand += f", {rule.orientation}"
    gaps = "; ".join(_gaps(block) for block in blocks_of(rule) if block.edges)
    return elements, gaps, place(rule.position), short(rule.copies), strand


def _gaps(block: Block) -> str:
    parts = []
    for edge in block.edges:
        spacing = edge.spacing
        one, two = spacing.elements
        text = f"{one} [{short(spacing.gap)}] {two}"
        if spacing.order == "random":
            text += ", either order"
        if "−" in short(spacing.gap):
            text += f", shared columns: {spacing.shared}"
        parts.append(text)
    return ", ".join(parts)


def _choices(slot: str, weights: Mapping[str, float]) -> str:
    if len(weights) == 1:
        (name,) = weights
        return name if name == slot else f"{slot}: {name}"
    total = math.fsum(weights.values())
    some = " or ".join(f"{name} ({percent(w / total)})" for name, w in weights.items() if w > 0)
    return some if slot == "any" else f"{slot}: {some}"


def chance_lines(confounder: Confounder, most: int | None = None) -> list[str]:
    """Return the chances of a confounder, and those of sets that have their own.

    Parameters
    ----------
    confounder
        As written.
    most
        Conditions beyond which a range stands for all; None: never.
    """
    lines = _by_condition(confounder.probability, most)
    for name in SETS:
        given = getattr(confounder, name)
        if given is not None:
            first, *rest = _by_condition(given, most)
            lines += [f"{name}: {first}", *(f"   {line}" for line in rest)]
    return lines


def _by_condition(chances: Chances, most: int | None) -> list[str]:
    if isinstance(chances, float):
        return [chance(chances)]
    if most is not None and len(chances) > most:
        low, high = min(chances.values()), max(chances.values())
        return [f"{percent(low)} to {percent(high)}", "by condition"]
    names = {name: "no condition" if name == NONE else name for name in chances}
    return [f"{names[name]} {percent(share)}" for name, share in chances.items()]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> list[str]:
    """Return a Markdown table whose columns are aligned in plain text, numbers to the right.

    The last `numbers` columns hold numbers, whatever cells are empty.
    """
    body = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    right = [
        bool(body) and all(_is_number(cell) for cell in column)
        for column in zip(*body, strict=True)
    ] or [False] * len(header)
    right[len(right) - numbers :] = [True] * numbers

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(cells, widths, right, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    return [line(header), line(rule), *map(line, body)]


def _is_number(cell: str) -> bool:
    return (
        cell.replace(",", "").replace("e-", "").replace(".", "").rstrip(" %").lstrip("-").isdigit()
    )


def shortened(text: str, most: int = _LONG_CONSENSUS) -> str:
    """Return a text without its middle where it is long."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[1 - most // 2 :]}"
