"""Whether architectures keep the order that simulated examples give them on real ones."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.compare.concordance import shown_rows
from seqgra.report.drawing import Drawing
from seqgra.report.figures.concordance import draw_concordance
from seqgra.report.page import number, percent
from seqgra.report.sections import Section, ShownSection


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    known = drawing.compared.statistics
    table = known.concordance
    if table.empty:
        return
    rows = [
        [
            str(row["grammar"]),
            str(row["dataset"]),
            f"{row['size']:,}",
            str(row["labels"]),
            number(row["tau"], ".2f"),
            number(row["p"], ".2g"),
            f"{row['same']} of {row['pairs']}",
            str(row["best"]),
            str(row["best_real"]),
            percent(row["same_best"]),
        ]
        for row in table.to_dict("records")
    ]
    context = {
        "shown": shown_rows(table, known.at).to_dict("records"),
        "pictures": draw_concordance(drawing),
        "rows": rows,
    }
    yield ShownSection("real", "Simulated and real", context)


SECTION = Section(38, "real.html.j2", _shown)
