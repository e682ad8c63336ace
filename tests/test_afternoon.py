"""Every command of docs/afternoon.md runs as printed, in the folder where the page says, on small data."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import REPOSITORY
from real_tools import write_bed, write_genome

from seqgra.cli import main

PAGE = (REPOSITORY / "docs" / "afternoon.md").read_text(encoding="utf-8")
SITES = {"PO5F1_HUMAN.H11MO.0.A": "ATTTGCATAACA", "MA0496.3": "TGCTGAGTCAGCA"}


def printed_commands() -> list[list[str]]:
    """Return the commands of the page, in order, as lists of words."""
    text = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL).replace("\\\n", " ")
    lines = re.findall(r"^    ((?:seqgra|snakemake|cd) .*)$", text, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def small_data(folder) -> None:
    """Write peaks, genome and motifs by the names of the page: 160 peaks a label, each with its site."""
    rng = np.random.default_rng(0)
    chroms = {f"chr{n}": rng.choice(list("ACGT"), 80 * 400) for n in range(1, 5)}
    peaks = {"pou5f1": [], "mafk": []}
    for chrom, letters in chroms.items():
        for n in range(80):
            name, site = list(zip(peaks, SITES.values(), strict=True))[n % 2]
            start = 400 * n + 100
            letters[start + 80 : start + 80 + len(site)] = list(site)
            peaks[name].append((chrom, start, start + 200, f"p{n}", 0, ".", 5.0, 3.0, 2.0, 90))
    write_genome(folder / "hg19.fa", {name: "".join(letters) for name, letters in chroms.items()})
    for name, rows in peaks.items():
        write_bed(folder / f"{name}.narrowPeak", *rows)
    lines = ["MEME version 4", "", "ALPHABET= ACGT", ""]
    for name, site in SITES.items():
        lines += [f"MOTIF {name}", f"letter-probability matrix: w= {len(site)}"]
        lines += [" ".join("0.94" if letter == a else "0.02" for a in "ACGT") for letter in site]
    (folder / "motifs.meme").write_text("\n".join([*lines, ""]))


def small_config() -> str:
    """Return the config of the page with sizes that the small data have."""
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    for printed, small in (("at: 2000", "at: 100"), ("[1000, 4000]", "[50, 100]")):
        assert printed in text
        text = text.replace(printed, small)
    return text


def test_the_config_reads_what_the_commands_write():
    commands = printed_commands()
    verbs = [words[1] if words[0] == "seqgra" else words[0] for words in commands]
    assert verbs == ["init", "cd", "ingest", "fit", "plan", "snakemake", "status", "compare"]
    written = {words[1]: words[words.index("-o") + 1] for words in commands if "-o" in words}
    content = yaml.safe_load(small_config())
    assert (
        content["datasets"]["real"]["folder"]
        == written["ingest"]
        == next(words[2] for words in commands if words[1] == "fit")
    )
    assert content["grammars"]["twin"]["from"] == f"{written['fit']}/grammar.yaml"


@pytest.mark.slow
def test_every_command_runs_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = printed_commands()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for words in commands:
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
            small_data(tmp_path / words[1])
        elif words[0] == "snakemake":  # whole grids run elsewhere: here what would run
            call = [sys.executable, "-m", *words, "--dry-run", "--quiet"]
            done = subprocess.run(
                call, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path}
            )
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            assert main(words[1:]) == 0, " ".join(words)
        if words[:2] == ["seqgra", "fit"]:
            (tmp_path / "mine" / "config" / "config.yaml").write_text(small_config())
    made = {path.name for path in (tmp_path / "mine").iterdir()}
    assert {"data", "fitted", "partial"} <= made
