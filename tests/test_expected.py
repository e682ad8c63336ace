"""What a grid expects its nouns to be made from is what its own command lines make them from."""

import json
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from fault_tools import GRAMMAR

import seqgra.attribute  # noqa: F401 (its module is patched)
from seqgra.cli import main
from seqgra.compare.cells import read_cells
from seqgra.compare.stages import look_at, look_at_model
from seqgra.errors import InputError
from seqgra.fingerprint import claim, identity_of, read_run
from seqgra.grid import EXACT, Grid, commands
from seqgra.grid.expected import Expected
from seqgra.grid.jobs import names
from seqgra.grid.stages import GRID_STAGES, PackStage, inputs_of, options_of

#: Rows that add up to 1 but for the last bit, and keys out of order.
ODD = {
    "from": "tiny",
    "elements": {"c": {"matrix": [[0.571, 0.008, 0.138, 0.283], [0.1, 0.2, 0.3, 0.4]]}},
    "noise": {"labels": {"two": 0.1, "one": 0.2}},
}
NET = {"layers": ["flatten", {"dense": 4}], "optimizer": {"sgd": {}}, "training": {"epochs": 1}}
CONFIG = {
    "name": "t",
    "grammars": {"tiny": {}, "odd": ODD},
    "architectures": {
        "fc4": {"training": {"epochs": 1}},
        "net": {"optimizer": {"sgd": {"learning_rate": 0.02}}},
        "pwm-logistic-regression": {},
        "bayes-optimal": {},
    },
    "sizes": [100, 200],
    "data_seeds": [1],
    "test": {"examples": 50},
    "tune": {"epochs": 1, "candidates": [{"sgd": {}}, {"adam": {"learning_rate": 0.01}}]},
    "probe": False,
}
#: The same without tuning; probed by default.
PLAIN = {name: value for name, value in CONFIG.items() if name not in ("tune", "probe")} | {
    "name": "plain",
    "grammars": {"tiny": {}},
    "architectures": {"net": {"optimizer": {"sgd": {"learning_rate": 0.02}}}},
}
ROOTS = (Path(), Path(__file__).parents[1])


def made(grid):
    """Make the nouns of a grid by the command lines of its workflow."""
    variants = [("grammar", name) for name in grid.sources if name == "odd"]
    variants += [("architecture", name) for name in grid.architectures if name in ("fc4", "net")]
    for kind, name in variants:
        base = grid.sources[name].base if kind == "grammar" else grid.architecture_base(name)
        target = grid.folder / f"{kind}s" / f"{name}.yaml"
        changes = json.loads(grid.variant_changes(f"{kind}s", name))
        changes = json.dumps({key: value for key, value in changes.items() if key != "from"})
        assert main(["variant", kind, str(base), changes, "-o", str(target)]) == 0
    jobs = [("simulate", name) for name in grid.sources]
    jobs += [("tune", name) for name in grid.packs if grid.tuned(name.split("/")[1])]
    jobs += [(stage, name) for stage in ("train", "evaluate") for name in grid.packs]
    jobs += [(stage, name) for stage in ("construct", "probe") for name in names(grid, stage)]
    for stage, name in jobs:
        Path("batch.txt").write_text(commands.lines(grid, stage, name))
        assert main([stage, "--batch", "batch.txt"]) == 0


def unlike(grid):
    """Return the cells and roles whose nouns are made from something else than the grid expects."""
    expected, found = Expected(grid), set()
    for cell in grid.cells:
        wanted = inputs_of(expected, cell)
        model, scores = (
            read_run(grid.result(kind, cell))["inputs"] for kind in ("models", "scores")
        )
        seen = {"dataset": model["dataset"], "architecture": model["architecture"]}
        seen["test"], seen["constructed"] = scores["dataset"], ""
        if grid.probed(cell):
            seen["constructed"] = read_run(grid.result("probes", cell))["inputs"]["constructed"]
        options = options_of(expected, cell)
        for stage, kind in (("train", "models"), ("evaluate", "scores")):
            if read_run(grid.result(kind, cell))["options"] != options[stage]:
                found.add((cell.grammar, cell.architecture, f"options of {stage}"))
        assert wanted.keys() == seen.keys()
        told = {role: fingerprint for role, fingerprint in wanted.items() if fingerprint}
        here = {role for role, fingerprint in told.items() if fingerprint != seen[role]}
        found |= {(cell.grammar, cell.architecture, role) for role in here}
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    for kind, text in [("grammars/tiny", GRAMMAR), ("architectures/net", yaml.safe_dump(NET))]:
        file = folder / f"{kind}.yaml"
        file.parent.mkdir()
        file.write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for config in (CONFIG, PLAIN):
            made(Grid(config, "config", ROOTS))
    return folder


def changed(**changes):
    return Grid(json.loads(json.dumps(CONFIG)) | changes, "config", ROOTS)


