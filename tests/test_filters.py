"""First-layer filters as motifs: filters set to a motif are told, others are not."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from torch import nn

from seqgra.alphabet import DNA
from seqgra.architecture.load import load_architecture, resolve_architecture
from seqgra.backends.pytorch_layers import build
from seqgra.cli import main
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.filters import filters
from seqgra.filters.motifs import SHARE, Filters, activating_letters, first_layer, match
from seqgra.fingerprint import require_run, seal
from seqgra.grammar.motifs import read_motifs
from seqgra.model import open_model
from seqgra.motif import meme_text
from seqgra.train import train

WORDS = ("ACGTACGT", "GGGGCCCC")
ARCHITECTURES = sorted((Path(__file__).parents[1] / "architectures").glob("*.yaml"))
NETWORKS = [path for path in ARCHITECTURES if "backend:" not in path.read_text()]


def one_hot(word):
    return np.eye(4)[DNA.encode(word)]


def known_filters(dilation=1):
    """Return the word ACGTACGT, GGGGCCCC turned round, noise, and a filter that is never active."""
    rng = np.random.default_rng(0)
    weights = [one_hot("ACGTACGT"), one_hot("GGGGCCCC")[::-1, ::-1], rng.normal(size=(8, 4))]
    weights = np.array([*weights, -np.ones((8, 4))], np.float32).transpose(0, 2, 1)
    return Filters(weights, np.array([0, -2, 0, 0], np.float32), dilation)


@pytest.mark.parametrize("dilation", [1, 2])
def test_letters_of_activating_windows_agree_with_brute_force(tiny_dataset, dilation):
    x, layer = np.array(open_dataset(tiny_dataset).x("test")[:150]), known_filters(dilation)
    x[3, 30:] = 255
    counts, windows = activating_letters(layer, x)
    span = 7 * dilation + 1
    for number in range(4):
        scores = {}
        for row in range(len(x)):
            for start in range(40 - span + 1):
                codes = x[row, start : start + span : dilation]
                terms = [layer.weights[number, c, j] for j, c in enumerate(codes) if c < 4]
                scores[row, start] = sum(terms) + layer.bias[number]
        highest = max(scores.values())
        expected, seen = np.zeros((8, 4), int), 0
        for (row, start), score in scores.items():
            if highest > 0 and score > SHARE * highest + 1e-6:
                seen += 1
                for j, code in enumerate(x[row, start : start + span : dilation]):
                    if code < 4:
                        expected[j, code] += 1
        assert windows[number] == seen, number
        np.testing.assert_array_equal(counts[number], expected)
    assert windows[3] == 0 and windows[:3].min() > 0


@pytest.mark.slow  # Tomtom takes a minute to compile
def test_a_filter_set_to_a_motif_is_told_on_either_strand(tiny_dataset):
    data = open_dataset(tiny_dataset)
    counts, _ = activating_letters(known_filters(), np.array(data.x("test")))
    matrices = {n: (c / c.sum(axis=1, keepdims=True)).T for n, c in enumerate(counts) if c.any()}
    assert list(matrices) == [0, 1, 2]
    targets = {word: one_hot(word) for word in ("ACGTTTGA", "GAGATCCA")}
    filters_of = {0: one_hot("ACGTTTGA").T, 1: one_hot("TGGATCTC").T, 2: np.full((4, 8), 0.25)}
    table = match(filters_of, targets, DNA).set_index(["filter", "motif"])
    assert len(table) == 6 and table["q"].between(0, 1).all()
    assert table.loc[(0, "ACGTTTGA"), "q"] < 1e-4 and table.loc[(0, "ACGTTTGA"), "strand"] == "+"
    assert table.loc[(1, "GAGATCCA"), "q"] < 1e-4 and table.loc[(1, "GAGATCCA"), "strand"] == "-"
    rest = table.drop([(0, "ACGTTTGA"), (1, "GAGATCCA")])
    assert (rest["q"] > 0.1).all(), rest
    seen = match(matrices, {word: one_hot(word) for word in WORDS}, DNA)
    seen = seen.set_index(["filter", "motif"])["q"]
    assert seen[0, "ACGTACGT"] < 1e-3 and seen[1, "GGGGCCCC"] < 1e-3
    assert seen[0, "GGGGCCCC"] > 0.1 and seen[1, "ACGTACGT"] > 0.1


@pytest.mark.slow  # Tomtom takes a minute to compile
def test_random_filters_rarely_match():
    rng = np.random.default_rng(0)
    random = {n: rng.dirichlet(np.full(4, 0.3), size=10).T for n in range(40)}
    targets = {f"m{n}": rng.dirichlet(np.full(4, 0.3), size=9) for n in range(3)}
    table = match(random, targets, DNA)
    # p-values are uniform: of 120, with 5 % expected below 0.05, more than 24 have probability 1e-8
    assert (table["p"] < 0.05).sum() <= 24
    assert (table["q"] < 0.1).mean() < 0.05


def model_of(*layers, window=20):
    """Return what filters need of a model; layers are modules, or one list as in an architecture file."""
    if isinstance(layers[0], list):
        network = resolve_architecture({"layers": layers[0]}, "a.yaml")
        layers = [build(network, 4, window, 2, "a.yaml")]
    return SimpleNamespace(module=nn.Sequential(*layers).eval(), alphabet="DNA", window=window)


def test_the_first_convolution_is_found_in_any_network():
    conv = nn.Conv1d(4, 3, 5, dilation=2)
    layer = first_layer(model_of(nn.Sequential(nn.Dropout(), conv), nn.Conv1d(3, 2, 1)))
    np.testing.assert_array_equal(layer.weights, conv.weight.detach())
    assert layer.dilation == 2 and layer.bias.shape == (3,)
    assert not conv._forward_pre_hooks
    assert first_layer(model_of(nn.Flatten(), nn.Linear(80, 2))) is None
    assert first_layer(SimpleNamespace()) is None


CONV = {"conv": {"filters": 4, "width": 5}}


@pytest.mark.parametrize(
    "before",
    [
        [{"conv": {"filters": 4, "width": 3, "groups": 2}}],
        [{"max-pool": 2}],
        [{"average-pool": {"width": 3, "stride": 1}}],
        ["batch-norm"],
        ["layer-norm"],
        [{"positional-encoding": "learned"}],
        [{"lstm": {"units": 4}}],
        [{"branches": {"paths": [[], [{"dropout": 0.1}]], "join": "sum"}}],
        [{"residual": [{"activation": "tanh"}]}],
        [{"attention": {"heads": 2}}],
    ],
    ids=lambda before: json.dumps(before),
)
def test_a_convolution_over_anything_but_the_letters_has_no_filters(before):
    assert first_layer(model_of([*before, CONV, "global-max-pool"])) is None


def test_a_module_of_the_user_s_own_is_known_by_what_its_convolutions_are_given():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.late = nn.Linear(3, 2), nn.Conv1d(4, 3, 5)
            self.first = nn.Conv1d(4, 4, 3, padding=1)

        def forward(self, values):
            if self.pooled:
                values = nn.functional.max_pool1d(values, 2)
            return self.head(self.late(self.first(values)).amax(2))

    module = Own()
    module.pooled = False
    found = first_layer(model_of(module))
    np.testing.assert_array_equal(found.weights, module.first.weight.detach())
    module.pooled = True
    assert first_layer(model_of(module)) is None


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_every_shipped_network_with_a_convolution_has_filters(path):
    layers = load_architecture(str(path)).model_dump(mode="json")["layers"]
    model = model_of(layers, window=400)
    convolutions = [part for part in model.module.modules() if isinstance(part, nn.Conv1d)]
    found = first_layer(model)
    assert (found is None) == (path.stem == "fc")
    if found is not None:
        np.testing.assert_array_equal(found.weights, convolutions[0].weight.detach())


@pytest.mark.slow  # Tomtom takes a minute to compile
def test_the_command_writes_motifs_tables_and_a_figure(tiny_dataset, tmp_path, capsys):
    architecture = {
        "layers": [{"conv": {"filters": 6, "width": 8, "activation": "relu"}}, "global-max-pool"],
        "optimizer": {"adam": {"learning_rate": 0.01}},
        "training": {"epochs": 15},
    }
    (tmp_path / "net.yaml").write_text(json.dumps(architecture))
    train(tiny_dataset, str(tmp_path / "net.yaml"), tmp_path / "m", size=1000, seed=0)
    folder = tmp_path / "out"
    given = ["filters", tmp_path / "m", tiny_dataset, "-o", folder, "--examples", 100]
    assert main(list(map(str, given))) == 0
    said = capsys.readouterr().out
    table = pd.read_csv(folder / "filters.csv")
    hit = int((table["q"] < 0.1).sum())
    assert f"{hit} of 6 filters" in said and hit >= 2, said
    assert {path.name for path in folder.iterdir()} == {
        "filters.csv", "motifs.csv", "filters.meme", "filters.svg", "filters.pdf", "filters.png",
        "run.json", ".lock",
    }  # fmt: skip
    run = json.loads((folder / "run.json").read_text())
    assert run["verb"] == "filters" and run["found"] in said
    assert run["inputs"]["model"] == require_run(tmp_path / "m", "train")["fingerprint"]
    assert main(list(map(str, given))) == 0
    assert f"up to date; {run['found']}" in capsys.readouterr().out
    assert main([*map(str, given[:-1]), "90"]) == 0
    assert "up to date" not in capsys.readouterr().out
    assert main(list(map(str, given))) == 0
    motifs = pd.read_csv(folder / "motifs.csv")
    assert motifs["motif"].tolist() == ["a", "b"] and set(motifs["source"]) == {"elements"}
    again = read_motifs(folder / "filters.meme", "ACGT")
    assert set(again) == {f"filter-{n}" for n in table.loc[table["windows"] > 0, "filter"]}
    (tmp_path / "known.meme").write_bytes((folder / "filters.meme").read_bytes())
    given += ["--motifs", tmp_path / "known.meme"]
    assert main(list(map(str, given))) == 0
    table = pd.read_csv(folder / "filters.csv").dropna(subset=["q"])
    same = "filter-" + table["filter"].astype(str)
    best = table["bits"] == table["bits"].max()
    assert (table.loc[best, "database_motif"] == same[best]).all(), "itself"


def test_what_has_no_filters_is_refused(tiny_dataset, tmp_path):
    train(tiny_dataset, "bayes-optimal", tmp_path / "m", size=None, seed=0)
    with pytest.raises(InputError, match="no convolution over letters"):
        filters(tmp_path / "m", tiny_dataset, tmp_path / "out")
    assert not (tmp_path / "out" / "run.json").exists()


@pytest.mark.slow  # Tomtom takes a minute to compile
def test_filters_of_a_keras_network_are_its_twin_s(tiny_dataset, tmp_path):
    options = {"size": 100, "seed": 0, "device": "cpu", "backend": "tensorflow"}
    architecture = {
        "layers": [{"conv": {"filters": 5, "width": 8, "activation": "relu"}}, "global-max-pool"],
        "training": {"epochs": 2},
    }
    (tmp_path / "net.yaml").write_text(json.dumps(architecture))
    train(tiny_dataset, str(tmp_path / "net.yaml"), tmp_path / "m", **options)
    model = open_model(tmp_path / "m", require_run(tmp_path / "m", "train"), device="cpu")
    kernel, bias = model.network.get_weights()[:2]
    assert kernel.shape == (8, 4, 5)
    found = first_layer(model)
    np.testing.assert_array_equal(found.weights, kernel.transpose(2, 1, 0))
    np.testing.assert_array_equal(found.bias, bias)
    assert "of 5 filters" in filters(tmp_path / "m", tiny_dataset, tmp_path / "out", device="cpu")
    assert len(pd.read_csv(tmp_path / "out" / "filters.csv")) == 5


def test_a_folder_with_other_files_and_a_diverged_model_are_refused(tiny_dataset, tmp_path):
    train(tiny_dataset, "conv10-gmp-fc5", tmp_path / "m", size=100, seed=0)
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        filters(tmp_path / "m", tiny_dataset, tmp_path)
    run = json.loads((tmp_path / "m" / "run.json").read_text())
    (tmp_path / "m" / "run.json").write_text(seal(run | {"status": "diverged"}))
    with pytest.raises(InputError, match="m: diverged"):
        filters(tmp_path / "m", tiny_dataset, tmp_path / "out")


def test_a_meme_file_is_read_back_as_it_was(tmp_path):
    matrix = np.random.default_rng(0).dirichlet(np.ones(4), size=6)
    text = meme_text({"filter-3": matrix}, "ACGT", [0.25] * 4, [7])
    (tmp_path / "a.meme").write_text(text)
    found = read_motifs(tmp_path / "a.meme", "ACGT")["filter-3"]
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-6)
