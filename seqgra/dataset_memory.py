"""A dataset in memory, which reads as one on disk does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgra.alphabet import SETS
from seqgra.dataset import ELEMENT_COLUMNS, Dataset, open_dataset
from seqgra.dataset_files import SetWriter, keep_set, write_content
from seqgra.errors import path_of
from seqgra.fingerprint import Draft, Identity, Outcome, make
from seqgra.streams import BLOCK

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class MemoryDataset(Dataset):
    """A simulated dataset in memory; `save` writes the folder that `seqgra simulate` would.

    Attributes
    ----------
    identity
        What it was made from.
    arrays
        By set and kind (``test.x``, ``test.y``, ``test.y_true``): uint8 (N, L) or (N, C).
    tables
        By set, one array (M,) for each of `ELEMENT_COLUMNS`.
    """

    identity: Identity
    arrays: Mapping[str, np.ndarray]
    tables: Mapping[str, Mapping[str, np.ndarray]]

    def save(self, folder: str | Path) -> None:
        """Write the dataset's folder; `load_dataset` and all commands read it.

        Sets that are there and at least as large stay.

        Raises
        ------
        InputError
            If the folder holds something else or cannot be written.
        """
        folder = path_of("folder", folder)

        def compute(draft: Draft) -> Outcome:
            there = open_dataset(folder).counts if draft.previous else {}
            checksums: dict[str, list[int]] = {}
            counts = {name: max(self.counts.get(name, 0), there.get(name, 0)) for name in SETS}
            counts = {name: count for name, count in counts.items() if count}
            for name, count in counts.items():
                if there.get(name) == count:
                    checksums |= keep_set(draft, name)
                    continue
                arrays = {
                    what: self.arrays[f"{name}.{what}"]
                    for what in ("x", "y", "y_true")
                    if f"{name}.{what}" in self.arrays
                }
                shapes = {what: values.shape for what, values in arrays.items()}
                writer = SetWriter(draft, name, shapes)
                edges = np.searchsorted(
                    self.tables[name]["example"], np.arange(0, count + BLOCK, BLOCK)
                )
                for block, first in enumerate(range(0, count, BLOCK)):
                    part = slice(edges[block], edges[block + 1])
                    columns = {key: values[part] for key, values in self.tables[name].items()}
                    rows = [values[first : first + BLOCK] for values in arrays.values()]
                    writer.write(rows, columns)
                checksums |= writer.close()
            return write_content(draft, {**self.content, "counts": counts, "checksums": checksums})

        def suffices(run: Mapping[str, Any]) -> bool:
            return all(run["counts"].get(name, 0) >= count for name, count in self.counts.items())

        make(self.identity, folder, compute, suffices)

    def y_true(self, set_name: str, examples: int | None = None) -> np.ndarray:
        """Return the conditions that the examples were drawn from; see `Dataset.y_true`.

        Raises
        ------
        InputError
            If the set is missing or too small.
        """
        return self._load(set_name, "y_true", examples)

    def elements(self, set_name: str, examples: int | None = None) -> pd.DataFrame:
        """Return the placed elements of the first examples of a set (see `ELEMENT_COLUMNS`).

        Raises
        ------
        InputError
            If the set is missing or too small.
        """
        import pandas as pd

        end = self.count(set_name, examples)
        columns = self.tables[set_name]
        rows = int(np.searchsorted(columns["example"], end))
        return pd.DataFrame({name: columns[name][:rows] for name in ELEMENT_COLUMNS})

    def element_blocks(
        self, set_name: str, examples: int | None = None, rows: int = 1 << 14
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield the elements of each `rows` examples, in order; see `Dataset.element_blocks`.

        Raises
        ------
        InputError
            If the set is missing or too small.
        """
        end, columns = self.count(set_name, examples), self.tables[set_name]
        for first in range(0, end, rows):
            edges = np.searchsorted(columns["example"], [first, min(first + rows, end)])
            yield {name: columns[name][slice(*edges)] for name in ELEMENT_COLUMNS}

    def verify(self, *sets: str) -> None:
        """Do nothing: there are no files that could have changed."""

    def _load(self, set_name: str, what: str, examples: int | None) -> np.ndarray:
        end = self.count(set_name, examples)
        key = f"{set_name}.{what}"
        return self.arrays[key if key in self.arrays else f"{set_name}.y"][:end]
