"""The grids of the paper's figures hold what they say: config/paper/, docs/paper.md."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import paper
import pytest
from matplotlib.figure import Figure
from PIL import Image
from real_data import as_real

from seqgra.architecture.schema import BayesOptimal, Network
from seqgra.grid import Grid
from seqgra.yamlfile import read_yaml

REPOSITORY = Path(__file__).parents[1]
#: Read a dataset of the user's own; the second also its fitted twin.
REAL, RANKING = "figure-3-real-small", "figure-3-ranking-small"
FILES = {file.stem: file for file in sorted((REPOSITORY / "config" / "paper").glob("*.yaml"))}
EVERY_FIGURE = {
    "figure-1": {"small"},
    "figure-2": {"full", "large", "medium", "small", "tiny"},
    "figure-3": {"small"},
    "figure-3-ranking": {"small"},
    "figure-3-real": {"small"},
    "figure-s2": {"small"},
    "figure-s3": {"small"},
    "figure-s6": {"cpu", "full", "small", "tiny"},
    "figure-s7-s8": {"small"},
    "figure-s10-s11": {"small"},
    "attribution": {"small"},
    "noise": {"small"},
}
#: 10,000 to 100,000 by 10,000 and 200,000 to 1,000,000 by 100,000
PAPER_SIZES = tuple(range(10_000, 100_001, 10_000)) + tuple(range(200_000, 1_000_001, 100_000))
ABLATION = {
    "conv10w-fc5",
    "conv10w-fc5-do03",
    "conv10w-do03-fc5-do03",
    "conv10w-bn10-fc5",
    "conv10w-bn10-fc5-bn5",
    "conv10w-bn10-fc5-do03",
}
PUBLISHED = {"basset", "chromdragonn", "deepsea"}
#: Figures that hold the paper's networks with the settings of their files.
AS_THE_FILES_SAY = [
    "figure-2-full",
    "figure-2-large",
    "figure-2-medium",
    "figure-2-small",
    "figure-s6-full",
    "figure-s6-small",
    "figure-3-small",
    "figure-s7-s8-small",
    "figure-s10-s11-small",
]


def grid(name):
    return Grid(read_yaml(FILES[name]), FILES[name].name, (REPOSITORY,))


def networks(found):
    return {name for name, what in found.architectures.items() if isinstance(what, Network)}


def test_every_figure_has_its_scales():
    there = {}
    for name in FILES:
        figure, _, scale = name.rpartition("-")
        there.setdefault(figure, set()).add(scale)
    assert there == EVERY_FIGURE


def test_the_pages_name_every_grid():
    pages = paper.PAGE.read_text() + (paper.KEPT / "README.md").read_text()
    assert [name for name in FILES if name not in pages] == []


def test_every_number_of_the_page_stands_in_a_table_that_is_kept():
    text = paper.PAGE.read_text()
    assert paper.page_text(text) == text, "run tools/paper.py write"
    assert paper.unfounded(text) == []
    strays = text.replace("## Figure S6", "It was 0.1234567 for 76,543.\n\n## Figure S6", 1)
    assert [each.rpartition(" ")[2] for each in paper.unfounded(strays)] == ["0.1234567", "76,543"]


@pytest.mark.parametrize("name", sorted(FILES.keys() - {REAL, RANKING}))
def test_grid(name):
    """Each is a grid that passes, has a question and a ceiling, and is not tuned."""
    found = grid(name)
    config = found.config
    assert config.name == name, "the results lie where `make paper` says"
    assert config.question and config.tune is None
    ceiling = any(isinstance(what, BayesOptimal) for what in found.architectures.values())
    assert ceiling or name == "figure-s7-s8-small"
    if not name.endswith("tiny") and name != "figure-s7-s8-small":
        assert len(config.data_seeds) == 5, "the paper's five data seeds"
    wanted = tuple(range(10)) if name == "figure-s7-s8-small" else (1,)
    assert config.model_seeds == wanted
    backends = ("pytorch", "tensorflow") if name == "figure-s10-s11-small" else ("pytorch",)
    assert config.backends == backends
    no_gpu = dict.fromkeys(("figure-2-full", "figure-2-large", "figure-2-medium"), "cpu")
    devices = {**no_gpu, "figure-s6-full": "cuda"}
    assert config.train.device == devices.get(name, "auto")


def test_the_ablation_is_the_paper_s():
    found = grid("figure-2-full")
    assert found.config.sizes == PAPER_SIZES and len(PAPER_SIZES) == 19
    assert networks(found) == ABLATION
    mc2 = "mc2-dna1000-homer"
    assert list(found.grammars) == [mc2, f"{mc2}-interaction-order", f"{mc2}-interaction-spacing"]
    assert all(grammar.longest == 1000 for grammar in found.grammars.values())
    assert len(found.cells) == 6 * 3 * 19 * 5 + 3
    small = grid("figure-2-small")
    assert networks(small) == ABLATION and len(small.grammars) == 3


@pytest.mark.parametrize("name", ["figure-2-full", "figure-2-small", "figure-s7-s8-small"])
def test_settings_of_the_ablation(name):
    """SGD 0.001 with momentum 0.9, batches of 32, at most 100 epochs, patience 10."""
    found = grid(name)
    for network in networks(found):
        architecture = found.architectures[network]
        assert architecture.optimizer.sgd.learning_rate == 0.001
        assert architecture.optimizer.sgd.momentum == 0.9
        training = architecture.training
        assert (training.batch_size, training.epochs, training.patience) == (32, 100, 10)


@pytest.mark.parametrize("name", AS_THE_FILES_SAY)
def test_settings_are_those_of_the_files(name):
    assert not any(grid(name).config.architectures.values())


@pytest.mark.parametrize(
    "name", ["figure-s6-cpu", "figure-s6-full", "figure-s6-small", "figure-s6-tiny"]
)
def test_published_networks_beside_small_ones(name):
    found = grid(name)
    small = networks(found) - PUBLISHED
    assert networks(found) > PUBLISHED and len(small) == 2
    for (_, network), size in found.network_sizes.items():
        assert (network in small) == (0 < size.weights < 100_000) or network == "bayes-optimal"


def test_figure_s6_full_has_every_grammar_and_size():
    found = grid("figure-s6-full")
    assert found.config.sizes == PAPER_SIZES
    expected = {"mc2-dna1000-homer-interaction-order"}
    for classes in (2, 10, 20, 50):
        expected |= {
            f"mc{classes}-dna1000-homer",
            f"mc{classes}-dna1000-homer-interaction-spacing",
        }
    expected |= {f"mc{classes}-dna1000-homer-interaction" for classes in (10, 20, 50)}
    assert set(found.grammars) == expected


def test_the_other_figures_hold_what_the_table_says():
    assert [name[:4] for name in grid("figure-1-small").grammars] == [
        f"toy{number}" for number in range(1, 7)
    ]
    simulated = grid("figure-3-small")
    assert list(simulated.grammars) == ["sox2-pou5f1"]
    assert networks(simulated) == {"fc", "conv-gmp-fc"}
    assert grid("figure-s2-small").grammars["mc2-dna1000-homer"].alphabet == "DNA"
    assert grid("figure-s3-small").grammars["mc2-protein100-psp"].alphabet == "protein"
    assert len(grid("attribution-small").config.attribution.methods) == 14
    noise = grid("noise-small").grammars
    rates = [grammar.noise.labels["foxa1"] for grammar in noise.values() if grammar.noise]
    assert rates == [0.1, 0.2, 0.3, 0.4] and noise["confounder"].confounders


def test_the_real_half_of_figure_3_is_as_the_simulated_one(tiny_dataset, tmp_path, monkeypatch):
    """Small stand-in for the data; the same networks, seeds and attributions."""
    as_real(tiny_dataset, tmp_path / "data" / "sox2-pou5f1")
    monkeypatch.chdir(tmp_path)
    content = read_yaml(FILES[REAL]) | {"sizes": [100, 1000]}
    real = Grid(content, FILES[REAL].name, (REPOSITORY,))
    simulated = grid("figure-3-small").config
    same = {"fc", "conv-gmp-fc"}
    assert networks(real) == same | {f"{name}-adam" for name in same} and real.config.name == REAL
    assert not real.config.grammars and len(real.cells) == 4 * 2 * 5
    for key in ("data_seeds", "model_seeds", "attribution", "test", "train", "tune"):
        assert getattr(real.config, key) == getattr(simulated, key), key


def test_the_ranking_is_of_seven_architectures_alike_in_budget(tiny_dataset, tmp_path, monkeypatch):
    """Small stand-ins for the data and for the grammar that is fitted to it."""
    as_real(tiny_dataset, tmp_path / "data" / "sox2-pou5f1")
    (tmp_path / "fitted" / "sox2-pou5f1").mkdir(parents=True)
    shutil.copy(
        REPOSITORY / "grammars" / "sox2-pou5f1.yaml", tmp_path / "fitted/sox2-pou5f1/grammar.yaml"
    )
    shutil.copytree(REPOSITORY / "grammars" / "motifs", tmp_path / "fitted/sox2-pou5f1/motifs")
    monkeypatch.chdir(tmp_path)
    content = read_yaml(FILES[RANKING]) | {"sizes": [100], "at": 100}
    found = Grid(content, FILES[RANKING].name, (tmp_path, REPOSITORY))
    simulated = {"sox2-pou5f1", "sox2-pou5f1-overlap", "sox2-pou5f1-twin"}
    assert {name for name, source in found.sources.items() if source.simulated} == simulated
    assert found.config.name == RANKING and len(found.cells) == 7 * 4 * 5 + 3
    assert found.config.tune is not None and len(networks(found)) == 5


def as_results(folder, cells):
    """Write tables of results that hold the given cells, as a grid that ran to its end has them."""
    keys = ["grammar", "size", "data_seed", "architecture", "backend", "model_seed"]
    long = cells.melt([*keys, "status"], var_name="metric").dropna(subset=["value"])
    recovered = {"recovery": "ap_chance_corrected", "consistency": "consistency", "f1": "f1"}
    recovery = long[long["metric"].isin(recovered)].replace({"metric": recovered})
    pairs = cells[cells["size"] > 0][["grammar", "architecture"]].drop_duplicates()
    needed = pairs.rename(columns={"architecture": "label"})
    tables = {
        "status": cells[[*keys, "status"]],
        "runs": cells[keys].assign(train_seconds=1.0, device="cpu", versions='{"numpy": "2"}'),
        "scores": long[long["metric"].isin(["pr_auc", "roc_auc"])].assign(headline=True),
        "recovery": recovery.assign(scope="macro", method="integrated-gradients"),
        "needed": needed.assign(version="typical", tau=0.9, needed=needed["label"].str.len()),
        "ranking": needed.assign(best=1.0),
    }
    for name in ("tables", "figures"):
        (folder / name).mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(folder / "tables" / f"{name}.csv", index=False)
    for name in paper.FIGURES[folder.name]:
        Image.new("RGB", (200, 100), "white").save(folder / "figures" / f"{name}.png")


def test_a_grid_that_is_kept_in_parts_is_kept_as_one(tmp_path, monkeypatch):
    name = "figure-2-small"
    cells = pd.read_csv(paper.KEPT / name / "cells.csv").drop(columns="rule_score")
    exact = cells["architecture"] == "bayes-optimal"
    first = cells["architecture"].isin(["conv10w-fc5", "conv10w-bn10-fc5"])
    order = cells["grammar"] == "mc2-dna150-order"
    again = first & ~order  # is computed twice
    parts = {
        "whole": [cells],
        "parts": [
            cells[part]
            for part in (exact | first, ~first & order, exact | (~first & ~order), again)
        ],
    }
    for kind, each in parts.items():
        monkeypatch.setattr(paper, "KEPT", tmp_path / kind)
        monkeypatch.setattr(paper, "IMAGES", tmp_path / kind / "images")
        for number, part in enumerate(each):
            as_results(tmp_path / f"{kind}{number}" / name, part)
            paper.keep(tmp_path / f"{kind}{number}" / name)
    whole, merged = (tmp_path / kind / name for kind in parts)
    tables = {file.name for file in whole.glob("*.csv")}
    assert tables == {"cells.csv", "means.csv", "needed.csv", "ranking.csv"}
    assert {file.name for file in merged.glob("*.csv")} == tables - {"ranking.csv"}
    for table in sorted(tables - {"ranking.csv"}):
        one, other = (pd.read_csv(folder / table) for folder in (whole, merged))
        keys = [key for key in one if key in ("size", "data_seed") or one[key].dtype == "str"]
        one, other = (table.sort_values(list(keys), ignore_index=True) for table in (one, other))
        pd.testing.assert_frame_equal(one, other, rtol=2e-3)
    assert (merged / "README.md").read_text().count("cells on cpu") == 4
    with Image.open(tmp_path / "parts/images" / f"{name}-pr-auc.png") as picture:
        assert picture.width > 300, "drawn from what is kept"


def test_single_runs_of_a_grid_in_parts_are_drawn_together(tmp_path, monkeypatch):
    name = "figure-s2-small"
    cells = pd.read_csv(paper.KEPT / name / "cells.csv")
    monkeypatch.setattr(paper, "KEPT", tmp_path)
    monkeypatch.setattr(paper, "IMAGES", tmp_path)
    monkeypatch.setitem(paper.FIGURES, name, ["runs"])
    drawn = []
    monkeypatch.setattr(paper, "strip", lambda runs, *_: drawn.append(runs) or Figure())
    for number, own in enumerate(("conv20w-gmp-fc10", "conv10w-gmp-fc5")):
        part = cells[cells["architecture"].isin([own, "bayes-optimal"])]
        as_results(tmp_path / str(number) / name, part)
        paper.keep(tmp_path / str(number) / name)
    (runs,) = drawn
    assert set(runs["label"]) == {"conv20w-gmp-fc10", "conv10w-gmp-fc5"} and len(runs) == 10
    assert runs["ceiling"].between(0.99, 1).all() and runs["value"].between(0, 1).all()


def test_a_network_that_a_part_lacks_leaves_its_cell_empty(tmp_path, monkeypatch):
    needed = pd.read_csv(paper.KEPT / "figure-2-small" / "needed.csv")
    one = (needed["grammar"] == "mc2-dna150-order") & (needed["label"] == "conv10w-fc5")
    (tmp_path / "figure-2-small").mkdir()
    needed[~one].to_csv(tmp_path / "figure-2-small/needed.csv", index=False)
    monkeypatch.setattr(paper, "KEPT", tmp_path)
    (row,) = (line for line in paper._needed("figure-2-small") if "`conv10w-fc5`" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 4 and [bool(cell) for cell in cells] == [True, True, False, True]


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_make_paper_lists_the_grids_and_refuses_what_there_is_not():
    def make(*what):
        return subprocess.run(
            ["make", "--no-print-directory", *what],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )

    listed = make("paper").stdout.splitlines()
    assert len(listed) == len(FILES)
    calls = {line.split(maxsplit=4)[2] + " " + line.split(maxsplit=4)[3] for line in listed}
    assert {"FIGURE=2 SCALE=tiny", "FIGURE=s10-s11 SCALE=small", "FIGURE=noise SCALE=small"} < calls
    for line in listed:
        assert "schema" not in line, "the configs' second lines say it"
        assert line.endswith((" a core.", "seqgra plan.", "not computed.")), line
        words = line.split()[:4]
        assert "--configfile config/paper/" in make("-n", *words[1:]).stdout
    refused = make("paper", "FIGURE=9")
    assert refused.returncode == 2 and "no figure 9 at scale small" in refused.stderr
