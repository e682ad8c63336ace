"""Tables of sequences: the published layout and Parquet, as `seqgra export` writes them; TSV and CSV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from seqgra.errors import bad_input, in_a_line
from seqgra.grammar.fasta import Encoder
from seqgra.ingest.columns import TextTable, columns_of, missing, shown
from seqgra.ingest.places import NOWHERE, Place, fitted
from seqgra.ingest.recipe import beside, table_files
from seqgra.ingest.sequences import SequenceRecords, set_name, split_labels
from seqgra.ingest.tally import Tally
from seqgra.textfile import text_lines

#: A whole number, also as pandas writes a column with gaps.
_WHOLE = re.compile(r"(\d+)(?:\.0*)?")
_NEEDED, _OPTIONAL = ("sequence", "label"), ("set", "chrom", "start", "end")
_NAMES_INSTEAD = "write one column label with the names of an example's classes, joined by '|'"


def read_table(
    records: SequenceRecords, path: Path, encoder: Encoder, tally: Tally
) -> pd.DataFrame | None:
    """Add the sequences of a table to `records` and return the elements it names, if it does.

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
        first = len(records.codes)
        rows, named = _parquet_rows(file) if file.suffix == ".parquet" else _text_rows(file)
        where: list[str] = []
        regions: list[tuple[str, str, str]] = []
        for row in rows:
            if not row.sequence:
                raise bad_input(file, row.place, "holds no letters; remove it")
            codes, masked = encoder(row.sequence, file, row.place)
            records.codes.append(codes)
            records.masked.append(masked)
            records.labels.append(row.labels)
            records.sets.append(in_set or set_name(row.set, file, row.place))
            where.append(row.place)
            regions.append(row.region)
        if path.is_dir():
            named = [name for name in named if name.lower() not in ("set", "split")]
        records.places.extend(_places(file, where, regions, records.codes[first:], tally))
        tally.unread(file, named)
        found = _elements(file, records, first)
        parts += [] if found is None else [found]
    if not records.codes:
        raise bad_input(path, "", "holds no sequences")
    return pd.concat(parts, ignore_index=True) if parts else None


class _Row(NamedTuple):
    """A row of a table: what to call it, and what it gives; places as chromosome, start and end."""

    place: str
    sequence: str
    labels: tuple[str, ...]
    set: str
    region: tuple[str, str, str]


def _text_rows(file: Path) -> tuple[Iterator[_Row], list[str]]:
    """Return the rows of a text table, and the names of columns that are not read."""
    table = TextTable(file, _NEEDED, _OPTIONAL)
    rows = (
        _Row(
            place,
            row["sequence"].strip(),
            split_labels(row["label"]),
            row.get("set", ""),
            (
                row.get("chrom", "").strip(),
                row.get("start", "").strip(),
                row.get("end", "").strip(),
            ),
        )
        for place, row in table.rows()
    )
    return rows, table.unread


def _places(
    file: Path,
    rows: list[str],
    regions: list[tuple[str, str, str]],
    codes: list[np.ndarray],
    tally: Tally,
) -> list[Place]:
    """Return where the sequences of the named rows lie; a row may be without a place.

    Raises
    ------
    InputError
        If a row names a place of another length than its sequence has.
    """
    if not any(all(region) for region in regions):
        return [NOWHERE] * len(codes)
    found, from_one = [], 0
    for row, (chrom, start, end), letters in zip(rows, regions, codes, strict=True):
        if not chrom + start + end:
            found.append(NOWHERE)
            continue
        low, high = (_WHOLE.fullmatch(text) for text in (start, end))
        pair = None
        if chrom and low and high:
            pair = fitted(chrom, int(low[1]), int(high[1]), len(letters))
        if pair is None:
            message = f"has {len(letters)} letters, but columns chrom, start, end hold "
            message += (
                f"{shown((chrom, start, end))}; correct them, leave all three empty, or rename "
            )
            raise bad_input(file, row, message + "the columns if they are no places of sequences")
        found.append(pair[0])
        from_one += pair[1]
    if from_one:
        tally.remark(f"{file.name}: {from_one:,} places are counted from 1, as their lengths show")
    return found


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise bad_input(file, "", f"cannot be read as Parquet ({in_a_line(error)})") from None


