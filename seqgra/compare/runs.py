"""One row a run: what the statistics of a comparison start from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from seqgra.compare.cells import KEYS
from seqgra.compare.tables import Tables, ceilings_only, headlines, models_only
from seqgra.results import NOT_LEARNT

_CURVE = ["grammar", "label", "data_seed", "model_seed"]


def curve_runs(tables: Tables, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return PR AUC of the finished runs of all architectures, the exact posterior's left out.

    Parameters
    ----------
    tables
        With a column label.
    kinds
        From `ceiling.ceiling_kinds`: only an ``exact`` posterior is a ceiling.

    Returns
    -------
    DataFrame
        One row a cell that is done, collapsed or diverged: `KEYS`, label, value (NaN where it diverged),
        status, validation_loss, seeds (see `stages.seeds_of_run`); and of its grammar chance and ceiling,
        NaN where not known.
    """
    shown = headlines(tables.scores)
    status = tables.status[tables.status["status"].isin(["done", *NOT_LEARNT])]
    status = status[[*KEYS, "label", "status", "validation_loss", "seeds"]]
    runs = status.merge(shown[[*KEYS, "value"]], on=list(KEYS), how="left")
    runs = runs[runs["value"].notna() | (runs["status"] == "diverged")]
    best = ceilings_only(runs).groupby("grammar")["value"].first()
    best = best[best.index.map(kinds) == "exact"]
    chance = shown.groupby("grammar")["chance"].median()
    runs = models_only(runs)
    return runs.assign(
        chance=runs["grammar"].map(chance).astype(np.float64),
        ceiling=runs["grammar"].map(best).astype(np.float64),
    ).reset_index(drop=True)


def filled(runs: pd.DataFrame) -> pd.DataFrame:
    """Return runs of which those that diverged have the value of a constant prediction."""
    diverged = runs["value"].isna() & (runs["status"] == "diverged")
    return runs.assign(value=runs["value"].mask(diverged, runs["chance"]))


def measured(table: pd.DataFrame, sizes: Mapping[str, int]) -> pd.DataFrame:
    """Return the rows of each grammar at a size, or at its largest where it has none there.

    Parameters
    ----------
    table
        Columns grammar and size among others.
    sizes
        Grammar -> the size that is asked for.
    """
    asked = table["grammar"].map(sizes)
    there = (table["size"] == asked).groupby(table["grammar"]).transform("any")
    return table[
        table["size"] == asked.where(there, table.groupby("grammar")["size"].transform("max"))
    ]


def at_size(runs: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return the value of each curve at a size, linear in log2 of the size between those of its grammar.

    A diverged run counts as chance. Curves without a run at, or on both sides of, the size are left out.
    A curve is collapsed where one of the runs it is read from is.

    Parameters
    ----------
    runs
        From `curve_runs`.
    size
        Dataset size.

    Returns
    -------
    DataFrame
        Columns grammar, label, data_seed, model_seed, seeds, size, value, status, chance and ceiling.
    """
    columns = [*_CURVE, "seeds", "size", "value", "status", "chance", "ceiling"]
    read = [_read_at(own, size) for _, own in filled(runs).groupby("grammar")]
    there = [part[columns] for part in read if len(part)]
    return pd.concat(there, ignore_index=True) if there else runs.iloc[:0][columns]


def _read_at(runs: pd.DataFrame, size: int) -> pd.DataFrame:
    """Return what `at_size` does for the runs of one grammar, each with a value."""
    sizes = np.sort(runs["size"].unique())
    if not sizes[0] <= size <= sizes[-1]:
        return runs.iloc[:0]
    low, high = int(sizes[sizes <= size].max()), int(sizes[sizes >= size].min())
    share = 0.0 if low == high else float(np.log2(size / low) / np.log2(high / low))
    ends = [runs[runs["size"] == end].set_index(_CURVE) for end in (low, high)]
    upper = ends[1][["value", "status"]].add_suffix("_high")
    both = ends[0].join(upper, how="inner")
    value = both["value"] + share * (both["value_high"] - both["value"])
    failed = both["status"].isin(NOT_LEARNT) | both["status_high"].isin(NOT_LEARNT)
    status = np.where(failed, "collapsed", "done")
    return both.assign(value=value, size=size, status=status).reset_index()
