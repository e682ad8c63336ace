"""The figures of the whole grid."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.report.content import Content
from seqgra.report.sections import Section, Shown


def _shown(content: Content) -> Iterable[Shown]:
    yield Shown("figures", "Figures", {"pictures": content.overview})


SECTION = Section(30, "figures.html.j2", _shown)
