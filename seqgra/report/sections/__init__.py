"""The sections of the page: a module each, with a `SECTION`, found by looking into this folder."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from seqgra.report.drawing import Drawing


class ShownSection(NamedTuple):
    """A section as it stands on the page: its anchor, its link at the top, and what its template needs."""

    key: str
    link: str
    context: Mapping[str, Any]


class Section(NamedTuple):
    """A section of the page."""

    #: Sections stand in the order of their places.
    place: int
    #: The file of ``templates`` that holds its sentences.
    template: str
    #: What the page says there: nothing, one section, or one a grammar.
    shown: Callable[[Drawing], Iterable[ShownSection]]


def all_sections() -> list[Section]:
    """Return the sections of the modules of this folder, in the order of the page."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    found = [module.SECTION for module in modules if hasattr(module, "SECTION")]
    return sorted(found, key=lambda section: section.place)
