"""The ladder: keep the tables of a rule's grid, and draw docs/ladder.md from those that are kept.

python tools/ladder.py RESULTS...              keep them in docs/results/ladder/<rule>/, then write the page
python tools/ladder.py                         write the page: its figures, and the tables in docs/ladder.md
python tools/ladder.py RESULTS... --to FOLDER  the same tables and figures, into a folder
python tools/ladder.py --check                 say whether tables and numbers of the page are as kept
python tools/ladder.py --repeated FOLDER       the page's claims beside the tables of other data seeds
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from pages import strays_of, with_made

from seqgra.compare.decide import TAU, TIE
from seqgra.compare.ranking import ALPHA, holm
from seqgra.compare.resample import mean_over_seeds
from seqgra.plot.style import FAINT, INK, PALE_TO_DARK, line_looks, new_figure, save, styled, wrap
from seqgra.results import primary_property

TOP = Path(__file__).parents[1]
PAGE, KEPT, IMAGES = TOP / "docs/ladder.md", TOP / "docs/results/ladder", TOP / "docs/images/ladder"
#: Between these lines of the page stands what is made.
BEGIN, END = "<!-- made by tools/ladder.py -->", "<!-- end of what is made -->"
#: The rules, lowest rung first.
RULES = (
    "motif",
    "affinity",
    "position",
    "orientation",
    "order",
    "order-scaffold",
    "near-far",
    "near-far-scaffold",
    "exact-gap",
    "helical",
    "and",
    "xor",
    "confounder",
)
#: The architectures, as the columns of the figure have them; others follow by name.
ORDER = (
    "pwm-logistic-regression",
    "kmer-logistic-regression",
    "gapped-kmer-logistic-regression",
    "random-convolutions",
    "conv20w-gmp-fc10",
    "conv20w-do03-fc10-do03",
    "conv-mp-fc",
    "motif-pairs-pool4",
    "motif-pairs",
    "conv-gru",
    "conv-transformer-no-positions",
    "conv-transformer",
    "dilated-residual",
    "deepstarr",
)
#: The paragraphs of the page's text that are about a rule, and the next ones until one that has a title.
ABOUT = {
    "Which motif.": "motif",
    "Weak or strong site.": "affinity",
    "Position.": "position",
    "Orientation.": "orientation",
    "Order.": "order",
    "Order with a scaffold.": "order-scaffold",
    "Near or far.": "near-far",
    "Near or far with a scaffold.": "near-far-scaffold",
    "Exact gap.": "exact-gap",
    "Helical phase.": "helical",
    "AND.": "and",
    "XOR.": "xor",
    "A confounder.": "confounder",
}
CEILING = "bayes-optimal"
#: Of the recovery of a ceiling, below which the motifs count as not found.
MOTIFS_FOUND = 0.5
#: Rule score from which a model that falls short does not fail for want of motifs or rule.
HALF_KNOWN = 0.5
_METHOD, _METRIC = "integrated-gradients", "ap"


# --- what is kept of a grid


def keep(results: Path, to: Path) -> Iterator[Path]:
    """Write the tables of each rule in a results folder to its folder in `to`, and return these folders.

    Raises
    ------
    SystemExit
        If a table is missing, or a cell is.
    """
    tables = {
        name: pd.read_csv(results / "tables" / f"{name}.csv")
        for name in ("scores", "recovery", "probes", "needed", "status", "runs")
    }
    unfinished = tables["status"].query("status == 'missing'")
    if len(unfinished):
        sys.exit(f"{results}: {len(unfinished)} cells are missing; run the grid to its end first")
    for grammar in sorted(tables["status"]["grammar"].unique()):
        rule = str(grammar).removeprefix("ladder-")
        folder = to / rule
        folder.mkdir(parents=True, exist_ok=True)
        own = {name: table[table["grammar"] == grammar] for name, table in tables.items()}
        columns = ["label", "tau", "needed", "low", "high", "of", "reached", "curves", "smallest"]
        needed = own["needed"].query(f"version == 'typical' and tau == {TAU}")[columns]
        _add(folder / "cells.csv", _cells(own), "architecture")
        _add(folder / "needed.csv", needed, "label")
        yield folder


def _add(file: Path, rows: pd.DataFrame, name: str) -> None:
    """Write rows to a table, in the place of those of the same architectures."""
    if file.exists():
        old = pd.read_csv(file)
        rows = pd.concat([old[~old[name].isin(rows[name])], rows])
    rows = rows.sort_values(name, kind="stable")
    rows.to_csv(file, index=False, float_format="%.4g")


def _cells(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a cell: PR and ROC AUC, recovery as a share of the ceiling's, rule score, time."""
    key = ["architecture", "size", "data_seed"]
    cells = tables["status"].query("status != 'spared'")[[*key, "status"]].set_index(key)
    scores = tables["scores"].query("headline and metric in ('pr_auc', 'roc_auc')")
    wide = scores.pivot_table(index=key, columns="metric", values="value")
    recovery = tables["recovery"].query(
        f"method == '{_METHOD}' and metric == '{_METRIC}' and scope == 'macro'"
    )
    about = primary_property(tables["probes"].query("asked == 'asked'")["property"])
    probes = tables["probes"].query(f"level == 'summary' and property == '{about}'")
    runs = tables["runs"].set_index(key)
    cells = cells.join(wide)
    cells["recovery"] = recovery.groupby(key)["rescaled"].mean()
    cells["rule_score"] = probes.groupby(key)["score"].min()
    cells[["parameters", "epochs", "train_seconds"]] = runs[
        ["parameters", "epochs", "train_seconds"]
    ]
    return cells.sort_index().reset_index()


