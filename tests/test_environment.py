"""The two ways to install agree, and the repository speaks of the project alone."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from seqgra.library import pip_requirement

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
    listed += [line for line in by_pip if line not in ("-e .", "${SEQGRA}")]
    conda = {each.name: each.specifier for each in map(Requirement, listed)}
    assert str(conda.pop("python")) == ">=3.11"
    assert conda == requirements(*extras)


def test_the_version_is_the_same_everywhere():
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    cited = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    heading = re.search(r"(?m)^## \[(.+)\] - (.+)$", (REPOSITORY / "CHANGELOG.md").read_text())
    assert (cited["version"], str(cited["date-released"])) == heading.groups()
    assert heading[1] == version
    for file in (".snakemake-workflow-catalog.yml", "workflow/envs/seqgra.yaml"):
        assert re.findall(r"\d+\.\d+\.\d+", (REPOSITORY / file).read_text()) == [version], file


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


def test_the_catalogue_finds_what_it_shows():
    """What https://github.com/snakemake/snakemake-workflow-catalog asks of a standardised workflow."""
    usage = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True and usage["report"] is True
    assert {"desc", "flags"} == usage["mandatory-flags"].keys()
    words = (REPOSITORY / "README.md").read_text().lower()
    assert "snakemake" in words and "workflow" in words
    there = (
        "workflow/Snakefile",
        "config/README.md",
        "config/config.yaml",
        ".test/config/config.yaml",
    )
    assert all((REPOSITORY / name).is_file() for name in there)
    schema = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text())
    test = yaml.safe_load((REPOSITORY / ".test/config/config.yaml").read_text())
    jsonschema.validate(test, schema)


def docker_instructions():
    """Return (instruction, words) of the Dockerfile, lines that go on joined."""
    text = re.sub(r"(?m)^#.*\n", "", (REPOSITORY / "Dockerfile").read_text()).replace("\\\n", " ")
    return [line.split(maxsplit=1) for line in text.splitlines() if line]


def test_the_image_is_made_from_what_is_there():
    instructions = docker_instructions()
    names = [name for name, _ in instructions]
    assert names[0] == "FROM" and set(names) <= {
        *("FROM", "WORKDIR", "COPY", "RUN", "ENV", "ENTRYPOINT", "CMD")
    }
    copied = [
        source for name, rest in instructions if name == "COPY" for source in rest.split()[:-1]
    ]
    assert all((REPOSITORY / source).exists() for source in copied)
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert sorted(line[1:] for line in ignored if line.startswith("!")) == sorted(copied)
    for name, rest in instructions:
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", rest], check=True)
        if name in ("ENTRYPOINT", "CMD"):
            assert all(isinstance(word, str) for word in json.loads(rest))
    assert any(each.startswith("pip install") and each.endswith(" .") for _, each in instructions)


def test_what_continuous_integration_runs_is_there():
    """Targets of the Makefile and test files that .github and .ci name; nothing else can be tried here."""
    targets = set(
        re.findall(r"(?m)^([\w-]+|\$\((?:SETUP|RUN)\)):", (REPOSITORY / "Makefile").read_text())
    )
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


@pytest.mark.parametrize(
    ("noted", "requirement"),
    [
        (None, None),
        ('{"url": "file:///home/me/a%20b", "dir_info": {"editable": true}}', "/home/me/a b"),
        ('{"url": "file:///d/s.whl", "archive_info": {}}', "file:///d/s.whl"),
        (
            '{"url": "https://host/s.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}}',
            "git+https://host/s.git@12ab",
        ),
    ],
)
def test_conda_installs_the_seqgra_that_snakemake_runs_with(noted, requirement, monkeypatch):
    installed = SimpleNamespace(read_text=lambda name: noted)
    monkeypatch.setattr(metadata, "distribution", lambda name: installed)
    assert pip_requirement() == requirement
