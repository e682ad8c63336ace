"""Results folders as a stranger might send them: links, journals and names that lead out of the folder.

    python tests/hostile_folders.py [1000] [seed]

mutates so many folders and runs stages on them; it fails if a byte outside a folder changes, or if a stage
ends in anything but success or a clear line.
"""

import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

from seqgra.cli import main
from seqgra.errors import InputError
from seqgra.fingerprint import claim, identity_of, seal

GRAMMAR = (
    "alphabet: DNA\nwindow: 30\nelements: {a: {kmers: {ACGT: 1}}, b: {kmers: {GGCC: 1}}}\n"
    "conditions: {one: {rules: [{elements: [a]}]}, two: {rules: [{elements: [b]}]}}\n"
)
#: Stages that are run as claims alone: their files.
CLAIMED = {
    "train": ("model.json", "model.safetensors", "history.csv"),
    "evaluate": ("scores.json", "curves.parquet", "predictions.npy"),
    "export": ("test.txt", "test-annotation.txt"),
    "filters": ("filters.csv", "filters.svg", "filters.pdf", "filters.png"),
}
CLIMBING = ("../victim", "../../outside/victim", "..", ".", "", "x/../../outside/victim", "/tmp/x")  # noqa: S108


class Playground:
    """A folder `results` to be mutated, beside a folder `outside` that nothing may touch."""

    def __init__(self, root: Path) -> None:
        self.outside, self.folder, self.grammar = (
            root / "outside",
            root / "results/r",
            root / "g.yaml",
        )
        (self.outside / "full").mkdir(parents=True)
        (self.outside / "empty").mkdir()
        (self.outside / "victim").write_text("mine")
        (self.outside / "nothing").write_text("")
        (self.outside / "full" / "model.json").write_text("mine")
        (root / "victim").write_text("mine")
        self.grammar.write_text(GRAMMAR)
        self.root = root
        self.pristine: dict[str, Path] = {}
        for stage in ("simulate", *CLAIMED):
            self.make(stage, 1)
            self.pristine[stage] = root / "pristine" / stage
            shutil.copytree(self.folder, self.pristine[stage])
            shutil.rmtree(self.folder)

    def make(self, stage: str, seed: int) -> int:
        """Run a stage into the folder; return its exit code."""
        if stage == "simulate":
            size = ["--sets", "test", "--examples", "20", "--seed", str(seed)]
            return main(["simulate", str(self.grammar), "-o", str(self.folder), *size])
        try:
            with claim(self.folder, self.identity(stage, seed)) as draft:
                if not draft.previous:
                    for name in CLAIMED[stage]:
                        draft.aside(name).write_text(f"{stage} {seed}")
                    draft.checkpoint.with_suffix(".partial").write_text("half")
                    draft.publish()
        except (InputError, OSError) as error:  # the command line makes one line of either
            assert str(error), error
            return 2
        return 0

    def identity(self, stage: str, seed: int):
        """Return the identity of a claimed stage."""
        return identity_of(stage, {"dataset": "d" * 32}, {"seed": seed})

    def snapshot(self) -> dict[str, object]:
        """Return all that lies outside the folder: kind, mode, bytes or target."""
        found: dict[str, object] = {}
        for path in sorted(self.root.rglob("*")):
            inside = path.is_relative_to(self.folder) or path.is_relative_to(self.root / "pristine")
            if not inside:
                state = path.lstat()
                content = path.read_bytes() if path.is_file() else None
                found[str(path)] = (state.st_mode, content)
        return found


def mutate(ground: Playground, stage: str, chosen: random.Random) -> list[str]:
    """Put one to four traps into the folder and say which."""
    folder, said = ground.folder, []
    names = sorted(path.name for path in folder.iterdir())
    fingerprint = json.loads((folder / "run.json").read_text())["fingerprint"]
    names += [
        ".publish.json",
        f".checkpoint-{fingerprint[:12]}",
        f".aside-{names[-1]}",
        "candidates",
    ]
    names += [".aside-..", ".aside-", f".aside-.aside-{names[-1]}", ".aside-1-run.json"]
    for _ in range(chosen.randint(1, 4)):
        trap = chosen.choice((link, hard_link, pipe, directory, journal, journal, contents, forget))
        name = chosen.choice(names)
        said.append(f"{trap.__name__} {name}")
        with contextlib.suppress(OSError):  # such as a name below a file
            trap(ground, stage, folder / name, chosen)
    return said


