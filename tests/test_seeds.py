"""Seed designs: what is an initialisation of its own, and what every dataset shares."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from seqgra.backends import loop, pytorch_training
from seqgra.cli import main
from seqgra.dataset import open_dataset
from seqgra.fingerprint import read_run
from seqgra.grid import Grid, commands, jobs
from seqgra.grid.expected import Expected
from seqgra.grid.stages import options_of
from seqgra.model import NETWORK_BACKENDS, open_model
from seqgra.simulate import simulate
from seqgra.subsample import subsample
from seqgra.train import train
from seqgra.training import TrainingOptions
from seqgra.tune import tune

#: Learns nothing that float32 can hold: a trained model has its initial weights.
FROZEN = {
    "layers": [{"conv": {"filters": 4, "width": 5}}, "global-max-pool", {"dropout": 0.5}],
    "optimizer": {"sgd": {"learning_rate": 1e-30}},
    "training": {"epochs": 1, "augment": {"shift": 1}},
}


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    file = tmp_path_factory.mktemp("net") / "net.yaml"
    file.write_text(yaml.safe_dump(FROZEN))
    return str(file)


def simulated(folder, grammar, seed=1, training=70):
    simulate(grammar, folder, seed=seed, counts={"training": training, "validation": 20})
    return folder


def logits(dataset, net, folder, size=100, **options):
    """Return the logits of a network that has learnt nothing, on fixed examples."""
    train(dataset, net, folder, size=size, device="cpu", **{"seed": 0, **options})
    x = np.random.default_rng(0).integers(4, size=(5, 40)).astype(np.uint8)
    return open_model(folder, read_run(folder), device="cpu").logits(x)


def same(first, second):
    return np.allclose(first, second, rtol=1e-5, atol=1e-6)


def test_all_sizes_of_a_pool_start_alike_and_others_do_not(tmp_path, tiny_grammar, net):
    pool = simulated(tmp_path / "pool", tiny_grammar)

    def start(name, dataset=pool, **options):
        return logits(dataset, net, tmp_path / name, **options)

    first = start("first")
    assert same(first, start("smaller", size=50))
    simulated(pool, tiny_grammar, training=210)
    assert same(first, start("grown", size=200)), "a pool that grows stays the same pool"
    assert not same(first, start("model seed", seed=1))
    other = simulated(tmp_path / "other", tiny_grammar, seed=2)
    assert not same(first, start("data seed", dataset=other))
    tiny_grammar.write_text(tiny_grammar.read_text().replace("ACGTACGT", "ACGTACGA"))
    grammar = simulated(tmp_path / "grammar", tiny_grammar)
    assert not same(first, start("another grammar", dataset=grammar))
    crossed = start("crossed", seeds="crossed")
    assert not same(first, crossed)
    for name, dataset in (("a", other), ("b", grammar)):
        assert same(crossed, start(name, dataset=dataset, seeds="crossed"))
    assert not same(crossed, start("c", seeds="crossed", seed=1))


@pytest.mark.parametrize("seeds", ["nested", "crossed"])
def test_both_libraries_start_alike(seeds, tmp_path, tiny_dataset, net):
    found = [
        logits(tiny_dataset, net, tmp_path / name, backend=name, seeds=seeds)
        for name in NETWORK_BACKENDS
    ]
    assert same(*found)


def test_a_data_seed_of_a_real_dataset_is_an_order_and_an_initialisation(tmp_path, tiny_dataset):
    sources = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        subsample(tiny_dataset, folder, seed=seed, sets=["training", "validation"])
        sources.append(TrainingOptions(0, "cpu", 1).source(open_dataset(folder)))
    sources.append(TrainingOptions(0, "cpu", 1).source(open_dataset(tiny_dataset)))
    assert len(set(sources)) == 3


@pytest.mark.parametrize("backend", NETWORK_BACKENDS)
@pytest.mark.parametrize("seeds", ["nested", "crossed"])
def test_everything_random_follows_from_one_source(
    backend, seeds, tmp_path, tiny_dataset, net, monkeypatch
):
    modules = [pytorch_training]
    if backend == "tensorflow":
        from seqgra.backends import tensorflow_training

        modules.append(tensorflow_training)
    used = set()

    def recorded(source, purpose):
        used.add((source, purpose))
        return loop.derived_seed(source, purpose)

    for module in modules:
        monkeypatch.setattr(module, "derived_seed", recorded)
    options = {"size": 50, "seed": 3, "device": "cpu", "seeds": seeds, "backend": backend}
    train(tiny_dataset, net, tmp_path / "m", **options)
    purposes = {purpose for _, purpose in used if "layer" not in purpose}
    assert purposes == {"initial weights", "order 1", "dropout 1", "augmentation 1"}
    pool = read_run(tiny_dataset)["fingerprint"]
    assert {source for source, _ in used} == {f"{pool} 3" if seeds == "nested" else "3"}


def test_a_model_says_its_design_and_what_has_no_random_part_says_none(tmp_path, tiny_dataset, net):
    for name, seeds in (
        ("n", []),
        ("c", ["--seeds", "crossed"]),
        ("again", ["--seeds", "crossed"]),
    ):
        options = ["--size", "50", "--device", "cpu", *seeds]
        folder = tmp_path / name.replace("again", "c")
        assert main(["train", str(tiny_dataset), net, "-o", str(folder), *options]) == 0
    assert read_run(tmp_path / "n")["options"]["seeds"] == "nested"
    assert read_run(tmp_path / "c")["options"]["seeds"] == "crossed"
    for seeds in ("nested", "crossed"):
        options = {"size": 100, "seed": 0, "seeds": seeds}
        found = train(tiny_dataset, "kmer-logistic-regression", tmp_path / "k", **options)
        assert found == ("done" if seeds == "nested" else "up to date")
    assert "seeds" not in read_run(tmp_path / "k")["options"]


def test_an_unknown_design_is_refused(tmp_path, tiny_dataset, net, capsys):
    call = ["train", str(tiny_dataset), net, "-o", str(tmp_path / "m"), "--size", "50"]
    with pytest.raises(SystemExit) as stop:
        main([*call, "--seeds", "1"])
    assert stop.value.code == 2
    assert "argument --seeds: invalid choice: '1'" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_tuning_follows_the_design(tmp_path, tiny_dataset, net):
    losses = {}
    for seeds in ("nested", "crossed"):
        folder = tmp_path / seeds
        tune(tiny_dataset, net, folder, size=50, epochs=1, device="cpu", seeds=seeds)
        run = next(folder.glob("candidates/*/run.json"))
        assert read_run(folder)["options"]["seeds"] == seeds
        assert json.loads(run.read_text())["options"]["seeds"] == seeds
        losses[seeds] = yaml.safe_load((folder / "chosen.yaml").read_text())["candidates"]
    assert losses["nested"] != losses["crossed"]


@pytest.mark.parametrize("seeds", [None, "nested", "crossed"])
def test_a_grid_hands_its_design_to_every_network(seeds, tmp_path, tiny_grammar, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grammars").mkdir()
    tiny_grammar.rename(tmp_path / "grammars" / "tiny.yaml")
    config = {
        "name": "t",
        "grammars": ["tiny"],
        "architectures": ["fc4", "kmer-logistic-regression"],
        "sizes": [50],
        "tune": {},
    } | ({"seeds": seeds} if seeds else {})
    grid = Grid(config, "config", (tmp_path, Path(__file__).parents[1]))
    for stage in ("tune", "train"):
        names = jobs.names(grid, stage)
        text = "".join(commands.lines(grid, stage, name) + "\n" for name in names)
        networks = [line for line in text.splitlines() if "fc4" in line]
        assert networks and all(f"--seeds {seeds or 'nested'}" in line for line in networks)
        assert "--seeds" not in "".join(set(text.splitlines()) - set(networks))
    options = {c.architecture: options_of(Expected(grid), c)["train"] for c in grid.cells}
    assert options["fc4"]["seeds"] == (seeds or "nested")
    assert "seeds" not in options["kmer-logistic-regression"]
