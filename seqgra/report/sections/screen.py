"""The first screen: the figure to decide by, and what is said of each grammar."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.report.drawing import Drawing
from seqgra.report.figures.answer import draw_answer
from seqgra.report.sections import Section, ShownSection


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    compared = drawing.compared
    status = compared.tables.status["status"]
    context = {
        "cells": len(status),
        "missing": int((status == "missing").sum()),
        "spared": int((status == "spared").sum()),
        "few": compared.few,
        "pictures": draw_answer(drawing),
        "answers": compared.answer,
    }
    yield ShownSection("answer", "Answer", context)


SECTION = Section(10, "screen.html.j2", _shown)
