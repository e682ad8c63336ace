"""What the stages of one cell left on disk, and what became of the cell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from seqgra.compare.cells import CellResults
from seqgra.compare.resample import NO_SEEDS
from seqgra.fingerprint import make_again, other_option, read_run, why_no_result
from seqgra.model import CEILINGS, FOREIGN, NETWORK_BACKENDS
from seqgra.results import EarlierVersion
from seqgra.stages import find_stage
from seqgra.stages.evaluate import MODEL

#: A fingerprint that nothing has.
_NONE = "none"

log = logging.getLogger(__name__)


class StageResult(NamedTuple):
    """What one stage left on disk for a cell; `outdated`: a result that is no longer the cell's."""

    status: str
    reason: str
    run: Mapping[str, Any]
    outdated: bool = False

    @property
    def finished(self) -> bool:
        """Whether there is a result to read."""
        return self.status not in ("missing", "skipped")


def look_at_model(cell: CellResults) -> StageResult:
    """Return the model of a cell; of what another program predicted its scores stand for it."""
    return look_at(cell, "score" if cell.backend == FOREIGN else "train", cell.model)


def look_at_scores(cell: CellResults, model: StageResult) -> StageResult:
    """Return the scores of a cell, whose model is given."""
    return model if cell.backend == FOREIGN else look_at(cell, "evaluate", cell.scores, model)


def look_at(
    cell: CellResults, stage: str, folder: Path, model: StageResult | None = None, part: str = ""
) -> StageResult:
    """Return the result of any stage for a cell: missing where it is not what the cell's is to be.

    Parameters
    ----------
    cell
        Says what the stage's inputs and options are to be.
    stage
        What is to have made it.
    folder
        Where it lies.
    model
        The cell's, for a stage that takes one.
    part
        Which of the stage's results it is, where a cell has several: the attribution method.
    """
    run = read_run(folder)
    if run is None:
        reason = why_no_result(folder)
        if "damaged" in reason:
            log.warning("%s: %s; %s", folder, reason, make_again(folder, stage))
        return StageResult("missing", reason.removeprefix("is "), {})
    if run["verb"] != stage:
        return StageResult("missing", f"was made by `seqgra {run['verb']}`", {}, outdated=True)
    if any(cell.inputs.values()) and run["results_version"] != find_stage(stage).version:
        message = "out of date: made by another version of its stage"
        return StageResult("missing", message, {}, outdated=True)
    for role, wanted in _inputs(cell, stage, model).items():
        if wanted and run["inputs"].get(role, wanted) != wanted:
            message = f"out of date: made from an earlier {role}"
            return StageResult("missing", message, {}, outdated=True)
    options = cell.options.get(stage)
    if part and options is not None:
        options = options.get(part)
    made_with = run["options"]
    asked = _asked(cell, stage, made_with, options)
    compared = made_with if options is not None else {n: made_with.get(n) for n in asked}
    if name := other_option(compared, asked):
        words = f"{name} {_word(made_with.get(name))}, not {_word(asked.get(name))}"
        message = f"out of date: made with other options ({words})"
        return StageResult("missing", message, {}, outdated=True)
    return StageResult(run["status"], run.get("reason") or "", run)


def _inputs(cell: CellResults, stage: str, model: StageResult | None) -> dict[str, str]:
    """Return the fingerprints that a stage's result is to be made from, by role; empty: not known."""
    inputs = {each.name: cell.inputs.get(each.cell_role, "") for each in find_stage(stage).inputs}
    if model is not None:
        inputs[MODEL.name] = _NONE if model.outdated else model.run.get("fingerprint", "")
    return inputs


def _asked(
    cell: CellResults, stage: str, made_with: Mapping[str, Any], options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the options that a result is to be made with."""
    asked = dict(options or {})
    trains = any(each.kind == "architecture" for each in find_stage(stage).inputs)
    if trains and cell.backend not in CEILINGS:  # the exact posterior has none of them
        own = {"size": cell.size, "seed": cell.model_seed, "backend": cell.backend}
        asked = {name: value for name, value in own.items() if name in made_with} | asked
    return asked


def seeds_of_run(run: Mapping[str, Any]) -> str:
    """Return how the initialisation of a trained model came about.

    Returns
    -------
    str
        ``nested`` or ``crossed`` (see `seqgra.training.Options.source`); ``none`` of a baseline, in which
        nothing is random; empty where that is not known: before version 3 of training all data seeds
        shared the initialisations.
    """
    options = run.get("options", {})
    if options.get("backend", NETWORK_BACKENDS[0]) not in NETWORK_BACKENDS:
        return NO_SEEDS
    return str(options.get("seeds", ""))


def _word(value: object) -> str:
    return "none" if value is None else str(value)


def current(cells: list[CellResults]) -> list[CellResults]:
    """Return the cells whose results may be read: neither spared, nor with a model that is out of date."""
    return [cell for cell in cells if not cell.spared and not look_at_model(cell).outdated]


def content_of(
    stage: StageResult, folder: Path, read: Callable[[Path, Mapping[str, Any]], dict[str, Any]]
) -> tuple[StageResult, dict[str, Any]]:
    """Return a stage's result and what `read` finds in it: missing, and nothing, where that is outdated.

    Raises
    ------
    InputError
        If the result is damaged.
    """
    if not stage.finished:
        return stage, {}
    try:
        return stage, read(folder, stage.run)
    except EarlierVersion as error:
        return StageResult("missing", f"out of date: {error.problems[0].message}", {}), {}


def outcome_of(train: StageResult, evaluate: StageResult) -> str:
    """Return done, collapsed, diverged, missing or skipped."""
    if "skipped" in (train.status, evaluate.status):
        return "skipped"
    if train.status == "diverged":  # has no scores to wait for
        return "diverged"
    if not evaluate.finished:
        return "missing"
    return evaluate.status if train.status in ("missing", "done") else train.status


def status_row(
    train: StageResult,
    evaluate: StageResult,
    attribute: Mapping[str, StageResult],
    outcome: str,
    probe: StageResult | None = None,
) -> tuple[Any, ...]:
    """Return a row of the table status without its key.

    These are stages, outcome, loss, seeds, what is not defined for such a model (an attribution method, a
    probe), and what went wrong.
    """
    stopped = train.status in ("missing", "skipped", "diverged")
    reasons, undefined = [], []
    probed = {} if probe is None else {"probe": probe}
    for name, stage in {"train": train, "evaluate": evaluate, **attribute, **probed}.items():
        follows = name != "train" and (
            (stopped and stage.status == "missing")  # of course it is
            or stage.status == train.status  # taken over
        )
        if name not in ("train", "evaluate") and stage.status == "skipped" and not follows:
            undefined.append(f"{name}: {stage.reason or stage.status}")
            continue
        scored = name == "evaluate" and stage.status in ("done", "collapsed")
        absent = scored and stage.reason  # the test set lacks a condition
        if absent or (stage.status != "done" and not follows):
            reasons.append(f"{name}: {stage.reason or stage.status}")
    statuses = {stage.status for stage in attribute.values()}
    attributed = statuses.pop() if len(statuses) == 1 else ("partial" if statuses else "")
    loss, seeds = train.run.get("best_validation_loss"), seeds_of_run(train.run)
    stages = (train.status, evaluate.status, attributed, probe.status if probe else "")
    return *stages, outcome, loss, seeds, "; ".join(undefined), "; ".join(reasons)
