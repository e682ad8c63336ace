"""Stage subsample: the examples of a real dataset in the order of a data seed.

A simulated grammar gives new examples for every data seed; a real dataset has the examples it has. A
data seed is an order of them, so that a smaller dataset, which is the first rows of a larger one, is a
random part of them, and the parts of two seeds differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqgra.dataset import ELEMENT_COLUMNS, Dataset, open_dataset
from seqgra.dataset_files import (
    ArrayWriter,
    ElementWriter,
    refuse_negative_seed,
    require_space,
    write_content,
    write_regions,
)
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Identity, Outcome, identity_of, make
from seqgra.markers import require_unchanged
from seqgra.progress import Progress
from seqgra.stages.subsample import DEFAULTS
from seqgra.streams import BLOCK, STREAM_VERSION, stratified_order


def subsample(
    source: Path,
    folder: Path,
    *,
    seed: int = DEFAULTS.seed,
    sets: Sequence[str] = DEFAULTS.sets,
    expected: str | None = None,
) -> str:
    """Write the named sets of a dataset in the order of a data seed.

    Every prefix of a set has about the shares of label combinations that the whole set has.

    Parameters
    ----------
    source
        The dataset.
    folder
        The dataset to write; another one that is there is replaced.
    seed
        Data seed, not negative.
    sets
        Such as training and validation; none are named: all that there are.
    expected
        Fingerprint that the dataset must have: that of the batch file; None takes any.

    Returns
    -------
    str
        ``done`` or ``up to date``.

    Raises
    ------
    InputError
        If there is no such dataset or set, it is damaged or not the expected one, the seed is negative, or
        the folder cannot be written.
    """
    refuse_negative_seed(seed)
    dataset = open_dataset(source)
    require_unchanged(source, dataset.fingerprint, expected)
    sets = sets or list(dataset.counts)
    if missing := [name for name in sets if name not in dataset.counts]:
        known = ", ".join(dataset.counts)
        raise bad_input(source, missing[0], f"no such set; the dataset has {known}")

    def compute(draft: Draft) -> Outcome:
        counts = {name: dataset.counts[name] for name in sets}
        require_space(folder, counts, dataset.window + len(dataset.conditions))
        dataset.verify(*sets)
        checksums: dict[str, list[int]] = {}
        for name in sets:
            checksums |= _write_set(draft, dataset, name, seed)
        content = {**dataset.content, "seed": seed, "counts": counts, "checksums": checksums}
        return write_content(draft, content)

    return make(subsample_identity(dataset.fingerprint, seed, sets), folder, compute).status


def subsample_identity(dataset: str, seed: int, sets: Sequence[str]) -> Identity:
    """Return the identity of a real dataset in the order of a data seed; `dataset` is its fingerprint."""
    options = {"seed": seed, "sets": sorted(sets), "stream": STREAM_VERSION}
    return identity_of("subsample", {"dataset": dataset}, options)


def _write_set(draft: Draft, dataset: Dataset, name: str, seed: int) -> dict[str, list[int]]:
    """Write the files of a set and return the checksums of its arrays."""
    order = stratified_order(dataset.y(name), seed, name)
    arrays = {"x": dataset.x(name), "y": dataset.y(name)}
    if f"{name}.y_true.npy" in dataset.content["checksums"]:
        arrays["y_true"] = dataset.y_true(name)
    progress = Progress(f"subsample {draft.folder} {name}", len(arrays) * order.size)
    checksums = {}
    for what, rows in arrays.items():
        writer = ArrayWriter(draft.aside(f"{name}.{what}.npy"), rows.shape)
        for first in range(0, order.size, BLOCK):
            chosen = order[first : first + BLOCK]
            writer.write(np.ascontiguousarray(rows[chosen]))
            progress.advance(chosen.size)
        checksums[f"{name}.{what}.npy"] = writer.close()
    progress.close()
    _write_elements(draft.aside(f"{name}.elements.parquet"), dataset, name, order)
    if (regions := dataset.regions(name)) is not None:
        write_regions(draft.aside(f"{name}.regions.tsv"), regions.iloc[order])
    return checksums


def _write_elements(path: Path, dataset: Dataset, name: str, order: np.ndarray) -> None:
    place = np.empty(order.size, np.int64)
    place[order] = np.arange(order.size)
    table = dataset.elements(name)
    table["example"] = place[table["example"].to_numpy()]
    table = table.sort_values(["example", "start", "element", "strand"], kind="stable")
    writer = ElementWriter(path)
    writer.write({column: table[column].to_numpy() for column in ELEMENT_COLUMNS})
    writer.close()
