"""Verb simulate: grammar -> dataset folder, block by block, in memory that does not grow."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgra.alphabet import SETS
from seqgra.dataset import ELEMENT_COLUMNS, ArrayWriter, ElementWriter, open_dataset
from seqgra.errors import bad_input
from seqgra.fingerprint import RESULTS_VERSIONS, Draft, Identity, claim
from seqgra.grammar.combinations import ROLES
from seqgra.grammar.load import grammar_fingerprint, load_grammar
from seqgra.grammar.schema import Grammar
from seqgra.progress import Progress
from seqgra.streams import BLOCK, STREAM_VERSION

if TYPE_CHECKING:  # the law compiles; a dataset that is up to date needs none of it
    from seqgra.law.law import Examples, Law

log = logging.getLogger(__name__)


def simulate(grammar_file: Path, folder: Path, *, seed: int, counts: Mapping[str, int]) -> str:
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
    if seed < 0:
        raise bad_input("--seed", "", f"is {seed}; a seed is a whole number from 0")
    grammar = load_grammar(grammar_file)
    identity = Identity(
        "simulate",
        RESULTS_VERSIONS["simulate"],
        {"grammar": grammar_fingerprint(grammar)},
        {"seed": seed, "stream": STREAM_VERSION},
    )
    with claim(folder, identity) as draft:
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
                checksums |= _write_set(draft, law, seed, name, count, there.get(name, 0))
        content = _content(grammar, grammar_file.stem, seed, wanted, checksums)
        draft.aside("dataset.json").write_text(json.dumps(content, indent=1) + "\n")
        draft.publish(large=tuple(checksums), seed=seed, counts=wanted)
    return "done"


def _content(
    grammar: Grammar, name: str, seed: int, counts: dict[str, int], checksums: dict[str, list[int]]
) -> dict[str, Any]:
    return {
        "grammar_id": name,
        "alphabet": grammar.alphabet,
        "task": grammar.task,
        "window": grammar.longest,
        "conditions": list(grammar.conditions),
        "elements": list(grammar.elements),
        "roles": list(ROLES),
        "seed": seed,
        "counts": counts,
        "stream_version": STREAM_VERSION,
        "grammar": grammar.model_dump(mode="json"),
        "checksums": checksums,
    }


def _keep_set(draft: Draft, name: str) -> dict[str, list[int]]:
    for suffix in ("x.npy", "y.npy", "elements.parquet"):
        draft.keep(f"{name}.{suffix}")
    old = open_dataset(draft.folder).content["checksums"]
    return {file: sums for file, sums in old.items() if file.startswith(f"{name}.")}


def _write_set(
    draft: Draft, law: Law, seed: int, name: str, count: int, there: int
) -> dict[str, list[int]]:
    """Write the three files of a set, copying the whole blocks that are there already."""
    from seqgra.law.law import draw_block

    x = ArrayWriter(draft.aside(f"{name}.x.npy"), (count, law.window))
    y = ArrayWriter(draft.aside(f"{name}.y.npy"), (count, law.conditions))
    elements = ElementWriter(draft.aside(f"{name}.elements.parquet"))
    progress = Progress(f"simulate {draft.folder} {name}", count)
    labels = np.eye(law.conditions, dtype=np.uint8)
    kept, unchanged = there // BLOCK, 0
    if kept:
        _copy_blocks(draft.folder, name, kept, x, y, elements)
        progress.advance(kept * BLOCK)
    for block in range(kept, -(-count // BLOCK)):
        examples = draw_block(law, seed, name, block)
        rows = min(BLOCK, count - block * BLOCK)
        x.write(examples.x[:rows])
        y.write(labels[examples.condition[:rows]])
        elements.write(_element_columns(law, examples, rows, block * BLOCK))
        unchanged += int(examples.unchanged[:rows].sum())
        progress.advance(rows)
    progress.close()
    elements.close()
    if unchanged:
        log.warning("%s: %d shuffles of %s equal their source", draft.folder, unchanged, name)
    return {f"{name}.x.npy": x.close(), f"{name}.y.npy": y.close()}


def _copy_blocks(
    folder: Path, name: str, blocks: int, x: ArrayWriter, y: ArrayWriter, elements: ElementWriter
) -> None:
    """Copy whole blocks of the present dataset, after checking that they are undamaged."""
    old = open_dataset(folder)
    old.verify(name)
    old_x, old_y = old.x(name), old.y(name)
    for block in range(blocks):
        rows = slice(block * BLOCK, (block + 1) * BLOCK)
        x.write(np.ascontiguousarray(old_x[rows]))
        y.write(np.ascontiguousarray(old_y[rows]))
    table = old.elements(name, blocks * BLOCK)
    edges = np.searchsorted(table["example"].to_numpy(), np.arange(blocks + 1) * BLOCK)
    for first, end in itertools.pairwise(edges):
        part = table.iloc[first:end]
        elements.write({column: part[column].to_numpy() for column in ELEMENT_COLUMNS})


def _element_columns(
    law: Law, examples: Examples, rows: int, first_example: int
) -> dict[str, np.ndarray]:
    """Return the element table of the first `rows` examples of a block."""
    placed = examples.placed
    example, slot = np.nonzero(placed.start[:rows] >= 0)
    number = law.placement.conditions[examples.condition[example], 0] + slot
    element, start = placed.element[example, slot], placed.start[example, slot]
    rule, condition = law.placement.slots[number, 0], law.placement.slots[number, 1]
    return {
        "example": example + first_example,
        "element": element,
        "condition": condition,
        "rule": rule,
        "start": start,
        "end": start + law.placement.width[element],
        "strand": placed.strand[example, slot],
        "role": np.where(condition < 0, ROLES.index("common"), ROLES.index("grammar")),
        "intact": placed.intact[example, slot],
    }
