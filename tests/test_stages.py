"""What holds for every stage, and the text of its fingerprint at its defaults.

UPDATE=1 pytest tests/test_stages.py -k committed    after a wanted change, which CHANGELOG.md must name
"""

import inspect
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, TINY
from grid_tools import MOTIF

from seqgra import fingerprint
from seqgra.architecture.optimizers import Adam, Optimizer
from seqgra.cli import main
from seqgra.digest import canonical
from seqgra.errors import InputError
from seqgra.fingerprint import Identity, claim, read_run
from seqgra.stages import SUMMARIES, Stage, all_stages, find_stage
from seqgra.stages.options import arguments, choices_of, flag_of, read_options, written_of

#: What each stage's fingerprint is computed from, inputs by their roles only; a change of results changes it.
FILE = Path(__file__).with_name("fingerprints.json")
TOY = "mc2-dna150-homer"
#: The least that each stage can be called with, folders of `files` in braces.
CALLS = {
    "simulate": ["{grammar}", "--size", "100"],
    "ingest": ["--fasta", "one={fasta}", "--fasta", "none={other}"],
    "subsample": ["{dataset}"],
    "fit": ["{dataset}"],
    "tune": ["{dataset}", "conv10w-gmp-fc5", "--size", "50"],
    "train": ["{dataset}", "conv10w-gmp-fc5"],
    "evaluate": ["{model}", "{dataset}"],
    "score": [
        *("{dataset}", "--predictions", "{predictions}", "--values", "logits"),
        *("--name", "other", "--size", "100"),
    ],
    "attribute": ["{model}", "{dataset}"],
    "construct": ["{grammar}"],
    "probe": ["{model}", "{grammar}"],
    "filters": ["{model}", "{dataset}"],
    "export": ["{dataset}", "--format", "tsv"],
}


class Claimed(BaseException):
    """A stage has claimed its folder; nothing more is computed."""

    def __init__(self, identity):
        self.identity = identity


@pytest.fixture
def files(tmp_path, tiny_dataset):
    """Return what calls name: a grammar, a dataset, a model, sequences."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "a.fa").write_text(">a\nACGTACGTAC\n")
    with claim(tmp_path / "model", Identity("train", 1)) as draft:
        draft.publish()
    return {
        "grammar": tmp_path / "tiny.yaml",
        "fasta": tmp_path / "a.fa",
        "other": tmp_path / "a.fa",
        "predictions": tmp_path / "a.fa",
        "dataset": tiny_dataset,
        "model": tmp_path / "model",
    }


@pytest.fixture
def identity_of_call(files, tmp_path, monkeypatch):
    """Return a function from the words of a call to the identity of what it would make."""

    def caught(self, folder, identity):
        raise Claimed(identity)

    def find(stage, *options):
        words = [word.format(**files) for word in CALLS[stage]]
        with monkeypatch.context() as patch:
            patch.setattr(fingerprint.Draft, "__init__", caught)
            with pytest.raises(Claimed) as claimed:
                main([stage, *words, "-o", str(tmp_path / "made"), *options])
        return claimed.value.identity

    return find


def text_of(identity):
    """Return what a fingerprint is computed from, inputs by their roles."""
    return json.loads(
        canonical(
            {
                "stage": identity.verb,
                "version": identity.version,
                "inputs": sorted(identity.inputs),
                "options": dict(identity.options),
            }
        )
    )


@pytest.mark.parametrize("stage", SUMMARIES)
def test_the_fingerprint_at_the_defaults_is_the_committed_one(stage, identity_of_call):
    found = text_of(identity_of_call(stage))
    committed = json.loads(FILE.read_text())
    if os.environ.get("UPDATE"):
        committed[stage] = found
        FILE.write_text(json.dumps({name: committed[name] for name in CALLS}, indent=1) + "\n")
    assert found == committed[stage]


def test_every_stage_is_called():
    assert CALLS.keys() == SUMMARIES.keys()


#: What each stage is given beside `CALLS`, to make little.
LITTLE = {
    "simulate": ["--size", "300"],
    "fit": ["--motifs", "{motifs}"],
    "tune": ["--epochs", "1", "--candidates", '[{{"sgd": {{}}}}, {{"adam": {{}}}}]'],
    "train": ["--size", "300"],
    "attribute": ["--examples", "5", "--method", "saliency"],
    "filters": ["--examples", "20"],
}


class Results:
    """A result of each stage, made when it is first asked for, from the results of others."""

    def __init__(self, folder):
        self.folder = folder
        random = np.random.default_rng(0)
        (folder / "tiny.yaml").write_text(TINY)
        letters = ["".join(row) for row in random.choice(list("ACGT"), (200, 40))]
        (folder / "m.meme").write_text(MOTIF.format(row="1 0 0 0"))
        (folder / "a.fa").write_text("".join(f">{n}\n{row}\n" for n, row in enumerate(letters)))
        np.save(folder / "p.npy", random.normal(size=(60, 2)))  # simulate's test examples
        (folder / "b.fa").write_text(
            "".join(f">{n}\nAC{row[:38]}\n" for n, row in enumerate(letters))
        )

    def words(self, stage):
        """Return the arguments of a call, whose inputs are made first."""
        given = {"grammar": "tiny.yaml", "fasta": "a.fa", "other": "b.fa", "motifs": "m.meme"}
        given["predictions"] = "p.npy"
        names = {name: self.folder / file for name, file in given.items()}
        needed = {"dataset": "ingest" if stage in ("subsample", "fit") else "simulate"}
        for name, maker in {**needed, "model": "train"}.items():
            if any(f"{{{name}}}" in word for word in CALLS[stage]):
                names[name] = self.made(maker)
        return [word.format(**names) for word in (*CALLS[stage], *LITTLE.get(stage, ()))]

    def call(self, stage):
        return main([stage, *self.words(stage), "-o", str(self.folder / stage)])

    def made(self, stage):
        folder = self.folder / stage
        if not folder.exists():
            assert self.call(stage) == 0
        return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results(tmp_path_factory.mktemp("results"))


def _slow_where_it_takes_long(stage):
    """Tomtom's library is compiled in each process, for a minute; a fit takes seven CPU seconds."""
    return pytest.param(stage, marks=pytest.mark.slow) if stage in ("filters", "fit") else stage


