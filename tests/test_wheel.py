"""The package without its checkout: wheel of the sdist, beside the libraries, in an empty folder."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import textwrap
import tomllib
import zipfile
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import pandas as pd
import pytest

from seqgra.cli import main
from seqgra.library import SHIPPED
from seqgra.project import _SCHEMA, FILES

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """Build the source distribution from a copy of the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in ("seqgra", "grammars", "architectures", "workflow"):
        ignored = shutil.ignore_patterns("__pycache__", ".snakemake")
        shutil.copytree(REPOSITORY / name, source / name, symlinks=True, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    build = "from setuptools.build_meta import build_sdist; build_sdist('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    return next((source / "dist").glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(sdist) -> Path:
    """Build the wheel from the source distribution, as an index or a distributor does."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", sdist.parent]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, sdist], check=True)
    return next(sdist.parent.glob("*.whl"))


class Installed:
    """The wheel in an environment of its own, which sees this one's libraries but not the checkout."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.bin = folder / "bin"
        install = ["install", "--quiet", "--no-deps", "--no-index", wheel]
        pip = [sys.executable, "-m", "pip", "--python", self.bin / "python"]
        subprocess.run([*pip, *install], check=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self.environment = {**kept, "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}

    def run(self, folder: Path, *command: object) -> str:
        """Run a program of the environment in a folder and return what it prints."""
        program, *arguments = map(str, command)
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("installed") / "env")


def shipped_files() -> dict[str, Path]:
    """Return the files that ship, by their place in the package."""
    return {
        f"seqgra/shipped/{file.relative_to(REPOSITORY)}": file
        for name in ("grammars", "architectures", "workflow")
        for file in (REPOSITORY / name).rglob("*")
        if file.is_file() and not {".snakemake", "__pycache__"} & set(file.parts)
    }


@pytest.mark.slow
def test_the_sdist_holds_what_the_package_is_made_of(sdist):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    top = f"seqgra-{project['version']}"
    assert sdist.name == f"{top}.tar.gz"
    shipped = shipped_files()
    with tarfile.open(sdist) as archive:
        assert all(member.isfile() or member.isdir() for member in archive), "no links"
        held = {name.removeprefix(f"{top}/"): name for name in archive.getnames()}
        for name, file in {
            **shipped,
            **{n: REPOSITORY / n for n in ("README.md", "LICENSE")},
        }.items():
            assert archive.extractfile(held[name]).read() == file.read_bytes(), name
        said = archive.extractfile(held["PKG-INFO"]).read().decode()
    assert f"Version: {project['version']}\n" in said and "License-Expression: MIT\n" in said
    assert {"pyproject.toml", "seqgra/py.typed", "seqgra/schemas/config.json"} <= held.keys()
    modules = {str(f.relative_to(REPOSITORY)) for f in (REPOSITORY / "seqgra").rglob("*.py")}
    assert modules <= held.keys()


@pytest.mark.slow
def test_every_shipped_file_is_in_the_wheel_once(wheel):
    shipped = shipped_files()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert len(names) == len(set(names)) and "seqgra/py.typed" in names
        held = [name for name in names if name.startswith("seqgra/shipped/")]
        assert sorted(held) == sorted(shipped)
        assert all(archive.read(name) == file.read_bytes() for name, file in shipped.items())
    assert not [name for name in names if name.startswith(("tests/", "grammars/", "build/"))]


@pytest.mark.slow
def test_commands_in_an_empty_folder(installed, tmp_path):
    said = installed.run(tmp_path, "python", "-c", "import seqgra; print(seqgra.__file__)")
    assert str(installed.bin.parent) in said, "the wheel, not the checkout"
    listed = installed.run(tmp_path, "seqgra", "list")
    for kind in ("grammars", "architectures"):
        assert all(file.stem in listed for file in (REPOSITORY / kind).glob("*.yaml"))
    installed.run(tmp_path, "seqgra", "simulate", "mc2-dna150-homer", "-o", "d", "--size", "1000")
    installed.run(tmp_path, "seqgra", "train", "d", "conv20w-gmp-fc10", "-o", "m")
    here = tmp_path / "here"
    assert main(["simulate", "mc2-dna150-homer", "-o", str(here), "--size", "1000"]) == 0
    for file in here.glob("*.npy"):
        np.testing.assert_array_equal(np.load(tmp_path / "d" / file.name), np.load(file))


def ten_lines() -> str:
    """Return the example of docs/library.md."""
    page = (REPOSITORY / "docs" / "library.md").read_text()
    found = re.search(r"(?m)^    import seqgra as sg\n(?:    .*\n)+", page)[0]
    return textwrap.dedent(found)


#: What must hold after the ten lines.
AFTERWARDS = """
assert 0.9 < scores.pr_auc <= ceiling.pr_auc + 0.02, (scores.pr_auc, ceiling.pr_auc)
assert set(scores.curves.columns) == {"curve", "scope", "x", "y"}
assert maps.values.shape == (1000, 4, 150) and maps.values.dtype == "float32"
assert len(recovery) == 1000 and recovery["auroc"].mean() > 0.7
page = open("report.html").read()
assert f"{scores.pr_auc:.4f}" in page and "Grammar recovery" in page
"""


@pytest.mark.slow
def test_the_ten_lines_of_the_library_as_written(installed, tmp_path):
    assert installed.run(tmp_path, "python", "-c", ten_lines() + AFTERWARDS) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.slow
def test_the_ten_lines_are_typed(tmp_path):
    """By the checkout, whose cache of types `make lint` has filled."""
    (tmp_path / "lines.py").write_text(ten_lines())
    command = [sys.executable, "-m", "mypy", "--strict", tmp_path / "lines.py"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_new_project_runs(installed, tmp_path):
    installed.run(tmp_path, "seqgra", "init", "my-project")
    project = tmp_path / "my-project"
    installed.run(project, "python", "-m", "snakemake", "--cores", "2")
    status = pd.read_csv(project / "results" / "first" / "tables" / "status.csv")
    assert len(status) == 13 and set(status["status"]) <= {"done", "collapsed"}
    assert (project / "results" / "first" / "report.html").stat().st_size > 10_000
    said = installed.run(project, "python", "-m", "snakemake", "--cores", "2", "-n")
    assert "results/first/report.html" not in said


def test_a_project_holds_the_profiles_and_a_valid_config(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "p"]) == 0
    written = {str(f.relative_to("p")): f.read_text() for f in Path("p").rglob("*") if f.is_file()}
    first, _, rest = written["config/config.yaml"].partition("\n")
    assert json.loads(Path(url2pathname(urlparse(first.partition("=")[2]).path)).read_text())[
        "title"
    ].endswith("grid")
    written["config/config.yaml"] = f"# yaml-language-server: $schema={_SCHEMA}\n{rest}"
    assert written == {name: source.read_text() for name, source in FILES.items()}
    monkeypatch.chdir("p")
    assert main(["check", "config/config.yaml"]) == 0
    capsys.readouterr()
    assert main(["init", "."]) == 2
    assert capsys.readouterr().err == "seqgra: .: holds files; give a new or empty folder\n"


def test_a_name_is_looked_for_in_the_library_then_here_then_in_what_ships(
    tmp_path, monkeypatch, capsys
):
    """By every stage alike."""
    monkeypatch.chdir(tmp_path)
    shipped = SHIPPED / "grammars" / "toy1-kmer-center.yaml"
    text = shipped.read_text()
    own = {"here": 11, "library": 12}
    folders = {"here": Path("grammars"), "library": Path("mine/grammars")}

    def simulated(*options: str) -> int:
        command = ["simulate", "toy1-kmer-center", "-o", "d", "--examples", "5", "--sets", "test"]
        assert main([*command, *options]) == 0
        return np.load("d/test.x.npy").shape[1]

    def described(*options: str) -> str:
        assert (
            main(["describe", "toy1-kmer-center", "--ceiling", "0", "--examples", "5", *options])
            == 0
        )
        return capsys.readouterr().out

    shipped_width = simulated()
    before = described()
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        changed = "\n".join(
            f"window: {own[name]}" if line.startswith("window:") else line
            for line in text.splitlines()
        )
        (folder / "toy1-kmer-center.yaml").write_text(changed)
    assert shipped_width not in own.values()
    assert simulated() == own["here"]
    assert simulated("--library", "mine") == own["library"]
    assert simulated("--library", str(SHIPPED)) == own["here"]
    assert len({before, described(), described("--library", "mine")}) == 3
    (tmp_path / "mine" / "architectures").mkdir()
    (tmp_path / "mine" / "architectures" / "net.yaml").write_text("layers: [flatten]\n")
    capsys.readouterr()
    assert main(["train", "d", "net", "-o", "m", "--size", "50"]) == 2
    assert "no such architecture file nor descriptor" in capsys.readouterr().err
    assert main(["train", "d", "net", "-o", "m", "--size", "50", "--library", "mine"]) == 2
    assert "d: training: has 0 examples" in capsys.readouterr().err
    assert main(["list", "--library", "mine"]) == 0
    assert "  net\n" in capsys.readouterr().out
