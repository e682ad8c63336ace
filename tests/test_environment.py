"""The two ways to install agree, and the repository speaks of the project alone."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
#: Names on conda-forge that differ from those on PyPI.
CONDA_NAMES = {"torch": "pytorch"}


def requirements(*extras):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    found = dict(re.match(r"([\w-]+)(.*)", line).groups() for line in lines)
    return {CONDA_NAMES.get(name, name): bound for name, bound in found.items()}


@pytest.mark.parametrize(
    ("file", "extras"),
    [("environment.yml", ["tensorflow", "slurm"]), ("workflow/envs/seqgra.yaml", [])],
)
def test_conda_environment_agrees_with_pyproject(file, extras):
    content = yaml.safe_load((REPOSITORY / file).read_text())
    listed = [line for line in content["dependencies"] if isinstance(line, str) and line != "pip"]
    [by_pip] = [line["pip"] for line in content["dependencies"] if isinstance(line, dict)]
    listed += [line for line in by_pip if line != "-e ."]
    conda = dict(re.match(r"([\w-]+)(.*)", line).groups() for line in listed)
    assert conda.pop("python") == ">=3.11"
    assert conda == requirements(*extras)


def test_constraints_pin_every_dependency():
    pinned = dict(
        line.split("==")
        for line in (REPOSITORY / "constraints.txt").read_text().split()
        if "==" in line
    )
    names = {re.sub(r"[-_.]+", "-", name).lower() for name in pinned}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    for line in wanted:
        name = re.sub(r"[-_.]+", "-", re.match(r"[\w-]+", line)[0]).lower()
        assert name in names, f"{name} is not pinned"


def test_shipped_files_are_small():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    if listed == [""]:
        pytest.skip("no checkout of git")
    large = [
        n for n in listed if n and (f := REPOSITORY / n).is_file() and f.stat().st_size > 1 << 20
    ]
    assert not large
