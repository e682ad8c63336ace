"""Stage export: dataset -> plain files for other tools, block by block, in memory that does not grow.

The folder is a result: it has a `run.json`, an interrupted export leaves the previous one whole, and a folder
with other files is refused. Names and labels:

tsv        <set>.txt, <set>-annotation.txt        the published system's layout
fasta-bed  <set>.fa, <set>.bed                    one record an example, one row an element
parquet    <set>.parquet, <set>-elements.parquet  the same, with types
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqgra.alphabet import PADDING, SETS
from seqgra.dataset import Dataset, open_dataset
from seqgra.dataset_files import require_space
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Outcome, identity_of, make
from seqgra.labels import unwritable
from seqgra.progress import Progress
from seqgra.stages.export import DEFAULTS

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 14
#: Annotation letters of element roles; elements of other roles tell nothing, like the background.
_ROLE_LETTERS = {"grammar": "G", "hit": "G", "annotated": "G", "confounder": "C"}
_BACKGROUND, _SEPARATOR = "_", "|"


class ExportedBlock(NamedTuple):
    """Consecutive examples of a set."""

    #: Row of the first one in the set.
    first: int
    #: Their letters and annotation, one after the other, without padding.
    letters: bytes
    annotation: bytes
    #: Where each example ends in them: int64 (n,).
    ends: np.ndarray
    #: uint8 (n, C): recorded, and without label noise.
    labels: np.ndarray
    true_labels: np.ndarray
    #: Columns of the element table, see `ELEMENT_COLUMNS`.
    elements: dict[str, np.ndarray]


def export(
    dataset_folder: Path,
    folder: Path,
    *,
    format: str,
    sets: Sequence[str] = DEFAULTS.sets,
    examples: int | None = DEFAULTS.examples,
) -> str:
    """Write sets of a dataset in another format.

    Parameters
    ----------
    dataset_folder
        A finished dataset.
    folder
        What to write: a new or empty folder, or an earlier export.
    format
        ``tsv``, ``fasta-bed`` or ``parquet``.
    sets
        Which sets; none are named: all that are there.
    examples
        How many examples of each set, the first ones; None for all.

    Returns
    -------
    str
        ``done`` or ``up to date``.

    Raises
    ------
    InputError
        If the dataset is not whole or too small, a name cannot be written, or the folder holds other files.
    """
    dataset = open_dataset(dataset_folder)
    wanted = [name for name in SETS if name in (sets or dataset.counts)]
    counts = {name: len(dataset.y(name, examples)) for name in wanted}
    _check_names(dataset)
    blank = next((name for name in dataset.conditions if len(name.split()) != 1), None)
    if format == "fasta-bed" and blank is not None:
        message = (
            "holds a blank, at which a FASTA header is parted; rename it, or take tsv or parquet"
        )
        raise bad_input(dataset.folder, f"conditions: {blank!r}", message)
    identity = identity_of(
        "export",
        {"dataset": dataset.fingerprint},
        {"format": format, "counts": counts},
    )

    def compute(draft: Draft) -> Outcome:
        if format != "parquet":  # which is compressed
            require_space(folder, counts, dataset.grammar.shortest)
        for name, count in counts.items():
            dataset.verify(name)
            _WRITERS[format](dataset, name, draft.aside, _blocks(dataset, name, count, folder))
        return Outcome({"counts": counts})

    return make(identity, folder, compute).status


def _check_names(dataset: Dataset) -> None:
    for kind in ("conditions", "elements"):
        for name in dataset.content[kind]:
            if problem := unwritable(name):
                raise bad_input(dataset.folder, f"{kind}: {name!r}", f"{problem}; rename it")


def _blocks(dataset: Dataset, name: str, count: int, folder: Path) -> Iterator[ExportedBlock]:
    """Yield the examples of a set in blocks and show the progress."""
    x, y, clean = dataset.x(name, count), dataset.y(name, count), dataset.y_true(name, count)
    unknown = ord(dataset.alphabet.unknown)
    letters = dataset.alphabet.letters.encode().ljust(256, bytes([unknown]))
    progress = Progress(f"export {folder} {name}", count)
    for number, elements in enumerate(dataset.element_blocks(name, count, _ROWS)):
        first = number * _ROWS
        codes = np.ascontiguousarray(x[first : first + _ROWS])
        annotation = _annotate(codes.shape, elements, first, dataset.content["roles"])
        beyond = codes == PADDING
        ends = np.full(len(codes), codes.shape[1], np.int64)
        if beyond.any():
            ends -= beyond.sum(axis=1)
            codes, annotation = codes[~beyond], annotation[~beyond]
        yield ExportedBlock(
            first,
            codes.tobytes().translate(letters),
            annotation.tobytes(),
            np.cumsum(ends),
            np.asarray(y[first : first + _ROWS]),
            np.asarray(clean[first : first + _ROWS]),
            elements,
        )
        progress.advance(len(y[first : first + _ROWS]))
    progress.close()


def _annotate(
    shape: tuple[int, ...], elements: dict[str, np.ndarray], first: int, roles: Sequence[str]
) -> np.ndarray:
    """Return the annotation letters of a block: uint8 (n, L).

    Where elements of both roles overlap the confounder shows: it is drawn, and so written, last.
    """
    letters = np.full(shape, ord(_BACKGROUND), np.uint8)
    flat = letters.reshape(-1)
    for role, letter in _ROLE_LETTERS.items():
        rows = np.flatnonzero(elements["role"] == roles.index(role))
        begin = (elements["example"][rows].astype(np.int64) - first) * shape[1]
        begin += elements["start"][rows]
        widths = (elements["end"][rows] - elements["start"][rows]).astype(np.int64)
        within = np.arange(widths.sum()) - np.repeat(np.cumsum(widths) - widths, widths)
        flat[np.repeat(begin, widths) + within] = ord(letter)
    return letters


def _label_texts(labels: np.ndarray, conditions: Sequence[str]) -> list[str]:
    """Return the names of each row's conditions, joined by | in their order."""
    patterns, which = np.unique(labels, axis=0, return_inverse=True)
    texts = [
        _SEPARATOR.join(name for name, shown in zip(conditions, row, strict=True) if shown)
        for row in patterns
    ]
    return [texts[number] for number in which.ravel().tolist()]


