"""The first screen: the figure to decide by, and what is said of each grammar."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.report.content import Content
from seqgra.report.page import MANY
from seqgra.report.sections import Section, Shown


def _shown(content: Content) -> Iterable[Shown]:
    status = content.status["status"]
    context = {
        "cells": len(status),
        "missing": int((status == "missing").sum()),
        "spared": int((status == "spared").sum()),
        "few": content.few,
        "pictures": content.first,
        "screen": content.screen,
        "many": len(content.screen) >= MANY,
    }
    yield Shown("answer", "Answer", context)


SECTION = Section(10, "screen.html.j2", _shown)
