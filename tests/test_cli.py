"""The command line: exit codes, one-line errors, batches."""

import errno
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from seqgra import cli
from seqgra.errors import out_of_memory
from seqgra.grammar.load import load_grammar

VERBS = ["simulate", "train", "evaluate", "attribute", "compare", "check", "variant", "list"]
VERBS += ["describe", "import-xml", "export", "fit", "init", "predict", "export-model", "doctor"]


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example(capsys, verb):
    with pytest.raises(SystemExit) as stop:
        run(verb, "--help")
    assert stop.value.code == 0 and f"example: seqgra {verb}" in capsys.readouterr().out


def test_done_then_up_to_date(tmp_path, tiny_grammar, capsys):
    command = ("simulate", tiny_grammar, "-o", tmp_path / "d", "--size", 100)
    assert run(*command) == 0 and run(*command) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert f"{tmp_path}/d: done" in first and "up to date" in second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", 5, "--examples", 5], "needs exactly one of --size and --examples"),
        (["--examples", 5, "--sets", "trainin"], "no such set"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    tmp_path, tiny_grammar, capsys, arguments, message
):
    assert run("simulate", tiny_grammar, "-o", tmp_path / "d", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("seqgra: ") and message in line
    assert not (tmp_path / "d" / "run.json").exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path, tiny_grammar, capsys, monkeypatch, code
):
    def full(*_):
        raise OSError(code, os.strerror(code), "training.x.npy")

    run("simulate", tiny_grammar, "-o", tmp_path / "d", "--size", 100)
    monkeypatch.setattr("seqgra.dataset_files.ArrayWriter.write", full)
    assert run("simulate", tiny_grammar, "-o", tmp_path / "d", "--size", 5000) == 2
    assert f"training.x.npy: {os.strerror(code)}" in capsys.readouterr().err
    monkeypatch.undo()
    assert run("simulate", tiny_grammar, "-o", tmp_path / "d", "--size", 100) == 0
    assert "up to date" in capsys.readouterr().out, "the first dataset is still whole"


def test_a_batch_goes_on_after_a_failure_and_returns_1(tmp_path, tiny_grammar, capsys):
    lines = [
        "# a comment, then three calls",
        f"{tiny_grammar} -o {tmp_path}/a --size 100",
        f"{tiny_grammar} -o {tmp_path}/b --size oops",
        f"{tiny_grammar} -o '{tmp_path}/with space' --size 50 --seed 9",
    ]
    batch, done = tmp_path / "batch.txt", tmp_path / "done"
    batch.write_text("\n".join(lines))
    assert run("simulate", "--batch", batch, "--seed", 5, "--done", done) == 1
    assert not done.exists()
    said = capsys.readouterr()
    assert "line 3: failed" in said.err and "1 of" in said.err
    assert (tmp_path / "a" / "run.json").exists()
    assert '"seed": 9' in (tmp_path / "with space" / "run.json").read_text(), "a line's option wins"
    assert '"seed": 5' in (tmp_path / "a" / "run.json").read_text()
    batch.write_text("\n".join([lines[1], lines[3]]))
    assert run("simulate", f"--batch={batch}", "--seed", 5, "--done", done) == 0
    first, *rest = done.read_text().splitlines()
    assert first.startswith("# made from ")
    assert [line.split("  ")[1] for line in rest] == [
        f"{tmp_path}/a",
        f"{tmp_path}/with space",
    ]


@pytest.mark.parametrize("code", ["", "0", "'no licence here'"])
def test_a_program_that_ends_in_code_of_your_own_has_failed(tmp_path, tiny_dataset, capsys, code):
    (tmp_path / "own.py").write_text(f"import sys\ndef f(sequences):\n    sys.exit({code})\n")
    net = tmp_path / "own.yaml"
    net.write_text("backend: sklearn\nfeatures: {module: own.py:f}\n")
    call = f"{tiny_dataset} {net} -o {tmp_path}/m --size 100 --allow-custom-code"
    assert run("train", *call.split()) == 2
    assert "code of your own ends the program (sys.exit(" in capsys.readouterr().err
    good = f"{tiny_dataset} kmer-logistic-regression -o {tmp_path}/good --size 100"
    batch, done = tmp_path / "batch.txt", tmp_path / "done"
    batch.write_text(f"--help\n{call}\n{good}")
    assert run("train", "--batch", batch, "--done", done) == 1
    assert not done.exists() and (tmp_path / "good/run.json").exists()