def _pieces(data: bytes, ends: np.ndarray) -> Iterator[str]:
    """Yield the text of each example."""
    text, start = data.decode("ascii"), 0
    for end in ends.tolist():
        yield text[start:end]
        start = end


def _write_tsv(
    dataset: Dataset, name: str, aside: Callable[[str], Path], blocks: Iterator[ExportedBlock]
) -> None:
    with (
        aside(f"{name}.txt").open("w", newline="\n", encoding="utf-8") as sequences,
        aside(f"{name}-annotation.txt").open("w", newline="\n", encoding="utf-8") as annotations,
    ):
        sequences.write("x\ty\n")
        annotations.write("annotation\ty\n")
        for block in blocks:
            labels = [f"\t{text}\n" for text in _label_texts(block.labels, dataset.conditions)]
            for stream, data in ((sequences, block.letters), (annotations, block.annotation)):
                rows = zip(_pieces(data, block.ends), labels, strict=True)
                stream.write("".join([part for row in rows for part in row]))


def _write_fasta_bed(
    dataset: Dataset, name: str, aside: Callable[[str], Path], blocks: Iterator[ExportedBlock]
) -> None:
    with (
        aside(f"{name}.fa").open("w", newline="\n", encoding="utf-8") as fasta,
        aside(f"{name}.bed").open("w", newline="\n", encoding="utf-8") as bed,
    ):
        places = _place_words(dataset, name)
        for block in blocks:
            labels = _label_texts(block.labels, dataset.conditions)
            rows = zip(_pieces(block.letters, block.ends), labels, places, strict=False)
            fasta.write(
                "".join(
                    [
                        f">{name}_{number} conditions={label} set={name}{place}\n{sequence}\n"
                        for number, (sequence, label, place) in enumerate(rows, block.first)
                    ]
                )
            )
            bed.write("".join(_bed_rows(dataset, name, block.elements)))


