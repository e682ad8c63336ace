"""How many examples every architecture needs, and how many wrong labels it tolerates."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from seqgra.compare.efficiency import TAUS, size_words
from seqgra.compare.resample import FEWEST_MODEL_SEEDS, FEWEST_SEEDS
from seqgra.report.drawing import Drawing
from seqgra.report.figures.fits import draw_fits
from seqgra.report.figures.noise import draw_noise
from seqgra.report.figures.pareto import draw_pareto
from seqgra.report.page import TableRow, number, percent
from seqgra.report.sections import Section, ShownSection


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    known = drawing.compared.statistics
    if known.runs.empty:
        return
    table = known.needed
    context = {
        "fewest_seeds": FEWEST_SEEDS,
        "fewest_model_seeds": FEWEST_MODEL_SEEDS,
        "perfect": sorted(table.loc[table["reference"] == "perfect", "grammar"].unique()),
        "pictures": [
            *draw_fits(drawing),
            *draw_pareto(drawing),
            *draw_noise(drawing),
        ],
        "shares": [percent(tau) for tau in TAUS],
        "rows": [
            _row([str(name) for name in key], group)
            for key, group in table.groupby(["grammar", "label", "version"])
        ],
        "noise": [_noise_row(row) for row in known.noise.to_dict("records")],
    }
    yield ShownSection("needed", "Examples needed", context)


def _row(names: list[str], group: pd.DataFrame) -> TableRow:
    """Return what one architecture needs on one grammar, by the share of the way to the ceiling."""
    by_tau = {round(row.tau, 4): row for row in group.itertuples()}  # type: ignore[arg-type]
    first = group.iloc[0]
    small, large = int(first["smallest"]), int(first["largest"])
    words = [size_words(float(by_tau[tau].needed), small, large) for tau in TAUS]  # type: ignore[arg-type]
    low, high = (size_words(float(first[end]), small, large) for end in ("low", "high"))
    ends = low if low == high else f"{low} to {high}"
    of = "" if first["of"] == "interval" or low == high else " (range)"
    reach = f"{first['reached']} of {first['curves']}"
    cells = [*names, *words, f"{ends}{of}", reach, number(first["alc"], ".2f")]
    return TableRow(cells, names[0], names[1])


def _noise_row(row: Mapping[Hashable, Any]) -> TableRow:
    rate, label = row["rate"], str(row["label"])
    cells = [
        str(row["grammars"]),
        label,
        f"{row['size']:,}",
        "none of the grid's" if pd.isna(rate) else f"{100 * rate:.1f} %",
        f"{100 * row['highest']:.1f} %",
        str(row["runs"]),
    ]
    return TableRow(cells, "", label)


SECTION = Section(34, "needed.html.j2", _shown)
