"""The verb compare: tables, figures and the report of a grid, whole or partial."""

from __future__ import annotations

import dataclasses
import logging
import re
from pathlib import Path

import pandas as pd

from seqgra.compare.answers import answers
from seqgra.compare.figures import (
    RECOVERY_METRIC,
    Drawing,
    Roles,
    draw_grammar,
    draw_overview,
    recovery_runs,
)
from seqgra.compare.tables import (
    Tables,
    build_tables,
    examples_needed,
    models_only,
    read_cells,
    summary,
    write_tables,
)
from seqgra.errors import bad_input
from seqgra.fingerprint import write_atomically
from seqgra.plot.page import Picture
from seqgra.plot.report import Content, report
from seqgra.plot.style import looks
from seqgra.yamlfile import read_yaml

#: The PR AUC that counts as having learnt the task.
TARGET = 0.95

_OWN_FIGURE = re.compile(r"(?P<stem>pr-auc|recovery|(roc-pr|agreement)-.+)\.(svg|pdf|png)")

log = logging.getLogger(__name__)


def compare(
    cells: Path,
    folder: Path,
    *,
    config: Path | None,
    roles: Roles,
    method: str = "integrated-gradients",
) -> str:
    """Write the tables, figures and report of a grid; always anew, since it is cheap.

    Equal inputs give equal bytes, but for ``tables/runs.*`` and ``report.html``, which hold times.

    Parameters
    ----------
    cells
        The cells file, see `tables.CELL_COLUMNS`.
    folder
        Gets tables/, figures/ and report.html.
    config
        The grid's config file, quoted in the report.
    roles
        ``roles(dataset, set_name, rows, explained)`` -> uint8 (K, L): what each position of test
        examples is to the condition explained (see `plot.agreement.Panel`).
    method
        The attribution method shown; the first one there is where no cell has it.

    Returns
    -------
    str
        ``done``.

    Raises
    ------
    InputError
        If the cells file or the config cannot be read, or a finished noun is damaged.
    """
    listed = read_cells(cells)
    config_text = _read_text(config) if config else ""
    question = str(read_yaml(config).get("question", "")) if config else ""
    tables = build_tables(listed)
    write_tables(tables, folder / "tables")
    labels, tables = _labelled(tables)
    drawing = Drawing(
        cells=listed,
        tables=tables,
        looks=looks({label: backend for (_, backend), label in labels.items()}),
        folder=folder / "figures",
        roles=roles,
        method=_prefer(method, tables.recovery["method"]),
        metric=_prefer(RECOVERY_METRIC, tables.recovery["metric"]),
        target=TARGET,
    )
    sizes = _label(summary(models_only(tables.scores)), labels)
    needed = _label(examples_needed(models_only(tables.scores), TARGET), labels)
    grid = f" --grid {config}" if config else ""
    command = f"seqgra compare{grid} --cells {cells} -o {folder}"
    content = _content(drawing, sizes, needed, config_text, command)
    content = dataclasses.replace(content, question=question)
    write_atomically(folder / "report.html", report(content))
    log.info("%s: %d cells", folder / "report.html", len(listed))
    return "done"


def _content(
    drawing: Drawing, sizes: pd.DataFrame, needed: pd.DataFrame, config: str, command: str
) -> Content:
    """Draw all figures and return what the report says."""
    overview = draw_overview(drawing)
    grammars = sorted({cell.grammar for cell in drawing.cells})
    sections = [draw_grammar(drawing, grammar) for grammar in grammars]
    _remove_others(drawing.folder, [*overview, *(p for s in sections for p in s.pictures)])
    return Content(
        answers=answers(sizes, needed, _mean_recovery(drawing)),
        method=drawing.method,
        metric=drawing.metric,
        target=drawing.target,
        sizes=sizes,
        needed=needed,
        status=drawing.tables.status,
        runs=drawing.tables.runs,
        overview=overview,
        sections=sections,
        config=config,
        command=command,
    )


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
    pairs = zip(table["architecture"], table["backend"], strict=True)
    return table.assign(label=pd.Series([labels[p] for p in pairs], table.index, dtype="str"))


def _prefer(wanted: str, there: pd.Series) -> str:
    names = sorted(there.unique())
    return wanted if wanted in names or not names else names[0]


def _mean_recovery(drawing: Drawing) -> pd.DataFrame:
    models = models_only(drawing.tables.recovery)
    shown = recovery_runs(models, drawing.method, drawing.metric)
    return shown.groupby(["grammar", "size", "label"], as_index=False).agg(mean=("value", "mean"))


def _remove_others(folder: Path, pictures: list[Picture]) -> None:
    """Remove figures of an earlier grid, so that the folder shows this one only."""
    names = {picture.stem.name for picture in pictures}
    for path in folder.iterdir() if folder.is_dir() else ():
        ours = _OWN_FIGURE.fullmatch(path.name)
        if ours and ours["stem"] not in names:
            path.unlink()
