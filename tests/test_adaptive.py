"""Adaptive grids: bisection brackets what the whole grid finds, with fewer cells; through Snakemake too."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_workflow import Run

from seqgra.compare.efficiency import efficiency
from seqgra.errors import InputError
from seqgra.grid import Grid
from seqgra.grid.adaptive import bracket

KEYS = ["grammar", "label", "version"]


def bisected(sizes, start, crossing):
    """Run rounds until nothing is added; curve i reaches the target from size `crossing[i]` on."""
    reached, rounds = {}, 0
    while (wanted := bracket(sizes, start, reached)) != sorted(reached):
        reached = {size: [size >= first for first in crossing] for size in wanted}
        rounds += 1
    return set(reached), rounds


@pytest.mark.parametrize("many", range(1, 10))
def test_both_ends_of_every_bracket_are_run(many):
    sizes = [100 * 2**i for i in range(many)]
    for crossing in itertools.product([*sizes, math.inf], repeat=2):
        ran, rounds = bisected(sizes, {sizes[-1]}, crossing)
        assert rounds <= 1 + math.ceil(math.log2(many)), (
            crossing,
            "more rounds than Snakemake plans",
        )
        for first in crossing:
            if first == math.inf:
                assert sizes[-1] in ran
            else:
                place = sizes.index(first)
                assert {first, sizes[max(0, place - 1)]} <= ran, crossing
        if len(set(crossing)) == 1:
            assert len(ran) <= 1 + math.ceil(math.log2(many)), crossing


def curves(rng, sizes, seeds):
    """Rising learning curves of one architecture, from 0.5 towards 1."""
    rows, middle = [], rng.uniform(2.2, 4)
    for seed in range(seeds):
        n50, steep = 10 ** rng.normal(middle, 0.1), rng.uniform(1.5, 2.5)
        for size in sizes:
            value = 0.5 + 0.5 / (1 + (size / n50) ** -steep)
            rows.append(("g", "a", size, seed, 0, value, "done", "nested", 0.1, 0.5, 1.0))
    names = ["grammar", "label", "size", "data_seed", "model_seed", "value", "status", "seeds"]
    return pd.DataFrame(rows, columns=[*names, "validation_loss", "chance", "ceiling"])


@pytest.mark.parametrize("seeds", [1, 3, 6])
def test_rising_curves_need_the_same_examples_as_in_the_whole_grid(seeds):
    sizes, rng = [125 * 2**i for i in range(9)], np.random.default_rng(seeds)
    saved = []
    for _ in range(20):
        runs = curves(rng, sizes, seeds)
        first = runs[runs["value"] >= 0.95].groupby("data_seed")["size"].min()
        crossing = first.reindex(range(seeds)).fillna(math.inf).tolist()
        ran, _ = bisected(sizes, {sizes[-1]}, crossing)
        whole, some = (efficiency(table, [0.9]) for table in (runs, runs[runs["size"].isin(ran)]))
        columns = ["needed", "low", "high", "reached", "curves"]
        pd.testing.assert_frame_equal(whole[columns], some[columns])
        saved.append(1 - len(ran) / len(sizes))
    assert np.mean(saved) > 0.3


def test_an_adaptive_grid_needs_the_ceiling(tmp_path):
    config = {"name": "t", "grammars": ["tiny"], "architectures": ["fc4"], "sizes": [100, 200]}
    Run(tmp_path)
    with pytest.raises(InputError, match="adaptive: needs the ceiling; add bayes-optimal"):
        Grid({**config, "adaptive": {}}, "config.yaml", (tmp_path,))
    other = {"backend": "bayes-optimal", "law": "training"}
    (tmp_path / "architectures").mkdir(exist_ok=True)
    (tmp_path / "architectures/other.yaml").write_text(json.dumps(other))
    two = {**config, "architectures": ["fc4", "bayes-optimal", "other"]}
    with pytest.raises(
        InputError, match="architectures: has 2 exact posteriors, bayes-optimal, other"
    ):
        Grid(two, "config.yaml", (tmp_path, Path(__file__).parents[1]))


@pytest.mark.slow
def test_snakemake_runs_only_what_brackets_and_finds_the_same(tmp_path):
    run = Run(tmp_path)
    run.config |= {
        "architectures": {"bayes-optimal": {}, "kmer-logistic-regression": {}},
        "sizes": [50, 100, 200, 400, 800],
        "adaptive": {},
    }
    file = tmp_path / "grammars" / "tiny.yaml"
    file.write_text(file.read_text().replace("window: 30", "window: 200"))  # 50 examples do not do
    run.snakemake()
    results = tmp_path / "results" / "t"
    status = pd.read_csv(results / "tables" / "status.csv")
    spared = status[status["status"] == "spared"]
    assert 0 < len(spared) < len(status)
    trained = {noun for noun in run.nouns() if noun.startswith("models/")}
    assert len(trained) == len(status) - len(spared), "what is spared was not trained"
    page = " ".join((results / "report.html").read_text().split())
    assert f"{len(spared)} of {len(status)} cells (" in page
    adaptive = pd.read_csv(results / "tables" / "needed.csv")
    assert "Nothing to be done" in run.snakemake()
    del run.config["adaptive"]
    run.snakemake()
    whole = pd.read_csv(results / "tables" / "needed.csv")
    both = (table[table["tau"] == 0.9].set_index(KEYS)["needed"] for table in (adaptive, whole))
    pd.testing.assert_series_equal(*both)
    assert adaptive["needed"].between(50, 100, inclusive="neither").any(), (
        "the bracket is an inner one"
    )
    assert not (pd.read_csv(results / "tables" / "status.csv")["status"] == "spared").any()


@pytest.mark.slow
def test_an_edit_is_planned_anew(tmp_path):
    """What a harder grammar needs is found by its own scores, and a lost plan is made again."""
    run = Run(tmp_path)
    run.config |= {
        "architectures": {"bayes-optimal": {}, "kmer-logistic-regression": {}},
        "sizes": [50, 100, 200, 400],
        "adaptive": {},
        "attribution": {"methods": []},
    }
    file, results = tmp_path / "grammars" / "tiny.yaml", tmp_path / "results" / "t"

    def ran():
        run.snakemake()
        status = pd.read_csv(results / "tables" / "status.csv").set_index("size")["status"]
        assert "missing" not in set(status)
        return set(status.index[status != "spared"]) - {0}

    file.write_text(file.read_text().replace("window: 30", "window: 60"))
    assert ran() == {50, 100, 400}
    file.write_text(file.read_text().replace("window: 60", "window: 300"))
    assert ran() == {100, 200, 400}
    (results / "adaptive" / "round-0.txt").unlink()
    assert ran() == {100, 200, 400}
    assert (results / "adaptive" / "round-0.txt").exists()
    assert "Nothing to be done" in run.snakemake()
