"""What `seqgra tune` chose for the models of a grid, as a table."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from seqgra.architecture.optimizers import Optimizer
from seqgra.compare.tables import Cell
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


def tuning_table(cells: Sequence[Cell]) -> pd.DataFrame:
    """Return one row a candidate that models of these cells were tuned with; empty without any.

    Returns
    -------
    DataFrame
        `COLUMNS`: optimizer in words, validation_loss in nats (NaN: never finite), chosen (bool).
    """
    rows: dict[tuple[object, ...], None] = {}
    for cell in cells:
        tuned = (read_run(cell.model) or {}).get("tuned")
        if tuned is None:
            continue
        tuning = Tuning.model_validate(tuned)
        place = (cell.grammar, cell.size, cell.architecture, cell.backend)
        for candidate in tuning.candidates:
            words, chosen = in_words(candidate.optimizer), candidate.optimizer == tuning.optimizer
            loss = candidate.validation_loss
            found = (words, loss, candidate.epochs, candidate.status, chosen)
            rows[*place, *found] = None  # all seeds share it
    frame = pd.DataFrame(list(rows), columns=list(COLUMNS))
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
