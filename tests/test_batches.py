"""What decides that a job runs again is content; jobs run in this process, without Snakemake."""

import contextlib
import importlib
import os
import random
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from grid_tools import CHOICES, HOSTILE, REPOSITORY, Work, differences, disturb_times

from seqgra.cli import main
from seqgra.errors import InputError
from seqgra.fingerprint import locked
from seqgra.grid import Grid, commands, read_grid
from seqgra.grid import stages as grid_stages
from seqgra.grid.batches import Batches, Job
from seqgra.grid.commands import call_text, lines
from seqgra.grid.plan import plan
from seqgra.grid.status import status
from seqgra.markers import after, earlier, made_from, origin, write_marker
from seqgra.stages import find_stage


@pytest.mark.slow
def test_edits_and_faults_end_in_what_a_fresh_grid_makes(tmp_path):
    """`python tests/grid_tools.py 100` does more, adaptive grids among them (benchmarks/README.md)."""
    assert differences(tmp_path, rounds=4, seed=3, without=("adaptive",)) == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    work = Work(tmp_path_factory.mktemp("finished") / "work", methods=["mutagenesis"])
    assert work.call()
    return work


@pytest.fixture
def work(finished, tmp_path):
    """Return a finished grid in a folder of its own: a copy, with the times of copying."""
    shutil.copytree(finished.folder, tmp_path / "moved")
    return Work(tmp_path / "moved", **finished.state)


def stale(work):
    """Return the jobs that a call would run, without running them."""
    with contextlib.chdir(work.folder):
        grid = Grid(
            yaml.safe_load(Path("config/config.yaml").read_text()), "c", (Path(), REPOSITORY)
        )
        batches = Batches(grid, REPOSITORY)
        return {job for job in batches.jobs.values() if batches.stale(job)}


def stages(work):
    return {(job.stage, job.name.split("/")[0]) for job in stale(work)}


