"""The command lines that make the cells of a grid, and the file that says where they lie."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator

from seqgra.architecture.schema import Network
from seqgra.errors import bad_input
from seqgra.grid import Cell, Grid
from seqgra.grid.stages import GRID_STAGES, inputs_of, options_of


def lines(grid: Grid, stage: str, name: str) -> str:
    """Return the batch file of a stage: of a grammar or dataset where it makes examples, else of a pack."""
    made = GRID_STAGES[stage]
    head = f"# seqgra {stage}, results version {made.stage.version}\n"
    return head + "\n".join(map(call_text, made.calls_of(grid, name)))


def cell_rows(grid: Grid, spared: Collection[Cell] = frozenset()) -> Iterator[dict[str, object]]:
    """Yield one row of the cells file for each cell (see `compare`); `spared` are those not needed."""
    from seqgra.compare.cells import identity_columns
    from seqgra.grid.expected import Expected

    expected = Expected(grid)
    for cell in grid.cells:
        attributions = (
            f"{method.name}={grid.result('attributions', cell) / method.name}"
            for method in (grid.config.attribution.methods if grid.explained(cell) else ())
        )
        yield {
            **cell._asdict(),
            "model": grid.result("models", cell),
            "scores": grid.result("scores", cell),
            "attributions": ";".join(attributions),
            "probes": grid.result("probes", cell) if grid.probed(cell) else "",
            "refused": "; ".join(_refused(grid, cell)),
            "test": grid.test_set(cell.grammar),
            "spared": "yes" if cell in spared else "",
            **identity_columns(inputs_of(expected, cell), options_of(expected, cell)),
        }


def _refused(grid: Grid, cell: Cell) -> Iterator[str]:
    """Yield the methods that are not defined for a cell's architecture, each with the reason."""
    from seqgra.attribute.methods import refusal

    architecture = grid.architectures[cell.architecture]
    network = architecture if isinstance(architecture, Network) else None
    for method in grid.config.attribution.methods:
        if reason := refusal(method.kind, network):
            yield f"skipped: {reason}"


def call_text(arguments: Iterable[object]) -> str:
    """Return the arguments of a call as a line of a batch file.

    Raises
    ------
    InputError
        If one holds a line break, or another character that is not printed.
    """
    parts = list(map(str, arguments))
    if broken := [part for part in parts if not part.isprintable()]:
        raise bad_input(repr(broken[0]), "", "is no path on one line; rename it")
    return shlex.join(parts)