def _parquet_rows(file: Path) -> tuple[Iterator[_Row], list[str]]:
    """Return the rows of a Parquet table, and the names of columns that are not read."""
    table = _read_parquet(file)
    names = [str(name) for name in table.columns]
    try:
        at = columns_of(names, (*_NEEDED, *_OPTIONAL))
    except ValueError as error:
        raise bad_input(file, "", str(error)) from None
    if set(_NEEDED) - set(at):
        raise bad_input(file, "", missing(_NEEDED, _OPTIONAL, names))
    unread = [name for n, name in enumerate(names) if n not in at.values()]
    columns = {what: table.iloc[:, n] for what, n in at.items()}
    labels = _parquet_labels(file, names[at["label"]], columns["label"])

    def rows() -> Iterator[_Row]:
        nothing = [""] * len(table)
        others = [columns.get(what, nothing) for what in ("set", "chrom", "start", "end")]
        each = zip(columns["sequence"], labels, *others, strict=True)
        for number, (text, given, in_set, *region) in enumerate(each):
            if isinstance(text, bytes):
                text = text.decode("latin-1")
            if not isinstance(text, str):
                kind = (
                    "nothing" if pd.api.types.is_scalar(text) and pd.isna(text) else repr(text)[:40]
                )
                message = f"column {names[at['sequence']]} holds {kind}; expected letters"
                raise bad_input(file, f"row {number}", message)
            chrom, start, end = ((_text_of(value) or "").strip() for value in region)
            yield _Row(
                f"row {number}", text.strip(), given, _text_of(in_set) or "", (chrom, start, end)
            )

    return rows(), unread


def _text_of(value: object) -> str | None:
    """Return a single value as text, whole numbers without a fraction, nothing for null; None: it is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not pd.api.types.is_scalar(value):
        return None
    if value is None or bool(pd.isna(value)):  # type: ignore[call-overload]
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _parquet_labels(file: Path, name: str, column: pd.Series) -> list[tuple[str, ...]]:
    """Return the labels of each row: texts joined by ``|``, numbers, or lists of either.

    Raises
    ------
    InputError
        If a value is neither, or lists are zeros and ones by class.
    """
    found = []
    for number, value in enumerate(column):
        text = _text_of(value)
        several = [text] if text is not None else _text_list(value)
        if several is None:
            message = (
                f"column {name} holds {repr(value)[:40]} of type {type(value).__name__}; expected "
            )
            raise bad_input(file, f"row {number}", message + "a text, a number, or a list of these")
        found.append(tuple(label for part in several for label in split_labels(part)))
    widths = {len(row) for row in found}
    if len(widths) == 1 and max(widths) > 1 and any(len(set(row)) < len(row) for row in found):
        raise bad_input(file, f"column {name}", f"holds lists of zeros and ones; {_NAMES_INSTEAD}")
    return found


def _text_list(value: object) -> list[str] | None:
    """Return the texts of a list; None if it is none, or holds something else."""
    if not isinstance(value, np.ndarray | list | tuple | set):
        return None
    texts = [_text_of(part) for part in value]
    return None if None in texts else [text for text in texts if text is not None]


def _elements(file: Path, records: SequenceRecords, first: int) -> pd.DataFrame | None:
    """Return what the file beside a set's file says of its elements, if there is one."""
    other = beside(file)
    if not other.is_file():
        return None
    if not other.name.endswith(".parquet"):
        return _annotated(other, records, first)
    table = _read_parquet(other)
    needed = {"example", "element", "condition", "rule", "start", "end", "strand", "role", "intact"}
    if missing := sorted(needed - set(table)):
        raise bad_input(other, "", f"lacks the columns {', '.join(missing)}; export it again")
    table = table.rename(columns={"element": "name"})
    table["condition"] = table["condition"].astype(object).where(table["condition"].notna(), "")
    table["strand"] = np.where(table["strand"] == "-", -1, 1)
    table["example"] += first
    if len(table) and not table["example"].between(first, len(records.codes) - 1).all():
        raise bad_input(other, "", f"names examples that {file.name} does not have")
    return table.astype({"name": str, "role": str})


def _annotated(file: Path, records: SequenceRecords, first: int) -> pd.DataFrame:
    """Return runs of G and C of the published annotation, as elements named by letter and width."""
    found, example = [], first
    lines = text_lines(file)
    next(lines, None)
    for number, line in lines:
        letters = line.split("\t")[0]
        if example >= len(records.codes) or len(letters) != len(records.codes[example]):
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
    if example != len(records.codes):
        raise bad_input(file, "", "annotates fewer sequences than there are")
    columns = ["example", "name", "condition", "rule", "start", "end", "strand", "role", "intact"]
    whole = dict.fromkeys(("example", "rule", "start", "end", "strand"), np.int64)
    # without a row no column has a type of its own
    return pd.DataFrame(found, columns=columns).astype({**whole, "intact": bool})
