"""Real datasets in grids: their order by data seed, their cells, and a grid run by Snakemake."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY
from real_data import as_real

from seqgra.cli import main
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.grid import Grid, commands
from seqgra.grid.adaptive import spared_cells
from seqgra.grid.plan import plan
from seqgra.streams import stratified_order


@pytest.fixture(scope="module")
def real(tiny_dataset, tmp_path_factory) -> Path:
    """Return a dataset of 700 training, 100 validation and 200 test examples."""
    return as_real(tiny_dataset, tmp_path_factory.mktemp("real") / "data")


def config(real: Path, **changes: object) -> dict:
    return {
        "name": "r",
        "datasets": {"mine": {"folder": str(real)}},
        "architectures": ["bayes-optimal", "kmer-logistic-regression", "conv10-gmp-fc5"],
        "sizes": [100, 1000, 5000],
        "data_seeds": [1, 2],
        **changes,
    }


@pytest.mark.parametrize("counts", [(500, 500), (900, 90, 10), (1, 1000), (7,)], ids=str)
def test_every_prefix_has_the_shares_of_the_whole(counts):
    rng = np.random.default_rng(0)
    group = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    labels = np.eye(len(counts), dtype=np.uint8)[group]
    order = stratified_order(labels, 3, "training")
    assert sorted(order) == list(range(len(group)))
    held = np.cumsum(labels[order], axis=0)
    expected = np.arange(1, len(group) + 1)[:, None] * np.array(counts) / len(group)
    assert np.abs(held - expected).max() <= len(counts)


def test_orders_differ_between_seeds_and_sets_only():
    labels = np.tile(np.eye(2, dtype=np.uint8), (200, 1))
    first = stratified_order(labels, 1, "training")
    assert (first == stratified_order(labels, 1, "training")).all()
    for other in (stratified_order(labels, 2, "training"), stratified_order(labels, 1, "test")):
        assert (first != other).mean() > 0.9


def test_a_subsample_holds_the_same_examples_with_their_labels_and_hits(real, tmp_path, capsys):
    call = ["subsample", str(real), "-o", str(tmp_path / "a"), "--seed", "4"]
    assert main([*call, "--sets", "training,validation"]) == 0
    source, drawn = open_dataset(real), open_dataset(tmp_path / "a")
    assert drawn.counts == {"training": 700, "validation": 100}
    assert not drawn.simulated
    drawn.verify("training", "validation")
    for name in drawn.counts:
        assert examples(drawn, name) != examples(source, name)
        assert sorted(examples(drawn, name)) == sorted(examples(source, name))
    before = (tmp_path / "a" / "run.json").stat().st_mtime_ns
    assert main([*call, "--sets", "validation,training"]) == 0
    assert "up to date" in capsys.readouterr().out
    assert (tmp_path / "a" / "run.json").stat().st_mtime_ns == before


def examples(dataset, name):
    table = dataset.elements(name)
    hits = {row: [] for row in range(dataset.counts[name])}
    for row in table.itertuples():
        hits[row.example].append((row.element, row.start, row.end, row.strand, row.role))
    rows = zip(dataset.x(name), dataset.y(name), hits.values(), strict=True)
    return [(x.tobytes(), y.tobytes(), sorted(found)) for x, y, found in rows]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sets", "training,tests"], "--sets: tests: no such set"),
        (["--seed", "-1"], "is not a whole number"),
    ],
)
def test_wrong_subsamples_are_refused(real, tmp_path, capsys, options, said):
    try:
        code = main(["subsample", str(real), "-o", str(tmp_path / "a"), *options])
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "a" / "run.json").exists()


def test_cells_of_a_real_dataset_end_where_its_examples_do(real):
    grid = Grid(config(real), "config", (REPOSITORY,))
    assert {cell.size for cell in grid.cells} == {100, 1000}
    assert {cell.architecture for cell in grid.cells} == set(config(real)["architectures"][1:])
    assert grid.test_examples("mine") == 200
    assert grid.notes == [
        "datasets.mine: left out: size 5,000: training holds 700, validation 100 (size 1,000 at most; "
        "`sizes: [..., all]` adds that)"
    ]
    made = commands.lines(grid, "subsample", "mine").splitlines()[1:]
    assert [line.split()[:5] for line in made] == [
        [str(real), "-o", f"results/r/data/mine/s{seed}", "--seed", str(seed)] for seed in (1, 2)
    ]
    (pack, *_) = [name for name in grid.packs if "/kmer-" in name]
    for line in commands.lines(grid, "evaluate", pack).splitlines()[1:]:
        assert line.split()[1] == str(real)
        assert "--set-size 200" in line


def test_a_plan_simulates_nothing_for_real_examples(real):
    grid = Grid(config(real, test={"examples": 300}), "config", (REPOSITORY,))
    found = plan(grid)
    assert found.cells == len(grid.cells) == 8
    assert "simulate" not in found.stages
    assert found.stages["train"].cpu_hours > 0


def test_all_is_the_largest_size_of_each_real_dataset(real):
    for sizes, expected in (
        ([100, "all"], (100, 1000)),
        (["all"], (1000,)),
        (["all", 1000], (1000,)),
    ):
        grid = Grid(config(real, sizes=sizes), "config", (REPOSITORY,))
        assert grid.config.sizes == expected
        assert grid.content["sizes"] == sizes
        assert grid.notes == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"sizes": ["all"], "datasets": {}, "grammars": ["toy1"]},
            "sizes: all is the size of a real",
        ),
        (
            {"sizes": ["all"], "datasets": {"mine": {"folder": "nowhere"}}},
            "config: datasets.mine.folder: nowhere does not exist; make it with seqgra ingest$",
        ),
        ({"architectures": ["bayes-optimal"]}, "config: architectures: has no cell: real datasets"),
        ({"sizes": ["all"], "datasets": {"mine": {"folder": 3}}}, "datasets.mine.folder"),
        ({"sizes": ["some"]}, "sizes"),
        ({"sizes": ["all", [100]]}, "sizes"),
        ({"datasets": {"mine": {"folder": "nowhere"}}}, "nowhere"),
        ({"sizes": [5000]}, "datasets.mine.folder: holds 700 training, 100 validation, 200 test"),
        ({"grammars": {"mine": {}}}, "'mine' is a grammar and a dataset"),
        ({"datasets": {}}, "needs grammars, datasets or both"),
    ],
    ids=[
        "all of none",
        "all of absent",
        "no cell",
        "all of 3",
        "some",
        "all and a list",
        "absent",
        "too small",
        "same name",
        "nothing",
    ],
)
def test_wrong_datasets_of_a_grid_are_refused(real, changes, said):
    with pytest.raises(InputError, match=said):
        Grid(config(real, **changes), "config", (REPOSITORY,))


def test_a_simulated_dataset_is_refused(tiny_dataset):
    with pytest.raises(InputError, match="was simulated; name its grammar"):
        Grid(config(tiny_dataset), "config", (REPOSITORY,))


@pytest.mark.slow
def test_a_grid_of_a_grammar_and_a_real_dataset(real, tmp_path, tiny_grammar):
    quick = {"optimizer": {"adam": {"learning_rate": 0.01}}, "training": {"epochs": 3}}
    content = config(
        real,
        grammars=["tiny"],
        architectures={
            "bayes-optimal": {},
            "kmer-logistic-regression": {},
            "pwm-logistic-regression": {},
            "conv10-gmp-fc5": quick,
        },
        sizes=[200, 1000],
        test={"examples": 300},
        attribution={"examples": 10, "steps": 5},
        tune={"epochs": 1, "candidates": [{"adam": {"learning_rate": 0.01}}]},
    )
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "grammars").mkdir()
    tiny_grammar.rename(tmp_path / "grammars" / "tiny.yaml")
    call = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        "1",
        "--directory",
        str(tmp_path),
        "--quiet",
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # activated or not
    where = {"cwd": REPOSITORY, "env": {**os.environ, "PATH": path}}
    subprocess.run(call, **where, check=True, capture_output=True)
    results = tmp_path / "results" / "r"
    text = (results / "report.html").read_text(encoding="utf-8")
    for words in (
        "Sequences were simulated from 1 grammar (tiny).",
        "Real examples are those of 1 dataset (mine).",
        "Optimiser settings of networks were chosen by validation loss",
    ):
        assert words in text, words
    with (results / "tables" / "scores.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    found = {(row["grammar"], row["architecture"]) for row in rows}
    assert ("mine", "conv10-gmp-fc5") in found
    assert ("mine", "bayes-optimal") not in found
    with (results / "tables" / "concordance.csv").open() as stream:
        pairs = [(row["grammar"], row["dataset"], row["labels"]) for row in csv.DictReader(stream)]
    assert pairs == [("tiny", "mine", "3")] * 2
    assert (results / "figures" / "concordance.svg").exists()
    again = subprocess.run([*call, "--dry-run"], **where, capture_output=True, text=True)
    assert "Nothing to be done" in again.stdout + again.stderr
    run = json.loads((results / "data" / "mine" / "s1" / "run.json").read_text())
    assert run["verb"] == "subsample"


def test_a_grammar_may_be_named_by_its_file(real, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted = tmp_path / "fitted"
    fitted.mkdir()
    (fitted / "places.tsv").write_text("1\t1\n9\t3\n")
    (fitted / "grammar.yaml").write_text(
        "alphabet: DNA\nwindow: 40\nelements: {a: {kmers: {ACGTACGT: 1}}}\n"
        "conditions:\n  one: {rules: [{elements: [a], position: {file: places.tsv}}]}\n  two: {}\n"
    )
    given = config(real, grammars={"twin": {"from": "fitted/grammar.yaml"}})
    grid = Grid(given, "config", (Path(), REPOSITORY))
    assert grid.grammars["twin"].longest == 40
    before = grid.resolved.source("twin")
    (fitted / "places.tsv").write_text("1\t1\n9\t4\n")
    assert Grid(given, "config", (Path(), REPOSITORY)).resolved.source("twin") != before
    given["grammars"]["twin"]["from"] = "fitted/other.yaml"
    with pytest.raises(InputError, match=r"no file fitted/other\.yaml; it is relative"):
        Grid(given, "config", (Path(), REPOSITORY))


def test_an_adaptive_grid_begins_with_the_largest_size_that_a_real_dataset_has(real):
    grid = Grid(config(real, grammars=["mc2-dna150-homer"], adaptive={}), "config", (REPOSITORY,))
    started = {(cell.grammar, cell.size) for cell in set(grid.cells) - spared_cells(grid)}
    assert started == {("mine", 1000), ("mc2-dna150-homer", 5000), ("mc2-dna150-homer", 0)}
    at = Grid(config(real, adaptive={}, at=3000), "config", (REPOSITORY,))
    assert {cell.size for cell in set(at.cells) - spared_cells(at)} == {1000}