def clear(path: Path) -> None:
    """Remove what is at a path, links not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def link(ground, stage, path, chosen):
    clear(path)
    targets = (
        "victim",
        "nothing",
        "full",
        "empty",
        "full/model.json",
        "new-file",
        "empty/new-file",
    )
    target = ground.outside / chosen.choice(targets)
    path.symlink_to(os.path.relpath(target, path.parent) if chosen.random() < 0.5 else target)


def hard_link(ground, stage, path, chosen):
    clear(path)
    path.hardlink_to(ground.outside / chosen.choice(("victim", "nothing")))


def pipe(ground, stage, path, chosen):
    clear(path)
    os.mkfifo(path)


def directory(ground, stage, path, chosen):
    clear(path)
    path.mkdir()
    if chosen.random() < 0.5:
        (path / "out").symlink_to(ground.outside)


def forget(ground, stage, path, chosen):
    clear(path)


def journal(ground, stage, path, chosen):
    """A next run.json, well formed, of the identity that comes next, of that before, or of another stage."""
    run = json.loads((ground.pristine[stage] / "run.json").read_text())
    seed = chosen.choice((1, 2))
    if stage == "simulate":
        run["options"]["seed"] = seed
    else:
        run["options"] = {"seed": seed}
    poison(ground, run, chosen)
    text = seal(run) if chosen.random() < 0.7 else json.dumps(run)
    clear(ground.folder / ".publish.json")
    (ground.folder / ".publish.json").write_text(text)


def contents(ground, stage, path, chosen):
    """A run.json that fits its checksum, with names that climb out."""
    run = json.loads((ground.pristine[stage] / "run.json").read_text())
    poison(ground, run, chosen)
    clear(ground.folder / "run.json")
    (ground.folder / "run.json").write_text(seal(run))


def poison(ground, run, chosen):
    from seqgra.digest import digest

    for _ in range(chosen.randint(0, 2)):
        name = chosen.choice(CLIMBING)
        run["files"][name] = {"bytes": chosen.choice((4, 0, 1))}
        aside = ground.folder / f".aside-{name}"
        with contextlib.suppress(OSError):
            (ground.folder / ".aside-..").mkdir(exist_ok=True)
            if not aside.is_fifo():  # which nobody would read
                aside.write_text("overwritten")
    for name in list(run["files"]):
        if chosen.random() < 0.3 and "/" not in name:
            with contextlib.suppress(OSError):
                (ground.folder / f".aside-{name}").symlink_to(ground.outside / "victim")
    if chosen.random() < 0.1:
        run["verb"] = "filters"
    parts = [run[key] for key in ("verb", "results_version", "inputs", "options")]
    run["fingerprint"] = digest(parts)


def trial(ground: Playground, seed: int) -> list[str]:
    """Mutate a folder and run its stage on it, twice with other seeds; return what was done.

    Raises
    ------
    AssertionError
        If anything outside the folder changed.
    """
    chosen = random.Random(seed)
    stage = chosen.choice(list(ground.pristine))
    clear(ground.folder)
    shutil.copytree(ground.pristine[stage], ground.folder)
    said = [stage, *mutate(ground, stage, chosen)]
    before = ground.snapshot()
    for wanted in (chosen.choice((1, 2)), 1):
        code = ground.make(stage, wanted)
        assert code in (0, 2), (seed, said, code)
        assert ground.snapshot() == before, (seed, said)
        said.append(f"exit {code}")
    return said


if __name__ == "__main__":
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    codes = []
    with tempfile.TemporaryDirectory() as place:
        playground = Playground(Path(place))
        for number in range(first, first + trials):
            codes += trial(playground, number)[-2:]
    done, refused = codes.count("exit 0"), codes.count("exit 2")
    print(f"{trials} folders, {done} runs done, {refused} refused; nothing outside changed")
