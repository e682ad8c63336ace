"""Which sizes an adaptive grid runs: those that bracket the examples needed, found by bisection.

Nothing is remembered: each call replays the bisection of every architecture and grammar on the scores
that are finished, and says which sizes it has passed or needs next. So an interrupted grid goes on where
it was, and sizes left by an earlier, whole grid change nothing.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from seqgra.compare.ceiling import ceiling_kinds
from seqgra.compare.cells import CellResults
from seqgra.compare.efficiency import bounds_of, curves_of
from seqgra.compare.runs import curve_runs
from seqgra.compare.stages import current
from seqgra.compare.tables import Tables, build_tables
from seqgra.errors import bad_input
from seqgra.grid import EXACT, Cell, Grid
from seqgra.grid.expected import Expected
from seqgra.grid.stages import inputs_of, options_of

#: What is bisected by itself: grammar, architecture, backend; all seeds run the same sizes.
Group = tuple[str, str, str]


def packs_to_run(grid: Grid) -> list[str]:
    """Return the packs that are passed or needed next, in the order of the grid."""
    spared = spared_cells(grid)
    return [name for name, pack in grid.packs.items() if not spared.issuperset(pack.cells)]


def spared_cells(grid: Grid) -> frozenset[Cell]:
    """Return the cells that are not needed, as far as finished scores tell; none of a whole grid."""
    plan = grid.config.adaptive
    if plan is None:
        return frozenset()
    sizes: dict[Group, set[int]] = {}
    for cell in grid.cells:  # a real dataset has no more sizes than its examples give
        sizes.setdefault(_group(cell), set()).add(cell.size)
    reached = _reached(grid, plan.tau)
    wanted = {
        group: set(bracket(sorted(own), _start(own, grid.config.at), reached.get(group, {})))
        for group, own in sizes.items()
    }
    return frozenset(
        cell
        for cell in grid.cells
        if cell.backend != EXACT and cell.size not in wanted[_group(cell)]
    )


def bracket(
    sizes: Sequence[int], start: Collection[int], reached: Mapping[int, Sequence[bool]]
) -> list[int]:
    """Return the sizes that bisection has passed, and those that it needs next.

    Parameters
    ----------
    sizes
        All sizes, ascending.
    start
        Sizes to run in any case; the largest is one of them.
    reached
        Of each finished size, which curves reach the target there; the same curves at all sizes.

    >>> bracket([1, 2, 4, 8], {8}, {})
    [8]
    >>> bracket([1, 2, 4, 8], {8}, {8: [False]})
    [8]
    >>> bracket([1, 2, 4, 8], {8}, {8: [True]})
    [2, 8]
    >>> bracket([1, 2, 4, 8], {8}, {8: [True, True], 2: [True, False]})
    [1, 2, 4, 8]
    """
    wanted = set(start)
    if not wanted <= reached.keys():
        return sorted(wanted)
    for curve, reaches in enumerate(reached[sizes[-1]]):
        low, high = -1, len(sizes) - 1  # reached at `high`, not at `low`
        while reaches and high - low > 1:
            middle = (low + high) // 2
            wanted.add(sizes[middle])
            if sizes[middle] not in reached:
                break
            low, high = (low, middle) if reached[sizes[middle]][curve] else (middle, high)
    return sorted(wanted)


def _start(sizes: Collection[int], at: int | None) -> set[int]:
    """Return the largest size, and those on both sides of the user's, if there are any."""
    start = {max(sizes)}
    if at is not None:
        start |= set(sorted(size for size in sizes if size <= at)[-1:])
        start |= set(sorted(size for size in sizes if size >= at)[:1])
    return start


def _reached(grid: Grid, tau: float) -> dict[Group, dict[int, list[bool]]]:
    """Return, of each finished size of each group, which curves have come the share `tau` of the way."""
    made_from = Expected(grid)
    cells = [
        _listed(grid, cell)._replace(
            inputs=inputs_of(made_from, cell), options=options_of(made_from, cell)
        )
        for cell in grid.cells
    ]
    tables = build_tables(cells, with_regret=False)
    named = (table.assign(label=table["architecture"]) for table in tables)
    runs = curve_runs(Tables(*named), ceiling_kinds(current(cells)))
    bounds = bounds_of(runs)
    expected = Counter((_group(cell), cell.size) for cell in grid.cells)
    found: dict[Group, dict[int, list[bool]]] = {}
    for key, group in runs.groupby(["grammar", "architecture", "backend"]):
        grammar, architecture, backend = map(str, key)
        curves = curves_of(group)
        place = (grammar, architecture, backend)
        reaching = curves.learnt & (curves.values >= bounds[grammar].target(tau))
        found[place] = {
            int(size): reaching[:, i].tolist()
            for i, size in enumerate(curves.sizes)
            if curves.there[:, i].sum() == expected[place, int(size)]
        }
    return found


def _group(cell: Cell) -> Group:
    return cell.grammar, cell.architecture, cell.backend


def _listed(grid: Grid, cell: Cell) -> CellResults:
    """Return a cell as compare knows it, without attributions, which decide nothing here."""
    folders = (grid.result("models", cell), grid.result("scores", cell))
    return CellResults(*cell, *folders, (), grid.test_set(cell.grammar))


def write_packs(grid: Grid, file: Path) -> None:
    """Write the packs to run, one a line.

    Raises
    ------
    InputError
        If the file is there and holds anything else.
    """
    from seqgra.fingerprint import write_atomically

    if os.path.lexists(file) and not (file.is_file() and _holds_packs(file)):
        raise bad_input(file, "", "holds no packs of a grid; choose another file")
    write_atomically(file, "".join(f"{name}\n" for name in packs_to_run(grid)))


def _holds_packs(file: Path) -> bool:
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return all(re.fullmatch(r"[^/\s]+(/[^/\s]+){2}/n\d+", line) for line in lines)
