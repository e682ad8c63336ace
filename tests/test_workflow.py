"""The grid through real Snakemake: only what is new is computed, and a failure costs one cell."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import yaml
from fault_tools import GRAMMAR
from grid_tools import HOSTILE

from seqgra.cli import main
from seqgra.errors import InputError
from seqgra.grid import Grid
from seqgra.grid.expected import Expected

REPOSITORY = Path(__file__).parents[1]
CONFIG = {
    "name": "t",
    "grammars": ["tiny"],
    "architectures": {"fc4": {"training": {"epochs": 2}}, "pwm-logistic-regression": {}},
    "sizes": [200],
    "data_seeds": [1],
    "test": {"examples": 100},
    "attribution": {"methods": ["gradient-x-input"], "examples": 10},
    "probe": {"sizes": "all"},
}
#: One of those that the compiled engine trains.
FAMILY = "conv5w-gmp-fc5"

MOTIF = """MEME version 4
ALPHABET= ACGT
MOTIF m
letter-probability matrix: alength= 4 w= 4
1 0 0 0
0 1 0 0
1 0 0 0
0 1 0 0
"""


class Run:
    """A working folder with its own config, and what Snakemake made in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "grammars").mkdir()
        (folder / "config").mkdir()
        (folder / "grammars" / "tiny.yaml").write_text(GRAMMAR)
        self.config = json.loads(json.dumps(CONFIG))

    def snakemake(self, *options, check=True):
        (self.folder / "config" / "config.yaml").write_text(yaml.safe_dump(self.config))
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            REPOSITORY / "workflow" / "Snakefile",
        ]
        command += ["--directory", self.folder, "--cores", "2", *options]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
        )
        assert (done.returncode == 0) == check, done.stdout + done.stderr
        return done.stdout + done.stderr

    def nouns(self):
        """Return when each noun was finished, by its folder below the results."""
        results = self.folder / "results" / "t"
        runs = results.rglob("run.json")
        return {str(run.parent.relative_to(results)): run.stat().st_mtime_ns for run in runs}

    def scores(self):
        return (self.folder / "results" / "t" / "tables" / "scores.csv").read_text()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a finished run; the tests below follow one another on it."""
    folder = tmp_path_factory.mktemp("workflow") / "it's a $(touch pwned) folder"
    folder.mkdir()
    run = Run(folder)
    run.config["question"] = HOSTILE
    run.snakemake()
    return run


def test_no_text_of_the_config_reaches_a_shell(run):
    assert not list(run.folder.rglob("pwned*")) and not list(REPOSITORY.glob("pwned*"))
    assert yaml.safe_load((run.folder / "results/t/config.yaml").read_text())["question"] == HOSTILE


def test_every_cell_is_there(run):
    table = pd.read_csv(run.folder / "results/t/tables/scores.csv")
    accuracy = table[(table.metric == "roc_auc") & (table.scope == "micro")]
    assert set(accuracy.architecture) == {"fc4", "pwm-logistic-regression"}
    assert accuracy.set_index("architecture").value["pwm-logistic-regression"] > 0.99
    expected = 3 + 2 * 4  # two datasets, constructed sequences; model, scores, attributions, probes
    assert len(run.nouns()) == expected
    assert (run.folder / "results" / "t" / "report.html").stat().st_size > 10_000


def test_a_second_call_does_nothing(run):
    before = run.nouns()
    assert "Nothing to be done" in run.snakemake()
    assert run.nouns() == before


@pytest.mark.slow
def test_a_new_seed_size_and_grammar_compute_only_what_is_new(run):
    before, scores = run.nouns(), set(run.scores().splitlines())
    run.config |= {"data_seeds": [1, 2], "sizes": [200, 300]}
    run.config["grammars"] = {"tiny": {}, "wide": {"from": "tiny", "window": 35}}
    run.snakemake()
    after = run.nouns()
    grown = {"data/tiny/s1"}
    assert {name for name, time in before.items() if after[name] != time} == grown
    cells = 2 * 2 * 2 * 2
    assert len(after) == 2 * (3 + 1) + 4 * cells
    assert scores < set(run.scores().splitlines()), "the first cells' scores stay as they were"


@pytest.mark.slow
def test_after_a_grammar_edit_what_depends_on_it_runs_again(run):
    before = run.nouns()
    file = run.folder / "grammars" / "tiny.yaml"
    file.write_text(file.read_text() + "# only a comment\n")
    run.snakemake()
    assert run.nouns() == before, "a comment changes nothing"
    file.write_text(file.read_text().replace("GGGGCCCC", "GGGGCCCT"))
    run.snakemake()
    after = run.nouns()
    assert all(after[name] != time for name, time in before.items()), "both grammars hold the k-mer"


@pytest.mark.slow
def test_variants_follow_their_base(run):
    """Editing a base architecture or a motif file reaches the variants that are made from it."""
    before = run.nouns()
    (run.folder / "grammars" / "m.meme").write_text(MOTIF)
    grammar = run.folder / "grammars" / "tiny.yaml"
    grammar.write_text(
        grammar.read_text().replace("b: {kmers: {GGGGCCCT: 1}}", "b: {motif: m.meme, id: m}")
    )
    (run.folder / "architectures").mkdir()
    base = run.folder / "architectures" / "net.yaml"
    base.write_text("layers: [flatten]\ntraining: {epochs: 1}\n")
    run.config["architectures"] = {"small": {"from": "net", "training": {"epochs": 2}}}
    run.snakemake()
    first = run.nouns()
    base.write_text("layers: [flatten, {dense: 3}]\ntraining: {epochs: 1}\n")
    run.snakemake()
    second = run.nouns()
    new = set(first) - set(before)
    assert new and all(second[name] != first[name] for name in new), "the architecture changed"
    (run.folder / "grammars" / "m.meme").write_text(MOTIF.replace("1 0 0 0", "0 1 0 0"))
    run.snakemake()
    third = run.nouns()
    assert all(third[f"data/{name}/s1"] != second[f"data/{name}/s1"] for name in ("tiny", "wide"))
    assert all(third[name] != second[name] for name in new), "the motif changed"


@pytest.mark.slow
def test_a_failed_cell_costs_only_itself(run):
    """A model folder that cannot be made fails; the pack's other seeds and sizes finish."""
    run.config = json.loads(json.dumps(CONFIG)) | {"sizes": [200, 300], "data_seeds": [1, 2]}
    run.snakemake()
    blocked = run.folder / "results/t/models/tiny/300/fc4/pytorch/s3-m0"
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("in the way")
    before = run.nouns()
    run.config["data_seeds"] = [1, 2, 3]
    said = run.snakemake(check=False)
    assert "s3-m0: cannot be written" in said
    assert "A partial report: seqgra compare --grid results/t/config.yaml -o results/t" in said
    after = run.nouns()
    assert {name: after.get(name) for name in before} == before, "a finished noun was lost"
    assert "models/tiny/200/fc4/pytorch/s3-m0" in after
    blocked.unlink()
    run.snakemake()
    assert "models/tiny/300/fc4/pytorch/s3-m0" in run.nouns()


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """Return a run whose config was edited, whose jobs then failed, and what the report told of it."""
    run = Run(tmp_path_factory.mktemp("edited"))
    run.snakemake()
    results = run.folder / "results" / "t"
    blocked = [
        results / "models/tiny/200/fc4/pytorch/s1-m0",
        results / "scores/tiny/200/pwm-logistic-regression/sklearn/s1-m0",
    ]
    for folder in blocked:
        folder.rename(folder.with_suffix(".old"))
        folder.write_text("in the way")
    run.config["architectures"]["fc4"]["training"]["epochs"] = 3
    run.config["test"]["examples"] = 120
    assert run.snakemake(check=False).count("s1-m0: cannot be written") == 2
    for folder in blocked:
        folder.unlink()
        folder.with_suffix(".old").rename(folder)
    told = run.folder / "told"
    grid = ["--grid", str(results / "config.yaml"), "--library", str(REPOSITORY)]
    with contextlib.chdir(run.folder):
        assert main(["compare", *grid, "-o", str(told)]) == 0
    return run, pd.read_csv(told / "tables" / "status.csv").set_index("architecture")


