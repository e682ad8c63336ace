"""Stacks: several models of one network trained in one vectorised loop."""

import numpy as np
import pytest
import torch
import yaml

from seqgra.architecture.load import resolve_architecture
from seqgra.architecture.shapes import check_stack
from seqgra.backends import pytorch, pytorch_stack
from seqgra.cli import main
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.fingerprint import Identity, claim, read_run
from seqgra.grid import Grid, commands, jobs
from seqgra.simulate import simulate
from seqgra.train import Run, train, train_stack
from seqgra.training import Options, training_data

#: Every layer that can be stacked.
LAYERS = [
    {"conv": {"filters": 3, "width": 5, "reverse_complement": True, "activation": "silu"}},
    {"conv": {"filters": 6, "width": 4, "dilation": 2, "activation": "exponential"}},
    "layer-norm",
    {"residual": ["layer-norm", {"attention": {"heads": 2, "dropout": 0.1}}]},
    {"conv": {"filters": 5, "width": 3, "stride": 2, "padding": "valid", "activation": "elu"}},
    {"batch-norm": {"momentum": 0.2, "epsilon": 1e-3}},
    {"residual": {"layers": [{"conv": {"filters": 5, "width": 1}}], "activation": "leaky-relu"}},
    {"average-pool": {"width": 3, "stride": 2}},
    {"conv": {"filters": 4, "width": 3, "padding": 4, "activation": "gelu"}},
    {"max-pool": 2},
    "global-max-pool",
    "layer-norm",
    {"dense": {"units": 4, "activation": "tanh"}},
    {"dropout": 0.0},
    {"dense": {"units": 4, "activation": "softplus"}},
    "batch-norm",
    {"dropout": 0.1},
]
SMALL = [{"conv": {"filters": 4, "width": 9, "activation": "relu"}}, "flatten", {"dropout": 0.3}]
POOLED = [{"conv": {"filters": 6, "width": 9, "activation": "relu"}}, "global-average-pool"]
CONTENTS = {
    "every layer": {"layers": LAYERS},
    "dropout": {"layers": SMALL},
    "augmented, clipped, weighted, both strands": {
        "layers": POOLED,
        "predict": {"reverse_complement": True},
        "optimizer": {"adamw": {"learning_rate": 0.01}},
        "training": {
            "augment": {"reverse_complement": True, "shift": 3},
            "clip_norm": 0.05,
            "class_weights": "balanced",
        },
    },
    "sgd, in order, cut gradients": {
        "layers": POOLED,
        "optimizer": {"sgd": {"learning_rate": 0.1}},
        "training": {"shuffle": False, "clip_value": 0.01, "monitor": "roc-auc"},
    },
}


def network(content, **training):
    quick = {"optimizer": {"adam": {"learning_rate": 0.01}}}
    plan = {"epochs": 3, "batch_size": 16, **content.get("training", {}), **training}
    return resolve_architecture({**quick, **content, "training": plan}, "a.yaml")


@pytest.fixture(scope="module")
def examples(tiny_dataset, tmp_path_factory):
    """Two datasets of one grammar, of two data seeds."""
    other = tmp_path_factory.mktemp("data")
    grammar = tiny_dataset.parent / "tiny.yaml"
    simulate(grammar, other, seed=2, counts={"training": 350, "validation": 50})
    return [tiny_dataset, other]


def data_of(folder, size=100):
    return training_data(open_dataset(folder), size)


def alone(net, data, seed, folder):
    with claim(folder, Identity("train", 0)) as draft:
        return pytorch.fit(net, data, Options(seed, "cpu", 1), draft)


def stacked(net, data, seeds, width):
    return pytorch_stack.fit_stack(net, data, seeds, Options(0, "cpu", 1), width)


def state(trained):
    return {k: v.numpy() for k, v in trained.model.network.state_dict().items()}


def same(first, second):
    return all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", CONTENTS)
def test_a_stack_ends_close_to_models_trained_alone(name, examples, tmp_path):
    net = network(CONTENTS[name])
    data = {0: data_of(examples[0]), 1: data_of(examples[1]), 2: data_of(examples[0])}
    seeds = {0: 5, 1: 5, 2: 6}
    together = stacked(net, data, seeds, 3)
    x = np.array(data[0].validation_x)
    for place, trained in together.items():
        own = alone(net, data[place], seeds[place], tmp_path / str(place))
        np.testing.assert_allclose(trained.model.logits(x), own.model.logits(x), atol=5e-3)
        for row, other in zip(trained.history, own.history, strict=True):
            assert row.keys() == other.keys()
            values = [[r[k] for k in r if k != "seconds"] for r in (row, other)]
            np.testing.assert_allclose(*values, rtol=1e-3, atol=1e-4)
        assert trained.facts.keys() == own.facts.keys()
        assert trained.facts["parameters"] == own.facts["parameters"]
    assert not np.allclose(together[0].model.logits(x), together[2].model.logits(x), atol=1e-2)


