"""Stage score: another program's predictions of a test set -> scores, as `seqgra evaluate` makes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqgra.dataset import Dataset, open_dataset
from seqgra.errors import InputError, bad_input, in_a_line
from seqgra.fingerprint import Draft, Outcome, file_sha256, identity_of, make, require_run
from seqgra.model import CEILINGS, FOREIGN, MULTI_LABEL, task_of, wrong_sum
from seqgra.stages.score import DEFAULTS
from seqgra.textfile import read_text

#: What a probability of 0 counts as at most, so that its logit is finite.
_LEAST = 1e-7
#: Logits lie within it, so that their differences and sums are finite.
_LARGEST = 1e38
#: Column of a table that holds rows of the test set; and of that of `seqgra predict` the sequences' names.
_EXAMPLE, _NAME = "example", "name"


def score(
    dataset: Path,
    folder: Path,
    *,
    predictions: Path,
    values: str,
    name: str,
    size: int,
    data_seed: int = DEFAULTS.data_seed,
    model_seed: int = DEFAULTS.model_seed,
    set_size: int | None = DEFAULTS.set_size,
) -> str:
    """Score predictions of a test set that another program made.

    Parameters
    ----------
    dataset
        Folder with a test set of N examples and C conditions.
    folder
        Where the scores go.
    predictions
        ``.npy``: float (N, C); of two conditions of a multi-class task also (N,) or (N, 1), those of the
        second. ``.tsv``: a header, then a row an example; the columns are the conditions (or the second of
        two), and, in any order of rows, ``example``. A column ``name``, as `seqgra predict` writes it,
        is not read.
    values
        ``logits`` or ``probabilities``.
    name, size, data_seed, model_seed
        What the program is called, the dataset size it was trained on, and its seeds.
    set_size
        N: the first so many test examples; None: all in the folder.

    Returns
    -------
    str
        ``done`` or ``up to date``, after a line about a column that is not read.

    Raises
    ------
    InputError
        If the name is none for files, the predictions are not of these examples, or no numbers.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}", name):
        message = f"is {name!r}; use letters, digits, '.', '_', '+' and '-' only"
        raise bad_input("--name", "", message)
    data = open_dataset(dataset)
    y = data.y("test", set_size)
    if not predictions.is_file():
        raise bad_input(predictions, "", "there is no such file; give --predictions FILE")
    inputs = {"dataset": data.fingerprint, "predictions": file_sha256(predictions)}
    options = {
        "backend": FOREIGN,
        "program": name,
        "size": size,
        "data_seed": data_seed,
        "seed": model_seed,
        "values": values,
        "set": "test",
        "set_size": len(y),
    }

    def compute(draft: Draft) -> Outcome:
        from seqgra.evaluate import curves
        from seqgra.results import write_scores

        data.verify("test")
        logits = read_predictions(predictions, data, len(y), values)
        write_scores(curves.score(logits, np.array(y), data.conditions, data.task), draft)
        facts = {"examples": len(y), "device": "another program", "file": predictions.name}
        return Outcome({**facts, "reason": ""})

    status = make(identity_of("score", inputs, options), folder, compute).status
    if predictions.suffix != ".npy" and _unread(_rows(predictions)[0][1], data.conditions):
        return f"{predictions}: column {_NAME} is not read; {_EXAMPLE} alone tells rows apart\n{status}"
    return status


def read_predictions(file: Path, dataset: Dataset, examples: int, values: str) -> np.ndarray:
    """Return the logits, float64 (N, C), that a file of predictions holds; see `score`.

    Raises
    ------
    InputError
        If it is damaged, of other examples, or holds what is no number, or no probability.
    """
    conditions, task = dataset.conditions, task_of(dataset)
    table = _table(file, conditions, examples) if file.suffix != ".npy" else _array(file)
    if table.ndim == 1:
        table = table[:, None]
    if table.shape == (examples, 1) and len(conditions) == 2 and task != MULTI_LABEL:
        if values != "logits":
            table = np.concatenate([1 - table, table], axis=1)
        else:
            table = np.concatenate([np.zeros_like(table), table], axis=1)
    if table.shape != (examples, len(conditions)):
        message = f"holds {table.shape[0]:,} rows of {table.shape[1]}; expected {examples:,} test examples, "
        message += f"{len(conditions)} conditions ({', '.join(conditions)})"
        raise bad_input(file, "", f"{message}; --set-size takes the first so many")
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        message = f"is {table[row, column]}; give a finite number for every example"
        raise _wrong(file, row, conditions[column], message)
    if values == "logits":
        if (large := np.abs(table) > _LARGEST).any():
            row, column = np.argwhere(large)[0]
            message = f"is {table[row, column]:g}; give logits within {_LARGEST:g}"
            raise _wrong(file, row, conditions[column], message)
        return table
    return _from_probabilities(file, table, conditions, task)


def _from_probabilities(
    file: Path, table: np.ndarray, conditions: Iterable[str], task: str
) -> np.ndarray:
    outside = (table < 0) | (table > 1)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        message = (
            f"is {table[row, column]:g}, no probability; give --values logits if these are logits"
        )
        raise _wrong(file, row, [*conditions][column], message)
    if (found := wrong_sum(table, task)) is not None:
        raise _wrong(file, found[0], "", found[1])
    logits = _finite_log(table)
    return logits - _finite_log(1 - table) if task == MULTI_LABEL else logits


