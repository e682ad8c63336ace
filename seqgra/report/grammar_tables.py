"""Tables of a grammar's section in the report."""

from __future__ import annotations

import math
from html import escape
from typing import Any

import pandas as pd

from seqgra.report.page import about, count, number, table, thousands


def heat_table(sizes: pd.DataFrame, needed: pd.DataFrame, target: float) -> str:
    """Return a grammar's PR AUC by architecture and size; see `compare.tables` for the tables."""
    if sizes.empty:
        return "<p>No cell of this grammar has scores yet.</p>"
    columns, cells = sorted(sizes["size"].unique()), sizes.set_index(["label", "size"])
    low = math.floor(sizes["mean"].min() * 10) / 10
    wants = needed.set_index("label")["needed"]
    rows = []
    for label in sorted(sizes["label"].unique()):
        tinted = [_heat_cell(cells, (label, size), low) for size in columns]
        want = f"<td>{escape(thousands(str(wants[label])))}</td>"
        rows.append(
            f'<tr{about(label=label)}><th scope="row" class="text">{escape(label)}</th>'
            f"{''.join(tinted)}{want}</tr>"
        )
    heads = "".join(f'<th scope="col">{size:,}</th>' for size in columns)
    scope, chance = str(sizes["scope"].iloc[0]), float(sizes["chance"].iloc[0])
    caption = (
        f"Mean PR AUC ({scope}) over runs, by architecture and dataset size; darker is better."
    )
    caption += "" if math.isnan(chance) else f" A constant prediction has {chance:.3f}."
    if sizes["collapsed"].any():
        caption += " ○: so many of the runs collapsed (they count in the mean)."
    return (
        f'<div class="scroll" tabindex="0"><table><caption>{caption}</caption><thead><tr>'
        f'<th scope="col" class="text">architecture</th>{heads}<th scope="col">needs for {target:g}'
        f"</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heat_cell(cells: pd.DataFrame, key: tuple[str, int], low: float) -> str:
    if key not in cells.index:
        return "<td>–</td>"
    row: Any = cells.loc[key]
    strength = 0.55 * (row["mean"] - low) / (1 - low) if low < 1 else 0.55
    mark = f" ○{int(row['collapsed'])}" if row["collapsed"] else ""
    hint = f"{row['min']:.3f} to {row['max']:.3f}, {count(int(row['n']), 'run')}"
    return (
        f'<td style="background: rgba(31, 111, 180, {strength:.2f})" title="{hint}">'
        f"{row['mean']:.3f}{mark}</td>"
    )


def confounder_table(confounding: pd.DataFrame, method: str) -> str:
    """Return the importance on confounders (see `report.Section`) as a table; nothing if empty."""
    if confounding.empty:
        return ""
    rows = [
        [str(label), number(share, ".3f"), number(lift, ".2f")]
        for label, share, lift in confounding[["label", "share", "lift"]].itertuples(index=False)
    ]
    caption = (
        f"How much of the importance ({method}) falls on confounders, where an example has any, at the "
        "largest size. Lift: over their share of the positions; 1 is no more than any position gets."
    )
    heads = ["architecture", "share on confounders", "lift"]
    return table(heads, rows, texts=1, caption=caption)