@pytest.mark.parametrize("name", CONTENTS)
def test_bits_depend_on_width_and_place_alone(name, examples):
    """Other neighbours, or copies in their places, change nothing, even if one of them diverges."""
    net = network(CONTENTS[name], epochs=2)
    first, second = data_of(examples[0]), data_of(examples[1])
    full = stacked(net, {0: first, 1: second, 2: first}, {0: 5, 1: 5, 2: 6}, 3)
    few = stacked(net, {1: second}, {1: 5}, 3)
    other = stacked(net, {0: second, 1: second, 2: second}, {0: 1, 1: 5, 2: 2}, 3)
    assert same(state(full[1]), state(few[1])) and same(state(full[1]), state(other[1]))
    assert not same(state(full[1]), state(full[0]))


def test_a_diverging_neighbour_is_not_felt(examples):
    net, data = network({"layers": LAYERS}, epochs=2), data_of(examples[0])
    calm = stacked(net, {0: data, 1: data}, {0: 1, 1: 2}, 2)
    sources = [Options(seed, "cpu", 1).source(data.dataset) for seed in (1, 2)]
    stack = pytorch_stack.Stack(net, [data, data], sources, torch.device("cpu"))
    with torch.no_grad():
        for values in stack._weights.values():
            values[0] = float("nan")
    losses = [stack.train_epoch(epoch, net.optimizer.learning_rate) for epoch in (1, 2)]
    assert np.isnan(losses)[:, 0].all() and np.isfinite(losses)[:, 1].all()
    assert [row["training_loss"] for row in calm[1].history] == pytest.approx(
        [loss[1] for loss in losses], rel=1e-6
    )


def test_each_model_of_a_stack_stops_by_itself(examples, tmp_path):
    net = network({"layers": POOLED, "optimizer": {"adam": {"learning_rate": 0.1}}}, epochs=30)
    net = net.model_copy(update={"training": net.training.model_copy(update={"patience": 2})})
    data = {place: data_of(examples[place % 2]) for place in range(4)}
    together = stacked(net, data, {place: place for place in range(4)}, 4)
    epochs = [trained.facts["epochs"] for trained in together.values()]
    assert len(set(epochs)) > 1, "else nothing is tested"
    for place, trained in together.items():
        best = trained.facts["best_epoch"]
        assert trained.facts["epochs"] in (best + 2, 30) and len(trained.history) == epochs[place]
        losses = [row["validation_loss"] for row in trained.history]
        assert losses.index(min(losses)) + 1 == best
        x, y = np.array(data[place].validation_x), data[place].validation_y
        found = torch.nn.functional.cross_entropy(
            torch.from_numpy(trained.model.logits(x)), torch.from_numpy(y.argmax(axis=1))
        )
        assert float(found) == pytest.approx(min(losses), rel=1e-4), "the best epoch's weights"


def test_losses_of_labels_are_weighted_by_model():
    """Against `training.mean_loss`, in float64."""
    from seqgra.training import mean_loss

    rng = np.random.default_rng(0)
    logits, w = rng.normal(size=(3, 7, 4)), rng.random((3, 4)) + 0.5
    labels = (rng.random((3, 7, 4)) < 0.4).astype(np.uint8)
    classes = np.eye(4, dtype=np.uint8)[rng.integers(0, 4, (3, 7))]
    for task, y, weights in (
        ("multi-label", labels, w),
        ("multi-label", labels, None),
        ("multi-class", classes, w),
        ("multi-class", classes, None),
    ):
        stack = object.__new__(pytorch_stack.Stack)
        stack._multi_label = task == "multi-label"
        stack._loss_weights = None if weights is None else torch.from_numpy(weights)
        targets = y.astype(float) if stack._multi_label else y.argmax(axis=2)
        found = stack._losses(torch.from_numpy(logits), torch.from_numpy(targets)).numpy()
        each = [None] * 3 if weights is None else weights
        wanted = [mean_loss(logits[k], y[k], task, each[k]) for k in range(3)]
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"layers": [{"lstm": {"units": 2, "output": "last"}}]}, r"layers\[0\]\.lstm: cannot be"),
        ({"layers": [{"residual": [{"gru": 4}]}, "flatten"]}, r"\.layers\[0\]\.gru: cannot be"),
        ({"layers": SMALL, "schedule": {"plateau": {}}}, r"schedule\.plateau: would give"),
        ({"layers": SMALL, "training": {"compile": True}}, r"training\.compile: is true"),
        ({"layers": SMALL, "training": {"precision": "bfloat16"}}, r"training\.precision: is bf"),
    ],
    ids=["lstm", "gru in a block", "plateau", "compile", "bfloat16"],
)
def test_what_cannot_be_stacked_is_refused(content, message):
    with pytest.raises(InputError, match=message):
        check_stack(resolve_architecture(content, "a.yaml"), "a.yaml")


