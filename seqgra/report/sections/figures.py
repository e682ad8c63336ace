"""The figures of the whole grid."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.report.drawing import Drawing
from seqgra.report.figures.overview import draw_overview
from seqgra.report.figures.runs import draw_runs
from seqgra.report.sections import Section, ShownSection


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    yield ShownSection(
        "figures", "Figures", {"pictures": [*draw_overview(drawing), *draw_runs(drawing)]}
    )


SECTION = Section(30, "figures.html.j2", _shown)
