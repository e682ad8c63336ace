"""Verb simulate: grammar -> dataset folder, block by block, in memory that does not grow."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.dataset import ELEMENT_COLUMNS, open_dataset
from seqgra.dataset_files import (
    ArrayWriter,
    ElementWriter,
    content_of,
    publish_dataset,
    refuse_negative_seed,
)
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Identity, claim, identity_of
from seqgra.grammar.load import grammar_fingerprint, load_grammar
from seqgra.progress import Progress
from seqgra.streams import BLOCK, STREAM_VERSION

if TYPE_CHECKING:  # the law compiles; a dataset that is up to date needs none of it
    from seqgra.law.law import Law

log = logging.getLogger(__name__)


def simulate(
    grammar_file: Path, folder: Path, *, seed: int, counts: Mapping[str, int], workers: int = 1
) -> str:
    """Simulate the wanted examples of each set into a dataset folder.

    A folder of the same grammar and seed is up to date if it has at least as many; otherwise it grows,
    and only new blocks are drawn. A folder of another grammar or seed is replaced.

    Parameters
    ----------
    grammar_file
        YAML file of the grammar.
    folder
        The dataset.
    seed
        Data seed, not negative.
    counts
        Examples wanted of each set.
    workers
        Threads that draw examples, while one more writes them. The dataset does not depend on it.

    Returns
    -------
    str
        ``done`` or ``up to date``.

    Raises
    ------
    InputError
        If the grammar is wrong, a count or the seed is negative, or the folder cannot be written.
    """
    for name, count in counts.items():
        if name not in SETS or count < 0:
            raise bad_input(
                "--sets", name, f"cannot hold {count} examples; sets: {', '.join(SETS)}"
            )
    refuse_negative_seed(seed)
    grammar = load_grammar(grammar_file)
    with claim(folder, dataset_identity(grammar_fingerprint(grammar), seed)) as draft:
        there = open_dataset(folder).counts if draft.previous else {}
        if draft.previous and all(there.get(name, 0) >= n for name, n in counts.items()):
            return "up to date"
        from seqgra.law.law import compile_law

        law = compile_law(grammar, str(grammar_file))
        wanted = {name: max(counts.get(name, 0), there.get(name, 0)) for name in SETS}
        wanted = {name: count for name, count in wanted.items() if count}
        checksums: dict[str, list[int]] = {}
        for name, count in wanted.items():
            if there.get(name) == count:
                checksums |= _keep_set(draft, name)
            else:
                checksums |= _write_set(draft, law, seed, name, count, there.get(name, 0), workers)
        content = content_of(grammar, grammar_file.stem, seed)
        publish_dataset(draft, {**content, "counts": wanted, "checksums": checksums})
    _warn_of_absent_conditions(folder)
    return "done"


def _warn_of_absent_conditions(folder: Path) -> None:
    """Name the conditions that a set does not show: what is measured on it knows nothing of them."""
    dataset = open_dataset(folder)
    for name, count in dataset.counts.items():
        if absent := dataset.absent_conditions(name):
            message = "none of the %s examples of %s shows %s; simulate more, or raise its share"
            log.warning(f"%s: {message}", folder, f"{count:,}", name, " or ".join(absent))


def dataset_identity(grammar: str, seed: int) -> Identity:
    """Return the identity of the dataset of a data seed; `grammar` is the grammar's fingerprint."""
    return identity_of("simulate", {"grammar": grammar}, {"seed": seed, "stream": STREAM_VERSION})


def _keep_set(draft: Draft, name: str) -> dict[str, list[int]]:
    old = open_dataset(draft.folder).content["checksums"]
    kept = {file: sums for file, sums in old.items() if file.startswith(f"{name}.")}
    for file in (*kept, f"{name}.elements.parquet"):
        draft.keep(file)
    return kept


