"""What holds across grammars, where the spread comes from, and what changes the order of architectures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from seqgra.compare.ranking import ALPHA, Across
from seqgra.compare.resample import FEWEST_MODEL_SEEDS, FEWEST_SEEDS
from seqgra.report.drawing import Drawing
from seqgra.report.figures.ranking import draw_ranking
from seqgra.report.page import number, percent
from seqgra.report.sections import Section, ShownSection


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    known = drawing.compared.statistics
    if known.runs.empty:
        return
    largest = known.variance["size"].max() if len(known.variance) else math.nan
    spread = known.variance[known.variance["size"] == largest].to_dict("records")
    context = {
        "families": [family_facts(name, found) for name, found in known.across.items()],
        "grammars": known.runs["grammar"].nunique(),
        "at": known.at,
        "alpha": ALPHA,
        "fewest_seeds": FEWEST_SEEDS,
        "fewest_model_seeds": FEWEST_MODEL_SEEDS,
        "pictures": draw_ranking(drawing),
        "largest": largest,
        "variance": [
            [
                str(row["component"]),
                f"{math.sqrt(row['variance']):.4f}",
                percent(row["share"]),
                str(row["levels"]),
            ]
            for row in spread
        ],
        "stability": [
            [
                *(str(row[name]) for name in ("grammar", "other", "field")),
                number(row["tau"], ".2f"),
                *(str(row[name]) for name in ("best", "best_other")),
                f"{row['shift']:.3f}",
            ]
            for row in known.stability.to_dict("records")
        ],
    }
    yield ShownSection("best", "Across grammars", context)


def family_facts(name: str, found: Across) -> dict[str, Any]:
    """Return what a family of grammars shows of architectures; a grammar is a block."""
    first = str(found.ranks.index[0])
    pairs = found.p_values
    own = pairs[(pairs["label"] == first) | (pairs["other"] == first)]
    alike = {*own.loc[~(own["p"] <= ALPHA), ["label", "other"]].to_numpy().ravel()} - {first}
    return {
        "name": name,
        "grammars": len(found.grammars),
        "first": first,
        "rank": float(found.ranks.iloc[0]),
        "crossed": found.crossed,
        "least": found.least,
        "labels": len(found.ranks),
        "left_out": found.left_out,
        "alike": [label for label in found.ranks.index if label in alike],
        "beaten": len(found.ranks) - 1 - len(alike),
    }


SECTION = Section(36, "best.html.j2", _shown)
