"""The report of a grid, whole or partial: its tables, figures and page; what `seqgra compare` writes."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from seqgra.compare.cells import KEYS, read_cells
from seqgra.compare.comparison import METHOD, Comparison, compare_cells
from seqgra.compare.decide import Statistics
from seqgra.compare.probes import sentences
from seqgra.compare.tables import models_only, recovery_runs, write_tables
from seqgra.errors import bad_input
from seqgra.fingerprint import write_atomically
from seqgra.grammar.schema import Grammar
from seqgra.outputs import OwnFiles, own_files
from seqgra.plot.saving import figure_digest, saver
from seqgra.report.answers import answers
from seqgra.report.content import Content, Section
from seqgra.report.drawing import Drawing, drawing_of
from seqgra.report.figures.answer import draw_answer, draw_calibration
from seqgra.report.figures.decision import draw_confusion, draw_histories, draw_runs
from seqgra.report.figures.grammar import draw_grammar
from seqgra.report.figures.overview import draw_overview
from seqgra.report.figures.recovery import real_annotations
from seqgra.report.render import report, shown_sections
from seqgra.report.words import at_sentences, grammar_evidence
from seqgra.yamlfile import read_yaml

#: The cells of a grid, written beside what is made of them.
CELLS_FILE = "cells.csv"

log = logging.getLogger(__name__)


def write_report(
    cells: Path | str,
    folder: Path,
    *,
    config: Path | None,
    method: str = METHOD,
    at: int | None = None,
    workers: int = 1,
    json: Path | None = None,
) -> str:
    """Write the tables, figures and report of a grid; always anew, since it is cheap.

    Equal inputs give equal bytes, but for ``tables/runs.*`` and ``report.html``, which hold times.

    Parameters
    ----------
    cells
        The cells file, see `cells.CELL_COLUMNS`; or its text, which is written to ``cells.csv``.
    folder
        Gets tables/, figures/ and report.html. What an earlier call has written there is replaced, or
        removed; a second call at the same time waits.
    config
        The grid's config file, quoted in the report.
    method
        The attribution method shown; the first one there is where no cell has it.
    at
        The user's dataset size: adds what is best there. The config's key `at` where not given.
    workers
        Processes that save figures, this one included; the same bytes with any number.
    json
        Gets every number of the report, see `Comparison.to_json`; not written where None.

    Returns
    -------
    str
        ``done``.

    Raises
    ------
    InputError
        If the cells file or the config cannot be read, a finished result is damaged, or the folder holds a
        file of the user's where one of these goes.
    """
    with own_files(folder, "compare", lambda: _is_compared(folder)) as own:
        if isinstance(cells, str):
            file = own.file(CELLS_FILE)
            write_atomically(file, cells)
        else:
            file = cells
            own.keep(CELLS_FILE)
        compared = _write(file, own, config, method, at, workers)
    if json is not None:
        write_atomically(json, compared.to_json())
    return "done"


def compare_grid(
    cells: Path, *, config: Path | None = None, method: str = METHOD, at: int | None = None
) -> Comparison:
    """Return what the report of a grid is made from; see `write_report`, whose parameters these are."""
    settings = read_yaml(config) if config else {}
    return compare_cells(
        read_cells(cells),
        question=str(settings.get("question", "")),
        at=settings.get("at") if at is None else at,
        prevalence=_prevalence(settings, config),
        method=method,
    )


def _is_compared(folder: Path) -> bool:
    """Tell whether a folder is one of an earlier version, which kept no list of its files."""
    try:
        header = (folder / "tables" / "scores.csv").read_text().partition("\n")[0]
    except (OSError, UnicodeDecodeError):
        return False
    return header.startswith(",".join(KEYS))


def _write(
    cells: Path,
    own: OwnFiles,
    config: Path | None,
    method: str,
    at: int | None,
    workers: int,
) -> Comparison:
    """Write all files but the JSON, and return what they are made from; see `write_report`."""
    folder, config_text = own.folder, _read_text(config) if config else ""
    compared = compare_grid(cells, config=config, method=method, at=at)
    write_tables(compared.files(), own)
    grid = f" --grid {config}" if config else ""
    command = f"seqgra compare{grid} --cells {cells} -o {folder}"
    command += f" --at {compared.at}" if compared.at is not None else ""
    with saver(workers) as save:
        saved: list[str] = []

        def save_own(stem: Path, drawn: partial[Figure]) -> None:
            name = f"figures/{stem.name}"
            saved.append(name)
            if not own.keeps(name, figure_digest(drawn)):
                save(own.figure(name), drawn)

        drawing = drawing_of(compared, folder / "figures", save_own)
        drawing = drawing._replace(annotations=real_annotations(compared.cells))
        content = _content(drawing, compared)
        content = dataclasses.replace(content, config=config_text, command=command)
        shown = shown_sections(content)
    write_atomically(own.file("report.html"), report(content, shown, len(saved)))
    known = compared.statistics
    for decision in known.chosen:
        log.info("%s: %s", decision.grammar, " ".join(at_sentences(decision, known)))
    log.info("%s: %d cells", folder / "report.html", len(compared.tables.status))
    return compared


def _prevalence(settings: Mapping[str, Any], config: Path | None) -> float | None:
    """Return the share of positives where the user will use the model, if the config names one."""
    share = settings.get("at_prevalence")
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise bad_input(config or "", "at_prevalence", f"is {share}; expected a share such as 0.01")
    return float(share)


def _content(drawing: Drawing, compared: Comparison) -> Content:
    """Draw all figures and return what the report says."""
    known, tuned = compared.statistics, compared.tuned
    first, more = draw_answer(drawing, compared.standing)
    overview = [*draw_overview(drawing), *draw_runs(drawing, known)]
    sections = _sections(drawing, known, compared.grammars)
    decisions = {decision.grammar: decision for decision in known.decisions}
    named = {name: decision.label for name, decision in decisions.items()}
    rules = dict(sentences(compared.rule_card, compared.rules, named))
    found = answers(
        compared.sizes,
        compared.reached,
        _mean_recovery(drawing),
        decisions,
        grammar_evidence(known),
    )
    return Content(
        compared=compared,
        drawing=drawing,
        answers=[answer._replace(rules=rules.get(answer.grammar, "")) for answer in found],
        method=drawing.method,
        metric=drawing.metric,
        target=drawing.target,
        sizes=compared.sizes,
        needed=compared.reached,
        status=drawing.tables.status,
        runs=drawing.tables.runs,
        overview=overview,
        sections=sections,
        config="",
        command="",
        question=compared.question,
        screen=compared.answer,
        few=compared.few,
        first=first,
        more=[*more, *draw_calibration(drawing, compared.calibration)],
        tuned=tuned,
    )


def _sections(
    drawing: Drawing, known: Statistics, grammars: Mapping[str, Grammar]
) -> list[Section]:
    decisions = {decision.grammar: decision for decision in known.decisions}
    sections = []
    for grammar in sorted({cell.grammar for cell in drawing.cells}):
        section = draw_grammar(drawing, grammar)
        if grammar in decisions:
            decision = decisions[grammar]
            more = draw_confusion(drawing, decision, grammars.get(grammar))
            more += draw_histories(drawing, decision)
            section = section._replace(pictures=[*section.pictures, *more])
        sections.append(section)
    return sections


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad_input(path, "", f"cannot be read ({error})") from None


def _mean_recovery(drawing: Drawing) -> pd.DataFrame:
    models = models_only(drawing.tables.recovery)
    shown = recovery_runs(models, drawing.method, drawing.metric)
    return shown.groupby(["grammar", "size", "label"], as_index=False).agg(mean=("value", "mean"))