@pytest.mark.slow
def test_what_an_edit_left_behind_is_no_result(edited):
    _, status = edited
    assert status.status["fc4"] == "missing"
    assert status.reason["fc4"] == "train: out of date: made from an earlier architecture"


@pytest.mark.slow
def test_after_an_edit_and_a_failure_all_that_changed_is_made_again(edited):
    """The failed jobs' markers are gone, but what was made of the earlier models is still there."""
    run, _ = edited
    run.snakemake()
    results = run.folder / "results" / "t"
    nouns = {
        (kind, cell): json.loads((results / kind / "tiny/200" / cell / "run.json").read_text())
        for kind in ("models", "scores")
        for cell in ("fc4/pytorch/s1-m0", "pwm-logistic-regression/sklearn/s1-m0")
    }
    assert nouns["models", "fc4/pytorch/s1-m0"]["epochs"] == 3
    for (kind, cell), noun in nouns.items():
        if kind == "scores":
            assert noun["inputs"]["model"] == nouns["models", cell]["fingerprint"]
            assert noun["options"]["set_size"] == 120
    status = pd.read_csv(results / "tables" / "status.csv")
    assert "missing" not in set(status.status)
    assert "Nothing to be done" in run.snakemake()


@pytest.mark.slow
def test_a_pack_without_any_marker_is_missed(edited):
    run, _ = edited
    run.snakemake()
    markers = list((run.folder / "results/t/packs/tiny/fc4").rglob("*.done"))
    for marker in markers:
        marker.rename(marker.with_suffix(".away"))
    said = run.snakemake("--dry-run")
    for marker in markers:
        marker.with_suffix(".away").rename(marker)
    assert len(markers) == 4 and all(f"rule {marker.stem}:" in said for marker in markers)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "rule"),
    [
        ("config.yaml", "compare"),
        ("tables/status.csv", "compare"),
        ("architectures/fc4.yaml", "train"),
        ("packs/tiny/simulate.done", "simulate"),
        ("packs/tiny/fc4/pytorch/n200/train.txt", "train"),
        ("packs/tiny/fc4/pytorch/n200/attribute.done", "attribute"),
    ],
)
def test_a_file_that_is_gone_is_missed(edited, file, rule):
    """Snakemake by itself misses none of them while the report is there."""
    run, _ = edited
    file = run.folder / "results" / "t" / file
    file.rename(file.with_suffix(".away"))
    said = run.snakemake("--dry-run")
    file.with_suffix(".away").rename(file)
    assert re.search(rf"(?m)^(local)?rule {rule}:", said) and "rule compare:" in said