@pytest.mark.parametrize("stage", [*map(_slow_where_it_takes_long, SUMMARIES)])
def test_an_interrupted_stage_is_made_by_the_same_command_and_then_up_to_date(
    stage, results, tmp_path, monkeypatch, capsys
):
    """Interrupted at its worst: all is computed, and nothing published."""

    def interrupted(self, *args, **facts):
        raise KeyboardInterrupt

    words = [stage, *results.words(stage), "-o", str(tmp_path / "made")]
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint.Draft, "publish", interrupted)
        assert main(words) == 130
    assert read_run(tmp_path / "made") is None
    owns = find_stage(stage).owns
    assert not [file.name for file in (tmp_path / "made").glob("*") if owns(file.name)]
    capsys.readouterr()
    assert main(words) == 0
    assert "up to date" not in capsys.readouterr().out
    made = contents(tmp_path / "made")
    assert "run.json" in made and any(map(owns, made))
    assert main(words) == 0
    assert "made: up to date" in capsys.readouterr().out
    assert contents(tmp_path / "made") == made


def contents(folder):
    """Return the bytes of each file by its name."""
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("stage", SUMMARIES)
def test_help_has_every_option_and_an_example(stage, capsys):
    with pytest.raises(SystemExit) as stop:
        main([stage, "--help"])
    said = capsys.readouterr().out
    assert stop.value.code == 0 and f"example: seqgra {stage}" in said
    declared = find_stage(stage)
    for name, field in declared.options.model_fields.items():
        assert f"  {flag_of(name, field)}" in said
    assert all(f"  {each.name} " in said for each in declared.inputs)


def another_value(name, field, tmp_path):
    """Return a value of an option that is not its default."""
    known = {
        **{
            "method": "saliency",
            "name": "another",
            "backend": "tensorflow",
            "device": "cpu",
            "motif": ("a=b", "c=d:e"),
        },
        **{
            "sets": ("training", "test"),
            "shares": (0.5, 0.25, 0.25),
            "validation": ("chr1", "chr2"),
        },
        **{"test": ("chr3",), "candidates": (Optimizer(adam=Adam(learning_rate=0.5)),)},
        **dict.fromkeys(("peaks", "fasta"), (("a", tmp_path / "a"), (None, tmp_path / "b"))),
    }
    if name in known:
        return known[name]
    if isinstance(field.default, bool):
        return not field.default
    if choices := choices_of(field.annotation):
        return choices[-1]
    kind = written_of(field).read
    return tmp_path / name if kind is Path else 0.25 if kind is float else 7


