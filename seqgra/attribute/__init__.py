"""Attribute: explain a model's logits letter by letter; score how that recovers the grammar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqgra.attribute.explanations import SCORED, fixed_explanations
from seqgra.attribute.methods import method_problems, options_of, refusal
from seqgra.dataset import open_dataset
from seqgra.errors import InputError, Problem, bad_input, raise_problems
from seqgra.fingerprint import Draft, Outcome, identity_of, make, require_run
from seqgra.stages.attribute import DEFAULTS, Settings
from seqgra.stages.options import read_options

__all__ = ["SCORED", "attribute", "fixed_explanations"]


def attribute(
    model: Path,
    dataset: Path,
    folder: Path,
    *,
    method: str,
    examples: int = DEFAULTS.examples,
    set_name: str = "test",
    set_size: int | None = None,
    correct: bool = DEFAULTS.correct,
    device: str = DEFAULTS.device,
    untrained_twin: bool = False,
    **settings: Any,
) -> str:
    """Explain a model on the fixed examples of a dataset and write the attributions.

    What is explained: in a multi-class task the logit of the condition that generated the example, less
    the mean logit (so that of the true one where labels are noisy); in a multi-label task the logit of
    each label that the example truly has, by itself, so that an example without labels has none.

    Parameters
    ----------
    model, dataset
        Folders of a trained model and of the dataset to explain it on.
    folder
        Where the attributions go.
    method
        A name in `METHODS`.
    examples
        Examples of each condition, at most (see `fixed_explanations`).
    set_name, set_size
        The examples are chosen among the first `set_size` of this set; None: all in the folder.
    correct
        Remove the part of the gradients that points off the simplex (see `gradients.correct`).
    device
        Where the model runs.
    untrained_twin
        Explain a network of the same architecture whose weights are drawn anew: what structure alone
        recovers.
    settings
        Of the method, by name; see `Settings`.

    Returns
    -------
    str
        ``up to date``, ``done``, or ``skipped`` where the model diverged or the method is not defined
        for it.

    Raises
    ------
    InputError
        If an option is wrong, the model or the dataset is missing or damaged, their conditions
        differ, or no example shows a condition.
    """
    problems = method_problems(method, correct)
    if examples < 1:
        problems.append(Problem("examples", "", f"is {examples}; give 1 or more"))
    try:
        chosen = read_options(Settings, settings)
    except InputError as error:
        raise InputError(*problems, *error.problems) from None
    raise_problems(problems)
    run, data = require_run(model, "train"), open_dataset(dataset)
    y = data.y_true(set_name, set_size)
    options = attribution_options(
        method, examples, chosen, set_name, len(y), correct=correct, untrained=untrained_twin
    )
    inputs = {"model": run["fingerprint"], "dataset": data.fingerprint}

    def compute(draft: Draft) -> Outcome:
        if run["status"] == "diverged":
            return _skipped(method, "training diverged")
        from seqgra.attribute.explain import ExplanationPlan, attributions, network_of
        from seqgra.backends.untrained import untrained
        from seqgra.model import NotDefined, open_model
        from seqgra.results import write_attributions

        data.verify(set_name)
        wanted = fixed_explanations(y, examples, SCORED)
        if not wanted.rows.size:
            raise bad_input(dataset, set_name, "no example shows a condition; simulate more")
        x = data.x(set_name, set_size)
        plan = ExplanationPlan(data, set_name, x, wanted, method, chosen, correct)
        trained = open_model(model, run, data, device)
        if reason := refusal(method, network_of(trained)):
            return _skipped(method, reason)
        try:
            explained = untrained(trained, device) if untrained_twin else trained
            result = attributions(explained, plan)
        except NotDefined as error:
            return _skipped(method, str(error))
        write_attributions(result, draft)
        facts = {"method": method, "examples": len(wanted.rows), "device": trained.device}
        return Outcome(facts)

    return make(identity_of("attribute", inputs, options), folder, compute).status


def run(model: Path, dataset: Path, folder: Path, *, untrained: bool, **options: Any) -> str:
    """Attribute as ``seqgra attribute`` asks."""
    return attribute(model, dataset, folder, untrained_twin=untrained, **options)


def attribution_options(
    method: str,
    examples: int,
    settings: Settings,
    set_name: str,
    set_size: int,
    *,
    correct: bool,
    untrained: bool,
) -> dict[str, Any]:
    """Return the options of the identity of attributions; see `attribute` for what they are."""
    options = {
        "method": method,
        "examples": examples,
        "correct": correct,
        **_used(method, settings),
    }
    if untrained:
        options["untrained"] = True
    return options | {"set": set_name, "set_size": set_size}


def _used(method: str, settings: Settings) -> dict[str, Any]:
    """Return the options that change a method's values."""
    return {name: getattr(settings, name) for name in options_of(method, settings.baseline)}


def _skipped(method: str, reason: str) -> Outcome:
    """Return that there can be no attributions, and why."""
    return Outcome({"method": method, "reason": reason}, "skipped")
