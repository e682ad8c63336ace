"""The sections of statistics."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.report.content import Content
from seqgra.report.page import MANY
from seqgra.report.sections import Section, Shown


def _shown(content: Content) -> Iterable[Shown]:
    for block in content.blocks:
        many = sum(bool(name) for _, name in block.paragraphs) >= MANY
        yield Shown(block.key, block.title, {"block": block, "many": many})


SECTION = Section(40, "block.html.j2", _shown)