def test_a_line_with_an_open_quote_costs_that_line_only(tmp_path, tiny_grammar, capsys):
    batch = tmp_path / "batch.txt"
    batch.write_text(f"{tiny_grammar} -o 'out --size 10\n{tiny_grammar} -o {tmp_path}/a --size 50")
    assert run("simulate", "--batch", batch, "--seed", 5) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"seqgra: {batch}: line 1: No closing quotation"
    assert "line 1: failed" in said[1] and (tmp_path / "a" / "run.json").exists()


def test_a_command_that_writes_nothing_takes_a_batch(tmp_path, tiny_grammar, capsys):
    (tmp_path / "batch.txt").write_text(f"{tiny_grammar}\n{tmp_path}/none.yaml\n{tiny_grammar}")
    assert run("check", "--batch", tmp_path / "batch.txt") == 1
    assert capsys.readouterr().out.count(": ok") == 2


@pytest.mark.parametrize("changes", ['{"window": %s}' % ("9" * 5000), "[" * 3000])
def test_changes_of_a_variant_that_are_no_json_are_refused(tmp_path, tiny_grammar, capsys, changes):
    assert run("variant", "grammar", tiny_grammar, changes, "-o", tmp_path / "v.yaml") == 2
    assert "variant: changes: are not JSON" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ('{"window": 90, "window": 80}', "are not JSON (key 'window' is given twice)"),
        ('{"from": "toy1"}', "hold from; name the file to start from as the base"),
    ],
)
def test_changes_of_a_variant_that_would_be_lost_are_refused(
    tmp_path, tiny_grammar, capsys, changes, said
):
    assert run("variant", "grammar", tiny_grammar, changes, "-o", tmp_path / "v.yaml") == 2
    assert said in capsys.readouterr().err and not (tmp_path / "v.yaml").exists()


def test_check_reads_every_kind_of_file(tmp_path, tiny_grammar, capsys):
    (tmp_path / "bad.yaml").write_text("layers: [flatten]\nlosss: auto\n")
    assert run("check", "architectures/bayes-optimal.yaml") == 0
    assert run("describe", "architectures/bayes-optimal.yaml") == 2
    assert "is the exact posterior; only networks are described" in capsys.readouterr().err
    assert run("check", tiny_grammar, tmp_path / "bad.yaml", "config/config.yaml") == 2
    said = capsys.readouterr()
    assert f"{tiny_grammar}: ok" in said.out and "config/config.yaml: ok" in said.out
    assert "bad.yaml: losss: unknown key; did you mean 'loss'?" in said.err


def test_variant_writes_a_whole_grammar(tmp_path, tiny_grammar):
    out = tmp_path / "variant.yaml"
    assert run("variant", "grammar", tiny_grammar, '{"window": 77}', "-o", out) == 0
    assert load_grammar(out).window == (77, 77) and run("check", out) == 0


@pytest.mark.usefixtures("svg_alone")
def test_from_grammar_to_report_by_hand(tmp_path, tiny_dataset, capsys):
    model, scores = tmp_path / "model", tmp_path / "scores"
    assert (
        run("train", tiny_dataset, "conv10-gmp-fc5", "-o", model, "--size", 100, "--device", "cpu")
        == 0
    )
    assert run("evaluate", model, tiny_dataset, "-o", scores, "--set-size", 50) == 0
    method = ("--method", "saliency", "--examples", 5)
    assert run("attribute", model, tiny_dataset, "-o", tmp_path / "saliency", *method) == 0
    cells = tmp_path / "cells.csv"
    cells.write_text(
        "grammar,size,data_seed,architecture,backend,model_seed,model,scores,attributions,test\n"
        f"tiny,100,1,conv10-gmp-fc5,pytorch,0,{model},{scores},saliency={tmp_path}/saliency,{tiny_dataset}\n"
    )
    assert run("compare", "--cells", cells, "-o", tmp_path / "out") == 0
    assert (tmp_path / "out" / "report.html").exists()