@pytest.mark.parametrize("stage", all_stages(), ids=lambda stage: stage.name)
def test_options_survive_a_command_line(stage, tmp_path, monkeypatch):
    """All options, and each by itself."""
    fields = stage.options.model_fields
    other = {name: another_value(name, field, tmp_path) for name, field in fields.items()}
    required = {name: other[name] for name, field in fields.items() if field.is_required()}
    named = {"architecture": "fc10", "grammar": TOY}
    inputs = [named.get(each.kind, str(tmp_path)) for each in stage.inputs]
    taken = []
    monkeypatch.setattr(Stage, "call", lambda self, *given: taken.append(given[2]) or "done")
    for given in (other, *({**required, name: other[name]} for name in fields), required):
        words = map(str, arguments(stage.options, as_text(given)))
        assert main([stage.name, *inputs, "-o", str(tmp_path / "x"), *words]) == 0
        assert taken.pop() == stage.options(**given)
        assert taken == []


def as_text(values):
    """Return values as `arguments` takes them: candidates are JSON."""
    if "candidates" not in values:
        return values
    content = [c.model_dump(mode="json", exclude_unset=True) for c in values["candidates"]]
    return values | {"candidates": json.dumps(content)}


@pytest.mark.parametrize("stage", all_stages(), ids=lambda stage: stage.name)
def test_an_option_at_its_default_changes_no_fingerprint(stage, identity_of_call):
    given = {
        name: field.default
        for name, field in stage.options.model_fields.items()
        if not field.is_required() and name not in ("size", "examples")
    }
    words = map(str, arguments(stage.options, as_text(given)))
    assert identity_of_call(stage.name, *words) == identity_of_call(stage.name)


#: Functions of Python that stages call with all that they are given, and those of the library.
BEHIND = {
    "simulate": "seqgra.simulate:simulate",
    "attribute": "seqgra.attribute:attribute",
}
LIBRARY = ("simulate", "train", "evaluate", "attribute", "probe")
FUNCTIONS = [(stage.name, stage.run) for stage in all_stages()] + [*BEHIND.items()]
FUNCTIONS += [(name, f"seqgra.api:{name}") for name in LIBRARY]


@pytest.mark.parametrize(("name", "function"), FUNCTIONS, ids=lambda given: given)
def test_what_computes_takes_every_option_with_the_declared_default(name, function):
    stage, (module, _, called) = find_stage(name), function.partition(":")
    parameters = inspect.signature(getattr(import_module(module), called)).parameters
    takes_all = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for option, field in stage.options.model_fields.items():
        assert takes_all or option in parameters or function != stage.run, option
        if option in parameters and parameters[option].default is not inspect.Parameter.empty:
            every_set = option == "sets" and field.default == ()
            assert every_set or parameters[option].default == field.default, option
    assert not stage.expects or takes_all or "expected" in parameters or function != stage.run


def test_a_wrong_option_is_named(tmp_path, capsys):
    with pytest.raises(InputError, match="noise: is -1"):
        read_options(find_stage("attribute").options, {"noise": -1.0})
    with pytest.raises(InputError, match=r"^--sets: trainin: no such set; choose from"):
        read_options(find_stage("simulate").options, {"sets": "trainin,test"})
    with pytest.raises(InputError, match=r"^--candidates: are not JSON"):
        read_options(find_stage("tune").options, {"size": 100, "candidates": "{"})
    with pytest.raises(InputError, match=r"^--candidates: candidates"):
        read_options(find_stage("tune").options, {"size": 100, "candidates": '[{"sgdd": {}}]'})
    with pytest.raises(InputError, match=r"^--shares: is '1;2'; expected"):
        read_options(find_stage("ingest").options, {"shares": "1;2"})
    with pytest.raises(InputError, match="widht: unknown key; did you mean 'width'"):
        read_options(find_stage("attribute").options, {"widht": 1})


@pytest.mark.parametrize("library", ["numpy", "torch", "numba", "pandas", "sklearn"])
def test_declarations_cost_little(library):
    """All of them at once; a command needs one."""
    code = "import sys; from seqgra.stages import all_stages; list(all_stages())"
    command = [sys.executable, "-c", f"{code}; sys.exit({library!r} in sys.modules)"]
    assert subprocess.run(command, check=False).returncode == 0


def test_generated_tables_and_schemas_are_those_of_the_declarations():
    command = [sys.executable, "tools/generate.py", "--check"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert found.returncode == 0, f"python tools/generate.py, for {found.stdout}{found.stderr}"
