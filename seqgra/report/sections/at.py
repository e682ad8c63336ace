"""What is best at the user's dataset size."""

from __future__ import annotations

import math
from collections.abc import Iterable

from seqgra.report.content import Content
from seqgra.report.figures.decision import draw_at
from seqgra.report.page import MANY, Row, number, percent
from seqgra.report.sections import Section, Shown
from seqgra.report.words import at_sentences


def _shown(content: Content) -> Iterable[Shown]:
    known = content.compared.statistics
    if known.at is None or known.runs.empty:
        return
    rows = [
        Row(
            [
                d.grammar,
                str(row["label"]),
                f"{row['mean']:.3f}",
                number(row["behind"], "z.3f"),
                _ends(row["behind_low"], row["behind_high"]) if row["label"] != d.label else "",
                percent(row["best"]),
                number(row["regret"], ".3f"),
            ],
            d.grammar,
            str(row["label"]),
        )
        for d in known.chosen
        for row in d.others.to_dict("records")
    ]
    context = {
        "at": known.at,
        "answers": [(d.grammar, at_sentences(d, known)) for d in known.chosen],
        "many": MANY,
        "without": sorted(set(known.runs["grammar"]) - {d.grammar for d in known.chosen}),
        "pictures": draw_at(content.drawing, known),
        "rows": rows,
    }
    yield Shown("at", f"At your {known.at:,} examples", context)


def _ends(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{low:z.3f} to {high:z.3f}"


SECTION = Section(32, "at.html.j2", _shown)
