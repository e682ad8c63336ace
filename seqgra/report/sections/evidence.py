"""What shows, or does not, that the answers hold, and what to read with care."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd

from seqgra.compare.answer import Answer
from seqgra.compare.decide import TIE, Decision
from seqgra.compare.efficiency import size_words
from seqgra.report.answers import facts
from seqgra.report.drawing import Drawing
from seqgra.report.figures.answer import draw_answer
from seqgra.report.figures.calibration import draw_calibration
from seqgra.report.figures.runs import draw_at
from seqgra.report.page import TableRow, number, percent
from seqgra.report.sections import Section, ShownSection
from seqgra.report.tuned import tuned_facts
from seqgra.results import MACRO


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    compared = drawing.compared
    known, rows = compared.statistics, compared.standing
    answers = compared.answer
    runs = [answer.runs for answer in answers]
    context = {
        "answers": [
            _facts(answer, rows[rows["grammar"] == answer.grammar])
            | {"annotation": drawing.annotations.get(answer.grammar, "")}
            | facts(known.asked[answer.grammar], known)
            for answer in answers
        ],
        "at": known.at,
        "tie": TIE,
        "without": sorted(set(known.runs["grammar"]) - {d.grammar for d in known.chosen}),
        "pictures": [
            *draw_answer(drawing, every=True),
            *draw_at(drawing),
            *draw_calibration(drawing),
        ],
        "fewest_runs": min(runs, default=0),
        "most_runs": max(runs, default=0),
        "averaged": any(answer.scope == MACRO for answer in answers),
        "with_recovery": len(rows) > 0 and bool(rows["recovery"].notna().any()),
        "metric": compared.metric,
        "method": compared.method,
        "tuned": tuned_facts(compared.tuned),
        "rows": [_row(row, known.asked[row["grammar"]]) for row in rows.to_dict("records")],
    }
    yield ShownSection("evidence", "How sure", context)


def _facts(answer: Answer, rows: pd.DataFrame) -> dict[str, Any]:
    """Return what is known of an answer beside `answers.facts`; `rows`: of `standing` of its grammar."""
    own: Any = rows.iloc[0]
    recovery = rows.set_index("label")["recovery"].dropna()
    baselines = rows[rows["baseline"] & ~rows["named"]].set_index("label")["mean"]
    others = rows[~rows["named"]]
    return {
        "scope": answer.scope,
        "baseline": bool(own["baseline"]),
        "recovery": float(own["recovery"]),
        "recovery_size": own["recovery_size"],
        "top_recovery": (recovery.idxmax(), recovery.max()) if len(recovery) else None,
        "top_baseline": (baselines.idxmax(), baselines.max()) if len(baselines) else None,
        "failed": answer.failed,
        "runs": answer.runs,
        "equals": others.loc[others["mean"] >= rows["mean"].max() - TIE, "label"].tolist(),
    }


def _row(row: Mapping[Hashable, Any], decision: Decision) -> TableRow:
    """Return a row of the table of all architectures; `row`: of `standing`."""
    other: Any = decision.others.set_index("label").loc[row["label"]]
    behind = "" if row["named"] else number(other["behind"], "z.3f")
    needed = size_words(row["needed"], row["smallest"], row["largest"])
    cells = [
        row["grammar"],
        row["label"],
        f"{row['mean']:.3f}",
        _ends(row["low"], row["high"], ".3f"),
        behind,
        "" if row["named"] else _ends(other["behind_low"], other["behind_high"], "z.3f"),
        percent(other["best"]),
        number(other["regret"], ".3f"),
        "" if math.isnan(row["needed"]) else needed,
        number(row["recovery"], ".2f"),
        f"{row['failed']} of {row['runs']}",
        f"{row['size']:,}",
    ]
    return TableRow(cells, row["grammar"], row["label"])


def _ends(low: float, high: float, form: str) -> str:
    return "" if math.isnan(low) else f"{low:{form}} to {high:{form}}"


SECTION = Section(20, "evidence.html.j2", _shown)
