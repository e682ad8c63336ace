"""What the report says of tuned optimiser settings."""

from __future__ import annotations

from html import escape

import pandas as pd

from seqgra.report.page import count, number, table


def tuned_note(tuned: pd.DataFrame) -> str:
    """Return a paragraph for beside the answer; nothing where nothing was tuned.

    Parameters
    ----------
    tuned
        `compare.tuning.tuning_table`, with a column label.
    """
    if tuned.empty:
        return ""
    counts = tuned.groupby(["grammar", "size", "label"]).size().unique()
    many = " or ".join(str(count) for count in sorted(counts))
    return (
        '<p class="soft"><strong>Tuned.</strong> The optimiser of each network was chosen among '
        f"{many} candidates for every grammar and size, by validation loss on a data seed that is used for "
        f'nothing else; <a href="#reproduce">what was picked</a>.{_unlearnt(tuned)}</p>'
    )


def _unlearnt(tuned: pd.DataFrame) -> str:
    """Warn of choices among candidates of which not even the best had learnt."""
    picked = tuned[tuned["chosen"]]
    lost = picked[picked["status"] == "collapsed"]
    if lost.empty:
        return ""
    names = ", ".join(sorted(set(lost["label"])))
    return (
        f" <strong>In {len(lost)} of {count(len(picked), 'choice')}</strong> ({escape(names)}) not even the "
        f"candidate that was picked had learnt after at most {picked['epochs'].max()} epochs: the choice "
        "there is as good as chance, and being behind may be the optimiser’s fault, not the network’s. "
        "More <code>tune: epochs</code>, or other candidates, would tell."
    )


def tuned_table(tuned: pd.DataFrame) -> str:
    """Return what was picked for each network, grammar and size, and what was not; or nothing."""
    rows = []
    for (grammar, label, size), group in tuned.groupby(["grammar", "label", "size"], sort=True):
        picked = group[group["chosen"]].iloc[0]
        others = group[~group["chosen"]].sort_values("validation_loss", kind="stable")
        said = "; ".join(_said(*row) for row in others[list(_SHOWN)].itertuples(index=False))
        loss = number(picked["validation_loss"], ".4f")
        rows.append([str(grammar), str(label), f"{size:,}", picked["optimizer"], loss, said])
    if not rows:
        return ""
    heads = ["grammar", "architecture", "size", "picked", "validation loss", "the others"]
    caption = "Optimisers picked by validation loss, and the losses of the others."
    return table(heads, rows, texts=2, long=(3, 5), caption=caption)


_SHOWN = ("optimizer", "validation_loss", "status")


def _said(optimizer: str, loss: float, status: str) -> str:
    return f"{optimizer}: {'diverged' if status == 'diverged' else number(loss, '.4f')}"