class _SetWriter:
    """Writes the files of a set block by block."""

    def __init__(self, draft: Draft, law: Law, name: str, count: int) -> None:
        shapes = {"x": (count, law.window), "y": (count, law.conditions)}
        if name in law.noise.sets:
            shapes["y_true"] = (count, law.conditions)
        self.arrays = {
            f"{name}.{what}.npy": ArrayWriter(draft.aside(f"{name}.{what}.npy"), shape)
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


class _Drawn(NamedTuple):
    """A block of examples: letters in a buffer that is used again, their labels, and the element table."""

    buffer: np.ndarray
    labels: list[np.ndarray]
    elements: dict[str, np.ndarray]
    unchanged: int


def _write_set(
    draft: Draft, law: Law, seed: int, name: str, count: int, there: int, workers: int
) -> dict[str, list[int]]:
    """Write the files of a set, copying the whole blocks that are there already."""
    from seqgra.law.element_table import element_columns
    from seqgra.law.law import draw_block

    def draw(block: int, buffer: np.ndarray) -> _Drawn:
        rows = min(BLOCK, count - block * BLOCK)
        drawn = draw_block(law, seed, name, block, buffer)
        elements = element_columns(
            law.placement, drawn.combination, drawn.placed, rows, block * BLOCK
        )
        labels = [drawn.y[:rows], drawn.y_true[:rows]]
        return _Drawn(buffer, labels, elements, int(drawn.unchanged[:rows].sum()))

    writer = _SetWriter(draft, law, name, count)
    progress = Progress(f"simulate {draft.folder} {name}", count)
    kept, unchanged = there // BLOCK, 0
    if kept:
        _copy_blocks(draft.folder, name, kept, writer)
        progress.advance(kept * BLOCK)
    blocks = range(kept, -(-count // BLOCK))
    with closing(_in_order(draw, blocks, (BLOCK, law.window), workers)) as drawn_blocks:
        for drawn in drawn_blocks:
            rows = len(drawn.labels[0])
            writer.write([drawn.buffer[:rows], *drawn.labels], drawn.elements)
            unchanged += drawn.unchanged
            progress.advance(rows)
    progress.close()
    if unchanged:
        log.warning("%s: %d shuffles of %s equal their source", draft.folder, unchanged, name)
    return writer.close()


def _in_order(
    draw: Callable[[int, np.ndarray], _Drawn], blocks: range, shape: tuple[int, int], workers: int
) -> Generator[_Drawn]:
    """Yield blocks in order, which threads draw ahead while there is a buffer (uint8, `shape`) left.

    A buffer is used again once the next block is asked for.
    """
    buffers = deque(np.empty(shape, np.uint8) for _ in range(workers + 1 if workers > 1 else 1))
    if workers == 1:
        yield from (draw(block, buffers[0]) for block in blocks)
        return
    pending: deque[Future[_Drawn]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for block in blocks:
            pending.append(pool.submit(draw, block, buffers.popleft()))
            if not buffers:
                yield (drawn := pending.popleft().result())
                buffers.append(drawn.buffer)
        while pending:
            yield pending.popleft().result()
    finally:  # also where the reader failed or was interrupted
        pool.shutdown(cancel_futures=True)


def _copy_blocks(folder: Path, name: str, blocks: int, writer: _SetWriter) -> None:
    """Copy whole blocks of the present dataset, after checking that they are undamaged."""
    old = open_dataset(folder)
    old.verify(name)
    arrays = [old.x(name), old.y(name), old.y_true(name)]
    table = old.elements(name, blocks * BLOCK)
    edges = np.searchsorted(table["example"].to_numpy(), np.arange(blocks + 1) * BLOCK)
    for block, (first, end) in enumerate(itertools.pairwise(edges)):
        rows = slice(block * BLOCK, (block + 1) * BLOCK)
        part = table.iloc[first:end]
        columns = {column: part[column].to_numpy() for column in ELEMENT_COLUMNS}
        writer.write([array[rows] for array in arrays], columns)
