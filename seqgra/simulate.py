"""Verb simulate: grammar -> dataset folder, block by block, in memory that does not grow."""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.dataset import ELEMENT_COLUMNS, open_dataset, split_size
from seqgra.dataset_files import (
    SetWriter,
    content_of,
    keep_set,
    refuse_negative_seed,
    require_space,
    write_content,
)
from seqgra.dataset_memory import MemoryDataset
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft, Identity, Outcome, identity_of, make
from seqgra.grammar.load import grammar_fingerprint, load_grammar
from seqgra.markers import require_unchanged
from seqgra.progress import Progress
from seqgra.stages.simulate import DEFAULTS
from seqgra.streams import BLOCK, STREAM_VERSION

if TYPE_CHECKING:  # the law compiles; a dataset that is up to date needs none of it
    from seqgra.grammar.schema import Grammar
    from seqgra.law.law import Law

log = logging.getLogger(__name__)


def simulate(
    grammar_file: Path,
    folder: Path,
    *,
    seed: int,
    counts: Mapping[str, int],
    workers: int = DEFAULTS.workers,
    expected: str | None = None,
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
    expected
        Fingerprint that the grammar must have: that of the batch file; None takes any.

    Returns
    -------
    str
        ``done`` or ``up to date``.

    Raises
    ------
    InputError
        If the grammar is wrong or not the expected one, a count or the seed is negative, or the folder
        cannot be written.
    """
    for name, count in counts.items():
        if name not in SETS or count < 0:
            raise bad_input(
                "--sets", name, f"cannot hold {count} examples; sets: {', '.join(SETS)}"
            )
    refuse_negative_seed(seed)
    grammar = load_grammar(grammar_file)
    fingerprint = grammar_fingerprint(grammar)
    require_unchanged(grammar_file, fingerprint, expected)

    def suffices(run: Mapping[str, Any]) -> bool:
        there = open_dataset(folder).counts
        return all(there.get(name, 0) >= n for name, n in counts.items())

    def compute(draft: Draft) -> Outcome:
        there = open_dataset(folder).counts if draft.previous else {}
        from seqgra.law.law import compile_law

        law = compile_law(grammar, str(grammar_file))
        wanted = {name: max(counts.get(name, 0), there.get(name, 0)) for name in SETS}
        wanted = {name: count for name, count in wanted.items() if count}
        written = {name: count for name, count in wanted.items() if there.get(name) != count}
        require_space(folder, written, law.window + law.conditions)
        checksums: dict[str, list[int]] = {}
        for name, count in wanted.items():
            if there.get(name) == count:
                checksums |= keep_set(draft, name)
            else:
                checksums |= _write_set(draft, law, seed, name, count, there.get(name, 0), workers)
        content = content_of(grammar, grammar_file.stem, seed)
        return write_content(draft, {**content, "counts": wanted, "checksums": checksums})

    made = make(dataset_identity(fingerprint, seed), folder, compute, suffices)
    if made.status == "done":
        _warn_of_absent_conditions(folder)
    return made.status


def run(
    grammar_file: Path,
    folder: Path,
    *,
    size: int | None,
    examples: int | None,
    sets: Sequence[str],
    **options: Any,
) -> str:
    """Simulate as ``seqgra simulate`` asks; see `seqgra.stages.simulate.Options`.

    Raises
    ------
    InputError
        As `simulate`, and where not exactly one of `size` and `examples` is given.
    """
    if (size is None) == (examples is None):
        raise bad_input("simulate", "", "needs exactly one of --size and --examples")
    counts = split_size(size) if size else dict.fromkeys(SETS, examples or 0)
    wanted = {name: counts[name] for name in sets or SETS}
    return simulate(grammar_file, folder, counts=wanted, **options)


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
    shapes = {"x": (count, law.window), "y": (count, law.conditions)}
    if name in law.noise.sets:
        shapes["y_true"] = (count, law.conditions)
    writer = SetWriter(draft, name, shapes)
    progress = Progress(f"simulate {draft.folder} {name}", count)
    kept, unchanged = there // BLOCK, 0
    if kept:
        _copy_blocks(draft.folder, name, kept, writer)
        progress.advance(kept * BLOCK)
    with closing(_drawn_blocks(law, seed, name, kept, count, workers)) as drawn_blocks:
        for drawn in drawn_blocks:
            rows = len(drawn.labels[0])
            writer.write([drawn.buffer[:rows], *drawn.labels], drawn.elements)
            unchanged += drawn.unchanged
            progress.advance(rows)
    progress.close()
    _warn_of_unchanged(unchanged, str(draft.folder), name)
    return writer.close()


def _warn_of_unchanged(count: int, place: str, name: str) -> None:
    if count:
        log.warning("%s: %d shuffles of %s equal their source", place, count, name)


def _drawn_blocks(
    law: Law, seed: int, name: str, first: int, count: int, workers: int
) -> Generator[_Drawn]:
    """Yield the blocks of a set of `count` examples, from block `first` on; see `_in_order`."""
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

    return _in_order(draw, range(first, -(-count // BLOCK)), (BLOCK, law.window), workers)


def simulate_in_memory(
    grammar: Grammar,
    *,
    seed: int,
    counts: Mapping[str, int],
    workers: int = DEFAULTS.workers,
    name: str,
) -> MemoryDataset:
    """Simulate examples of each set into memory: those that `simulate` writes.

    Parameters
    ----------
    grammar, name
        The grammar, and its name for messages and the dataset.
    seed
        Data seed, not negative.
    counts
        Examples of each set.
    workers
        Threads that draw examples; the dataset does not depend on it.

    Raises
    ------
    InputError
        If the grammar's elements find no room, or the seed is negative.
    """
    from seqgra.law.law import compile_law

    refuse_negative_seed(seed)
    law = compile_law(grammar, name)
    arrays: dict[str, np.ndarray] = {}
    tables: dict[str, dict[str, np.ndarray]] = {}
    for set_name, count in counts.items():
        x = np.empty((count, law.window), np.uint8)
        y = np.empty((count, law.conditions), np.uint8)
        y_true = y if set_name not in law.noise.sets else np.empty_like(y)
        parts, unchanged, first = [], 0, 0
        with closing(_drawn_blocks(law, seed, set_name, 0, count, workers)) as blocks:
            for drawn in blocks:
                rows = slice(first, first + len(drawn.labels[0]))
                x[rows] = drawn.buffer[: len(drawn.labels[0])]
                y_true[rows] = drawn.labels[1]
                y[rows] = drawn.labels[0]
                parts.append(drawn.elements)
                unchanged += drawn.unchanged
                first = rows.stop
        _warn_of_unchanged(unchanged, name, set_name)
        arrays |= {f"{set_name}.x": x, f"{set_name}.y": y}
        if set_name in law.noise.sets:
            arrays[f"{set_name}.y_true"] = y_true
        tables[set_name] = {
            key: np.concatenate([part[key] for part in parts]) for key in ELEMENT_COLUMNS
        }
    identity = dataset_identity(grammar_fingerprint(grammar), seed)
    content = {**content_of(grammar, name, seed), "counts": dict(counts)}
    where = Path(f"dataset of {name} in memory")
    return MemoryDataset(where, identity.fingerprint, content, identity, arrays, tables)


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


def _copy_blocks(folder: Path, name: str, blocks: int, writer: SetWriter) -> None:
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
