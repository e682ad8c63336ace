"""A grid whose jobs run in this process, in the order and under the rules of the workflow, without Snakemake.

`python tests/grid_tools.py ROUNDS SEED [SETTING ...]` edits a grid at random, but for these settings, with
faults, and compares it with fresh ones.
"""

import contextlib
import hashlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

import yaml

from seqgra.cli import main
from seqgra.dataset import open_dataset, split_size
from seqgra.errors import InputError
from seqgra.grid import Grid, read_grid
from seqgra.grid.adaptive import spared_cells
from seqgra.grid.batches import Batches, Job
from seqgra.markers import origin, write_marker

REPOSITORY = Path(__file__).parents[1]
MOTIF = """MEME version 4
ALPHABET= ACGT
MOTIF m
letter-probability matrix: alength= 4 w= 4
1 0 0 0
0 1 0 0
{row}
0 0 0 1
"""
GRAMMAR = """alphabet: DNA
window: {window}
background: {background}
elements: {{a: {{kmers: {{{kmer}: 1}}}}, b: {{motif: m.meme, id: m}}}}
conditions:
  one: {{rules: [{{elements: [a], position: {{file: places.tsv}}}}]}}
  two: {{rules: [{{elements: [b]}}]}}
"""
#: Ends every way of quoting in a shell.
HOSTILE = "END\ntouch pwned1\n'; touch pwned2; \"; touch pwned3; $(touch pwned4) `touch pwned5` {log} \\\n"
#: What an edit can change, and the values it has.
CHOICES = {
    "kmer": ["ACGTACGT", "TTTTAAAA"],
    "window": [30, 32],
    "row": ["0 0 1 0", "0 1 0 0"],
    "places": ["1\t1\n9\t3\n", "1\t3\n9\t1\n"],
    "fasta": ["ACGGT" * 200, "ACTTG" * 200],
    "background": ["uniform", "{fasta: {file: pool.fa, split: stretch}}"],
    "comment": ["", "# only a comment\n"],
    "variant": [{}, {"window": 34}],
    "k": [2, 3],
    "sizes": [[100, 200], [100, 200, 300]],
    "seeds": [[1], [1, 2]],
    "examples": [60, 80],
    "methods": [[], ["mutagenesis"]],
    "probe": [False, False, False, {}],  # needs the exact posterior, which takes a while
    "adaptive": [None, None, None, {}],  # so does this
}
#: Those that stand in the config.
IN_CONFIG = ("variant", "sizes", "seeds", "examples", "methods", "probe", "adaptive")


class Killed(Exception):
    """Stands for `kill -9` of a job, and of Snakemake with it."""


