"""The report: one HTML page that gives the answer first, and needs no network."""

from __future__ import annotations

from markupsafe import Markup

from seqgra.report.content import Content
from seqgra.report.page import fill
from seqgra.report.sections import Section, Shown, all_sections


def shown_sections(content: Content) -> list[tuple[Section, Shown]]:
    """Return what the page shows, section by section; their figures are drawn and saved."""
    return [(section, shown) for section in all_sections() for shown in section.shown(content)]


def report(content: Content, shown: list[tuple[Section, Shown]], pictures: int) -> str:
    """Return the report as one self-contained HTML page; figures are read from their files.

    Parameters
    ----------
    content
        Everything that it says.
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
    status = content.status
    named = {
        "grammar": sorted(status["grammar"].unique()),
        "architecture": sorted(status["label"].unique()),
        "method": sorted(content.compared.tables.recovery["method"].unique()),
    }
    context = {
        "question": content.question,
        "grammars": len(named["grammar"]),
        "architectures": len(named["architecture"]),
        "sizes": sorted(int(size) for size in status["size"].unique() if size),  # 0: the ceiling
        "filters": {name: values for name, values in named.items() if len(values) > 1},
        "sections": sections,
    }
    return fill("page.html.j2", context)
