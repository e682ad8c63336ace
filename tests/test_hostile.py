"""Hostile and damaged files end in one clear line: no traceback, no code run, nothing written outside."""

import contextlib
import json
import random
import re
import shutil
import zlib
from pathlib import Path

import hostile_folders
import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from seqgra.cli import main
from seqgra.digest import digest
from seqgra.errors import InputError
from seqgra.fingerprint import file_sha256, seal
from seqgra.grid import Grid
from seqgra.yamlfile import read_yaml

REPOSITORY = Path(__file__).parents[1]
NASTY = [
    b"\0",
    b"\xff\xfe",
    b"1e999",
    b"-1",
    b"0",
    b"99999999999999999999",
    b".nan",
    b"null",
    b"[]",
    b"{}",
    b"!!python/object/apply:os.system [id]",
    b"&a [*a]",
    b"*nowhere",
    b"<<: {a: 1}",
    b"../../etc/passwd",
    b"2026-01-01",
    b"? [a, b] : c",
    b"\t",
    b"'",
    b": ",
    "\u202e".encode(),
]


def mutants(data, count, seed):
    """Yield variants of a file: flipped, cut, doubled or dropped lines, and nasty values."""
    chosen = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(data)
        for _ in range(chosen.randint(1, 3)):
            at, what = chosen.randrange(len(mutant) + 1), chosen.randrange(6)
            if what == 0 and at < len(mutant):
                mutant[at] = chosen.randrange(256)
            elif what == 1:
                del mutant[at : at + chosen.randint(1, 40)]
            elif what == 2:
                mutant[at:at] = chosen.choice(NASTY)
            elif what == 3:
                mutant[at:at] = mutant[at : at + chosen.randint(1, 60)]
            elif what == 4:
                values = list(re.finditer(rb"(?<=: )[^\n,}]+", bytes(mutant)))
                if values:
                    value = chosen.choice(values)
                    mutant[value.start() : value.end()] = chosen.choice(NASTY)
            else:
                mutant = mutant[:at]
        yield bytes(mutant)


def ends_in_clear_lines(capsys, *arguments):
    """Run a command; it must succeed or name what is wrong, line by line."""
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert code in (0, 2), said
    assert (code == 0) == (said.err == "") or "seqgra: " in said.err
    if code:
        assert all(line.startswith("seqgra: ") for line in said.err.splitlines()), said.err
        assert "Traceback" not in said.err and len(said.err) < 20_000
    return code, said.err


YAML = ["grammars/toy6-spacing.yaml", "tests/grammars/valid", "config/config.yaml"]
YAML += ["architectures/kmer-logistic-regression.yaml", "docs/language"]


def seeds():
    """Return the YAML files that are mutated: shipped ones, and every part of the language."""
    for name in YAML:
        path = REPOSITORY / name
        yield from sorted(path.glob("*.yaml")) if path.is_dir() else [path]