@pytest.mark.slow
def test_without_snakemakes_records_and_with_older_times_content_decides(edited):
    """A moved, copied or restored folder: an edit is seen, and nothing else is made again."""
    run, _ = edited
    shutil.rmtree(run.folder / ".snakemake")
    for file in run.folder.rglob("*"):
        os.utime(file, (1.5e9, 1.5e9))
    assert "Nothing to be done" in run.snakemake()
    before = run.nouns()
    file = run.folder / "grammars" / "tiny.yaml"
    file.write_text(file.read_text().replace("GGGGCCCC", "GGGGCCTT"))
    os.utime(file, (1.4e9, 1.4e9))
    run.config["question"] = "What now?"
    run.snakemake()
    after = run.nouns()
    assert all(after[name] != time for name, time in before.items())
    results = run.folder / "results" / "t"
    assert "missing" not in set(pd.read_csv(results / "tables" / "status.csv").status)
    assert "question: What now?" in (results / "config.yaml").read_text()


def test_the_slurm_profile_as_a_site_fills_it_in(tmp_path):
    """Every commented line of the profile works once its `#` is deleted."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    text = (REPOSITORY / "workflow" / "profiles" / "slurm" / "config.yaml").read_text()
    site = re.sub(r"(?m)^( *)# (?=(  )?[a-z_-]+:( |$))", r"\1", text)
    assert "\n  qos: normal" in site and "\nset-resources:" in site and "\nconfig: " in site
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "config.yaml").write_text(site)
    run = Run(tmp_path)
    run.config |= {"train": {"device": "cuda"}, "sizes": [20_000]}
    said = run.snakemake("--profile", str(tmp_path / "site"), "--dry-run")
    jobs = [part for part in re.split(r"\n\[.*\]\n", said) if part.startswith("rule train:")]
    network = next(job for job in jobs if "pack=tiny/fc4/pytorch" in job)
    baseline = next(job for job in jobs if "/sklearn/" in job)
    assert "slurm_partition=gpu" in network and "gres=gpu:1" in network and "gpu=0" in network
    assert "slurm_partition=short" in baseline and "gres=gpu" not in baseline
    assert "slurm_account=my-group" in network and "qos=normal" in network

    def priority(job):
        found = re.search(r"priority: (\d+)", job)
        return int(found[1]) if found else 0  # which Snakemake does not print

    # by plan the fit of the baseline takes 4 seconds, and the two epochs of the network less than one
    assert priority(baseline) > priority(network), "what takes long starts first"
    data = re.search(r"(?s)rule simulate:.*?priority: (\d+)", said)
    assert int(data[1]) > priority(baseline), "what others wait for starts before all"


@pytest.mark.slow
def test_tuning_comes_before_training(tmp_path):
    run = Run(tmp_path)
    candidates = [{"sgd": {"learning_rate": 1e-7}}, {"adam": {"learning_rate": 0.01}}]
    run.config |= {"sizes": [200, 300], "tune": {"epochs": 2, "candidates": candidates}}
    run.snakemake()
    results = tmp_path / "results" / "t"
    chosen = sorted(results.glob("tunings/tiny/*/fc4/pytorch/chosen.yaml"))
    assert [file.parts[-4] for file in chosen] == ["200", "300"]
    assert not list(results.glob("tunings/**/pwm-logistic-regression"))
    model = json.loads((results / "models/tiny/300/fc4/pytorch/s1-m0/run.json").read_text())
    assert model["tuned"] == yaml.safe_load(chosen[1].read_text())
    table = pd.read_csv(results / "tables" / "tuning.csv")
    assert table.optimizer[table.chosen].tolist() == ["adam 0.01"] * 2
    assert "<strong>Tuned.</strong>" in (results / "report.html").read_text()
    assert "Nothing to be done" in run.snakemake()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizse": [1]}, "config: sizse: unknown key; did you mean 'sizes'?"),
        ({"grammars": ["tinny"]}, "did you mean 'tiny'?"),
        ({"architectures": ["conv10q-fc5"]}, "unknown part 'conv10q'"),
        ({"name": "../outside"}, "use letters, digits"),
        (
            {"attribution": {"methods": ["gradiant"]}},
            "attribution.methods[0]: unknown method 'gradiant'; did you mean 'gradient'?",
        ),
        (
            {"attribution": {"methods": ["saliency", {"name": "deep-lift", "steps": 3}]}},
            "attribution.methods[1].steps: is no option of deep-lift; it has baseline",
        ),
        ({"grammars": {"tiny": {"window": 5}}}, "elements.a: is 8 wide; the window has 5 letters"),
        ({"train": {"stack": 1}}, "config: train: has stack, which is gone"),
        ({"tune": None}, "config: tune: is empty; write {} for the defaults, or delete the key"),
        ({"adaptive": None}, "config: adaptive: is empty; write {} for the defaults, or delete"),
        ({"probe": None}, "config: probe: is empty; write {} for the defaults, or delete the key"),
        (
            {"grammars": {"tiny": {"elements": [{"since": date(2026, 12, 1)}]}}},
            "config: grammars: tiny.elements[0].since is a date, 2026-12-01; put it in quotes",
        ),
        (
            {"architectures": {"fc4": {date(2026, 12, 1): 1}}},
            "config: architectures: fc4 is a date",
        ),
        ({"architectures": {"fc4": False}}, "config: architectures.fc4"),
        ({"data_seeds": [True]}, "data_seeds is true, a truth value; expected a number"),
        ({"test": {"examples": True}}, "examples is true, a truth value; expected a number"),
        ({"cluster": {"max_runtime": True}}, "max_runtime is true, a truth value"),
        ({"train": {"threads": 5000}}, "config: train.threads"),
        ({"grammars": {"tiny": {"elements": {1: {}, "b": {}}}}}, "elements.1: needs exactly one"),
        (
            {"train": {"engine": "compiled"}, "architectures": ["danq"]},
            "config: train.engine: compiled is not defined for danq (docs/compiled.md",
        ),
        (
            {"train": {"engine": "compiled", "device": "cuda"}, "architectures": [FAMILY]},
            "config: train.engine: compiled trains on a CPU; give device cpu or auto",
        ),
        (
            {"train": {"engine": "compiled"}, "backends": ["tensorflow"]},
            "config: train.engine: compiled is for networks of the backend pytorch; fc4",
        ),
        (
            {
                "train": {"engine": "compiled"},
                "tune": {"candidates": [{"adam": {}}, {"adamax": {}}]},
                "architectures": [FAMILY],
            },
            f"config: train.engine: compiled is not defined for {FAMILY} with Adamax",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_wrong_config_is_refused(tmp_path, change, message):
    run = Run(tmp_path)
    with pytest.raises(InputError) as refused:
        Grid(run.config | change, "config", (tmp_path, REPOSITORY))
    assert message in str(refused.value)


def test_compiled_is_asked_of_what_is_trained_alone(tmp_path):
    """An optimiser that tuning replaces needs no kernel, and has a cost and an engine all the same."""
    run = Run(tmp_path)
    candidates = {"candidates": [{"adam": {}}]}
    run.config["architectures"] = {FAMILY: {"optimizer": {"adamax": {}}}}
    run.config |= {"train": {"engine": "compiled"}, "tune": candidates}
    grid = Grid(run.config, "config", (tmp_path, REPOSITORY))
    assert grid.packs and Expected(grid).engine(grid.cells[0]) == "torch"  # until it is tuned
    network = grid.architectures[FAMILY]
    tuned = network.with_optimizer(grid.config.tune.candidates[0])
    assert grid.engine(tuned, grid.cells[0]) == "compiled"


def test_every_job_keeps_to_the_caps_and_asks_for_its_threads(tmp_path):
    run = Run(tmp_path)
    run.config |= {"train": {"threads": 2}, "cluster": {"max_runtime": 19, "max_mem_mb": 900}}
    asked = run.snakemake("-n", "--jobs", "2").split("\nrule ")[1:]
    asked = {text.split(":")[0]: text for text in asked}
    assert asked.keys() >= {"simulate", "construct", "train", "evaluate", "attribute", "probe"}
    for rule in asked.keys() - {"all"}:
        assert "mem_mb=900," in asked[rule] and "runtime=19" in asked[rule], asked[rule]
        assert ("threads: 2" in asked[rule]) == (rule not in ("simulate", "construct")), asked[rule]


def test_a_wrong_config_is_refused_in_one_line_before_anything_runs(tmp_path):
    run = Run(tmp_path)
    run.config |= {"sizse": [1], "name": "../outside"}
    said = run.snakemake("--dry-run", check=False)
    assert "config: sizse: unknown key; did you mean 'sizes'?" in said
    assert "use letters, digits" in said and "Traceback" not in said
    assert not (tmp_path / "results").exists()


def test_a_config_file_of_the_command_line_is_the_grid_by_itself(tmp_path):
    """Snakemake would merge it with config/config.yaml: the architectures of both."""
    run = Run(tmp_path)
    other = CONFIG | {"name": "other", "architectures": ["fc5"]}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    options = ["--configfile", tmp_path / "other.yaml", "--config", "name=third"]
    said = run.snakemake("--dry-run", *options)
    assert "results/third/report.html" in said and "tiny/fc5/pytorch" in said
    assert "tiny/fc4/" not in said and "results/t/" not in said and "results/other/" not in said


MODULE = """
configfile: "config/config.yaml"


