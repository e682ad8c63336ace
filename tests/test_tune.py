"""Tuning: the best candidate on the validation set is chosen, and training follows the choice."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from seqgra.architecture.load import architecture_fingerprint, load_architecture
from seqgra.architecture.optimizers import Adam, Optimizer, Sgd
from seqgra.cli import main
from seqgra.compare.cells import CELL_COLUMNS, read_cells
from seqgra.compare.tuning import in_words, tuning_table
from seqgra.errors import InputError
from seqgra.fingerprint import read_run
from seqgra.grid import Grid, commands
from seqgra.grid.batches import Batches
from seqgra.grid.status import status
from seqgra.report.page import fill_macro
from seqgra.report.tuned import tuned_facts, tuned_rows
from seqgra.results import Candidate, Tuning, read_tuning
from seqgra.simulate import simulate
from seqgra.train import train
from seqgra.tune import tune

REPOSITORY = Path(__file__).parents[1]
#: Of these the second learns the tiny grammar in a few epochs, and the others do not.
CANDIDATES = [
    {"sgd": {"learning_rate": 1e-7}},
    {"adam": {"learning_rate": 0.01}},
    {"sgd": {"learning_rate": 1e38}},
]
BEST = Optimizer(adam=Adam(learning_rate=0.01))
NET = {
    "layers": [{"conv": {"filters": 8, "width": 9, "activation": "relu"}}, "global-max-pool"],
    "training": {"epochs": 5},
}


def write_net(folder, **changes):
    file = folder / "net.yaml"
    file.write_text(yaml.safe_dump({**NET, "tune": CANDIDATES, **changes}))
    return str(file)


@pytest.fixture
def other_seed(tmp_path, tiny_grammar):
    """Return a dataset of the tiny grammar with another data seed."""
    simulate(tiny_grammar, tmp_path / "tuning", seed=2, counts={"training": 350, "validation": 50})
    return tmp_path / "tuning"


def run(dataset, net, folder, **options):
    return tune(dataset, net, folder, size=500, epochs=4, device="cpu", **options)


def test_the_least_validation_loss_is_chosen(tmp_path, other_seed):
    net, folder = write_net(tmp_path), tmp_path / "t"
    assert run(other_seed, net, folder) == "done"
    content = yaml.safe_load((folder / "chosen.yaml").read_text())
    assert content["optimizer"]["adam"]["learning_rate"] == 0.01
    slow, best, diverged = content["candidates"]
    assert best["validation_loss"] < 0.5 < 0.68 < slow["validation_loss"] < 0.8
    assert (best["status"], diverged["status"]) == ("done", "diverged")
    assert slow["status"] != "diverged"
    assert best["epochs"] <= 4, "the budget is that of tune, not of the file"
    assert run(other_seed, net, folder) == "up to date"


def test_each_loss_is_that_of_training_with_the_candidate(tmp_path, other_seed):
    run(other_seed, write_net(tmp_path), tmp_path / "t")
    tuning = read_tuning(tmp_path / "t")
    for number, optimizer in enumerate(CANDIDATES[:2]):
        net = write_net(tmp_path, optimizer=optimizer, training={"epochs": 4})
        train(other_seed, net, tmp_path / str(number), size=500, seed=0, device="cpu")
        history = pd.read_csv(tmp_path / str(number) / "history.csv")
        assert tuning.candidates[number].validation_loss == history.validation_loss.min()


def test_finished_candidates_are_kept(tmp_path, other_seed):
    """Another list of candidates trains only those that are new."""
    run(other_seed, write_net(tmp_path), tmp_path / "t")
    kept = {f: f.stat().st_mtime_ns for f in (tmp_path / "t").glob("candidates/*/run.json")}
    assert len(kept) == 3
    new = [*CANDIDATES[:2], {"adam": {"learning_rate": 0.02}}]
    assert run(other_seed, write_net(tmp_path, tune=new), tmp_path / "t") == "done"
    assert all(file.stat().st_mtime_ns == time for file, time in kept.items())
    assert len(list((tmp_path / "t").glob("candidates/*/run.json"))) == 4


def candidate(loss, status="done", rate=0.1):
    sgd = Optimizer(sgd=Sgd(learning_rate=rate))
    return Candidate(optimizer=sgd, validation_loss=loss, epochs=1, status=status)


@pytest.mark.parametrize(
    ("candidates", "rate"),
    [
        ([candidate(0.3), candidate(0.2, rate=0.2)], 0.2),
        ([candidate(0.2), candidate(0.2, rate=0.2)], 0.1),
        ([candidate(0.1, "diverged"), candidate(0.7, "collapsed", 0.2)], 0.2),
        ([candidate(None, "diverged"), candidate(0.5, "diverged", 0.2)], 0.2),
        ([candidate(None, "diverged"), candidate(None, "diverged", 0.2)], 0.1),
    ],
    ids=["least", "a tie: the first", "not a diverged one", "all diverged", "none finite"],
)
def test_choice(candidates, rate):
    chosen = Tuning.choose(candidates)
    assert chosen.optimizer.learning_rate == rate
    assert Tuning.model_validate(yaml.safe_load(yaml.safe_dump(chosen.as_json()))) == chosen


def test_training_takes_the_choice_into_its_identity(tmp_path, tiny_dataset, other_seed):
    net = write_net(tmp_path)
    run(other_seed, net, tmp_path / "t")
    options = {"size": 500, "seed": 0, "device": "cpu"}
    train(tiny_dataset, net, tmp_path / "plain", **options)
    train(tiny_dataset, net, tmp_path / "m", tuned=tmp_path / "t", **options)
    by_hand = write_net(tmp_path, optimizer=CANDIDATES[1], tune=[])
    train(tiny_dataset, by_hand, tmp_path / "by-hand", **options)
    runs = {name: read_run(tmp_path / name) for name in ("plain", "m", "by-hand")}
    assert runs["m"]["fingerprint"] == runs["by-hand"]["fingerprint"]
    assert runs["m"]["fingerprint"] != runs["plain"]["fingerprint"]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("m", "by-hand")]
    assert weights[0] == weights[1]
    assert runs["m"]["tuned"]["optimizer"] == BEST.model_dump(exclude_none=True)
    assert "tuned" not in runs["plain"]
    net = write_net(tmp_path)
    assert train(tiny_dataset, net, tmp_path / "m", tuned=tmp_path / "t", **options) == "up to date"
    content = (tmp_path / "t" / "chosen.yaml").read_text()
    (tmp_path / "t" / "chosen.yaml").write_text(content.replace("0.01", "0.02"))
    with pytest.raises(InputError, match=r"chosen\.yaml: does not match its checksum"):
        train(tiny_dataset, net, tmp_path / "m", tuned=tmp_path / "t", **options)


def test_candidates_are_no_part_of_an_untuned_model(tmp_path):
    plain = architecture_fingerprint(load_architecture(write_net(tmp_path, tune=[])))
    assert architecture_fingerprint(load_architecture(write_net(tmp_path))) == plain


def test_wrong_tunings_are_refused(tmp_path, tiny_dataset, other_seed, capsys):
    net, folder = write_net(tmp_path), str(tmp_path / "t")
    command = ["tune", str(other_seed), net, "-o", folder, "--size", "100", "--epochs", "1"]
    assert main([*command, "--device", "cpu"]) == 0
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump({**NET, "layers": ["flatten"]}))
    train_ = ["train", str(tiny_dataset), "-o", str(tmp_path / "m"), "--size", "100", "--tuned"]
    cases = [
        ([*train_, folder, str(other)], "was made for another architecture"),
        ([*train_, folder, "kmer-logistic-regression"], "is for networks"),
        ([*train_, str(tiny_dataset), net], "was made by `seqgra simulate`"),
        (["train", str(other_seed), *train_[2:], folder, net], "was tuned on"),
        (["tune", str(other_seed), "kmer-logistic-regression", *command[3:]], "only networks"),
        ([*command, "--candidates", "[{}]"], "--candidates: candidates[0]: needs exactly one of"),
        ([*command, "--candidates", "sgd"], "are not JSON"),
        ([*command, "--candidates", "[]"], "candidates"),
    ]
    for arguments, message in cases:
        capsys.readouterr()
        assert main(arguments) == 2, arguments
        said = capsys.readouterr().err
        assert message in said and len(said.splitlines()) == 1, said


def test_a_candidate_given_twice_is_refused(tmp_path):
    twice = [{"adam": {}}, {"sgd": {}}, {"adam": {"learning_rate": 0.001}}]
    with pytest.raises(InputError, match="tune: candidate 3 is candidate 1 again"):
        load_architecture(write_net(tmp_path, tune=twice))


def config(**changes):
    return {
        "name": "t",
        "grammars": ["toy1-kmer-center"],
        "architectures": ["fc10", "conv10w-gmp-fc5", "kmer-logistic-regression"],
        "sizes": [200, 100],
        "data_seeds": [1, 2],
        "model_seeds": [0, 1],
        "tune": {"seed": 7},
        **changes,
    }


def test_a_grid_tunes_each_network_once_a_size():
    grid = Grid(config(), "config")
    pack = next(name for name in grid.packs if "fc10" in name)
    lines = [line.split() for line in commands.lines(grid, "tune", pack).splitlines()[1:]]
    targets = [f"results/t/tunings/toy1-kmer-center/{n}/fc10/pytorch" for n in (100, 200)]
    assert [line[line.index("-o") + 1] for line in lines] == targets
    assert all(line[0] == "results/t/data/toy1-kmer-center/s7" for line in lines)
    trained = commands.lines(grid, "train", pack).splitlines()[1:]
    assert len(trained) == 8 and all("--tuned results/t/tunings/" in line for line in trained)
    baseline = next(name for name in grid.packs if "kmer-logistic" in name)
    assert "--tuned" not in commands.lines(grid, "train", baseline)
    simulated = commands.lines(grid, "simulate", "toy1-kmer-center")
    assert "/s7 --seed 7 --sets training,validation --size 200" in simulated
    plain = Grid({key: value for key, value in config().items() if key != "tune"}, "config")
    assert "--tuned" not in commands.lines(plain, "train", pack)
    assert "s7" not in commands.lines(plain, "simulate", "toy1-kmer-center")
    assert not plain.tuned("fc10") and not grid.tuned("kmer-logistic-regression")


def test_a_grid_gives_every_network_the_same_budget():
    unequal = {"fc10": {"tune": CANDIDATES}, "conv10w-gmp-fc5": {}}
    with pytest.raises(InputError, match=r"different numbers of candidates \(fc10 3, conv10w-gmp"):
        Grid(config(architectures=unequal), "config")
    Grid(config(architectures=unequal, tune={"candidates": [*CANDIDATES]}), "config")
    with pytest.raises(InputError, match=r"tune\.seed: is 2, one of data_seeds"):
        Grid(config(tune={"seed": 2}), "config")


def tuned_note(table):
    return " ".join(fill_macro("tuned.j2", "tuned_note", tuned_facts(table)).split())


def tuned_table(table):
    return " ".join(fill_macro("tuned.j2", "tuned_table", tuned_rows(table)).split())


def test_the_report_says_what_was_picked(tmp_path, tiny_dataset, other_seed):
    net = write_net(tmp_path)
    run(other_seed, net, tmp_path / "t")
    rows = []
    for seed in (0, 1):
        model = tmp_path / f"m{seed}"
        options = {"size": 500, "seed": seed, "device": "cpu"}
        train(tiny_dataset, net, model, tuned=tmp_path / "t", **options)
        rows.append(["g", 500, 1, "net", "pytorch", seed, model, "s", "", "test"])
    pd.DataFrame(rows, columns=list(CELL_COLUMNS)).to_csv(tmp_path / "cells.csv", index=False)
    table = tuning_table(read_cells(tmp_path / "cells.csv"))
    assert len(table) == 3, "the seeds share it"
    assert table.optimizer[table.chosen].tolist() == ["adam 0.01"]
    page = tuned_table(table.assign(label="net"))
    assert '<td class="long">adam 0.01</td>' in page and "sgd 1e+38: diverged" in page
    assert "3 candidates" in tuned_note(table.assign(label="net"))
    assert tuned_table(table[:0].assign(label="")) == tuned_note(table[:0].assign(label="")) == ""


def test_a_model_tells_of_the_tuning_that_there_is(tmp_path, tiny_dataset, other_seed):
    """Another tuning with the same choice trains nothing again, and its candidates are those of the table."""
    net, options = write_net(tmp_path), {"size": 500, "seed": 0, "device": "cpu"}
    run(other_seed, net, tmp_path / "t")
    train(tiny_dataset, net, tmp_path / "m", tuned=tmp_path / "t", **options)
    first, weights = read_run(tmp_path / "m"), (tmp_path / "m" / "model.safetensors").stat()
    net = write_net(tmp_path, tune=CANDIDATES[:2])
    run(other_seed, net, tmp_path / "t")
    train(tiny_dataset, net, tmp_path / "m", tuned=tmp_path / "t", **options)
    second = read_run(tmp_path / "m")
    assert [len(each["tuned"]["candidates"]) for each in (first, second)] == [3, 2]
    same = set(first) - {"tuned", "checksum"}
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    assert (tmp_path / "m" / "model.safetensors").stat().st_mtime_ns == weights.st_mtime_ns
    assert train(tiny_dataset, net, tmp_path / "m", tuned=tmp_path / "t", **options) == "up to date"


def test_a_grid_knows_a_tuning_of_other_candidates(tmp_path, tiny_grammar, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grammars").mkdir()
    (tmp_path / "grammars/tiny.yaml").write_text(Path(tiny_grammar).read_text())
    config = {"name": "t", "grammars": ["tiny"], "sizes": [100], "test": {"examples": 50}}
    config |= {"architectures": {"net": {"from": "fc10"}}, "attribution": {"methods": []}}
    config |= {"tune": {"epochs": 1, "candidates": [{"sgd": {}}]}, "probe": False}

    def grid(**tune):
        return Grid({**config, "tune": config["tune"] | tune}, "c", (tmp_path, REPOSITORY))

    batches = Batches(grid(), REPOSITORY)
    batches.write()
    for marker, job in batches.jobs.items():
        if job.stage in ("simulate", "tune"):
            assert main([job.stage, "--batch", str(Path(marker).with_suffix(".txt"))]) == 0
    assert status(grid(), REPOSITORY).counts["tune", "net"] == {"done": 1}
    for change in ({"epochs": 2}, {"candidates": [{"sgd": {"learning_rate": 0.5}}]}):
        assert status(grid(**change), REPOSITORY).counts["tune", "net"] == {"missing": 1}


def test_the_report_warns_where_no_candidate_had_learnt():
    columns = {"grammar": "g", "size": 500, "label": ["a", "a", "b", "b"], "epochs": [3, 6, 4, 6]}
    table = pd.DataFrame(columns).assign(chosen=[True, False] * 2, status="done")
    assert "had learnt" not in tuned_note(table)
    table.loc[1, "status"] = "collapsed"
    assert "had learnt" not in tuned_note(table), "the candidate that was picked had"
    table.loc[2, "status"] = "collapsed"
    assert "<strong>In 1 of 2 choices</strong> (b) not even" in tuned_note(table)


def test_settings_in_words():
    assert in_words(BEST) == "adam 0.01"
    weighted = Optimizer(sgd=Sgd(learning_rate=0.5, momentum=0.8, weight_decay=0.1))
    assert in_words(weighted) == "sgd 0.5, momentum 0.8, weight decay 0.1"


def test_batch_lines_can_be_run(tmp_path, tiny_grammar, monkeypatch):
    """What the grid writes for tune is a command that works, candidates in JSON included."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grammars").mkdir()
    tiny_grammar.rename(tmp_path / "grammars" / "tiny.yaml")
    content = config(grammars=["tiny"], architectures=["fc10"], sizes=[50], data_seeds=[1])
    content["tune"] = {"seed": 7, "epochs": 1, "candidates": CANDIDATES[:2]}
    grid = Grid(content, "config")
    for stage, name in (("simulate", "tiny"), ("tune", "tiny/fc10/pytorch/n50")):
        (tmp_path / stage).write_text(commands.lines(grid, stage, name))
        assert main([stage, "--batch", stage, "--done", f"{stage}.done"]) == 0
    _, done = (tmp_path / "tune.done").read_text().splitlines()
    fingerprint, folder = done.split()
    assert read_run(tmp_path / folder)["fingerprint"] == fingerprint
    assert json.loads((tmp_path / folder / "run.json").read_text())["options"]["epochs"] == 1
