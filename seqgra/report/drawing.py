"""What all figures of a comparison share: the grid, its tables, how architectures look, where figures go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from seqgra.compare.ceiling import is_ceiling
from seqgra.compare.cells import KEYS, Cell
from seqgra.compare.tables import Tables
from seqgra.fingerprint import read_run, verify_file
from seqgra.plot.saving import Save
from seqgra.plot.style import Look, save
from seqgra.results import MACRO

#: Recovery shown by default, where attributions hold it.
RECOVERY_METRIC = "ap_chance_corrected"


class Drawing(NamedTuple):
    """What all figures of a comparison share.

    Attributes
    ----------
    cells
        Those of the grid whose nouns may be read, see `stages.current`.
    tables
        Its tables, with a column label.
    looks
        How each label is drawn.
    folder
        Where figures go.
    method, metric
        Attribution method and recovery metric shown; empty where there is no recovery.
    target
        The PR AUC to mark.
    kinds, less
        `ceiling.ceiling_kinds` and `ceiling.restricted` of the cells.
    labels, outcomes
        The columns label and status of the table status, by `Cell.key`.
    save
        What writes a figure.
    annotations
        Real dataset -> what its recovery is scored against.
    """

    cells: list[Cell]
    tables: Tables
    looks: Mapping[str, Look]
    folder: Path
    method: str
    metric: str
    target: float
    kinds: Mapping[str, str]
    less: pd.DataFrame
    labels: Mapping[tuple[str | int, ...], str]
    outcomes: Mapping[tuple[str | int, ...], str]
    save: Save = save
    annotations: Mapping[str, str] = MappingProxyType({})


def recovery_runs(recovery: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    """Return the rows of one method and metric, averaged over conditions, that have a value."""
    chosen = (recovery["method"] == method) & (recovery["metric"] == metric)
    return recovery[chosen & (recovery["scope"] == MACRO)].dropna(subset=["value"])


def first_seeds(drawing: Drawing, finished: pd.Index, size: int) -> list[tuple[Cell, str]]:
    """Return, for each label, its first finished cell of a size (cells are sorted by seeds)."""
    keys, found = set(finished), dict[str, Cell]()
    for cell in drawing.cells:
        wanted = cell.size == size or is_ceiling(cell.backend)
        if wanted and cell.key in keys:
            found.setdefault(drawing.labels[cell.key], cell)
    return [(cell, label) for label, cell in found.items()]


def by_cell(table: pd.DataFrame, column: str) -> dict[tuple[str | int, ...], str]:
    """Return a column of text of a table with one row a cell, by `Cell.key`."""
    keys = zip(*(table[name].tolist() for name in KEYS), strict=True)
    return dict(zip(keys, table[column].astype(str).tolist(), strict=True))


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


def save_figure(drawing: Drawing, name: str, figure: Figure) -> Path:
    """Save a figure into the folder of figures, now or soon; return its path without a suffix."""
    stem = drawing.folder / name
    drawing.save(figure, stem)
    return stem


def file_name(grammar: str) -> str:
    """Return a name as part of a file's name."""
    return re.sub(r"[^\w.-]", "-", grammar)
