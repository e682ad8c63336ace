"""Numbers of tuned optimiser settings; their sentences stand in templates/tuned.j2."""

from __future__ import annotations

from typing import Any

import pandas as pd

from seqgra.report.page import number

_SHOWN = ("optimizer", "validation_loss", "status")


def tuned_facts(tuned: pd.DataFrame) -> dict[str, Any] | None:
    """Return how optimisers were chosen, and where no candidate had learnt; None where nothing was tuned.

    Parameters
    ----------
    tuned
        `compare.tuning.tuning_table`, with a column label.
    """
    if tuned.empty:
        return None
    picked = tuned[tuned["chosen"]]
    lost = picked[picked["status"] == "collapsed"]
    counts = tuned.groupby(["grammar", "size", "label"]).size().unique()
    return {
        "candidates": sorted(counts.tolist()),
        "choices": len(picked),
        "epochs": int(picked["epochs"].max()),
        "lost": len(lost),
        "lost_labels": sorted(set(lost["label"])),
    }


def tuned_rows(tuned: pd.DataFrame) -> list[list[str]]:
    """Return what was picked for each network, grammar and size, and what was not; see `tuned_facts`."""
    rows = []
    for (grammar, label, size), group in tuned.groupby(["grammar", "label", "size"], sort=True):
        chosen = group[group["chosen"]].iloc[0]
        others = group[~group["chosen"]].sort_values("validation_loss", kind="stable")
        said = "; ".join(_said(*row) for row in others[list(_SHOWN)].itertuples(index=False))
        loss = number(chosen["validation_loss"], ".4f")
        rows.append([str(grammar), str(label), f"{size:,}", chosen["optimizer"], loss, said])
    return rows


def _said(optimizer: str, loss: float, status: str) -> str:
    return f"{optimizer}: {'diverged' if status == 'diverged' else number(loss, '.4f')}"