def write_net(tmp_path):
    file = tmp_path / "net.yaml"
    content = {"layers": POOLED, "optimizer": {"adam": {"learning_rate": 0.01}}}
    file.write_text(yaml.safe_dump({**content, "training": {"epochs": 2}}))
    return str(file)


def test_a_batch_trains_adjacent_lines_in_one_stack(examples, tmp_path, monkeypatch):
    net, sizes = write_net(tmp_path), []
    whole = pytorch_stack.fit_stack
    monkeypatch.setattr(
        pytorch_stack, "fit_stack", lambda *a: sizes.append(sorted(a[1])) or whole(*a)
    )
    lines = [f"{examples[0]} {net} -o {tmp_path}/m{k} --seed {k} --place {k % 3}" for k in range(4)]
    lines.insert(1, f"{examples[1]} {net} -o {tmp_path}/other --seed 0 --place 1 --size 50")
    (tmp_path / "batch").write_text("\n".join(lines))
    command = ["train", "--batch", str(tmp_path / "batch"), "--done", str(tmp_path / "done")]
    shared = ["--size", "100", "--stack", "3", "--device", "cpu"]
    assert main([*command, *shared]) == 0
    assert sizes == [[0], [1], [0, 1, 2]], "lines of another size, or in the same place, apart"
    runs = [read_run(tmp_path / name) for name in ("m0", "m1", "m2", "m3", "other")]
    assert [run["options"]["place"] for run in runs] == [0, 1, 2, 0, 1]
    assert len({run["fingerprint"] for run in runs}) == 5
    sizes.clear()
    assert main([*command, *shared]) == 0 and not sizes, "up to date"
    weights = (tmp_path / "m1" / "model.safetensors").read_bytes()
    train(examples[0], net, tmp_path / "one", size=100, seed=1, device="cpu", stack=3, place=1)
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == weights
    assert read_run(tmp_path / "one")["fingerprint"] == runs[1]["fingerprint"]
    train(examples[0], net, tmp_path / "plain", size=100, seed=1, device="cpu")
    assert read_run(tmp_path / "plain")["fingerprint"] != runs[1]["fingerprint"]
    made = [f"{tmp_path}/{name}" for name in ("m0", "other", "m1", "m2", "m3")]
    listed = (tmp_path / "done").read_text().splitlines()
    assert [line.split()[-1] for line in listed[1:]] == made
    scores = ["evaluate", f"{tmp_path}/m1", str(examples[0]), "-o", f"{tmp_path}/s"]
    assert main([*scores, "--device", "cpu"]) == 0


def test_permuted_labels_in_a_stack_are_dealt_by_each_model_s_seed(examples, tmp_path, monkeypatch):
    """As alone, and unlike those of the same stack without --permute-labels."""
    dealt, fit_stack = {}, pytorch_stack.fit_stack

    def noted(network, data, seeds, how, width):
        dealt.update({seeds[place]: np.array(part.y) for place, part in data.items()})
        return fit_stack(network, data, seeds, how, width)

    monkeypatch.setattr(pytorch_stack, "fit_stack", noted)
    net = write_net(tmp_path)
    lines = [f"{examples[0]} {net} -o {tmp_path}/m{k} --seed {k} --place {k}" for k in range(2)]
    (tmp_path / "batch").write_text("\n".join(lines))
    shared = ["--size", "100", "--stack", "2", "--permute-labels", "--device", "cpu"]
    assert main(["train", "--batch", str(tmp_path / "batch"), *shared]) == 0
    told = training_data(open_dataset(examples[0]), 100).y
    assert sorted(dealt) == [0, 1] and (dealt[0] != dealt[1]).any()
    for labels in dealt.values():
        assert (labels != told).any() and np.array_equal(labels.sum(axis=0), told.sum(axis=0))
    runs = [read_run(tmp_path / f"m{k}") for k in range(2)]
    assert all(run["options"]["permute_labels"] and run["options"]["stack"] == 2 for run in runs)
    options = {"size": 100, "device": "cpu", "stack": 2, "place": 1, "permute_labels": True}
    train(examples[0], net, tmp_path / "one", seed=1, **options)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "m1")]
    assert weights[0] == weights[1]


