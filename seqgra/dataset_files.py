"""Writing a dataset folder: its arrays, its element table, and `dataset.json`; `dataset` reads them."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from seqgra.dataset import CHUNK, ELEMENT_COLUMNS, open_dataset
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Outcome
from seqgra.grammar.combinations import ROLES
from seqgra.grammar.schema import Grammar
from seqgra.streams import STREAM_VERSION

if TYPE_CHECKING:
    import pandas as pd

_BLOCKS_PER_ROW_GROUP = 16


def refuse_negative_seed(seed: int) -> None:
    """Refuse a data seed that is none.

    Raises
    ------
    InputError
        If it is negative.
    """
    if seed < 0:
        raise bad_input("--seed", "", f"is {seed}; a seed is a whole number from 0")


#: Examples of a set at most: the element table counts them in int32.
_MOST_EXAMPLES = (1 << 31) - 1


def require_space(folder: Path, counts: Mapping[str, int], bytes_each: int) -> None:
    """Refuse what cannot fit on the disk of a folder, before the first byte is written.

    Parameters
    ----------
    folder
        Where the sets are written.
    counts
        Examples of each set that is written.
    bytes_each
        Of an example, at least.

    Raises
    ------
    InputError
        If a set has too many examples, or they need more than is free.
    """
    for name, count in counts.items():
        if count > _MOST_EXAMPLES:
            message = f"{count:,} examples are too many; a set holds {_MOST_EXAMPLES:,} at most"
            raise bad_input(folder, name, message)
    needed, free = sum(counts.values()) * bytes_each, shutil.disk_usage(folder).free
    if needed > free:
        message = (
            f"needs at least {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free on its disk"
        )
        raise bad_input(folder, "", f"{message}; ask for fewer examples, or choose another disk")


def content_of(grammar: Grammar, name: str, seed: int) -> dict[str, Any]:
    """Return what `dataset.json` says of a dataset of a grammar, before it has any set.

    `counts` (examples by set) and `checksums` (by file) are to be filled in.
    """
    return {
        "grammar_id": name,
        "alphabet": grammar.alphabet,
        "task": grammar.task,
        "window": grammar.longest,
        "conditions": list(grammar.conditions),
        "elements": list(grammar.elements),
        "roles": list(ROLES),
        "seed": seed,
        "counts": {},
        "stream_version": STREAM_VERSION,
        "grammar": grammar.model_dump(mode="json"),
        "checksums": {},
    }


def write_content(draft: Draft, content: Mapping[str, Any]) -> Outcome:
    """Write `dataset.json`, the last file of a dataset."""
    draft.aside("dataset.json").write_text(json.dumps(content, indent=1) + "\n")
    facts = {"seed": content["seed"], "counts": content["counts"]}
    return Outcome(facts, large=tuple(content["checksums"]))


def keep_set(draft: Draft, name: str) -> dict[str, list[int]]:
    """Keep the files of a set that the folder has, and return their checksums."""
    old = open_dataset(draft.folder).content["checksums"]
    kept = {file: sums for file, sums in old.items() if file.startswith(f"{name}.")}
    for file in (*kept, f"{name}.elements.parquet"):
        draft.keep(file)
    return kept


class ArrayWriter:
    """Writes a uint8 array of known shape row by row as .npy, with a CRC-32 per `CHUNK`.

    The memory it takes does not grow with the array.
    """

    def __init__(self, path: Path, shape: tuple[int, int]) -> None:
        self.sums: list[int] = []
        self._crc, self._left = 0, CHUNK
        self._stream: BinaryIO = path.open("wb")
        self._stream.write(_npy_header(shape))
        self._account(_npy_header(shape))

    def write(self, rows: np.ndarray) -> None:
        """Append uint8 rows, C-contiguous."""
        view = memoryview(rows.data).cast("B")
        self._stream.write(view)
        self._account(view)

    def close(self) -> list[int]:
        """Finish the file and return its checksums."""
        self._stream.close()
        if self._left < CHUNK:
            self.sums.append(self._crc)
            self._crc, self._left = 0, CHUNK
        return self.sums

    def _account(self, data: memoryview | bytes) -> None:
        at = 0
        while at < len(data):
            part = data[at : at + self._left]
            self._crc = zlib.crc32(part, self._crc)
            self._left -= len(part)
            at += len(part)
            if self._left == 0:
                self.sums.append(self._crc)
                self._crc, self._left = 0, CHUNK


class ElementWriter:
    """Writes the element table of a set in row groups, block by block."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa = pa
        self._schema = pa.schema(
            [
                pa.field(name, pa.from_numpy_dtype(kind), nullable=False)
                for name, kind in ELEMENT_COLUMNS.items()
            ]
        )
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=False,
            use_byte_stream_split=[n for n, kind in ELEMENT_COLUMNS.items() if "int" in kind],
            write_statistics=["example"],  # which `Dataset.elements` selects by
        )
        self._batches: list[Any] = []

    def write(self, columns: Mapping[str, np.ndarray]) -> None:
        """Append rows: one array (M,) for each of `ELEMENT_COLUMNS`."""
        arrays = [
            self._pa.array(np.asarray(columns[name], kind))
            for name, kind in ELEMENT_COLUMNS.items()
        ]
        self._batches.append(self._pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if len(self._batches) == _BLOCKS_PER_ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        table = self._pa.Table.from_batches(self._batches, schema=self._schema)
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._batches = []


class SetWriter:
    """Writes the files of a set block by block.

    Parameters
    ----------
    draft
        The dataset's.
    name
        The set.
    shapes
        Of its arrays x, y and, with noise, y_true, in this order.
    """

    def __init__(self, draft: Draft, name: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.arrays = {
            f"{name}.{what}.npy": ArrayWriter(
                draft.aside(f"{name}.{what}.npy"), (shape[0], shape[1])
            )
            for what, shape in shapes.items()
        }
        self.elements = ElementWriter(draft.aside(f"{name}.elements.parquet"))

    def write(self, arrays: list[np.ndarray], elements: Mapping[str, np.ndarray]) -> None:
        """Append rows of x, y and, with noise, y_true, and their rows of the element table."""
        for writer, rows in zip(self.arrays.values(), arrays, strict=False):
            writer.write(np.ascontiguousarray(rows))
        self.elements.write(elements)

    def close(self) -> dict[str, list[int]]:
        """Finish the files and return the checksums of the arrays."""
        self.elements.close()
        return {name: writer.close() for name, writer in self.arrays.items()}


def write_regions(path: Path, table: pd.DataFrame) -> None:
    """Write where the examples of a set lie; see `Dataset.regions`."""
    columns = ["chrom", "start", "end", "strand"]
    table.to_csv(path, sep="\t", index=False, columns=columns, lineterminator="\n")


def _npy_header(shape: tuple[int, int]) -> bytes:
    """Return a 128-byte .npy header of a uint8 array, whatever its shape."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117).encode() + b"\n"
