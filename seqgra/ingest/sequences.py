"""Sequences with labels: FASTA files, and tables of sequences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.errors import bad_input
from seqgra.grammar.fasta import read_fasta
from seqgra.grammar.schema import NONE
from seqgra.ingest.examples import NEGATIVE, Encoder, Examples, make_rows, stack
from seqgra.textfile import text_lines
from seqgra.yamlfile import suggest

#: Words of a FASTA header that give labels, and texts that name sets.
_LABEL_KEYS = ("label", "labels", "conditions")
_SET_NAMES = {**{name: name for name in SETS}, "train": "training", "valid": "validation"}
_SET_NAMES |= {"val": "validation"}
_PLACE = re.compile(r"([^\s:]+):(\d+)-(\d+)(?:\([+-.]\))?")


class Told(NamedTuple):
    """What a file tells of its sequences, one entry a sequence.

    Attributes
    ----------
    codes, masked
        uint8 and bool (L,): letters, and which of them are in lower case.
    labels
        Names of its labels.
    sets
        Name of its set, empty where not told.
    place
        Chromosome, start and end; an empty name where not told.
    """

    codes: list[np.ndarray]
    masked: list[np.ndarray]
    labels: list[tuple[str, ...]]
    sets: list[str]
    place: list[tuple[str, int, int]]


def told_nothing() -> Told:
    """Return room for what files tell."""
    return Told([], [], [], [], [])


def split_labels(text: str) -> tuple[str, ...]:
    """Return the labels in a text, joined by ``|``; ``none`` and nothing are no label.

    >>> split_labels("SOX2|POU5F1"), split_labels("none"), split_labels("")
    (('SOX2', 'POU5F1'), (), ())
    """
    return tuple(name.strip() for name in text.split("|") if name.strip() not in ("", NONE))


def set_name(text: str, file: object, place: str) -> str:
    """Return the name of a set from a user's word for it, or nothing for nothing.

    Raises
    ------
    InputError
        If there is no such set.
    """
    if not text.strip():
        return ""
    if text.strip().lower() not in _SET_NAMES:
        raise bad_input(file, place, f"set is {text!r}; {suggest(text, list(_SET_NAMES))}")
    return _SET_NAMES[text.strip().lower()]


def read_sequences(
    told: Told,
    file: Path,
    encoder: Encoder,
    label: str | None,
    table: dict[str, tuple[tuple[str, ...], str]] | None,
) -> None:
    """Add the sequences of a FASTA file to `told`.

    Parameters
    ----------
    label
        The label of all of them, ``none`` for no label; None: a `table`, or their headers say
        ``label=A|B`` and ``set=training``. A word such as ``chr1:100-200`` in the header is their place.
    table
        Labels and set by the first word of the header.

    Raises
    ------
    InputError
        If the file is wrong, a sequence has no label, or not the length of its place.
    """
    for header, sequence in read_fasta(file):
        words = header.split()
        name = words[0] if words else ""
        place = f"record {name!r}"
        if not sequence:
            raise bad_input(file, place, "holds no letters; remove it")
        said = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        given = next((said[key] for key in _LABEL_KEYS if key in said), None)
        text, in_set = given if label is None else label, said.get("set", "")
        if label is None and table is not None:
            if name not in table:
                raise bad_input(file, place, "is not in the table of --labels; add it or remove it")
            labels, in_set = table[name]
        elif text is None:
            message = "has no label=...; write --fasta LABEL=FILE, or give --labels TABLE"
            raise bad_input(file, place, message)
        else:
            labels = split_labels(text)
        codes, masked = encoder(sequence, file, place)
        told.codes.append(codes)
        told.masked.append(masked)
        told.labels.append(labels)
        told.sets.append(set_name(in_set, file, place))
        told.place.append(_place_in(words, len(codes), file, place))


def _place_in(words: Sequence[str], length: int, file: Path, place: str) -> tuple[str, int, int]:
    """Return chromosome, start and end that a header's words name; an empty name where none does.

    Raises
    ------
    InputError
        If the sequence has not as many letters as lie between start and end.
    """
    found = next((match for word in words if (match := _PLACE.fullmatch(word))), None)
    if found is None:
        return "", 0, 0
    chrom, start, end = found[1], int(found[2]), int(found[3])
    if end - start != length:
        message = f"has {length} letters, but its place {found[0]} (counted from 0, end excluded) "
        message += f"has {max(end - start, 0)}"
        if end - start == length - 1 and start > 0:
            message += f"; counted from 0 it is {chrom}:{start - 1}-{end}"
        else:
            message += "; mend the header, or write it otherwise if it is no place"
        raise bad_input(file, place, message)
    return chrom, start, end


def read_label_table(file: Path) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return labels and set of each name in a table with columns id, label and, if wanted, set.

    Raises
    ------
    InputError
        If its columns are others, a line has too few or too many, or a name stands twice.
    """
    lines = [(number, line.split("\t")) for number, line in text_lines(file) if line.strip()]
    header = [name.strip().lower() for name in lines[0][1]] if lines else []
    if not {"id", "label"} <= set(header):
        raise bad_input(file, "line 1", "needs columns id, label and perhaps set, parted by tabs")
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for number, fields in lines[1:]:
        if len(fields) != len(header):
            message = f"has {len(fields)} columns; the first line names {len(header)}"
            raise bad_input(file, f"line {number}", message)
        row = dict(zip(header, fields, strict=True))
        if row["id"] in found:
            raise bad_input(file, f"line {number}", f"gives {row['id']!r} twice; remove one")
        in_set = set_name(row.get("set", ""), file, f"line {number}")
        found[row["id"]] = (split_labels(row["label"]), in_set)
    return found


