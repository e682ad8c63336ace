"""Sequences with labels: FASTA files, and tables of sequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.errors import bad_input
from seqgra.grammar.fasta import Encoder, read_fasta
from seqgra.ingest.columns import TextTable, shown
from seqgra.ingest.examples import NEGATIVE, IngestedExamples, make_rows, stack
from seqgra.ingest.places import NOWHERE, Place, places_in_headers
from seqgra.ingest.tally import Tally
from seqgra.labels import NONE
from seqgra.yamlfile import suggest

#: Words of a FASTA header that give labels and sets, and texts that name sets.
_LABEL_KEYS = ("label", "labels", "conditions")
_SET_KEYS = ("set", "split")
_SET_NAMES = {**{name: name for name in SETS}, "train": "training", "valid": "validation"}
_SET_NAMES |= {"val": "validation"}
#: So many labels that are all numbers, or so many that are not whole, are a signal.
_MOST_NUMBERS, _MOST_FRACTIONS = 100, 2


class SequenceRecords(NamedTuple):
    """Sequences read so far, one entry each."""

    #: uint8 and bool (L,): letters, and which of them are in lower case.
    codes: list[np.ndarray]
    masked: list[np.ndarray]
    #: Names of its labels.
    labels: list[tuple[str, ...]]
    #: Name of its set, empty where none is given.
    sets: list[str]
    #: Where it lies.
    places: list[Place]


def no_records() -> SequenceRecords:
    """Return an empty collection of sequences."""
    return SequenceRecords([], [], [], [], [])


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
    records: SequenceRecords,
    file: Path,
    encoder: Encoder,
    label: str | None,
    table: dict[str, tuple[tuple[str, ...], str]] | None,
    tally: Tally,
) -> None:
    """Add the sequences of a FASTA file to `records`.

    Parameters
    ----------
    label
        The label of all of them, ``none`` for no label; None: a `table`, or their headers say
        ``label=A|B``. Headers may say ``set=training``, and name a place (`places_in_headers`).
    table
        Labels and set by the first word of the header.

    Raises
    ------
    InputError
        If the file is wrong, a sequence has no label, or not the length of its place.
    """
    headers, lengths, unread, known = [], [], Counter[str](), set()
    for header, sequence in read_fasta(file):
        words = header.split()
        name = words[0] if words else ""
        place = f"record {name!r}"
        if not sequence:
            raise bad_input(file, place, "holds no letters; remove it")
        keys = {w.split("=", 1)[0].lower(): w.split("=", 1)[1] for w in words[1:] if "=" in w}
        given = [keys.pop(key) for key in _LABEL_KEYS if key in keys]
        sets = [keys.pop(key) for key in _SET_KEYS if key in keys]
        for what, values in (("label", given), ("set", sets)):
            if len(set(values)) > 1:
                raise bad_input(file, place, f"names its {what} twice: {shown(values)}; remove one")
        in_set = sets[0] if sets else ""
        if label is None and table is not None:
            if name not in table:
                raise bad_input(file, place, "is not in the table of --labels; add it or remove it")
            known.add(name)
            labels, in_set = table[name][0], table[name][1] or in_set
            unread.update(["label"] * bool(given))
        elif label is None and not given:
            message = "has no label=...; write --fasta LABEL=FILE, or give --labels TABLE"
            raise bad_input(file, place, message)
        else:
            labels = split_labels(given[0] if label is None else label)
            unread.update(["label"] * bool(given and label is not None))
        codes, masked = encoder(sequence, file, place)
        unread.update(key for key in keys if key not in ("range", "loc", "location"))
        headers.append(header)
        lengths.append(len(codes))
        records.codes.append(codes)
        records.masked.append(masked)
        records.labels.append(labels)
        records.sets.append(set_name(in_set, file, place))
    places, from_one = places_in_headers(headers, lengths, file)
    records.places.extend(places)
    if from_one:
        tally.remark(f"{file.name}: {from_one:,} places are counted from 1, as their lengths show")
    if unread:
        tally.remark(f"{file.name}: not read in headers: {shown(f'{key}=' for key in unread)}")
    if table is not None and (rest := sorted(set(table) - known)) and label is None:
        tally.remark(
            f"--labels: {len(rest):,} ids have no sequence in {file.name}: {shown(rest, 3)}"
        )


def read_label_table(file: Path, tally: Tally) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return labels and set of each name in a table with columns id, label and, if wanted, set.

    Raises
    ------
    InputError
        If its columns are others, a line has too few or too many, or a name stands twice.
    """
    table = TextTable(file, ("id", "label"), ("set",))
    tally.unread(file, table.unread)
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for place, row in table.rows():
        if row["id"] in found:
            raise bad_input(file, place, f"gives {row['id']!r} twice; remove one")
        in_set = set_name(row.get("set", ""), file, place)
        found[row["id"]] = (split_labels(row["label"]), in_set)
    return found


