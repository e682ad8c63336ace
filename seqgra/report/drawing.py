"""What all parts of a report share: the comparison, how architectures look, where figures go."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, ParamSpec

import pandas as pd
from matplotlib.figure import Figure

from seqgra.compare.ceiling import is_ceiling
from seqgra.compare.cells import CellResults
from seqgra.compare.comparison import Comparison, by_cell
from seqgra.fingerprint import read_run, verify_file
from seqgra.plot.saving import Save, draw_and_save
from seqgra.plot.style import Look, looks

P = ParamSpec("P")
#: What the values of runs are, in words.
VALUE = "PR AUC"


class Drawing(NamedTuple):
    """What the figures and sections of a report share."""

    #: Every number.
    compared: Comparison
    #: How each label is drawn.
    looks: Mapping[str, Look]
    #: Where figures go.
    folder: Path
    #: The columns label and status of the table status, by `CellResults.key`.
    labels: Mapping[tuple[str | int, ...], str]
    outcomes: Mapping[tuple[str | int, ...], str]
    #: What writes a figure.
    save: Save = draw_and_save
    #: Real dataset -> what its recovery is scored against.
    annotations: Mapping[str, str] = MappingProxyType({})
    #: The grid's config as text, and the command that makes the report.
    config: str = ""
    command: str = ""


def drawing_of(compared: Comparison, folder: Path, save: Save = draw_and_save) -> Drawing:
    """Return what figures of a comparison share: they go to `folder`, written by `save`."""
    status = compared.tables.status
    backends = status[["label", "backend"]].drop_duplicates().itertuples(index=False, name=None)
    return Drawing(
        compared=compared,
        looks=looks(dict(backends)),
        folder=folder,
        labels=by_cell(status, "label"),
        outcomes=by_cell(status, "status"),
        save=save,
    )


def first_seeds(drawing: Drawing, finished: pd.Index, size: int) -> list[tuple[CellResults, str]]:
    """Return, for each label, its first finished cell of a size (cells are sorted by seeds)."""
    keys, found = set(finished), dict[str, CellResults]()
    for cell in drawing.compared.cells:
        wanted = cell.size == size or is_ceiling(cell.backend)
        if wanted and cell.key in keys:
            found.setdefault(drawing.labels[cell.key], cell)
    return [(cell, label) for label, cell in found.items()]


def read_history(model: Path) -> pd.DataFrame:
    """Return the losses of a network by epoch; no rows where there is no history, or no epochs.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    run = read_run(model)
    if run is None or "history.csv" not in run["files"]:
        return pd.DataFrame()
    history = pd.read_csv(verify_file(model, "history.csv", run))
    by_epoch = {"epoch", "training_loss", "validation_loss"} <= set(history.columns)
    return history if by_epoch else pd.DataFrame()


def save_figure(
    drawing: Drawing, name: str, draw: Callable[P, Figure], /, *values: P.args, **settings: P.kwargs
) -> Path:
    """Draw a figure into the folder of figures, now or soon, unless it is there as it would be drawn.

    Parameters
    ----------
    drawing, name
        What figures share; the figure's file, without a suffix.
    draw
        A function of a module.
    values, settings
        Its arguments: all that the figure shows.

    Returns
    -------
    Path
        Of its files, without a suffix.
    """
    stem = drawing.folder / name
    drawing.save(stem, partial(draw, *values, **settings))
    return stem


def file_name(grammar: str) -> str:
    """Return a name as part of a file's name."""
    return re.sub(r"[^\w.+-]", "-", grammar)