def condition_names(given: Sequence[str], labels: Sequence[tuple[str, ...]]) -> list[str]:
    """Return all labels: those given on the command line first, then the others by name."""
    order = [name for name in dict.fromkeys(given) if name != NONE]
    return order + sorted({name for row in labels for name in row} - set(order))


def label_matrix(labels: Sequence[tuple[str, ...]], names: Sequence[str]) -> np.ndarray:
    """Return uint8 (N, C): ones for each example's labels, or for `NEGATIVE` where it has none."""
    number = {name: n for n, name in enumerate(names)}
    y = np.zeros((len(labels), len(names)), np.uint8)
    for row, shown in zip(y, labels, strict=True):
        for name in shown or (NEGATIVE,):
            row[number[name]] = 1
    return y


def with_negative(names: list[str], labels: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the names with `NEGATIVE` at the end where an example has no label."""
    needed = NEGATIVE not in names and not all(labels)
    return [*names, NEGATIVE] if needed else names


def as_examples(told: Told, names: list[str], width: int | None) -> Examples:
    """Return what files told as examples.

    Parameters
    ----------
    names
        The labels in the order of columns.
    width
        Longer sequences are cut to this many letters about their middle; None: to none.
    """
    rows = make_rows(len(told.codes))
    rows["set"] = np.array([SETS.index(s) if s else -1 for s in told.sets], np.int8)
    cut, shares, places = [], np.zeros(len(rows)), []
    told_all = zip(told.codes, told.masked, told.place, strict=True)
    for n, (codes, masked, (chrom, start, end)) in enumerate(told_all):
        spare = max(0, len(codes) - width) if width else 0
        first = spare // 2
        kept = slice(first, len(codes) - (spare - first))
        cut.append(codes[kept])
        shares[n] = masked[kept].mean()
        places.append((chrom, start + first, end - (spare - first)) if chrom else ("", 0, 0))
    x = stack(cut, max(len(codes) for codes in cut))
    rows["masked"] = shares
    rows["chrom"], rows["start"], rows["end"] = zip(*places, strict=True)
    return Examples(x, label_matrix(told.labels, names), rows)
