"""The sections of statistics."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.report.content import Content
from seqgra.report.sections import Section, Shown
from seqgra.report.sections.at import block_shown


def _shown(content: Content) -> Iterable[Shown]:
    return map(block_shown, content.blocks)


SECTION = Section(40, "block.html.j2", _shown)