class Work:
    """A working folder with a grid of baselines, and what its jobs made in it."""

    def __init__(self, folder, **state):
        self.folder = folder
        self.state = {name: values[0] for name, values in CHOICES.items()} | state
        for name in ("grammars", "architectures", "config"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.edit()

    def edit(self, **changes):
        """Change settings; return the files that were written anew."""
        self.state |= changes
        s = self.state
        config = {
            "name": "t",
            "grammars": {"tiny": {}, "other": {"from": "tiny", **s["variant"]}},
            "architectures": {"varied": {"from": "words", "description": "a variant"}},
            "sizes": s["sizes"],
            "data_seeds": s["seeds"],
            "test": {"examples": s["examples"]},
            "attribution": {"methods": s["methods"], "examples": 5},
            "probe": s["probe"],
        }
        if s["adaptive"] is not None:
            config["adaptive"] = s["adaptive"]
            config["architectures"]["bayes-optimal"] = {}
        files = {
            "grammars/tiny.yaml": s["comment"] + GRAMMAR.format(**s),
            "grammars/m.meme": MOTIF.format(**s),
            "grammars/places.tsv": s["places"],
            "grammars/pool.fa": f">chr1\n{s['fasta']}\n",
            "architectures/words.yaml": f"backend: sklearn\nfeatures: {{kmers: {{k: {s['k']}}}}}\n",
            "config/config.yaml": yaml.safe_dump(config),
        }
        written = []
        for name, text in files.items():
            file = self.folder / name
            if not file.exists() or file.read_text() != text:
                file.write_text(text)
                written.append(file)
        return written

    def call(self, at=None, fault=None):
        """Run what is out of date, as one call of Snakemake does; return whether no job failed.

        Before the job number `at` the function `fault` is called; it may raise `Killed`.
        """
        with contextlib.chdir(self.folder):
            grid = Grid(
                yaml.safe_load(Path("config/config.yaml").read_text()),
                "config",
                (Path(), REPOSITORY),
            )
            batches = Batches(grid, REPOSITORY)
            batches.write()
            self.ran, self.said, failed, done = [], "", set(), {}

            def make(job):
                if job not in done:
                    done[job] = run(job)
                return done[job]

            def run(job):
                if job.stage in ("next", "compare"):
                    last = int(job.name or len(batches.rounds))
                    for number in range(last):
                        make(Job("next", str(number)))
                        if failed:
                            return False
                batches.look_again()
                before = [make(batches.jobs[marker]) for marker in batches.earlier(job)]
                if failed or not (any(before) or batches.stale(job)):
                    return False
                if len(self.ran) == at:
                    fault(job, batches)
                self.ran.append(job)
                if not self.run_job(job, batches):
                    failed.add(job)
                return True

            make(Job("compare"))
            return not failed

    def run_job(self, job, batches, lines=None):
        """Run a job, or only its first `lines`, as `seqgra` does."""
        marker = Path(batches.marker(job))
        marker.unlink(missing_ok=True)  # as Snakemake does
        file = marker.with_suffix(".txt")
        if job.stage == "compare":
            return self.compare(file, marker)
        if lines is not None:
            calls = [line for line in file.read_text().splitlines() if line[:1] != "#"][:lines]
            (self.folder / "part.txt").write_text("\n".join(calls))
            file, end = self.folder / "part.txt", []
        else:
            end = ["--done", str(marker)]
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            code = main([job.stage, "--batch", str(file), *end])
        self.said += said.getvalue()
        return code == 0

    def compare(self, file, marker):
        """Stand in for the report, without figures: what the grid asks for, and the bytes of all of it."""
        text = file.read_text()
        expected = [word for word in text.split() if "=" in word and "." in word.split("=")[0]]
        grid = read_grid(Path("results/t/config.yaml"), (Path(), REPOSITORY))
        try:
            grid.resolved.require(expected)
        except InputError as error:
            self.said += str(error)
            return False
        Path("results/t/report.json").write_text(json.dumps(nouns(grid), indent=1))
        write_marker(marker, origin(text), [])
        return True

    def report(self):
        return json.loads((self.folder / "results/t/report.json").read_text())


def nouns(grid):
    """Return the hashes of all that a grid asks for, but for times and hosts."""
    spared, found, folders = spared_cells(grid), {}, set()
    largest = split_size(max(grid.config.sizes))
    asked = {grid.test_set(name): {"test": grid.test_examples(name)} for name in grid.sources}
    for cell in set(grid.cells) - spared:
        folders |= {grid.result("models", cell), grid.result("scores", cell)}
        folders |= {
            grid.result("attributions", cell) / m.name for m in grid.config.attribution.methods
        }
        if grid.probed(cell):
            folders |= {grid.result("probes", cell), grid.constructed(cell.grammar)}
        if cell.data_seed:
            wanted = {name: largest[name] for name in ("training", "validation")}
            asked[grid.dataset(cell.grammar, cell.data_seed)] = wanted
    for folder in folders | asked.keys():
        run = json.loads((folder / "run.json").read_text())
        kept = {name: run[name] for name in ("fingerprint", "status", "inputs", "options")}
        parts = asked_examples(folder, asked[folder]) if folder in asked else files(folder)
        hashes = {name: hashlib.sha256(part).hexdigest() for name, part in parts}
        found[str(folder)] = kept | hashes
    return found


def files(folder):
    """Yield the name and the bytes of each file of a folder."""
    for file in sorted(folder.iterdir()):
        if file.name not in ("run.json", "history.csv", ".lock"):
            yield file.name, file.read_bytes()


def asked_examples(folder, counts):
    """Yield what a dataset says of itself, and as many examples as are asked for: it may have grown."""
    dataset = open_dataset(folder)
    own = {k: v for k, v in dataset.content.items() if k not in ("counts", "checksums")}
    here = str(Path.cwd())  # a FASTA file of background is named by its path
    yield "dataset.json", json.dumps(own).replace(here, "").encode()
    dataset.verify(*counts)
    for name, examples in counts.items():
        for what in ("x", "y", "y_true"):
            yield f"{name}.{what}", getattr(dataset, what)(name, examples).tobytes()
        yield f"{name}.elements", dataset.elements(name, examples).to_csv().encode()


def disturb_times(folder, chosen):
    """Set the times of all files at random, as copying, moving and restoring do."""
    for file in folder.rglob("*"):
        when = chosen.uniform(1.6e9, 1.8e9)
        os.utime(file, (when, when))


def some_edit(chosen, without=()):
    names = chosen.sample(sorted(CHOICES.keys() - set(without)), 2)
    return {name: chosen.choice(CHOICES[name]) for name in names}


def differences(place, rounds, seed, say=lambda *_: None, without=()):
    """Edit one grid at random, with faults, and compare with fresh grids; return the rounds that differ."""
    chosen, fresh, wrong = random.Random(seed), {}, []
    work = Work(place / "work")
    for number in range(rounds):
        kind = chosen.choice(["none", "edit", "kill", "kill"])
        files = work.edit(**some_edit(chosen, without))
        if chosen.random() < 0.5:
            for file in files:
                os.utime(file, (1.5e9, 1.5e9))
        if chosen.random() < 0.3:
            disturb_times(work.folder / "results", chosen)

        def fault(job, batches, kind=kind):
            if kind == "edit":
                work.edit(**some_edit(chosen, without))
            elif kind == "kill":
                if job.stage not in ("next", "compare"):
                    work.run_job(job, batches, lines=chosen.randrange(3))
                raise Killed

        at = chosen.randrange(12) if kind != "none" else None
        before = dict(work.state)
        try:
            finished = work.call(at, fault)
        except Killed:
            finished = False
        if finished:  # a config is read once; edits of other files while jobs ran must be seen
            read = work.state | {name: before[name] for name in IN_CONFIG}
            assert agrees(work, place, fresh, read), (number, before, work.state)
        calls = 1
        while not work.call() and calls < 3:
            calls += 1
        same = agrees(work, place, fresh, work.state)
        work.call()
        if not same or work.ran:
            wrong.append((number, kind, work.state, [str(job) for job in work.ran]))
        say(f"{number:3} {kind:4} at {at}: {calls} more calls, {'same' if same else 'DIFFERENT'}")
    return wrong


def agrees(work, place, fresh, state):
    """Tell whether the report is that of a fresh grid of this state."""
    key = json.dumps(state, sort_keys=True)
    if key not in fresh:
        other = Work(place / "fresh", **state)
        assert other.call(), other.said
        fresh[key] = other.report()
        shutil.rmtree(other.folder)
    return work.report() == fresh[key]


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    rounds, seed, *without = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        found = differences(
            Path(folder), int(rounds), int(seed), lambda text: print(text, flush=True), without
        )
    print(f"{len(found)} of {rounds} differ", *found, sep="\n")
    sys.exit(bool(found))
