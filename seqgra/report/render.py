"""The report: one HTML page that gives the answer first, and needs no network."""

from __future__ import annotations

from markupsafe import Markup

from seqgra.report.content import Content
from seqgra.report.page import fill
from seqgra.report.sections import all_sections


def report(content: Content) -> str:
    """Return the report as one self-contained HTML page; figures are read from their files."""
    pictures = len(content.overview) + sum(len(s.pictures) for s in content.sections)
    pictures += len(content.first) + len(content.more)
    pictures += sum(len(block.all_pictures) for block in content.blocks)
    sections = [
        {
            "key": shown.key,
            "link": shown.link,
            "html": Markup(fill(section.template, {"key": shown.key, **shown.context}, pictures)),  # noqa: S704
        }
        for section in all_sections()
        for shown in section.shown(content)
    ]
    status = content.status
    methods = {row.method for b in content.blocks for table in b.tables for row in table.rows}
    named = {
        "grammar": sorted(status["grammar"].unique()),
        "architecture": sorted(status["label"].unique()),
        "method": sorted(methods - {""}),
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