# --- what the page says


def read(folder: Path) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Return the cells and the examples needed of each rule that is kept, lowest rung first."""
    there = [rule for rule in RULES if (folder / rule / "cells.csv").exists()]
    cells = {rule: pd.read_csv(folder / rule / "cells.csv") for rule in there}
    needed = {rule: pd.read_csv(folder / rule / "needed.csv").set_index("label") for rule in there}
    return cells, needed


def summary(cells: dict[str, pd.DataFrame], needed: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a rule and architecture at the largest size, means over data seeds.

    Columns rule, architecture, needed (dataset size: 0 if at most the smallest, inf where the target is not
    reached), smallest (dataset size), pr_auc, recovery, score and ceiling, PR AUC of the exact posterior.
    """
    rows = []
    for rule, table in cells.items():
        models, ceiling = _models(table), table[table["architecture"] == CEILING]["pr_auc"].mean()
        largest = models[models["size"] == models["size"].max()]
        for architecture, own in largest.groupby("architecture"):
            examples = needed[rule].loc[architecture, ["needed", "smallest"]]
            means = own[["pr_auc", "recovery", "rule_score"]].mean()
            rows.append((rule, str(architecture), *examples, *means, ceiling))
    columns = [
        "rule",
        "architecture",
        "needed",
        "smallest",
        "pr_auc",
        "recovery",
        "score",
        "ceiling",
    ]
    return pd.DataFrame(rows, columns=columns)


def architectures(table: pd.DataFrame) -> list[str]:
    """Return the architectures of a summary in the order of columns."""
    there = set(table["architecture"])
    return [*(name for name in ORDER if name in there), *sorted(there - set(ORDER))]


def shown_better(cells: pd.DataFrame) -> pd.DataFrame:
    """Compare all architectures of a rule at its largest size, pair by pair.

    Paired t tests of PR AUC over data seeds, two-sided, Holm over all pairs; NaN with too few seeds.

    Returns
    -------
    DataFrame
        better, worse, difference (mean of better less worse) and p, adjusted; one row a pair.
    """
    largest = cells[cells["size"] == cells["size"].max()]
    wide = largest.pivot_table(index="data_seed", columns="architecture", values="pr_auc")
    rows = []
    for a, b in itertools.combinations(wide.columns, 2):
        difference = mean_over_seeds((wide[a] - wide[b]).to_frame(), crossed=False)
        if difference.value < 0:
            a, b = b, a
        rows.append((a, b, abs(difference.value), difference.p))
    table = pd.DataFrame(rows, columns=["better", "worse", "difference", "p"])
    return table.assign(p=holm(table["p"].to_numpy()))