class Killed(BaseException):
    pass


def test_a_killed_stack_leaves_nothing_and_begins_anew(examples, tmp_path, monkeypatch):
    net, runs = write_net(tmp_path), {k: Run(examples[0], tmp_path / f"m{k}", k) for k in range(2)}
    how = {"size": 100, "width": 2, "how": Options(0, "cpu", 1)}
    whole = {k: run._replace(folder=tmp_path / f"w{k}") for k, run in runs.items()}
    assert len(train_stack(net, whole, **how)) == 2
    one_epoch = pytorch_stack.Stack.train_epoch

    def killed(stack, epoch, rate):
        if epoch == 2:
            raise Killed
        return one_epoch(stack, epoch, rate)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(pytorch_stack.Stack, "train_epoch", killed)
        train_stack(net, runs, **how)
    assert not any(read_run(run.folder) for run in runs.values())
    train_stack(net, runs, **how)
    for k in runs:
        weights = [(tmp_path / f"{f}{k}" / "model.safetensors").read_bytes() for f in "mw"]
        assert weights[0] == weights[1]


def test_a_wrong_line_does_not_stop_the_others_of_its_stack(examples, tmp_path, capsys):
    net = write_net(tmp_path)
    lines = [f"{examples[0]} {net} -o {tmp_path}/m{k} --seed {k} --place {k}" for k in range(2)]
    lines.append(f"{tmp_path}/nothing {net} -o {tmp_path}/m2 --seed 2 --place 2")
    (tmp_path / "batch").write_text("\n".join(lines))
    command = ["train", "--batch", str(tmp_path / "batch"), "--size", "50", "--stack", "3"]
    assert main([*command, "--device", "cpu"]) == 1
    assert read_run(tmp_path / "m0") and read_run(tmp_path / "m1")
    assert "line 3: failed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("architecture", "options", "message"),
    [
        ("fc10", {"place": 2}, "--place: is 2; the stack has places 0 to 1"),
        ("fc10", {"backend": "tensorflow"}, "backend: tensorflow trains no stacks"),
        ("architectures/kmer-logistic-regression.yaml", {}, "--stack: is for networks"),
    ],
    ids=["place", "backend", "baseline"],
)
def test_wrong_stacks_are_refused(architecture, options, message, examples, tmp_path):
    with pytest.raises(InputError, match=message):
        train(examples[0], architecture, tmp_path / "m", size=50, seed=0, stack=2, **options)


def config(**train_plan):
    return {
        "name": "t",
        "grammars": ["toy1-kmer-center"],
        "architectures": ["fc10", "kmer-logistic-regression"],
        "sizes": [1000],
        "data_seeds": [1, 2],
        "model_seeds": [0, 1, 2],
        "train": train_plan,
    }


def test_a_grid_gives_each_model_a_place_that_follows_from_its_seeds():
    grid = Grid(config(stack=3), "config")
    name = next(name for name in grid.packs if "fc10" in name)
    lines = [line.split() for line in commands.lines(grid, "train", name).splitlines()[1:]]
    places = [line[line.index("--place") + 1] for line in lines]
    assert places == ["1", "2", "0", "2", "0", "1"]
    assert all(line[line.index("--stack") + 1] == "3" for line in lines)
    plain = Grid(config(), "config")
    assert "--stack" not in commands.lines(plain, "train", name)
    baseline = next(name for name in grid.packs if "/sklearn/" in name)
    assert "--stack" not in commands.lines(grid, "train", baseline)
    assert jobs.memory(grid, "train", name, 1) >= jobs.memory(plain, "train", name, 1)
    with pytest.raises(InputError, match=r"train\.stack: tensorflow trains no stacks"):
        Grid({**config(stack=3), "backends": ["pytorch", "tensorflow"]}, "config")
    wrong = {**config(stack=3), "architectures": {"fc10": {"schedule": {"plateau": {}}}}}
    with pytest.raises(InputError, match=r"architectures\.fc10: schedule\.plateau: would give"):
        Grid(wrong, "config")
