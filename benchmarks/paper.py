"""Keep what docs/paper.md shows of a finished grid, and answer its questions that the report does not.

    python benchmarks/paper.py keep results/figure-1-small --figures pr-auc recovery
    python benchmarks/paper.py summary results/figure-1-small
    python benchmarks/paper.py seeds results/figure-s7-s8-small
    python benchmarks/paper.py backends results/figure-s10-s11-small

`keep` writes small tables to docs/results/<name>/ and figures, at most 150 kB each, to docs/images/paper/.
`summary` prints mean PR AUC and recovery with 95 % intervals over data seeds. `seeds` compares each model
seed with the others of the same grammar and network, `backends` the two libraries on the same files.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd
from PIL import Image
from scipy import stats

CELL = ["grammar", "size", "data_seed", "architecture", "backend", "model_seed"]
GROUP = ["grammar", "architecture", "backend", "size"]


def headline(results: Path, metric: str = "pr_auc") -> pd.DataFrame:
    """Return the headline value of every cell."""
    table = pd.read_csv(results / "tables" / "scores.csv")
    return table[(table.metric == metric) & table.headline]


def recovered(results: Path, metric: str = "ap_chance_corrected") -> pd.DataFrame:
    """Return a metric of every cell and method, the mean over conditions."""
    table = pd.read_csv(results / "tables" / "recovery.csv")
    return table[(table.metric == metric) & (table.scope == "macro")]


def means(table: pd.DataFrame, group: list[str]) -> pd.DataFrame:
    """Return mean, half width of Student's 95 % interval and number of runs; model seeds are averaged."""
    seeds = table.groupby([*group, "data_seed"]).value.mean().reset_index()
    found = seeds.groupby(group).value.agg(["mean", "std", "count"]).reset_index()
    factor = stats.t.ppf(0.975, (found["count"] - 1).clip(lower=1))
    found["half"] = (factor * found["std"] / found["count"] ** 0.5).round(4)
    return found.assign(mean=found["mean"].round(4)).drop(columns="std")


def keep(results: Path, figures: list[str], options: str) -> None:
    """Write the small tables and figures of a grid, and a line on how it came about."""
    target = Path("docs/results") / results.name
    target.mkdir(parents=True, exist_ok=True)
    scores = pd.concat([headline(results, metric) for metric in ("pr_auc", "roc_auc")])
    columns = [*CELL, "status", "metric", "value", "chance"]
    scores[columns].round(5).to_csv(target / "scores.csv", index=False)
    means(recovered(results), [*GROUP, "method"]).to_csv(target / "recovery.csv", index=False)
    for name, metric in (("consistency", "consistency"), ("confounder", "confounder_share_lift")):
        if len(found := recovered(results, metric).dropna(subset=["value"])):
            means(found, [*GROUP, "method"]).to_csv(target / f"{name}.csv", index=False)
    if len(seen := pd.read_csv(results / "tables" / "elements.csv")):
        shown = [*CELL, "method", "element", "cosine", "flank_mass"]
        seen[seen.method == "integrated-gradients"][shown].round(4).to_csv(
            target / "elements.csv", index=False
        )
    for name in ("needed", "ranking", "noise", "ceilings", "concordance"):
        table = pd.read_csv(results / "tables" / f"{name}.csv")
        if len(table):
            table.round(4).to_csv(target / f"{name}.csv", index=False)
    runs = pd.read_csv(results / "tables" / "runs.csv").dropna(subset=["versions"])
    seconds = runs[["train_seconds", "evaluate_seconds", "attribute_seconds"]].sum()
    versions = {key: what for each in runs.versions for key, what in json.loads(each).items()}
    listed = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
    (target / "README.md").write_text(
        f"`snakemake --cores 1 --configfile config/paper/{results.name}.yaml{options}`: {len(runs)} cells "
        f"on {', '.join(sorted(runs.device.unique()))}; wall seconds: training {seconds.iloc[0]:.0f}, "
        f"evaluation {seconds.iloc[1]:.0f}, attribution {seconds.iloc[2]:.0f}; {listed}.\n"
    )
    for name in figures:
        with Image.open(results / "figures" / f"{name}.png") as picture:
            shrink(picture.convert("RGB"), Path(f"docs/images/paper/{results.name}-{name}.png"))


def shrink(picture: Image.Image, target: Path) -> None:
    """Write a picture with 256 colours, narrower until it takes at most 150 kB."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for width in (1400, 1200, 1000, 900, 800, 700):
        picture.thumbnail((width, width), Image.Resampling.LANCZOS)
        picture.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size <= 150_000:
            return


def summary(results: Path) -> None:
    """Print means with intervals, and how many runs collapsed."""
    scores = headline(results)
    print(means(scores, GROUP).to_string(index=False))
    failed = scores[scores.status != "done"].groupby([*GROUP, "status"]).size()
    print(failed.to_string() if len(failed) else "no run collapsed or diverged")
    print(means(recovered(results), [*GROUP, "method"]).to_string(index=False))


def seeds(results: Path) -> None:
    """Print collapsed runs of each model seed, and PR AUC less the mean of the other seeds.

    Datasets of one grammar and network are averaged: they share their starts and are no independent blocks.
    All grammars share the start of a network and model seed.
    """
    scores = headline(results).assign(lost=lambda t: t.status != "done")
    blocks = scores.pivot_table(index=GROUP, columns="model_seed", values="value")
    others = (blocks.sum(axis=1).to_numpy()[:, None] - blocks) / (blocks.shape[1] - 1)
    apart = blocks - others
    starts = scores.pivot_table(index=GROUP, columns="model_seed", values="lost")
    rows = {
        "ahead of others": apart.mean(),
        "mean rank": blocks.rank(axis=1, ascending=False).mean(),
        "collapsed": scores.groupby("model_seed").lost.sum(),
        "starts lost": (starts > 0.5).sum(),
    }
    print(f"{len(blocks)} grammars and networks, {scores.data_seed.nunique()} datasets each")
    print(pd.DataFrame(rows).round(4).to_string())
    mixed = int(((starts > 0) & (starts < 1)).to_numpy().sum())
    print(f"starts whose datasets do not all end alike: {mixed}")
    anywhere = (starts > 0.5).groupby(["architecture", "backend"]).any()
    for name, lost in anywhere.iterrows():
        print(f"{' '.join(name)}: seeds lost on any grammar: {[*lost.index[lost]]}")
    print(blocks.round(3).to_string())


def backends(results: Path) -> None:
    """Print PR AUC of PyTorch less that of TensorFlow, paired by data seed, and their recovery."""
    for name, table in (("PR AUC", headline(results)), ("recovery", recovered(results))):
        wide = table.pivot(index=CELL[:4], columns="backend", values="value")
        wide = wide.dropna(subset=["pytorch", "tensorflow"])
        apart = (wide.pytorch - wide.tensorflow).rename("value").reset_index()
        print(f"{name}, PyTorch less TensorFlow")
        print(means(apart, ["grammar", "architecture", "size"]).to_string(index=False))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["keep", "summary", "seeds", "backends"])
    parser.add_argument("results", type=Path)
    parser.add_argument("--figures", nargs="*", default=[])
    parser.add_argument(
        "--options", default="", help="of snakemake, where only a part was computed"
    )
    chosen = parser.parse_args()
    if chosen.what == "keep":
        keep(chosen.results, chosen.figures, chosen.options and f" {chosen.options}")
    else:
        {"summary": summary, "seeds": seeds, "backends": backends}[chosen.what](chosen.results)


if __name__ == "__main__":
    main()