def test_a_broken_pipe_of_errors_has_no_traceback(tmp_path):
    command = [
        sys.executable,
        "-m",
        "seqgra.cli",
        "train",
        tmp_path / "no",
        "fc5",
        "-o",
        tmp_path / "m",
    ]
    done = subprocess.run([*command, "--size", "100"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_the_list_holds_what_ships_from_any_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("list") == 0
    said = capsys.readouterr().out
    assert "  mc2-dna150-homer " in said and "  conv-gmp-fc " in said


def test_version(capsys):
    import seqgra

    with pytest.raises(SystemExit) as stop:
        run("--version")
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"seqgra {seqgra.__version__}\n"


#: Runs commands that find their results up to date, and prints what of HEAVY they have loaded.
UP_TO_DATE = """
import json, sys
from seqgra.cli import main
assert not any(map(main, json.loads(sys.argv[1])))
print(*{name.split(".")[0] for name in sys.modules})
"""
HEAVY = {"torch", "numba", "pandas", "pyarrow", "scipy", "sklearn", "matplotlib", "tensorflow"}


def test_what_is_up_to_date_is_found_without_heavy_libraries(tmp_path, tiny_dataset):
    data, model, fasta = tiny_dataset, tmp_path / "model", tmp_path / "a.fa"
    letters = np.random.default_rng(0).choice(list("ACGT"), (80, 30))
    fasta.write_text("".join(f">{n}\n{''.join(row)}\n" for n, row in enumerate(letters)))
    (tmp_path / "net.yaml").write_text("layers: [flatten, {dense: 4}]\ntraining: {epochs: 1}\n")
    commands = [
        ["simulate", data.parent / "tiny.yaml", "-o", data, "--seed", 1, "--size", 1000],
        ["train", data, tmp_path / "net.yaml", "-o", model, "--size", 1000],
        ["evaluate", model, data, "-o", tmp_path / "scores"],
        [
            "attribute",
            model,
            data,
            "-o",
            tmp_path / "maps",
            "--examples",
            5,
            "--method",
            "gradient",
        ],
        ["construct", data.parent / "tiny.yaml", "-o", tmp_path / "constructed"],
        ["probe", model, tmp_path / "constructed", "-o", tmp_path / "probes"],
        ["ingest", f"--fasta=a={fasta}", "--negatives", "shuffle", "-o", tmp_path / "real"],
        ["subsample", tmp_path / "real", "-o", tmp_path / "part"],
        ["export", data, "--format", "tsv", "-o", tmp_path / "tsv"],
    ]
    commands = [[str(part) for part in command] for command in commands]
    for command in commands:
        assert cli.main(command) == 0
    done = subprocess.run(
        [sys.executable, "-c", UP_TO_DATE, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=True,
    )
    *said, loaded = done.stdout.splitlines()
    assert len(said) == len(commands) and all("up to date" in line for line in said)
    assert not HEAVY & set(loaded.split())


def test_the_list_reads_no_further_than_descriptions(tmp_path, capsys):
    folder = tmp_path / "grammars"
    folder.mkdir()
    (folder / "a.yaml").write_text("window: 5\nelements: {description: no}\ndescription: of a\n")
    (folder / "b.yaml").write_text("x: &x 1\ny: *x\ndescription: of b\n}")
    (folder / "c.yaml").write_text("window: [description]\n")
    assert run("list", "--library", tmp_path) == 0
    listed = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert all(line in listed for line in (["a", "of a"], ["b", "of b"], ["c"]))
    (folder / "b.yaml").write_text("{")
    assert run("list", "--library", tmp_path) == 2
    assert "b.yaml: line 1, column 2: is not YAML" in capsys.readouterr().err
    (folder / "b.yaml").write_text('x: !!int ""')
    assert run("check", folder / "b.yaml") == 2
    assert "b.yaml: is not YAML" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    ["list", "simulate --help", "check GRAMMAR", "--version", "describe GRAMMAR --ceiling 0"],
)
def test_a_closed_pipe_ends_in_silence(tmp_path, tiny_grammar, arguments):
    call = [sys.executable, "-m", "seqgra.cli", *arguments.split()]
    call = [str(tiny_grammar) if part == "GRAMMAR" else part for part in call]
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(call, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    os.close(writing)
    said = [line for line in ended.stderr.splitlines() if "compiling for this machine" not in line]
    assert not said and ended.returncode in (0, 141)


def test_a_stage_whose_output_nobody_reads_is_done(tmp_path, tiny_grammar):
    call = [
        sys.executable,
        "-m",
        "seqgra.cli",
        "simulate",
        str(tiny_grammar),
        "-o",
        "d",
        "--size",
        "90",
    ]
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(call, stdout=writing, stderr=writing, cwd=tmp_path)
    os.close(writing)
    assert ended.returncode == 0 and (tmp_path / "d" / "run.json").exists()


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


NO_MEMORY = [MemoryError(), OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")]
NO_MEMORY += [RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")]
NO_MEMORY += [OSError(errno.ENOMEM, "Cannot allocate memory")]


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__)
def test_out_of_memory_is_one_line(tmp_path, tiny_grammar, capsys, monkeypatch, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("seqgra.dataset_files.ArrayWriter.write", fails)
    assert run("simulate", tiny_grammar, "-o", tmp_path / "d", "--size", 100) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path}/d: out of memory" in line and "nothing finished was lost" in line


def test_other_errors_are_no_lack_of_memory():
    for error in (RuntimeError("shapes differ"), OSError(errno.ENOENT, "x"), KeyError("memory")):
        assert not out_of_memory(error)


def test_too_many_open_files_say_what_to_do(tmp_path, tiny_grammar, capsys, monkeypatch):
    def fails(*_, **__):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "training.x.npy")

    monkeypatch.setattr("seqgra.dataset_files.ArrayWriter.write", fails)
    assert run("simulate", tiny_grammar, "-o", tmp_path / "d", "--size", 100) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Too many open files" in line and "ulimit -n" in line


@pytest.mark.parametrize(
    ("size", "message"),
    [(10**15, "examples are too many; a set holds 2,147,483,647 at most"), (10**9, "GB are free")],
)
def test_what_the_disk_cannot_hold_is_refused_before_the_first_byte(
    tmp_path, tiny_grammar, capsys, monkeypatch, size, message
):
    usage = shutil.disk_usage(tmp_path)._replace(free=40 * 10**9)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert run("simulate", tiny_grammar, "-o", tmp_path / "d", "--size", size) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "d").exists()


def test_a_marker_replaces_nothing_but_a_marker(tmp_path, tiny_grammar, capsys):
    batch, mine = tmp_path / "batch.txt", tmp_path / "thesis.txt"
    batch.write_text(f"{tiny_grammar} -o {tmp_path}/a --size 50")
    mine.write_text("all of it")
    assert run("simulate", "--batch", batch, "--done", mine) == 2
    assert mine.read_text() == "all of it" and "lists no results" in capsys.readouterr().err
    for _ in range(2):
        assert run("simulate", "--batch", batch, "--done", tmp_path / "done") == 0


@pytest.mark.parametrize("name", ["a" * 238, "a" * 201])
@pytest.mark.parametrize("key", ["grammars", "architectures", "name"])
def test_names_too_long_for_files_are_refused_by_check(tmp_path, capsys, name, key):
    content = {"name": "t", "grammars": ["g"], "architectures": ["fc4"], "sizes": [100]}
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump(content | {key: name if key == "name" else [name]})
    )
    assert run("check", tmp_path / "c.yaml") == 2
    assert f"has {len(name)} letters; use 200 at most" in capsys.readouterr().err