def first_choice(table: pd.DataFrame, pairs: pd.DataFrame) -> tuple[str, list[str]]:
    """Return what to try first for a rule, and what is not shown to be worse than the best mean.

    Of the architectures that no other is shown to beat by the best mean, the one that needs the fewest
    examples; where none reaches the target, that of the highest mean.
    """
    best = str(table.loc[table["pr_auc"].idxmax(), "architecture"])
    shown = (pairs["p"] <= ALPHA) & (pairs["difference"] > TIE)
    beaten = pairs[(pairs["better"] == best) & shown]["worse"]
    equal = table[~table["architecture"].isin(beaten)]
    by_need = equal.sort_values(["needed", "pr_auc"], ascending=[True, False], na_position="last")
    chosen = (
        str(by_need["architecture"].iloc[0]) if np.isfinite(by_need["needed"].iloc[0]) else best
    )
    return chosen, sorted(set(equal["architecture"]) - {chosen})


def examples(row: pd.Series) -> str:
    """Return the examples needed in words, to two figures.

    >>> examples(pd.Series({"needed": 4321.0, "smallest": 1000.0}))
    '4,300'
    """
    if not np.isfinite(row["needed"]):
        return "unknown" if np.isnan(row["needed"]) else "not reached"
    if row["needed"] <= row["smallest"]:
        return f"≤ {row['smallest']:,.0f}"
    two_figures = float(f"{row['needed']:.2g}")
    return f"{two_figures:,.0f}"


def unfounded(page: str, folder: Path = KEPT) -> list[str]:
    """Return the numbers of the paragraphs about a rule that its tables do not hold, each with the title.

    They hold single models, means over data seeds, examples needed to two figures, and the target.
    """
    cells, needed = read(folder)
    text = page.partition("\n## What surprised\n")[2].partition("\n## ")[0]
    strays, rule = [], None
    for paragraph in text.strip().split("\n\n"):
        title = paragraph.removeprefix("**").partition("**")[0] if paragraph[:2] == "**" else None
        rule = ABOUT.get(title) if title else rule
        if rule in cells:
            strays += [
                f"{title or rule}: {n}"
                for n in strays_of(paragraph, _known(cells[rule], needed[rule]))
            ]
    return strays


def _known(cells: pd.DataFrame, needed: pd.DataFrame) -> set[float]:
    ceiling = cells[cells["architecture"] == CEILING]["pr_auc"].mean()
    cells = cells[["architecture", "size", "pr_auc", "recovery", "rule_score"]]
    means = cells.groupby(["architecture", "size"]).mean()
    examples_needed = [float(f"{value:.2g}") for value in needed["needed"] if np.isfinite(value)]
    tables = [table.select_dtypes("number").to_numpy(float).ravel() for table in (cells, means)]
    return {*np.concatenate(tables), *examples_needed, 0.5 + TAU * (ceiling - 0.5)}


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:z.2f}"