def test_every_noun_is_what_the_grid_expects(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert unlike(changed()) == unlike(Grid(PLAIN, "config", ROOTS)) == set()
    tunings = [read_run(file.parent)["options"] for file in Path().rglob("chosen.yaml")]
    assert len(tunings) == 2 * 2 * 2, "two grammars, two networks, two sizes"


def test_after_an_edit_what_it_concerns_is_not(folder, monkeypatch):
    monkeypatch.chdir(folder)
    architectures = CONFIG["architectures"] | {"fc4": {"training": {"epochs": 2}}}
    both = {("tiny", "fc4", "architecture"), ("odd", "fc4", "architecture")}
    assert unlike(changed(architectures=architectures)) == both
    odd = {("odd", name, role) for name in CONFIG["architectures"] for role in ("dataset", "test")}
    tuned = {("odd", name, "architecture") for name in ("fc4", "net")}
    grammars = CONFIG["grammars"] | {"odd": ODD | {"window": 31}}
    assert unlike(changed(grammars=grammars)) == odd | tuned, "their tuning is of other data"
    test = {(name, other, "test") for name in ("tiny", "odd") for other in CONFIG["architectures"]}
    exact = {(name, EXACT, "dataset") for name in ("tiny", "odd")}
    assert unlike(changed(test={"examples": 50, "seed": 9})) == test | exact


def test_after_an_edit_of_options_those_are_not(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert {role for _, _, role in unlike(changed(test={"examples": 40}))} == {
        "options of evaluate"
    }
    threads = unlike(changed(train={"threads": 2}))
    assert {role for _, _, role in threads} == {"options of train", "architecture"}
    assert {name for _, name, _ in threads} == CONFIG["architectures"].keys() - {EXACT}
    tuned = unlike(changed(tune=CONFIG["tune"] | {"epochs": 2}))
    assert tuned == {(g, a, "architecture") for g in ("tiny", "odd") for a in ("fc4", "net")}


METHODS = ["integrated-gradients", "gradient", {"name": "few", "method": "integrated-gradients"}]
METHODS[2] |= {"steps": 7, "baseline": "shuffled", "references": 3}
METHODS += [{"name": "smooth-gradient", "samples": 5, "noise": 1, "correct": True}, "mutagenesis"]
METHODS += [
    {"name": "o", "method": "occlusion", "width": 3, "mask": "background", "untrained": True}
]


def test_options_of_attributions_are_those_of_the_command_lines(folder, monkeypatch):
    monkeypatch.chdir(folder)
    grid = changed(attribution={"methods": METHODS, "examples": 9, "steps": 50})
    expected, made = Expected(grid), {}

    def identity(verb, inputs, options):
        made[folders[-1]] = options
        raise InputError

    monkeypatch.setattr(sys.modules["seqgra.attribute"], "identity_of", identity)
    cell = next(cell for cell in grid.cells if cell.architecture == "fc4")
    pack = next(name for name, pack in grid.packs.items() if cell in pack.cells)
    folders = []
    lines = commands.lines(grid, "attribute", pack).splitlines()[1:]
    for line in lines[: len(METHODS)]:
        call = shlex.split(line)
        folders.append(Path(call[call.index("-o") + 1]).name)
        assert main(["attribute", *call]) == 2
    assert made == options_of(expected, cell)["attribute"] and len(made) == len(METHODS)


def test_a_tuning_that_is_gone_or_damaged_tells_nothing(folder, monkeypatch, caplog):
    """Models do not need it any more, so it may be packed away."""
    monkeypatch.chdir(folder)
    file = next(Path().rglob("chosen.yaml"))
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"a", b"b"))
    assert unlike(changed()) == set()
    assert "chosen.yaml: does not match its checksum" in caplog.text
    (file.parent / "run.json").rename(folder / "away.json")
    expected, grid = Expected(changed()), changed()
    tuned = [cell for cell in grid.cells if grid.tuning(cell) == file.parent]
    assert {expected.architecture(cell) for cell in tuned} == {""}
    (folder / "away.json").rename(file.parent / "run.json")
    file.write_bytes(whole)
    assert unlike(changed()) == set()


def test_a_stage_that_grids_do_not_know_yet_is_looked_at_too(folder, monkeypatch, tmp_path):
    """Its entry is all: what its results are to be made from and with is in the cells file, and compared."""
    monkeypatch.chdir(folder)
    grid = Grid(PLAIN, "config", ROOTS)
    entry = PackStage(
        "filters",
        *(lambda *_: iter(()), lambda *_: None, lambda *_: 0),
        after=("train",),
        inputs=lambda expected, cell: {"test": expected.test_set(cell)},
        options=lambda expected, cell: {"examples": 7},
    )
    monkeypatch.setitem(GRID_STAGES, "filters", entry)
    rows = list(commands.cell_rows(grid))
    pd.DataFrame(rows).to_csv(tmp_path / "cells.csv", index=False)
    cell = read_cells(tmp_path / "cells.csv")[0]
    model = look_at_model(cell)
    right = {"model": model.run["fingerprint"], "dataset": rows[0]["test_fingerprint"]}

    def reason(inputs, options):
        with claim(tmp_path / "filters", identity_of("filters", right | inputs, options)) as draft:
            draft.publish()
        return look_at(cell, "filters", tmp_path / "filters", model).reason

    assert reason({}, {"examples": 7}) == ""
    assert reason({"dataset": "x"}, {"examples": 7}).endswith("made from an earlier dataset")
    assert reason({"model": "x"}, {"examples": 7}).endswith("made from an earlier model")
    assert "examples 8, not 7" in reason({}, {"examples": 8})
