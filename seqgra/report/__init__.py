"""The report of a grid, whole or partial: its tables, figures and page; what `seqgra compare` writes."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from seqgra.compare.cells import read_cells
from seqgra.compare.comparison import Comparison, compare_cells
from seqgra.compare.tables import write_tables
from seqgra.errors import bad_input
from seqgra.fingerprint import write_atomically
from seqgra.outputs import OwnFiles, own_files
from seqgra.plot.saving import figure_digest, saver
from seqgra.report.answers import summary
from seqgra.report.drawing import drawing_of
from seqgra.report.figures.recovery import real_annotations
from seqgra.report.render import report, shown_sections
from seqgra.yamlfile import read_yaml, read_yaml_and_text

#: The cells of a grid, written beside what is made of them.
CELLS_FILE = "cells.csv"

log = logging.getLogger(__name__)


def write_report(
    cells: Path | str,
    folder: Path,
    *,
    config: Path | None,
    at: int | None = None,
    workers: int = 1,
    json: Path | None = None,
) -> str:
    """Write the tables, figures and report of a grid; always anew, since it is cheap.

    Equal inputs give equal bytes, but for ``tables/runs.*`` and ``report.html``, which hold times.

    Parameters
    ----------
    cells
        The cells file, see `cells.CELL_COLUMNS`; or its text, which is written to ``cells.csv``.
    folder
        Gets tables/, figures/ and report.html. What an earlier call has written there is replaced, or
        removed; a second call at the same time waits.
    config
        The grid's config file, quoted in the report.
    at
        The user's dataset size: adds what is best there. The config's key `at` where not given.
    workers
        Processes that save figures, this one included; the same bytes with any number.
    json
        Gets every number of the report, see `Comparison.to_json`; not written where None.

    Returns
    -------
    str
        ``done``.

    Raises
    ------
    InputError
        If the cells file or the config cannot be read, a finished result is damaged, or the folder holds a
        file of the user's where one of these goes.
    """
    if json is not None:
        _require_own_json(json)
    with own_files(folder, "compare") as own:
        if isinstance(cells, str):
            file = own.file(CELLS_FILE)
            write_atomically(file, cells)
        else:
            file = cells
            own.keep(CELLS_FILE)
        compared = _write(file, own, config, at, workers)
    if json is not None:
        write_atomically(json, compared.to_json())
    return "done"


def _require_own_json(file: Path) -> None:
    """Refuse to write over anything but an earlier comparison."""
    if not os.path.lexists(file):
        return
    try:
        there = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    except (OSError, ValueError):
        there = None
    if not (isinstance(there, dict) and {"question", "at", "target", "answer"} <= there.keys()):
        message = "is there already, and holds no comparison; choose another file for it"
        raise bad_input(file, "", message)


def compare_grid(cells: Path, *, config: Path | None = None, at: int | None = None) -> Comparison:
    """Return what the report of a grid is made from; see `write_report`, whose parameters these are."""
    return _compare(cells, read_yaml(config) if config else {}, config, at)


def _compare(
    cells: Path, settings: Mapping[str, Any], config: Path | None, at: int | None
) -> Comparison:
    """Compare cells as a config, whose content `settings` are, asks for."""
    return compare_cells(
        read_cells(cells),
        question=str(settings.get("question", "")),
        at=settings.get("at") if at is None else at,
        prevalence=_prevalence(settings, config),
    )


def _write(
    cells: Path,
    own: OwnFiles,
    config: Path | None,
    at: int | None,
    workers: int,
) -> Comparison:
    """Write all files but the JSON, and return what they are made from; see `write_report`."""
    folder = own.folder
    settings, config_text = read_yaml_and_text(config) if config else ({}, "")
    compared = _compare(cells, settings, config, at)
    write_tables(compared.files(), own)
    grid = f" --grid {config}" if config else ""
    command = f"seqgra compare{grid} --cells {cells} -o {folder}"
    command += f" --at {compared.at}" if compared.at is not None else ""
    with saver(workers) as save:
        saved: list[str] = []

        def save_own(stem: Path, drawn: partial[Figure]) -> None:
            name = f"figures/{stem.name}"
            saved.append(name)
            if not own.keeps(name, figure_digest(drawn)):
                save(own.figure(name), drawn)

        drawing = drawing_of(compared, folder / "figures", save_own)._replace(
            annotations=real_annotations(compared.cells), config=config_text, command=command
        )
        shown = shown_sections(drawing)
    write_atomically(own.file("report.html"), report(drawing, shown, len(saved)))
    known = compared.statistics
    for decision in known.chosen:
        log.info("%s: %s", decision.grammar, summary(decision, known))
    log.info("%s: %d cells", folder / "report.html", len(compared.tables.status))
    return compared


def _prevalence(settings: Mapping[str, Any], config: Path | None) -> float | None:
    """Return the share of positives where the user will use the model, if the config names one."""
    share = settings.get("at_prevalence")
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise bad_input(config or "", "at_prevalence", f"is {share}; expected a share such as 0.01")
    return float(share)
