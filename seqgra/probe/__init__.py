"""Stage probe: did a model learn the rules? Its logits on constructed sequences, beside the posterior's.

`construct` makes the sequences of a grammar and the posterior's logits of them, once for all models; `probe`
scores a model on them. Only logits are used, so every kind of model is probed alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqgra.dataset import open_dataset
from seqgra.errors import InputError, Problem, bad_input
from seqgra.fingerprint import (
    Draft,
    Identity,
    Outcome,
    identity_of,
    make,
    require_run,
    verify_file,
)
from seqgra.grammar.load import find_grammar, grammar_fingerprint, load_grammar
from seqgra.grammar.schema import Grammar
from seqgra.markers import require_unchanged
from seqgra.model import MULTI_LABEL, AbstractModel, NotDefined, open_model
from seqgra.results import PROBE_COLUMNS, PROBES_FILE, primary_property
from seqgra.stages.construct import DEFAULTS as CONSTRUCTED
from seqgra.stages.probe import DEFAULTS
from seqgra.streams import STREAM_VERSION
from seqgra.textfile import harmless_table

# A result that is up to date needs neither tables nor what constructs and measures.
if TYPE_CHECKING:
    import pandas as pd

    from seqgra.probe.asked import Asked
    from seqgra.probe.designs import Design
    from seqgra.probe.measures import Line, Reference

_SEQUENCES, _CEILING, _DESIGNS = ("sequences.npy", "ceiling.npy", "designs.json")
_NOT_ASKED = "not asked"
_BATCH = 4096
#: Untrained copies that a network's measures stand beside, and the backgrounds that they see.
COPIES, _BACKGROUNDS_OF_COPIES = 5, 40
#: Sequences on which it is tried whether the posterior is exact.
_TRIED = 8


class CannotProbe(InputError):
    """A grammar gives nothing to probe, or a model no logits; a grid goes on without it."""


@dataclass(frozen=True)
class Constructed:
    """Constructed sequences of a grammar, and what the exact posterior says of them."""

    #: Of the grammar.
    conditions: tuple[str, ...]
    alphabet: str
    window: int
    task: str
    #: uint8 (M, L): letter codes.
    x: np.ndarray
    #: float64 (M, C): the posterior's log probabilities (multi-class) or log odds (multi-label); NaN where
    #: `kind` is not ``exact``.
    ceiling: np.ndarray
    #: ``exact``, or what the posterior is instead.
    kind: str
    #: What is asked.
    designs: tuple[Design, ...]
    #: Property -> whether the grammar asks for it; empty where the posterior is not exact.
    asked: Mapping[str, Asked]
    #: Of the sequences.
    seed: int

    @property
    def primary(self) -> str:
        """The property that the grammar is about, such as ``order``; empty where none is known."""
        return primary_property(name for name, found in self.asked.items() if found.asked)

    @cached_property
    def reference(self) -> Reference:
        """What is measured of the exact posterior, once for all models."""
        from seqgra.probe.measures import Logits, bootstrap, reference_of

        posterior = Logits(self.ceiling[None], self.task == MULTI_LABEL)
        return reference_of(self.designs, self.conditions, posterior, bootstrap(self.seed))

    @cached_property
    def for_copies(self) -> tuple[np.ndarray, tuple[Design, ...]]:
        """Rows of `x` that untrained copies see, int64 (n,), and the designs on those alone."""
        seen = [own[:_BACKGROUNDS_OF_COPIES] for d in self.designs for own in d.rows()]
        rows = np.unique(np.concatenate([np.zeros(0, np.int64), *seen]))

        def fewer(design: Design) -> Design:
            cells = (
                cell._replace(
                    arms={
                        arm: np.searchsorted(rows, own[:_BACKGROUNDS_OF_COPIES])
                        for arm, own in cell.arms.items()
                    }
                )
                for cell in design.cells
            )
            return replace(design, cells=tuple(cells))

        return rows, tuple(map(fewer, self.designs))


def construct(
    grammar: Grammar, seed: int = CONSTRUCTED.seed, set_name: str = "test"
) -> Constructed:
    """Construct the sequences that probe models of a grammar.

    Parameters
    ----------
    grammar
        Resolved, with rules.
    seed
        Of the sequences, not negative.
    set_name
        Whose distributions hold where they differ between sets.

    Raises
    ------
    CannotProbe
        If the grammar has no rules, or its posterior has too many outcomes.
    InputError
        If its elements can hardly be placed.
    """
    if not any(condition.rules for condition in grammar.conditions.values()):
        raise CannotProbe(
            Problem("grammar", "conditions", "has no rules; there is nothing to probe")
        )
    from seqgra.law.posterior import compile_posterior
    from seqgra.probe.asked import asked_of
    from seqgra.probe.designs import Designer, asked_about

    designer = Designer(grammar, seed, set_name)
    designs = designer.designs()
    x = np.concatenate(designer.sequences.parts)
    try:
        posterior = compile_posterior(grammar, set_name)
        posterior.log_posterior(x[:_TRIED])  # finds what has to be estimated
    except InputError as error:
        raise CannotProbe(*error.problems) from error
    asked: dict[str, Asked] = {}
    if posterior.kind == "exact":
        properties = [asked_about(design) for design in designs if design.cells]
        asked = asked_of(grammar, properties, set_name=set_name)
        ceiling = np.concatenate(
            [posterior.log_posterior(x[i : i + _BATCH])[0] for i in range(0, len(x), _BATCH)]
        )
    else:
        ceiling = np.full((len(x), len(grammar.conditions)), np.nan)
    return Constructed(
        conditions=tuple(grammar.conditions),
        alphabet=grammar.alphabet,
        window=grammar.longest,
        task=grammar.task,
        x=x,
        ceiling=ceiling,
        kind=posterior.kind,
        designs=tuple(designs),
        asked=asked,
        seed=seed,
    )


def probe(
    model: AbstractModel,
    constructed: Constructed,
    source: Path | str = "model",
    untrained: Sequence[AbstractModel] = (),
) -> pd.DataFrame:
    """Return what constructed sequences say about a model.

    Parameters
    ----------
    model
        A model of the grammar's task; its `logits` are all that is used.
    constructed
        From `construct`.
    source
        Names the model in errors.
    untrained
        Copies of the model that are not trained, whose measures on a fifth of the sequences stand beside its
        own; see `untrained_copies`.

    Returns
    -------
    DataFrame
        Columns `results.PROBE_COLUMNS`: a row for each cell of each design, and one with level
        ``summary`` that sums the design up. Gaps are in letters. Intervals are 95 % bootstrap intervals
        over backgrounds.

    Raises
    ------
    CannotProbe
        If the model's logits have another shape or are not finite.
    InputError
        If it is of another grammar.
    """
    import pandas as pd

    from seqgra.probe.measures import NOTHING, ONCE, Logits, bootstrap, lines_of, measure

    for name in ("conditions", "alphabet", "window", "task"):
        own, other = getattr(model, name), getattr(constructed, name)
        if own != other:
            message = f"of the model: {own}; of the grammar: {other}; give the model's own grammar"
            raise bad_input(source, name, message)
    names, multi_label = constructed.conditions, constructed.task == MULTI_LABEL
    values = _finite_logits(model, constructed.x, len(names), source)
    designs, reference = constructed.designs, constructed.reference
    draws = bootstrap(constructed.seed)
    own = measure(designs, names, Logits(values[None], multi_label), draws, reference)
    of_copies = None
    if untrained:
        rows, fewer = constructed.for_copies
        x = constructed.x[rows]
        seen = [_finite_logits(copy, x, len(names), "an untrained copy") for copy in untrained]
        of_copies = measure(fewer, names, Logits(np.stack(seen), multi_label), ONCE, reference)
    lines = lines_of(designs, own, reference, of_copies)
    if constructed.kind != "exact":
        reason = f"the posterior of this grammar is an {constructed.kind}"
        lines = [line._replace(ceiling=NOTHING, score=NOTHING, reason=reason) for line in lines]
    return pd.DataFrame([_row(line, constructed) for line in lines], columns=list(PROBE_COLUMNS))


def _finite_logits(
    model: AbstractModel, x: np.ndarray, conditions: int, source: Path | str
) -> np.ndarray:
    """Return float64 (N, C) logits of letter codes, uint8 (N, L).

    Raises
    ------
    CannotProbe
        If they have another shape or are not finite.
    """
    parts = [np.zeros((0, conditions))]
    for first in range(0, len(x), _BATCH):
        codes = x[first : first + _BATCH]
        parts.append(np.asarray(model.logits(codes), np.float64))
        shape = (len(codes), conditions)
        if parts[-1].shape != shape:
            message = f"have shape {parts[-1].shape}; expected {shape}: sequences, conditions"
            raise CannotProbe(Problem(str(source), "logits", message))
    values = np.concatenate(parts)
    if not np.isfinite(values).all():
        message = "are not finite for every sequence; train it again"
        raise CannotProbe(Problem(str(source), "logits", message))
    return values


def untrained_copies(model: AbstractModel, device: str = "auto") -> list[AbstractModel]:
    """Return `COPIES` networks like a model, not trained; none of a model that is no network.

    Parameters
    ----------
    model
        Any; copies of Keras models are of PyTorch, whose initial weights are the same.
    device
        Where they run.
    """
    from seqgra.backends.untrained import untrained

    try:
        return [untrained(model, device, seed) for seed in range(COPIES)]
    except NotDefined:
        return []


def _row(line: Line, constructed: Constructed) -> tuple[object, ...]:
    from seqgra.probe.designs import asked_about

    design, names = line.design, constructed.conditions
    asked = constructed.asked.get(asked_about(design))
    status = _NOT_ASKED if asked is None else ("asked" if asked.asked else _untaught(line))
    shortcut = (status, *(asked[1:] if asked else (None, None, "")))
    condition, other = (
        names[number] if number >= 0 else "" for number in (design.condition, design.other)
    )
    about = (design.property, condition, other, design.rule, design.subject, line.level)
    where = (*(line.gap or (None, None)), line.place, line.sequences)
    measured = (*line.raw, line.chance, *line.ceiling, *line.untrained, *line.score, line.reason)
    return (*about, *where, *measured, *shortcut)


def _untaught(line: Line) -> str:
    """Return whether what a grammar does not ask for can be tested all the same."""
    from seqgra.probe.asked import TESTABLE

    return "testable" if line.ceiling.low > line.chance + TESTABLE else _NOT_ASKED


def construct_folder(
    grammar: Path | str, folder: Path, *, seed: int = CONSTRUCTED.seed, expected: str | None = None
) -> str:
    """Write the constructed sequences of a grammar into a folder; see `construct`.

    Parameters
    ----------
    grammar
        File of a grammar, or the name of one in ``grammars/``.
    folder
        Where the sequences go.
    seed
        Of the sequences, not negative.
    expected
        Fingerprint that the grammar must have: that of the batch file; None takes any.

    Returns
    -------
    str
        ``done``, ``up to date``, or ``skipped`` with the reason where the grammar has no rules or its
        posterior cannot be computed.

    Raises
    ------
    InputError
        If the grammar is wrong or not the expected one, or the folder cannot be written.
    """
    resolved = load_grammar(find_grammar(str(grammar)))
    fingerprint = grammar_fingerprint(resolved)
    require_unchanged(grammar, fingerprint, expected)

    def compute(draft: Draft) -> Outcome:
        try:
            return _write(draft, construct(resolved, seed))
        except CannotProbe as error:
            return Outcome({"reason": str(error)}, "skipped")

    status, report = make(constructed_identity(fingerprint, seed), folder, compute)
    return f"skipped: {report['reason']}" if status == "skipped" else status


def constructed_identity(grammar: str, seed: int) -> Identity:
    """Return the identity of the constructed sequences of a grammar, whose fingerprint is given."""
    options = {"seed": seed, "stream": STREAM_VERSION}
    return identity_of("construct", {"grammar": grammar}, options)


def probes_identity(model: str, constructed: str) -> Identity:
    """Return the identity of a table of probes; both fingerprints are given."""
    return identity_of("probe", {"model": model, "constructed": constructed}, {})


def _write(draft: Draft, made: Constructed) -> Outcome:
    for name, array in ((_SEQUENCES, made.x), (_CEILING, made.ceiling)):
        with draft.aside(name).open("wb") as stream:
            np.save(stream, array, allow_pickle=False)
    content = {
        "conditions": list(made.conditions),
        "alphabet": made.alphabet,
        "window": made.window,
        "task": made.task,
        "kind": made.kind,
        "seed": made.seed,
        "asked": {name: asked._asdict() for name, asked in made.asked.items()},
        "designs": [_packed(design) for design in made.designs],
    }
    draft.aside(_DESIGNS).write_text(json.dumps(content, indent=1) + "\n")
    facts = {"sequences": len(made.x), "posterior": made.kind, "primary": made.primary}
    return Outcome(facts)


def _packed(design: Design) -> dict[str, Any]:
    """Return a design as JSON; the rows of an arm follow one another: first row and number of rows."""
    cells = [
        {
            "gap": cell.gap,
            "place": cell.place,
            "arms": {name: [int(rows[0]), len(rows)] for name, rows in cell.arms.items()},
        }
        for cell in design.cells
    ]
    return {**vars(design), "cells": cells}


def _unpacked(content: Mapping[str, Any]) -> Design:
    from seqgra.probe.designs import Design, ProbeCell

    cells = tuple(
        ProbeCell(
            tuple(cell["gap"]) if cell["gap"] else None,
            cell["place"],
            {name: np.arange(first, first + n) for name, (first, n) in cell["arms"].items()},
        )
        for cell in content["cells"]
    )
    return Design(**{**content, "cells": cells})


def read_constructed(folder: Path) -> Constructed:
    """Read what `construct_folder` wrote.

    Raises
    ------
    CannotProbe
        If the grammar has nothing to probe.
    InputError
        If it is missing or damaged.
    """
    from seqgra.probe.asked import Asked

    run = require_run(folder, "construct")
    if run["status"] == "skipped":
        raise CannotProbe(Problem(str(folder), "", f"holds nothing: {run['reason']}"))
    content = json.loads(verify_file(folder, _DESIGNS, run).read_text())
    x, ceiling = (
        np.load(verify_file(folder, name, run), allow_pickle=False)
        for name in (_SEQUENCES, _CEILING)
    )
    designs = tuple(_unpacked(design) for design in content.pop("designs"))
    asked = {name: Asked(**found) for name, found in content.pop("asked").items()}
    names = tuple(content.pop("conditions"))
    return Constructed(
        conditions=names, x=x, ceiling=ceiling, designs=designs, asked=asked, **content
    )


def probe_folder(
    model: Path,
    constructed: Path | str,
    folder: Path,
    *,
    seed: int = DEFAULTS.seed,
    device: str = DEFAULTS.device,
) -> str:
    """Probe a trained model and write the table into a folder.

    Parameters
    ----------
    model
        Folder of a trained model.
    constructed
        Folder made by ``seqgra construct``; or a grammar (name or file) or a dataset made by ``seqgra
        simulate``, of whose grammar sequences are constructed for this call alone.
    folder
        Where ``probes.csv`` goes.
    seed
        Of the sequences, where a grammar is given.
    device
        Where the model runs.

    Returns
    -------
    str
        ``diverged``; ``skipped`` with the reason, where a grammar or a model cannot be probed; or
        ``done`` or ``up to date`` with the least score of each property that is asked.

    Raises
    ------
    InputError
        As `construct` and `probe`, or if a folder is missing, damaged or cannot be written.
    """
    run = require_run(model, "train")
    sequences: Callable[[], Constructed]
    made = (
        require_run(Path(constructed), "construct", "simulate")
        if Path(constructed).is_dir()
        else {}
    )
    if made.get("verb") == "construct":
        fingerprint = str(made["fingerprint"])
        sequences = partial(read_constructed, Path(constructed))
    else:
        if made:
            resolved = open_dataset(Path(constructed)).grammar
        else:
            resolved = load_grammar(find_grammar(str(constructed)))
        fingerprint = constructed_identity(grammar_fingerprint(resolved), seed).fingerprint
        sequences = partial(construct, resolved, seed)

    def compute(draft: Draft) -> Outcome:
        if run["status"] == "diverged":
            return Outcome({"reason": run.get("reason", ""), "least": "diverged"}, "diverged")
        opened = open_model(model, run, None, device)
        try:
            table = probe(opened, sequences(), model, untrained_copies(opened, device))
        except CannotProbe as error:
            facts = {"reason": str(error), "least": f"skipped: {error}"}
            return Outcome(facts, "skipped")
        text = harmless_table(table)
        text.to_csv(draft.aside(PROBES_FILE), index=False, lineterminator="\n", float_format="%.6g")
        return Outcome({"device": opened.device, "least": least_scores(table)})

    identity = probes_identity(str(run["fingerprint"]), fingerprint)
    status, report = make(identity, folder, compute)
    least = str(report["least"])
    return least if status in ("diverged", "skipped") else f"{status}; {least}"


def least_scores(table: pd.DataFrame) -> str:
    """Return the least score of each property that is asked, in words; `table` as from `probe`."""
    asked = table[(table["level"] == "summary") & (table["asked"] == "asked")]
    least = asked.groupby("property", sort=False)["score"].min().dropna()
    return ", ".join(f"{name} {score:.2f}" for name, score in least.items()) or "nothing graded"
