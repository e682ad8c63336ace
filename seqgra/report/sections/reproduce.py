"""What the grid cost, with which versions it was made, and how to make it again."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pandas as pd

from seqgra.report.drawing import Drawing
from seqgra.report.page import number
from seqgra.report.sections import Section, ShownSection
from seqgra.report.tuned import tuned_rows


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    runs = drawing.compared.tables.runs
    machines = {
        name: sorted({str(value) for value in runs[name].dropna()} - {""})
        for name in ("device", "threads", "host")
    }
    context = {
        "tuned": tuned_rows(drawing.compared.tuned),
        "times": _run_times(drawing.compared.times),
        "versions": version_words(runs["versions"]),
        "machines": {name: values for name, values in machines.items() if values},
        "command": drawing.command,
        "config": drawing.config,
    }
    yield ShownSection("reproduce", "Run times and config", context)


def _run_times(times: pd.DataFrame) -> list[list[str]]:
    forms = [",.0f", ",.0f", ",.0f", ",.2f", ",.2f", ",.2f", ",.1f"]
    return [
        [str(label), *(number(value, form) for value, form in zip(values, forms, strict=True))]
        for label, *values in times.itertuples(index=False)
    ]


def version_words(texts: Iterable[str]) -> str:
    """Return libraries and their versions, seqgra first; `texts` are the column versions of runs."""
    found: dict[str, set[str]] = {}
    for text in sorted(set(texts) - {""}):
        for name, version in json.loads(text).items():
            found.setdefault(name, set()).add(str(version))
    names = sorted(found, key=lambda name: (name != "seqgra", name))
    return ", ".join(f"{name} {' / '.join(sorted(found[name]))}" for name in names)


SECTION = Section(70, "reproduce.html.j2", _shown)
