"""The section that compares simulated with real examples."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from seqgra.compare.concordance import shown_rows
from seqgra.report.content import Block
from seqgra.report.page import Picture, Row, Table, percent


def concordance_sentences(table: pd.DataFrame, at: int | None) -> list[tuple[str, str]]:
    """Return what the table says, with the dataset that each sentence is about."""
    found = []
    for row in shown_rows(table, at).to_dict("records"):
        known = row["of"] == "interval"
        ends = f" (95 % interval {row['low']:.2f} to {row['high']:.2f})" if known else ""
        words = (
            f"At {row['size']:,} examples {row['grammar']} orders {row['labels']} architectures like "
            f"{row['dataset']} with Kendall's tau {row['tau']:.2f}{ends}; so strong an order comes about by "
            f"chance with p = {row['p']:.2g}. "
        )
        words += (
            f"{row['best']} has the highest mean on both."
            if row["best"] == row["best_real"]
            else f"{row['best']} has the highest mean when simulated, {row['best_real']} on real examples."
        )
        words += "" if known else " Too few seeds for an interval."
        found.append((words, str(row["dataset"])))
    return found


def concordance_block(table: pd.DataFrame, at: int | None, pictures: Sequence[Picture]) -> Block:
    """Return the report's section: sentences, the figure, and the table of all sizes.

    Parameters
    ----------
    table
        From `concordance`.
    at
        The user's size; None if not asked.
    pictures
        The figure.
    """
    rows = [
        Row(
            [
                str(row["grammar"]),
                str(row["dataset"]),
                f"{row['size']:,}",
                str(row["labels"]),
                f"{row['tau']:.2f}",
                "" if row["of"] == "none" else f"{row['low']:.2f} to {row['high']:.2f}",
                f"{row['p']:.2g}",
                str(row["best"]),
                str(row["best_real"]),
                percent(row["same_best"]),
            ]
        )
        for row in table.to_dict("records")
    ]
    heads = ["simulated", "real", "size", "architectures", "Kendall's tau", "interval", "p"]
    heads += ["best simulated", "best real", "same best"]
    caption = (
        "Whether architectures keep their order on real examples: tau of mean PR AUC, 1 the same order, "
        "-1 the reverse; its 95 % interval over draws of each side's means (Student's t over seeds); p of so "
        "strong an order by chance. The interval knows of these architectures only."
    )
    sentences = concordance_sentences(table, at)
    shown = Table(heads, rows, 2, caption)
    return Block("real", "Simulated and real", sentences, [shown], pictures)