def refuse_signal(source: object, labels: Iterable[tuple[str, ...]]) -> None:
    """Refuse labels that are the values of a signal: many numbers, or numbers that are not whole.

    Raises
    ------
    InputError
        Naming some of them, and what to do.
    """
    names = {name for row in labels for name in row}
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        return
    fractions = sum(not number.is_integer() for number in numbers)
    if len(names) > _MOST_NUMBERS or fractions > _MOST_FRACTIONS:
        message = f"labels are {len(names):,} different numbers ({shown(sorted(names), 3)}): a continuous "
        message += (
            "signal is not supported; write classes, such as high and low beyond two thresholds"
        )
        raise bad_input(source, "", message)


def condition_names(given: Sequence[str], labels: Sequence[tuple[str, ...]]) -> list[str]:
    """Return all labels: those given on the command line first, then the others by name."""
    order = [name for name in dict.fromkeys(given) if name != NONE]
    return order + sorted({name for row in labels for name in row} - set(order))


def label_matrix(labels: Sequence[tuple[str, ...]], names: Sequence[str]) -> np.ndarray:
    """Return uint8 (N, C): ones for each example's labels, or for `NEGATIVE` where it has none."""
    number = {name: n for n, name in enumerate(names)}
    y = np.zeros((len(labels), len(names)), np.uint8)
    for row, own in zip(y, labels, strict=True):
        for name in own or (NEGATIVE,):
            row[number[name]] = 1
    return y


def with_negative(names: list[str], labels: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the names with `NEGATIVE` at the end where an example has no label."""
    needed = NEGATIVE not in names and not all(labels)
    return [*names, NEGATIVE] if needed else names


def as_examples(records: SequenceRecords, names: list[str], width: int | None) -> IngestedExamples:
    """Return the sequences as examples.

    Parameters
    ----------
    names
        The labels in the order of columns.
    width
        Longer sequences are cut to this many letters about their middle; None: to none.
    """
    rows = make_rows(len(records.codes))
    rows["set"] = np.array([SETS.index(s) if s else -1 for s in records.sets], np.int8)
    cut, shares, places = [], np.zeros(len(rows)), []
    every = zip(records.codes, records.masked, records.places, strict=True)
    for n, (codes, masked, (chrom, start, end, strand)) in enumerate(every):
        spare = max(0, len(codes) - width) if width else 0
        first = spare // 2
        kept = slice(first, len(codes) - (spare - first))
        cut.append(codes[kept])
        shares[n] = masked[kept].mean()
        before = spare - first if strand == "-" else first  # the first letters lie at the end
        place = Place(chrom, start + before, end - (spare - before), strand)
        places.append(place if chrom else NOWHERE)
    x = stack(cut, max(len(codes) for codes in cut))
    rows["masked"] = shares
    for column, values in zip(Place._fields, zip(*places, strict=True), strict=True):
        rows[column] = values
    return IngestedExamples(x, label_matrix(records.labels, names), rows)
