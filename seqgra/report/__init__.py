"""The report of a grid, whole or partial: its tables, figures and page; what `seqgra compare` writes."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from seqgra.compare.calibration import calibration
from seqgra.compare.ceiling import ceiling_kinds, restricted
from seqgra.compare.cells import KEYS, Cell, read_cells
from seqgra.compare.decide import Statistics, statistics
from seqgra.compare.probes import (
    needed_for_rules,
    property_scores,
    rule_card,
    rule_scores,
    sentences,
)
from seqgra.compare.runs import curve_runs
from seqgra.compare.stages import content_of, current, look_at_model, look_at_scores
from seqgra.compare.standing import standing
from seqgra.compare.tables import (
    Tables,
    build_tables,
    examples_needed,
    headlines,
    models_only,
    summary,
    write_tables,
)
from seqgra.compare.tuning import tuning_table
from seqgra.dataset import open_dataset
from seqgra.errors import bad_input
from seqgra.fingerprint import read_run, write_atomically
from seqgra.grammar.schema import Grammar
from seqgra.outputs import OwnFiles, own_files
from seqgra.plot.saving import saver
from seqgra.plot.style import looks
from seqgra.report.answers import answers
from seqgra.report.content import Content, Section
from seqgra.report.drawing import RECOVERY_METRIC, Drawing, by_cell, recovery_runs
from seqgra.report.figures.answer import draw_answer, draw_calibration, named_cells
from seqgra.report.figures.decision import (
    draw_at,
    draw_concordance,
    draw_confusion,
    draw_fits,
    draw_histories,
    draw_noise,
    draw_pareto,
    draw_ranking,
    draw_runs,
)
from seqgra.report.figures.grammar import draw_grammar
from seqgra.report.figures.overview import draw_overview
from seqgra.report.figures.recovery import real_annotations
from seqgra.report.first import First, few_seeds, first_screen
from seqgra.report.render import report
from seqgra.report.sections.architectures import architectures_block
from seqgra.report.sections.concordance import concordance_block
from seqgra.report.sections.methods import methods_block
from seqgra.report.sections.rules import probes_block
from seqgra.report.sections.statistics import (
    at_block,
    best_block,
    decision_table,
    grammar_evidence,
    needed_block,
    pair_table,
)
from seqgra.report.words import at_sentences
from seqgra.results import read_scores
from seqgra.yamlfile import read_yaml

#: The cells of a grid, written beside what is made of them.
CELLS_FILE = "cells.csv"
#: The PR AUC that counts as having learnt the task.
TARGET = 0.95

log = logging.getLogger(__name__)


def write_report(
    cells: Path | str,
    folder: Path,
    *,
    config: Path | None,
    method: str = "integrated-gradients",
    at: int | None = None,
    workers: int = 1,
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

    Returns
    -------
    str
        ``done``.

    Raises
    ------
    InputError
        If the cells file or the config cannot be read, a finished noun is damaged, or the folder holds a file
        of the user's where one of these goes.
    """
    with own_files(folder, "compare", lambda: _is_compared(folder)) as own:
        if isinstance(cells, str):
            file = own.file(CELLS_FILE)
            write_atomically(file, cells)
        else:
            file = cells
            own.keep(CELLS_FILE)
        _write(file, own, config, method, at, workers)
    return "done"


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
) -> None:
    """Write all files; see `write_report`."""
    folder, listed = own.folder, read_cells(cells)
    config_text = _read_text(config) if config else ""
    settings = read_yaml(config) if config else {}
    question = str(settings.get("question", ""))
    at = settings.get("at") if at is None else at
    tables = build_tables(listed, prevalence=_prevalence(settings, config))
    readable = current(listed)
    tuned = tuning_table(readable)
    kinds, less = ceiling_kinds(readable), restricted(readable)
    gathered = {**tables._asdict(), "ceilings": less, "tuning": tuned}
    write_tables(gathered, own)
    labels, tables = _labelled(tables)
    seeds = tables.status[[*KEYS, "seeds"]]
    tables = tables._replace(probes=tables.probes.merge(seeds, on=list(KEYS), how="left"))
    scores = property_scores(tables.probes)
    rules_needed = needed_for_rules(scores, tables.status)
    card = rule_card(scores)
    gathered = {
        "rules": rule_scores(tables.probes),
        "rules-needed": rules_needed,
        "rule-card": card,
    }
    write_tables(gathered, own)
    drawing = Drawing(
        cells=readable,
        tables=tables,
        looks=looks({label: backend for (_, backend), label in labels.items()}),
        folder=folder / "figures",
        method=_prefer(method, tables.recovery["method"]),
        metric=_prefer(RECOVERY_METRIC, tables.recovery["metric"]),
        target=TARGET,
        kinds=kinds,
        less=less,
        labels=by_cell(tables.status, "label"),
        outcomes=by_cell(tables.status, "status"),
        annotations=real_annotations(readable),
    )
    grammars, real = resolved_grammars(readable)
    runs = curve_runs(tables, kinds)
    known = statistics(runs, grammars, _checked(at, tables.status), real)
    write_tables(_statistics_tables(known), own)
    rows = _standing(drawing, known, card)
    calibrated = calibration(named_cells(drawing, rows))
    write_tables({"answer": rows, "calibration": calibrated}, own)
    sizes = _label(summary(models_only(tables.scores)), labels)
    needed = _label(examples_needed(models_only(tables.scores), TARGET), labels)
    tuned = _label(tuned, labels)
    with saver(workers) as save:

        def save_own(figure: Figure, stem: Path) -> None:
            save(figure, own.figure(f"figures/{stem.name}"))

        drawn = drawing._replace(save=save_own)
        content = _content(drawn, known, grammars, sizes, needed, tuned)
        first, more = draw_answer(drawn, rows)
        content = dataclasses.replace(
            content,
            screen=_screen(drawn, known, rows),
            few=few_seeds(known),
            first=first,
            more=[*more, *draw_calibration(drawn, calibrated)],
            blocks=[*content.blocks, *probes_block(drawn, scores, rules_needed)],
        )
    grid = f" --grid {config}" if config else ""
    command = f"seqgra compare{grid} --cells {cells} -o {folder}"
    command += f" --at {at}" if at is not None else ""
    content = dataclasses.replace(content, question=question, config=config_text, command=command)
    write_atomically(own.file("report.html"), report(content))
    for decision in known.chosen:
        log.info("%s: %s", decision.grammar, " ".join(at_sentences(decision, known)))
    log.info("%s: %d cells", folder / "report.html", len(listed))


