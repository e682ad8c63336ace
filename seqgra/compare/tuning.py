"""What `seqgra tune` chose for the models of a grid, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from seqgra.architecture.optimizers import Optimizer
from seqgra.compare.cells import CellResults
from seqgra.fingerprint import read_run
from seqgra.results import Tuning

#: Columns of the table; the first four name what was tuned.
COLUMNS = ("grammar", "size", "architecture", "backend") + (
    "optimizer",
    "validation_loss",
    "epochs",
    "status",
    "chosen",
)


def tuning_table(cells: Sequence[CellResults]) -> pd.DataFrame:
    """Return one row a candidate that models of these cells were tuned with; empty without any.

    Returns
    -------
    DataFrame
        `COLUMNS`: optimizer in words, validation_loss in nats (NaN: never finite), chosen (bool).
    """
    rows: list[tuple[object, ...]] = []
    seen = set()
    for cell in cells:
        place = (cell.grammar, cell.size, cell.architecture, cell.backend)
        run = read_run(cell.model) if place not in seen else None
        if run is None:
            continue
        seen.add(place)  # all seeds share it
        if (tuned := run.get("tuned")) is None:
            continue
        tuning = Tuning.model_validate(tuned)
        for candidate in tuning.candidates:
            words, chosen = in_words(candidate.optimizer), candidate.optimizer == tuning.optimizer
            loss = candidate.validation_loss
            rows.append((*place, words, loss, candidate.epochs, candidate.status, chosen))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"validation_loss": float, "chosen": bool, "size": int, "epochs": int})


def in_words(optimizer: Optimizer) -> str:
    """Return an optimiser, its learning rate, and what else differs from the defaults.

    >>> from seqgra.architecture.optimizers import Sgd
    >>> in_words(Optimizer(sgd=Sgd(learning_rate=0.1, momentum=0.5)))
    'sgd 0.1, momentum 0.5'
    """
    name = next(name for name, value in optimizer if value is not None)
    others = optimizer.settings.model_dump(exclude_defaults=True, exclude={"learning_rate"})
    said = [f"{key.replace('_', ' ')} {value}" for key, value in others.items()]
    return ", ".join([f"{name} {optimizer.learning_rate:g}", *said])