module seqgra:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from seqgra


rule count_tables:
    default_target: True
    input:
        rules.compare.output,
    output:
        "count.txt",
    shell:
        "ls results/t/tables | wc -l > {{output}}"
"""


def write_module(folder, snakefile):
    (folder / "workflow").mkdir(exist_ok=True)
    (folder / "workflow" / "Snakefile").write_text(MODULE.format(snakefile=snakefile))
    return ("--snakefile", folder / "workflow" / "Snakefile")


@pytest.mark.slow
def test_a_workflow_of_its_own_takes_this_one_as_a_module_and_adds_a_rule(tmp_path):
    run = Run(tmp_path)
    run.config |= {"architectures": ["pwm-logistic-regression"], "probe": False}
    relative = os.path.relpath(REPOSITORY / "workflow" / "Snakefile", tmp_path / "workflow")
    other = write_module(tmp_path, relative)
    assert "rule count_tables:" in run.snakemake(*other, "--dry-run")
    assert not (tmp_path / "results").exists()
    run.snakemake(*other)
    assert int((tmp_path / "count.txt").read_text()) > 10
    assert "Nothing to be done" in run.snakemake(*other)
    run.snakemake(*other, "--report", "snakemake.html")
    page = (tmp_path / "snakemake.html").read_text()
    assert all(words in page for words in ("report.html", "needed.csv", "Examples needed by each"))


@pytest.mark.slow
def test_the_module_may_be_read_from_a_git_repository(tmp_path):
    """File by file, without a checkout; the grammars that ship are those of the installed package."""
    head = subprocess.run(
        ["git", "-C", REPOSITORY, "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    if head.returncode:
        pytest.skip("no checkout of git")
    run = Run(tmp_path)
    run.config["grammars"] = ["tiny", "toy1-kmer-center"]
    address = f"git+file://{REPOSITORY}/workflow/Snakefile@{head.stdout.strip()}"
    said = run.snakemake(*write_module(tmp_path, address), "--dry-run")
    assert "rule count_tables:" in said and "toy1-kmer-center/simulate.done" in said
