"""Mean ranks over grammars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from seqgra.plot.style import FAINT, INK, Look, headline, new_figure, styled, wrap
from seqgra.report.drawing import Drawing, save_figure
from seqgra.report.page import Picture, caption


def draw_ranking(drawing: Drawing) -> list[Picture]:
    """Draw mean ranks over all grammars, where there are enough to rank."""
    known = drawing.compared.statistics
    pictures = []
    for number, (name, found) in enumerate(known.across.items()):
        title = f"Mean ranks over {len(found.grammars)} grammars ({name})"
        stem = save_figure(
            drawing, f"ranking-{number}", ranking, found.ranks, found.cliques, drawing.looks, title
        )
        facts = {"grammars": len(found.grammars), "least": found.least, "crossed": found.crossed}
        words = caption("ranking", **facts)
        pictures.append(Picture(stem, title, words))
    return pictures


def ranking(
    ranks: pd.Series, cliques: Sequence[Sequence[str]], looks: Mapping[str, Look], title: str
) -> Figure:
    """Draw mean ranks over grammars; bars join architectures that do not differ significantly.

    Parameters
    ----------
    ranks
        Mean rank by label, sorted.
    cliques
        Labels that a bar joins.
    looks
        How each label is drawn.
    title
        Of the figure.
    """
    with styled(grid=False):
        many = len(ranks)
        figure = new_figure(7.4, 0.24 * many + 0.16 * len(cliques) + 1.25)
        axis = figure.subplots()
        for y, (label, rank) in enumerate(ranks.items()):
            look = looks[str(label)]
            axis.plot([1, rank], [-y, -y], color="#dddddd", lw=0.8, zorder=1)
            axis.scatter(rank, -y, s=34, marker=look.marker, color=look.color, zorder=3)
            axis.text(
                rank + 0.012 * many + 0.06, -y, f"{rank:.2f}", va="center", fontsize=8, color=FAINT
            )
        places = {str(label): rank for label, rank in ranks.items()}
        for i, clique in enumerate(cliques):
            x = [places[label] for label in clique]
            axis.plot([min(x) - 0.03, max(x) + 0.03], [0.75 + 0.55 * i] * 2, color=INK, lw=3.2)
        axis.set_yticks([-y for y in range(many)], [wrap(str(name), 40) for name in ranks.index])
        axis.set_ylim(-many + 0.4, 0.85 + 0.55 * len(cliques))
        axis.set_xlim(0.9, many + 0.35)
        axis.set_xticks(range(1, many + 1))
        axis.set_xlabel("mean rank over grammars (1: best); thick bars: no significant difference")
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
        headline(figure, title)
    return figure
