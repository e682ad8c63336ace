"""The answer at the user's dataset size."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.report.content import Block, Content
from seqgra.report.page import MANY
from seqgra.report.sections import Section, Shown


def block_shown(block: Block) -> Shown:
    """Return a section of statistics as it stands on the page."""
    many = sum(bool(name) for _, name in block.paragraphs) >= MANY
    return Shown(block.key, block.title, {"block": block, "many": many})


def _shown(content: Content) -> Iterable[Shown]:
    return map(block_shown, content.first)


SECTION = Section(20, "block.html.j2", _shown)