def _checked(at: int | None, status: pd.DataFrame) -> int | None:
    """Return the user's size if the grid holds it."""
    sizes = sorted(size for size in status["size"].unique() if size)
    if at is not None and not (sizes and sizes[0] <= at <= sizes[-1]):
        span = f"{sizes[0]:,} to {sizes[-1]:,}" if sizes else "none"
        message = f"{at:,} examples are outside the grid's sizes ({span}); add sizes around it"
        raise bad_input("compare", "--at", message)
    return at


def _prevalence(settings: Mapping[str, Any], config: Path | None) -> float | None:
    """Return the share of positives where the user will use the model, if the config names one."""
    share = settings.get("at_prevalence")
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise bad_input(config or "", "at_prevalence", f"is {share}; expected a share such as 0.01")
    return float(share)


def _standing(drawing: Drawing, known: Statistics, card: pd.DataFrame) -> pd.DataFrame:
    """Return the row of every architecture on every grammar; `card`: from `rule_card`."""
    recovery = recovery_runs(models_only(drawing.tables.recovery), drawing.method, drawing.metric)
    return standing(known, recovery, card, drawing.tables.prevalence)


def _screen(drawing: Drawing, known: Statistics, rows: pd.DataFrame) -> list[First]:
    """Return the sentences of the first screen."""
    if rows.empty:
        return []
    heads = headlines(drawing.tables.scores).groupby("grammar")["scope"].first()
    named = rows[rows["named"]]
    labels = dict(zip(named["grammar"].map(str), named["label"].map(str), strict=True))
    rules = dict(sentences(drawing.tables.probes, labels))
    scopes = {str(grammar): str(scope) for grammar, scope in heads.items()}
    return first_screen(rows, known, drawing.less, scopes, rules)


