"""The two ways to install agree, and the repository speaks of the project alone."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[1]
#: Names on conda-forge that differ from those on PyPI.
CONDA_NAMES = {"torch": "pytorch", "tensorflow": "tensorflow-cpu"}


def here(requirement, extras=()):
    """Tell whether a requirement holds on this platform, for a package with these extras."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def requirements(*extras):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    found = {each.name: each.specifier for each in map(Requirement, lines) if here(each)}
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
    conda = {each.name: each.specifier for each in map(Requirement, listed)}
    assert str(conda.pop("python")) == ">=3.11"
    assert conda == requirements(*extras)


def needed(lines):
    """Return the names of all packages that installing these requirements brings."""
    found, rest = set(), [(each, ()) for each in map(Requirement, lines)]
    while rest:
        each, extras = rest.pop()
        key = (canonicalize_name(each.name), *sorted(each.extras))
        if key in found or not here(each, extras):
            continue
        found.add(key)
        rest += [(Requirement(line), each.extras) for line in metadata.requires(each.name) or []]
    return {name for name, *_ in found}


@pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info[:2] != (3, 11),
    reason="constraints.txt is what Python 3.11 on Linux installs",
)
def test_constraints_pin_what_is_installed_and_nothing_else():
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(each.name) for each in map(Requirement, lines)}
    assert len(pinned) == len(lines)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    brought = needed(project["dependencies"] + project["optional-dependencies"]["dev"])
    # wheels of PyTorch for GPUs bring libraries that those for CPUs do not
    brought = {name for name in brought if not name.startswith(("nvidia-", "cuda-", "triton"))}
    unpinned = {"tensorflow", "wheel"}  # on macOS; one that whoever sets up may hold already
    assert pinned - brought == set() and brought - pinned <= unpinned


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


def test_what_continuous_integration_runs_is_there():
    """Targets of the Makefile and test files that .github and .ci name; nothing else can be tried here."""
    targets = set(re.findall(r"(?m)^([\w-]+|\$\(SETUP\)):", (REPOSITORY / "Makefile").read_text()))
    files = [*(REPOSITORY / ".github" / "workflows").glob("*.yml"), REPOSITORY / ".ci" / "run"]
    assert len(files) == 3
    for file in files:
        text = file.read_text()
        if file.suffix == ".yml":
            jobs = yaml.safe_load(text)["jobs"].values()
            assert all(job["steps"] and job["timeout-minutes"] for job in jobs)
            text = "\n".join(step.get("run", "") for job in jobs for step in job["steps"])
        for line in re.findall(r"(?m)^make (.*)|&& make (.*)", text):
            words = " ".join(line).split()
            assert all(w in targets or w == ".venv/.ready" or "=" in w for w in words), words
        assert all((REPOSITORY / name).exists() for name in re.findall(r"tests/\w+\.py", text))