MODELS = {
    (stage, name) for stage in ("train", "evaluate", "attribute") for name in ("tiny", "other")
}
PROBES = {(stage, name) for stage in ("construct", "probe") for name in ("tiny", "other")}
ALL = MODELS | {("simulate", "tiny"), ("simulate", "other"), ("compare", "")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"comment": CHOICES["comment"][1]}, set()),
        ({"kmer": "TTTTAAAA"}, ALL),
        ({"row": "0 1 0 0"}, ALL),
        ({"places": CHOICES["places"][1]}, ALL),
        ({"background": CHOICES["background"][1]}, ALL),
        ({"variant": {"window": 34}}, {(s, n) for s, n in ALL if n in ("other", "")}),
        ({"k": 3}, MODELS | {("compare", "")}),
        ({"sizes": [100]}, ALL),
        ({"examples": 80}, ALL),
        ({"methods": []}, {("compare", "")}),
        ({"probe": True}, PROBES | {("compare", "")}),
        ({"probe": {"sizes": "all", "seed": 3}}, PROBES | {("compare", "")}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_an_edit_makes_what_depends_on_it_stale_whatever_the_times(work, changes, expected):
    for file in work.edit(**changes):
        os.utime(file, (1.4e9, 1.4e9))
    assert stages(work) == expected


def test_times_alone_make_nothing_stale(work):
    disturb_times(work.folder, random.Random(1))
    assert stale(work) == set()


@pytest.mark.parametrize(
    ("file", "first"),
    [
        ("packs/tiny/simulate.done", "simulate"),
        ("packs/tiny/varied/sklearn/n100/evaluate.txt", "evaluate"),
        ("packs/tiny/varied/sklearn/n100/train.done", "train"),
        ("architectures/varied.yaml", "train"),
        ("grammars/other.yaml", "simulate"),
        ("config.yaml", "compare"),
        ("compare.done", "compare"),
    ],
)
def test_a_file_that_is_gone_damaged_or_another_grids_makes_its_job_stale(work, file, first):
    file = work.folder / "results" / "t" / file
    whole = file.read_bytes()
    for text in (None, whole[:-5] if file.suffix != ".done" else b"# made from 0\n", b"\xff\n"):
        file.unlink() if text is None else file.write_bytes(text)
        found = {job.stage for job in stale(work)}
        assert first in found and "compare" in found, text
        assert first == "simulate" or "simulate" not in found
    file.write_bytes(whole)
    assert stale(work) == set()


def test_a_repository_may_be_moved_with_its_grid(work, tmp_path):
    """The folder with grammars/ and architectures/ is the working folder, or holds it."""
    texts = set()
    for place in (tmp_path / "here", tmp_path / "there"):
        shutil.copytree(work.folder, place / "sub")
        for library, folder in ((place, "sub"), (place / "sub", "sub")):
            with contextlib.chdir(place / folder):
                content = yaml.safe_load(Path("config/config.yaml").read_text())
                Batches(Grid(content, "c", (Path(), REPOSITORY)), library).write()
                text = Path("results/t/compare.txt").read_text()
                assert str(place) not in text
                texts.add(text)
    assert len(texts) == 2, "one of each library"


def test_a_marker_of_another_run_makes_what_follows_stale(work, tmp_path):
    """Half a run, then records and times lost: evaluate.done is of the models that were."""
    other = Work(tmp_path / "other", **work.state | {"kmer": "TTTTAAAA"})
    assert other.call()
    place = Path("results/t/packs/tiny/varied/sklearn/n100/train.done")
    assert (other.folder / place).read_bytes() != (work.folder / place).read_bytes()
    shutil.copy(other.folder / place, work.folder / place)
    assert {job.stage for job in stale(work)} == {"train", "evaluate", "attribute", "compare"}


def test_a_raised_results_version_makes_its_stage_stale(work, monkeypatch):
    def raised(name):
        stage = find_stage(name)
        return replace(stage, version=stage.version + (name == "evaluate"))

    monkeypatch.setattr(grid_stages, "find_stage", raised)
    assert {job.stage for job in stale(work)} == {"evaluate", "compare"}


@pytest.mark.parametrize("at", ["simulate", "compare"])
def test_an_edit_while_jobs_run_is_said_and_the_next_call_makes_it(work, at):
    """Before simulate reads the grammar, and after all but the report have."""
    work.edit(row="0 1 0 0")
    number = [job.stage for job in sorted(stale(work), key=lambda job: job.stage != "simulate")]
    order = 0 if at == "simulate" else len(number) - 1
    assert not work.call(order, lambda *_: work.edit(kmer="TTTTAAAA"))
    assert (
        "tiny" in work.said and "has changed since Snakemake read it; call snakemake" in work.said
    )
    assert work.call()
    assert stale(work) == set()
    fresh = Work(work.folder / "fresh", **work.state)
    assert fresh.call() and work.report() == fresh.report()


def test_an_edit_of_an_architecture_while_jobs_run_is_said(work, capsys):
    with contextlib.chdir(work.folder):
        file = Path("results/t/packs/tiny/varied/sklearn/n100/train.txt")
        variant = Path("results/t/architectures/varied.yaml")
        before = {path: path.stat().st_mtime_ns for path in Path("results/t/models").rglob("*")}
        variant.write_text(variant.read_text().replace("k: 2", "k: 3"))
        assert main(["train", "--batch", str(file), "--done", "new.done"]) == 1
        said = capsys.readouterr().err
        assert said.count("varied.yaml: has changed since Snakemake read it") == 2
        assert not Path("new.done").exists()
        after = {path: path.stat().st_mtime_ns for path in Path("results/t/models").rglob("*")}
        assert after == before


def test_a_report_by_hand_is_made_again_by_the_next_call(work, monkeypatch):
    module = importlib.import_module("seqgra.report")  # the function has its name
    monkeypatch.setattr(module, "write_report", lambda *_, **__: "done")
    place = ("--library", str(REPOSITORY), "-o", "results/t")
    with contextlib.chdir(work.folder):
        assert main(["compare", "--grid", "config/config.yaml", *place]) == 0
    assert stale(work) == {Job("compare")}
    with contextlib.chdir(work.folder):
        batch = ("--batch", "results/t/compare.txt", "--done", "results/t/compare.done")
        assert main(["compare", *batch]) == 0
    assert not stale(work)
    marker = work.folder / "results/t/compare.done"
    marker.write_text("a file of the user's")
    with contextlib.chdir(work.folder):
        assert main(["compare", "--grid", "config/config.yaml", *place]) == 0
    assert marker.exists()


def test_an_origin_is_of_the_text_and_of_earlier_markers(tmp_path):
    first, packs = tmp_path / "a" / "evaluate.done", tmp_path / "round-0.packs"
    text = f"-o x\n{after(str(first))}\n{after(f'{tmp_path}/*/evaluate.done', str(packs))}\n"
    marker = tmp_path / "marker.done"
    assert not made_from(marker, text), "no list of packs"
    packs.write_text("a\nb\n")
    assert list(earlier(text)) == [str(first), str(first), f"{tmp_path}/b/evaluate.done"]
    found = [origin(text)]
    write_marker(marker, found[0], [])
    assert made_from(marker, text) and not made_from(marker, f"{text}\n")
    first.parent.mkdir()
    first.write_text("1")
    found.append(origin(text))
    first.write_text("2")
    found.append(origin(text))
    assert len(set(found)) == 3 and not made_from(marker, text)


#: Paths that a user may have, and what a shell or a batch file could make of them.
PATHS = [
    "a b",
    "it's",
    '"quoted"',
    "$(touch pwned)",
    "`touch pwned`",
    "a;touch pwned",
    "a&&b",
    "#a",
    "\\",
]
BROKEN = ["x\nEND\ntouch pwned", "x\rtouch pwned", "x\u2028y", "--help", "-o", "x\x00y"]


@pytest.mark.parametrize("text", PATHS)
def test_a_path_of_any_letters_is_one_argument_of_a_batch(text, tmp_path):
    line = call_text([text, "-o", f"results/{text}"])
    assert len(line.splitlines()) == 1
    said = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, cwd=tmp_path
    )
    assert said.stdout.splitlines() == [text, "-o", f"results/{text}"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", BROKEN, ids=repr)
@pytest.mark.parametrize("field", ["grammars", "architectures", "datasets"])
def test_a_path_that_is_no_single_argument_is_refused(field, text):
    entry = {"folder": text} if field == "datasets" else {"from": text}
    config = {
        "name": "t",
        "grammars": ["toy1-kmer-center"],
        "architectures": ["fc10"],
        "sizes": [100],
    }
    with pytest.raises(InputError) as refused:
        Grid(config | {field: {"mine": entry}}, "config", (REPOSITORY,))
    assert f"{field}" in str(refused.value) and "path on one line" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def strings(content, place=()):
    """Yield the place of every string of a config, keys of the user's own included."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from strings(value, (*place, key))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from strings(value, (*place, number))
    elif isinstance(content, str):
        yield place


FULL = {
    "name": "t",
    "question": "what?",
    "grammars": {"g": {"from": "toy1-kmer-center", "description": "d"}},
    "datasets": {},
    "architectures": {"a": {"from": "fc10", "description": "d"}},
    "sizes": [100],
    "backends": ["pytorch"],
    "attribution": {
        "methods": [
            {"name": "m", "method": "occlusion", "mask": "zeros"},
            {"name": "n", "method": "integrated-gradients", "baseline": "zeros"},
        ]
    },
    "train": {"device": "cpu"},
    "cluster": {"gpu": "gpus"},
    "tune": {"candidates": [{"sgd": {}}]},
    "probe": {"sizes": "all"},
}


@pytest.mark.parametrize("place", list(strings(FULL)), ids=lambda p: ".".join(map(str, p)))
def test_hostile_text_is_refused_or_stays_out_of_batches(place, tmp_path):
    content = yaml.safe_load(yaml.safe_dump(FULL))
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = HOSTILE
    try:
        grid = Grid(content, "config", (REPOSITORY,))
    except InputError:
        return
    assert place[-1] in ("question", "description")
    with contextlib.chdir(tmp_path):
        batches = Batches(grid, REPOSITORY)
        batches.write()
        assert "touch" not in "".join(path.read_text() for path in tmp_path.rglob("*.txt"))
        assert yaml.safe_load(Path("results/t/config.yaml").read_text()) == {
            key: value for key, value in content.items() if key != "cluster"
        }


def test_a_job_of_each_marker(tmp_path):
    with contextlib.chdir(tmp_path):
        grid = Grid(FULL, "config", (REPOSITORY,))
        batches = Batches(grid, REPOSITORY)
        pack = next(iter(grid.packs))
        assert batches.earlier(Job("train", pack)) == [
            "results/t/packs/g/simulate.done",
            f"results/t/packs/{pack}/tune.done",
        ]
        assert batches.earlier(Job("probe", pack)) == [
            f"results/t/packs/{pack}/train.done",
            "results/t/packs/g/construct.done",
        ]
        assert set(batches.earlier(Job("compare"))) == {
            f"results/t/packs/{pack}/{stage}.done" for stage in ("evaluate", "attribute", "probe")
        }


SIZES = {"sizes": [100, 200, 400], "architectures": ["fc10", "bayes-optimal"]}


@pytest.mark.parametrize(
    ("probe", "adaptive", "calls"),
    [
        ({}, None, [400]),
        ({"probe": {"sizes": [100, 200]}}, None, [100, 200]),
        ({"probe": {"sizes": "all", "seed": 7}}, None, [100, 200, 400]),
        ({"probe": False}, None, []),
        ({}, {}, [400]),
        ({"probe": {"sizes": [200]}}, {}, [200]),
    ],
)
def test_what_is_probed(probe, adaptive, calls, tmp_path):
    """By default the largest size; the exact posterior never; an adaptive grid only what it has run."""
    with contextlib.chdir(tmp_path):
        content = {key: value for key, value in FULL.items() if key != "probe"}
        content |= SIZES | probe | ({} if adaptive is None else {"adaptive": adaptive})
        grid = Grid(content, "config", (REPOSITORY,))
        batches = Batches(grid, REPOSITORY)
        probed = {job.name for job in batches.jobs.values() if job.stage == "probe"}
        texts = [lines(grid, "probe", pack) for pack in probed]
        models = [Path(line.split()[0]) for text in texts for line in text.split("\n")[1:] if line]
        assert sorted(int(model.parts[4]) for model in models) == calls
        constructed = [job for job in batches.jobs.values() if job.stage == "construct"]
        assert len(constructed) == bool(calls)
        if adaptive is None:
            waits = {file for file in batches.earlier(Job("compare")) if "probe" in file}
            assert waits == {batches.marker(Job("probe", pack)) for pack in probed}
        else:
            Path(batches.packs_of(2)).parent.mkdir(parents=True)
            run = [pack for pack in grid.packs if pack.endswith(("n400", "n0"))]
            Path(batches.packs_of(2)).write_text("\n".join(run))
            waits = {file for file in batches.earlier(Job("compare")) if "probe" in file}
            assert waits <= {batches.marker(Job("probe", pack)) for pack in set(run) & probed}
            assert bool(waits) == bool(set(run) & probed)


def test_sizes_to_probe_must_be_the_grids():
    with pytest.raises(InputError, match="holds 300, which is none of the grid's"):
        Grid(FULL | {"probe": {"sizes": [100, 300]}}, "config", (REPOSITORY,))


@pytest.mark.parametrize(
    ("sizes", "adaptive", "explained"),
    [
        ("all", None, {0, 100, 200, 400}),
        ([400], None, {0, 400}),
        (["largest"], None, {0, 400}),
        ([100, "largest"], None, {0, 100, 400}),
        (["largest"], {}, {0, 400}),
        ([200], {}, {0, 200}),
    ],
)
def test_models_of_the_sizes_asked_for_are_explained(sizes, adaptive, explained, tmp_path):
    """The exact posterior, which has no size, always; what waits for attributions waits for these."""
    with contextlib.chdir(tmp_path):
        content = FULL | SIZES | {"attribution": {"sizes": sizes}}
        content |= {} if adaptive is None else {"adaptive": adaptive}
        grid = Grid(content, "config", (REPOSITORY,))
        batches = Batches(grid, REPOSITORY)
        jobs = [job for job in batches.jobs.values() if job.stage == "attribute"]
        calls = [call for job in jobs for call in batches.text(job).split("\n")]
        models = [Path(call.split()[0]).parts for call in calls if call and call[0] != "#"]
        assert {0 if "bayes-optimal" in parts else int(parts[4]) for parts in models} == explained
        rows = list(commands.cell_rows(grid))
        assert {row["size"] for row in rows if row["attributions"]} == explained
        if adaptive is None:
            waits = {file for file in batches.earlier(Job("compare")) if "attribute" in file}
            assert waits == {batches.marker(job) for job in jobs}
        else:
            Path(batches.packs_of(2)).parent.mkdir(parents=True)
            Path(batches.packs_of(2)).write_text("\n".join(grid.packs))
            waits = {file for file in batches.earlier(Job("compare")) if "attribute" in file}
            assert waits == {batches.marker(job) for job in jobs}
        assert plan(grid).stages["attribute"].results == len(models)


def test_sizes_to_explain_must_be_the_grids():
    with pytest.raises(InputError, match="sizes: holds 300, which is none of the grid"):
        Grid(FULL | {"attribution": {"sizes": [100, 300]}}, "config", (REPOSITORY,))


def counts(work):
    """Return how many results are in each state, by stage."""
    with contextlib.chdir(work.folder):
        found = status(read_grid(Path("config/config.yaml"), (Path(), REPOSITORY)), REPOSITORY)
    by_stage = {}
    for (stage, _), states in found.counts.items():
        by_stage.setdefault(stage, Counter()).update(states)
    return by_stage, found.logs


def test_status_says_what_is_done_running_failed_and_missing(work, tmp_path, capsys):
    found, logs = counts(work)
    cells = found["train"]["done"]
    assert cells and not logs and all(states.keys() == {"done"} for states in found.values())
    job = Job("evaluate", "tiny/varied/sklearn/n100")
    place = Path("results/t/packs") / job.name / "evaluate.done"
    (work.folder / place).unlink()  # as while Snakemake runs the job
    assert counts(work)[0] == found
    words = place.with_suffix(".txt")
    lines = (work.folder / words).read_text().split("\n")
    (number, call), *_ = [(n, line) for n, line in enumerate(lines, 1) if line[:1] not in ("#", "")]
    output = work.folder / call.split()[call.split().index("-o") + 1]
    (output / "run.json").unlink()
    assert counts(work)[0]["evaluate"] == {"done": cells - 1, "missing": 1}
    with locked(output, "evaluate"):
        assert counts(work)[0]["evaluate"] == {"done": cells - 1, "running": 1}
    log = work.folder / "results/t/logs/evaluate" / f"{job.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"seqgra: {words}: line {number}: failed; going on with the next line\n")
    states, logs = counts(work)
    assert states["evaluate"] == {"done": cells - 1, "failed": 1} and len(logs) == 1
    place = ("--directory", str(work.folder), "--library", str(REPOSITORY))
    assert main(["status", str(work.folder / "config/config.yaml"), *place]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"(?m)^evaluate +varied +{cells - 1} +1$", said), said
    assert "failed: see results/t/logs/evaluate/tiny/varied/sklearn/n100.log" in said
    assert "--directory names" not in said
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = ("--directory", str(elsewhere), "--library", str(work.folder))
    assert main(["status", str(work.folder / "config/config.yaml"), *place]) == 0
    assert "results/t: not in this folder; --directory names the one" in capsys.readouterr().out


def test_status_compares_every_option_of_a_result(work):
    """Flags, options that are gone, and the seed of probes; a marker is gone while its job runs again."""
    found, _ = counts(work)
    for change in (
        {"methods": [{"name": "mutagenesis", "method": "mutagenesis", "untrained": True}]},
        {"methods": [{"name": "mutagenesis", "method": "occlusion"}]},
    ):
        work.edit(**change)
        states = counts(work)[0]
        assert states["attribute"].keys() == {"missing"}, change
        assert states["train"] == found["train"]
    work.edit(methods=["mutagenesis"])
    assert counts(work)[0] == found


def test_a_log_of_another_batch_names_no_failure(work):
    place = work.folder / "results/t/packs/tiny/varied/sklearn/n100/evaluate.done"
    place.unlink()
    batch = place.with_suffix(".txt")
    lines = batch.read_text().split("\n")
    (number, call), *_ = [(n, line) for n, line in enumerate(lines, 1) if line[:1] not in ("#", "")]
    (work.folder / call.split()[call.split().index("-o") + 1] / "run.json").unlink()
    log = work.folder / "results/t/logs/evaluate/tiny/varied/sklearn/n100.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"line {number}: failed; going on with the next line\n")
    assert counts(work)[0]["evaluate"]["failed"] == 1
    os.utime(log, (1, 1))
    assert counts(work)[0]["evaluate"]["failed"] == 0


def test_status_takes_no_result_of_other_inputs_for_done(work):
    work.edit(row="0 1 0 0")
    found, _ = counts(work)
    assert found["simulate"].keys() == {"missing"}
    work.edit(row="0 0 1 0", k=3)
    found, _ = counts(work)
    assert found["simulate"].keys() == {"done"}
    assert all(found[stage].keys() == {"missing"} for stage in ("train", "evaluate"))


def test_status_counts_datasets_that_are_too_small_as_missing(work):
    """Models of sizes that there were stay done: a dataset that grows has the same fingerprint."""
    work.edit(sizes=[100, 200, 300])
    found, _ = counts(work)
    assert found["simulate"] == {"missing": 2, "done": 2}  # test sets are as large as before
    assert found["train"] == {"done": 4, "missing": 2}
    work.edit(sizes=[100, 200], examples=80)
    found, _ = counts(work)
    assert found["simulate"] == {"missing": 2, "done": 2} and found["train"] == {"done": 4}
    work.edit(sizes=[100], examples=60)
    assert counts(work)[0]["simulate"] == {"done": 4}


@pytest.mark.parametrize("adaptive", [{}, {"adaptive": {}}], ids=["whole", "adaptive"])
def test_no_methods_are_no_jobs(tmp_path, adaptive):
    with contextlib.chdir(tmp_path):
        content = FULL | SIZES | adaptive | {"attribution": {"methods": []}}
        batches = Batches(Grid(content, "config", (REPOSITORY,)), REPOSITORY)
        assert not [job for job in batches.jobs.values() if job.stage == "attribute"]
        assert "/attribute.done" not in batches.text(Job("compare"))
