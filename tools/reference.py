"""References of a revision: what it makes, prints and refuses, so that no change goes unseen.

python tools/reference.py REVISION FOLDER            make them in FOLDER, in a worktree of the revision's own
python tools/reference.py REVISION FOLDER --quick    the quick part alone, under two minutes of CPU
python tools/reference.py . FOLDER                   of the working folder as it stands
python tools/reference.py --compare FOLDER OTHER     print what differs; exit code 1 if anything does
python tools/reference.py --update                   write tests/reference.json anew; the commit says why

FOLDER holds text files: every stage's run.json and the SHA-256 of each other file that it made, what the
second call said, `snakemake -n -p` and the batch files of configs, help, descriptions and refusals; the full
part adds a grid of four grammars and five architectures, golden hashes, and reports of whole grids. Two runs
of one revision on one machine give the same files. tests/reference.json holds the digests of those that are
the same on every machine; a test makes them again.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import difflib
import hashlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

#: Facts of a run.json that differ from run to run, or (versions) depend on what a process has loaded before.
PASSING = ("host", "started", "seconds", "cpu_seconds", "checksum", "versions")
#: Digests of what is the same on every machine.
DIGESTS = Path(__file__).resolve().parents[1] / "tests" / "reference.json"
#: Files that hold run times, or hashes of such.
TIMED = r"/figures/pareto\.|/report\.html$|/logs/|\.done$|/tables/runs\."
LINES = 40  # of a difference that are printed
#: Every stage once, with its default options, on little data; `write_inputs` makes what they read.
STAGES = (
    "simulate toy1-kmer-center -o simulate --size 300",
    "ingest --fasta A=a.fa --fasta B=b.fa --motifs motifs.meme -o ingest",
    "subsample ingest -o subsample",
    "simulate toy1-kmer-center -o simulate-tuning --size 300 --seed 1",
    "tune simulate-tuning fc5 -o tune --size 100 --epochs 2",
    "train simulate fc5 -o train-pytorch",
    "train simulate fc5 -o train-tuned --tuned tune --size 100",
    "train simulate conv10-gmp-fc5 -o train-convolution --size 100",
    "train simulate fc5 -o train-tensorflow --backend tensorflow --size 100",
    "train simulate kmer-logistic-regression -o train-sklearn",
    "train simulate bayes-optimal -o train-exact",
    "evaluate train-pytorch simulate -o evaluate",
    "evaluate train-exact simulate -o evaluate-exact",
    "attribute train-pytorch simulate -o attribute --examples 10",
    "construct toy1-kmer-center -o construct",
    "probe train-pytorch construct -o probe",
    "export simulate -o export --format tsv",
)
#: Stages whose results are the same on every machine, and configs of `Reference.everywhere`.
DATA_STAGES = ("simulate", "ingest", "subsample", "construct", "export")
EVERYWHERE = ("config", "paper/figure-2-tiny", "ladder/order")
ARCHITECTURES = ("fc", "conv-gmp-fc", "danq", "pwm-logistic-regression", "bayes-optimal")
GRAMMARS = {
    "toy1": "toy1-kmer-center",
    "order": "mc2-dna150-order",
    "ml4": "ml4-dna150-kmers-condition-dependent-dist",
    "protein": "mc2-protein100-psp",
}
BASELINE_GRID = {
    "grammars": ["toy1-kmer-center"],
    "architectures": {"bayes-optimal": {}, "kmer-logistic-regression": {}, "fc5": {}},
    "sizes": [100, 200, 400],
    "data_seeds": [1, 2],
    "test": {"examples": 100},
    "attribution": {"methods": ["gradient-x-input"], "examples": 5},
}


def letters(name: str, length: int) -> str:
    """Return letters that depend on nothing but a name."""
    return "".join("ACGT"[byte % 4] for byte in hashlib.shake_128(name.encode()).digest(length))


def write_inputs() -> None:
    """Write the files that `STAGES` read into the working folder."""
    for name in "ab":
        records = (f">{name}{n}\n{letters(f'{name}{n}', 60)}\n" for n in range(80))
        Path(f"{name}.fa").write_text("".join(records))
    Path("motifs.meme").write_text(MOTIFS)


class Reference:
    """Writes the references of the seqgra that this process imports.

    Parameters
    ----------
    repository
        Of the revision.
    target
        Where they are written.
    """

    def __init__(self, repository: Path, target: Path) -> None:
        self.repository = repository
        self.target = target
        self.work = Path.cwd()
        self.crashes = 0

    def write(self, name: str, text: str) -> None:
        """Write a reference, without the paths of this run."""
        file = self.target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.plain(text), encoding="utf-8")

    def plain(self, text: str) -> str:
        """Return a text without paths, times and process numbers."""
        for path, name in ((self.work, "{work}"), (self.repository, "{repository}")):
            text = text.replace(str(path), name)
        temporary = re.escape(f"{tempfile.gettempdir()}/{tempfile.gettempprefix()}")
        text = re.sub(rf"{temporary}\w+", "{temporary}", text)
        text = re.sub(r"(?m)^.*: \d+ of \d+ \(\d+%\).*\n", "", text)  # of progress
        return re.sub(r"\(\d+\.\d+ s\)", "(... s)", text)

    def call(self, line: str) -> str:
        """Run one `seqgra` command line in this process; return it, what it printed and its exit code."""
        from seqgra.cli import main

        said, before = io.StringIO(), time.process_time()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                code = main(shlex.split(line))
            except SystemExit as stop:
                code = stop.code
            except Exception as error:  # a crash is a fact of this revision, too
                said.write(f"{type(error).__name__}: {error}\n")
                code = "crash"
                self.crashes += 1
        if (took := time.process_time() - before) > 5:
            print(f"  {took:.0f} CPU seconds: seqgra {line}", flush=True)
        return f"$ seqgra {line}\n{said.getvalue()}exit code {code}\n"

    def stages(self, name: str, lines: list[str]) -> None:
        """Run stages, once more to see that all are up to date, and describe what they made."""
        first = "".join(map(self.call, lines))
        self.write(f"{name}/first.txt", first)
        self.write(f"{name}/again.txt", "".join(map(self.call, lines)))
        folders = [shlex.split(line)[shlex.split(line).index("-o") + 1] for line in lines]
        self.results(name, folders)

    def results(self, name: str, folders: list[str]) -> None:
        """Write the run.json of each result below the folders, and the hashes of all other files."""
        runs, hashes = {}, {}
        files = {file for folder in folders for file in Path(folder).rglob("*") if file.is_file()}
        for file in sorted(files):
            if file.name == "run.json":
                runs[str(file.parent)] = self.run_facts(json.loads(file.read_text()))
            elif file.name in ("history.csv", "runs.csv"):
                hashes[str(file)] = hash_of(without_seconds(file).encode())
            elif file.name.startswith(".") or re.search(TIMED, str(file)):
                hashes[str(file)] = "there"
            else:
                hashes[str(file)] = hash_of(self.plain_bytes(file))
        self.write(f"{name}/runs.json", json.dumps(runs, indent=1, sort_keys=True))
        self.write(f"{name}/files.json", json.dumps(hashes, indent=1, sort_keys=True))

    def plain_bytes(self, file: Path) -> bytes:
        """Return the bytes of a file, of text without the paths of this run."""
        content = file.read_bytes()
        if file.suffix not in (".json", ".csv", ".html", ".txt", ".done", ".yaml", ".md", ".tsv"):
            return content
        return self.plain(content.decode(errors="surrogateescape")).encode(errors="surrogateescape")

    def run_facts(self, run: dict) -> dict:
        """Return what of a run.json is the same each time."""
        kept = {key: value for key, value in run.items() if key not in PASSING}
        kept["files"] = {
            name: None if name == "history.csv" else facts  # it has a column of seconds
            for name, facts in run["files"].items()
        }
        return json.loads(self.plain(json.dumps(kept)))

    # ---------------------------------------------------------------- quick

    def every_stage(self) -> None:
        """`STAGES`, twice."""
        write_inputs()
        self.stages("stages", list(STAGES))

    def configs(self, names: list[Path]) -> None:
        """`snakemake -n -p`, sorted, and the batch files of configs."""
        wrapper = self.work / "Snakefile"
        snakefile = self.repository / "workflow" / "Snakefile"
        wrapper.write_text(f'include: "{snakefile}"\n\nBATCHES.write()\n')
        for file in names:
            name = str(file.relative_to(self.repository).with_suffix("")).replace("/", "-")
            folder = self.work / name
            folder.mkdir()
            command = [sys.executable, "-m", "snakemake", "all", "-n", "-p"]
            command += ["--snakefile", str(wrapper)]
            command += ["--configfile", str(file), "--directory", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = (done.stdout + done.stderr).splitlines()
            lasting = sorted(in_order(line) for line in lines if is_lasting(line))
            self.write(f"configs/{name}.txt", "\n".join(lasting))
            batches = sorted(folder.rglob("*.txt"))
            parts = [f"== {b.relative_to(folder)}\n{b.read_text()}" for b in batches]
            self.write(f"configs/{name}.batches.txt", "\n".join(parts))

    def command_lines(self) -> None:
        """The help of every command, and what each says of wrong values of each of its options."""
        overall = self.call("--help")
        commands = re.findall(r"^ {4}([a-z][a-z-]+)(?: |$)", overall, re.MULTILINE)
        texts = [overall]
        refusals = []
        for command in commands:
            text = self.call(f"{command} --help")
            texts.append(text)
            usage = text.partition("positional arguments:")[2].partition("\n\n")[0]
            places = " ".join(["absent"] * len(re.findall(r"^  [a-zA-Z]", usage, re.MULTILINE)))
            for option in sorted(set(re.findall(r"--[a-z][a-z-]+", text.partition("example:")[0]))):
                if option in ("--help", "--output"):
                    continue
                for value in ("0", "x", "-1"):
                    output = "" if command in ("init", "list", "check", "plan") else "-o made"
                    refusals.append(self.call(f"{command} {places} {output} {option}={value}"))
        self.write("help.txt", "\n".join(texts))
        self.write("refused-options.txt", "\n".join(refusals))

    def refusals(self) -> None:
        """What is said of wrong grammars, and descriptions and lists."""
        wrong = sorted((self.repository / "tests" / "grammars" / "invalid").glob("*.yaml"))
        self.write("refused-grammars.txt", "\n".join(self.call(f"check {file}") for file in wrong))
        legacy = sorted((self.repository / "tests" / "legacy").glob("*.xml"))
        imported = [self.call(f"import-xml {file} -o {file.stem}.yaml") for file in legacy]
        self.write("imported.txt", "\n".join(imported))
        self.write("list.txt", self.call("list"))
        described = [self.call(f"describe {name} --ceiling 0") for name in GRAMMARS.values()]
        self.write("described.txt", "\n".join(described))

    def everywhere(self) -> dict[str, str]:
        """Make what no processor and no version of a library changes; return its digests."""
        write_inputs()
        self.stages("data", [line for line in STAGES if line.split()[0] in DATA_STAGES])
        self.refusals()
        self.configs([self.repository / "config" / f"{name}.yaml" for name in EVERYWHERE])
        made = {
            name: digest
            for name, digest in json.loads((self.target / "data/files.json").read_text()).items()
            if name.endswith((".npy", ".json", ".txt")) and "ceiling" not in name
        }
        runs = json.loads((self.target / "data/runs.json").read_text())
        made |= {f"{name}/fingerprint": run["fingerprint"] for name, run in runs.items()}
        texts = ["*.txt", "data/*.txt", "configs/*.batches.txt"]
        files = sorted(file for pattern in texts for file in self.target.glob(pattern))
        made |= {str(f.relative_to(self.target)): hash_of(f.read_bytes()) for f in files}
        return made

    # ---------------------------------------------------------------- full

    def slow_stages(self) -> None:
        """What takes long to compile, or to estimate."""
        self.stages(
            "slow-stages",
            ["filters train-convolution simulate -o filters", "fit simulate -o fit"],
        )

    def golden(self) -> None:
        """The hashes of tests/golden.json, and whether this revision still makes them."""
        self.write("golden.json", (self.repository / "tests" / "golden.json").read_text())
        command = [sys.executable, str(self.repository / "tests" / "test_golden.py")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.write("golden.txt", done.stdout + done.stderr)

    def grid(self) -> None:
        """A small grid by hand: four grammars, four architectures and DanQ on one, both libraries."""
        few = '{"training": {"epochs": 3}}'
        lines = []
        for name in ("fc", "conv-gmp-fc", "danq"):
            self.call(f"variant architecture {name} {shlex.quote(few)} -o {name}.yaml")
        for grammar, source in GRAMMARS.items():
            data = f"grid/{grammar}/data"
            lines.append(f"simulate {source} -o {data} --size 300 --seed 1")
            for name in ARCHITECTURES:
                if name == "danq" and grammar != "toy1":
                    continue  # its trainings and maps take minutes each
                network = name in ("fc", "conv-gmp-fc", "danq")
                for library in ("pytorch", "tensorflow") if network else ("",):
                    model = f"grid/{grammar}/{name}{library and f'-{library}'}"
                    chosen = f"{name}.yaml --backend {library}" if network else name
                    lines.append(f"train {data} {chosen} -o {model}/model --device cpu")
                    lines.append(f"evaluate {model}/model {data} -o {model}/scores --device cpu")
                    for method in methods_of(name):
                        out = f"{model}/{method} --method {method} --examples 5 --device cpu"
                        lines.append(f"attribute {model}/model {data} -o {out}")
        self.stages("grid", lines)
        self.compare("grid", self.cells())

    def cells(self) -> str:
        """The cells file of that grid."""
        rows = []
        for grammar in GRAMMARS:
            for model in sorted(Path(f"grid/{grammar}").glob("*/model")):
                cell = model.parent
                name, _, library = cell.name.rpartition("-")
                if library not in ("pytorch", "tensorflow"):
                    name, library = cell.name, "sklearn" if "pwm" in cell.name else "bayes-optimal"
                maps = ";".join(f"{m}={cell / m}" for m in methods_of(name))
                size, seed = (0, 0) if library == "bayes-optimal" else (300, 1)  # as in a grid
                scores = cell / "scores"
                rows.append([grammar, size, seed, name, library, 0, model, scores, maps])
                rows[-1].append(f"grid/{grammar}/data")
        text = io.StringIO()
        head = (
            "grammar size data_seed architecture backend model_seed model scores attributions test"
        )
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([head.split(), *rows])
        return text.getvalue()

    def compare(self, name: str, cells: str) -> None:
        """The output of compare on a cells file."""
        Path(f"{name}.csv").write_text(cells)
        said = self.call(f"compare --cells {name}.csv -o compared-{name}")
        self.write(f"compared-{name}/said.txt", said)
        self.reported(f"compared-{name}", Path(f"compared-{name}"))

    def reported(self, name: str, folder: Path) -> None:
        """Describe a report: tables as they are, the page as text, all other files as hashes."""
        self.results(name, [str(folder)])
        for table in sorted(folder.rglob("*.csv")):
            self.write(f"{name}/{table.relative_to(folder)}", without_seconds(table))
        page = (folder / "report.html").read_text() if (folder / "report.html").exists() else ""
        text = re.sub(r"<(script|style|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
        text = re.sub(r"took [\d.,]+ s on average|attributed, [\d.,]+ min", "", text)
        text, _, _ = text.partition("Run times, versions and how to reproduce</")
        ids = "\n".join(re.findall(r'\bid="[^"]+"', page))
        words = re.sub(r"\n\s*\n+", "\n", re.sub(r"<[^>]+>", "\n", text))
        self.write(f"{name}/page.txt", f"{words}\n{ids}")

    def snakemake_grids(self) -> None:
        """Grids through Snakemake, and their reports: smoke, an adaptive one, one with real data."""
        smoke = (self.repository / ".test" / "config" / "config.yaml").read_text()
        real = {**BASELINE_GRID, "name": "real", "datasets": {"mine": {"folder": "../ingest"}}}
        real |= {"sizes": [60, 100], "architectures": ["kmer-logistic-regression", "fc5"]}
        del real["grammars"], real["test"]
        adaptive = {**BASELINE_GRID, "name": "adaptive", "adaptive": {}}
        texts = {"smoke": smoke, "adaptive": json.dumps(adaptive), "real": json.dumps(real)}
        for name, text in texts.items():
            folder = self.work / f"snakemake-{name}"
            (folder / "config").mkdir(parents=True)
            (folder / "config" / "config.yaml").write_text(text)
            command = [
                sys.executable,
                "-m",
                "snakemake",
                "--cores",
                "2",
                "--directory",
                str(folder),
            ]
            command += ["--snakefile", str(self.repository / "workflow" / "Snakefile")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                self.write(f"snakemake-{name}/failed.txt", done.stdout + done.stderr)
            again = subprocess.run([*command, "-n"], capture_output=True, text=True, check=False)
            lines = (again.stdout + again.stderr).splitlines()
            self.write(f"snakemake-{name}/again.txt", "\n".join(filter(is_lasting, lines)))
            self.reported(f"snakemake-{name}", folder / "results" / name)


MOTIFS = """MEME version 4