def _finite_log(p: np.ndarray) -> np.ndarray:
    """Return ln p; 0 counts as less than every other p of the array, and at most as `_LEAST`."""
    least = min(_LEAST, p.min(initial=1, where=p > 0) / 2)
    return np.asarray(np.log(np.where(p > 0, p, max(least, np.nextafter(0, 1)))))


def _wrong(file: Path, example: int, condition: str, message: str) -> InputError:
    place = f"example {example}" + (f", {condition}" if condition else "")
    return bad_input(file, place, message)


def _array(file: Path) -> np.ndarray:
    try:
        table = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise bad_input(
            file, "", f"is no array of numbers ({in_a_line(error)}); save it with numpy.save"
        ) from None
    if (
        not isinstance(table, np.ndarray)
        or table.dtype.kind not in "iuf"
        or table.ndim not in (1, 2)
    ):
        kind = getattr(table, "dtype", "an archive")
        raise bad_input(
            file, "", f"holds {kind} {getattr(table, 'shape', '')}; expected numbers (N, C)"
        )
    return table.astype(np.float64)


def _rows(file: Path) -> list[tuple[int, list[str]]]:
    """Return the header and the rows of a tab-separated table, each with the number of its line."""
    lines = enumerate(read_text(file).splitlines(), start=1)
    return [(number, line.split("\t")) for number, line in lines if line.strip()] or [(1, [])]


def _unread(header: Iterable[str], conditions: Iterable[str]) -> set[str]:
    """Return the columns of a table that are not read: names of sequences, if no condition is called so."""
    return {_NAME}.intersection(header) - {*conditions}


def _table(file: Path, conditions: tuple[str, ...], examples: int) -> np.ndarray:
    """Return the numbers of a tab-separated table, in the order of the test set."""
    (first, header), *rows = _rows(file)
    others = {_EXAMPLE, *_unread(header, conditions)}
    wanted = [name for name in header if name not in others]
    alone = len(conditions) == 2 and wanted == [conditions[1]]
    if not alone and sorted(wanted) != sorted(conditions):
        message = f"names {', '.join(wanted)[:200] or 'nothing'}; expected a column for each of "
        message += f"{', '.join(conditions)}, and perhaps {_EXAMPLE}, with tabs between them"
        raise bad_input(file, f"line {first}", message)
    if len(rows) != examples:
        message = f"holds {len(rows):,} rows; expected {examples:,} test examples"
        raise bad_input(file, "", f"{message}; --set-size takes the first so many")
    columns = [header.index(name) for name in (conditions[1:] if alone else conditions)]
    table = np.full((examples, len(columns)), np.nan)
    seen = np.zeros(examples, bool)
    for example, (number, row) in enumerate(rows):
        place = f"line {number}"
        if len(row) != len(header):
            raise bad_input(file, place, f"has {len(row)} columns, the header {len(header)}")
        if _EXAMPLE in header:
            text = row[header.index(_EXAMPLE)]
            digits = text.isascii() and text.isdecimal() and len(text) < 20
            if not (digits and int(text) < examples):
                message = f"{_EXAMPLE} is {text[:20]!r}; expected a row of the test set, 0 to {examples - 1}"
                raise bad_input(file, place, message)
            example = int(text)
        if seen[example]:
            raise bad_input(file, place, f"{_EXAMPLE} {example} is there twice")
        seen[example] = True
        try:
            table[example] = [float(row[column]) for column in columns]
        except ValueError as error:
            raise bad_input(file, place, f"holds what is no number ({in_a_line(error)})") from None
    return table


def scored_rows(
    rows: Sequence[Mapping[str, object]], folders: Iterable[Path]
) -> list[dict[str, object]]:
    """Return a row of the cells file for each folder that ``seqgra score`` made.

    Parameters
    ----------
    rows
        Those of a grid, from `grid.commands.cell_rows`.
    folders
        Scored predictions of test sets of the grid.

    Raises
    ------
    InputError
        If one is of another test set than the grid's, was scored on fewer examples of it, or has a dataset
        size that the grid has not: curves are compared at the same sizes.
    """
    import json

    by_test = {row["test_fingerprint"]: row for row in rows}
    sizes: dict[object, set[int]] = {}
    for each in rows:
        if each["backend"] not in CEILINGS:
            sizes.setdefault(each["test_fingerprint"], set()).add(int(str(each["size"])))
    found = []
    for folder in folders:
        run = require_run(folder, "score")
        options: dict[str, Any] = run["options"]
        row = by_test.get(run["inputs"]["dataset"])
        if row is None:
            message = "was scored on another test set than those of the grid; score its own"
            raise bad_input(folder, "", message)
        asked = json.loads(str(row["scores_options"]))
        if asked != {name: options[name] for name in asked}:
            message = (
                f"was scored on {options['set_size']:,} examples, the grid on {asked['set_size']:,}"
            )
            raise bad_input(
                folder, "", f"{message}; give seqgra score --set-size {asked['set_size']}"
            )
        known = sizes.get(row["test_fingerprint"], set())
        if known and options["size"] not in known:
            there = ", ".join(f"{size:,}" for size in sorted(known))
            message = f"has the dataset size {options['size']:,}, the grid {there} (validation and test set"
            raise bad_input(
                folder, "", f"{message} are counted in it); give seqgra score --size one of these"
            )
        found.append(
            dict.fromkeys(row, "")
            | {name: row[name] for name in ("grammar", "test", "test_fingerprint")}
            | {
                "size": options["size"],
                "data_seed": options["data_seed"],
                "architecture": options["program"],
                "backend": FOREIGN,
                "model_seed": options["seed"],
                "model": folder,
                "scores": folder,
            }
        )
    return found
