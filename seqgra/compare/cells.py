"""The cells file: which cells a grid has, and where their nouns lie, finished or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pandas as pd

from seqgra.errors import Problem, bad_input, raise_problems

#: What names a cell, in the order that tables are sorted by.
KEYS = ("grammar", "size", "data_seed", "architecture", "backend", "model_seed")
#: Columns of the cells file; the last four are folders, relative to the working directory.
CELL_COLUMNS = (*KEYS, "model", "scores", "attributions", "test")
#: Optional: folder of a cell's probes, empty where it has none.
PROBES = "probes"
#: Optional: not empty where an adaptive grid does not need the cell.
SPARED = "spared"
#: Ends of optional columns: fingerprints that results are to be made from, a stage's options as JSON.
FINGERPRINT, OPTIONS = "_fingerprint", "_options"
#: What columns of options are called, where it is not the stage.
_OPTIONS_OF = {"train": "model", "evaluate": "scores", "attribute": "attribution"}
#: Those of `KEYS` that are numbers.
INTEGERS = ("size", "data_seed", "model_seed")


def identity_columns(
    inputs: Mapping[str, str], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return the columns that hold `CellResults.inputs` and `CellResults.options`."""
    fingerprints = {f"{role}{FINGERPRINT}": value for role, value in inputs.items()}
    return fingerprints | {
        f"{_OPTIONS_OF.get(stage, stage)}{OPTIONS}": json.dumps(value, sort_keys=True)
        for stage, value in options.items()
    }


class CellResults(NamedTuple):
    """One cell of the grid and the folders of its results, finished or not."""

    #: See `KEYS`.
    grammar: str
    size: int
    data_seed: int
    architecture: str
    backend: str
    model_seed: int
    #: Folders; attributions by the name of the method.
    model: Path
    scores: Path
    attributions: tuple[tuple[str, Path], ...]
    test: Path
    #: Whether it is not needed.
    spared: bool = False
    #: Fingerprints of what its results are to be made from, by `seqgra.stages.Input.cell_role`; those that
    #: are not known are empty or absent.
    inputs: Mapping[str, str] = MappingProxyType({})
    #: What its results are to be made with, by stage, as it stands in their `run.json` (of attributions by
    #: method); those of a stage may be absent, of a model then those count that the cell's own keys say.
    options: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    #: Folder; None where its model is not probed.
    probes: Path | None = None

    @property
    def key(self) -> tuple[str | int, ...]:
        """The values of `KEYS`."""
        return tuple(self[: len(KEYS)])  # type: ignore[arg-type]


def read_cells(path: Path) -> list[CellResults]:
    """Read the cells file, sorted by `KEYS`.

    It is CSV with the columns `CELL_COLUMNS`; `SPARED`, `PROBES` and those of `identity_columns` are
    optional.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or a cell is malformed or listed twice.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' parser errors are ValueErrors
        raise bad_input(path, "", f"cannot be read as a table of cells ({error})") from None
    if missing := [name for name in CELL_COLUMNS if name not in frame.columns]:
        raise bad_input(path, "header", f"lacks the columns {', '.join(missing)}")
    identity = [name for name in frame.columns if name.endswith((FINGERPRINT, OPTIONS))]
    frame = frame.reindex(columns=[*CELL_COLUMNS, SPARED, PROBES, *identity], fill_value="")
    rows: list[dict[str, str]] = frame.to_dict("records")  # type: ignore[assignment]
    raise_problems(_problems(path, rows))
    return sorted((_cell(row) for row in rows), key=lambda cell: cell.key)


def _problems(path: Path, rows: list[dict[str, str]]) -> list[Problem]:
    problems, seen = [], set()
    for number, row in enumerate(rows, start=2):
        place = f"line {number}"
        for name in INTEGERS:
            if not row[name].isascii() or not row[name].isdecimal():
                message = f"{name} is {row[name]!r}; expected a number"
                problems.append(Problem(str(path), place, message))
        for entry in filter(None, row["attributions"].split(";")):
            if "=" not in entry:
                message = f"attributions has {entry!r}; expected method=folder"
                problems.append(Problem(str(path), place, message))
        for name in row:
            if name.endswith(OPTIONS) and row[name] and not _holds_options(row[name]):
                problems.append(Problem(str(path), place, f"{name} holds no options as JSON"))
        key = tuple(row[name] for name in KEYS)
        if key in seen:
            problems.append(Problem(str(path), place, f"lists the cell {'/'.join(key)} again"))
        seen.add(key)
    return problems


def _holds_options(text: str) -> bool:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return value is None or isinstance(value, dict)


def _cell(row: Mapping[str, str]) -> CellResults:
    entries = (entry.split("=", 1) for entry in row["attributions"].split(";") if entry)
    return CellResults(
        grammar=row["grammar"],
        size=int(row["size"]),
        data_seed=int(row["data_seed"]),
        architecture=row["architecture"],
        backend=row["backend"],
        model_seed=int(row["model_seed"]),
        model=Path(row["model"]),
        scores=Path(row["scores"]),
        attributions=tuple((method, Path(folder)) for method, folder in entries),
        test=Path(row["test"]),
        spared=bool(row[SPARED]),
        inputs={
            name.removesuffix(FINGERPRINT): value
            for name, value in row.items()
            if name.endswith(FINGERPRINT)
        },
        options=_options(row),
        probes=Path(row[PROBES]) if row[PROBES] else None,
    )


def _options(row: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the options that a row holds, by stage."""
    stages = {column: stage for stage, column in _OPTIONS_OF.items()}
    columns = {
        name.removesuffix(OPTIONS): json.loads(text)
        for name, text in row.items()
        if name.endswith(OPTIONS) and text
    }
    return {
        stages.get(column, column): options
        for column, options in columns.items()
        if options is not None
    }