def made(folder: Path = KEPT) -> str:
    """Return the tables of the page, as Markdown."""
    cells, needed = read(folder)
    table = summary(cells, needed)
    lines = [
        "| your rule | try first | examples | PR AUC (ceiling) | rule score | not shown to be worse |"
    ]
    lines += ["|---|---|---|---|---|---|"]
    for rule in cells:
        own = table[table["rule"] == rule]
        if not np.isfinite(own["needed"]).any():
            best = own.loc[own["pr_auc"].idxmax()]
            words = f"none of them learns it from this many; highest: `{best['architecture']}`"
            numbers = (
                f"{_number(best['pr_auc'])} ({_number(best['ceiling'])}) | {_number(best['score'])}"
            )
            lines.append(f"| {rule} | {words} | not reached | {numbers} | |")
            continue
        chosen, others = first_choice(own, shown_better(_models(cells[rule])))
        row = own.set_index("architecture").loc[chosen]
        numbers = f"{_number(row['pr_auc'])} ({_number(row['ceiling'])}) | {_number(row['score'])}"
        words = ", ".join(f"`{name}`" for name in others) or "none"
        lines.append(f"| {rule} | `{chosen}` | {examples(row)} | {numbers} | {words} |")
    lines += ["", "| rule | architecture | examples | PR AUC | recovery | rule score |"]
    lines += ["|---|---|---|---|---|---|"]
    for rule in cells:
        own = table[table["rule"] == rule].set_index("architecture")
        for name in architectures(table[table["rule"] == rule]):
            row = own.loc[name]
            numbers = " | ".join(_number(row[each]) for each in ("pr_auc", "recovery", "score"))
            lines.append(f"| {rule} | `{name}` | {examples(row)} | {numbers} |")
    return "\n".join(lines) + "\n"


def _models(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[cells["architecture"] != CEILING]


# --- figures


def panel_a(table: pd.DataFrame) -> Figure:
    """Draw rules by architectures: examples needed as colour, the rule score written in."""
    names, rules = architectures(table), [rule for rule in RULES if rule in set(table["rule"])]
    finite = table[["needed", "smallest"]].max(axis=1)
    finite = finite[np.isfinite(finite)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (1.0, 2.0)
    low, high = math.log2(low), max(math.log2(high), math.log2(low) + 1)
    with styled(grid=False):
        figure = new_figure(2.2 + 0.78 * len(names), 2.1 + 0.5 * len(rules))
        axis = figure.subplots()
        for row, rule in enumerate(rules):
            own = table[table["rule"] == rule].set_index("architecture")
            for column, name in enumerate(names):
                if name not in own.index:
                    axis.text(
                        column, row, "not run", ha="center", va="center", color=FAINT, size=6.5
                    )
                    continue
                _draw_cell(axis, column, row, own.loc[name], (low, high))
        axis.set_xticks(
            range(len(names)), [n.replace("-logistic-regression", "\nregression") for n in names]
        )
        axis.tick_params(axis="x", rotation=40, length=0)
        for label in axis.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(rules)), rules)
        axis.tick_params(axis="y", length=0)
        axis.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(rules) - 0.5, -0.5))
        words = "Examples needed for 90 % of the way to the ceiling (hatched: not reached), and rule score"
        figure.suptitle(
            wrap(words, int(10.5 * figure.get_figwidth())), x=0.01, ha="left", weight="bold"
        )
    return figure


def _draw_cell(
    axis: Axes, column: int, row: int, cell: pd.Series, span: tuple[float, float]
) -> None:
    box = (column - 0.48, row - 0.46)
    if np.isfinite(cell["needed"]):
        share = (math.log2(max(cell["needed"], cell["smallest"])) - span[0]) / (span[1] - span[0])
        colour = PALE_TO_DARK(0.85 * (1 - share))
        axis.add_patch(Rectangle(box, 0.96, 0.92, facecolor=colour, edgecolor="none"))
        ink = "white" if sum(colour[:3]) < 1.5 else INK
        words = examples(cell)
    else:
        axis.add_patch(
            Rectangle(
                box, 0.96, 0.92, facecolor="#f4f4f4", edgecolor="#c8c8c8", hatch="////", linewidth=0
            )
        )
        ink = INK
        if np.isnan(cell["recovery"]) or cell["score"] >= HALF_KNOWN:
            words = "not reached"
        else:
            words = "motifs found" if cell["recovery"] >= MOTIFS_FOUND else "no motifs"
    axis.text(column, row - 0.16, words, ha="center", va="center", color=ink, size=7)
    score = "" if np.isnan(cell["score"]) else f"rule {cell['score']:.2f}"
    axis.text(column, row + 0.2, score, ha="center", va="center", color=ink, size=7)