def _place_words(dataset: Dataset, name: str) -> Iterator[str]:
    """Yield the place of each example of a set, as bedtools writes it, where it is known."""
    regions = dataset.regions(name)
    if regions is None:
        yield from repeat("")
        return
    columns = regions[["chrom", "start", "end", "strand"]]
    for chrom, start, end, strand in columns.itertuples(index=False):
        turned = f"({strand})" if strand != "." else ""
        yield f" {chrom}:{start}-{end}{turned}" if chrom else ""


def _bed_rows(dataset: Dataset, name: str, elements: dict[str, np.ndarray]) -> Iterator[str]:
    names, roles = dataset.content["elements"], dataset.content["roles"]
    conditions = [*dataset.conditions, "."]  # -1 stands for none
    columns = {key: values.tolist() for key, values in elements.items()}
    keys = ("example", "start", "end", "element", "intact", "strand", "condition", "rule", "role")
    for example, start, end, element, intact, strand, condition, rule, role in zip(
        *(columns[key] for key in keys), strict=True
    ):
        yield (
            f"{name}_{example}\t{start}\t{end}\t{names[element]}\t{1000 if intact else 0}\t"
            f"{'+' if strand > 0 else '-'}\t{conditions[condition]}\t{rule}\t{roles[role]}\n"
        )


def _write_parquet(
    dataset: Dataset, name: str, aside: Callable[[str], Path], blocks: Iterator[ExportedBlock]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    noisy = f"{name}.y_true.npy" in dataset.content["checksums"]
    strings = pa.list_(pa.string())
    columns = {"example": pa.int64(), "sequence": pa.string(), "labels": strings}
    columns |= {"true_labels": strings} if noisy else {}
    code = pa.dictionary(pa.int16(), pa.string())
    kinds = {
        **{"example": pa.int64(), "element": code, "condition": code, "rule": pa.int16()},
        **{"start": pa.int32(), "end": pa.int32(), "strand": code, "role": code},
        "intact": pa.bool_(),
    }
    options = {"compression": "zstd"}
    with (
        pq.ParquetWriter(aside(f"{name}.parquet"), pa.schema(columns), **options) as examples,
        pq.ParquetWriter(
            aside(f"{name}-elements.parquet"), pa.schema(kinds), **options
        ) as elements,
    ):
        for block in blocks:
            examples.write_table(_example_table(dataset, block, columns))
            elements.write_table(_element_table(dataset, block.elements, kinds))


def _example_table(dataset: Dataset, block: ExportedBlock, columns: dict[str, Any]) -> pa.Table:
    import pyarrow as pa

    n = len(block.ends)
    offsets = np.concatenate([[0], block.ends]).astype(np.int32)
    names = np.array(dataset.conditions, object)
    values: dict[str, Any] = {
        "example": np.arange(block.first, block.first + n),
        "sequence": pa.StringArray.from_buffers(
            n, pa.py_buffer(offsets), pa.py_buffer(block.letters)
        ),
    }
    for key, labels in (("labels", block.labels), ("true_labels", block.true_labels)):
        edges = np.concatenate([[0], labels.sum(axis=1, dtype=np.int64).cumsum()]).astype(np.int32)
        shown = pa.array(names[np.nonzero(labels)[1]], pa.string())
        values[key] = pa.ListArray.from_arrays(edges, shown)
    return pa.table({key: values[key] for key in columns}, schema=pa.schema(columns))


def _element_table(
    dataset: Dataset, elements: dict[str, np.ndarray], kinds: dict[str, Any]
) -> pa.Table:
    import pyarrow as pa

    names: dict[str, list[str]] = {
        "element": dataset.content["elements"],
        "condition": list(dataset.conditions),
        "strand": ["+", "-"],
        "role": dataset.content["roles"],
    }
    codes = {**elements, "strand": (elements["strand"] < 0).astype(np.int16)}
    arrays: dict[str, Any] = {}
    for key, kind in kinds.items():
        if key in names:
            number = pa.array(codes[key].astype(np.int16), mask=codes[key] < 0)
            arrays[key] = pa.DictionaryArray.from_arrays(number, pa.array(names[key], pa.string()))
        else:
            arrays[key] = pa.array(codes[key]).cast(kind)
    return pa.table(arrays, schema=pa.schema(kinds))


_WRITERS = {"tsv": _write_tsv, "fasta-bed": _write_fasta_bed, "parquet": _write_parquet}
