"""Tables of sequences: the published layout and Parquet, as `seqgra export` writes them, and any TSV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from seqgra.alphabet import SETS
from seqgra.errors import bad_input
from seqgra.ingest.examples import Encoder
from seqgra.ingest.sequences import Told, set_name, split_labels
from seqgra.textfile import text_lines

_SEQUENCE, _LABELS = ("x", "sequence"), ("y", "label", "labels")
_PACKED = (".txt", ".txt.gz")


def table_files(path: Path) -> list[Path]:
    """Return the files of a table: itself, or those of a folder that `seqgra export` wrote.

    Raises
    ------
    InputError
        If there are none.
    """
    if not path.is_dir():
        return [path]
    ends = (*_PACKED, ".parquet")
    found = [path / f"{name}{end}" for name in SETS for end in ends]
    found = [file for file in found if file.is_file()]
    if not found:
        message = (
            "holds no training.txt or training.parquet; give a folder of seqgra export, or a file"
        )
        raise bad_input(path, "", message)
    return found


def beside(file: Path) -> Path:
    """Return where the elements of a table of sequences are, if they are anywhere."""
    stem, _, end = file.name.partition(".")
    return file.with_name(f"{stem}-{'elements' if end == 'parquet' else 'annotation'}.{end}")


def read_table(told: Told, path: Path, encoder: Encoder) -> pd.DataFrame | None:
    """Add the sequences of a table to `told` and return the elements it names, if it does.

    Returns
    -------
    DataFrame or None
        ``example``, ``name``, ``condition`` (a label, or empty), ``rule``, ``start``, ``end``, ``strand``,
        ``role``, ``intact``.

    Raises
    ------
    InputError
        If the table is wrong.
    """
    parts = []
    for file in table_files(path):
        in_set = file.name.split(".")[0] if path.is_dir() else ""
        first = len(told.codes)
        rows = _parquet_rows(file) if file.name.endswith(".parquet") else _text_rows(file)
        for place, sequence, labels, row_set in rows:
            if not sequence:
                raise bad_input(file, place, "holds no letters; remove it")
            codes, masked = encoder(sequence, file, place)
            told.codes.append(codes)
            told.masked.append(masked)
            told.labels.append(labels)
            told.sets.append(in_set or set_name(row_set, file, place))
            told.place.append(("", 0, 0))
        found = _elements(file, told, first)
        parts += [] if found is None else [found]
    if not told.codes:
        raise bad_input(path, "", "holds no sequences")
    return pd.concat(parts, ignore_index=True) if parts else None


_Row = tuple[str, str, tuple[str, ...], str]


def _text_rows(file: Path) -> Iterator[_Row]:
    lines = text_lines(file)
    header = next(lines, (1, ""))[1].lower().split("\t")
    at = {name: n for n, name in enumerate(header)}
    sequence = next((at[name] for name in _SEQUENCE if name in at), None)
    label = next((at[name] for name in _LABELS if name in at), None)
    if sequence is None or label is None:
        message = "needs columns x (or sequence) and y (or label), parted by tabs, and perhaps set"
        raise bad_input(file, "line 1", message)
    for number, line in lines:
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != len(header):
            message = f"has {len(fields)} columns; the first line names {len(header)}"
            raise bad_input(file, f"line {number}", message)
        in_set = fields[at["set"]] if "set" in at else ""
        yield f"line {number}", fields[sequence].strip(), split_labels(fields[label]), in_set


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise bad_input(file, "", f"cannot be read as Parquet ({said})") from None


def _parquet_rows(file: Path) -> Iterator[_Row]:
    table = _read_parquet(file)
    sequence = next((name for name in _SEQUENCE if name in table), None)
    label = next((name for name in _LABELS if name in table), None)
    if sequence is None or label is None:
        raise bad_input(file, "", "needs columns sequence and labels, and perhaps set")
    sets = table["set"] if "set" in table else [""] * len(table)
    for number, (text, labels, in_set) in enumerate(
        zip(table[sequence], table[label], sets, strict=True)
    ):
        if not isinstance(text, str):
            raise bad_input(file, f"row {number}", "holds no letters; remove it")
        if labels is None or isinstance(labels, float):  # null
            labels = ""
        names = split_labels(labels) if isinstance(labels, str) else tuple(map(str, labels))
        yield f"row {number}", text, names, in_set if isinstance(in_set, str) else ""


def _elements(file: Path, told: Told, first: int) -> pd.DataFrame | None:
    """Return what the file beside a set's file says of its elements, if there is one."""
    other = beside(file)
    if not other.is_file():
        return None
    if not other.name.endswith(".parquet"):
        return _annotated(other, told, first)
    table = _read_parquet(other)
    needed = {"example", "element", "condition", "rule", "start", "end", "strand", "role", "intact"}
    if missing := sorted(needed - set(table)):
        raise bad_input(other, "", f"lacks the columns {', '.join(missing)}; export it again")
    table = table.rename(columns={"element": "name"})
    table["condition"] = table["condition"].astype(object).where(table["condition"].notna(), "")
    table["strand"] = np.where(table["strand"] == "-", -1, 1)
    table["example"] += first
    if len(table) and not table["example"].between(first, len(told.codes) - 1).all():
        raise bad_input(other, "", f"names examples that {file.name} does not have")
    return table.astype({"name": str, "role": str})


def _annotated(file: Path, told: Told, first: int) -> pd.DataFrame:
    """Return runs of G and C of the published annotation, as elements named by letter and width."""
    found, example = [], first
    lines = text_lines(file)
    next(lines, None)
    for number, line in lines:
        letters = line.split("\t")[0]
        if example >= len(told.codes) or len(letters) != len(told.codes[example]):
            message = (
                f"annotates {len(letters)} letters, but not those of the sequence in that line"
            )
            raise bad_input(file, f"line {number}", message)
        for run in re.finditer("G+|C+", letters):
            grammar = run[0][0] == "G"
            name = f"{'grammar' if grammar else 'confounder'}-{len(run[0])}"
            role = "annotated" if grammar else "confounder"
            found.append((example, name, "", -1, run.start(), run.end(), 1, role, True))
        example += 1
    if example != len(told.codes):
        raise bad_input(file, "", "annotates fewer sequences than there are")
    columns = ["example", "name", "condition", "rule", "start", "end", "strand", "role", "intact"]
    return pd.DataFrame(found, columns=columns)