def test_mutated_yaml(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for folder in ("grammars", "architectures"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    refused = 0
    files = list(seeds())
    for number, file in enumerate(files):
        for mutant in mutants(file.read_bytes(), max(2, 150 // len(files)), number):
            target = tmp_path / "hostile.yaml"
            target.write_bytes(mutant)
            refused += ends_in_clear_lines(capsys, "check", target)[0] == 2
    assert refused > 60


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: &a {b: *a}",
        "&x ? *x : 1",
        "!!python/object/apply:os.system ['touch owned']",
        "!!python/name:os.system",
        "alphabet: !!binary aGVsbG8=",
        "{" * 5000,
        "- " * 5000,
        "a: " + "[" * 2000 + "]" * 2000,
        "window: " + "9" * 5000,
        "window: 0x" + "f" * 5000,
        "window: 1:" + ":".join(["59"] * 2000),
        "a: \ud800".encode("utf-8", "surrogatepass"),
        b"\xff\xfe\x00\x00",
        "a: 1\n---\nb: 2",
        "1: 2",
        "? {a: b}\n: c",
        "null: 1",
        "layers: [{conv: {filters: 1000000000, width: 1000000001}}]",
        "layers: [{dense: {units: 99999999999999999999}}]",
        "grammars: {../../../tmp/x: {}}",
        "grammars: [a]\narchitectures: [b]\nsizes: [1e400]\nname: x",
        "alphabet: DNA\nwindow: 2000000000\nelements: {a: {kmers: {A: 1}}}\n"
        "conditions: {one: {rules: [{elements: [a]}]}}",
    ],
    ids=lambda text: re.sub(r"\W+", "-", str(text[:30])),
)
def test_hostile_yaml(tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "hostile.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    ends_in_clear_lines(capsys, "check", file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hostile.yaml"]


def test_a_billion_laughs_are_refused(tmp_path, capsys):
    """Ten levels of ten references each: 3 KB of YAML, ten thousand million values."""
    levels = ["l0: &l0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 10)]
    file = tmp_path / "hostile.yaml"
    file.write_text("\n".join(levels) + "\nwindow: *l9\nconditions: {a: *l9}\n")
    code, said = ends_in_clear_lines(capsys, "check", file)
    assert code == 2 and "more than 1,000,000 values" in said


def test_mutated_motifs_and_sequences(tmp_path, capsys):
    grammar = "alphabet: DNA\nwindow: 60\nelements: {a: ELEMENT}\n"
    grammar += "conditions: {one: {rules: [{elements: [a]}]}}\n"
    sources = {
        "m.meme": ("motif: m.meme, id: fixed", REPOSITORY / "grammars/motifs/fixed.meme"),
        "m.jaspar": ("motif: m.jaspar", REPOSITORY / "docs/language/counts.jaspar"),
        "m.pcm": ("motif: m.pcm, id: x", REPOSITORY / "grammars/motifs/hocomoco.pcm"),
    }
    sources |= {
        f"m{path.suffix}": (f"motif: m{path.suffix}, id: x", path)
        for path in sorted((REPOSITORY / "tests/motifs").iterdir())
        if path.is_file()
    }
    file = tmp_path / "g.yaml"
    for number, (name, (element, source)) in enumerate(sources.items()):
        file.write_text(grammar.replace("ELEMENT", "{" + element + "}"))
        for mutant in mutants(source.read_bytes()[:4000], 10, number):
            (tmp_path / name).write_bytes(mutant)
            ends_in_clear_lines(capsys, "check", file)
    file.write_text(
        grammar.replace("ELEMENT", "{kmers: {ACGT: 1}}") + "background: {fasta: s.fa}\n"
    )
    for mutant in mutants((REPOSITORY / "docs/language/sequences.fa").read_bytes(), 40, 99):
        (tmp_path / "s.fa").write_bytes(mutant)
        ends_in_clear_lines(capsys, "check", file)


@pytest.fixture(scope="module")
def nouns(tmp_path_factory, tiny_dataset):
    """Return a folder that holds a dataset, a model and its attributions."""
    folder = tmp_path_factory.mktemp("nouns")
    shutil.copytree(tiny_dataset, folder / "data")
    (folder / "net.yaml").write_text("layers: [flatten, {dense: 3}]\ntraining: {epochs: 1}\n")
    data, net, model = (str(folder / name) for name in ("data", "net.yaml", "model"))
    assert main(["train", data, net, "-o", model, "--size", "500"]) == 0
    return folder


def sign(noun, resign=False):
    """Make a noun's checksums fit its files, as whoever made a hostile noun would."""
    run = json.loads((noun / "run.json").read_text())
    if resign:
        content = json.loads((noun / "dataset.json").read_text())
        for name in content["checksums"]:
            data = (noun / name).read_bytes()
            parts = range(0, len(data), 4 << 20)
            content["checksums"][name] = [zlib.crc32(data[i : i + (4 << 20)]) for i in parts]
        (noun / "dataset.json").write_text(json.dumps(content))
    for name, facts in run["files"].items():
        facts["bytes"] = (noun / name).stat().st_size
        if "sha256" in facts:
            facts["sha256"] = file_sha256(noun / name)
    (noun / "run.json").write_text(seal(run))


def copied(nouns, tmp_path):
    target = tmp_path / "nouns"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(nouns, target)
    return target


def use(capsys, folder):
    """Train on, evaluate and explain the nouns of a folder."""
    data, model = folder / "data", folder / "model"
    small = ["--method", "gradient", "--examples", 5]
    return [
        ends_in_clear_lines(
            capsys, "train", data, folder / "net.yaml", "-o", folder / "m2", "--size", 100
        ),
        ends_in_clear_lines(capsys, "evaluate", model, data, "-o", folder / "s"),
        ends_in_clear_lines(capsys, "attribute", model, data, "-o", folder / "a", *small),
    ]


DAMAGED = ["data/training.x.npy", "data/test.y.npy", "data/test.elements.parquet"]
DAMAGED += ["data/dataset.json", "model/model.safetensors", "model/model.json"]


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damage_is_found_and_named(nouns, tmp_path, capsys, name, damage):
    folder = copied(nouns, tmp_path)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content if damage == "flipped" else content[:-1])
    said = "".join(line for _, line in use(capsys, folder))
    noun = folder / Path(name).parent
    assert (str(folder / name) if damage == "flipped" else str(noun)) in said, said


@pytest.mark.parametrize("name", DAMAGED)
def test_signed_mutants(nouns, tmp_path, capsys, name):
    """Files made on purpose, with checksums that fit: still no traceback."""
    for number, mutant in enumerate(mutants((nouns / name).read_bytes(), 6, 7)):
        folder = copied(nouns, tmp_path / str(number))
        (folder / name).write_bytes(mutant)
        sign(folder / Path(name).parent, resign=name.endswith(".npy"))
        use(capsys, folder)


def hostile_arrays():
    yield "pickle", np.array([{"a": 1}], dtype=object)
    yield "float", np.zeros((200, 40))
    yield "other-shape", np.zeros((200, 7), np.uint8)
    yield "flat", np.zeros(8000, np.uint8)
    yield "not-0-or-1", np.full((200, 2), 77, np.uint8)
    yield "empty", np.zeros((0, 40), np.uint8)


@pytest.mark.parametrize(
    ("kind", "array"), list(hostile_arrays()), ids=lambda value: str(value)[:15]
)
@pytest.mark.parametrize("name", ["test.x.npy", "test.y.npy"])
def test_signed_hostile_arrays(nouns, tmp_path, capsys, name, kind, array):
    folder = copied(nouns, tmp_path)
    np.save(folder / "data" / name, array, allow_pickle=True)
    sign(folder / "data", resign=True)
    assert any(code == 2 for code, _ in use(capsys, folder)), kind


def test_signed_hostile_weights(nouns, tmp_path, capsys):
    for tensors in ({}, {"1.weight": np.zeros(3, np.float32)}, {"x": np.zeros((2, 2))}):
        folder = copied(nouns, tmp_path)
        save_file(tensors, folder / "model" / "model.safetensors")
        sign(folder / "model")
        code, said = use(capsys, folder)[1]
        assert code == 2 and "model.safetensors" in said


def test_no_path_of_a_config_leaves_the_results(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    content = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text())
    outside = ["../x", "/tmp/x", "a/b", "..", ".hidden", "a\nb", "", "-x"]  # noqa: S108
    for bad in outside:
        for change in (
            {"name": bad},
            {"grammars": {bad: {"from": "toy6-spacing"}}},
            {"architectures": {bad: {"from": "fc10"}}},
            {"grammars": {"g": {"from": bad}}},
            {"architectures": {"n": {"from": bad}}},
            {"backends": [bad]},
            {"attribution": {"methods": [bad]}},
        ):
            file = tmp_path / "config.yaml"
            file.write_text(yaml.safe_dump(content | change))
            assert ends_in_clear_lines(capsys, "check", file)[0] == 2, change


def test_no_folder_of_a_stranger_changes_a_byte_outside_of_it(tmp_path):
    """`python tests/hostile_folders.py 1000` tries more of them."""
    ground = hostile_folders.Playground(tmp_path)
    ends = [code for seed in range(60) for code in hostile_folders.trial(ground, seed)[-2:]]
    assert ends.count("exit 0") > 50 and ends.count("exit 2") > 10


@pytest.mark.parametrize("stage", ["simulate", "train"])
@pytest.mark.parametrize("name", ["../../victim", "..", "x/../../../victim", "run.json", ".lock"])
def test_a_journal_names_only_files_of_its_stage(tmp_path, capsys, stage, name):
    """It fits its checksum and the very identity that is claimed, and its files lie there."""
    ground = hostile_folders.Playground(tmp_path)
    ground.make(stage, 1)
    run = json.loads((ground.folder / "run.json").read_text())
    run["files"][name] = {"bytes": 11}
    (ground.folder / ".aside-..").mkdir()
    with contextlib.suppress(OSError):
        (ground.folder / f".aside-{name}").write_text("overwritten")
    (ground.folder / ".publish.json").write_text(seal(run))
    before = ground.snapshot()
    assert ground.make(stage, 1) == 0 and ground.snapshot() == before
    names = {path.name for path in ground.folder.iterdir()}
    assert not any(n.startswith((".aside", ".publish")) for n in names), names
    assert (ground.folder / ".lock").read_text().startswith("seqgra")


WRONG = [
    *({"options": given} for given in ({}, [], None, {"backend": 7}, {"backend": "none"})),
    *({"threads": given} for given in (1e9, 10**9, -1, "2", True, None, [])),
    *({"status": given} for given in (None, [], {})),
    *(
        {"files": given}
        for given in ([], {"a/../b": {"bytes": 1}}, {"x": 1}, {"x": {"bytes": "1"}})
    ),
    *({"inputs": given} for given in ({"dataset": 1}, "x", [])),
    *({name: given} for name in ("seconds", "epochs", "parameters") for given in ("x", [1], {})),
    {"best_validation_loss": "x"},
    {"versions": "x"},
    {"tuned": 3},
    {"restricted": {"a": 1}},
    {"reason": [1]},
    {"device": 7},
    {"verb": "evaluate"},
    {"results_version": "2"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_hostile_run_json_that_fits_its_checksum_is_one_line(nouns, tmp_path, capsys, wrong):
    folder = copied(nouns, tmp_path)
    run = json.loads((folder / "model" / "run.json").read_text()) | wrong
    parts = [run[key] for key in ("verb", "results_version", "inputs", "options")]
    (folder / "model" / "run.json").write_text(seal(run | {"fingerprint": digest(parts)}))
    data, model = folder / "data", folder / "model"
    code, said = ends_in_clear_lines(capsys, "evaluate", model, data, "-o", folder / "s")
    assert code == 0 or (len(said.splitlines()) == 1 and str(model) in said), said
    (folder / "cells.csv").write_text(
        "grammar,size,data_seed,architecture,backend,model_seed,model,scores,attributions,test\n"
        f"tiny,500,1,net,pytorch,0,{model},{folder / 's'},,{data}\n"
    )
    code, said = ends_in_clear_lines(
        capsys, "compare", "--cells", folder / "cells.csv", "-o", folder
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("030", 24),
        ("-017", -15),
        ("+012", 10),
        ("0_7", 7),
        ("00", 0),
        ("1:30", 90),
        ("1:30.5", 90.5),
    ],
)
@pytest.mark.parametrize("place", ["window: {}", "a: [1, {}]", "{}: 1", "a: {{b: {}}}"])
def test_numbers_that_yaml_reads_otherwise_are_refused(tmp_path, text, value, place):
    file = tmp_path / "a.yaml"
    file.write_text(place.format(text))
    with pytest.raises(
        InputError, match=re.escape(f"{text} is ") + "(octal|base 60), " + str(value)
    ):
        read_yaml(file)
    file.write_text(place.format(f"'{text}'"))
    assert text in str(read_yaml(file))


@pytest.mark.parametrize("text", ["0", "30", "-5", "0.5", "-0.5", "007.5", "1_000", "0x1F", "0b11"])
def test_other_numbers_are_read(tmp_path, text):
    (tmp_path / "a.yaml").write_text(f"a: {text}")
    assert isinstance(read_yaml(tmp_path / "a.yaml")["a"], (int, float))


#: What a config says -> the line about it.
CONFIGS = {
    "grammars: {toy: {from: toy1-kmer-center, windw: 300}}": "grammars.toy: windw: unknown key; did you mean "
    "'window'?",
    "architectures: {small: {from: fc10, optimiser: 3}}": "architectures.small: optimiser: unknown key; did "
    "you mean 'optimizer'?",
    "architectures: [conv10w-gmp-fc]": "architectures.conv10w-gmp-fc: architecture: unknown part 'fc'; parts "
    "are convN[xn|n|w|xw|xxw], fcN, gmp, do0D, bnN",
    "architectures: {a: {from: kmer-logistic-regression, training: {}}}": "architectures.a: training: "
    "unknown key; allowed: description, backend, features, head, penalties",
    "datasets: {real: {folder: data/x}}": "datasets.real.folder: data/x does not exist; make it with seqgra "
    "ingest",
    "sizes: [5]": "sizes[0]: is 5; should be greater than or equal to 10",
    "sizes: []": "sizes: holds nothing; at least 1",
    "train: {device: gpu}": "train.device: is 'gpu'; expected 'auto', 'cpu' or 'cuda'",
    "probe: {sizes: most}": "probe.sizes[0]: is 'most'; expected a size of the grid, largest or all",
    "attribution: {sizes: [7]}": "attribution.sizes[0]: is 7; expected a size of the grid, largest or all",
    "probe: {sizes: [largest, 300]}": "probe.sizes: holds 300, which is none of the grid's sizes",
}


@pytest.mark.parametrize("text", CONFIGS)
def test_what_is_wrong_with_a_config_is_one_line_at_its_place(tmp_path, text, capsys):
    whole = {
        "name": "t",
        "grammars": ["toy1-kmer-center"],
        "architectures": ["fc10"],
        "sizes": [100],
    }
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump({**whole, **yaml.safe_load(text)}))
    assert main(["check", str(file)]) == 2
    assert capsys.readouterr().err == f"seqgra: {file}: {CONFIGS[text]}\n"


def test_a_config_is_one_without_grammars_too(tmp_path, capsys):
    file = tmp_path / "c.yaml"
    file.write_text("name: t\ngrammar: [toy1-kmer-center]\narchitectures: [fc10]\nsizes: [100]\n")
    assert main(["check", str(file)]) == 2
    said = capsys.readouterr().err
    assert "grammar: unknown key; did you mean 'grammars'?" in said and "window" not in said


@pytest.mark.parametrize("sizes", ["all", "largest", 100, [100], ["largest", 100]])
@pytest.mark.parametrize("key", ["probe", "attribution"])
def test_sizes_are_words_or_numbers_one_or_several(sizes, key):
    config = {"name": "t", "grammars": ["toy1-kmer-center"], "architectures": ["fc10"]}
    grid = Grid({**config, "sizes": [100, 200], key: {"sizes": sizes}}, "c.yaml")
    chosen = grid.probed if key == "probe" else grid.explained
    found = {cell.size for cell in grid.cells if chosen(cell)}
    named = set(sizes if isinstance(sizes, list) else [sizes])
    wanted = {100: {100, "all"}, 200: {"all", "largest"}}
    assert found == {size for size, words in wanted.items() if named & words}