def panel_b(cells: dict[str, pd.DataFrame]) -> Figure:
    """Draw recovery against rule score, a point a model of the largest size, a colour a rule."""
    looks = line_looks(RULES)
    with styled():
        figure = new_figure(7.2, 5.0)
        axis = figure.subplots()
        for rule, table in cells.items():
            models = _models(table[table["size"] == table["size"].max()]).dropna(
                subset=["recovery", "rule_score"]
            )
            axis.scatter(
                models["recovery"],
                models["rule_score"],
                color=looks[rule].color,
                marker=looks[rule].marker,
                s=26,
                label=rule,
            )
        axis.text(
            0.98,
            0.03,
            "finds the motifs,\ndoes not know the rule",
            transform=axis.transAxes,
            ha="right",
            va="bottom",
            color=FAINT,
            size=8,
        )
        axis.set(
            xlabel="grammar recovery, as a share of the ceiling's",
            ylabel="rule score",
            ylim=(-0.05, 1.05),
        )
        figure.legend(loc="outside right upper")
        axis.set_title("Finding the motifs is not knowing the rule", loc="left", weight="bold")
    return figure


# --- the command


def draw(kept: Path, images: Path) -> None:
    """Draw both figures from the tables that are kept, as SVG and PNG."""
    cells, needed = read(kept)
    images.mkdir(parents=True, exist_ok=True)
    save(panel_a(summary(cells, needed)), images / "needed")
    save(panel_b(cells), images / "recovery-and-rule")
    for file in images.glob("*.pdf"):
        file.unlink()


def page_with(text: str) -> str:
    """Return the page with `text` in the place of what is made."""
    return with_made(PAGE.read_text(), BEGIN, END, text)


def repeated(folder: Path) -> Iterator[str]:
    """Return a line a rule: how many of its claims other data seeds show too, and which they contradict."""
    old, new = read(KEPT)[0], read(folder)[0]
    for rule in old.keys() & new.keys():
        claims = shown_better(_models(old[rule])).query(f"p <= {ALPHA}")
        again = shown_better(_models(new[rule])).set_index(["better", "worse"])
        claimed = zip(claims["better"], claims["worse"], strict=True)
        pairs = [(a, b) for a, b in claimed if (a, b) in again.index or (b, a) in again.index]
        same = [pair for pair in pairs if pair in again.index]
        turned = [
            f"{a} over {b}"
            for a, b in pairs
            if (b, a) in again.index and again.loc[(b, a), "p"] <= ALPHA
        ]
        against = ", ".join(turned) or "none"
        unasked = len(claims) - len(pairs)
        more = f"; {unasked} are of architectures that were not run" if unasked else ""
        yield f"{rule}: {len(same)} of {len(pairs)} claims point the same way; contradicted: {against}{more}"


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="only say whether the page is what would be written"
    )
    parser.add_argument("--repeated", type=Path, help="folder of the tables of other data seeds")
    parser.add_argument("results", nargs="*", type=Path, help="folders of finished grids")
    parser.add_argument(
        "--to", type=Path, help="where to keep tables and draw figures, instead of docs/"
    )
    given = parser.parse_args()
    if given.repeated:
        print("\n".join(repeated(given.repeated)))
        return 0
    if given.check:
        page = PAGE.read_text()
        stale, strays = page != page_with(made()), unfounded(page)
        print(f"{PAGE.relative_to(TOP)}: {'run python tools/ladder.py' if stale else 'as written'}")
        print(*(f"not in the tables: {each}" for each in strays), sep="\n", end="\n" * bool(strays))
        return int(stale or bool(strays))
    kept = given.to / "tables" if given.to else KEPT
    for results in given.results:
        for folder in keep(results, kept):
            print(folder)
    if not read(kept)[0]:
        sys.exit(f"{kept}: no rule is kept there; name folders of finished grids")
    draw(kept, given.to or IMAGES)
    if not given.to:
        PAGE.write_text(page_with(made()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
