"""The report: one HTML page that gives the answer first, and needs no network."""

from __future__ import annotations

from markupsafe import Markup

from seqgra.report.drawing import Drawing
from seqgra.report.page import fill
from seqgra.report.sections import Section, ShownSection, all_sections


def shown_sections(drawing: Drawing) -> list[tuple[Section, ShownSection]]:
    """Return what the page shows, section by section; their figures are drawn and saved."""
    return [(section, shown) for section in all_sections() for shown in section.shown(drawing)]


def report(drawing: Drawing, shown: list[tuple[Section, ShownSection]], pictures: int) -> str:
    """Return the report as one self-contained HTML page; figures are read from their files.

    Parameters
    ----------
    drawing
        What its sections share.
    shown
        From `shown_sections`.
    pictures
        How many figures it has.
    """
    sections = [
        {
            "key": part.key,
            "link": part.link,
            "html": Markup(fill(section.template, {"key": part.key, **part.context}, pictures)),  # noqa: S704
        }
        for section, part in shown
    ]
    compared = drawing.compared
    status = compared.tables.status
    named = {
        "grammar": sorted(status["grammar"].unique()),
        "architecture": sorted(status["label"].unique()),
        "method": sorted(compared.tables.recovery["method"].unique()),
    }
    context = {
        "question": compared.question,
        "grammars": len(set(named["grammar"]) - compared.statistics.real),
        "datasets": len(set(named["grammar"]) & compared.statistics.real),
        "architectures": len(named["architecture"]),
        "sizes": sorted(int(size) for size in status["size"].unique() if size),  # 0: the ceiling
        "filters": {name: values for name, values in named.items() if len(values) > 1},
        "sections": sections,
    }
    return fill("page.html.j2", context)
