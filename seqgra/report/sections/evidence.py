"""What shows, or does not, that the answers hold, and what to read with care."""

from __future__ import annotations

import math
from collections.abc import Iterable

from seqgra.report.content import Answer, Content
from seqgra.report.page import number
from seqgra.report.sections import Section, Shown
from seqgra.report.tuned import tuned_facts
from seqgra.results import MACRO, MICRO


def _shown(content: Content) -> Iterable[Shown]:
    answers = content.answers
    runs = [answer.runs for answer in answers]
    heads = ["grammar", "named first", "at size", "PR AUC", "constant", "range", "runs"]
    yield Shown(
        "evidence",
        "How sure",
        {
            "answers": answers,
            "pictures": content.more,
            "fewest_runs": min(runs, default=0),
            "most_runs": max(runs, default=0),
            "averaged": any(answer.scope == MACRO for answer in answers),
            "with_recovery": len(content.overview) > 1,
            "metric": content.metric,
            "method": content.method,
            "tuned": tuned_facts(content.tuned),
            "heads": [*heads, f"needs for {content.target:g}", "recovery"],
            "rows": [_row(answer) for answer in answers],
        },
    )


def _row(answer: Answer) -> list[str]:
    return [
        answer.grammar,
        answer.label,
        f"{answer.size:,}",
        f"{answer.mean:.3f}{'' if answer.scope == MICRO else f' ({answer.scope})'}",
        number(answer.chance, ".3f"),
        f"{answer.low:.3f} to {answer.high:.3f}",
        str(answer.runs),
        f"{answer.needed:,}" if answer.needed else f"> {answer.size:,}",
        "" if math.isnan(answer.recovery) else f"{answer.recovery:.2f}",
    ]


SECTION = Section(20, "evidence.html.j2", _shown)
