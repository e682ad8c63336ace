"""The paper's figures: keep what docs/paper.md shows of a grid, write its tables, join panels to pages.

python tools/paper.py keep RESULTS...           fill docs/results/<grid>/ and docs/images/paper/, then write
python tools/paper.py write                     the tables of docs/paper.md from what is kept
python tools/paper.py check                     say whether they are what would be written
python tools/paper.py page 2 RESULTS --to FILE  the panels of a figure on one page, FILE.pdf and FILE.png
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from string import ascii_uppercase
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from pages import strays_of, with_made
from PIL import Image
from scipy import stats

from seqgra.compare.efficiency import efficiency
from seqgra.plot.sizes import Ceiling, YAxis, against_size
from seqgra.plot.style import line_looks, save
from seqgra.report.figures.runs import strip
from seqgra.results import primary_property
from seqgra.yamlfile import read_yaml

TOP = Path(__file__).parents[1]
PAGE, KEPT, IMAGES = TOP / "docs/paper.md", TOP / "docs/results", TOP / "docs/images/paper"
CONFIGS = TOP / "config/paper"
#: Before and after the tables of a grid on the page.
BEGIN, END = "<!-- made by tools/paper.py: {} -->", "<!-- end of what is made -->"
_CELL = ["grammar", "size", "data_seed", "architecture", "backend", "model_seed"]
_GROUP = ["grammar", "architecture", "backend", "size"]
_EXACT = "bayes-optimal"
#: Figures of a grid that are kept, and the widest picture in bytes.
FIGURES = {
    "figure-1-small": ["pr-auc", "agreement-toy4-pwm-pairs"],
    "figure-2-small": ["pr-auc", "recovery"],
    "figure-2-medium": ["pr-auc", "recovery"],
    "figure-2-large": ["pr-auc"],
    "figure-3-small": ["pr-auc", "agreement-sox2-pou5f1"],
    "figure-3-real-small": ["pr-auc", "agreement-sox2-pou5f1"],
    "figure-3-ranking-small": ["concordance"],
    "figure-s2-small": ["runs", "agreement-mc2-dna1000-homer"],
    "figure-s3-small": ["runs", "agreement-mc2-protein100-psp"],
    "figure-s6-cpu": ["runs"],
    "figure-s7-s8-small": ["runs"],
    "figure-s10-s11-small": ["runs"],
    "attribution-small": ["methods"],
    "noise-small": ["noise-0"],
}
_LARGEST_PICTURE = 150_000
#: Grid -> that of the smaller sizes of the same grammars and networks, which its figures show too.
SMALLER_SIZES = {"figure-2-large": "figure-2-medium"}
#: Tables of a grid that hold of each part of it by itself, and that compare its architectures.
_BY_PART = ("needed", "ceilings")
_COMPARED = ("ranking", "noise", "concordance", "variance")


# --- what is kept of a grid


def keep(results: Path) -> None:
    """Write the small tables and the figures of a grid, and how it came about.

    A grid may be computed in parts, by grammars and architectures: what is kept of the others that its
    config names stays. Tables that compare architectures are left out then, and the figures are drawn from
    what is kept.

    Raises
    ------
    SystemExit
        If a cell is missing.
    """
    tables = {file.stem: pd.read_csv(file) for file in (results / "tables").glob("*.csv")}
    missing = int((tables["status"]["status"] == "missing").sum())
    if missing:
        sys.exit(f"{results}: {missing} cells are missing; run the grid to its end first")
    target = KEPT / results.name
    target.mkdir(parents=True, exist_ok=True)
    cells = _cells(tables)
    wide = cells.pivot(index=[*_CELL, "status"], columns="measure", values="value").reset_index()
    methods = tables["recovery"].query("scope == 'macro' and metric == 'ap_chance_corrected'")
    named = methods[[*_CELL, "method", "value"]].rename(columns={"method": "measure"})
    if len(smaller := _smaller_sizes(results.name, wide)):
        needed = _needed_over(_stacked(smaller, wide), tables["scores"])
        tables["needed"] = needed[~_known_to_need(SMALLER_SIZES[results.name], needed)]
    own = {"cells": wide, **{name: tables[name] for name in _BY_PART if name in tables}}
    own["methods"] = _means(named) if methods["method"].nunique() > 1 else pd.DataFrame()
    others = {name: _others(target / f"{name}.csv", results.name, wide) for name in own}
    kept = {name: _stacked(others[name], table) for name, table in own.items()}
    wide = kept["cells"] = kept["cells"].sort_values(_CELL, kind="stable")
    kept["means"] = means(wide.melt([*_CELL, "status"], var_name="measure").dropna())
    kept |= {"model-seeds": _starts(wide), "libraries": _apart(wide)}
    in_parts = len(others["cells"]) > 0
    if not in_parts:
        kept |= {name: tables[name] for name in _COMPARED if name in tables}
    for file in target.glob("*.csv"):
        file.unlink()
    for name, table in kept.items():
        if len(table):
            table.to_csv(target / f"{name}.csv", index=False, float_format="%.4g")
    page = target / "README.md"
    before = page.read_text() if in_parts else _readme(results.name)
    run = _run(tables["runs"])
    part = run.partition(":")[0]  # one that is computed again takes the place of its line
    kept_lines = [line for line in before.splitlines(True) if not line.startswith(f"{part}:")]
    page.write_text("".join([*kept_lines, run]))
    for name in FIGURES.get(results.name, []):
        stem = results / "figures" / name
        smaller = _smaller_sizes(results.name, wide)  # of the other parts too
        if in_parts or len(smaller):
            stem = stem.with_name(f"{name}-of-all-parts")
            save(_figure(_stacked(smaller, wide), name), stem)
        with Image.open(stem.with_suffix(".png")) as picture:
            _shrink(picture.convert("RGB"), IMAGES / f"{results.name}-{name}.png")


def _stacked(*tables: pd.DataFrame) -> pd.DataFrame:
    """Return tables as one; an empty one would turn whole numbers into objects."""
    filled = [table for table in tables if len(table)]
    return pd.concat(filled) if filled else pd.DataFrame()


def _others(file: Path, grid: str, cells: pd.DataFrame) -> pd.DataFrame:
    """Return what is kept in a table of the grammars and architectures of a config that `cells` lack."""
    config = CONFIGS / f"{grid}.yaml"
    if not file.exists() or not config.exists():
        return pd.DataFrame()
    table, content = pd.read_csv(file), read_yaml(config)
    keys = {"grammar": "grammars"}
    if name := next((each for each in ("architecture", "label") if each in table), None):
        keys[name] = "architectures"
    for key, part in keys.items():
        table = table[table[key].isin(content[part])]
    here = set(zip(cells["grammar"], cells["architecture"], strict=True))
    own = zip(table["grammar"], table[name] if name else [_EXACT] * len(table), strict=True)
    return table[[pair not in here for pair in own]]


def _smaller_sizes(grid: str, cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that are kept of the same networks and grammars at smaller sizes."""
    if grid not in SMALLER_SIZES:
        return pd.DataFrame()
    kept = _kept(SMALLER_SIZES[grid], "cells").query("size > 0")
    keys = ["grammar", "architecture"]
    return kept.merge(cells[keys].drop_duplicates(), on=keys)


