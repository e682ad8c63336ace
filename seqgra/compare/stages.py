"""What the stages of one cell left on disk, and what became of the cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seqgra.compare.cells import Cell
from seqgra.fingerprint import read_run, why_no_result
from seqgra.results import EarlierVersion

#: A fingerprint that nothing has.
_NONE = "none"


class Stage(NamedTuple):
    """What one stage left on disk for a cell; `outdated`: a noun that is no longer the cell's."""

    status: str
    reason: str
    run: Mapping[str, Any]
    outdated: bool = False

    @property
    def finished(self) -> bool:
        """Whether there is a noun to read."""
        return self.status not in ("missing", "skipped")


def look_at_model(cell: Cell) -> Stage:
    """Return the stage train of a cell."""
    dataset, architecture, _ = cell.inputs
    return _look(cell.model, {"dataset": dataset, "architecture": architecture})


def look_at_result(cell: Cell, folder: Path, train: Stage) -> Stage:
    """Return the stage of a cell whose noun is `folder`: what was made with its model on the test set."""
    model = _NONE if train.outdated else train.run.get("fingerprint", "")
    return _look(folder, {"model": model, "dataset": cell.inputs.test_fingerprint})


def _look(folder: Path, inputs: Mapping[str, str]) -> Stage:
    """Return a stage: missing where its noun was made from other inputs; an empty fingerprint: not known."""
    run = read_run(folder)
    if run is None:
        return Stage("missing", why_no_result(folder).removeprefix("is "), {})
    for role, wanted in inputs.items():
        if wanted and run.get("inputs", {}).get(role, wanted) != wanted:
            return Stage("missing", f"out of date: made from an earlier {role}", {}, outdated=True)
    return Stage(run.get("status", "done"), run.get("reason", ""), run)


def current(cells: list[Cell]) -> list[Cell]:
    """Return the cells whose nouns may be read: neither spared, nor with a model that is out of date."""
    return [cell for cell in cells if not cell.spared and not look_at_model(cell).outdated]


def content_of(
    stage: Stage, folder: Path, read: Callable[[Path, Mapping[str, Any]], dict[str, Any]]
) -> tuple[Stage, dict[str, Any]]:
    """Return a stage and what `read` finds in its noun: missing, and nothing, where that is outdated.

    Raises
    ------
    InputError
        If the noun is damaged.
    """
    if not stage.finished:
        return stage, {}
    try:
        return stage, read(folder, stage.run)
    except EarlierVersion as error:
        return Stage("missing", f"out of date: {error.problems[0].message}", {}), {}


def outcome_of(train: Stage, evaluate: Stage) -> str:
    """Return done, collapsed, diverged, missing or skipped."""
    if "skipped" in (train.status, evaluate.status):
        return "skipped"
    if train.status == "diverged":  # has no scores to wait for
        return "diverged"
    if not evaluate.finished:
        return "missing"
    return evaluate.status if train.status in ("missing", "done") else train.status


def status_row(
    train: Stage, evaluate: Stage, attribute: Mapping[str, Stage], outcome: str
) -> tuple[Any, ...]:
    """Return a row of the table status without its key: stages, outcome, loss, and what went wrong."""
    stopped = train.status in ("missing", "skipped", "diverged")
    reasons = []
    for name, stage in {"train": train, "evaluate": evaluate, **attribute}.items():
        told = name != "train" and (
            (stopped and stage.status == "missing")  # of course it is
            or (name == "evaluate" and stage.status == train.status)  # scores take it over
        )
        if stage.status != "done" and not told:
            reasons.append(f"{name}: {stage.reason or stage.status}")
    statuses = {stage.status for stage in attribute.values()}
    attributed = statuses.pop() if len(statuses) == 1 else ("partial" if statuses else "")
    loss = train.run.get("best_validation_loss")
    return train.status, evaluate.status, attributed, outcome, loss, "; ".join(reasons)