ALPHABET= ACGT

MOTIF ebox
letter-probability matrix: alength= 4 w= 6
0.02 0.94 0.02 0.02
0.94 0.02 0.02 0.02
0.02 0.94 0.02 0.02
0.02 0.02 0.94 0.02
0.02 0.02 0.02 0.94
0.02 0.02 0.94 0.02
"""


def methods_of(architecture: str) -> tuple[str, ...]:
    """Return the attribution methods of an architecture in the grid by hand: those that end soon."""
    if architecture == "danq":
        return ()
    if architecture == "bayes-optimal":
        return ("integrated-gradients",)
    return ("integrated-gradients", "mutagenesis")


def is_lasting(line: str) -> bool:
    """Tell whether a line of Snakemake's is the same each time."""
    passing = r" *(host|date|platform|user|workflow id|command|base directory|python version|run directory): "
    return bool(line) and not re.match(
        rf"(?i){passing}|using |building |\[|\w{{3}} \w{{3}} +\d+ ", line
    )


def in_order(line: str) -> str:
    """Return a line of Snakemake's, with the files that are missing in order."""
    head, found, names = line.partition("Missing output files: ")
    return head + found + ", ".join(sorted(names.split(", ")))


def hash_of(content: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def without_seconds(file: Path) -> str:
    """Return a table without its columns of seconds."""
    with file.open(newline="") as stream:
        rows = list(csv.reader(stream))
    kept = [n for n, name in enumerate(rows[0]) if "seconds" not in name]
    return "\n".join(",".join(row[n] for n in kept) for row in rows)


def digests(repository: Path) -> dict[str, str]:
    """Return the digests of `Reference.everywhere` of the seqgra that this process imports."""
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        (Path(place) / "work").mkdir()
        os.chdir("work")
        return Reference(repository, Path(place) / "made").everywhere()


def make_inside(repository: Path, target: Path, quick: bool) -> int:
    """Make the references in the working folder with the seqgra that is imported; return the exit code."""
    reference = Reference(repository, target)
    configs = [repository / ".test" / "config" / "config.yaml"]
    configs += sorted((repository / "config").rglob("*.yaml"))
    rules = {file for file in configs if file.parent.name == "ladder"}  # alike but for the grammar
    configs = [f for f in configs if f not in rules or f.stem in ("order", "order-large", "tiny")]
    few = [file for file in configs if file.stem in ("config", "figure-2-tiny", "noise-small")]
    steps = [
        ("stages", reference.every_stage),
        ("configs", lambda: reference.configs(few if quick else configs)),
        ("command lines", reference.command_lines),
        ("refusals", reference.refusals),
    ]
    if not quick:
        steps += [
            ("slow stages", reference.slow_stages),
            ("golden hashes", reference.golden),
            ("grid", reference.grid),
            ("Snakemake", reference.snakemake_grids),
        ]
    for name, step in steps:
        before = sum(os.times()[:4])
        step()
        print(f"{name}: {sum(os.times()[:4]) - before:.0f} CPU seconds", flush=True)
    if reference.crashes:
        print(f"{reference.crashes} calls crashed: look for 'exit code crash'", flush=True)
    return 1 if reference.crashes else 0


@contextlib.contextmanager
def tree_of(revision: str) -> Iterator[Path]:
    """Yield a folder with the files of a revision; ``.`` is the repository as it stands."""
    here = Path(__file__).resolve().parents[1]
    if revision == ".":
        yield here
        return
    with tempfile.TemporaryDirectory(prefix="seqgra-reference-") as place:
        tree = Path(place) / "tree"
        git = ["git", "-C", str(here), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), revision], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def make(revision: str, target: Path, quick: bool) -> int:
    """Make the references of a revision."""
    if target.exists() and any(target.iterdir()):
        print(f"{target}: is not empty; choose another folder", file=sys.stderr)
        return 2
    with tree_of(revision) as tree, tempfile.TemporaryDirectory(prefix="seqgra-work-") as work:
        path = os.pathsep.join([str(tree), str(tree / "tests"), str(tree / "benchmarks")])
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        settings = {"PYTHONPATH": path, "PATH": programs, "OMP_NUM_THREADS": "1"}
        settings |= {"COLUMNS": "100", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONHASHSEED": "0"}
        command = [sys.executable, __file__, "--inside", str(tree), str(target.resolve())]
        command += ["--quick"] if quick else []
        done = subprocess.run(command, cwd=work, env={**os.environ, **settings}, check=False)
    return done.returncode


def differences(first: Path, second: Path) -> Iterator[str]:
    """Yield what differs between two folders of references."""
    names = {
        str(file.relative_to(folder))
        for folder in (first, second)
        for file in folder.rglob("*")
        if file.is_file()
    }
    for name in sorted(names):
        texts = [
            (folder / name).read_text().splitlines() if (folder / name).exists() else None
            for folder in (first, second)
        ]
        if texts[0] == texts[1]:
            continue
        if None in texts:
            yield f"{name}: only in {first if texts[1] is None else second}"
            continue
        lines = list(
            difflib.unified_diff(*texts, str(first / name), str(second / name), n=1, lineterm="")
        )
        yield from lines[:LINES]
        if len(lines) > LINES:
            yield f"... {len(lines) - LINES} more lines of {name}"


def main() -> int:
    """Make references, or compare two of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--compare", action="store_true", help="compare two folders of references")
    kind.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    kind.add_argument("--update", action="store_true", help="write tests/reference.json anew")
    for name, text in (
        ("first", "revision, or the first folder"),
        ("second", "where to write, or the second"),
    ):
        parser.add_argument(name, nargs="?", metavar=name.upper(), help=text)
    parser.add_argument("--quick", action="store_true", help="the quick part alone")
    options = parser.parse_args()
    if options.update:
        made = digests(DIGESTS.parents[1])
        DIGESTS.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
        return 0
    if options.second is None:
        parser.error("a revision and a folder, or two folders, are needed")
    if options.compare:
        found = list(differences(Path(options.first), Path(options.second)))
        print(*found, sep="\n", end="\n" if found else "")
        print(f"{options.first}, {options.second}: {'DIFFERENT' if found else 'equal'}")
        return 1 if found else 0
    if options.inside:
        return make_inside(Path(options.first), Path(options.second), options.quick)
    return make(options.first, Path(options.second), options.quick)


if __name__ == "__main__":
    sys.exit(main())
