"""Faults on one machine: what is killed, full, damaged or read-only costs time or a clear line."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import fault_tools as faults
import pytest

from seqgra.cli import main
from seqgra.fingerprint import read_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the finished, unbroken run that others are compared with."""
    folder = faults.make_grid(tmp_path_factory.mktemp("whole"))
    faults.finish(folder)
    return folder


@pytest.mark.slow
def test_kill_9_in_every_stage_changes_no_byte(whole, tmp_path):
    folder = faults.make_grid(tmp_path / "killed")
    killed = faults.kill_at_random(folder, moments=6, seed=1)
    assert sum(hit for _, _, hit in killed) >= 3, killed
    faults.recover(folder)
    assert faults.results(folder) == faults.results(whole)
    assert len(faults.results(whole)) > 5
    assert all(read_run(file.parent) for file in folder.rglob("run.json"))


@pytest.mark.slow
def test_two_runs_in_one_folder_are_refused(tmp_path):
    folder = faults.make_grid(tmp_path / "twice")
    first = faults.start(folder)
    while not list(folder.glob(".snakemake/locks/*")):
        assert first.poll() is None
    second = faults.start(folder)
    assert second.wait() == 1
    assert "cannot be locked" in (folder / "said.log").read_text()
    assert first.wait() == 0, "the first one goes on"


@pytest.fixture(scope="module")
def nouns(tmp_path_factory, tiny_dataset):
    """Return a folder that holds a grammar, a dataset, a model, its scores and its attributions."""
    folder = tmp_path_factory.mktemp("nouns")
    shutil.copytree(tiny_dataset, folder / "data")
    shutil.copy(tiny_dataset.parent / "tiny.yaml", folder / "tiny.yaml")
    (folder / "net.yaml").write_text("layers: [flatten, {dense: 2000}]\ntraining: {epochs: 2}\n")
    for verb in ("train", "evaluate", "attribute"):
        assert main(call(verb, folder, folder)) == 0
    (folder / "cells.csv").write_text(
        "grammar,size,data_seed,architecture,backend,model_seed,model,scores,attributions,test\n"
        f"tiny,1000,1,net,pytorch,0,{folder}/train,{folder}/evaluate,"
        f"gradient={folder}/attribute,{folder}/data\n"
    )
    return folder


def call(verb, nouns, target):
    """Return the command line of a stage that reads `nouns` and writes `target`/`verb`."""
    data, model, output = nouns / "data", nouns / "train", ["-o", target / verb]
    arguments = {
        "simulate": [nouns / "tiny.yaml", *output, "--seed", 1, "--size", 20_000],
        "train": [data, nouns / "net.yaml", *output, "--size", 1000],
        "evaluate": [model, data, *output],
        "attribute": [model, data, *output, "--method", "gradient", "--examples", 50],
        "compare": ["--cells", nouns / "cells.csv", *output],
    }
    return [verb, *map(str, arguments[verb])]


@contextmanager
def small_disk(folder, kib):
    """Mount a file system of so many KiB; skip where that is forbidden."""
    folder.mkdir()
    size = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(size, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount here")
    if mounted.returncode:
        pytest.skip(f"no small disk without root: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.usefixtures("svg_alone")
@pytest.mark.parametrize("verb", faults.STAGES)
@pytest.mark.parametrize("kib", [8, 40])
def test_a_full_disk_is_one_clear_line_and_leaves_no_half_noun(nouns, tmp_path, capsys, verb, kib):
    disk = tmp_path / "disk"
    with small_disk(disk, kib):
        filler = disk / "filler"
        left = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        filler.write_bytes(b"x" * max(0, left - 1024 * kib // 2))
        code = main(call(verb, nouns, disk))
        said = capsys.readouterr().err
        assert code == 2, said
        full = "needs at least" if verb == "simulate" else "No space left on device"  # looks first
        assert full in said and "Traceback" not in said
        assert read_run(disk / verb) is None
        assert not (disk / verb / "report.html").exists()
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        assert main(call(verb, nouns, disk)) == 0, "with space again, the same command goes on"


def test_read_only_input_is_read_and_not_written(nouns, tmp_path, capsys):
    """Inputs that may only be read are enough; who writes there is told so in one line."""
    disk = tmp_path / "shared"
    with small_disk(disk, 100_000):
        shutil.copytree(nouns, disk, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for verb in ("train", "evaluate", "attribute"):
            assert main(call(verb, disk, tmp_path / "mine")) == 0
        capsys.readouterr()
        for verb in faults.STAGES:
            assert main(call(verb, nouns, disk / "new")) == 2
            said = capsys.readouterr().err
            assert "Read-only file system" in said and len(said.splitlines()) == 1, said