def _statistics_tables(known: Statistics) -> dict[str, pd.DataFrame]:
    return {
        "needed": known.needed,
        "ranking": decision_table(known),
        "pairs": pair_table(known),
        "variance": known.variance,
        "stability": known.stability,
        "concordance": known.concordance,
        "noise": known.noise,
    }


def _content(
    drawing: Drawing,
    known: Statistics,
    grammars: Mapping[str, Grammar],
    sizes: pd.DataFrame,
    needed: pd.DataFrame,
    tuned: pd.DataFrame,
) -> Content:
    """Draw all figures and return what the report says."""
    overview = [*draw_overview(drawing), *draw_runs(drawing, known)]
    sections = _sections(drawing, known, grammars)
    blocks = (
        []
        if known.runs.empty
        else [
            *at_block(known, draw_at(drawing, known)),
            needed_block(
                known,
                [
                    *draw_fits(drawing, known),
                    *draw_pareto(drawing, known),
                    *draw_noise(drawing, known),
                ],
            ),
            best_block(known, draw_ranking(drawing, known)),
            *(
                [concordance_block(known.concordance, known.at, draw_concordance(drawing, known))]
                if len(known.concordance)
                else []
            ),
            architectures_block(drawing, known, tuned),
            methods_block(drawing, known, _test_sizes(drawing.cells), len(tuned) > 0),
        ]
    )
    decisions = {decision.grammar: decision for decision in known.decisions}
    named = {name: decision.label for name, decision in decisions.items()}
    rules = dict(sentences(drawing.tables.probes, named))
    found = answers(sizes, needed, _mean_recovery(drawing), decisions, grammar_evidence(known))
    return Content(
        answers=[answer._replace(rules=rules.get(answer.grammar, "")) for answer in found],
        method=drawing.method,
        metric=drawing.metric,
        target=drawing.target,
        sizes=sizes,
        needed=needed,
        status=drawing.tables.status,
        runs=drawing.tables.runs,
        overview=overview,
        sections=sections,
        config="",
        command="",
        blocks=blocks,
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


def resolved_grammars(cells: list[Cell]) -> tuple[dict[str, Grammar], set[str]]:
    """Return the grammars whose test sets are there, by name, and the names of real datasets."""
    folders = {cell.grammar: cell.test for cell in cells}
    there = {n: open_dataset(folder) for n, folder in folders.items() if read_run(folder)}
    grammars = {name: dataset.grammar for name, dataset in there.items() if dataset.simulated}
    return grammars, there.keys() - grammars.keys()


def _test_sizes(cells: list[Cell]) -> list[int]:
    """Return how many examples of each test set were scored; one that has grown holds more."""
    found: dict[Path, int] = {}
    for cell in cells:
        if cell.test in found:
            continue
        evaluated = look_at_scores(cell, look_at_model(cell))
        _, scores = content_of(evaluated, cell.scores, read_scores)
        if scores:
            found[cell.test] = scores["examples"]
    return list(found.values())


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad_input(path, "", f"cannot be read ({error})") from None


def _labelled(tables: Tables) -> tuple[dict[tuple[str, str], str], Tables]:
    """Add a column label: the architecture, with its backend where it has several."""
    pairs = tables.status[["architecture", "backend"]].drop_duplicates()
    several = set(pairs["architecture"][pairs["architecture"].duplicated()])
    labels = {
        (name, backend): f"{name} ({backend})" if name in several else name
        for name, backend in pairs.itertuples(index=False)
    }
    return labels, Tables(*(_label(table, labels) for table in tables))


def _label(table: pd.DataFrame, labels: dict[tuple[str, str], str]) -> pd.DataFrame:
    pairs = zip(table["architecture"].tolist(), table["backend"].tolist(), strict=True)
    return table.assign(label=pd.Series([labels[p] for p in pairs], table.index, dtype="str"))


def _prefer(wanted: str, there: pd.Series) -> str:
    names = sorted(there.unique())
    return wanted if wanted in names or not names else names[0]


def _mean_recovery(drawing: Drawing) -> pd.DataFrame:
    models = models_only(drawing.tables.recovery)
    shown = recovery_runs(models, drawing.method, drawing.metric)
    return shown.groupby(["grammar", "size", "label"], as_index=False).agg(mean=("value", "mean"))
