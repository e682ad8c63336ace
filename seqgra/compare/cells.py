"""The cells file: which cells a grid has, and where their nouns lie, finished or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
#: Optional: `Options`, as JSON.
OPTION_COLUMNS = ("model_options", "scores_options", "attribution_options")
#: Those of `KEYS` that are numbers.
INTEGERS = ("size", "data_seed", "model_seed")


class Inputs(NamedTuple):
    """Fingerprints of what a cell's nouns are to be made from; empty where not known.

    Attributes
    ----------
    dataset_fingerprint, architecture_fingerprint
        Of the model's; the architecture of a tuned one is not known without a whole tuning.
    test_fingerprint
        Of the dataset that scores and attributions are made on.
    constructed_fingerprint
        Of the sequences that its model is probed with.
    """

    dataset_fingerprint: str = ""
    architecture_fingerprint: str = ""
    test_fingerprint: str = ""
    constructed_fingerprint: str = ""


class Options(NamedTuple):
    """Options that a cell's results are to be made with, as they stand in their `run.json`.

    Attributes
    ----------
    model, scores
        Of the model, where None is known those that the cell's own keys say; of the scores.
    attributions
        By the name of the method.
    """

    model: Mapping[str, Any] | None = None
    scores: Mapping[str, Any] | None = None
    attributions: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

    def columns(self) -> dict[str, str]:
        """Return the columns of the cells file."""
        values = (json.dumps(value, sort_keys=True) for value in self)
        return dict(zip(OPTION_COLUMNS, values, strict=True))


class CellResults(NamedTuple):
    """One cell of the grid and the folders of its results, finished or not.

    `spared`: not needed; `probes` is None where its model is not probed.
    """

    grammar: str
    size: int
    data_seed: int
    architecture: str
    backend: str
    model_seed: int
    model: Path
    scores: Path
    attributions: tuple[tuple[str, Path], ...]
    test: Path
    spared: bool = False
    inputs: Inputs = Inputs()
    options: Options = Options()
    probes: Path | None = None

    @property
    def key(self) -> tuple[str | int, ...]:
        """The values of `KEYS`."""
        return tuple(self[: len(KEYS)])  # type: ignore[arg-type]


def read_cells(path: Path) -> list[CellResults]:
    """Read the cells file, sorted by `KEYS`.

    It is CSV with the columns `CELL_COLUMNS`; `SPARED`, `PROBES`, `Inputs` and `OPTION_COLUMNS` are
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
    frame = frame.reindex(columns=_COLUMNS, fill_value="")
    rows: list[dict[str, str]] = frame.to_dict("records")  # type: ignore[assignment]
    raise_problems(_problems(path, rows))
    return sorted((_cell(row) for row in rows), key=lambda cell: cell.key)


_COLUMNS = [*CELL_COLUMNS, SPARED, PROBES, *Inputs._fields, *OPTION_COLUMNS]


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
        for name in filter(row.get, OPTION_COLUMNS):
            if not _holds_options(row[name]):
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
        inputs=Inputs(*(row[name] for name in Inputs._fields)),
        options=_options([row[name] for name in OPTION_COLUMNS]),
        probes=Path(row[PROBES]) if row[PROBES] else None,
    )


def _options(texts: Sequence[str]) -> Options:
    model, scores, attributions = (json.loads(text) if text else None for text in texts)
    return Options(model, scores, attributions or {})
