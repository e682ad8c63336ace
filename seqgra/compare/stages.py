"""What the stages of one cell left on disk, and what became of the cell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from seqgra.compare.cells import CellResults
from seqgra.compare.resample import NO_SEEDS
from seqgra.fingerprint import make_again, read_run, why_no_result
from seqgra.model import NETWORK_BACKENDS
from seqgra.plot.style import CEILINGS, FOREIGN
from seqgra.results import EarlierVersion

#: A fingerprint that nothing has.
_NONE = "none"

log = logging.getLogger(__name__)


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


def look_at_model(cell: CellResults) -> Stage:
    """Return the stage train of a cell; of what another program predicted its scores stand for it."""
    if cell.backend == FOREIGN:
        return _look(cell.model, "score", {"dataset": cell.inputs.test_fingerprint}, None)
    roles = {"dataset": cell.inputs.dataset_fingerprint}
    roles["architecture"] = cell.inputs.architecture_fingerprint
    options, known = cell.options.model, _own_options(cell)
    if options and "seeds" in options:  # which models of before version 3 of training do not say
        known["seeds"] = options["seeds"]
        options = {name: value for name, value in options.items() if name != "seeds"}
    return _look(cell.model, "train", roles, options, known)


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


def look_at_scores(cell: CellResults, train: Stage) -> Stage:
    """Return the stage evaluate of a cell, whose stage train is given."""
    if cell.backend == FOREIGN:
        return train
    return _look(cell.scores, "evaluate", _result_inputs(cell, train), cell.options.scores)


def look_at_attributions(cell: CellResults, method: str, folder: Path, train: Stage) -> Stage:
    """Return the stage attribute of a cell by a method, `folder` being its place."""
    options = cell.options.attributions.get(method)
    return _look(folder, "attribute", _result_inputs(cell, train), options)


def look_at_probes(cell: CellResults, folder: Path, train: Stage) -> Stage:
    """Return the stage probe of a cell, `folder` being its place."""
    inputs = _result_inputs(cell, train)
    inputs = {"model": inputs["model"], "constructed": cell.inputs.constructed_fingerprint}
    return _look(folder, "probe", inputs, None)


def _result_inputs(cell: CellResults, train: Stage) -> dict[str, str]:
    model = _NONE if train.outdated else train.run.get("fingerprint", "")
    return {"model": model, "dataset": cell.inputs.test_fingerprint}


def _own_options(cell: CellResults) -> dict[str, Any]:
    """Return the options of a model that a cell's own keys say; the exact posterior has none of them."""
    if cell.backend in CEILINGS:
        return {}
    return {"size": cell.size, "seed": cell.model_seed, "backend": cell.backend}


def _look(
    folder: Path,
    verb: str,
    inputs: Mapping[str, str],
    options: Mapping[str, Any] | None,
    known: Mapping[str, Any] = MappingProxyType({}),
) -> Stage:
    """Return a stage: missing where its result is not what the cell's is to be made from.

    Parameters
    ----------
    folder, verb
        Where it lies, and the stage that is to have made it.
    inputs
        Fingerprints by role; an empty one is not known.
    options
        All of them, or None where they are not known.
    known
        Those that are known in any case; a result may lack them.
    """
    run = read_run(folder)
    if run is None:
        reason = why_no_result(folder)
        if "damaged" in reason:
            log.warning("%s: %s; %s", folder, reason, make_again(folder, verb))
        return Stage("missing", reason.removeprefix("is "), {})
    if run["verb"] != verb:
        return Stage("missing", f"was made by `seqgra {run['verb']}`", {}, outdated=True)
    for role, wanted in inputs.items():
        if wanted and run["inputs"].get(role, wanted) != wanted:
            return Stage("missing", f"out of date: made from an earlier {role}", {}, outdated=True)
    made_with = run["options"]
    wanted_options = {k: v for k, v in known.items() if k in made_with} | dict(options or {})
    names = wanted_options.keys() | (made_with.keys() if options is not None else set())
    for name in sorted(names):
        here, asked = made_with.get(name), wanted_options.get(name)
        if here != asked:
            words = f"{name} {_word(here)}, not {_word(asked)}"
            message = f"out of date: made with other options ({words})"
            return Stage("missing", message, {}, outdated=True)
    return Stage(run["status"], run.get("reason") or "", run)


def _word(value: object) -> str:
    return "none" if value is None else str(value)


def current(cells: list[CellResults]) -> list[CellResults]:
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
    train: Stage,
    evaluate: Stage,
    attribute: Mapping[str, Stage],
    outcome: str,
    probe: Stage | None = None,
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
            or (name in ("evaluate", "probe") and stage.status == train.status)  # taken over
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