def _needed_over(cells: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the examples needed by networks whose sizes stand in two grids."""
    exact = cells["architecture"] == _EXACT
    ceilings = cells[exact].groupby("grammar")["pr_auc"].mean()
    chance = scores.query("headline and metric == 'pr_auc'").groupby("grammar")["chance"].median()
    runs = cells[~exact].rename(columns={"pr_auc": "value"})
    grammars = runs["grammar"]
    bounds = {"chance": grammars.map(chance), "ceiling": grammars.map(ceilings)}
    facts = {"seeds": "nested", "validation_loss": math.nan}
    return efficiency(runs.assign(label=runs["architecture"], **bounds, **facts))


def _known_to_need(grid: str, needed: pd.DataFrame) -> np.ndarray:
    """Tell which rows of examples needed stand in another grid's table already."""
    keys = ["grammar", "label", "version", "tau"]
    there = _kept(grid, "needed")
    there = there[np.isfinite(there["needed"])][keys]
    return needed[keys].merge(there, how="left", indicator="known")["known"].eq("both").to_numpy()


def _figure(cells: pd.DataFrame, name: str) -> Figure:
    """Draw the figure `pr-auc`, `recovery` or `runs` from the cells that are kept."""
    measure = "pr_auc" if name == "runs" else name.replace("-", "_")
    runs = cells.dropna(subset=[measure]).assign(label=lambda t: t["architecture"])
    runs = runs.rename(columns={measure: "value"})
    exact = runs["architecture"] == _EXACT
    models = runs[~exact]
    looks = line_looks(dict.fromkeys(models["label"]))
    ceilings = runs[exact].groupby("grammar")["value"].mean()
    if name == "runs":
        models = models.assign(chance=math.nan, ceiling=models["grammar"].map(ceilings))
        return strip(models, looks, "Single runs")
    words = _word(measure)
    axis = YAxis(
        words,
        f"{words[0].upper()}{words[1:]} against dataset size",
        ceilings=tuple(Ceiling(str(name), float(value), True) for name, value in ceilings.items()),
    )
    return against_size(models, looks, axis)


def _cells(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a cell and measure: pr_auc, roc_auc, recovery, consistency, rule_score, epochs."""
    parts = [tables["scores"].query("headline and metric in ('pr_auc', 'roc_auc')")]
    recovery = tables["recovery"].query("scope == 'macro'")
    methods = sorted(recovery["method"].unique(), key=lambda name: name != "integrated-gradients")
    recovery = recovery[recovery["method"].isin(methods[:1])]
    for metric, name in (
        ("ap_chance_corrected", "recovery"),
        ("consistency", "consistency"),
        ("f1", "f1"),
    ):
        parts.append(recovery[recovery["metric"] == metric].assign(metric=name))
    probes = tables.get("probes", pd.DataFrame())
    if len(probes):
        asked = probes.query("level == 'summary' and asked == 'asked'")
        for _, own in asked.groupby("grammar"):
            about = own[own["property"] == primary_property(own["property"])]
            score = about.groupby(_CELL)["score"].min().rename("value").reset_index()
            parts.append(score.assign(metric="rule_score"))
    columns = [*_CELL, "metric", "value"]
    cells = pd.concat([part[columns] for part in parts]).dropna(subset=["value"])
    status = tables["status"].query("status != 'spared'")[[*_CELL, "status"]]
    cells = cells.merge(status, on=_CELL, how="left").rename(columns={"metric": "measure"})
    return cells.sort_values(["measure", *_CELL], kind="stable")[
        [*_CELL, "status", "measure", "value"]
    ]


def means(cells: pd.DataFrame) -> pd.DataFrame:
    """Return mean, half width of Student's 95 % interval and count of each measure over data seeds.

    Model seeds of a data seed are averaged first. The share of collapsed and diverged runs is a measure too.
    """
    lost = cells[cells["measure"] == "pr_auc"].assign(
        measure="lost", value=lambda t: (t["status"] != "done").astype(float)
    )
    return _means(pd.concat([cells, lost]))


def _starts(cells: pd.DataFrame) -> pd.DataFrame:
    """Return PR AUC by model seed, mean over datasets, lost runs counted; empty where there is one seed."""
    own = cells[cells["architecture"] != _EXACT]
    if own["model_seed"].nunique() < 2:
        return pd.DataFrame()
    groups = own.assign(lost=own["status"] != "done").groupby(
        ["grammar", "architecture", "model_seed"]
    )
    return groups.agg(
        pr_auc=("pr_auc", "mean"), lost=("lost", "sum"), runs=("lost", "size")
    ).reset_index()


def _apart(cells: pd.DataFrame) -> pd.DataFrame:
    """Return PyTorch less TensorFlow, paired by data seed, as `means` does; empty where one is missing."""
    if not {"pytorch", "tensorflow"} <= set(cells["backend"]):
        return pd.DataFrame()
    keys = ["grammar", "architecture", "size", "data_seed"]
    long = cells.melt([*keys, "backend"], ["pr_auc", "recovery"], "measure")
    wide = long.pivot_table(index=["measure", *keys], columns="backend", values="value")
    apart = (wide["pytorch"] - wide["tensorflow"]).dropna().rename("value").reset_index()
    return _means(apart.assign(backend="")).drop(columns="backend")


def _means(cells: pd.DataFrame) -> pd.DataFrame:
    keys = ["measure", *_GROUP]
    seeds = cells.groupby([*keys, "data_seed"])["value"].mean().reset_index()
    table = seeds.groupby(keys)["value"].agg(["mean", "std", "count"]).reset_index()
    factor = stats.t.ppf(0.975, (table["count"] - 1).clip(lower=1))
    return table.assign(half=factor * table["std"] / table["count"] ** 0.5).drop(columns="std")


def _readme(name: str) -> str:
    return (
        f"`snakemake --cores 1 --configfile config/paper/{name}.yaml`, kept by `python tools/paper.py keep "
        f"results/{name}`: `cells.csv` has a row a cell and measure, `means.csv` means over data seeds with "
        "half of Student's 95 % interval.\n\n"
    )


def _run(runs: pd.DataFrame) -> str:
    """Return the line of one run of a grid, or of a part of it."""
    models = runs[runs["architecture"] != _EXACT]
    names, grammars = (", ".join(models[key].unique()) for key in ("architecture", "grammar"))
    runs = runs.dropna(subset=["versions"])
    seconds = {c.removesuffix("_seconds"): runs[c].sum() for c in runs if c.endswith("_seconds")}
    versions = {key: what for each in runs["versions"] for key, what in json.loads(each).items()}
    listed = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
    shown = ", ".join(f"{stage} {total:.0f}" for stage, total in seconds.items())
    return (
        f"- {names} on {grammars}: {len(runs)} cells on {', '.join(sorted(runs['device'].unique()))}; "
        f"wall seconds by stage, beside other work: {shown}; {listed}.\n"
    )


def _shrink(picture: Image.Image, target: Path) -> None:
    """Write a picture with 256 colours, narrower until it takes at most 150 kB."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for width in (1400, 1200, 1000, 900, 800, 700):
        picture.thumbnail((width, width), Image.Resampling.LANCZOS)
        picture.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size <= _LARGEST_PICTURE:
            return


# --- the tables of the page


def _pivot(
    table: pd.DataFrame, rows: list[str], columns: list[str], digits: int = 3
) -> Iterator[str]:
    """Yield a Markdown table of `mean ± half`: a row each value of `rows`, a column each of `columns`."""
    words = [
        f"{mean:.{digits}f}" + ("" if not half > 0 or count < 2 else f" ± {half:.{digits}f}")
        for mean, half, count in zip(table["mean"], table["half"], table["count"], strict=True)
    ]
    table = table.assign(words=words)
    wide = table.pivot_table(
        index=rows, columns=columns, values="words", aggfunc="first", sort=False
    )
    heads = [" ".join(map(_word, name if isinstance(name, tuple) else (name,))) for name in wide]
    yield f"| {' | '.join(['', *heads])} |"
    yield "|---" * (len(heads) + 1) + "|"
    for name, values in wide.iterrows():
        first = ", ".join(map(_word, name if isinstance(name, tuple) else (name,)))
        yield f"| {first} | {' | '.join('' if pd.isna(v) else v for v in values)} |"
    yield ""


#: Names of architectures without a hyphen.
SHORT_NAMES = ("fc", "fc10", "deepbind", "basset", "deepsea", "danq", "chromdragonn")
#: How measures and grammars are called on the page.
_WORDS = {
    "pr_auc": "PR AUC",
    "recovery": "recovery",
    "rule_score": "rule score",
    "f1": "F1 of grammar positions",
    "lost": "share of runs lost",
    "consistency": "consistency",
    "mc2-dna150-homer": "HOMER",
    "mc2-dna150-order": "order",
    "mc2-dna150-spacing": "spacing",
    "mc2-dna200-homer": "HOMER",
    "mc2-dna200-spacing": "spacing",
    "mc2-dna1000-homer": "HOMER",
    "mc2-dna1000-homer-interaction-order": "order",
    "mc2-dna1000-homer-interaction-spacing": "spacing",
    _EXACT: "the ceiling",
}


def _word(value: object) -> str:
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    text = str(value)
    return _WORDS.get(text, f"`{text}`" if "-" in text or text in SHORT_NAMES else text)


def _kept(grid: str, name: str = "means") -> pd.DataFrame:
    return pd.read_csv(KEPT / grid / f"{name}.csv")


def _measures(
    grid: str, names: tuple[str, ...], rows: list[str], columns: list[str], largest: int = 1
) -> Iterator[str]:
    """Yield a table of some measures, at the `largest` dataset sizes and of the ceiling."""
    table = _kept(grid)
    sizes = sorted(set(table["size"]) - {0})[-largest:]
    table = table[table["size"].isin([0, *sizes]) & table["measure"].isin(names)]
    table["measure"] = pd.Categorical(table["measure"], names, ordered=True)
    by_size = "size" in [*rows, *columns]
    table = table[table["size"] > 0] if by_size else table.assign(size=0)  # a ceiling has no size
    order = ["measure", "grammar", "size", "architecture"]
    yield from _pivot(table.sort_values(order, kind="stable"), rows, columns)


def _needed(grid: str) -> Iterator[str]:
    """Yield a table of examples needed for 90 % of the way to the ceiling."""
    table = _kept(grid, "needed").query("version == 'typical' and tau == 0.9")
    names = list(dict.fromkeys(table["grammar"]))
    wide = {name: table[table["grammar"] == name].set_index("label") for name in names}
    yield f"| examples needed, 90 % of the way | {' | '.join(map(_word, names))} |"
    yield "|---" * (len(names) + 1) + "|"
    for label in sorted(set(table["label"])):
        own = (wide[name] for name in names)
        shown = (_examples(part.loc[label]) if label in part.index else "" for part in own)
        yield f"| {_word(label)} | {' | '.join(shown)} |"
    yield ""


def _examples(row: pd.Series) -> str:
    if not math.isfinite(row["needed"]):
        return "unknown" if math.isnan(row["needed"]) else "not reached"
    ends = (f"{row[end]:,.0f}" if math.isfinite(row[end]) else "more" for end in ("low", "high"))
    return f"{row['needed']:,.0f} ({' to '.join(ends)})"


def _model_seeds(grid: str) -> Iterator[str]:
    table = _kept(grid, "model-seeds")
    seeds = sorted(table["model_seed"].unique())
    yield f"| grammar, network | {' | '.join(map(str, seeds))} |"
    yield "|---" * (len(seeds) + 1) + "|"
    for (grammar, name), own in table.groupby(["grammar", "architecture"]):
        shown = [
            f"{row.pr_auc:.3f}" + (f" ({row.lost} of {row.runs} lost)" if row.lost else "")
            for row in own.sort_values("model_seed").itertuples()
        ]
        yield f"| {_word(grammar)}, {_word(name)} | {' | '.join(shown)} |"
    yield ""


def _libraries(grid: str) -> Iterator[str]:
    table = _kept(grid, "libraries")
    yield from _pivot(table, ["grammar", "architecture"], ["measure"], 4)


def _concordance(grid: str) -> Iterator[str]:
    """Yield PR AUC by source, and Kendall's tau with the real dataset."""
    yield from _measures(grid, ("pr_auc",), ["architecture"], ["grammar"])
    yield "| simulated | Kendall's tau with real | p of an order by chance | pairs in the same direction |"
    yield "|---|---|---|---|"
    for _, row in _kept(grid, "concordance").iterrows():
        numbers = f"{row['tau']:.2f} | {row['p']:.2g} | {row['same']} of {row['pairs']}"
        yield f"| {_word(row['grammar'])} | {numbers} |"
    yield ""


def _noise(grid: str) -> Iterator[str]:
    """Yield PR AUC and recovery by rate of wrong labels; a grammar of the grid is a rate."""
    names = ("pr_auc", "recovery", "rule_score")
    yield from _measures(grid, names, ["architecture", "measure"], ["grammar"])


def _methods(grid: str) -> Iterator[str]:
    """Yield recovery by method, a column each network and grammar."""
    table = _kept(grid, "methods").sort_values(["architecture", "grammar"], kind="stable")
    yield from _pivot(table, ["measure"], ["architecture", "grammar"], 2)


def _ablation(grid: str) -> Iterator[str]:
    for measure in ("pr_auc", "recovery", "rule_score"):
        yield f"{_WORDS[measure][0].upper()}{_WORDS[measure][1:]} at the largest dataset size:\n"
        yield from _measures(grid, (measure,), ["architecture"], ["grammar"])
    yield from _needed(grid)


def _by_size(grid: str) -> Iterator[str]:
    names = ("pr_auc", "recovery", "rule_score")
    yield from _measures(grid, names, ["measure", "size"], ["architecture"], 9)


def _analysis(grid: str) -> Iterator[str]:
    names = ("pr_auc", "lost", "recovery", "rule_score")
    yield from _measures(grid, names, ["architecture"], ["measure"])


#: Grid -> the tables of its section.
TABLES: dict[str, Callable[[str], Iterator[str]]] = {
    "figure-1-small": lambda g: _measures(
        g, ("pr_auc", "rule_score"), ["grammar"], ["measure", "architecture"]
    ),
    "figure-2-small": _ablation,
    "figure-2-medium": _ablation,
    "figure-2-large": lambda g: chain(_by_size(g), _needed(g)),
    "figure-3-small": _by_size,
    "figure-3-real-small": lambda g: _measures(
        g, ("pr_auc", "recovery"), ["measure", "size"], ["architecture"], 9
    ),
    "figure-3-ranking-small": _concordance,
    "figure-s2-small": _analysis,
    "figure-s3-small": _analysis,
    "figure-s6-cpu": lambda g: _measures(
        g, ("pr_auc", "recovery", "rule_score"), ["architecture"], ["measure", "grammar"]
    ),
    "figure-s7-s8-small": _model_seeds,
    "figure-s10-s11-small": _libraries,
    "attribution-small": _methods,
    "noise-small": _noise,
}


def page_text(text: str) -> str:
    """Return the text of the page with the tables of all grids that it has a place for and that are kept."""
    for grid, make in TABLES.items():
        begin = BEGIN.format(grid)
        if begin in text and (KEPT / grid / "means.csv").exists():
            text = with_made(text, begin, END, "\n".join(make(grid)))
    return text


def unfounded(text: str) -> list[str]:
    """Return the numbers of the page's text that stand in no table of the grids of their section.

    Decimals, and whole numbers with a comma for thousands, outside of code, links and pictures, in sections
    that have tables. Of the verdicts only decimals, which may stand in a table of any grid.
    """
    strays = []
    for section in re.split(r"(?m)^(?=## )", text):
        title = section.partition("\n")[0]
        grids = [grid for grid in TABLES if BEGIN.format(grid) in section]
        if not grids and title != "## Verdicts":
            continue
        files = [f for grid in grids or TABLES for f in sorted((KEPT / grid).glob("*.csv"))]
        known = set().union(*map(_numbers, files))
        found = strays_of(section, known, thousands=bool(grids))
        strays += [f"{title}: {number}" for number in found]
    return strays


def _numbers(file: Path) -> set[float]:
    values = pd.read_csv(file).select_dtypes("number").to_numpy(float)
    return set(values[np.isfinite(values)].tolist())


# --- a figure on one page


#: Figure -> the panels of its pages: "grammar" stands for each grammar of the grid.
PAGES: dict[str, list[tuple[str, str]]] = {
    "2": [("grammar", ""), ("results", "pr-auc"), ("results", "recovery")],
    "3": [
        ("grammar", ""),
        ("network", "fc"),
        ("network", "conv-gmp-fc"),
        ("results", "pr-auc"),
        ("results", "agreement-sox2-pou5f1"),
    ],
}
#: Inches: width of the page, room for a panel's letter.
_WIDTH, _LETTER = 9.0, 0.22
_DPI = 200


def joined(figure: str, results: Path) -> Figure:
    """Return the panels of a figure of the paper on one page: schematics side by side, then a figure a row.

    Raises
    ------
    SystemExit
        If the results lack a figure.
    """
    grammars = list(read_yaml(results / "config.yaml")["grammars"])
    panels = [
        (kind, name)
        for kind, given in PAGES[figure]
        for name in (grammars if kind == "grammar" else [given])
    ]
    with TemporaryDirectory() as scratch:
        pictures = [_panel(kind, name, results, Path(scratch)) for kind, name in panels]
    schematics = [p for (kind, _), p in zip(panels, pictures, strict=True) if kind != "results"]
    rows = [schematics, *([p] for p in pictures[len(schematics) :])]
    heights = [_WIDTH / sum(p.width / p.height for p in row) for row in rows]
    page, letters = (
        Figure(figsize=(_WIDTH, sum(heights) + _LETTER * len(rows))),
        iter(ascii_uppercase),
    )
    top = page.get_figheight()
    for row, height in zip(rows, heights, strict=True):
        left, bottom = 0.0, top - _LETTER - height
        for picture in row:
            width = height * picture.width / picture.height
            box = np.array([left, bottom, width, height])
            axis = page.add_axes(tuple(box / np.tile(page.get_size_inches(), 2)))
            axis.imshow(picture, interpolation="lanczos", aspect="auto")
            axis.axis("off")
            axis.set_title(next(letters), loc="left", weight="bold", pad=2)
            left += width
        top = bottom
    return page


def _panel(kind: str, name: str, results: Path, scratch: Path) -> Image.Image:
    """Return a figure of the results, or what `seqgra describe` draws of a grammar or a network."""
    if kind == "results":
        file = results / "figures" / f"{name}.png"
        if not file.exists():
            sys.exit(f"{file}: is not there; run the grid to its end first")
    else:
        file = scratch / name / ("rules.png" if kind == "grammar" else "network.png")
        command = [sys.executable, "-m", "seqgra.cli", "describe", name, "-o", str(file.parent)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with Image.open(file) as picture:
        return picture.convert("RGB")


# --- the command


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["keep", "write", "check", "page"])
    parser.add_argument(
        "arguments", nargs="*", help="results folders; of `page` the figure and one"
    )
    parser.add_argument("--to", type=Path, help="of `page`: where to write it, without suffix")
    chosen = parser.parse_args()
    if chosen.what == "page":
        number, results = chosen.arguments
        page, to = joined(number, Path(results)), chosen.to or Path(results) / f"figure-{number}"
        for suffix in (".pdf", ".png"):
            page.savefig(to.with_suffix(suffix), dpi=_DPI)
        print(f"{to}.pdf, {to}.png")
        return
    for results in chosen.arguments:
        keep(Path(results))
    old = PAGE.read_text()
    new = page_text(old)
    if chosen.what == "check":
        strays = unfounded(old)
        print(*strays, sep="\n")
        sys.exit("docs/paper.md: run tools/paper.py write" if new != old else bool(strays))
    PAGE.write_text(new)


if __name__ == "__main__":
    main()
